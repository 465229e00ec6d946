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
