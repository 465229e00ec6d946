/* SPDX-License-Identifier: Apache-2.0 */
/* One mailbox and how far the proof of its control has come. */
#ifndef SIGNET_CLIENT_PROOF_H
#define SIGNET_CLIENT_PROOF_H

#include "client/server_objects.h"
#include "mime/challenge_mail.h"

/* replied: the one response was handed over, and never is again (RFC 8823 section 3 item 6). */
typedef struct {
  char *address;       /* the identifier, as it was sent */
  char *authorization; /* URL */
  char *challenge;     /* URL */
  char *from;          /* where the challenge mail comes from */
  char *token;         /* token-part2 */
  gboolean replied;
  gboolean valid;
  gint64 poll_at; /* monotonic microseconds */
  guint failures; /* polls in a row without an answer */
  char *note;     /* the last trouble that was shown; NULL when none was */
} Proof;

/* The authorization at url must be for one of addresses (NULL-terminated), else CLIENT_NETWORK.
   CLIENT_REFUSED when it cannot be proven by mail or has failed already. */
Proof *proof_new(const char *url, const ServerAuthorization *authorization,
                 const char *const *addresses, GError **error);
void proof_free(Proof *proof);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Proof, proof_free)

/* An array of Proof that owns them, empty. */
GPtrArray *proof_list_new(void);

/* The proof (of proofs) that awaits mail: To is its identifier and From its challenge's; NULL with
 *why, a static text, when there is none. */
Proof *proof_match(const GPtrArray *proofs, const ReceivedChallenge *mail, const char **why);

/* The first that has neither been replied to nor become valid; NULL when there is none. */
Proof *proof_awaited(const GPtrArray *proofs);

gboolean proof_all_valid(const GPtrArray *proofs);

#endif
