/* SPDX-License-Identifier: Apache-2.0 */
/* A notice to a mailbox about its certificate. */
#ifndef SIGNET_MIME_NOTICE_MAIL_H
#define SIGNET_MIME_NOTICE_MAIL_H

#include "mime/challenge_mail.h"

#define NOTICE_MAX_ISSUER_OCTETS 254

/* Fields as in ChallengeMail. */
typedef struct {
  const char *kind; /* "issuance" or "expiry" */
  const char *from, *to, *message_id, *service;
  const char *serial;           /* hexadecimal */
  const char *issuer;           /* its name, UTF-8; cut when it is too long */
  gint64 not_before, not_after; /* milliseconds */
  gint64 date;
  const GPtrArray *texts;
  gboolean html;
} NoticeMail;

/* The unsigned message with CRLF line ends; CHALLENGE_MAIL_ERROR_FIELD when a field is unfit. */
GBytes *notice_mail_compose(const NoticeMail *mail, GError **error);

#endif
