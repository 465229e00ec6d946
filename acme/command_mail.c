/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl mail: a message that a mail server on this host hands over by a pipe. */
#include "acme/command.h"
#include "acme/mail_in.h"

#include <string.h>

#define ADDRESS_OCTETS 320 /* of a path (RFC 5321 section 4.5.3.1.3), with room */
#define BASE64_OCTETS (512 * 1024)

/* What the SMTP server would refuse before it asks core. */
static gboolean check_octets(Command *command, GBytes *octets, MailReply *reply) {
  gsize size = 0;
  const char *text = g_bytes_get_data(octets, &size);
  for (gsize i = 0; i < size; i++)
    if (text[i] == '\0' || (text[i] == '\r' && (i + 1 == size || text[i + 1] != '\n')) ||
        (text[i] == '\n' && (i == 0 || text[i - 1] != '\r'))) {
      *reply = (MailReply){554, "5.6.0", "bare CR, bare LF or NUL in the message"};
      return FALSE;
    }
  if (size <= (gsize)config_number(command->acme->config, "mail.message-limit"))
    return TRUE;
  *reply = (MailReply){552, "5.3.4", "message too large"};
  return FALSE;
}

static gboolean take(Command *command, const char *recipient, const char *from, GBytes *octets,
                     MailReply *reply, GError **error) {
  const char *const recipients[] = {recipient, NULL};
  const IncomingMail mail = {
      .peer = "pipe", .helo = "", .reverse_path = from, .recipients = recipients, .octets = octets};
  if (!mail_in_recipient(command->acme, recipient, reply, error))
    return FALSE;
  if (reply->code != 250 || !check_octets(command, octets, reply))
    return TRUE;
  if (!mail_in_take(command->acme, &mail, reply, error))
    return FALSE;
  return reply->code == 250 || /* nothing is kept of what is not acknowledged */
         command_refuse(command, "%u %s %s", reply->code, reply->enhanced, reply->text);
}

gboolean command_mail_ingest(Command *command, GError **error) {
  const char *recipient = NULL, *from = NULL, *base64 = NULL;
  MailReply reply;
  if (!command_needs_text(command, "recipient", ADDRESS_OCTETS, &recipient) ||
      !command_text(command, "from", ADDRESS_OCTETS, &from) ||
      !command_needs_text(command, "message", BASE64_OCTETS, &base64))
    return FALSE;
  gsize size = 0;
  g_autofree guchar *decoded = g_base64_decode(base64, &size);
  g_autoptr(GBytes) octets = g_bytes_new(decoded, size);
  if (!take(command, recipient, from != NULL ? from : "", octets, &reply, error))
    return FALSE;
  json_object_set_new(command->result, "code", json_integer(reply.code));
  json_object_set_new(command->result, "enhanced", json_string(reply.enhanced));
  json_object_set_new(command->result, "text", json_string(reply.text));
  return TRUE;
}
