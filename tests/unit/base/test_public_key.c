/* SPDX-License-Identifier: Apache-2.0 */
#include "base/public_key.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

#define ROUNDS 3

static EVP_PKEY *make(const char *type) {
  if (strcmp(type, "RSA") == 0)
    return EVP_RSA_gen(1024);
  return strcmp(type, "ED25519") == 0 ? EVP_PKEY_Q_keygen(NULL, NULL, type) : EVP_EC_gen(type);
}

/* The same decoder reads each kind, one after the other, and what is none in between. */
static void test_kinds(void) {
  static const char *const types[] = {"P-256", "RSA", "P-384", "ED25519", "P-256"};
  for (gsize i = 0; i < ROUNDS * G_N_ELEMENTS(types); i++) {
    EVP_PKEY *key = make(types[i % G_N_ELEMENTS(types)]);
    guint8 *der = NULL;
    gsize length = (gsize)i2d_PUBKEY(key, &der);
    EVP_PKEY *read = public_key_read(der, length);
    g_assert_cmpint(EVP_PKEY_eq(read, key), ==, 1);
    for (gsize cut = 0; cut < length; cut++)
      g_assert_null(public_key_read(der, cut));
    g_autofree guint8 *longer = g_malloc0(length + 1);
    memcpy(longer, der, length);
    g_assert_null(public_key_read(longer, length + 1));
    g_assert_null(public_key_read((const guint8 *)"0\x03\x02\x01", 4));
    g_assert_cmpint((gint)ERR_peek_error(), ==, 0);
    EVP_PKEY_free(read);
    EVP_PKEY_free(key);
    OPENSSL_free(der);
  }
}

/* Changed octets: what d2i_PUBKEY reads this reads, and nothing else. */
static void test_changed(void) {
  static const char *const types[] = {"P-256", "RSA", "ED25519"};
  for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
    EVP_PKEY *key = make(types[i]);
    guint8 *der = NULL;
    gsize length = (gsize)i2d_PUBKEY(key, &der);
    for (gsize at = 0; at < length; at++) {
      der[at] ^= 1;
      const guint8 *end = der;
      EVP_PKEY *wanted = d2i_PUBKEY(NULL, &end, (long)length);
      if (end != der + length)
        g_clear_pointer(&wanted, EVP_PKEY_free);
      ERR_clear_error();
      EVP_PKEY *read = public_key_read(der, length);
      g_assert_cmpint(read != NULL, ==, wanted != NULL);
      g_assert_true(read == NULL || EVP_PKEY_eq(read, wanted) == 1);
      EVP_PKEY_free(read);
      EVP_PKEY_free(wanted);
      der[at] ^= 1;
    }
    EVP_PKEY_free(key);
    OPENSSL_free(der);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/public-key/kinds", test_kinds);
  g_test_add_func("/public-key/changed", test_changed);
  return g_test_run();
}
