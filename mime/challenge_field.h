/* SPDX-License-Identifier: Apache-2.0 */
/* What may stand in the fields of the messages that Signet writes. Internal to mime/. */
#ifndef SIGNET_MIME_CHALLENGE_FIELD_H
#define SIGNET_MIME_CHALLENGE_FIELD_H

#include "mime/challenge_mail.h"

/* Each FALSE with CHALLENGE_MAIL_ERROR_FIELD that names what; NULL is never valid. */
gboolean challenge_field_check_address(const char *what, const char *text, GError **error);
/* An address that may be beyond ASCII. */
gboolean challenge_field_check_mailbox(const char *what, const char *text, GError **error);
gboolean challenge_field_check_message_id(const char *what, const char *text, GError **error);
gboolean challenge_field_check_token(const char *text, GError **error);
gboolean challenge_field_check_service(const char *text, GError **error);
gboolean challenge_field_check_digest(const char *text, GError **error);
gboolean challenge_field_check_date(gint64 date, GError **error);

/* base64url, perhaps padded, of CHALLENGE_MIN_TOKEN_BITS or more. */
gboolean challenge_field_is_token(const char *text);

/* "<" 1*printable ">" without blanks or more angle brackets. */
gboolean challenge_field_is_message_id(const char *text);

#endif
