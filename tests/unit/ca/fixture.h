/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of ca/ share: a CA made by the ceremony, keys, fields. */
#ifndef SIGNET_TESTS_UNIT_CA_FIXTURE_H
#define SIGNET_TESTS_UNIT_CA_FIXTURE_H

#include "base/clock.h"
#include "ca/ceremony.h"
#include "ca/certificate.h"
#include "ca/der.h"
#include "ca/lint.h"
#include "ca/openssl_auto.h"

#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <string.h>

#define FIXTURE_NOW (G_GINT64_CONSTANT(1772323200) * 1000) /* 2026-03-01T00:00:00Z */
#define FIXTURE_BASE "http://pki.example.org/"

static inline Issuer *fixture_load(const char *certificate, const char *key, const char *pass) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) certificate_pem = g_bytes_new_static(certificate, strlen(certificate));
  g_autoptr(GBytes) key_pem = g_bytes_new_static(key, strlen(key));
  Issuer *issuer = issuer_new(certificate_pem, key_pem, pass, &error);
  g_assert_no_error(error);
  return issuer;
}

static inline CeremonyResult *fixture_ceremony(const char *key_type) {
  g_autoptr(GError) error = NULL;
  const CeremonyPlan plan = {
      .organization = "Example Org",
      .root_name = "Example Root",
      .issuing_name = "Example Issuing",
      .key_type = key_type,
      .url = FIXTURE_BASE,
      .now = FIXTURE_NOW,
  };
  CeremonyResult *result = ceremony_run(&plan, &error);
  g_assert_no_error(error);
  return result;
}

static inline Issuer *fixture_issuer(const char *key_type) {
  g_autoptr(CeremonyResult) made = fixture_ceremony(key_type);
  return fixture_load(made->issuing_certificate, made->issuing_key, NULL);
}

/* type: "P-256", "P-384", "RSA", ... */
static inline EVP_PKEY *fixture_key(const char *type) {
  EVP_PKEY *key = NULL;
  if (g_str_has_prefix(type, "RSA"))
    key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA",
                            (size_t)(type[3] == '-' ? g_ascii_strtoull(type + 4, NULL, 10) : 2048));
  else if (g_str_has_prefix(type, "ED"))
    key = EVP_PKEY_Q_keygen(NULL, NULL, type);
  else
    key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", type);
  g_assert_nonnull(key);
  return key;
}

static inline GBytes *fixture_spki(EVP_PKEY *key) {
  guint8 *octets = NULL;
  int length = i2d_PUBKEY(key, &octets);
  return der_take(octets, length);
}

/* exponent: of a public key with the modulus n. */
static inline GBytes *fixture_rsa(const BIGNUM *n, guint32 exponent) {
  g_autoptr(BIGNUM) e = BN_new();
  BN_set_word(e, exponent);
  OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
  OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n);
  OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e);
  OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(builder);
  EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
  g_autoptr(EVP_PKEY) key = NULL;
  g_assert_cmpint(EVP_PKEY_fromdata_init(context), ==, 1);
  g_assert_cmpint(EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters), ==, 1);
  EVP_PKEY_CTX_free(context);
  OSSL_PARAM_free(parameters);
  OSSL_PARAM_BLD_free(builder);
  return fixture_spki(key);
}

/* A modulus of 2048 bits. */
static inline void fixture_close_primes(BIGNUM *n, guint64 distance) {
  g_autoptr(BN_CTX) context = BN_CTX_new();
  g_autoptr(BIGNUM) p = BN_new();
  g_autoptr(BIGNUM) q = BN_new();
  do {
    BN_generate_prime_ex(p, 1024, 0, NULL, NULL, NULL);
    BN_copy(q, p);
    BN_add_word(q, distance);
    while (BN_check_prime(q, context, NULL) != 1)
      BN_add_word(q, 2);
    BN_mul(n, p, q, context);
  } while (BN_num_bits(n) != 2048);
}

/* A key as the generator of CVE-2017-15361 makes them, without a small factor. */
static inline GBytes *fixture_roca(void) {
  g_autoptr(BN_CTX) context = BN_CTX_new();
  g_autoptr(BIGNUM) product = BN_new();
  g_autoptr(BIGNUM) base = BN_new();
  g_autoptr(BIGNUM) power = BN_new();
  g_autoptr(BIGNUM) n = BN_new();
  gboolean small = FALSE;
  BN_one(product);
  for (guint prime = 2; prime <= 167; prime++) {
    BN_set_word(base, prime);
    if (BN_check_prime(base, context, NULL) == 1)
      BN_mul_word(product, prime);
  }
  do {
    BN_rand(base, 200, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY);
    BN_set_word(power, 65537);
    BN_mod_exp(power, power, base, product, context);
    BN_rand(n, 2048, BN_RAND_TOP_TWO, BN_RAND_BOTTOM_ODD);
    BN_mod(base, n, product, context);
    BN_sub(n, n, base);
    BN_add(n, n, power);
    small = FALSE;
    for (guint factor = 2; factor < 752; factor++)
      small = small || BN_mod_word(n, factor) == 0;
  } while (small);
  return fixture_rsa(n, 65537);
}

/* Octets of hexadecimal digits. */
static inline GBytes *fixture_octets(const char *text) {
  GByteArray *octets = g_byte_array_new();
  for (; text[0] != '\0'; text += 2) {
    guint8 octet = (guint8)(g_ascii_xdigit_value(text[0]) << 4 | g_ascii_xdigit_value(text[1]));
    g_byte_array_append(octets, &octet, 1);
  }
  return g_byte_array_free_to_bytes(octets);
}

static inline GBytes *fixture_serial(guint8 seed) {
  guint8 random[CERTIFICATE_SERIAL_OCTETS + 2];
  memset(random, seed, sizeof random);
  return certificate_serial(random);
}

static const char *const fixture_names[] = {"alice@example.org", NULL};

static inline CertificateFields fixture_fields(GBytes *serial, GBytes *spki) {
  return (CertificateFields){
      .serial = serial,
      .spki = spki,
      .names = fixture_names,
      .not_before = FIXTURE_NOW,
      .not_after = certificate_not_after(FIXTURE_NOW, 365),
      .sign = TRUE,
      .encrypt = TRUE,
      .profile = PROFILE_STRICT,
      .crl_url = FIXTURE_BASE "1.crl",
      .issuer_url = FIXTURE_BASE "issuing.der",
  };
}

#endif
