/* SPDX-License-Identifier: Apache-2.0 */
/* From the challenge mails to valid authorizations (RFC 8823 section 3 items 5 to 8). */
#ifndef SIGNET_CLIENT_PROVE_H
#define SIGNET_CLIENT_PROVE_H

#include "client/acme_client.h"
#include "client/mail_way.h"

typedef struct {
  AcmeClient *acme;
  MailWay *way;
  const char *thumbprint; /* of the account key */
  GPtrArray *proofs;      /* of Proof */
  gint64 deadline;        /* monotonic microseconds */
  GBytes *roots; /* PEM: a challenge mail must be S/MIME-signed under one of them; NULL: it may be
                    unsigned, and a signature may lead anywhere */
  const char
      *authserv_id; /* the mail server that checks DKIM signatures; NULL: none is relied on */
} Prove;

/* Answers each challenge mail once, tells the server, and polls until every proof is valid.
   CLIENT_REFUSED when one becomes invalid, CLIENT_TIMEOUT at the deadline; else as the mail way and
   acme_client_post. */
gboolean prove_all(const Prove *prove, GError **error);

#endif
