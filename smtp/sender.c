/* SPDX-License-Identifier: Apache-2.0 */
#include "smtp/sender.h"
#include "base/log.h"

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
