/* SPDX-License-Identifier: Apache-2.0 */
/* outbound: composes, DKIM-signs and hands over challenge mails. Holds the DKIM key; parses the
 * relay's answers. */
#include "base/log.h"
#include "base/mailbox.h"
#include "daemon/pem_key.h"
#include "daemon/role.h"
#include "mime/challenge_mail.h"
#include "mime/dkim.h"
#include "smtp/sender.h"

#include <string.h>

typedef struct {
  RoleProcess *process;
  DkimSigner *signer;
  char *relay_host;
  SenderRelay relay;
  GPtrArray *waiting; /* of Mail: handed over together in one session */
  struct event *send;
} Outbound;

typedef struct {
  guint generation;
  guint64 id;
  SenderMessage *message;
} Mail;

static void mail_free(gpointer data) {
  Mail *mail = data;
  sender_message_free(mail->message);
  g_free(mail);
}

static void answer(Outbound *outbound, guint generation, guint64 id, SenderOutcome outcome,
                   guint code, const char *text, GBytes *message) {
  role_answer(outbound->process, generation, MESSAGE_DELIVERED, id,
              g_variant_new("(uus@ay)", (guint32)outcome, (guint32)code, text,
                            message_from_octets(message)));
}

/* The complete signed message; NULL when it cannot be made. */
static GBytes *compose(const Outbound *outbound, const ChallengeMail *mail, GError **error) {
  g_autoptr(GBytes) unsigned_message = challenge_mail_compose(mail, error);
  g_autofree char *signature =
      unsigned_message != NULL ? dkim_sign(outbound->signer, unsigned_message, mail->date, error)
                               : NULL;
  if (signature == NULL)
    return NULL;
  GByteArray *message = g_byte_array_new();
  g_byte_array_append(message, (const guint8 *)signature, (guint)strlen(signature));
  g_byte_array_append(message, g_bytes_get_data(unsigned_message, NULL),
                      (guint)g_bytes_get_size(unsigned_message));
  return g_byte_array_free_to_bytes(message);
}

static void on_core_says(Channel *channel G_GNUC_UNUSED, guint kind G_GNUC_UNUSED, guint64 id,
                         GVariant *body, int fd G_GNUC_UNUSED, gpointer user) {
  static const struct timeval at_once = {0, 0};
  RoleProcess *process = user;
  Outbound *outbound = process->state;
  g_autoptr(GError) error = NULL;
  ChallengeMail mail = {.service = config_text(process->config, "acme.url")};
  g_variant_get(body, "(&s&s&s&sx)", &mail.from, &mail.to, &mail.token, &mail.message_id,
                &mail.date);
  g_autoptr(GBytes) message = compose(outbound, &mail, &error);
  g_autoptr(Mailbox) recipient = message != NULL ? mailbox_parse(mail.to, &error) : NULL;
  if (recipient == NULL) {
    g_autoptr(GBytes) nothing = g_bytes_new(NULL, 0);
    answer(outbound, process->core_generation, id, SENDER_PERMANENT, 0, error->message, nothing);
    return;
  }
  Mail *waiting = g_new0(Mail, 1);
  waiting->generation = process->core_generation;
  waiting->id = id;
  waiting->message = sender_message_new(mail.from, recipient->address, message);
  g_ptr_array_add(outbound->waiting, waiting);
  event_add(outbound->send, &at_once);
}

static void on_send(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  Outbound *outbound = user;
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) mails = outbound->waiting;
  g_autoptr(GPtrArray) messages = g_ptr_array_new();
  outbound->waiting = g_ptr_array_new_with_free_func(mail_free);
  for (guint i = 0; i < mails->len; i++)
    g_ptr_array_add(messages, ((Mail *)mails->pdata[i])->message);
  gboolean usable = sender_send(&outbound->relay, messages, &error);
  for (guint i = 0; i < mails->len; i++) {
    const Mail *mail = mails->pdata[i];
    SenderOutcome outcome = usable ? mail->message->outcome : SENDER_TEMPORARY;
    const char *text = usable ? mail->message->text : error->message;
    log_debug("handed to relay", "to", mail->message->to, "text", text, NULL);
    answer(outbound, mail->generation, mail->id, outcome, usable ? (guint)mail->message->code : 0,
           text, mail->message->message);
  }
}

static gboolean read_key(RoleProcess *process, Outbound *outbound, GError **error) {
  g_autoptr(GBytes) pem = role_read_file(process, "dkim-key", error);
  EVP_PKEY *key = pem != NULL ? pem_private_key(pem, error) : NULL;
  if (key == NULL)
    return FALSE;
  DkimSigner *signer =
      dkim_signer_new(config_text(process->config, "mail.domain"),
                      config_text(process->config, "mail.dkim-selector"), key, error);
  EVP_PKEY_free(key);
  if (signer == NULL)
    return FALSE;
  g_clear_pointer(&outbound->signer, dkim_signer_free);
  outbound->signer = signer;
  return TRUE;
}

static gboolean start(RoleProcess *process, GError **error) {
  Outbound *outbound = process->state = g_new0(Outbound, 1);
  outbound->process = process;
  outbound->waiting = g_ptr_array_new_with_free_func(mail_free);
  outbound->send = event_new(process->base, -1, 0, on_send, outbound);
  config_split_peer(config_text(process->config, "mail.relay"), &outbound->relay_host,
                    &outbound->relay.port);
  outbound->relay.host = outbound->relay_host;
  outbound->relay.ehlo = config_given(process->config, "mail.hostname")
                             ? config_text(process->config, "mail.hostname")
                             : config_text(process->config, "mail.domain");
  outbound->relay.timeout_seconds =
      (guint)(config_number(process->config, "mail.relay-timeout") / 1000);
  return read_key(process, outbound, error);
}

static void reload(RoleProcess *process) {
  g_autoptr(GError) error = NULL;
  if (!read_key(process, process->state, &error))
    log_error("DKIM key not reloaded, the old one stays", "reason",
              error != NULL ? error->message : "not given", NULL);
}

const RoleTable role_outbound = {
    .role = ROLE_OUTBOUND, .start = start, .received = on_core_says, .reload = reload};
