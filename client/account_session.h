/* SPDX-License-Identifier: Apache-2.0 */
/* The account of a key file, and its roll-over to another key (RFC 8555 section 7.3.5). While that
   goes on the new key stands in FILE.new; it stays there until the server has said which of the two
   is the account's, so that no lost answer loses the account. */
#ifndef SIGNET_CLIENT_ACCOUNT_SESSION_H
#define SIGNET_CLIENT_ACCOUNT_SESSION_H

#include "client/acme_client.h"
#include "client/prove_options.h"

typedef struct {
  char *path;              /* of the key file */
  AcmeClientOptions where; /* its texts are kept, not owned */
  AccountKey *key;
  AcmeClient *acme; /* speaks by key */
} AccountSession;

/* Without key and conversation: the caller makes them. */
AccountSession *account_session_new(const ProveOptions *options, gint64 deadline);

/* The key must be there; errors as acme_client_new and acme_client_find_account, CLIENT_LOCAL. */
AccountSession *account_session_open(const ProveOptions *options, gint64 deadline, GError **error);
void account_session_free(AccountSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AccountSession, account_session_free)

/* Ends a roll-over that was cut off, if there was one: key and acme are the right ones then. The
   account is found when it was the new one's. Errors as acme_client_find_account. */
gboolean account_session_settle(AccountSession *session, GError **error);

/* Gives the account a new key of this type (NULL: P-256). CLIENT_REFUSED and others leave the old
   one, or what account_session_settle makes the new one of. */
gboolean account_session_roll_over(AccountSession *session, const char *type, GError **error);

#endif
