/* SPDX-License-Identifier: Apache-2.0 */
/* The rules about fields other than names and extensions (ca-rules 14 to 16, 18a, 19, 20, 28, 31).
 */
#include "base/clock.h"
#include "ca/certificate.h"
#include "ca/certificate_read.h"
#include "ca/der.h"
#include "ca/key.h"
#include "ca/lint_rules.h"
#include "ca/openssl_auto.h"
#include "ca/signature.h"
#include "ca/tbs.h"

#include <string.h>

static gboolean extensions_are_der(const STACK_OF(X509_EXTENSION) * extensions) {
  for (int i = 0; i < sk_X509_EXTENSION_num(extensions); i++)
    if (!der_is_extension(sk_X509_EXTENSION_value(extensions, i)))
      return FALSE;
  return TRUE;
}

static gboolean entries_are_der(X509_CRL *crl) {
  const STACK_OF(X509_REVOKED) *entries = X509_CRL_get_REVOKED(crl);
  for (int i = 0; i < sk_X509_REVOKED_num(entries); i++)
    if (!extensions_are_der(X509_REVOKED_get0_extensions(sk_X509_REVOKED_value(entries, i))))
      return FALSE;
  return TRUE;
}

/* DER: encoded anew, the octets are the same. */
void lint_encoding(Lint *lint) {
  guint8 *octets = NULL;
  int length = lint->crl != NULL ? i2d_re_X509_CRL_tbs(lint->crl, &octets)
                                 : i2d_re_X509_tbs(lint->certificate, &octets);
  g_autoptr(GBytes) again = der_take(octets, length);
  gboolean parts = lint->crl != NULL ? entries_are_der(lint->crl)
                                     : der_is_name(X509_get_subject_name(lint->certificate));
  if (!g_bytes_equal(again, lint->tbs) || !parts || !extensions_are_der(lint_extensions(lint)))
    lint_add(lint, "the octets are not DER");
}

void lint_unique_identifiers(Lint *lint) {
  const ASN1_BIT_STRING *issuer, *subject;
  X509_get0_uids(lint->certificate, &issuer, &subject);
  if (issuer != NULL || subject != NULL)
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
  EVP_PKEY *key = X509_get0_pubkey(lint->issuer->certificate);
  const Algorithm *expected = key != NULL ? algorithm_of_ca(key) : NULL;
  g_autoptr(GBytes) found = lint->crl != NULL ? tbs_crl_signature_algorithm(lint->tbs)
                                              : der_encode(X509_get0_tbs_sigalg(lint->certificate),
                                                           ASN1_ITEM_rptr(X509_ALGOR));
  g_autoptr(GBytes) wanted = expected != NULL ? algorithm_signature_octets(expected) : NULL;
  if (found == NULL || wanted == NULL || !g_bytes_equal(found, wanted))
    lint_add(lint, "not the AlgorithmIdentifier of the CA's key");
}

void lint_issuer_name(Lint *lint) {
  g_autoptr(GBytes) found = openssl_name_octets(
      lint->crl != NULL ? X509_CRL_get_issuer(lint->crl) : X509_get_issuer_name(lint->certificate));
  g_autoptr(GBytes) wanted = openssl_name_octets(X509_get_subject_name(lint->issuer->certificate));
  if (!g_bytes_equal(found, wanted))
    lint_add(lint, "not octet for octet the CA's subject");
  if (lint->subject == LINT_ISSUING &&
      X509_NAME_cmp(X509_get_subject_name(lint->certificate),
                    X509_get_subject_name(lint->issuer->certificate)) == 0)
    lint_add(lint, "the subject is the issuer's own name");
}

gint64 lint_seconds(const ASN1_TIME *time) {
  struct tm parts;
  return ASN1_TIME_to_tm(time, &parts) == 1 ? (gint64)timegm(&parts) : G_MININT64;
}

/* From 2027-09-15 on no subscriber certificate comes from an RSA key below 3072 bit. */
void lint_issuer_key(Lint *lint) {
  EVP_PKEY *key = X509_get0_pubkey(lint->issuer->certificate);
  if (algorithm_ca_key_is_over(key, lint_seconds(X509_get0_notBefore(lint->certificate))))
    lint_add(lint, "the CA's RSA key has %d bits", EVP_PKEY_get_bits(key));
}

gboolean lint_is_time(const ASN1_TIME *time) {
  struct tm parts;
  if (ASN1_TIME_to_tm(time, &parts) != 1)
    return FALSE;
  g_autoptr(ASN1_TIME) normal = openssl_must(ASN1_TIME_set(NULL, timegm(&parts)));
  return ASN1_STRING_type(time) == ASN1_STRING_type(normal) && ASN1_STRING_cmp(time, normal) == 0;
}

void lint_time_form(Lint *lint) {
  if (!lint_is_time(X509_get0_notBefore(lint->certificate)))
    lint_add(lint, "notBefore is not as RFC 5280 writes times");
  if (!lint_is_time(X509_get0_notAfter(lint->certificate)))
    lint_add(lint, "notAfter is not as RFC 5280 writes times");
}

/* Both ends count (RFC 5280 section 4.1.2.5). The longest is for subscribers alone. */
void lint_validity(Lint *lint) {
  gint64 from = lint_seconds(X509_get0_notBefore(lint->certificate));
  gint64 to = lint_seconds(X509_get0_notAfter(lint->certificate));
  if (from == G_MININT64 || to == G_MININT64 || to < from)
    lint_add(lint, "it does not end after it begins");
  else if (lint->subject == LINT_SUBSCRIBER &&
           to - from + 1 > CERTIFICATE_MAX_DAYS * (CLOCK_DAY / CLOCK_SECOND))
    lint_add(lint, "%" G_GINT64_FORMAT " seconds, more than %d days", to - from + 1,
             CERTIFICATE_MAX_DAYS);
}

void lint_validity_issuer(Lint *lint) {
  if (lint_seconds(X509_get0_notBefore(lint->certificate)) <
      issuer_not_before(lint->issuer) / CLOCK_SECOND)
    lint_add(lint, "begins before the issuer's certificate");
  if (lint_seconds(X509_get0_notAfter(lint->certificate)) >
      issuer_not_after(lint->issuer) / CLOCK_SECOND)
    lint_add(lint, "ends after the issuer's certificate");
}

void lint_public_key(Lint *lint) {
  g_autoptr(GError) error = NULL;
  if (!key_check(lint->spki, KEY_SUBSCRIBER, NULL, &error))
    lint_add(lint, "%s", error->message);
}

void lint_own_key(Lint *lint) {
  if (issuer_has_key(lint->issuer, lint->spki))
    lint_add(lint, "it is the CA's own key");
}
