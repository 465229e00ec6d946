/* SPDX-License-Identifier: Apache-2.0 */
/* The state machine of orders, authorizations and challenges (RFC 8555 section 7.1.6): the one
   place where a status changes. Each change is recorded and takes along what depends on it, in the
   same commit. */
#ifndef SIGNET_ACME_STATE_H
#define SIGNET_ACME_STATE_H

#include "acme/acme.h"
#include "store/authorization.h"
#include "store/challenge.h"
#include "store/order.h"

/* For what is decided by what is read first: the order, authorization and challenge stay as they
   are to the end of the transaction, but for what this one does. Where there are other writers they
   are locked, and *authorization is read anew. */
gboolean state_hold_authorization(Acme *acme, Authorization **authorization, GError **error);
gboolean state_hold_challenge(Acme *acme, const Id *challenge, GError **error);

/* Whether it waits for a verdict still: neither decided nor over. */
gboolean state_challenge_is_open(const Challenge *challenge, const Authorization *authorization,
                                 gint64 now);
/* pending -> processing: the client's POST; then valid if a reply has passed already. */
gboolean state_challenge_responded(Acme *acme, gint64 now, const Id *challenge,
                                   const Authorization *authorization, GError **error);
/* A reply passed: remembered; valid if the client has POSTed already. */
gboolean state_challenge_passed(Acme *acme, gint64 now, const Id *challenge,
                                const Authorization *authorization, GError **error);
/* pending or processing -> invalid; authorization and order with it. */
gboolean state_challenge_failed(Acme *acme, gint64 now, const Id *challenge, const Problem *problem,
                                GError **error);
/* Keeps a note on a refused reply or a delay; no status changes. */
gboolean state_challenge_noted(Acme *acme, gint64 now, const Id *challenge, const char *rule,
                               const Problem *problem, GError **error);
/* The same for the newest failure of one kind, in place of the one before; not recorded when it
   says the same. */
gboolean state_challenge_noted_again(Acme *acme, gint64 now, const Id *challenge, const char *rule,
                                     const Problem *problem, GError **error);
/* pending or valid -> deactivated; the order that needs it becomes invalid. */
gboolean state_authorization_deactivated(Acme *acme, gint64 now, const Authorization *authorization,
                                         GError **error);
/* pending -> ready when every authorization of the order is valid. */
gboolean state_order_authorized(Acme *acme, gint64 now, const Id *order, GError **error);
/* Of a deactivated account: ends at most limit unfinished orders, and free authorizations (RFC 8555
   section 7.3.6); *more: there may be others. */
gboolean state_close_account(Acme *acme, gint64 now, const Id *account, guint limit, gboolean *more,
                             GError **error);
/* pending, ready or processing -> invalid, whatever it waits for. */
gboolean state_order_given_up(Acme *acme, gint64 now, const Id *order, const Problem *problem,
                              GError **error);
/* ready -> processing with the CSR's contents; STORE_UNCHANGED when it is not ready. */
StoreChange state_order_finalized(Acme *acme, const Order *order, GError **error);
/* What an order in processing waits for, shown as its error (RFC 8555 section 7.1.3); NULL: nothing
   any more. */
gboolean state_order_delayed(Acme *acme, gint64 now, const Id *order, const Problem *problem,
                             GError **error);
/* processing -> invalid. */
gboolean state_order_failed(Acme *acme, gint64 now, const Id *order, const Problem *problem,
                            GError **error);
/* processing -> valid. */
gboolean state_order_issued(Acme *acme, gint64 now, const Id *order, GError **error);
/* Ends what is overdue, at most limit of each kind: challenges without a reply, unfinished orders.
 */
gboolean state_sweep(Acme *acme, gint64 now, guint limit, GError **error);
/* The same for one order that is about to be shown; changed: it was ended now. */
gboolean state_settle_order(Acme *acme, gint64 now, const Order *order, gboolean *changed,
                            GError **error);
/* The same for a challenge; the deadline may have passed since the last sweep. changed: it may have
   been ended now; may be NULL. */
gboolean state_settle_challenge(Acme *acme, gint64 now, const Challenge *challenge,
                                gboolean *changed, GError **error);

#endif
