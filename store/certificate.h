/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates: to-be-signed octets first, the certificate when it is signed (S/MIME BR 4.3.1;
 * ca-rules 34). */
#ifndef SIGNET_STORE_CERTIFICATE_H
#define SIGNET_STORE_CERTIFICATE_H

#include "store/store.h"

#define CRL_SHARD_SIZE 20000 /* certificates; so a list stays under 1 MiB */

typedef struct {
  Id id, order_id, account_id;
  GBytes *serial; /* big-endian; no two certificates have one */
  gint64 shard;   /* number of the revocation list that answers for it */
  gint64 not_before, not_after;
  GBytes *key_digest;
  GBytes *tbs;
  char *findings;        /* "" : the lint found nothing */
  char *linter_findings; /* of the outside linter, "": nothing; NULL: it has given no verdict */
  char *asked;           /* the node whose signer is asked, of several; NULL: none is */
  char *facts;           /* what it stands on beside the rows, JSON (acme/evidence.h); NULL: none */
  gint64 signing_at;
  GBytes *der;                  /* NULL: not signed yet */
  gint64 issued_at, revoked_at; /* 0: not */
  gint64 reason;
  gint64 renew_at; /* an operator asked for its renewal then; 0: not */
  char *renew_why; /* URL of a page that says why, or NULL */
} Certificate;

void certificate_row_free(Certificate *certificate);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Certificate, certificate_row_free)

/* Before signing. STORE_UNCHANGED when the order has one already. */
StoreChange certificate_insert(Store *store, const Certificate *certificate, GError **error);
/* The verdict of the outside linter, once only. */
StoreChange certificate_set_linted(Store *store, const Id *id, const char *findings,
                                   GError **error);
/* While it is not signed: whose signer is asked; NULL: none any more. */
StoreChange certificate_set_asked(Store *store, const Id *id, const char *node, GError **error);
/* Once only: the signed certificate. */
StoreChange certificate_set_der(Store *store, const Id *id, GBytes *der, gint64 now,
                                GError **error);
StoreFind certificate_find(Store *store, const Id *id, Certificate **certificate, GError **error);
StoreFind certificate_find_by_order(Store *store, const Id *order_id, Certificate **certificate,
                                    GError **error);
StoreFind certificate_find_by_serial(Store *store, GBytes *serial, Certificate **certificate,
                                     GError **error);
/* Once only. */
StoreChange certificate_revoke(Store *store, const Id *id, gint64 now, int reason, GError **error);
/* Certificates of a key that are issued and not revoked; of Certificate, at most limit. NULL on
 * failure. */
GPtrArray *certificate_list_by_key(Store *store, GBytes *key_digest, guint limit, GError **error);

/* Rows in the order of their ids, from behind after (NULL: from the first), signed or not; of
   Certificate. NULL on failure. */
GPtrArray *certificate_list(Store *store, const Id *after, guint limit, GError **error);
/* When the newest certificate that is signed was; 0: there is none. */
gboolean certificate_last_issued(Store *store, gint64 *issued_at, GError **error);
/* How many end behind from and up to until, revoked ones included; at most limit. */
gboolean certificate_count_ending(Store *store, gint64 from, gint64 until, guint limit,
                                  gint64 *count, GError **error);
gboolean certificate_count(Store *store, gint64 *count, GError **error);

/* RFC 9773: that certificate, or all issued before a time, are to be renewed at once. why: URL of a
   page for people, or "". */
StoreChange certificate_ask_renewal(Store *store, GBytes *serial, gint64 now, const char *why,
                                    GError **error);
gboolean certificate_ask_renewals(Store *store, const Id *id, gint64 issued_before, gint64 now,
                                  const char *why, GError **error);
/* The first request for all that touches a certificate issued at a time. */
StoreFind certificate_renewal_asked(Store *store, gint64 issued_at, gint64 *at, char **why,
                                    GError **error);

gboolean key_block(Store *store, GBytes *digest, gint64 now, const char *why, GError **error);
typedef struct {
  GBytes *digest;
  gint64 at;
  char *why;
} BlockedKey;

void blocked_key_free(BlockedKey *key);
/* Blocked keys after that digest (NULL: from the first), of BlockedKey, at most limit. NULL on
   failure. */
GPtrArray *key_list_blocked(Store *store, GBytes *after, guint limit, GError **error);
StoreFind key_blocked(Store *store, GBytes *digest, GError **error);
/* Whether a certificate was ever made for the key. */
StoreFind key_certified(Store *store, GBytes *digest, GError **error);

#endif
