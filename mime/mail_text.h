/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of the mails that Signet sends, one file a language (mime/texts/), translatable by
   people who know no C; mime/texts/en.txt says how such a file is made. */
#ifndef SIGNET_MIME_MAIL_TEXT_H
#define SIGNET_MIME_MAIL_TEXT_H

#include <glib.h>

#define MAIL_TEXT_ERROR (mail_text_error_quark())
GQuark mail_text_error_quark(void);
typedef enum { MAIL_TEXT_ERROR_FILE } MailTextError;

#define MAIL_TEXT_MAX_OCTETS (64 * 1024) /* of a file */
#define MAIL_TEXT_MAX_LINE 76            /* characters of a line, its places not filled in */
#define MAIL_TEXT_MAX_PLACES 2           /* in one line: filled in, it stays under 998 octets */

/* The sections of a file. */
typedef enum {
  MAIL_TEXT_BELOW, /* one line at the top of a mail in whose body this language stands below */
  MAIL_TEXT_CHALLENGE,
  MAIL_TEXT_ISSUANCE_SUBJECT,
  MAIL_TEXT_ISSUANCE,
  MAIL_TEXT_EXPIRY_SUBJECT,
  MAIL_TEXT_EXPIRY,
  MAIL_TEXT_REFUSAL_SUBJECT,
  MAIL_TEXT_REFUSAL,
  MAIL_TEXT_SECTIONS
} MailTextSection;

/* What is filled in, "{service}" and so on. */
typedef enum {
  MAIL_PLACE_SERVICE,
  MAIL_PLACE_ADDRESS,
  MAIL_PLACE_SERIAL,
  MAIL_PLACE_ISSUER,
  MAIL_PLACE_FROM,
  MAIL_PLACE_UNTIL,
  MAIL_PLACE_DOMAIN,
  MAIL_PLACE_RECORD,
  MAIL_PLACE_TIME,
  MAIL_PLACE_INCIDENT,
  MAIL_PLACES
} MailPlace;

/* The texts of one language; immutable. */
typedef struct MailText MailText;

/* Whether text is the name of a language as files are named: "de", "pt-BR". */
gboolean mail_text_is_language(const char *text);
/* The file that is part of the program; NULL when there is none for the language. */
GBytes *mail_text_built_in(const char *language);
/* MAIL_TEXT_ERROR_FILE names the line and what is wrong with it: no UTF-8, a line too long, an
   unknown section or place, a section or a place missing that must be there, a marker of an ACME
   block. */
MailText *mail_text_read(const char *language, GBytes *file, GError **error);
void mail_text_free(MailText *text);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MailText, mail_text_free)

/* A section with places (of MAIL_PLACES; NULL: nothing stands there) filled in: UTF-8, LF line
   ends. Every place is one line of text; places is NULL for a section that has none. */
char *mail_text_plain(const MailText *text, MailTextSection section, const char *const *places);
/* The same as an element of HTML, everything escaped. */
char *mail_text_html(const MailText *text, MailTextSection section, const char *const *places);

#endif
