/* SPDX-License-Identifier: Apache-2.0 */
#include "client/mail_way.h"

#include "base/log.h"
#include "client/output.h"

/* Maildirs and pipes hold LF line ends. */
static GBytes *with_crlf(const char *data, gsize length) {
  GByteArray *lines = g_byte_array_sized_new((guint)length + 64);
  for (gsize i = 0; i < length; i++) {
    if (data[i] == '\n' && (i == 0 || data[i - 1] != '\r'))
      g_byte_array_append(lines, (const guint8 *)"\r", 1);
    g_byte_array_append(lines, (const guint8 *)data + i, 1);
  }
  return g_byte_array_free_to_bytes(lines);
}

ReceivedChallenge *mail_way_read(const void *data, gsize length) {
  if (length > MAIL_WAY_MAX_MESSAGE) {
    output_step("ignored", "a message of more than %d octets", MAIL_WAY_MAX_MESSAGE);
    return NULL;
  }
  g_autoptr(GError) reason = NULL;
  g_autoptr(GBytes) message = with_crlf(data, length);
  ReceivedChallenge *challenge = received_challenge_read(message, &reason);
  if (challenge == NULL) {
    g_autofree char *words = log_escape(reason->message, 300);
    output_step("ignored", "a message that is no challenge: %s", words);
  }
  return challenge;
}
