/* SPDX-License-Identifier: Apache-2.0 */
/* A fixed issuing CA (its certificate alone; valid from 2026-03-01) and the fields of a good
   certificate for the fixed key. */
#ifndef SIGNET_TESTS_FUZZ_FUZZ_CA_H
#define SIGNET_TESTS_FUZZ_FUZZ_CA_H

#include "ca/certificate.h"
#include "ca/der.h"
#include "ca/lint.h"
#include "ca/openssl_auto.h"
#include "tests/fuzz/fuzz_key.h"

static const char fuzz_issuing_pem[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIICajCCAhGgAwIBAgIRRWpr5oiNe+Ylg1fNFCSIvDswCgYIKoZIzj0EAwIwLTEU\n"
    "MBIGA1UECgwLRXhhbXBsZSBPcmcxFTATBgNVBAMMDEV4YW1wbGUgUm9vdDAeFw0y\n"
    "NjAzMDEwMDAwMDBaFw0zNjAyMjkyMzU5NTlaMDAxFDASBgNVBAoMC0V4YW1wbGUg\n"
    "T3JnMRgwFgYDVQQDDA9FeGFtcGxlIElzc3VpbmcwWTATBgcqhkjOPQIBBggqhkjO\n"
    "PQMBBwNCAARv6V84q1l6Ge6Ks8F1KLDn6OZeiORa9mfWT1YJ47rM2uyM94ma+g2o\n"
    "jw5lmUJlWO5aDPmVWawLFgqZsNdtZaK4o4IBDTCCAQkwEgYDVR0TAQH/BAgwBgEB\n"
    "/wIBADAOBgNVHQ8BAf8EBAMCAQYwHQYDVR0OBBYEFL5ZxsC/TUlJ0g85HR+6UsLX\n"
    "DbgQMB8GA1UdIwQYMBaAFA5b/lLP1RM/Sd0cwzXVVNlk1gikMBMGA1UdJQQMMAoG\n"
    "CCsGAQUFBwMEMB8GA1UdIAQYMBYwCQYHZ4EMAQUBAzAJBgdngQwBBQECMDAGA1Ud\n"
    "HwQpMCcwJaAjoCGGH2h0dHA6Ly9wa2kuZXhhbXBsZS5vcmcvcm9vdC5jcmwwOwYI\n"
    "KwYBBQUHAQEELzAtMCsGCCsGAQUFBzAChh9odHRwOi8vcGtpLmV4YW1wbGUub3Jn\n"
    "L3Jvb3QuZGVyMAoGCCqGSM49BAMCA0cAMEQCIAXoS1MZaxNOTRswi3RGFGIxi87e\n"
    "hXKm0mx2u7ewVJL0AiAnUr2sBEEoASAgn+8+zMK1RLGBrWnl37VJkvBw0sDhMA==\n"
    "-----END CERTIFICATE-----\n";

static inline const Issuer *fuzz_issuer(void) {
  static Issuer *issuer;
  if (issuer == NULL) {
    g_autoptr(GBytes) pem = g_bytes_new_static(fuzz_issuing_pem, strlen(fuzz_issuing_pem));
    issuer = issuer_new(pem, NULL, NULL, NULL);
    g_assert_nonnull(issuer);
  }
  return issuer;
}

static inline GBytes *fuzz_spki(void) {
  guint8 *octets = NULL;
  int length = i2d_PUBKEY(fuzz_key(), &octets);
  return der_take(octets, length);
}

static inline CertificateFields fuzz_fields(GBytes *serial, GBytes *spki,
                                            const char *const *names) {
  return (CertificateFields){
      .serial = serial,
      .spki = spki,
      .names = names,
      .not_before = FUZZ_NOW,
      .not_after = certificate_not_after(FUZZ_NOW, 365),
      .sign = TRUE,
      .encrypt = TRUE,
      .profile = PROFILE_STRICT,
      .crl_url = "http://pki.example.org/1.crl",
      .issuer_url = "http://pki.example.org/issuing.der",
  };
}

static inline GBytes *fuzz_serial(void) {
  static const guint8 random[CERTIFICATE_SERIAL_OCTETS + 2] = {1, 2, 3, 4, 5, 6};
  return certificate_serial(random);
}

static inline void fuzz_assert_clean(GPtrArray *findings) {
  g_autofree char *summary = lint_summary(findings);
  g_assert_cmpstr(summary, ==, "");
}

#endif
