/* SPDX-License-Identifier: Apache-2.0 */
/* What signs challenge mails: an RSA key and, beside it, an Ed25519 key (RFC 8463), each under a
   selector of its own. */
#ifndef SIGNET_DAEMON_MAIL_SIGNER_H
#define SIGNET_DAEMON_MAIL_SIGNER_H

#include "base/config.h"

#define MAIL_SIGNER_ERROR (mail_signer_error_quark())
GQuark mail_signer_error_quark(void);
/* Which of the two keys, with its selector, cannot be used. */
typedef enum { MAIL_SIGNER_ERROR_RSA, MAIL_SIGNER_ERROR_ED25519 } MailSignerError;

#define MAIL_SIGNER_RSA_BITS 2048 /* at least */

typedef struct MailSigner MailSigner;

/* Domain and selectors are those of config; rsa and ed25519 (NULL: none) are PEM files. */
MailSigner *mail_signer_new(const Config *config, GBytes *rsa, GBytes *ed25519, GError **error);
void mail_signer_free(MailSigner *signer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MailSigner, mail_signer_free)

/* The message with its signatures on top, that of the RSA key first: some clients look at one only.
   now in milliseconds. */
GBytes *mail_signer_sign(const MailSigner *signer, GBytes *message, gint64 now, GError **error);

#endif
