/* SPDX-License-Identifier: Apache-2.0 */
/* Incoming mail as core sees it: which recipients there are, and taking a message (design rows 4
 * and 5). */
#ifndef SIGNET_ACME_MAIL_IN_H
#define SIGNET_ACME_MAIL_IN_H

#include "acme/acme.h"

/* An SMTP reply: code, enhanced code (RFC 3463) and text, all static. */
typedef struct {
  guint code;
  const char *enhanced, *text;
} MailReply;

/* 250 when address is the reply address of a challenge that is not over or the reverse-path of its
   mail, 550 otherwise. */
gboolean mail_in_recipient(Acme *acme, const char *address, MailReply *reply, GError **error);

typedef struct {
  const char *peer, *helo, *reverse_path;
  const char *const *recipients; /* NULL-terminated */
  gboolean tls;
  GBytes *octets;
} IncomingMail;

/* Keeps the message with a job to judge it, once for every challenge among its recipients: 250,
   whatever it will turn out to be. 452 when one of them has had too many: then the caller undoes it
   for all. */
gboolean mail_in_take(Acme *acme, const IncomingMail *mail, MailReply *reply, GError **error);

#endif
