/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/certificate.h"

#include "base/clock.h"
#include "ca/der.h"
#include "ca/extension.h"
#include "ca/key.h"
#include "ca/lint.h"
#include "ca/openssl_auto.h"
#include "ca/san.h"
#include "ca/tbs.h"

#include <string.h>

G_GNUC_PRINTF(2, 3) static gboolean refuse(GError **error, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  g_propagate_error(error, g_error_new_valist(CA_ERROR, CA_ERROR_PROFILE, format, arguments));
  va_end(arguments);
  return FALSE;
}

GBytes *certificate_serial(const guint8 *random) {
  guint8 serial[CERTIFICATE_SERIAL_OCTETS + 1];
  serial[0] = (guint8)(1 + ((guint)random[0] << 8 | random[1]) % 0x7f);
  memcpy(serial + 1, random + 2, CERTIFICATE_SERIAL_OCTETS);
  return g_bytes_new(serial, sizeof serial);
}

gint64 certificate_not_after(gint64 not_before, guint days) {
  return not_before + (gint64)days * CLOCK_DAY - CLOCK_SECOND;
}

static gboolean check_validity(const Issuer *issuer, const CertificateFields *fields,
                               GError **error) {
  if (fields->not_before % CLOCK_SECOND != 0 || fields->not_before < 0)
    return refuse(error, "notBefore is not a whole second");
  if (fields->not_after % CLOCK_SECOND != 0)
    return refuse(error, "notAfter is not a whole second");
  if (fields->not_after < fields->not_before)
    return refuse(error, "notAfter is before notBefore");
  if (fields->not_after > certificate_not_after(fields->not_before, CERTIFICATE_MAX_DAYS))
    return refuse(error, "a validity of more than %d days", CERTIFICATE_MAX_DAYS);
  if (fields->not_before < issuer_not_before(issuer))
    return refuse(error, "notBefore is before the issuer's");
  if (fields->not_after > issuer_not_after(issuer))
    return refuse(error, "notAfter is past the issuer's");
  return TRUE;
}

static gboolean check_fields(const Issuer *issuer, const CertificateFields *fields,
                             GError **error) {
  gsize serial = g_bytes_get_size(fields->serial);
  if (serial != CERTIFICATE_SERIAL_OCTETS + 1)
    return refuse(error, "a serial number of %" G_GSIZE_FORMAT " octets", serial);
  guint8 first = *(const guint8 *)g_bytes_get_data(fields->serial, NULL);
  if (first == 0 || first > 0x7f)
    return refuse(error, "the serial number is not as certificate_serial makes it");
  if (!fields->sign && !fields->encrypt)
    return refuse(error, "neither signing nor encryption is wanted");
  if (fields->non_repudiation && !fields->sign)
    return refuse(error, "nonRepudiation without digitalSignature");
  if (fields->profile != PROFILE_STRICT && fields->profile != PROFILE_MULTIPURPOSE)
    return refuse(error, "profile %d is not known", (int)fields->profile);
  if (!extension_is_http_url(fields->crl_url) || !extension_is_http_url(fields->issuer_url))
    return refuse(error, "the CRL's or the issuer's URL is not http://");
  return check_validity(issuer, fields, error);
}

/* names as Mailboxes; NULL when one is not as Mailbox.address or stands there twice. */
static GPtrArray *read_names(const char *const *names, GError **error) {
  g_autoptr(GPtrArray) mailboxes = g_ptr_array_new_with_free_func((GDestroyNotify)mailbox_free);
  g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
  for (gsize i = 0; names[i] != NULL; i++) {
    Mailbox *mailbox = mailbox_parse(names[i], NULL);
    if (mailbox == NULL)
      return refuse(error, "a name is not an address"), NULL;
    g_ptr_array_add(mailboxes, mailbox);
    if (strcmp(mailbox->address, names[i]) != 0)
      return refuse(error, "the domain of %s is not in lower-case A-labels", names[i]), NULL;
    if (!g_hash_table_add(seen, mailbox->canonical))
      return refuse(error, "%s is named twice", names[i]), NULL;
  }
  if (mailboxes->len == 0)
    return refuse(error, "no name"), NULL;
  return g_steal_pointer(&mailboxes);
}

/* CN = the first address; empty when that has more than 64 characters (RFC 5280 appendix A,
 * ub-common-name). */
static X509_NAME *make_subject(GPtrArray *mailboxes) {
  X509_NAME *subject = openssl_must(X509_NAME_new());
  const Mailbox *first = mailboxes->pdata[0];
  if (g_utf8_strlen(first->address, -1) <= CERTIFICATE_MAX_COMMON_NAME)
    openssl_check(X509_NAME_add_entry_by_NID(subject, NID_commonName, V_ASN1_UTF8STRING,
                                             (const guint8 *)first->address, -1, -1, 0) == 1);
  return subject;
}

static void add_names(X509_EXTENSIONS *list, GPtrArray *mailboxes, gboolean critical) {
  g_autoptr(GENERAL_NAMES) names = openssl_must(sk_GENERAL_NAME_new_null());
  for (guint i = 0; i < mailboxes->len; i++)
    openssl_check(sk_GENERAL_NAME_push(names, san_name(mailboxes->pdata[i])) > 0);
  extension_add_names(list, names, critical);
}

static guint key_usage(const CertificateFields *fields, const Algorithm *algorithm) {
  return (fields->sign ? algorithm->sign : 0) | (fields->encrypt ? algorithm->encrypt : 0) |
         (fields->non_repudiation ? KEY_USAGE_NON_REPUDIATION : 0);
}

static X509_EXTENSIONS *make_extensions(const Issuer *issuer, const CertificateFields *fields,
                                        const Algorithm *algorithm, GPtrArray *mailboxes,
                                        gboolean anonymous) {
  X509_EXTENSIONS *list = extension_list_new();
  g_autoptr(GBytes) identifier = key_identifier(fields->spki);
  const char *policies[] = {fields->profile == PROFILE_STRICT ? POLICY_STRICT : POLICY_MULTIPURPOSE,
                            NULL};
  extension_add_authority_key(list, X509_get0_subject_key_id(issuer->certificate));
  extension_add_subject_key(list, identifier);
  extension_add_key_usage(list, key_usage(fields, algorithm));
  extension_add_policies(list, policies);
  add_names(list, mailboxes, anonymous);
  extension_add_basic_constraints(list, FALSE, -1);
  extension_add_email_protection(list);
  extension_add_crl(list, fields->crl_url);
  extension_add_issuer_url(list, fields->issuer_url);
  return list;
}

GBytes *certificate_build(const Issuer *issuer, const CertificateFields *fields, GError **error) {
  const Algorithm *algorithm = NULL;
  g_autoptr(GError) bad_key = NULL;
  if (!check_fields(issuer, fields, error))
    return NULL;
  if (!key_check(fields->spki, KEY_SUBSCRIBER, &algorithm, &bad_key))
    return refuse(error, "%s", bad_key->message), NULL;
  if ((fields->sign && algorithm->sign == 0) || (fields->encrypt && algorithm->encrypt == 0))
    return refuse(error, "%s keys cannot be used so", algorithm->title), NULL;
  g_autoptr(GPtrArray) mailboxes = read_names(fields->names, error);
  if (mailboxes == NULL)
    return NULL;
  g_autoptr(X509_NAME) subject = make_subject(mailboxes);
  g_autoptr(GBytes) subject_octets = openssl_name_octets(subject);
  g_autoptr(GBytes) issuer_octets = openssl_name_octets(X509_get_subject_name(issuer->certificate));
  g_autoptr(X509_EXTENSIONS) extensions =
      make_extensions(issuer, fields, algorithm, mailboxes, X509_NAME_entry_count(subject) == 0);
  const TbsParts parts = {
      .serial = fields->serial,
      .algorithm = algorithm_of_ca(X509_get0_pubkey(issuer->certificate)),
      .issuer = issuer_octets,
      .not_before = fields->not_before,
      .not_after = fields->not_after,
      .subject = subject_octets,
      .spki = fields->spki,
      .extensions = extensions,
  };
  GBytes *tbs = tbs_encode(&parts);
  if (tbs == NULL)
    refuse(error, "the parts do not make a certificate");
  return tbs;
}

GBytes *certificate_unsigned(GBytes *tbs) {
  static const guint8 ecdsa[] = {0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01}; /* r = s = 1 */
  static const guint8 rsa[512] = {0};
  g_autoptr(GBytes) named = tbs_signature_algorithm(tbs);
  if (named == NULL)
    return NULL;
  gboolean is_rsa =
      g_bytes_get_size(named) == 15; /* with NULL; 7.1.3.2 has no other of this length */
  g_autoptr(GBytes) signature =
      is_rsa ? g_bytes_new_static(rsa, sizeof rsa) : g_bytes_new_static(ecdsa, sizeof ecdsa);
  return signature_wrap(tbs, named, signature);
}

static gboolean is_clean(GBytes *tbs, const Issuer *issuer, GError **error) {
  if (lint_is_known(tbs, issuer))
    return TRUE;
  g_autoptr(GPtrArray) findings = lint_tbs(tbs, issuer);
  if (findings->len == 0)
    return TRUE;
  g_autofree char *summary = lint_summary(findings);
  return refuse(error, "the lint refuses it: %s", summary);
}

GBytes *certificate_sign(const Issuer *issuer, GBytes *tbs, GError **error) {
  if (issuer->signatory == NULL)
    return openssl_fail(error, CA_ERROR_SIGN, "the CA key is not here"), NULL;
  if ((X509_get_extension_flags(issuer->certificate) & EXFLAG_SS) != 0)
    return refuse(error, "a root issues no certificates to subscribers"), NULL;
  if (!is_clean(tbs, issuer, error))
    return NULL;
  return signature_certificate(issuer->signatory, tbs, error);
}
