/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/certificate_check.h"

#include "ca/certificate_read.h"
#include "ca/der.h"
#include "ca/key.h"
#include "ca/lint.h"
#include "ca/openssl_auto.h"
#include "ca/san.h"

#include <openssl/err.h>
#include <string.h>

#define SECOND 1000

/* One certificate under check. */
typedef struct {
  const CertificateClaim *claim;
  X509 *certificate;
  GPtrArray *faults;
} Check;

static void fault(Check *check, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void fault(Check *check, const char *format, ...) {
  va_list values;
  va_start(values, format);
  g_ptr_array_add(check->faults, g_strdup_vprintf(format, values));
  va_end(values);
}

static gint64 milliseconds(const ASN1_TIME *time) {
  struct tm parts = {0};
  return time != NULL && ASN1_TIME_to_tm(time, &parts) == 1 ? (gint64)timegm(&parts) * SECOND : 0;
}

static void check_octets(Check *check) {
  if (!certificate_is_made_of(check->claim->der, check->claim->tbs))
    fault(check, "it is not made of the octets that were recorded before the signature");
}

static void check_columns(Check *check) {
  const CertificateClaim *claim = check->claim;
  guint8 *octets = NULL;
  int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(check->certificate), &octets);
  g_autoptr(GBytes) spki = der_take(octets, length);
  g_autoptr(GBytes) digest = key_digest(spki);
  g_autoptr(GBytes) serial = certificate_serial_of(claim->der);
  if (claim->serial == NULL || !g_bytes_equal(serial, claim->serial))
    fault(check, "its serial number is another than the row's");
  if (claim->key_digest == NULL || !g_bytes_equal(digest, claim->key_digest))
    fault(check, "its key is another than the row's");
  if (milliseconds(X509_get0_notBefore(check->certificate)) != claim->not_before / SECOND * SECOND)
    fault(check, "its notBefore is another than the row's");
  if (milliseconds(X509_get0_notAfter(check->certificate)) != claim->not_after / SECOND * SECOND)
    fault(check, "its notAfter is another than the row's");
}

/* The mailboxes of the subjectAltName; NULL when one is none. */
static GPtrArray *mailboxes(X509 *certificate) {
  g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GENERAL_NAMES) names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
  for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
    g_autofree char *why = NULL;
    g_autoptr(Mailbox) mailbox = san_mailbox(sk_GENERAL_NAME_value(names, i), &why);
    if (mailbox == NULL)
      return NULL;
    g_ptr_array_add(found, g_strdup(mailbox->address));
  }
  return g_steal_pointer(&found);
}

static gboolean has(GPtrArray *list, const char *text) {
  return g_ptr_array_find_with_equal_func(list, text, g_str_equal, NULL);
}

static void check_names(Check *check) {
  const char *const *names = check->claim->names;
  g_autoptr(GPtrArray) found = mailboxes(check->certificate);
  if (found == NULL) {
    fault(check, "its subjectAltName has what is no mailbox");
    return;
  }
  for (guint i = 0; names != NULL && names[i] != NULL; i++)
    if (!has(found, names[i]))
      fault(check, "it lacks the mailbox %s of its order", names[i]);
  for (guint i = 0; i < found->len; i++)
    if (names == NULL || !g_strv_contains(names, found->pdata[i]))
      fault(check, "its mailbox %s was not validated for its order", (char *)found->pdata[i]);
}

const Issuer *certificate_issuer_of(GBytes *der, GPtrArray *issuers) {
  g_autoptr(X509) certificate = der_decode(der, ASN1_ITEM_rptr(X509));
  for (guint i = 0; certificate != NULL && i < issuers->len; i++) {
    const Issuer *issuer = issuers->pdata[i];
    if (X509_check_issued(issuer->certificate, certificate) == X509_V_OK &&
        X509_verify(certificate, X509_get0_pubkey(issuer->certificate)) == 1)
      return issuer;
  }
  ERR_clear_error();
  return NULL;
}

static void check_lint(Check *check, GPtrArray *issuers) {
  const Issuer *issuer = certificate_issuer_of(check->claim->der, issuers);
  g_autoptr(GPtrArray) findings = lint_tbs(check->claim->tbs, issuer);
  g_autofree char *summary = findings->len > 0 ? lint_summary(findings) : NULL;
  if (summary != NULL)
    fault(check, "the lint finds: %s", summary);
}

static GPtrArray *check_claim(const CertificateClaim *claim, GPtrArray *issuers, gboolean lint) {
  Check check = {.claim = claim, .faults = g_ptr_array_new_with_free_func(g_free)};
  g_autoptr(X509) certificate = der_decode(claim->der, ASN1_ITEM_rptr(X509));
  check.certificate = certificate;
  if (certificate == NULL || claim->tbs == NULL) {
    fault(&check, "it is no certificate in DER, or the octets recorded before it are not there");
    return check.faults;
  }
  check_octets(&check);
  check_columns(&check);
  check_names(&check);
  if (certificate_issuer_of(claim->der, issuers) == NULL)
    fault(&check, "its signature does not verify under any issuer that is known");
  else if (lint)
    check_lint(&check, issuers);
  return check.faults;
}

GPtrArray *certificate_check(const CertificateClaim *claim, GPtrArray *issuers) {
  return check_claim(claim, issuers, TRUE);
}

GPtrArray *certificate_check_unlinted(const CertificateClaim *claim, GPtrArray *issuers) {
  return check_claim(claim, issuers, FALSE);
}

gint64 certificate_end_of(GBytes *der) {
  g_autoptr(X509) certificate = der_decode(der, ASN1_ITEM_rptr(X509));
  return certificate != NULL ? milliseconds(X509_get0_notAfter(certificate)) : 0;
}

/* --- revocation lists
 * -------------------------------------------------------------------------------------------- */

static CrlEntry *read_entry(const X509_REVOKED *revoked) {
  CrlEntry *entry = g_new0(CrlEntry, 1);
  g_autoptr(BIGNUM) number = ASN1_INTEGER_to_BN(X509_REVOKED_get0_serialNumber(revoked), NULL);
  g_autoptr(ASN1_ENUMERATED) reason = X509_REVOKED_get_ext_d2i(revoked, NID_crl_reason, NULL, NULL);
  gsize length = (gsize)BN_num_bytes(number);
  guint8 *octets = g_malloc(length + 1);
  BN_bn2bin(number, octets);
  entry->serial = g_bytes_new_take(octets, length);
  entry->revoked_at = milliseconds(X509_REVOKED_get0_revocationDate(revoked));
  entry->reason = reason != NULL ? (int)ASN1_ENUMERATED_get(reason) : 0;
  return entry;
}

GPtrArray *crl_entries(GBytes *der) {
  g_autoptr(X509_CRL) crl = der_decode(der, ASN1_ITEM_rptr(X509_CRL));
  if (crl == NULL)
    return NULL;
  GPtrArray *entries = g_ptr_array_new_with_free_func((GDestroyNotify)crl_entry_free);
  const STACK_OF(X509_REVOKED) *revoked = X509_CRL_get_REVOKED(crl);
  for (int i = 0; i < sk_X509_REVOKED_num(revoked); i++)
    g_ptr_array_add(entries, read_entry(sk_X509_REVOKED_value(revoked, i)));
  return entries;
}

gboolean crl_times(GBytes *der, gint64 *this_update, gint64 *next_update) {
  g_autoptr(X509_CRL) crl = der_decode(der, ASN1_ITEM_rptr(X509_CRL));
  if (crl == NULL)
    return FALSE;
  *this_update = milliseconds(X509_CRL_get0_lastUpdate(crl));
  *next_update = milliseconds(X509_CRL_get0_nextUpdate(crl));
  return TRUE;
}
