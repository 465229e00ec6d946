/* SPDX-License-Identifier: Apache-2.0 */
/* Revocations of many certificates at once: of a key, a mailbox or a domain. */
#ifndef SIGNET_STORE_REVOCATION_RUN_H
#define SIGNET_STORE_REVOCATION_RUN_H

#include "store/store.h"

/* One of key_digest, canonical and domain says whose certificates they are. */
typedef struct {
  Id id;
  GBytes *key_digest;
  char *canonical; /* a mailbox, as authorizations have it */
  char *domain;    /* A-labels; that domain alone */
  gint64 reason;   /* CRLReason, RFC 5280 section 5.3.1 */
  char *by;        /* who asked */
  gint64 at;       /* what was issued later is not meant, but with a key */
  Id after;        /* the last order that was looked at; zero at first */
  gint64 revoked;  /* certificates until now */
  gint64 done_at;  /* 0: it goes on */
} RevocationRun;

void revocation_run_free(RevocationRun *run);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RevocationRun, revocation_run_free)

gboolean revocation_run_insert(Store *store, const RevocationRun *run, GError **error);
StoreFind revocation_run_find(Store *store, const Id *id, RevocationRun **run, GError **error);
/* The next orders (ids, of Id, at most limit) that may have a certificate that is meant; for a
   mailbox or domain. */
gboolean revocation_run_orders(Store *store, const RevocationRun *run, guint limit, GArray *orders,
                               GError **error);
/* Keeps after, revoked and done_at. */
gboolean revocation_run_keep(Store *store, const RevocationRun *run, GError **error);

#endif
