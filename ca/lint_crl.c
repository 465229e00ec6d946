/* SPDX-License-Identifier: Apache-2.0 */
/* The rules about revocation lists (RFC 5280 section 5, S/MIME BR 7.2; ca-rules 31). */
#include "base/clock.h"
#include "ca/crl.h"
#include "ca/lint_rules.h"
#include "ca/openssl_auto.h"

#define MAX_SERIAL_OCTETS 20 /* RFC 5280 section 4.1.2.2; of a cRLNumber as well: section 5.2.3 */

void lint_crl_version(Lint *lint) {
  long version = X509_CRL_get_version(lint->crl);
  if (version != X509_CRL_VERSION_2)
    lint_add(lint, "version %ld", version + 1);
}

/* thisUpdate, nextUpdate and each revocationDate. */
void lint_crl_time_form(Lint *lint) {
  const STACK_OF(X509_REVOKED) *entries = X509_CRL_get_REVOKED(lint->crl);
  const ASN1_TIME *next = X509_CRL_get0_nextUpdate(lint->crl);
  if (!lint_is_time(X509_CRL_get0_lastUpdate(lint->crl)))
    lint_add(lint, "thisUpdate is not as RFC 5280 writes times");
  if (next != NULL && !lint_is_time(next))
    lint_add(lint, "nextUpdate is not as RFC 5280 writes times");
  for (int i = 0; i < sk_X509_REVOKED_num(entries); i++)
    if (!lint_is_time(X509_REVOKED_get0_revocationDate(sk_X509_REVOKED_value(entries, i))))
      lint_add(lint, "a revocationDate is not as RFC 5280 writes times");
}

static const ISSUING_DIST_POINT *issuing_point(Lint *lint) {
  return lint_extension(lint, NID_issuing_distribution_point, ASN1_ITEM_rptr(ISSUING_DIST_POINT),
                        TRUE);
}

/* For CA certificates alone, or all that a root has issued. */
static gboolean is_about_ca(Lint *lint) {
  const ISSUING_DIST_POINT *point = issuing_point(lint);
  return point != NULL ? point->onlyCA != 0
                       : (X509_get_extension_flags(lint->issuer->certificate) & EXFLAG_SI) != 0;
}

/* 10 days for subscribers' certificates, 12 months for CA certificates. */
void lint_crl_next_update(Lint *lint) {
  gint64 most = (is_about_ca(lint) ? CRL_MAX_CA_DAYS : CRL_MAX_DAYS) * (CLOCK_DAY / CLOCK_SECOND);
  const ASN1_TIME *next = X509_CRL_get0_nextUpdate(lint->crl);
  gint64 from = lint_seconds(X509_CRL_get0_lastUpdate(lint->crl));
  gint64 to = next != NULL ? lint_seconds(next) : G_MININT64;
  if (next == NULL)
    lint_add(lint, "it has no nextUpdate");
  else if (from == G_MININT64 || to == G_MININT64 || to <= from)
    lint_add(lint, "nextUpdate is not after thisUpdate");
  else if (to - from > most)
    lint_add(lint, "nextUpdate is %" G_GINT64_FORMAT " seconds after thisUpdate", to - from);
}

static gboolean is_serial(const ASN1_INTEGER *serial) {
  return (ASN1_STRING_type(serial) & V_ASN1_NEG) == 0 && ASN1_STRING_length(serial) > 0 &&
         ASN1_STRING_length(serial) <= MAX_SERIAL_OCTETS;
}

/* Left out when there are none; each serial number once, as a certificate can have it. */
void lint_crl_entries(Lint *lint) {
  const STACK_OF(X509_REVOKED) *entries = X509_CRL_get_REVOKED(lint->crl);
  g_autoptr(GHashTable) seen =
      g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
  if (entries != NULL && sk_X509_REVOKED_num(entries) == 0)
    lint_add(lint, "the list of entries is there, and empty");
  for (int i = 0; i < sk_X509_REVOKED_num(entries); i++) {
    const ASN1_INTEGER *serial = X509_REVOKED_get0_serialNumber(sk_X509_REVOKED_value(entries, i));
    if (!is_serial(serial))
      lint_add(lint, "a serial number is not positive or has more than %d octets",
               MAX_SERIAL_OCTETS);
    if (!g_hash_table_add(seen, openssl_string_octets(serial)))
      lint_add(lint, "a serial number stands there twice");
  }
}

/* reasonCode alone, once. */
void lint_crl_entry_extensions(Lint *lint) {
  const STACK_OF(X509_REVOKED) *entries = X509_CRL_get_REVOKED(lint->crl);
  for (int i = 0; i < sk_X509_REVOKED_num(entries); i++) {
    const STACK_OF(X509_EXTENSION) *list =
        X509_REVOKED_get0_extensions(sk_X509_REVOKED_value(entries, i));
    int count = X509v3_get_ext_count(list);
    if (list != NULL && (count != 1 || X509v3_get_ext_by_NID(list, NID_crl_reason, -1) < 0))
      lint_add(lint, "an entry has other extensions than one reasonCode");
  }
}

/* RFC 5280 section 5.3.1 without unspecified (0), certificateHold (6), removeFromCRL (8) and 7,
 * which is not used. */
static gboolean is_reason(const ASN1_ENUMERATED *reason) {
  static const gboolean known[] = {FALSE, TRUE,  TRUE,  TRUE, TRUE, TRUE,
                                   FALSE, FALSE, FALSE, TRUE, TRUE};
  long code = ASN1_ENUMERATED_get(reason);
  return code >= 0 && code < (long)G_N_ELEMENTS(known) && known[code];
}

void lint_crl_reason(Lint *lint) {
  const STACK_OF(X509_REVOKED) *entries = X509_CRL_get_REVOKED(lint->crl);
  for (int i = 0; i < sk_X509_REVOKED_num(entries); i++) {
    int critical = -1;
    g_autoptr(ASN1_ENUMERATED) reason = X509_REVOKED_get_ext_d2i(sk_X509_REVOKED_value(entries, i),
                                                                 NID_crl_reason, &critical, NULL);
    if (critical > 0)
      lint_add(lint, "a reasonCode is critical");
    if (reason != NULL ? !is_reason(reason) : critical >= 0)
      lint_add(lint, "a reasonCode that may not stand there");
  }
}

/* An entry for a CA certificate has a reason. */
void lint_crl_ca_reason(Lint *lint) {
  const STACK_OF(X509_REVOKED) *entries = X509_CRL_get_REVOKED(lint->crl);
  if (!is_about_ca(lint))
    return;
  for (int i = 0; i < sk_X509_REVOKED_num(entries); i++)
    if (X509v3_get_ext_by_NID(X509_REVOKED_get0_extensions(sk_X509_REVOKED_value(entries, i)),
                              NID_crl_reason, -1) < 0)
      lint_add(lint, "a CA certificate's entry has no reasonCode");
}

void lint_crl_number(Lint *lint) {
  const ASN1_INTEGER *number =
      lint_extension(lint, NID_crl_number, ASN1_ITEM_rptr(ASN1_INTEGER), FALSE);
  lint_criticality(lint, NID_crl_number, FALSE);
  if (number != NULL && !is_serial(number))
    lint_add(lint, "it is negative or has more than %d octets", MAX_SERIAL_OCTETS);
}

static gboolean is_one_url(const DIST_POINT_NAME *name) {
  return name != NULL && name->type == 0 && sk_GENERAL_NAME_num(name->name.fullname) == 1 &&
         lint_is_http(sk_GENERAL_NAME_value(name->name.fullname, 0));
}

/* Absent, or the http:// URL of one shard and either CA certificates or subscribers'. */
void lint_crl_issuing_point(Lint *lint) {
  if (X509v3_get_ext_by_NID(lint_extensions(lint), NID_issuing_distribution_point, -1) < 0)
    return;
  const ISSUING_DIST_POINT *point = lint_extension(lint, NID_issuing_distribution_point,
                                                   ASN1_ITEM_rptr(ISSUING_DIST_POINT), FALSE);
  lint_criticality(lint, NID_issuing_distribution_point, TRUE);
  if (point == NULL)
    return;
  if (!is_one_url(point->distpoint))
    lint_add(lint, "it is not one http:// URL");
  if ((point->onlyuser != 0) == (point->onlyCA != 0))
    lint_add(lint, "it is neither for subscribers' nor for CA certificates alone");
  if (point->onlyattr || point->indirectCRL || point->onlysomereasons != NULL)
    lint_add(lint, "onlyContainsAttributeCerts, indirectCRL or onlySomeReasons is there");
}
