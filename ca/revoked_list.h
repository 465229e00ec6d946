/* SPDX-License-Identifier: Apache-2.0 */
/* The list of what a root revoked, a line each: serial number, time, reason. It is what the root's
   revocation list is made of. */
#ifndef SIGNET_CA_REVOKED_LIST_H
#define SIGNET_CA_REVOKED_LIST_H

#include "ca/crl.h"

/* Reads a list (of CrlEntry); crl: the root's revocation list as it stands, DER, or empty: what is
   in it must be in the list, for nothing is taken back. CA_ERROR_FILE with the line named. */
GPtrArray *revoked_list_read(const char *text, GBytes *crl, GError **error);

/* Adds one; CA_ERROR_PROFILE when it is there already or the reason is none for a CA. */
gboolean revoked_list_add(GPtrArray *entries, GBytes *serial, gint64 now, const char *reason,
                          GError **error);

/* The caller frees it. */
char *revoked_list_write(GPtrArray *entries);

#endif
