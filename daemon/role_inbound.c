/* SPDX-License-Identifier: Apache-2.0 */
/* inbound: the SMTP server, and the examination of messages (MIME, DKIM, DNS). Reports what it
   finds; is never told what would be right. */
#include "base/log.h"
#include "daemon/pem_key.h"
#include "daemon/perspectives.h"
#include "daemon/resolver_options.h"
#include "daemon/role.h"
#include "mime/dsn.h"
#include "mime/reply.h"
#include "smtp/server.h"

#define MAX_SESSIONS 2000
#define MAX_PER_ADDRESS 50
#define COMMAND_SECONDS 120
#define MESSAGE_SECONDS 300 /* RFC 5321 section 4.5.3.2.7 */
#define SESSION_SECONDS 600
/* How long a verdict waits for the DMARC record once all keys are there. */
#define DMARC_SECONDS 2

typedef struct {
  RoleProcess *process;
  Resolver *resolver;
  Perspectives *perspectives;
  DkimKeys *keys;
  GPtrArray *smtp, *lmtp; /* of SmtpServer */
} Inbound;

/* --- SMTP
 * -------------------------------------------------------------------------------------------------
 */

static void on_smtp_answer(GVariant *body, gpointer user) {
  SmtpQuestion *question = user;
  NormalFormPart parts[3];
  if (body == NULL) {
    smtp_question_answer(question, 451, "4.3.0", "The server is restarting, try again");
    return;
  }
  message_split(body, parts);
  guint32 code = normal_form_to_uint32(&parts[0]);
  if (code / 100 != 2 && code / 100 != 4 && code / 100 != 5)
    role_die_of_nonsense(ROLE_CORE, "a reply code that is none");
  smtp_question_answer(question, (int)code, normal_form_to_text(&parts[1]),
                       normal_form_to_text(&parts[2]));
}

/* Asks core, or answers 451 when it cannot be asked. */
static void ask(Inbound *inbound, SmtpQuestion *question, guint kind, GVariant *body) {
  Channel *core = role_least_asked_core(inbound->process);
  g_autoptr(GVariant) sunk = g_variant_ref_sink(body);
  if (core == NULL || !channel_ask(core, kind, sunk, on_smtp_answer, question))
    smtp_question_answer(question, 451, "4.3.2", "The server is busy, try again");
}

static void on_recipient(SmtpQuestion *question, const char *address, gpointer user) {
  if (!g_utf8_validate(address, -1, NULL))
    smtp_question_answer(question, 550, "5.1.1", "There is no such recipient here");
  else
    ask(user, question, MESSAGE_RECIPIENT, g_variant_new_string(address));
}

static char *valid_text(const char *text) {
  return g_utf8_make_valid(text != NULL ? text : "", -1);
}

static void on_message(SmtpQuestion *question, const SmtpEnvelope *envelope, GBytes *message,
                       gpointer user) {
  g_autofree char *helo = valid_text(envelope->helo);
  g_autofree char *from = valid_text(envelope->from);
  const guint8 tls = envelope->tls ? 1 : 0;
  g_autoptr(GBytes) recipients = normal_form_texts((const char *const *)envelope->recipients->pdata,
                                                   envelope->recipients->len);
  const NormalFormPart parts[] = {normal_form_text(envelope->peer), normal_form_text(helo),
                                  normal_form_text(from),           normal_form_octets(recipients),
                                  NORMAL_FORM_NUMBER(tls),          normal_form_octets(message)};
  ask(user, question, MESSAGE_MAIL, message_join(MESSAGE_MAIL, parts));
}

static void on_replied(int code, gpointer user) {
  g_autofree char *text = g_strdup_printf("%d", code);
  metrics_add(((Inbound *)user)->process->metrics, METRIC_SMTP_REPLIES, 1, text, NULL);
}

/* --- examination
 * ------------------------------------------------------------------------------------------ */

/* One message, and what is still asked for: keys of its signatures, and beside them the DMARC
   record, which is for the record alone: whatever becomes of it, the examination ends. Then the
   keys that fit are asked for again elsewhere, and for the record where the mailbox's mail goes. */
typedef struct {
  RoleProcess *process;
  guint generation;
  guint64 id;
  ReplyFacts *facts;
  DkimCheck *check;
  guint open;                /* keys */
  DmarcSearch *dmarc;        /* NULL: no record is asked for */
  ResolverQuestion *waiting; /* for the DMARC record; NULL: not asked now */
  struct event *dmarc_due;
  Round *round; /* NULL: not yet */
  char *domain; /* whose MX is asked for */
} Examination;

typedef struct {
  Examination *examination;
  guint signature;
} KeyQuestion;

static void examination_free(Examination *examination) {
  reply_facts_free(examination->facts);
  dkim_check_free(examination->check);
  dmarc_search_free(examination->dmarc);
  event_free(examination->dmarc_due);
  g_free(examination->domain);
  g_free(examination);
}

static void on_perspectives(GVariant *value, gpointer user) {
  g_autoptr(GVariant) answers = value;
  Examination *examination = user;
  const DmarcFinding *dmarc =
      examination->dmarc != NULL ? dmarc_search_finding(examination->dmarc) : NULL;
  g_autoptr(GVariant) evidence =
      g_variant_ref_sink(reply_evidence_new(examination->facts, examination->check, dmarc));
  const NormalFormPart parts[] = {normal_form_of(evidence), normal_form_of(answers)};
  role_answer(examination->process, examination->generation, MESSAGE_EVIDENCE, examination->id,
              message_join(MESSAGE_EVIDENCE, parts));
  examination_free(examination);
}

static void on_mx(const ResolverAnswer *found, gpointer user) {
  Examination *examination = user;
  round_add(examination->round, RESOLVER_MX, examination->domain, found);
  round_close(examination->round);
}

/* FALSE: no signature is good. */
static gboolean ask_keys_again(Examination *examination) {
  gboolean good = FALSE;
  for (guint i = 0; i < dkim_check_count(examination->check); i++) {
    const DkimSignature *signature = dkim_check_signature(examination->check, i);
    if (signature->result != DKIM_PASS)
      continue;
    round_ask(examination->round, RESOLVER_TXT, signature->question);
    good = TRUE;
  }
  return good;
}

/* A message that proves nothing anyway is worth no question to others. */
static void ask_perspectives(Examination *examination) {
  Inbound *inbound = examination->process->state;
  examination->round = round_new(inbound->perspectives, on_perspectives, examination);
  if (perspectives_count(inbound->perspectives) > 0)
    examination->domain = reply_domain(examination->facts);
  if (examination->domain == NULL || !ask_keys_again(examination)) {
    round_close(examination->round);
    return;
  }
  round_ask(examination->round, RESOLVER_MX, examination->domain);
  resolver_ask(inbound->resolver, examination->domain, RESOLVER_MX,
               (int)config_number(inbound->process->config, "dns.timeout"), on_mx, examination);
}

static void finish_if_done(Examination *examination) {
  static const struct timeval wait = {.tv_sec = DMARC_SECONDS};
  if (examination->open > 0)
    return;
  if (examination->waiting != NULL) {
    if (!evtimer_pending(examination->dmarc_due, NULL))
      evtimer_add(examination->dmarc_due, &wait);
    return;
  }
  ask_perspectives(examination);
}

static void on_dmarc_due(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  Examination *examination = user;
  resolver_cancel(g_steal_pointer(&examination->waiting));
  finish_if_done(examination);
}

/* The TXT records' texts, NULL-terminated; a malformed one is "". */
static GPtrArray *texts_of(const ResolverAnswer *found) {
  GPtrArray *texts = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; i < found->rdata->len; i++) {
    char *text = resolver_txt(found->rdata->pdata[i]);
    g_ptr_array_add(texts, text != NULL ? text : g_strdup(""));
  }
  g_ptr_array_add(texts, NULL);
  return texts;
}

static void ask_dmarc(Examination *examination);

static void on_dmarc(const ResolverAnswer *found, gpointer user) {
  Examination *examination = user;
  g_autoptr(GPtrArray) records = texts_of(found);
  examination->waiting = NULL;
  log_debug("DMARC record asked", "question", dmarc_search_question(examination->dmarc), "result",
            found->text, NULL);
  dmarc_search_answer(examination->dmarc, found->outcome, (const char *const *)records->pdata,
                      found->secure);
  ask_dmarc(examination);
  finish_if_done(examination);
}

static void ask_dmarc(Examination *examination) {
  Inbound *inbound = examination->process->state;
  int timeout = (int)config_number(inbound->process->config, "dns.timeout");
  const char *question = dmarc_search_question(examination->dmarc);
  if (question != NULL)
    examination->waiting =
        resolver_ask(inbound->resolver, question, RESOLVER_TXT, timeout, on_dmarc, examination);
}

static void on_key(const ResolverAnswer *found, gpointer user) {
  static const DkimKeyOutcome outcomes[] = {[RESOLVER_TEMPORARY] = DKIM_KEY_TEMPORARY,
                                            [RESOLVER_BOGUS] = DKIM_KEY_BOGUS,
                                            [RESOLVER_NONE] = DKIM_KEY_NONE,
                                            [RESOLVER_FOUND] = DKIM_KEY_FOUND};
  g_autofree KeyQuestion *question = user;
  Examination *examination = question->examination;
  g_autoptr(GPtrArray) records = texts_of(found);
  log_debug("DKIM key asked", "question",
            dkim_check_signature(examination->check, question->signature)->question, "result",
            found->text, NULL);
  dkim_check_key(examination->check, question->signature, outcomes[found->outcome],
                 (const char *const *)records->pdata, found->secure);
  examination->open--;
  finish_if_done(examination);
}

/* Strangers' zones may be slow, and who sends the reply chooses d=: keys that prove nothing of its
   From address cost no time. */
static void ask_keys(Examination *examination, Inbound *inbound) {
  int timeout = (int)config_number(inbound->process->config, "dns.timeout");
  g_autofree char *domain = reply_domain(examination->facts);
  dkim_check_narrow(examination->check, domain);
  for (guint i = 0; i < dkim_check_count(examination->check); i++) {
    const DkimSignature *signature = dkim_check_signature(examination->check, i);
    if (signature->result != DKIM_PENDING || signature->question == NULL)
      continue;
    KeyQuestion *question = g_new0(KeyQuestion, 1);
    *question = (KeyQuestion){examination, i};
    examination->open++;
    resolver_ask(inbound->resolver, signature->question, RESOLVER_TXT, timeout, on_key, question);
  }
}

static void examine_bounce(RoleProcess *process, guint64 id, GVariant *body) {
  g_autoptr(GBytes) message = message_octets(body);
  g_autoptr(DsnFacts) facts = dsn_read(message);
  role_answer(process, process->core_generation, MESSAGE_BOUNCE_EVIDENCE, id,
              dsn_evidence_new(facts));
}

static void examine(RoleProcess *process, guint64 id, GVariant *body) {
  g_autoptr(GVariant) raw = g_variant_get_child_value(body, 0);
  g_autoptr(GVariant) received_at = g_variant_get_child_value(body, 1);
  g_autoptr(GVariant) ask = g_variant_get_child_value(body, 2);
  g_autoptr(GBytes) message = message_octets(raw);
  Examination *examination = g_new0(Examination, 1);
  examination->process = process;
  examination->generation = process->core_generation;
  examination->id = id;
  examination->facts = reply_read(message);
  examination->check = dkim_check_new(message, g_variant_get_int64(received_at));
  dkim_check_use(examination->check, ((Inbound *)process->state)->keys);
  examination->dmarc_due = evtimer_new(process->base, on_dmarc_due, examination);
  if (g_variant_get_boolean(ask))
    ask_keys(examination, process->state);
  /* Without a key to ask for the message counts for nothing, and is worth no question. */
  if (examination->open > 0 && examination->facts->from_fields == 1)
    examination->dmarc = dmarc_search_new(examination->facts->from);
  if (examination->dmarc != NULL)
    ask_dmarc(examination);
  finish_if_done(examination);
}

static void on_core_says(Channel *channel G_GNUC_UNUSED, guint kind, guint64 id, GVariant *body,
                         int fd G_GNUC_UNUSED, gpointer user) {
  if (kind == MESSAGE_EXAMINE_BOUNCE)
    examine_bounce(user, id, body);
  else
    examine(user, id, body);
}

/* --- life
 * -------------------------------------------------------------------------------------------------
 */

/* The context for STARTTLS; NULL without error: not configured. */
static SSL_CTX *read_tls(RoleProcess *process, GError **error) {
  g_autoptr(GBytes) chain = role_read_file(process, "mail-tls-certificate", error);
  g_autoptr(GBytes) key = role_read_file(process, "mail-tls-key", *error == NULL ? error : NULL);
  return chain != NULL && key != NULL ? pem_tls_context(chain, key, error) : NULL;
}

static GPtrArray *listen_on(Inbound *inbound, const char *name, const SmtpServerOptions *options) {
  static const SmtpServerHandlers handlers = {on_recipient, on_message, on_replied};
  g_autoptr(GArray) sockets = role_take_descriptors(inbound->process, name);
  GPtrArray *servers = g_ptr_array_new_with_free_func((GDestroyNotify)smtp_server_free);
  for (guint i = 0; i < sockets->len; i++)
    g_ptr_array_add(servers, smtp_server_new(inbound->process->base, g_array_index(sockets, int, i),
                                             options, &handlers, inbound));
  return servers;
}

static gboolean start(RoleProcess *process, GError **error) {
  Inbound *inbound = process->state = g_new0(Inbound, 1);
  GError *failure = NULL;
  inbound->process = process;
  inbound->keys = dkim_keys_new();
  inbound->resolver = resolver_from_config(process, error);
  inbound->perspectives =
      inbound->resolver != NULL ? perspectives_from_config(process, error) : NULL;
  SSL_CTX *tls = read_tls(process, &failure);
  if (failure != NULL || inbound->perspectives == NULL) {
    if (failure != NULL)
      g_propagate_error(error, failure);
    return FALSE;
  }
  SmtpServerOptions options = {
      .hostname = config_text(process->config, config_given(process->config, "mail.hostname")
                                                   ? "mail.hostname"
                                                   : "mail.domain"),
      .max_message = (gsize)config_number(process->config, "mail.message-limit"),
      .max_sessions = MAX_SESSIONS,
      .max_per_source = MAX_PER_ADDRESS,
      .command_seconds = COMMAND_SECONDS,
      .message_seconds = MESSAGE_SECONDS,
      .session_seconds = SESSION_SECONDS,
      .tls = tls,
  };
  inbound->smtp = listen_on(inbound, "listen-smtp", &options);
  SSL_CTX_free(tls);
  options.tls = NULL;
  options.lmtp = TRUE;
  options.max_per_source = MAX_SESSIONS; /* all of the one mail server */
  inbound->lmtp = listen_on(inbound, "listen-lmtp", &options);
  return TRUE;
}

static void reload(RoleProcess *process, const Config *config G_GNUC_UNUSED) {
  Inbound *inbound = process->state;
  GError *failure = NULL;
  SSL_CTX *tls = read_tls(process, &failure);
  if (failure != NULL)
    log_error("TLS key not reloaded, the old one stays", "reason", failure->message, NULL);
  for (guint i = 0; tls != NULL && i < inbound->smtp->len; i++)
    smtp_server_set_tls(inbound->smtp->pdata[i], tls);
  SSL_CTX_free(tls);
  g_clear_error(&failure);
}

const RoleTable role_inbound = {.role = ROLE_INBOUND,
                                .joins_changes = TRUE,
                                .start = start,
                                .received = on_core_says,
                                .reload = reload};
