/* SPDX-License-Identifier: Apache-2.0 */
#include "base/resolver.h"

#include <arpa/nameser.h>
#include <resolv.h>
#include <string.h>
#include <unbound-event.h>
#include <unbound.h>

G_DEFINE_QUARK(signet - resolver - error, resolver_error)

struct Resolver {
  struct event_base *base;
  struct ub_ctx *ctx;
  GHashTable *questions; /* set of ResolverQuestion: asked for and not yet delivered */
};

/* due is the deadline while libunbound holds the question and delivers the answer afterwards:
   answered is called neither inside resolver_ask nor inside libunbound, and may even free the
   resolver. */
struct ResolverQuestion {
  Resolver *resolver;
  struct event *due;
  gboolean asked; /* libunbound holds it, as number id */
  int id;
  guint type;
  ResolverAnswer answer;
  ResolverAnswered answered;
  gpointer user;
};

/* --- answers --- */

static guint get16(const guint8 *p) {
  return (guint)p[0] << 8 | p[1];
}

static gint64 get32(const guint8 *p) {
  return (gint64)get16(p) << 16 | get16(p + 2);
}

/* Steps over a name and the fixed octets after it; NULL at the end of the packet. */
static const guint8 *skip(const guint8 *at, const guint8 *end, int fixed) {
  int name = dn_skipname(at, end);
  return name < 0 || end - at < name + fixed ? NULL : at + name + fixed;
}

/* A record's data; the host of an MX record without compression, NULL when it is malformed. */
static GBytes *read_data(const guint8 *packet, const guint8 *end, const guint8 *data, guint type) {
  guint8 mx[2 + NS_MAXCDNAME];
  guint length = get16(data - 2);
  if (type != ns_t_mx)
    return g_bytes_new(data, length);
  if (length < 3)
    return NULL;
  memcpy(mx, data, 2);
  int used = ns_name_unpack(packet, end, data + 2, mx + 2, NS_MAXCDNAME);
  int whole = used == (int)length - 2 ? dn_skipname(mx + 2, mx + sizeof mx) : -1;
  return whole > 0 ? g_bytes_new(mx, 2 + (gsize)whole) : NULL;
}

/* Collects the records of one type from the answer section (RFC 1035 section 4.1); FALSE when the
   packet is malformed or cut short. */
static gboolean collect(const guint8 *packet, gsize length, guint type, ResolverAnswer *answer) {
  const guint8 *end = packet + length;
  if (length < NS_HFIXEDSZ || (packet[2] & 0x02) != 0)
    return FALSE;
  const guint8 *at = packet + NS_HFIXEDSZ;
  for (guint questions = get16(packet + 4); questions > 0 && at != NULL; questions--)
    at = skip(at, end, NS_QFIXEDSZ);
  for (guint records = get16(packet + 6); records > 0 && at != NULL; records--) {
    const guint8 *data = skip(at, end, NS_RRFIXEDSZ);
    if (data == NULL || end - data < (gint64)get16(data - 2))
      return FALSE;
    if (get16(data - 10) == type && get16(data - 8) == ns_c_in) {
      GBytes *rdata = read_data(packet, end, data, type);
      if (rdata == NULL)
        return FALSE;
      answer->ttl = answer->rdata->len == 0 ? get32(data - 6) : MIN(get32(data - 6), answer->ttl);
      g_ptr_array_add(answer->rdata, rdata);
    }
    at = data + get16(data - 2);
  }
  return at != NULL;
}

static void set_outcome(ResolverAnswer *answer, ResolverOutcome outcome, const char *text) {
  answer->outcome = outcome;
  g_free((char *)answer->text);
  answer->text = g_strdup(text);
}

static void read_packet(ResolverAnswer *answer, guint type, const guint8 *packet, gsize length) {
  if (!collect(packet, length, type, answer)) {
    set_outcome(answer, RESOLVER_TEMPORARY, "malformed DNS answer");
    return;
  }
  guint rcode = packet[3] & 0x0fu;
  if (rcode == ns_r_nxdomain)
    set_outcome(answer, RESOLVER_NONE, "no such domain name");
  else if (rcode != ns_r_noerror)
    set_outcome(answer, RESOLVER_TEMPORARY, "the name servers report an error");
  else if (answer->rdata->len == 0)
    set_outcome(answer, RESOLVER_NONE, "no record of that type");
  else
    set_outcome(answer, RESOLVER_FOUND, "found");
}

/* --- questions --- */

static void question_free(gpointer data) {
  ResolverQuestion *question = data;
  if (question->asked)
    ub_cancel(question->resolver->ctx, question->id);
  event_free(question->due);
  g_ptr_array_unref(question->answer.rdata);
  g_free((char *)question->answer.text);
  g_free(question);
}

/* libunbound's verdict: a forged answer comes with rcode 0 and its data, so sec is looked at first;
   with another rcode there is no packet. */
static void on_unbound(void *user, int rcode, void *packet, int length, int sec, char *why_bogus,
                       int ratelimited G_GNUC_UNUSED) {
  ResolverQuestion *question = user;
  ResolverAnswer *answer = &question->answer;
  question->asked = FALSE;
  if (sec == 1)
    set_outcome(answer, RESOLVER_BOGUS, why_bogus != NULL ? why_bogus : "DNSSEC validation failed");
  else if (rcode != 0)
    set_outcome(answer, RESOLVER_TEMPORARY, "the name servers cannot be asked");
  else
    read_packet(answer, question->type, packet, (gsize)length);
  if (answer->outcome != RESOLVER_FOUND)
    g_ptr_array_set_size(answer->rdata, 0);
  answer->secure = sec == 2 && answer->outcome >= RESOLVER_NONE;
  event_active(question->due, EV_TIMEOUT, 0);
}

static void on_due(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  ResolverQuestion *question = user;
  g_hash_table_steal(question->resolver->questions, question);
  if (question->asked)
    ub_cancel(question->resolver->ctx, question->id);
  question->asked = FALSE;
  question->answered(&question->answer, question->user);
  question_free(question);
}

ResolverQuestion *resolver_ask(Resolver *resolver, const char *name, int type, int timeout,
                               ResolverAnswered answered, gpointer user) {
  ResolverQuestion *question = g_new0(ResolverQuestion, 1);
  question->resolver = resolver;
  question->type = (guint)type;
  question->answered = answered;
  question->user = user;
  question->answer.rdata = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
  set_outcome(&question->answer, RESOLVER_TEMPORARY, "no DNS answer in time");
  question->due = evtimer_new(resolver->base, on_due, question);
  g_hash_table_add(resolver->questions, question);
  struct timeval deadline = {timeout / 1000, timeout % 1000 * 1000};
  evtimer_add(question->due, &deadline);
  question->asked = TRUE;
  int failure =
      ub_resolve_event(resolver->ctx, name, type, ns_c_in, question, on_unbound, &question->id);
  if (failure != 0) {
    question->asked = FALSE;
    /* A selector chosen by a stranger may make a name of more than 255 octets: no server has it. */
    set_outcome(&question->answer, failure == UB_SYNTAX ? RESOLVER_NONE : RESOLVER_TEMPORARY,
                failure == UB_SYNTAX ? "not a domain name" : ub_strerror(failure));
    event_active(question->due, EV_TIMEOUT, 0);
  }
  return question;
}

void resolver_cancel(ResolverQuestion *question) {
  g_hash_table_remove(question->resolver->questions, question);
}

/* --- options --- */

static gboolean refuse(GError **error, const char *option, const char *value, const char *why) {
  g_set_error(error, RESOLVER_ERROR, RESOLVER_ERROR_OPTION, "%s \"%s\": %s", option, value, why);
  return FALSE;
}

static gboolean taken(int failure, const char *option, const char *value, GError **error) {
  return failure == 0 || refuse(error, option, value, ub_strerror(failure));
}

/* libunbound takes a misspelt option in silence, so it is read back; name without its colon. */
static gboolean set(struct ub_ctx *ctx, const char *name, const char *value, GError **error) {
  g_autofree char *option = g_strconcat(name, ":", NULL);
  char *kept = NULL;
  if (!taken(ub_ctx_set_option(ctx, option, value), name, value, error) ||
      !taken(ub_ctx_get_option(ctx, name, &kept), name, value, error))
    return FALSE;
  gboolean known = kept != NULL && strcmp(kept, value) == 0;
  free(kept);
  return known || refuse(error, name, value, "libunbound does not know it");
}

/* What differs from libunbound's defaults, and why. */
static gboolean set_defaults(struct ub_ctx *ctx, GError **error) {
  /* A key just corrected is seen soon, a withdrawn one is forgotten within the hour. */
  return set(ctx, "cache-max-negative-ttl", "60", error) &&
         set(ctx, "cache-max-ttl", "3600", error) &&
         /* A server that was down is found again at once, not after 15 minutes. */
         set(ctx, "infra-keep-probing", "yes", error);
}

/* A file that cannot be used would otherwise show itself as failing questions. */
static gboolean check_anchor_file(const char *path, GError **error) {
  g_autoptr(GError) failure = NULL;
  g_autofree char *contents = NULL;
  if (!g_file_get_contents(path, &contents, NULL, &failure))
    return refuse(error, "trust anchor file", path, failure->message);
  if (!g_regex_match_simple("^[^;\\n]*\\s(DS|DNSKEY)\\s+\\d", contents,
                            G_REGEX_MULTILINE | G_REGEX_CASELESS | G_REGEX_RAW, 0))
    return refuse(error, "trust anchor file", path, "holds no DS or DNSKEY record");
  return TRUE;
}

static gboolean add_anchors(struct ub_ctx *ctx, const ResolverOptions *options, GError **error) {
  const char *path = options->trust_anchor_file;
  if (path != NULL && (!check_anchor_file(path, error) ||
                       !taken(ub_ctx_add_ta_file(ctx, path), "trust anchor file", path, error)))
    return FALSE;
  for (const char *const *domain = options->insecure; domain != NULL && *domain != NULL; domain++)
    if (!taken(ub_ctx_set_option(ctx, "domain-insecure:", *domain), "insecure domain", *domain,
               error))
      return FALSE;
  return TRUE;
}

/* Servers on this host are not asked unless they are named. */
static gboolean allow_loopback(struct ub_ctx *ctx, const char *server, GError **error) {
  if (!g_str_has_prefix(server, "127.") && !g_str_has_prefix(server, "::1"))
    return TRUE;
  return set(ctx, "do-not-query-localhost", "no", error);
}

static gboolean add_servers(struct ub_ctx *ctx, const ResolverOptions *options, GError **error) {
  for (const char *const *stub = options->stubs; stub != NULL && *stub != NULL; stub++) {
    g_auto(GStrv) words = g_strsplit(*stub, " ", -1);
    if (g_strv_length(words) != 2)
      return refuse(error, "stub", *stub, "is not \"zone address@port\"");
    if (!taken(ub_ctx_set_stub(ctx, words[0], words[1], 0), "stub", *stub, error) ||
        !allow_loopback(ctx, words[1], error))
      return FALSE;
  }
  for (const char *const *server = options->forwarders; server != NULL && *server != NULL; server++)
    if (!taken(ub_ctx_set_fwd(ctx, *server), "forwarder", *server, error) ||
        !allow_loopback(ctx, *server, error))
      return FALSE;
  return TRUE;
}

/* After the first of these libunbound takes no further options. */
static gboolean add_local(struct ub_ctx *ctx, const ResolverOptions *options, GError **error) {
  /* Else libunbound itself would deny what is below such built-in zones as "test." */
  for (const char *const *stub = options->stubs; stub != NULL && *stub != NULL; stub++) {
    g_autofree char *zone = g_strndup(*stub, strcspn(*stub, " "));
    if (!taken(ub_ctx_zone_add(ctx, zone, "transparent"), "stub", *stub, error))
      return FALSE;
  }
  for (const char *const *record = options->local_data; record != NULL && *record != NULL; record++)
    if (!taken(ub_ctx_data_add(ctx, *record), "local data", *record, error))
      return FALSE;
  return TRUE;
}

static void on_probe(void *user, int rcode, void *packet G_GNUC_UNUSED, int length G_GNUC_UNUSED,
                     int sec G_GNUC_UNUSED, char *why_bogus G_GNUC_UNUSED,
                     int ratelimited G_GNUC_UNUSED) {
  *(gboolean *)user = rcode == 0;
}

/* libunbound reads anchors and makes its modules at the first question: one that it answers by
 * itself. */
static gboolean probe(struct ub_ctx *ctx, GError **error) {
  gboolean works = FALSE;
  int failure = ub_resolve_event(ctx, "localhost.", ns_t_a, ns_c_in, &works, on_probe, NULL);
  if (!taken(failure, "resolver", "first question", error))
    return FALSE;
  return works || refuse(error, "resolver", "first question", "no answer");
}

Resolver *resolver_new(struct event_base *base, const ResolverOptions *options, GError **error) {
  g_autoptr(Resolver) resolver = g_new0(Resolver, 1);
  resolver->base = base;
  resolver->questions = g_hash_table_new_full(NULL, NULL, question_free, NULL);
  resolver->ctx = ub_ctx_create_event(base);
  if (resolver->ctx == NULL)
    return refuse(error, "resolver", "new", "out of memory"), NULL;
  ub_ctx_debugout(resolver->ctx, NULL); /* it would write to standard error in its own form */
  if (!set_defaults(resolver->ctx, error) || !add_anchors(resolver->ctx, options, error) ||
      !add_servers(resolver->ctx, options, error) || !add_local(resolver->ctx, options, error) ||
      !probe(resolver->ctx, error))
    return NULL;
  return g_steal_pointer(&resolver);
}

void resolver_free(Resolver *resolver) {
  if (resolver == NULL)
    return;
  g_hash_table_unref(resolver->questions);
  if (resolver->ctx != NULL)
    ub_ctx_delete(resolver->ctx);
  g_free(resolver);
}

/* --- MX, TXT --- */

char *resolver_mx(GBytes *rdata, guint *preference) {
  char host[NS_MAXDNAME];
  gsize length = 0;
  const guint8 *data = g_bytes_get_data(rdata, &length);
  if (length < 3 || dn_skipname(data + 2, data + length) != (int)length - 2 ||
      ns_name_ntop(data + 2, host, sizeof host) < 0)
    return NULL;
  *preference = get16(data);
  return g_strdup(host);
}

/* TXT-DATA = 1*character-string, each an octet of length and so many octets (RFC 1035
 * section 3.3.14). */
char *resolver_txt(GBytes *rdata) {
  gsize length = 0;
  const guint8 *at = g_bytes_get_data(rdata, &length);
  const guint8 *end = at + length;
  g_autoptr(GString) text = g_string_new(NULL);
  for (; at < end && end - at > *at; at += 1 + *at)
    g_string_append_len(text, (const char *)at + 1, *at);
  if (length == 0 || at != end || memchr(text->str, '\0', text->len) != NULL)
    return NULL;
  return g_string_free(g_steal_pointer(&text), FALSE);
}
