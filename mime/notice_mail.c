/* SPDX-License-Identifier: Apache-2.0 */
#include "mime/notice_mail.h"
#include "base/clock.h"
#include "mime/challenge_field.h"
#include "mime/mail_body.h"
#include "mime/mime_text.h"

#include <string.h>

static const struct {
  const char *kind;
  MailTextSection subject, body;
} kinds[] = {
    {"issuance", MAIL_TEXT_ISSUANCE_SUBJECT, MAIL_TEXT_ISSUANCE},
    {"expiry", MAIL_TEXT_EXPIRY_SUBJECT, MAIL_TEXT_EXPIRY},
};

static gsize kind_of(const char *name) {
  gsize kind = 0;
  while (kind < G_N_ELEMENTS(kinds) && g_strcmp0(kinds[kind].kind, name) != 0)
    kind++;
  return kind;
}

static gboolean fail(GError **error, const char *why) {
  g_set_error_literal(error, CHALLENGE_MAIL_ERROR, CHALLENGE_MAIL_ERROR_FIELD, why);
  return FALSE;
}

static gboolean check(const NoticeMail *mail, GError **error) {
  if (kind_of(mail->kind) == G_N_ELEMENTS(kinds))
    return fail(error, "there is no such notice");
  if (mail->serial == NULL || *mail->serial == '\0' ||
      strspn(mail->serial, "0123456789ABCDEF") != strlen(mail->serial) ||
      strlen(mail->serial) > 2 * 20)
    return fail(error, "the serial number is not hexadecimal");
  return challenge_field_check_address("the sender address", mail->from, error) &&
         challenge_field_check_mailbox("the recipient address", mail->to, error) &&
         challenge_field_check_message_id("the Message-ID", mail->message_id, error) &&
         challenge_field_check_service(mail->service, error) &&
         challenge_field_check_date(mail->date, error) &&
         challenge_field_check_date(mail->not_before, error) &&
         challenge_field_check_date(mail->not_after, error);
}

/* The day in UTC, in a form of no language. */
static char *day(gint64 milliseconds) {
  char *text = clock_rfc3339(milliseconds);
  *strchr(text, 'T') = '\0';
  return text;
}

GBytes *notice_mail_compose(const NoticeMail *mail, GError **error) {
  if (!check(mail, error))
    return NULL;
  gsize kind = kind_of(mail->kind);
  g_autofree char *from = day(mail->not_before), *until = day(mail->not_after);
  g_autofree char *issuer = mime_text_clean(mail->issuer, NOTICE_MAX_ISSUER_OCTETS);
  MailBody body = {.texts = mail->texts,
                   .section = kinds[kind].body,
                   .places = {[MAIL_PLACE_SERVICE] = mail->service,
                              [MAIL_PLACE_ADDRESS] = mail->to,
                              [MAIL_PLACE_SERIAL] = mail->serial,
                              [MAIL_PLACE_ISSUER] = issuer,
                              [MAIL_PLACE_FROM] = from,
                              [MAIL_PLACE_UNTIL] = until},
                   .html = mail->html};
  const MailBodyHeader header = {mail->from, mail->to, kinds[kind].subject, mail->message_id,
                                 mail->date};
  return mail_body_message(&body, &header);
}
