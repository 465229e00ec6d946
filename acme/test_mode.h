/* SPDX-License-Identifier: Apache-2.0 */
/* What signetd --test-mode does so that authors of clients meet what real servers do seldom: the
   keys of [test]. Without test mode every function does nothing. */
#ifndef SIGNET_ACME_TEST_MODE_H
#define SIGNET_ACME_TEST_MODE_H

#include "acme/acme.h"
#include "base/mailbox.h"

/* Whether a good nonce is to be refused this time. */
gboolean test_mode_rejects_nonce(const Acme *acme);
/* Brings a list into random order. */
void test_mode_shuffle(const Acme *acme, json_t *list);
/* Why an address's challenge fails when it is POSTed, whatever reply came; NULL: it does not. */
Problem *test_mode_fails(const Acme *acme, const char *canonical);

#endif
