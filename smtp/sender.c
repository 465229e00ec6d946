/* SPDX-License-Identifier: Apache-2.0 */
#include "smtp/sender.h"
#include "base/log.h"
#include "smtp/sender_check.h"
#include "smtp/sender_curl.h"
#include "smtp/sender_esmtp.h"

#define TEXT_MAX 200 /* characters of a relay's words that are kept */

G_DEFINE_QUARK(sender - error - quark, sender_error)

SenderMessage *sender_message_new(const char *from, const char *to, GBytes *message) {
  SenderMessage *new = g_new0(SenderMessage, 1);
  new->from = g_strdup(from);
  new->to = g_strdup(to);
  new->message = g_bytes_ref(message);
  new->outcome = SENDER_TEMPORARY;
  return new;
}

void sender_message_free(SenderMessage *message) {
  g_free(message->from);
  g_free(message->to);
  g_bytes_unref(message->message);
  g_free(message->secret);
  g_free(message->text);
  g_free(message);
}

void sender_message_settle(SenderMessage *message, SenderOutcome outcome, int code,
                           const char *text) {
  message->outcome = outcome;
  message->code = code;
  g_free(message->text);
  g_autofree char *shown = log_hide(text, message->secret);
  message->text = log_escape(shown, TEXT_MAX);
}

char *sender_relay_name(const SenderRelay *relay) {
  return g_strdup_printf("%s:%u", relay->host, relay->port);
}

void sender_message_copy(SenderMessage *message, const SenderMessage *other) {
  message->outcome = other->outcome;
  message->code = other->code;
  message->unanswered = other->unanswered;
  message->withheld = other->withheld;
  message->relay = other->relay;
  g_free(message->text);
  message->text = g_strdup(other->text);
}

static void send_to(const SenderRelay *relay, GPtrArray *messages) {
  g_autoptr(GPtrArray) esmtp = g_ptr_array_new(), curl = g_ptr_array_new(),
                       utf8 = g_ptr_array_new();
  for (guint i = 0; i < messages->len; i++) {
    SenderMessage *message = messages->pdata[i];
    message->relay = relay;
    message->unanswered = message->withheld = FALSE;
    g_ptr_array_add(!g_str_is_ascii(message->to)   ? utf8
                    : relay->tls == SENDER_TLS_OFF ? esmtp
                                                   : curl,
                    message);
  }
  if (esmtp->len > 0)
    sender_esmtp_send(relay, esmtp);
  if (curl->len > 0)
    sender_curl_send(relay, curl, FALSE);
  if (utf8->len > 0)
    sender_curl_send(relay, utf8, TRUE);
}

/* 421 closes the session: it says nothing about the message (RFC 5321 section 3.8). */
static gboolean is_unreached(const SenderMessage *message) {
  return message->unanswered || message->code == 421;
}

/* What a relay may have is not given to another one at once: the mailbox would get it twice. A
   status of x.3.x is of the relay's own state, a full disk or a fault (RFC 3463 section 3.4). */
static gboolean may_go_on(const SenderMessage *message) {
  return is_unreached(message) || message->withheld ||
         (message->code / 100 == 4 && g_str_has_prefix(message->text, "4.3."));
}

static guint telling(const SenderMessage *message) {
  return message->code != 0 ? 2 : message->outcome != SENDER_TEMPORARY ? 1 : 0;
}

/* After the next relay: what the one before said stands when it tells more. A failure is for good
   only when it is so with all of them. */
static void merge(SenderMessage *message, const SenderMessage *before) {
  if (!may_go_on(message))
    return;
  gboolean for_good = message->outcome == SENDER_PERMANENT && before->outcome == SENDER_PERMANENT;
  if (telling(before) > telling(message))
    sender_message_copy(message, before);
  if (message->outcome == SENDER_PERMANENT && !for_good)
    message->outcome = SENDER_TEMPORARY;
}

static void log_failure(const SenderMessage *message) {
  g_autofree char *name = sender_relay_name(message->relay);
  g_autofree char *code = g_strdup_printf("%d", message->code);
  log_warning("relay failed", "relay", name, "code", code, "reason", message->text, NULL);
}

/* Those that another relay may take. A relay that failed is told of once. */
static GPtrArray *left_over(GPtrArray *messages) {
  GPtrArray *left = g_ptr_array_new();
  for (guint i = 0; i < messages->len; i++)
    if (may_go_on(messages->pdata[i]))
      g_ptr_array_add(left, messages->pdata[i]);
  if (left->len > 0)
    log_failure(left->pdata[0]);
  return left;
}

static GPtrArray *send_to_next(const SenderRelay *relay, GPtrArray *messages) {
  g_autofree SenderMessage *before = g_new0(SenderMessage, messages->len);
  for (guint i = 0; i < messages->len; i++) {
    SenderMessage *message = messages->pdata[i];
    before[i] = *message;
    message->text = NULL;
  }
  send_to(relay, messages);
  GPtrArray *left = left_over(messages);
  for (guint i = 0; i < messages->len; i++) {
    if (before[i].relay != NULL)
      merge(messages->pdata[i], &before[i]);
    g_free(before[i].text);
  }
  return left;
}

/* Those that begin with the relay of that number. */
static void send_from(GPtrArray *relays, guint first, GPtrArray *messages) {
  g_autoptr(GPtrArray) waiting = g_ptr_array_new();
  for (guint i = 0; i < messages->len; i++) {
    SenderMessage *message = messages->pdata[i];
    if (message->first % relays->len == first)
      g_ptr_array_add(waiting, message);
  }
  for (guint i = 0; i < relays->len && waiting->len > 0; i++) {
    GPtrArray *left = send_to_next(relays->pdata[(first + i) % relays->len], waiting);
    g_ptr_array_unref(waiting);
    waiting = left;
  }
  for (guint i = 0; i < waiting->len; i++) {
    SenderMessage *message = waiting->pdata[i];
    if (message->outcome == SENDER_TEMPORARY && is_unreached(message))
      message->outcome = SENDER_UNREACHED;
  }
}

gboolean sender_send(GPtrArray *relays, GPtrArray *messages, GError **error) {
  for (guint i = 0; i < relays->len; i++)
    if (!sender_check_relay(relays->pdata[i], error))
      return FALSE;
  g_autoptr(GPtrArray) waiting = g_ptr_array_new();
  for (guint i = 0; i < messages->len; i++) {
    SenderMessage *message = messages->pdata[i];
    const char *problem = sender_check_message(message);
    message->relay = NULL;
    if (problem != NULL)
      sender_message_settle(message, SENDER_PERMANENT, 0, problem);
    else
      g_ptr_array_add(waiting, message);
  }
  for (guint i = 0; i < relays->len; i++)
    send_from(relays, i, waiting);
  return TRUE;
}
