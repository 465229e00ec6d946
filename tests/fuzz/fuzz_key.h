/* SPDX-License-Identifier: Apache-2.0 */
/* A fixed key and time. */
#ifndef SIGNET_TESTS_FUZZ_FUZZ_KEY_H
#define SIGNET_TESTS_FUZZ_FUZZ_KEY_H

#include "tests/fuzz/fuzz.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

#define FUZZ_NOW (G_GINT64_CONSTANT(1772323200) * 1000) /* 2026-03-01T00:00:00Z */

/* P-256 with the private key 1: the public one is the group's generator. */
static inline EVP_PKEY *fuzz_key(void) {
  static const guint8 head[] = {0x30, 0x31, 2, 1, 1, 4, 0x20};
  static const guint8 tail[] = {1,    0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86,
                                0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
  static EVP_PKEY *key;
  guint8 octets[sizeof head + 31 + sizeof tail] = {0};
  const guint8 *start = octets;
  memcpy(octets, head, sizeof head);
  memcpy(octets + sizeof head + 31, tail, sizeof tail);
  if (key == NULL)
    key = d2i_PrivateKey(EVP_PKEY_EC, NULL, &start, sizeof octets);
  g_assert_nonnull(key);
  return key;
}

#endif
