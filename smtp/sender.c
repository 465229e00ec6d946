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
  g_free(message->text);
  g_free(message);
}

void sender_message_settle(SenderMessage *message, SenderOutcome outcome, int code,
                           const char *text) {
  message->outcome = outcome;
  message->code = code;
  g_free(message->text);
  message->text = log_escape(text, TEXT_MAX);
}

gboolean sender_send(const SenderRelay *relay, GPtrArray *messages, GError **error) {
  if (!sender_check_relay(relay, error))
    return FALSE;
  g_autoptr(GPtrArray) ascii = g_ptr_array_new(), utf8 = g_ptr_array_new();
  for (guint i = 0; i < messages->len; i++) {
    SenderMessage *message = messages->pdata[i];
    const char *problem = sender_check_message(message);
    if (problem != NULL)
      sender_message_settle(message, SENDER_PERMANENT, 0, problem);
    else
      g_ptr_array_add(g_str_is_ascii(message->to) ? ascii : utf8, message);
  }
  if (ascii->len > 0)
    sender_esmtp_send(relay, ascii);
  if (utf8->len > 0)
    sender_curl_send(relay, utf8);
  return TRUE;
}
