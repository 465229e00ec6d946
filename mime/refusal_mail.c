/* SPDX-License-Identifier: Apache-2.0 */
#include "mime/refusal_mail.h"
#include "base/clock.h"
#include "base/mailbox.h"
#include "mime/challenge_field.h"
#include "mime/mail_body.h"
#include "mime/mime_text.h"

#include <string.h>

#define MAX_INCIDENT_OCTETS 64

static gboolean fail(GError **error, const char *why) {
  g_set_error_literal(error, CHALLENGE_MAIL_ERROR, CHALLENGE_MAIL_ERROR_FIELD, why);
  return FALSE;
}

static gboolean is_incident(const char *text) {
  if (text == NULL || *text == '\0' || strlen(text) > MAX_INCIDENT_OCTETS)
    return FALSE;
  for (const char *p = text; *p != '\0'; p++)
    if (!g_ascii_isalnum(*p) && *p != '-' && *p != '_')
      return FALSE;
  return TRUE;
}

static gboolean is_domain(const char *text) {
  g_autofree char *domain = text != NULL ? mailbox_domain_to_ascii(text, NULL) : NULL;
  return g_strcmp0(domain, text) == 0 && domain != NULL;
}

static gboolean check(const RefusalMail *mail, GError **error) {
  if (!is_incident(mail->incident))
    return fail(error, "the incident is no identifier");
  if (!is_domain(mail->domain))
    return fail(error, "the domain is none");
  if (mail->mailboxes == NULL || mail->record == NULL)
    return fail(error, "the mailboxes or the record are missing");
  return challenge_field_check_address("the sender address", mail->from, error) &&
         challenge_field_check_mailbox("the recipient address", mail->to, error) &&
         challenge_field_check_message_id("the Message-ID", mail->message_id, error) &&
         challenge_field_check_service(mail->service, error) &&
         challenge_field_check_date(mail->at, error) &&
         challenge_field_check_date(mail->date, error);
}

GBytes *refusal_mail_compose(const RefusalMail *mail, GError **error) {
  if (!check(mail, error))
    return NULL;
  g_autofree char *time = clock_rfc3339(mail->at);
  g_autofree char *mailboxes = mime_text_clean(mail->mailboxes, REFUSAL_MAX_OCTETS);
  g_autofree char *record = mime_text_clean(mail->record, REFUSAL_MAX_OCTETS);
  const MailBody body = {.texts = mail->texts,
                         .section = MAIL_TEXT_REFUSAL,
                         .places = {[MAIL_PLACE_SERVICE] = mail->service,
                                    [MAIL_PLACE_ADDRESS] = mailboxes,
                                    [MAIL_PLACE_DOMAIN] = mail->domain,
                                    [MAIL_PLACE_RECORD] = record,
                                    [MAIL_PLACE_TIME] = time,
                                    [MAIL_PLACE_INCIDENT] = mail->incident}};
  const MailBodyHeader header = {mail->from, mail->to, MAIL_TEXT_REFUSAL_SUBJECT, mail->message_id,
                                 mail->date};
  return mail_body_message(&body, &header);
}
