/* SPDX-License-Identifier: Apache-2.0 */
/* All that a run proves mailboxes with, made of its options: account key, way of mail, and the
   conversation with the server. */
#ifndef SIGNET_CLIENT_PROVER_H
#define SIGNET_CLIENT_PROVER_H

#include "client/account_session.h"
#include "client/mail_way.h"
#include "client/prove_options.h"

/* Made in this order, freed in the opposite one. */
typedef struct {
  const ProveOptions *options;  /* kept, not owned, as addresses */
  const char *const *addresses; /* NULL-terminated */
  gint64 deadline;              /* monotonic microseconds */
  AccountSession *session;      /* its acme is NULL before prover_open_account */
  DkimSigner *signer;
  SmimeSigner *smime;
  GBytes *challenge_roots;
  char *password;      /* at the mail server */
  char *imap_password; /* at the IMAP server */
  MailReplier replier;
  MailWay *way;
} Prover;

/* Everything local; nothing is asked of the server before all of it has worked. The account key is
   made when it is missing. CLIENT_LOCAL with what is wrong. */
Prover *prover_new(const ProveOptions *options, const char *const *addresses, GError **error);
void prover_free(Prover *prover);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Prover, prover_free)

/* Finds the account or makes it; errors as acme_client_new and acme_client_register. */
gboolean prover_open_account(Prover *prover, GError **error);
/* The same without anything else: that there is an account when several runs use it at once. */
gboolean prover_settle_account(const ProveOptions *options, GError **error);

/* As prove_all. */
gboolean prover_prove(const Prover *prover, GPtrArray *proofs, GError **error);

#endif
