/* SPDX-License-Identifier: Apache-2.0 */
#include "mime/challenge_field.h"
#include "base/base64url.h"
#include "base/mailbox.h"
#include "mime/mailbox_scan.h"

#include <string.h>

#define DIGEST_OCTETS 32
#define LAST_DATE G_GINT64_CONSTANT(253402300799999) /* the end of the year 9999 */

static gboolean fail(GError **error, const char *what, const char *why) {
  g_set_error(error, CHALLENGE_MAIL_ERROR, CHALLENGE_MAIL_ERROR_FIELD, "%s %s", what, why);
  return FALSE;
}

/* Characters from least to "~", at most max of them. */
static gboolean is_line(const char *text, char least, gsize max) {
  if (text == NULL || *text == '\0' || strlen(text) > max)
    return FALSE;
  for (const char *p = text; *p != '\0'; p++)
    if (*p < least || *p > '~')
      return FALSE;
  return TRUE;
}

/* One mailbox alone: text might add recipients otherwise. */
gboolean challenge_field_check_address(const char *what, const char *text, GError **error) {
  if (!is_line(text, '!', CHALLENGE_MAX_ADDRESS_OCTETS))
    return fail(error, what, "is empty, too long, or not printable ASCII without blanks");
  g_autofree char *scanned = mailbox_scan(text);
  return g_strcmp0(scanned, text) == 0 || fail(error, what, "is not one mailbox address");
}

/* RFC 6532 section 3.2: what is not ASCII stands in the field as it is. */
gboolean challenge_field_check_mailbox(const char *what, const char *text, GError **error) {
  if (text != NULL && g_str_is_ascii(text))
    return challenge_field_check_address(what, text, error);
  g_autoptr(Mailbox) mailbox = text != NULL ? mailbox_parse(text, NULL) : NULL;
  return mailbox != NULL || fail(error, what, "is not one mailbox address");
}

gboolean challenge_field_is_message_id(const char *text) {
  if (!is_line(text, '!', CHALLENGE_MAX_MESSAGE_ID_OCTETS))
    return FALSE;
  gsize length = strlen(text);
  return length > 2 && text[0] == '<' && strcspn(text + 1, "<>") == length - 2 &&
         text[length - 1] == '>';
}

gboolean challenge_field_check_message_id(const char *what, const char *text, GError **error) {
  return challenge_field_is_message_id(text) || fail(error, what, "is no message identifier");
}

gboolean challenge_field_is_token(const char *text) {
  if (!is_line(text, '!', CHALLENGE_MAX_TOKEN_OCTETS))
    return FALSE;
  gsize length = strcspn(text, "=");
  if (strspn(text + length, "=") != strlen(text + length) || strlen(text + length) > 2)
    return FALSE;
  for (gsize i = 0; i < length; i++)
    if (!g_ascii_isalnum(text[i]) && text[i] != '-' && text[i] != '_')
      return FALSE;
  return length * 6 >= CHALLENGE_MIN_TOKEN_BITS;
}

gboolean challenge_field_check_token(const char *text, GError **error) {
  return challenge_field_is_token(text) || fail(error, "the token", "is not base64url of 128 bits");
}

gboolean challenge_field_check_service(const char *text, GError **error) {
  return is_line(text, ' ', CHALLENGE_MAX_SERVICE_OCTETS) ||
         fail(error, "the service", "is empty, too long, or not one line of printable ASCII");
}

gboolean challenge_field_check_digest(const char *text, GError **error) {
  g_autoptr(GBytes) digest = text == NULL ? NULL : base64url_decode(text);
  return (digest != NULL && g_bytes_get_size(digest) == DIGEST_OCTETS) ||
         fail(error, "the digest", "is not base64url of 32 octets");
}

gboolean challenge_field_check_date(gint64 date, GError **error) {
  return (date >= 0 && date <= LAST_DATE) || fail(error, "the date", "is out of range");
}
