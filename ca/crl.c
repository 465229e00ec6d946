/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/crl.h"

#include "base/clock.h"
#include "ca/der.h"
#include "ca/extension.h"
#include "ca/lint.h"
#include "ca/openssl_auto.h"
#include "ca/signature.h"
#include "ca/tbs.h"

typedef STACK_OF(X509_REVOKED) X509Entries;

static void x509_entries_free(X509Entries *entries) {
  sk_X509_REVOKED_pop_free(entries, X509_REVOKED_free);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509Entries, x509_entries_free)

static gboolean refuse(GError **error, const char *why) {
  g_set_error_literal(error, CA_ERROR, CA_ERROR_PROFILE, why);
  return FALSE;
}

void crl_entry_free(CrlEntry *entry) {
  if (entry == NULL)
    return;
  g_clear_pointer(&entry->serial, g_bytes_unref);
  g_free(entry);
}

/* RFC 5280 section 5.3.1 without certificateHold (6), removeFromCRL (8) and the unused 7. */
static gboolean is_reason(int reason) {
  static const gboolean known[] = {TRUE,  TRUE,  TRUE,  TRUE, TRUE, TRUE,
                                   FALSE, FALSE, FALSE, TRUE, TRUE};
  return reason >= 0 && reason < (int)G_N_ELEMENTS(known) && known[reason];
}

/* S/MIME BR 4.9.7: 10 days for subscribers' certificates, 12 months for CA certificates. */
static gboolean check_times(const Issuer *issuer, const CrlFields *fields, GError **error) {
  gboolean root = (X509_get_extension_flags(issuer->certificate) & EXFLAG_SI) != 0;
  gint64 most = fields->ca_only || root ? CRL_MAX_CA_DAYS : CRL_MAX_DAYS;
  gint64 life = fields->next_update - fields->this_update;
  if (fields->this_update < 0 || life < CLOCK_SECOND)
    return refuse(error, "nextUpdate is not after thisUpdate");
  if (life > most * CLOCK_DAY)
    return refuse(error, "nextUpdate is too far off");
  return TRUE;
}

static gboolean check_entries(const CrlFields *fields, GError **error) {
  g_autoptr(GHashTable) seen = g_hash_table_new(g_bytes_hash, g_bytes_equal);
  for (guint i = 0; i < fields->entries->len; i++) {
    const CrlEntry *entry = fields->entries->pdata[i];
    if (g_bytes_get_size(entry->serial) == 0 || g_bytes_get_size(entry->serial) > 20)
      return refuse(error, "an entry's serial number has no octets or more than 20");
    if (!is_reason(entry->reason))
      return refuse(error, "an entry's reason cannot stand in a CRL");
    if (fields->ca_only && entry->reason == 0)
      return refuse(error, "a CA certificate's entry has no reason (S/MIME BR 7.2.2)");
    if (!g_hash_table_add(seen, entry->serial))
      return refuse(error, "a serial number stands there twice");
  }
  return TRUE;
}

static gboolean check_fields(const Issuer *issuer, const CrlFields *fields, GError **error) {
  if (fields->number < 1)
    return refuse(error, "the CRL number is not positive");
  if (fields->url != NULL && !extension_is_http_url(fields->url))
    return refuse(error, "the CRL's URL is not http://");
  if (fields->url == NULL && fields->ca_only)
    return refuse(error, "ca_only without a URL");
  return check_times(issuer, fields, error) &&
         (fields->entries == NULL || check_entries(fields, error));
}

static X509_REVOKED *make_entry(const CrlEntry *entry) {
  g_autoptr(ASN1_INTEGER) serial = tbs_integer(entry->serial);
  g_autoptr(ASN1_TIME) time = tbs_time(entry->revoked_at);
  X509_REVOKED *revoked = openssl_must(X509_REVOKED_new());
  openssl_check(X509_REVOKED_set_serialNumber(revoked, serial) == 1 &&
                X509_REVOKED_set_revocationDate(revoked, time) == 1);
  if (entry->reason != 0) {
    g_autoptr(ASN1_ENUMERATED) reason = openssl_must(ASN1_ENUMERATED_new());
    openssl_check(ASN1_ENUMERATED_set(reason, entry->reason) == 1 &&
                  X509_REVOKED_add1_ext_i2d(revoked, NID_crl_reason, reason, 0, 0) == 1);
  }
  return revoked;
}

static int by_serial(const X509_REVOKED *const *a, const X509_REVOKED *const *b) {
  return ASN1_STRING_cmp(X509_REVOKED_get0_serialNumber(*a), X509_REVOKED_get0_serialNumber(*b));
}

static X509Entries *make_entries(const CrlFields *fields) {
  X509Entries *entries = openssl_must(sk_X509_REVOKED_new(by_serial));
  for (guint i = 0; fields->entries != NULL && i < fields->entries->len; i++)
    openssl_check(sk_X509_REVOKED_push(entries, make_entry(fields->entries->pdata[i])) > 0);
  sk_X509_REVOKED_sort(entries);
  return entries;
}

GBytes *crl_build(const Issuer *issuer, const CrlFields *fields, GError **error) {
  if (!check_fields(issuer, fields, error))
    return NULL;
  g_autoptr(X509_EXTENSIONS) extensions = extension_list_new();
  g_autoptr(X509Entries) entries = make_entries(fields);
  g_autoptr(GBytes) name = openssl_name_octets(X509_get_subject_name(issuer->certificate));
  extension_add_authority_key(extensions, X509_get0_subject_key_id(issuer->certificate));
  extension_add_crl_number(extensions, fields->number);
  if (fields->url != NULL)
    extension_add_issuing_point(extensions, fields->url, fields->ca_only);
  const TbsCrlParts parts = {
      .algorithm = algorithm_of_ca(X509_get0_pubkey(issuer->certificate)),
      .issuer = name,
      .this_update = fields->this_update,
      .next_update = fields->next_update,
      .entries = entries,
      .extensions = extensions,
  };
  GBytes *tbs = tbs_crl_encode(&parts);
  if (tbs == NULL)
    refuse(error, "the parts do not make a CRL");
  return tbs;
}

GBytes *crl_sign(const Issuer *issuer, const CrlFields *fields, GError **error) {
  if (issuer->signatory == NULL)
    return openssl_fail(error, CA_ERROR_SIGN, "the CA key is not here"), NULL;
  g_autoptr(GBytes) tbs = crl_build(issuer, fields, error);
  if (tbs == NULL)
    return NULL;
  g_autoptr(GPtrArray) findings = lint_crl_tbs(tbs, issuer);
  if (findings->len > 0) {
    g_autofree char *summary = lint_summary(findings);
    return refuse(error, summary), NULL;
  }
  g_autoptr(GBytes) der = signature_crl(issuer->signatory, tbs, error);
  if (der == NULL || !crl_verify(der, issuer, fields->number, error))
    return NULL;
  return g_steal_pointer(&der);
}

static gboolean has_number(const X509_CRL *crl, gint64 number) {
  gint64 found = 0;
  g_autoptr(ASN1_INTEGER) value = X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL);
  return value != NULL && ASN1_INTEGER_get_int64(&found, value) == 1 && found == number;
}

static gboolean names_algorithm(const X509_CRL *crl, const Algorithm *expected) {
  const X509_ALGOR *found = NULL;
  X509_CRL_get0_signature(crl, NULL, &found);
  g_autoptr(GBytes) octets = der_encode(found, ASN1_ITEM_rptr(X509_ALGOR));
  g_autoptr(GBytes) wanted = algorithm_signature_octets(expected);
  return g_bytes_equal(octets, wanted);
}

gboolean crl_verify(GBytes *der, const Issuer *issuer, gint64 number, GError **error) {
  EVP_PKEY *key = X509_get0_pubkey(issuer->certificate);
  g_autoptr(X509_CRL) crl = der_decode(der, ASN1_ITEM_rptr(X509_CRL));
  if (crl == NULL || X509_CRL_get_version(crl) != X509_CRL_VERSION_2)
    return openssl_fail(error, CA_ERROR_SIGN, "not a v2 CRL in DER");
  g_autoptr(GBytes) named = openssl_name_octets(X509_CRL_get_issuer(crl));
  g_autoptr(GBytes) subject = openssl_name_octets(X509_get_subject_name(issuer->certificate));
  if (!g_bytes_equal(named, subject))
    return openssl_fail(error, CA_ERROR_SIGN, "the CRL names another issuer");
  if (!has_number(crl, number))
    return openssl_fail(error, CA_ERROR_SIGN, "the CRL has another number");
  if (X509_CRL_get0_nextUpdate(crl) == NULL ||
      ASN1_TIME_compare(X509_CRL_get0_lastUpdate(crl), X509_CRL_get0_nextUpdate(crl)) >= 0)
    return openssl_fail(error, CA_ERROR_SIGN, "the CRL's nextUpdate is not after its thisUpdate");
  if (!names_algorithm(crl, algorithm_of_ca(key)) || X509_CRL_verify(crl, key) != 1)
    return openssl_fail(error, CA_ERROR_SIGN, "the CRL's signature does not verify");
  return TRUE;
}
