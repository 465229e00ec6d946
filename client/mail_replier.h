/* SPDX-License-Identifier: Apache-2.0 */
/* The response as a message: composed, DKIM-signed when there is a key, handed to the mail server.
 */
#ifndef SIGNET_CLIENT_MAIL_REPLIER_H
#define SIGNET_CLIENT_MAIL_REPLIER_H

#include "client/mail_submission.h"
#include "mime/challenge_mail.h"
#include "mime/dkim.h"

/* Belongs to the caller of the ways that use it. */
typedef struct {
  MailServer server;
  const DkimSigner *signer; /* NULL: the mail server signs */
  const SmimeSigner *smime; /* NULL: no S/MIME signature */
} MailReplier;

/* The message as it is sent, CRLF line ends. CLIENT_LOCAL when it cannot be made. */
GBytes *mail_replier_compose(const MailReplier *replier, const char *address,
                             const ReceivedChallenge *mail, const char *digest, GError **error);

/* Composes and sends from address to where the challenge asks for replies. */
gboolean mail_replier_send(const MailReplier *replier, const char *address,
                           const ReceivedChallenge *mail, const char *digest, GError **error);

#endif
