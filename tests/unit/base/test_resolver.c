/* SPDX-License-Identifier: Apache-2.0 */
/* With "--ask NAME TYPE ANCHOR STUB..." a program that asks one question for tests/lab.py: it
   prints the outcome, "secure" or "insecure", the smallest time to live and the reason, then a line
   for each record. ANCHOR "-" is none. */
#include "base/resolver.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE 60000 /* milliseconds; what is asked here is answered at once */

/* One question's answer, kept. */
typedef struct {
  struct event_base *base;
  gboolean answered, secure;
  ResolverOutcome outcome;
  gint64 ttl;
  GPtrArray *rdata;
  char *text;
} Kept;

static void keep(const ResolverAnswer *answer, gpointer user) {
  Kept *kept = user;
  g_assert_false(kept->answered);
  kept->answered = TRUE;
  kept->secure = answer->secure;
  kept->outcome = answer->outcome;
  kept->ttl = answer->ttl;
  kept->rdata = g_ptr_array_ref(answer->rdata);
  kept->text = g_strdup(answer->text);
  event_base_loopbreak(kept->base);
}

static void kept_clear(Kept *kept) {
  g_clear_pointer(&kept->rdata, g_ptr_array_unref);
  g_clear_pointer(&kept->text, g_free);
  kept->answered = FALSE;
}

static void ask(Resolver *resolver, const char *name, int type, int timeout, Kept *kept) {
  kept_clear(kept);
  resolver_ask(resolver, name, type, timeout, keep, kept);
  g_assert_false(kept->answered);
  while (!kept->answered)
    g_assert_cmpint(event_base_loop(kept->base, EVLOOP_ONCE), >=, 0);
}

/* One of the records, which come in any order. */
static void assert_txt(const Kept *kept, const char *expected) {
  g_assert_cmpint(kept->outcome, ==, RESOLVER_FOUND);
  for (guint i = 0; i < kept->rdata->len; i++) {
    g_autofree char *text = resolver_txt(g_ptr_array_index(kept->rdata, i));
    if (g_strcmp0(text, expected) == 0)
      return;
  }
  g_error("no record is \"%s\"", expected);
}

/* --- a name server on a loopback port; what it answers goes by the first label --- */

typedef struct {
  int fd;
  guint16 port;
  struct event *event;
  int asked;
} Server;

static void put(GByteArray *out, const void *data, gsize length) {
  g_byte_array_append(out, data, (guint)length);
}

/* A record owned by the asked name: type, class IN, so many seconds. */
static void put_record(GByteArray *out, guint8 type, guint8 ttl, const void *data, guint8 length) {
  const guint8 head[] = {0xc0, 12, 0, type, 0, 1, 0, 0, 0, ttl, 0, length};
  put(out, head, sizeof head);
  put(out, data, length);
}

static void answer_query(Server *server, guint8 *query, gsize length,
                         const struct sockaddr_in *peer) {
  gsize end = 12 + strlen((char *)query + 12) + 1;
  g_assert_cmpuint(end + 4, <=, length);
  gboolean txt = query[end + 1] == ns_t_txt;
  const char *label = (char *)query + 13;
  g_autoptr(GByteArray) out = g_byte_array_new();
  put(out, query, end + 4);
  guint8 *header = out->data;
  header[2] = 0x84; /* a response, authoritative */
  memset(header + 3, 0, 9);
  header[5] = 1;
  if (g_ascii_strncasecmp(label, "servfail", 8) == 0)
    header[3] = ns_r_servfail;
  else if (g_ascii_strncasecmp(label, "refused", 7) == 0)
    header[3] = ns_r_refused;
  else if (g_ascii_strncasecmp(label, "missing", 7) == 0)
    header[3] = ns_r_nxdomain;
  else if (txt && g_ascii_strncasecmp(label, "alias", 5) == 0) {
    header[7] = 1;
    put_record(out, ns_t_cname, 90, "\x03txt\xc0\x12", 6); /* the zone comes after "alias" */
  } else if (query[end + 1] == ns_t_mx && g_ascii_strncasecmp(label, "mx", 2) == 0) {
    header[7] = 3;
    put_record(out, ns_t_mx, 80, "\0\x0a\x04mail\xc0\x0f", 9); /* the zone comes after "mx" */
    put_record(out, ns_t_mx, 80,
               "\1\0\x05"
               "other\x04test\0",
               14);
    put_record(out, ns_t_mx, 80, "\0\0\0", 3);
  } else if (query[end + 1] == ns_t_mx && g_ascii_strncasecmp(label, "loop", 4) == 0) {
    header[7] = 1;
    put_record(out, ns_t_mx, 80, "\0\x0a\xc0\x40", 4);
  } else if (txt && g_ascii_strncasecmp(label, "txt", 3) == 0) {
    header[7] = 2;
    put_record(out, ns_t_txt, 100, "\x03one\x03two", 8);
    put_record(out, ns_t_txt, 70, "\x05three", 6);
  }
  server->asked++;
  sendto(server->fd, out->data, out->len, 0, (const struct sockaddr *)peer, sizeof *peer);
}

static void on_query(evutil_socket_t fd, short what G_GNUC_UNUSED, void *user) {
  guint8 query[512] = {0};
  struct sockaddr_in peer;
  socklen_t size = sizeof peer;
  ssize_t length = recvfrom(fd, query, sizeof query, 0, (struct sockaddr *)&peer, &size);
  if (length > 12)
    answer_query(user, query, (gsize)length, &peer);
}

/* base NULL: the port takes queries and never answers. */
static void server_open(Server *server, struct event_base *base) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  server->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint(bind(server->fd, (struct sockaddr *)&address, size), ==, 0);
  g_assert_cmpint(getsockname(server->fd, (struct sockaddr *)&address, &size), ==, 0);
  server->port = ntohs(address.sin_port);
  server->asked = 0;
  server->event = NULL;
  if (base == NULL)
    return;
  server->event = event_new(base, server->fd, EV_READ | EV_PERSIST, on_query, server);
  event_add(server->event, NULL);
}

static void server_close(Server *server) {
  if (server->event != NULL)
    event_free(server->event);
  close(server->fd);
}

/* --- tests --- */

static Resolver *open_resolver(struct event_base *base, ResolverOptions options) {
  g_autoptr(GError) error = NULL;
  Resolver *resolver = resolver_new(base, &options, &error);
  g_assert_no_error(error);
  g_assert_nonnull(resolver);
  return resolver;
}

static void test_local_data(void) {
  struct event_base *base = event_base_new();
  g_autofree char *half = g_strnfill(250, 'k');
  g_autofree char *key =
      g_strdup_printf("big.example.test. 300 TXT \"%s\" \"%s\" \"%s\"", half, half, half);
  const char *const data[] = {"example.test. 120 TXT \"one \" \"two\"",
                              "example.test. 60 TXT \"three\"",
                              "example.test. 60 CAA 0 issuemail \"ca.example\"", key, NULL};
  Resolver *resolver = open_resolver(base, (ResolverOptions){.local_data = data});
  Kept kept = {.base = base};
  for (int i = 0; i < 2; i++) {
    ask(resolver, "example.test", ns_t_txt, PATIENCE, &kept);
    g_assert_cmpuint(kept.rdata->len, ==, 2);
    assert_txt(&kept, "one two");
    assert_txt(&kept, "three");
    g_assert_cmpint(kept.ttl, ==, 60);
    g_assert_false(kept.secure);
  }
  ask(resolver, "EXAMPLE.test.", 257, PATIENCE, &kept);
  g_assert_cmpint(kept.outcome, ==, RESOLVER_FOUND);
  g_autoptr(GBytes) caa = g_bytes_new("\0\x09issuemailca.example", 21);
  g_assert_true(g_bytes_equal(g_ptr_array_index(kept.rdata, 0), caa));
  ask(resolver, "big.example.test", ns_t_txt, PATIENCE, &kept);
  g_autofree char *joined = g_strconcat(half, half, half, NULL);
  assert_txt(&kept, joined);
  ask(resolver, "example.test", ns_t_mx, PATIENCE, &kept);
  g_assert_cmpint(kept.outcome, ==, RESOLVER_NONE);
  ask(resolver, "none.test", ns_t_txt, PATIENCE, &kept);
  g_assert_cmpint(kept.outcome, ==, RESOLVER_NONE);
  g_assert_cmpuint(kept.rdata->len, ==, 0);
  kept_clear(&kept);
  resolver_free(resolver);
  event_base_free(base);
}

static void test_stub(void) {
  struct event_base *base = event_base_new();
  Server server;
  server_open(&server, base);
  g_autofree char *stub = g_strdup_printf("stub.test 127.0.0.1@%u", server.port);
  const char *const stubs[] = {stub, NULL};
  Resolver *resolver = open_resolver(base, (ResolverOptions){.stubs = stubs});
  Kept kept = {.base = base};
  static const struct {
    const char *name;
    ResolverOutcome outcome;
    guint records;
    gint64 ttl;
  } rows[] = {
      {"txt.stub.test", RESOLVER_FOUND, 2, 70},
      {"txt.stub.test", RESOLVER_FOUND, 2, 70},
      {"alias.stub.test", RESOLVER_FOUND, 2, 70},
      {"empty.stub.test", RESOLVER_NONE, 0, 0},
      {"missing.stub.test", RESOLVER_NONE, 0, 0},
      {"servfail.stub.test", RESOLVER_TEMPORARY, 0, 0},
      {"refused.stub.test", RESOLVER_TEMPORARY, 0, 0},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    ask(resolver, rows[i].name, ns_t_txt, PATIENCE, &kept);
    g_test_message("%s: %s", rows[i].name, kept.text);
    g_assert_cmpint(kept.outcome, ==, rows[i].outcome);
    g_assert_cmpuint(kept.rdata->len, ==, rows[i].records);
    g_assert_cmpint(kept.ttl, ==, rows[i].ttl);
    g_assert_false(kept.secure);
    if (rows[i].records > 0)
      g_assert_cmpint(server.asked, >, 0);
  }
  kept_clear(&kept);
  resolver_free(resolver);
  server_close(&server);
  event_base_free(base);
}

/* Compressed names in the data are made whole. */
static void test_mx(void) {
  static const struct {
    guint preference;
    const char *host;
  } wanted[] = {{10, "mail.stub.test"}, {256, "other.test"}, {0, "."}};
  struct event_base *base = event_base_new();
  Server server;
  server_open(&server, base);
  g_autofree char *stub = g_strdup_printf("stub.test 127.0.0.1@%u", server.port);
  const char *const stubs[] = {stub, NULL};
  Resolver *resolver = open_resolver(base, (ResolverOptions){.stubs = stubs});
  Kept kept = {.base = base};
  ask(resolver, "mx.stub.test", RESOLVER_MX, PATIENCE, &kept);
  g_assert_cmpint(kept.outcome, ==, RESOLVER_FOUND);
  g_assert_cmpuint(kept.rdata->len, ==, G_N_ELEMENTS(wanted));
  gboolean seen[G_N_ELEMENTS(wanted)] = {FALSE};
  for (guint i = 0; i < kept.rdata->len; i++) {
    guint preference = 0;
    g_autofree char *host = resolver_mx(g_ptr_array_index(kept.rdata, i), &preference);
    for (guint j = 0; j < G_N_ELEMENTS(wanted); j++)
      seen[j] =
          seen[j] || (preference == wanted[j].preference && g_strcmp0(host, wanted[j].host) == 0);
  }
  g_assert_true(seen[0] && seen[1] && seen[2]);
  ask(resolver, "loop.stub.test", RESOLVER_MX, PATIENCE, &kept);
  g_assert_cmpint(kept.outcome, ==, RESOLVER_TEMPORARY);
  guint preference = 0;
  g_autoptr(GBytes) cut = g_bytes_new("\0\x0a\x04mail", 7);
  g_assert_null(resolver_mx(cut, &preference));
  kept_clear(&kept);
  resolver_free(resolver);
  server_close(&server);
  event_base_free(base);
}

static void test_forwarder(void) {
  struct event_base *base = event_base_new();
  Server server;
  server_open(&server, base);
  g_autofree char *forwarder = g_strdup_printf("127.0.0.1@%u", server.port);
  const char *const forwarders[] = {forwarder, NULL};
  Resolver *resolver = open_resolver(base, (ResolverOptions){.forwarders = forwarders});
  Kept kept = {.base = base};
  ask(resolver, "txt.example.org", ns_t_txt, PATIENCE, &kept);
  assert_txt(&kept, "onetwo");
  assert_txt(&kept, "three");
  kept_clear(&kept);
  resolver_free(resolver);
  server_close(&server);
  event_base_free(base);
}

static void never(const ResolverAnswer *answer G_GNUC_UNUSED, gpointer user G_GNUC_UNUSED) {
  g_assert_not_reached();
}

/* A dead server would hold libunbound for 17 seconds. */
static void test_deadline(void) {
  struct event_base *base = event_base_new();
  Server server;
  server_open(&server, NULL);
  g_autofree char *stub = g_strdup_printf("dead.test 127.0.0.1@%u", server.port);
  const char *const stubs[] = {stub, NULL};
  Resolver *resolver = open_resolver(base, (ResolverOptions){.stubs = stubs});
  Kept kept = {.base = base};
  resolver_cancel(resolver_ask(resolver, "cancelled.dead.test", ns_t_txt, 100, never, NULL));
  gint64 start = g_get_monotonic_time();
  ask(resolver, "a.dead.test", ns_t_txt, 300, &kept);
  gint64 took = (g_get_monotonic_time() - start) / 1000;
  g_assert_cmpint(kept.outcome, ==, RESOLVER_TEMPORARY);
  g_assert_cmpstr(kept.text, ==, "no DNS answer in time");
  g_assert_cmpint(took, >=, 290);
  g_assert_cmpint(took, <, 15000);
  /* Dropped unanswered: one that libunbound still holds and one that waits for its delivery. */
  resolver_ask(resolver, "b.dead.test", ns_t_txt, 10000, never, NULL);
  resolver_ask(resolver, "localhost", ns_t_a, 10000, never, NULL);
  resolver_free(resolver);
  struct timeval moment = {0, 50000};
  event_base_loopexit(base, &moment);
  event_base_dispatch(base);
  kept_clear(&kept);
  server_close(&server);
  event_base_free(base);
}

static void free_resolver(const ResolverAnswer *answer, gpointer user) {
  Resolver **resolver = user;
  g_assert_cmpint(answer->outcome, ==, RESOLVER_FOUND);
  g_clear_pointer(resolver, resolver_free);
}

static void test_free_inside(void) {
  struct event_base *base = event_base_new();
  Resolver *resolver = open_resolver(base, (ResolverOptions){0});
  resolver_ask(resolver, "localhost", ns_t_a, PATIENCE, free_resolver, &resolver);
  while (resolver != NULL)
    event_base_loop(base, EVLOOP_ONCE);
  event_base_free(base);
}

/* A name that a stranger's selector made too long exists nowhere. */
static void test_impossible_name(void) {
  struct event_base *base = event_base_new();
  Resolver *resolver = open_resolver(base, (ResolverOptions){0});
  g_autoptr(GString) name = g_string_new("example.org");
  for (int i = 0; i < 130; i++)
    g_string_prepend(name, "a.");
  g_autofree char *label = g_strnfill(64, 'a');
  g_autofree char *long_label = g_strconcat(label, ".org", NULL);
  const char *const names[] = {name->str, long_label, "a..org"};
  Kept kept = {.base = base};
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
    ask(resolver, names[i], ns_t_txt, PATIENCE, &kept);
    g_assert_cmpint(kept.outcome, ==, RESOLVER_NONE);
    g_assert_cmpstr(kept.text, ==, "not a domain name");
  }
  kept_clear(&kept);
  resolver_free(resolver);
  event_base_free(base);
}

static char *write_file(const char *directory, const char *name, const char *contents) {
  char *path = g_build_filename(directory, name, NULL);
  g_assert_true(g_file_set_contents(path, contents, -1, NULL));
  return path;
}

static void assert_refused(ResolverOptions options, const char *word) {
  struct event_base *base = event_base_new();
  g_autoptr(GError) error = NULL;
  g_assert_null(resolver_new(base, &options, &error));
  g_assert_error(error, RESOLVER_ERROR, RESOLVER_ERROR_OPTION);
  if (strstr(error->message, word) == NULL)
    g_error("%s, not %s", error->message, word);
  event_base_free(base);
}

static void test_options(void) {
  g_autofree char *directory = g_dir_make_tmp("resolver-XXXXXX", NULL);
  g_autofree char *empty = write_file(directory, "empty", "; . IN DNSKEY 257 3 8 AAAA\n\n");
  g_autofree char *broken = write_file(directory, "broken", ". IN DS 20326 8 2 nonsense\n");
  g_autofree char *missing = g_build_filename(directory, "missing", NULL);
  assert_refused((ResolverOptions){.trust_anchor_file = missing}, "No such file");
  assert_refused((ResolverOptions){.trust_anchor_file = empty}, "no DS or DNSKEY");
  assert_refused((ResolverOptions){.trust_anchor_file = broken}, "resolver");
  static const char *const stubs[][2] = {{"example.org", NULL},
                                         {"example.org nowhere", NULL},
                                         {"example.org  127.0.0.1@53", NULL},
                                         {"a..b 127.0.0.1@53", NULL}};
  for (gsize i = 0; i < G_N_ELEMENTS(stubs); i++)
    assert_refused((ResolverOptions){.stubs = stubs[i]}, "stub");
  static const char *const forwarders[] = {"localhost", NULL};
  assert_refused((ResolverOptions){.forwarders = forwarders}, "forwarder");
  static const char *const data[] = {"example.org A nowhere", NULL};
  assert_refused((ResolverOptions){.local_data = data}, "local data");
  unlink(empty);
  unlink(broken);
  rmdir(directory);
}

static void test_txt(void) {
  static const struct {
    const char *wire;
    gsize length;
    const char *text;
  } rows[] = {
      {"\x03one\x03two", 8, "onetwo"},
      {"\x01"
       "a\0\x01"
       "b",
       5, "ab"},
      {"\0", 1, ""},
      {"", 0, NULL},
      {"\x04one", 4, NULL},
      {"\x03one\x01", 5, NULL},
      {"\x03o\0e", 4, NULL},
      {"\x02\xc3\xa9", 3, "\u00e9"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(GBytes) rdata = g_bytes_new(rows[i].wire, rows[i].length);
    g_autofree char *text = resolver_txt(rdata);
    g_assert_cmpstr(text, ==, rows[i].text);
  }
}

/* --- the program for tests/lab.py --- */

static void print_answer(const Kept *kept, int type) {
  static const char *const names[] = {[RESOLVER_TEMPORARY] = "temporary",
                                      [RESOLVER_BOGUS] = "bogus",
                                      [RESOLVER_NONE] = "none",
                                      [RESOLVER_FOUND] = "found"};
  printf("%s %s %" G_GINT64_FORMAT " %s\n", names[kept->outcome],
         kept->secure ? "secure" : "insecure", kept->ttl, kept->text);
  for (guint i = 0; i < kept->rdata->len; i++) {
    GBytes *rdata = g_ptr_array_index(kept->rdata, i);
    g_autofree char *text = type == ns_t_txt ? resolver_txt(rdata) : NULL;
    const guint8 *data = g_bytes_get_data(rdata, NULL);
    for (gsize k = 0; text == NULL && k < g_bytes_get_size(rdata); k++)
      printf("%02x", data[k]);
    printf("%s\n", text != NULL ? text : "");
  }
}

static int ask_once(char **arguments) {
  struct event_base *base = event_base_new();
  int type = atoi(arguments[1]);
  ResolverOptions options = {.stubs = (const char *const *)(arguments + 3)};
  if (strcmp(arguments[2], "-") != 0)
    options.trust_anchor_file = arguments[2];
  g_autoptr(GError) error = NULL;
  Resolver *resolver = resolver_new(base, &options, &error);
  if (resolver == NULL) {
    fprintf(stderr, "%s\n", error->message);
    return 2;
  }
  Kept kept = {.base = base};
  ask(resolver, arguments[0], type, PATIENCE, &kept);
  print_answer(&kept, type);
  kept_clear(&kept);
  resolver_free(resolver);
  event_base_free(base);
  return 0;
}

int main(int argc, char **argv) {
  if (argc >= 5 && strcmp(argv[1], "--ask") == 0)
    return ask_once(argv + 2);
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/resolver/local-data", test_local_data);
  g_test_add_func("/resolver/stub", test_stub);
  g_test_add_func("/resolver/mx", test_mx);
  g_test_add_func("/resolver/forwarder", test_forwarder);
  g_test_add_func("/resolver/deadline", test_deadline);
  g_test_add_func("/resolver/free-inside", test_free_inside);
  g_test_add_func("/resolver/impossible-name", test_impossible_name);
  g_test_add_func("/resolver/options", test_options);
  g_test_add_func("/resolver/txt", test_txt);
  return g_test_run();
}
