/* SPDX-License-Identifier: Apache-2.0 */
/* Revocation lists by shard (ca-rules 31). */
#ifndef SIGNET_STORE_CRL_SHARD_H
#define SIGNET_STORE_CRL_SHARD_H

#include "store/store.h"

typedef struct {
  gint64 number;     /* of the shard, from 1 */
  gint64 crl_number; /* of its last list; 0: none yet */
  gint64 this_update, next_update;
  GBytes *crl; /* DER; NULL: none yet */
  /* subjectKeyIdentifier of the CA whose certificates are in it and whose key signs its lists;
     NULL: of a time when there was one CA only */
  GBytes *issuer;
} CrlShard;

void crl_shard_free(CrlShard *shard);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CrlShard, crl_shard_free)

/* The open shard of an issuer takes one more certificate; a full one is closed and the next opened
   (opened: its number is new, so it needs a first list). */
gboolean crl_shard_take(Store *store, GBytes *issuer, gint64 *number, gboolean *opened,
                        GError **error);
/* The issuer's first shard, made if there is none; numbers are of all issuers together. */
gboolean crl_shard_ensure(Store *store, GBytes *issuer, gint64 *number, GError **error);
/* The issuer of a shard; STORE_MISSING also while it has none. */
StoreFind crl_shard_issuer(Store *store, gint64 number, GBytes **issuer, GError **error);
/* Gives a shard without issuer its own, once. */
StoreChange crl_shard_claim(Store *store, gint64 number, GBytes *issuer, GError **error);
/* A certificate of a shard, DER. */
StoreFind crl_shard_sample(Store *store, gint64 number, GBytes **der, GError **error);
/* The last notAfter of a shard's certificates, 0 when it has none, and whether a later shard has
   the same issuer. */
gboolean crl_shard_end(Store *store, gint64 number, gint64 *not_after, gboolean *closed,
                       GError **error);
/* When its last list was made; 0: none yet. */
gboolean crl_shard_made(Store *store, gint64 number, gint64 *this_update, GError **error);
/* The numbers (of gint64) of the other shards of a shard's CA. */
gboolean crl_shard_others(Store *store, gint64 number, GArray *others, GError **error);
/* cRLNumber of the next list: max(last + 1, seconds since 1970), taken now. */
gboolean crl_shard_next_number(Store *store, gint64 shard, gint64 now, gint64 *crl_number,
                               GError **error);
/* Keeps a list; STORE_UNCHANGED when a later one is kept already. */
StoreChange crl_shard_keep(Store *store, const CrlShard *shard, GError **error);
/* Of a restored store: takes a list that was out, newer than its own, also of a shard that it does
   not have yet. STORE_UNCHANGED when its own is as new. */
StoreChange crl_shard_take_list(Store *store, const CrlShard *shard, GError **error);
/* The same of one certificate: it is in that shard, which is made if it is not there (opened). */
gboolean crl_shard_enter(Store *store, gint64 number, GBytes *issuer, gboolean *opened,
                         GError **error);
/* All shards, with their lists; of CrlShard. */
GPtrArray *crl_shard_list(Store *store, GError **error);

/* Of the lists that are good at a time: how many there are, when the oldest one was made, when the
   first one ends; 0: there is none. */
typedef struct {
  gint64 count, oldest, first_end;
} CrlSpan;
gboolean crl_shard_span(Store *store, gint64 at, CrlSpan *span, GError **error);

/* The shards whose list was made before made_before, lacks a revocation that waits since
   waits_since, or was never made although a certificate names it since then; of CrlShard, without
   crl. */
GPtrArray *crl_shard_overdue(Store *store, gint64 made_before, gint64 waits_since, GError **error);

typedef struct {
  GBytes *serial;
  gint64 revoked_at, reason, not_after;
} RevokedCertificate;

void revoked_certificate_free(RevokedCertificate *revoked);
/* Revoked certificates of shard that were not expired before `since`, or when its last list was
   made: each is on one list after its expiry. With them what lists had that were out when the store
   was restored (store/restored.h). Of RevokedCertificate; NULL on failure. */
GPtrArray *crl_shard_entries(Store *store, gint64 shard, gint64 since, GError **error);

/* Adds shard -> when its list was made, both gint64*, of those that have one. */
gboolean crl_shard_list_made(Store *store, GHashTable *made, GError **error);
/* The list of a shard; the caller unrefs it. */
StoreFind crl_shard_crl(Store *store, gint64 number, GBytes **crl, GError **error);

#endif
