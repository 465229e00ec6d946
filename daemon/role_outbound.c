/* SPDX-License-Identifier: Apache-2.0 */
/* outbound: composes, DKIM-signs and hands over challenge mails, notices and reports. Holds the
 * DKIM keys, the S/MIME key and the password for the relays; parses their answers. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "daemon/mail_signer.h"
#include "daemon/mail_texts.h"
#include "daemon/pem_key.h"
#include "daemon/role.h"
#include "mime/challenge_mail.h"
#include "mime/notice_mail.h"
#include "mime/refusal_mail.h"
#include "smtp/sender_check.h"

/* A relay that fails every time behind the message, when it may have it, leaves the mail to the
   next one; one that puts it off is asked again first, which greylisting waits for. */
#define TRIES_FIRST_AT_A_RELAY 2
/* A process that dies repeats what it has handed over and not told of. */
#define MAILS_OF_A_SESSION 16

static const struct timeval at_once = {0, 0};

typedef struct {
  RoleProcess *process;
  MailSigner *signer;
  SmimeSigner *smime; /* NULL: challenge mails have no S/MIME signature */
  GPtrArray *texts;   /* of MailText */
  GPtrArray *relays;  /* of SenderRelay, whose host, ca and password are their own */
  GPtrArray *waiting; /* of Mail: handed over together, some in one session */
  struct event *send;
} Outbound;

typedef struct {
  guint generation;
  guint64 id;
  guint answer; /* kind of message */
  SenderMessage *message;
} Mail;

static void relay_free(gpointer data) {
  SenderRelay *relay = data;
  g_free((char *)relay->host);
  g_clear_pointer(&relay->ca, g_bytes_unref);
  g_free((char *)relay->password);
  g_free(relay);
}

static void mail_free(gpointer data) {
  Mail *mail = data;
  sender_message_free(mail->message);
  g_free(mail);
}

static void answer(Outbound *outbound, const Mail *mail, SenderOutcome outcome, guint code,
                   const char *text, GBytes *message) {
  const guint32 result = outcome, reply = code;
  const NormalFormPart parts[] = {NORMAL_FORM_NUMBER(result), NORMAL_FORM_NUMBER(reply),
                                  normal_form_text(text), normal_form_octets(message)};
  role_answer(outbound->process, mail->generation, mail->answer, mail->id,
              message_join(mail->answer, parts));
}

/* What core wants sent: the message, unsigned, and its envelope. */
typedef struct {
  GBytes *message;
  const char *reverse_path, *to, *secret;
  gint64 date;
  guint attempts; /* this one included */
} Letter;

/* NULL for a mail from an address of its own, which no certificate names. A certificate that ended
   proves nothing any more: the DKIM signature does (RFC 8823 section 3.1). */
static const SmimeSigner *smime_signer(const Outbound *outbound, const ChallengeMail *mail) {
  if (outbound->smime == NULL || strcmp(mail->from, mail->reply_to) == 0)
    return NULL;
  if (smime_signer_is_valid(outbound->smime, mail->date))
    return outbound->smime;
  log_warning("challenge mail without S/MIME signature", "reason",
              "the certificate of [mail] smime-certificate is not valid any more", NULL);
  return NULL;
}

static void compose_challenge(const Outbound *outbound, GVariant *body, Letter *letter,
                              GError **error) {
  const Config *config = outbound->process->config;
  ChallengeMail mail = {.service = config_text(config, "acme.url"),
                        .texts = outbound->texts,
                        .html = config_is(config, "mail.format", "alternative")};
  NormalFormPart parts[8];
  message_split(body, parts);
  mail.from = normal_form_to_text(&parts[1]);
  mail.reply_to = normal_form_to_text(&parts[2]);
  mail.to = normal_form_to_text(&parts[3]);
  mail.token = normal_form_to_text(&parts[4]);
  mail.message_id = normal_form_to_text(&parts[5]);
  mail.date = normal_form_to_int64(&parts[6]);
  mail.signer = smime_signer(outbound, &mail);
  *letter = (Letter){.message = challenge_mail_compose(&mail, error),
                     .reverse_path = normal_form_to_text(&parts[0]),
                     .to = mail.to,
                     .secret = mail.token,
                     .date = mail.date,
                     .attempts = normal_form_to_uint32(&parts[7])};
}

/* With the null reverse-path (RFC 3834 section 3.3): nothing comes back, and nothing waits for it.
 */
static void compose_notice(const Outbound *outbound, GVariant *body, Letter *letter,
                           GError **error) {
  const Config *config = outbound->process->config;
  NoticeMail mail = {.service = config_text(config, "acme.url"),
                     .texts = outbound->texts,
                     .html = config_is(config, "mail.format", "alternative")};
  guint32 attempts = 0;
  g_variant_get(body, "(&s&s&s&s&s&sxxxu)", &mail.kind, &mail.from, &mail.to, &mail.message_id,
                &mail.serial, &mail.issuer, &mail.not_before, &mail.not_after, &mail.date,
                &attempts);
  *letter = (Letter){.message = notice_mail_compose(&mail, error),
                     .reverse_path = "",
                     .to = mail.to,
                     .date = mail.date,
                     .attempts = attempts};
}

/* As a notice. */
static void compose_refusal(const Outbound *outbound, GVariant *body, Letter *letter,
                            GError **error) {
  RefusalMail mail = {.service = config_text(outbound->process->config, "acme.url"),
                      .texts = outbound->texts};
  guint32 attempts = 0;
  g_variant_get(body, "(&s&s&s&s&s&s&sxxu)", &mail.from, &mail.to, &mail.message_id, &mail.incident,
                &mail.domain, &mail.mailboxes, &mail.record, &mail.at, &mail.date, &attempts);
  *letter = (Letter){.message = refusal_mail_compose(&mail, error),
                     .reverse_path = "",
                     .to = mail.to,
                     .date = mail.date,
                     .attempts = attempts};
}

/* What core may want sent, by kind of message. */
static const struct {
  guint kind, answer;
  void (*compose)(const Outbound *outbound, GVariant *body, Letter *letter, GError **error);
} letters[] = {
    {MESSAGE_DELIVER, MESSAGE_DELIVERED, compose_challenge},
    {MESSAGE_NOTICE, MESSAGE_NOTICE_DELIVERED, compose_notice},
    {MESSAGE_IODEF, MESSAGE_IODEF_DELIVERED, compose_refusal},
};

static void on_core_says(Channel *channel G_GNUC_UNUSED, guint kind, guint64 id, GVariant *body,
                         int fd G_GNUC_UNUSED, gpointer user) {
  RoleProcess *process = user;
  Outbound *outbound = process->state;
  g_autoptr(GError) error = NULL;
  Letter letter;
  gsize row = 0;
  while (letters[row].kind != kind) /* the catalogue lets no other kind through */
    row++;
  letters[row].compose(outbound, body, &letter, &error);
  g_autoptr(GBytes) unsigned_message = letter.message;
  g_autoptr(GBytes) message =
      unsigned_message != NULL
          ? mail_signer_sign(outbound->signer, unsigned_message, letter.date, &error)
          : NULL;
  g_autoptr(Mailbox) recipient = message != NULL ? mailbox_parse(letter.to, &error) : NULL;
  Mail mail = {.generation = process->core_generation, .id = id, .answer = letters[row].answer};
  if (recipient == NULL) {
    g_autoptr(GBytes) nothing = g_bytes_new(NULL, 0);
    answer(outbound, &mail, SENDER_PERMANENT, 0, error->message, nothing);
    return;
  }
  mail.message = sender_message_new(letter.reverse_path, recipient->address, message);
  mail.message->secret = g_strdup(letter.secret);
  mail.message->first = (MAX(letter.attempts, 1) - 1) / TRIES_FIRST_AT_A_RELAY;
  g_ptr_array_add(outbound->waiting, g_memdup2(&mail, sizeof(mail)));
  event_add(outbound->send, &at_once);
}

static void log_outcome(const SenderMessage *message) {
  static const char *const outcomes[SENDER_OUTCOMES] = {[SENDER_ACCEPTED] = "accepted",
                                                        [SENDER_TEMPORARY] = "temporary failure",
                                                        [SENDER_UNREACHED] = "no relay reached",
                                                        [SENDER_PERMANENT] = "permanent failure",
                                                        [SENDER_NO_TLS] = "no TLS"};
  const SenderRelay *relay = message->relay;
  g_autofree char *name = relay != NULL ? sender_relay_name(relay) : g_strdup("none");
  g_autofree char *code = g_strdup_printf("%d", message->code);
  log_info("mail handed over", "to", message->to, "relay", name, "outcome",
           outcomes[message->outcome], "code", code, "text", message->text, NULL);
}

static void log_outcomes(GPtrArray *messages) {
  log_hold();
  for (guint i = 0; i < messages->len; i++)
    log_outcome(messages->pdata[i]);
  log_release();
}

/* The next ones; the others wait for the next turn of the loop, after the answers about these. */
static GPtrArray *take_mails(Outbound *outbound) {
  GPtrArray *mails = g_ptr_array_new_with_free_func(mail_free);
  guint count = MIN(outbound->waiting->len, MAILS_OF_A_SESSION);
  for (guint i = 0; i < count; i++)
    g_ptr_array_add(mails, g_ptr_array_steal_index(outbound->waiting, 0));
  if (outbound->waiting->len > 0)
    event_add(outbound->send, &at_once);
  return mails;
}

static void on_send(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  Outbound *outbound = user;
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) mails = take_mails(outbound);
  g_autoptr(GPtrArray) messages = g_ptr_array_new();
  for (guint i = 0; i < mails->len; i++)
    g_ptr_array_add(messages, ((Mail *)mails->pdata[i])->message);
  gboolean usable = sender_send(outbound->relays, messages, &error);
  if (usable)
    log_outcomes(messages);
  for (guint i = 0; i < mails->len; i++) {
    const Mail *mail = mails->pdata[i];
    SenderOutcome outcome = usable ? mail->message->outcome : SENDER_UNREACHED;
    const char *text = usable ? mail->message->text : error->message;
    answer(outbound, mail, outcome, usable ? (guint)mail->message->code : 0, text,
           mail->message->message);
  }
}

/* Keys and selectors change together, or not at all. */
static gboolean read_keys(RoleProcess *process, Outbound *outbound, const Config *config,
                          GError **error) {
  g_autoptr(GError) failure = NULL;
  g_autoptr(GBytes) rsa = role_read_file(process, "dkim-key", &failure);
  g_autoptr(GBytes) ed25519 =
      failure == NULL ? role_read_file(process, "dkim-ed25519-key", &failure) : NULL;
  if (rsa == NULL && failure == NULL)
    g_set_error_literal(&failure, MAIL_SIGNER_ERROR, MAIL_SIGNER_ERROR_RSA, "was not given");
  MailSigner *signer = failure == NULL ? mail_signer_new(config, rsa, ed25519, &failure) : NULL;
  if (signer == NULL) {
    g_propagate_error(error, g_steal_pointer(&failure));
    return FALSE;
  }
  mail_signer_free(outbound->signer);
  outbound->signer = signer;
  log_info("DKIM keys read", "selector", config_text(config, "mail.dkim-selector"),
           "ed25519-selector",
           ed25519 != NULL ? config_text(config, "mail.dkim-ed25519-selector") : NULL, NULL);
  return TRUE;
}

static SenderTls tls_of(const Config *config) {
  static const char *const words[] = {[SENDER_TLS_OFF] = "off",
                                      [SENDER_TLS_OPPORTUNISTIC] = "opportunistic",
                                      [SENDER_TLS_STARTTLS] = "starttls",
                                      [SENDER_TLS_IMPLICIT] = "implicit"};
  SenderTls tls = SENDER_TLS_OFF;
  while (!config_is(config, "mail.relay-tls", words[tls]))
    tls++;
  return tls;
}

static SenderRelay *relay_new(const Config *config, const char *peer, GBytes *ca,
                              const char *password) {
  SenderRelay *relay = g_new0(SenderRelay, 1);
  char *host = NULL;
  config_split_peer(peer, &host, &relay->port);
  relay->host = host;
  relay->ehlo =
      config_text(config, config_given(config, "mail.hostname") ? "mail.hostname" : "mail.domain");
  relay->timeout_seconds = (guint)(config_number(config, "mail.relay-timeout") / 1000);
  relay->tls = tls_of(config);
  relay->ca = ca != NULL ? g_bytes_ref(ca) : NULL;
  relay->user =
      config_given(config, "mail.relay-user") ? config_text(config, "mail.relay-user") : NULL;
  relay->password = g_strdup(password);
  return relay;
}

static gboolean read_relays(RoleProcess *process, Outbound *outbound, GError **error) {
  g_autoptr(GError) failure = NULL;
  g_autoptr(GBytes) ca = role_read_file(process, "relay-ca", &failure);
  g_autoptr(GBytes) file =
      failure == NULL ? role_read_file(process, "relay-password", &failure) : NULL;
  if (failure != NULL) {
    g_propagate_error(error, g_steal_pointer(&failure));
    return FALSE;
  }
  g_autofree char *password = file != NULL ? pem_first_line(file) : NULL;
  g_autoptr(GPtrArray) relays = g_ptr_array_new_with_free_func(relay_free);
  for (const char *const *peer = config_list(process->config, "mail.relay"); *peer != NULL;
       peer++) {
    SenderRelay *relay = relay_new(process->config, *peer, ca, password);
    g_ptr_array_add(relays, relay);
    if (!sender_check_relay(relay, error))
      return FALSE;
  }
  g_clear_pointer(&outbound->relays, g_ptr_array_unref);
  outbound->relays = g_steal_pointer(&relays);
  return TRUE;
}

/* Without a certificate that can be used the mails go out all the same, as DKIM proves them: it may
   have ended since the server was started. */
static void use_smime(RoleProcess *process, Outbound *outbound) {
  g_autoptr(GError) failure = NULL;
  g_autofree char *address =
      g_strconcat("acme-challenge@", config_text(process->config, "mail.domain"), NULL);
  g_autoptr(GBytes) chain = role_read_file(process, "smime-certificate", &failure);
  g_autoptr(GBytes) key = failure == NULL ? role_read_file(process, "smime-key", &failure) : NULL;
  SmimeSigner *signer =
      chain != NULL && key != NULL
          ? smime_signer_new(chain, key, address, clock_now(&clock_system), &failure)
          : NULL;
  if (failure != NULL) {
    log_error("S/MIME certificate not used, the old one stays if there is one", "reason",
              failure->message, NULL);
    return;
  }
  g_clear_pointer(&outbound->smime, smime_signer_free);
  outbound->smime = signer;
}

static GBytes *read_text(gpointer user, const char *language, GError **error) {
  g_autofree char *name = g_strconcat("mail-text-", language, NULL);
  return role_read_file(user, name, error);
}

static gboolean read_texts(RoleProcess *process, Outbound *outbound, const Config *config,
                           GError **error) {
  GPtrArray *texts = mail_texts_read(config, read_text, process, error);
  if (texts == NULL)
    return FALSE;
  g_clear_pointer(&outbound->texts, g_ptr_array_unref);
  outbound->texts = texts;
  return TRUE;
}

static gboolean start(RoleProcess *process, GError **error) {
  Outbound *outbound = process->state = g_new0(Outbound, 1);
  outbound->process = process;
  outbound->waiting = g_ptr_array_new_with_free_func(mail_free);
  outbound->send = event_new(process->base, -1, 0, on_send, outbound);
  use_smime(process, outbound);
  return read_texts(process, outbound, process->config, error) &&
         read_relays(process, outbound, error) &&
         read_keys(process, outbound, process->config, error);
}

static void reload(RoleProcess *process, const Config *config) {
  g_autoptr(GError) error = NULL, of_relays = NULL, of_texts = NULL;
  if (!read_keys(process, process->state, config, &error))
    log_error("DKIM keys not reloaded, the old ones stay", "which",
              g_error_matches(error, MAIL_SIGNER_ERROR, MAIL_SIGNER_ERROR_ED25519)
                  ? "dkim-ed25519-key"
                  : "dkim-key",
              "reason", error->message, NULL);
  if (!read_relays(process, process->state, &of_relays))
    log_error("relays' files not reloaded, the old ones stay", "reason", of_relays->message, NULL);
  use_smime(process, process->state);
  if (!read_texts(process, process->state, config, &of_texts))
    log_error("texts of mails not reloaded, the old ones stay", "reason", of_texts->message, NULL);
}

const RoleTable role_outbound = {
    .role = ROLE_OUTBOUND, .start = start, .received = on_core_says, .reload = reload};
