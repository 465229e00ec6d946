/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that are known to the world, from lists that the operator gives: those of Debian's weak
   random numbers (CVE-2008-0166) and others (S/MIME BR 6.1.1.3). */
#ifndef SIGNET_CA_WEAK_KEYS_H
#define SIGNET_CA_WEAK_KEYS_H

#include "ca/issuer.h"

typedef struct WeakKeys WeakKeys;

/* files: of GBytes, each a text of one entry a line; empty lines and those that begin with "#" are
   left out. 20 hexadecimal digits are the last ones of the SHA-1 over "Modulus=", the RSA modulus
   in upper-case hexadecimal digits and a line end, as the lists of openssl-blacklist have them; 30
   to 64 digits are the first ones of the SHA-256 of a SubjectPublicKeyInfo, of which the first 30
   are compared. CA_ERROR_FILE names the first line that is neither, or says that a file is empty.
 */
WeakKeys *weak_keys_new(GPtrArray *files, GError **error);
void weak_keys_free(WeakKeys *keys);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeakKeys, weak_keys_free)

guint weak_keys_count(const WeakKeys *keys);
/* Whether a SubjectPublicKeyInfo that key_check has passed is on a list. keys NULL: there is none.
 */
gboolean weak_keys_have(const WeakKeys *keys, GBytes *spki);

#endif
