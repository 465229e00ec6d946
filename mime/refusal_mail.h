/* SPDX-License-Identifier: Apache-2.0 */
/* A report to a domain that its CAA records forbade a certificate (RFC 8659 section 4.4), for a
   person. The machine's form (RFC 7970) is not made. */
#ifndef SIGNET_MIME_REFUSAL_MAIL_H
#define SIGNET_MIME_REFUSAL_MAIL_H

#include "mime/challenge_mail.h"

#define REFUSAL_MAX_OCTETS 300 /* of record, and of mailboxes */

/* Fields as in ChallengeMail. */
typedef struct {
  const char *from, *to, *message_id, *service;
  const char *incident;  /* by which the operator finds it: letters, digits, "-" and "_" */
  const char *domain;    /* asked for, lower-case A-labels */
  const char *mailboxes; /* of that domain, UTF-8; cut when it is too long */
  const char *record;    /* that forbade it, in the form of zones; cut when it is too long */
  gint64 at;             /* milliseconds: when it was asked for and refused */
  gint64 date;
  const GPtrArray *texts;
} RefusalMail;

/* The unsigned message with CRLF line ends, text alone; CHALLENGE_MAIL_ERROR_FIELD when a field is
   unfit. */
GBytes *refusal_mail_compose(const RefusalMail *mail, GError **error);

#endif
