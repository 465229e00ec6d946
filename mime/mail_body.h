/* SPDX-License-Identifier: Apache-2.0 */
/* The body of a mail in one or several languages, as a MIME entity. Internal to mime/. */
#ifndef SIGNET_MIME_MAIL_BODY_H
#define SIGNET_MIME_MAIL_BODY_H

#include "mime/mail_text.h"

typedef struct {
  const GPtrArray *texts; /* of MailText, one a language, at least one */
  MailTextSection section;
  const char *places[MAIL_PLACES];
  gboolean html; /* multipart/alternative with the text and the same in HTML */
} MailBody;

/* Content-Type, Content-Transfer-Encoding, an empty line and the body, CRLF line ends, all ASCII.
   seed, of which boundaries are made, differs from mail to mail. parameter, such as "; hp=clear",
   follows the type. The caller frees it. */
char *mail_body_entity(const MailBody *body, const char *seed, const char *parameter);

/* The subject of a notice, its languages parted by " / ": the value of a Subject field, encoded
   and folded where it is beyond ASCII (RFC 2047). */
char *mail_body_subject(const GPtrArray *texts, MailTextSection section);

/* The header of a mail that nobody asked for. */
typedef struct {
  const char *from, *to; /* addresses */
  MailTextSection subject;
  const char *message_id;
  gint64 date; /* milliseconds */
} MailBodyHeader;

/* A whole message, unsigned, with CRLF line ends: to the null reverse-path belongs that it says of
   itself to be automatic (RFC 3834). */
GBytes *mail_body_message(const MailBody *body, const MailBodyHeader *header);

/* octets as base64 in lines of at most 76 characters that end in CRLF. */
char *mail_body_base64(GBytes *octets);

/* A boundary made of seed and purpose: it stands in no entity of this file's making. */
char *mail_body_boundary(const char *seed, const char *purpose);

#endif
