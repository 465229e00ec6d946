/* SPDX-License-Identifier: Apache-2.0 */
/* A root operation of a public CA is asked for by one system user and confirmed by another: the one
   who asks waits at a socket in the CA's folder, the other comes with signetctl ca confirm. */
#ifndef SIGNET_DAEMON_CA_AGREEMENT_H
#define SIGNET_DAEMON_CA_AGREEMENT_H

#include "daemon/ca_folder.h"

#define CA_AGREEMENT_WAIT "1h" /* unless another time is given */
#define CA_AGREEMENT_LINE 400  /* octets of a line, either way */
#define CA_AGREEMENT_TEXT (256 * 1024)

/* Records what is asked for, and whether the CA is public. Of a public one it then waits until
   another system user confirms it or refuses it, or wait ("10m"; NULL: as above) is over, and
   records that. shown: what will be signed, for people. TRUE: it may be signed. */
gboolean ca_agreement(const CaFolder *folder, const char *what, const char *shown, const char *wait,
                      GError **error);

/* Why a user must not confirm what another asked for: NULL when he may. origin: who the one that
   asks was before he became another user (G_MAXUINT: not known). The caller frees it. */
char *ca_agreement_fault(uid_t asker, uid_t origin, uid_t confirmer);

/* A line without its end from a socket until deadline (monotonic microseconds); NULL: none came.
   other: one more descriptor that ends the wait, -1: none. */
char *ca_agreement_read(int fd, int other, gint64 deadline);
gboolean ca_agreement_write(int fd, const char *octets, gsize length);

#endif
