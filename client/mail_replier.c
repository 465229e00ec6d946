/* SPDX-License-Identifier: Apache-2.0 */
#include "client/mail_replier.h"

#include "base/base64url.h"
#include "base/clock.h"
#include "base/log.h"
#include "client/failure.h"
#include "client/output.h"

#include <openssl/rand.h>
#include <string.h>

static char *make_message_id(const char *address) {
  guint8 random[18];
  if (RAND_bytes(random, sizeof random) != 1)
    g_error("no random octets");
  g_autofree char *left = base64url_encode(random, sizeof random);
  const char *at = strrchr(address, '@');
  return g_strdup_printf("<%s@%s>", left, at != NULL ? at + 1 : "localhost");
}

static GBytes *put_on_top(const char *field, GBytes *message) {
  GByteArray *whole = g_byte_array_new();
  g_byte_array_append(whole, (const guint8 *)field, (guint)strlen(field));
  gsize size = 0;
  const guint8 *data = g_bytes_get_data(message, &size);
  g_byte_array_append(whole, data, (guint)size);
  return g_byte_array_free_to_bytes(whole);
}

GBytes *mail_replier_compose(const MailReplier *replier, const char *address,
                             const ReceivedChallenge *mail, const char *digest, GError **error) {
  g_autoptr(GError) reason = NULL;
  gint64 now = clock_now(&clock_system);
  g_autofree char *message_id = make_message_id(address);
  g_autoptr(GBytes) message =
      challenge_reply_compose(mail, address, digest, message_id, now, replier->smime, &reason);
  if (message != NULL && replier->signer == NULL)
    return g_steal_pointer(&message);
  g_autofree char *field =
      message != NULL ? dkim_sign(replier->signer, message, now, &reason) : NULL;
  if (field != NULL)
    return put_on_top(field, message);
  g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL, "the response could not be written: %s",
              reason->message);
  return NULL;
}

gboolean mail_replier_send(const MailReplier *replier, const char *address,
                           const ReceivedChallenge *mail, const char *digest, GError **error) {
  g_autoptr(GBytes) message = mail_replier_compose(replier, address, mail, digest, error);
  if (message == NULL ||
      !mail_submission_send(&replier->server, address, mail->reply_to, message, error))
    return FALSE;
  g_autofree char *to = log_escape(mail->reply_to, 300);
  output_step("reply", "sent from %s to %s", address, to);
  return TRUE;
}
