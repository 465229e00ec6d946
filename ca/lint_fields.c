/* SPDX-License-Identifier: Apache-2.0 */
/* The rules about fields other than names and extensions (ca-rules 14 to 16, 19, 20, 28). */
#include "base/clock.h"
#include "ca/certificate.h"
#include "ca/der.h"
#include "ca/key.h"
#include "ca/lint_rules.h"
#include "ca/openssl_auto.h"
#include "ca/signature.h"

#include <string.h>

static gboolean extensions_are_der(X509 *certificate) {
  for (int i = 0; i < X509_get_ext_count(certificate); i++)
    if (!der_is_extension(X509_get_ext(certificate, i)))
      return FALSE;
  return TRUE;
}

void lint_encoding(Lint *lint) {
  const ASN1_BIT_STRING *issuer_id, *subject_id;
  guint8 *octets = NULL;
  int length = i2d_re_X509_tbs(lint->certificate, &octets);
  g_autoptr(GBytes) again = der_take(octets, length);
  X509_get0_uids(lint->certificate, &issuer_id, &subject_id);
  if (!g_bytes_equal(again, lint->tbs) || !extensions_are_der(lint->certificate) ||
      !der_is_name(X509_get_subject_name(lint->certificate)))
    lint_add(lint, "the octets are not DER");
  if (issuer_id != NULL || subject_id != NULL)
    lint_add(lint, "issuerUniqueID or subjectUniqueID is there");
}

void lint_version(Lint *lint) {
  long version = X509_get_version(lint->certificate);
  if (version != X509_VERSION_3)
    lint_add(lint, "version %ld", version + 1);
}

/* Positive, below 2^159; of 128 random bits with something before them it has at least 129. */
void lint_serial(Lint *lint) {
  g_autoptr(BIGNUM) serial =
      openssl_must(ASN1_INTEGER_to_BN(X509_get0_serialNumber(lint->certificate), NULL));
  int bits = BN_num_bits(serial);
  if (BN_is_negative(serial) || BN_is_zero(serial))
    lint_add(lint, "not positive");
  else if (bits <= 8 * CERTIFICATE_SERIAL_OCTETS || bits > 159)
    lint_add(lint, "%d bits", bits);
}

/* Octet for octet that of the CA's key: hash by curve, no SHA-1. */
void lint_signature_algorithm(Lint *lint) {
  const SignatureAlgorithm *expected =
      signature_algorithm(X509_get0_pubkey(lint->issuer->certificate));
  g_autoptr(GBytes) found =
      der_encode(X509_get0_tbs_sigalg(lint->certificate), ASN1_ITEM_rptr(X509_ALGOR));
  g_autoptr(GBytes) wanted = g_bytes_new_static(expected->octets, expected->length);
  if (!g_bytes_equal(found, wanted))
    lint_add(lint, "not the AlgorithmIdentifier of the CA's key");
}

void lint_issuer_name(Lint *lint) {
  g_autoptr(GBytes) found = openssl_name_octets(X509_get_issuer_name(lint->certificate));
  g_autoptr(GBytes) wanted = openssl_name_octets(X509_get_subject_name(lint->issuer->certificate));
  if (!g_bytes_equal(found, wanted))
    lint_add(lint, "not octet for octet the CA's subject");
}

static gint64 seconds(const ASN1_TIME *time) {
  struct tm parts;
  return ASN1_TIME_to_tm(time, &parts) == 1 ? (gint64)timegm(&parts) : G_MININT64;
}

/* From 2027-09-15 on no subscriber certificate comes from an RSA key below 3072 bit. */
void lint_issuer_key(Lint *lint) {
  static const gint64 since = G_GINT64_CONSTANT(1820966400);
  EVP_PKEY *key = X509_get0_pubkey(lint->issuer->certificate);
  if (EVP_PKEY_is_a(key, "RSA") == 1 && EVP_PKEY_get_bits(key) < 3072 &&
      seconds(X509_get0_notBefore(lint->certificate)) >= since)
    lint_add(lint, "the CA's RSA key has %d bits", EVP_PKEY_get_bits(key));
}

/* RFC 5280 section 4.1.2.5: UTCTime until 2049, then GeneralizedTime, with seconds, in Z. */
static gboolean is_rfc5280_time(const ASN1_TIME *time) {
  struct tm parts;
  if (ASN1_TIME_to_tm(time, &parts) != 1)
    return FALSE;
  g_autoptr(ASN1_TIME) normal = openssl_must(ASN1_TIME_set(NULL, timegm(&parts)));
  return ASN1_STRING_type(time) == ASN1_STRING_type(normal) && ASN1_STRING_cmp(time, normal) == 0;
}

/* Both ends count (RFC 5280 section 4.1.2.5). */
void lint_validity(Lint *lint) {
  const ASN1_TIME *from = X509_get0_notBefore(lint->certificate);
  const ASN1_TIME *to = X509_get0_notAfter(lint->certificate);
  if (!is_rfc5280_time(from) || !is_rfc5280_time(to)) {
    lint_add(lint, "a time is not in the form of RFC 5280 section 4.1.2.5");
    return;
  }
  gint64 length = seconds(to) - seconds(from) + 1;
  if (length <= 0)
    lint_add(lint, "it ends before it begins");
  else if (length > CERTIFICATE_MAX_DAYS * (CLOCK_DAY / CLOCK_SECOND))
    lint_add(lint, "%" G_GINT64_FORMAT " seconds, more than %d days", length, CERTIFICATE_MAX_DAYS);
}

void lint_validity_issuer(Lint *lint) {
  if (seconds(X509_get0_notBefore(lint->certificate)) <
      issuer_not_before(lint->issuer) / CLOCK_SECOND)
    lint_add(lint, "begins before the issuer's certificate");
  if (seconds(X509_get0_notAfter(lint->certificate)) >
      issuer_not_after(lint->issuer) / CLOCK_SECOND)
    lint_add(lint, "ends after the issuer's certificate");
}

void lint_public_key(Lint *lint) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) spki =
      der_encode(X509_get_X509_PUBKEY(lint->certificate), ASN1_ITEM_rptr(X509_PUBKEY));
  if (!key_check(spki, KEY_SUBSCRIBER, NULL, &error))
    lint_add(lint, "%s", error->message);
  g_autoptr(GBytes) issuer =
      der_encode(X509_get_X509_PUBKEY(lint->issuer->certificate), ASN1_ITEM_rptr(X509_PUBKEY));
  if (g_bytes_equal(spki, issuer))
    lint_add(lint, "it is the CA's own key");
}
