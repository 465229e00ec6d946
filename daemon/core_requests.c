/* SPDX-License-Identifier: Apache-2.0 */
/* What edges and inbound ask of core. */
#include "acme/mail_in.h"
#include "acme/measure.h"
#include "base/texts.h"
#include "daemon/core.h"
#include "daemon/store_place.h"

#define MAX_NONCES 1024

/* --- edge
 * -------------------------------------------------------------------------------------------------
 */

static GVariant *response_body(const Response *response) {
  const guint32 status = response->status;
  g_autoptr(GBytes) fields =
      texts_join((const char *const *)response->headers->pdata, response->headers->len);
  NormalFormPart parts[] = {NORMAL_FORM_NUMBER(status), normal_form_octets(fields), {NULL}};
  if (response->body != NULL)
    parts[2] = normal_form_octets(response->body);
  return message_join(MESSAGE_RESPONSE, parts);
}

static GVariant *make_unavailable(void) {
  g_autoptr(Response) response = response_new();
  g_autoptr(Problem) problem = problem_new(
      PROBLEM_SERVER_INTERNAL, 503, "The server cannot store anything now; try again later.");
  response_json(response, 503, "application/problem+json", problem_json(problem));
  response_header(response, "Retry-After", "5");
  response_header(response, "Cache-Control", "no-store");
  return g_variant_ref_sink(response_body(response));
}

/* One for all: each request names it as its fallback. */
static GVariant *unavailable(void) {
  static GVariant *body = NULL;
  if (body == NULL)
    body = make_unavailable();
  return body;
}

static gboolean run_request(Core *core, CoreItem *item, GError **error G_GNUC_UNUSED) {
  NormalFormPart parts[2];
  g_autoptr(GPtrArray) texts = g_ptr_array_sized_new(4);
  g_autoptr(Response) response = response_new();
  message_split(item->body, parts);
  if (!texts_read(parts[0], texts) || texts->len != 4)
    role_die_of_nonsense(ROLE_EDGE, "a request without its four texts");
  g_autoptr(GBytes) body = message_part(item->body, &parts[1]);
  const Request request = {.method = texts->pdata[0],
                           .path = texts->pdata[1],
                           .content_type = texts->pdata[2],
                           .peer = texts->pdata[3],
                           .body = body};
  gboolean keep = acme_handle(&core->acme, &request, response);
  core_answer(core, item->channel, MESSAGE_RESPONSE, item->id, response_body(response),
              unavailable());
  return keep;
}

static void request_failed(Core *core, CoreItem *item) {
  core_answer(core, item->channel, MESSAGE_RESPONSE, item->id, unavailable(), unavailable());
}

static GVariant *fresh_nonces(Core *core, guint count) {
  g_autoptr(GPtrArray) nonces = g_ptr_array_new_with_free_func(g_free);
  gint64 now = clock_now(core->acme.clock);
  for (guint i = 0; i < MIN(count, MAX_NONCES); i++)
    g_ptr_array_add(nonces, nonces_issue(core->acme.nonces, now));
  g_autoptr(GBytes) texts = texts_join((const char *const *)nonces->pdata, nonces->len);
  return message_from_octets(texts);
}

static gboolean run_want_nonces(Core *core, CoreItem *item, GError **error G_GNUC_UNUSED) {
  g_autoptr(GVariant) nonces =
      g_variant_ref_sink(fresh_nonces(core, g_variant_get_uint32(item->body)));
  core_answer(core, item->channel, MESSAGE_NONCES, item->id, nonces, nonces);
  return TRUE;
}

static void want_nonces_failed(Core *core, CoreItem *item) {
  run_want_nonces(core, item, NULL);
}

void core_measure(Core *core) {
  const char *folder = config_text(core->process->config, "store.directory");
  core->acme.roles = core->process->roles;
  core->acme.ends = core->process->ends;
  for (const char *const *file = store_place_files; *file != NULL; file++)
    metrics_set(core->acme.metrics, METRIC_STORE_OCTETS, (double)store_place_octets(folder, *file),
                *file, NULL);
}

static GVariant *measured(Core *core) {
  return g_variant_new("(s@" METRICS_TYPE ")", measure_core(&core->acme),
                       metrics_all(core->acme.metrics));
}

static gboolean run_measure(Core *core, CoreItem *item, GError **error) {
  core_measure(core);
  if (!measure_standing(&core->acme, clock_now(core->acme.clock), error))
    return FALSE;
  g_autoptr(GVariant) body = g_variant_ref_sink(measured(core));
  core_answer(core, item->channel, MESSAGE_MEASURED, item->id, body, body);
  return TRUE;
}

/* The store cannot be read: what is counted is told all the same. */
static void measure_failed(Core *core, CoreItem *item) {
  g_autoptr(GVariant) body = g_variant_ref_sink(measured(core));
  core_answer(core, item->channel, MESSAGE_MEASURED, item->id, body, body);
}

/* --- inbound
 * ---------------------------------------------------------------------------------------------- */

static const MailReply no_store = {451, "4.3.0", "The server cannot store anything now, try again"};

static GVariant *reply_body(guint kind, const MailReply *reply) {
  const guint32 code = (guint32)reply->code;
  const NormalFormPart parts[] = {NORMAL_FORM_NUMBER(code), normal_form_text(reply->enhanced),
                                  normal_form_text(reply->text)};
  return message_join(kind, parts);
}

static void answer_reply(Core *core, const CoreItem *item, guint kind, const MailReply *reply) {
  core_answer(core, item->channel, kind, item->id, reply_body(kind, reply),
              reply_body(kind, &no_store));
}

static gboolean run_recipient(Core *core, CoreItem *item, GError **error) {
  MailReply reply;
  if (!mail_in_recipient(&core->acme, g_variant_get_string(item->body, NULL), &reply, error))
    return FALSE;
  answer_reply(core, item, MESSAGE_RECIPIENT_ANSWER, &reply);
  return TRUE;
}

static void recipient_failed(Core *core, CoreItem *item) {
  answer_reply(core, item, MESSAGE_RECIPIENT_ANSWER, &no_store);
}

static gboolean run_mail(Core *core, CoreItem *item, GError **error) {
  IncomingMail mail = {0};
  MailReply reply;
  NormalFormPart parts[6];
  message_split(item->body, parts);
  g_autofree const char **recipients = normal_form_to_texts(&parts[3]);
  g_autoptr(GBytes) raw = message_part(item->body, &parts[5]);
  mail.peer = normal_form_to_text(&parts[0]);
  mail.helo = normal_form_to_text(&parts[1]);
  mail.reverse_path = normal_form_to_text(&parts[2]);
  mail.recipients = recipients;
  mail.tls = normal_form_to_boolean(&parts[4]);
  mail.octets = raw;
  if (!mail_in_take(&core->acme, &mail, &reply, error))
    return FALSE;
  answer_reply(core, item, MESSAGE_MAIL_ANSWER, &reply);
  return reply.code == 250; /* nothing is kept of what is not acknowledged */
}

static void mail_failed(Core *core, CoreItem *item) {
  answer_reply(core, item, MESSAGE_MAIL_ANSWER, &no_store);
}

/* --- the table
 * -------------------------------------------------------------------------------------------- */

static const struct {
  gboolean (*run)(Core *core, CoreItem *item, GError **error);
  void (*failed)(Core *core, CoreItem *item);
} requests[MESSAGE_COUNT] = {
    [MESSAGE_REQUEST] = {run_request, request_failed},
    [MESSAGE_WANT_NONCES] = {run_want_nonces, want_nonces_failed},
    [MESSAGE_MEASURE] = {run_measure, measure_failed},
    [MESSAGE_RECIPIENT] = {run_recipient, recipient_failed},
    [MESSAGE_MAIL] = {run_mail, mail_failed},
};

CoreItem *core_request_item(Channel *channel, guint kind, guint64 id, GVariant *body) {
  if (requests[kind].run == NULL)
    return NULL;
  CoreItem *item = g_new0(CoreItem, 1);
  item->run = requests[kind].run;
  item->failed = requests[kind].failed;
  item->channel = channel;
  item->kind = kind;
  item->id = id;
  item->body = g_variant_ref(body);
  return item;
}
