/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs that fill a store for a benchmark have in common. A failure ends the program.
 */
#ifndef SIGNET_TESTS_BENCH_FILL_H
#define SIGNET_TESTS_BENCH_FILL_H

#include "store/account.h"
#include "store/authorization.h"
#include "store/challenge.h"
#include "store/order.h"

#define FILL_CA_DOMAIN "ca.test"
#define FILL_USER_DOMAIN "user.test"
#define FILL_LIFETIME CLOCK_DAY /* of challenges; orders live twice as long */

void fill_must(gboolean good, const GError *error);

Id fill_id(gint64 now);
GBytes *fill_octets(gsize length);
/* Random octets in base64url; and some for an address, which has no capitals in the store. */
char *fill_text(gsize octets);
char *fill_tag(void);

/* An account whose key is jwk (taken), as RFC 7638 writes it. The caller frees it. */
Account *fill_account(Store *store, gint64 now, char *jwk);
/* A pending order of one mailbox local@FILL_USER_DOMAIN: its authorization, which the caller frees.
 */
Authorization *fill_order(Store *store, gint64 now, const Id *account, const char *local);
/* Its challenge, whose mail is made and waits to be sent. The caller frees it. */
Challenge *fill_challenge(Store *store, gint64 now, const Id *authorization);

#endif
