/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl order: what happened to an order, stage by stage, and why. Nothing here shows a
   token-part1. */
#include "acme/command.h"
#include "base/hex.h"
#include "base/mailbox.h"
#include "store/authorization.h"
#include "store/caa_check.h"
#include "store/certificate.h"
#include "store/challenge.h"
#include "store/iodef_report.h"
#include "store/job.h"
#include "store/message.h"
#include "store/order.h"
#include "store/perspective_answer.h"

#include <string.h>

#define TEXT_MAX 1000 /* octets of an argument */
#define CAA_SHOWN 200

/* --- members
 * ------------------------------------------------------------------------------------------- */

static void set_text(json_t *object, const char *member, const char *text) {
  if (text != NULL && *text != '\0')
    json_object_set_new(object, member, json_string(text));
}

static json_t *add_object(json_t *object, const char *member) {
  json_t *added = json_object();
  json_object_set_new(object, member, added);
  return added;
}

static json_t *add_list(json_t *object, const char *member) {
  json_t *added = json_array();
  json_object_set_new(object, member, added);
  return added;
}

static json_t *add_row(json_t *list) {
  json_t *row = json_object();
  json_array_append_new(list, row);
  return row;
}

static void set_url(const Acme *acme, json_t *object, const char *collection, const Id *id) {
  g_autofree char *url = acme_url(acme, collection, id, "");
  json_object_set_new(object, "url", json_string(url));
}

/* What a problem document says to a person: its type in one word, and its detail. */
static void set_problem(json_t *object, const char *document) {
  json_t *problem = document != NULL ? json_loads(document, 0, NULL) : NULL;
  const char *type = json_string_value(json_object_get(problem, "type"));
  const char *word = type != NULL ? strrchr(type, ':') : NULL;
  set_text(object, "problem", word != NULL ? word + 1 : type);
  set_text(object, "text", json_string_value(json_object_get(problem, "detail")));
  json_decref(problem);
}

static void set_error(json_t *object, const char *document) {
  if (document == NULL)
    return;
  json_t *error = json_object();
  set_problem(error, document);
  json_object_set_new(object, "error", error);
}

/* When something that waits is tried next, and what it waits for; nothing when it does not wait. */
static gboolean set_waiting(Acme *acme, json_t *object, JobKind kind, const Id *subject,
                            GError **error) {
  Job job;
  g_autofree char *waits_for = NULL;
  StoreFind found = job_find(acme->store, kind, subject, &job, &waits_for, error);
  if (found != STORE_FOUND)
    return found == STORE_MISSING;
  command_set_time(object, "due", job.due_at);
  json_object_set_new(object, "attempts", json_integer(job.attempts));
  set_text(object, "waits-for", waits_for);
  return TRUE;
}

/* --- a challenge
 * --------------------------------------------------------------------------------------- */

static gboolean add_mail(Acme *acme, const Challenge *challenge, json_t *object, GError **error) {
  json_t *mail = add_object(object, "mail");
  set_text(mail, "message-id", challenge->message_id);
  command_set_time(mail, "queued", challenge->queued_at);
  command_set_time(mail, "sent", challenge->sent_at);
  set_text(mail, "relay", challenge->relay_text);
  return set_waiting(acme, mail, JOB_MAIL, &challenge->id, error);
}

/* Also those that the client is not shown, or not yet. */
static gboolean add_notes(Acme *acme, const Challenge *challenge, json_t *object, GError **error) {
  g_autoptr(GPtrArray) notes = challenge_notes(acme->store, &challenge->id, error);
  if (notes == NULL)
    return FALSE;
  json_t *list = add_list(object, "notes");
  for (guint i = 0; i < notes->len; i++) {
    const Note *note = notes->pdata[i];
    json_t *row = add_row(list);
    command_set_time(row, "at", note->at);
    set_text(row, "rule", note->rule);
    set_problem(row, note->problem);
  }
  json_object_set_new(object, "notes-taken", json_integer(challenge->notes));
  return TRUE;
}

static json_t *mail_row(const Message *message) {
  json_t *row = json_object();
  command_set_time(row, "at", message->at);
  set_text(row, "peer", message->peer);
  set_text(row, "helo", message->helo);
  set_text(row, "reverse-path", message->reverse_path);
  json_object_set_new(row, "tls", json_boolean(message->tls));
  set_text(row, "verdict", message->verdict);
  set_text(row, "rule", message->rule);
  set_text(row, "reason", message->reason);
  return row;
}

/* Of one direction, which a job of that kind judges. */
static json_t *mails_received(Acme *acme, const Challenge *challenge, const char *direction,
                              JobKind job, GError **error) {
  g_autoptr(GPtrArray) messages = message_list(acme->store, &challenge->id, direction, error);
  json_t *list = json_array();
  gboolean good = messages != NULL;
  for (guint i = 0; good && i < messages->len; i++) {
    const Message *message = messages->pdata[i];
    json_t *row = mail_row(message);
    json_array_append_new(list, row);
    good = message->verdict != NULL || set_waiting(acme, row, job, &message->id, error);
  }
  if (!good)
    g_clear_pointer(&list, json_decref);
  return list;
}

static gboolean add_mails_received(Acme *acme, const Challenge *challenge, json_t *object,
                                   GError **error) {
  json_t *replies = mails_received(acme, challenge, "in", JOB_JUDGE, error);
  json_t *bounces =
      replies != NULL ? mails_received(acme, challenge, "bounce", JOB_BOUNCE, error) : NULL;
  if (replies != NULL)
    json_object_set_new(object, "replies", replies);
  if (bounces != NULL)
    json_object_set_new(object, "bounces", bounces);
  json_object_set_new(object, "replies-received", json_integer(challenge->mails));
  json_object_set_new(object, "bounces-received", json_integer(challenge->bounces));
  return bounces != NULL;
}

static gboolean add_challenge(Acme *acme, const Id *authorization, json_t *row, GError **error) {
  g_autoptr(Challenge) challenge = NULL;
  StoreFind found = challenge_find_by_authorization(acme->store, authorization, &challenge, error);
  if (found != STORE_FOUND) /* entered from the signer's log: nothing is known of its proof */
    return found == STORE_MISSING;
  json_t *object = add_object(row, "challenge");
  set_url(acme, object, "challenge", &challenge->id);
  set_text(object, "status", challenge->status);
  set_text(object, "from", challenge->mail_from);
  command_set_time(object, "created", challenge->created_at);
  command_set_time(object, "deadline", challenge->deadline);
  command_set_time(object, "responded", challenge->responded_at);
  command_set_time(object, "passed", challenge->passed_at);
  command_set_time(object, "validated", challenge->validated_at);
  set_error(object, challenge->error);
  return add_mail(acme, challenge, object, error) && add_notes(acme, challenge, object, error) &&
         add_mails_received(acme, challenge, object, error);
}

/* --- an order
 * ------------------------------------------------------------------------------------------ */

static gboolean add_authorizations(Command *command, const Id *order, GError **error) {
  g_autoptr(GPtrArray) all = authorization_list(command->acme->store, order, error);
  if (all == NULL)
    return FALSE;
  json_t *list = add_list(command->result, "authorizations");
  for (guint i = 0; i < all->len; i++) {
    const Authorization *authorization = all->pdata[i];
    json_t *row = add_row(list);
    set_url(command->acme, row, "authorization", &authorization->id);
    set_text(row, "status", authorization->status);
    set_text(row, "type", authorization->type);
    set_text(row, "identifier", authorization->identifier);
    set_text(row, "address", authorization->address);
    command_set_time(row, "expires", authorization->expires_at);
    if (!add_challenge(command->acme, &authorization->id, row, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean add_account(Command *command, const Id *id, GError **error) {
  g_autoptr(Account) account = NULL;
  if (account_find(command->acme->store, id, &account, error) != STORE_FOUND)
    return FALSE;
  json_t *object = add_object(command->result, "account");
  set_url(command->acme, object, "account", id);
  set_text(object, "status", account->status);
  json_t *contact = json_loads(account->contact, 0, NULL);
  json_object_set_new(object, "contact", contact != NULL ? contact : json_array());
  return TRUE;
}

static gboolean add_caa(Command *command, const Id *order, GError **error) {
  g_autoptr(GPtrArray) checks = caa_check_list(command->acme->store, order, CAA_SHOWN, error);
  if (checks == NULL)
    return FALSE;
  json_t *list = add_list(command->result, "caa");
  for (guint i = 0; i < checks->len; i++) {
    const CaaCheck *check = checks->pdata[i];
    json_t *row = add_row(list);
    command_set_time(row, "at", check->at);
    set_text(row, "domain", check->domain);
    set_text(row, "verdict", check->verdict);
    json_object_set_new(row, "secure", json_boolean(check->secure));
    set_text(row, "reason", check->explanation);
    set_text(row, "records", check->records);
  }
  return TRUE;
}

/* To the domain that forbade it. */
static gboolean add_reports(Command *command, const Id *order, GError **error) {
  g_autoptr(GPtrArray) reports = iodef_report_list(command->acme->store, order, error);
  if (reports == NULL)
    return FALSE;
  json_t *list = add_list(command->result, "reports");
  for (guint i = 0; i < reports->len; i++) {
    const IodefReport *report = reports->pdata[i];
    json_t *row = add_row(list);
    command_set_time(row, "at", report->created_at);
    set_text(row, "domain", report->domain);
    set_text(row, "to", report->recipient);
    command_set_time(row, "sent", report->sent_at);
    if (!set_waiting(command->acme, row, JOB_IODEF, &report->id, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean add_perspectives(Command *command, const Id *order, GError **error) {
  g_autoptr(GPtrArray) answers = perspective_row_list(command->acme->store, order, error);
  if (answers == NULL)
    return FALSE;
  json_t *list = json_array();
  json_object_set_new(command->result, "perspectives", list);
  for (guint i = 0; i < answers->len; i++) {
    const PerspectiveRow *answer = answers->pdata[i];
    json_t *row = json_object();
    json_array_append_new(list, row);
    command_set_time(row, "at", answer->at);
    set_text(row, "question", answer->question);
    set_text(row, "perspective", answer->perspective);
    set_text(row, "url", answer->url);
    set_text(row, "outcome", answer->outcome);
    json_object_set_new(row, "secure", json_boolean(answer->secure));
    set_text(row, "records", answer->records);
    set_text(row, "reason", answer->reason);
  }
  return TRUE;
}

static gboolean add_certificate(Command *command, const Id *order, GError **error) {
  g_autoptr(Certificate) certificate = NULL;
  StoreFind found = certificate_find_by_order(command->acme->store, order, &certificate, error);
  if (found != STORE_FOUND)
    return found == STORE_MISSING;
  json_t *object = add_object(command->result, "certificate");
  g_autofree char *serial = hex_encode(certificate->serial);
  set_text(object, "serial", serial);
  set_text(object, "findings", certificate->findings);
  set_text(object, "linter-findings", certificate->linter_findings);
  command_set_time(object, "not-before", certificate->not_before);
  command_set_time(object, "not-after", certificate->not_after);
  command_set_time(object, "signing", certificate->signing_at);
  command_set_time(object, "issued", certificate->issued_at);
  command_set_time(object, "revoked", certificate->revoked_at);
  if (certificate->revoked_at != 0)
    json_object_set_new(object, "reason", json_integer(certificate->reason));
  return TRUE;
}

static gboolean add_order(Command *command, const Order *order, GError **error) {
  json_t *object = add_object(command->result, "order");
  char id[ID_TEXT];
  set_text(object, "id", id_text(&order->id, id));
  set_url(command->acme, object, "order", &order->id);
  set_text(object, "status", order->status);
  set_text(object, "profile", order->profile);
  command_set_time(object, "created", order->created_at);
  command_set_time(object, "expires", order->expires_at);
  command_set_time(object, "not-before", order->not_before);
  command_set_time(object, "not-after", order->not_after);
  command_set_time(object, "finalized", order->finalized_at);
  set_error(object, order->error);
  return set_waiting(command->acme, object, JOB_ISSUE, &order->id, error);
}

/* --- order show
 * ---------------------------------------------------------------------------------------- */

/* An id, or the URL that clients know. */
static gboolean read_order(Command *command, const char *argument, Id *id) {
  const char *text = NULL;
  if (!command_needs_text(command, argument, TEXT_MAX, &text))
    return FALSE;
  g_autofree char *base =
      g_strconcat(config_text(command->acme->config, "acme.url"), "/order/", NULL);
  return id_from_text(g_str_has_prefix(text, base) ? text + strlen(base) : text, id) ||
         command_refuse(command, "\"%s\" is no order of this server.", text);
}

gboolean command_order_show(Command *command, GError **error) {
  g_autoptr(Order) order = NULL;
  Id id;
  if (!read_order(command, "order", &id))
    return FALSE;
  StoreFind found = order_find(command->acme->store, &id, &order, error);
  if (found == STORE_MISSING)
    return command_refuse(command, "There is no order of this identifier.");
  return found == STORE_FOUND && add_order(command, order, error) &&
         add_account(command, &order->account_id, error) &&
         add_authorizations(command, &id, error) && add_caa(command, &id, error) &&
         add_perspectives(command, &id, error) && add_reports(command, &id, error) &&
         add_certificate(command, &id, error);
}

/* --- order list
 * ---------------------------------------------------------------------------------------- */

static gboolean read_status(Command *command, const char **status) {
  static const char *const all[] = {"pending", "ready", "processing", "valid", "invalid", NULL};
  return command_text(command, "status", TEXT_MAX, status) &&
         (*status == NULL || g_strv_contains(all, *status) ||
          command_refuse(command,
                         "There is no status \"%s\"; there are: pending, ready, "
                         "processing, valid, invalid.",
                         *status));
}

static gboolean read_address(Command *command, char **canonical) {
  g_autoptr(GError) error = NULL;
  const char *text = NULL;
  if (!command_text(command, "address", TEXT_MAX, &text))
    return FALSE;
  if (text == NULL)
    return TRUE;
  g_autoptr(Mailbox) mailbox = mailbox_parse(text, &error);
  if (mailbox == NULL)
    return command_refuse(command, "\"%s\" is no address: %s", text, error->message);
  *canonical = g_strdup(mailbox->canonical);
  return TRUE;
}

static json_t *row_of(Acme *acme, const Id *id, GError **error) {
  g_autoptr(Order) order = NULL;
  char text[ID_TEXT];
  if (order_find(acme->store, id, &order, error) != STORE_FOUND)
    return NULL;
  g_autoptr(GPtrArray) all = authorization_list(acme->store, id, error);
  if (all == NULL)
    return NULL;
  json_t *row = json_object(), *addresses = json_array();
  set_text(row, "id", id_text(id, text));
  set_text(row, "status", order->status);
  command_set_time(row, "created", order->created_at);
  set_text(row, "account", id_text(&order->account_id, text));
  json_object_set_new(row, "addresses", addresses);
  for (guint i = 0; i < all->len; i++)
    json_array_append_new(addresses, json_string(((Authorization *)all->pdata[i])->address));
  return row;
}

static gboolean add_rows(Command *command, GArray *ids, GError **error) {
  json_t *rows = json_array();
  gboolean all = ids->len < COMMAND_PAGE;
  gsize octets = 0;
  json_object_set_new(command->result, "orders", rows);
  for (guint i = 0; i < ids->len; i++) {
    json_t *row = row_of(command->acme, &g_array_index(ids, Id, i), error);
    if (row == NULL)
      return FALSE;
    if (!command_add_row(rows, &octets, row)) {
      all = FALSE;
      break;
    }
  }
  json_object_set_new(command->result, "more", json_boolean(!all));
  return TRUE;
}

gboolean command_order_list(Command *command, GError **error) {
  const char *status = NULL, *before = NULL;
  g_autofree char *canonical = NULL;
  Id id;
  if (!read_status(command, &status) || !read_address(command, &canonical) ||
      !command_text(command, "before", ID_TEXT, &before) ||
      (before != NULL && !read_order(command, "before", &id)))
    return FALSE;
  g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(Id));
  return order_list_all(command->acme->store, status, canonical, before != NULL ? &id : NULL,
                        COMMAND_PAGE, ids, error) &&
         add_rows(command, ids, error);
}
