/* SPDX-License-Identifier: Apache-2.0 */
/* What the verification of Ed25519 (RFC 8032) leaves open about a public key. */
#ifndef SIGNET_ACME_ED25519_H
#define SIGNET_ACME_ED25519_H

#include <glib.h>

#define ED25519_OCTETS 32 /* of a public key */

/* Whether encoded is the one encoding of a point (section 5.1.3) of large order. With another
   encoding one key would have two thumbprints; with a point of small order one signature would fit
   many messages. */
gboolean ed25519_is_public_key(const guint8 encoded[ED25519_OCTETS]);

#endif
