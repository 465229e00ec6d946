/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a SubjectPublicKeyInfo. */
#ifndef SIGNET_BASE_PUBLIC_KEY_H
#define SIGNET_BASE_PUBLIC_KEY_H

#include <glib.h>
#include <openssl/evp.h>

/* The key, of any kind that OpenSSL knows; NULL when the octets are not exactly a
   SubjectPublicKeyInfo. As d2i_PUBKEY, which looks for a decoder each time: that takes longer than
   a signature. OpenSSL's queue of errors is left as it was. */
EVP_PKEY *public_key_read(const guint8 *octets, gsize size);

#endif
