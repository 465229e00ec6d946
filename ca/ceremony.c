/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/ceremony.h"

#include "base/clock.h"
#include "ca/audit_key.h"
#include "ca/certificate.h"
#include "ca/der.h"
#include "ca/extension.h"
#include "ca/key.h"
#include "ca/lint.h"
#include "ca/openssl_auto.h"
#include "ca/pem.h"
#include "ca/signature.h"
#include "ca/tbs.h"

#include <openssl/rand.h>
#include <string.h>

static gboolean refuse(GError **error, const char *why) {
  g_set_error_literal(error, CA_ERROR, CA_ERROR_PROFILE, why);
  return FALSE;
}

/* --- names, keys
 * ------------------------------------------------------------------------------------ */

EVP_PKEY *ceremony_make_key(const char *type, GError **error) {
  const Algorithm *algorithm = algorithm_new_ca_key(type != NULL ? type : "P-256");
  if (algorithm == NULL)
    return refuse(error, "the key type is not P-256, P-384 or RSA-4096"), NULL;
  return algorithm_make_ca_key(algorithm, error);
}

gboolean ceremony_check_passphrase(const char *passphrase, GError **error) {
  return passphrase == NULL ||
         (*passphrase != '\0' && strlen(passphrase) <= CEREMONY_PASSPHRASE_MAX) ||
         refuse(error, "the passphrase is empty or longer than 1023 octets");
}

/* RFC 5280 appendix A.1: ub-organization-name and ub-common-name are 64 characters; OpenSSL refuses
 * more. */
static gboolean add_attribute(X509_NAME *name, int nid, const char *text, GError **error) {
  if (text == NULL)
    return TRUE;
  if (*text != '\0' &&
      X509_NAME_add_entry_by_NID(name, nid, MBSTRING_UTF8, (const guint8 *)text, -1, -1, 0) == 1)
    return TRUE;
  return openssl_fail(error, CA_ERROR_PROFILE, "a name is empty, too long or not UTF-8");
}

GBytes *ceremony_name(const char *country, const char *organization, const char *common_name,
                      GError **error) {
  g_autoptr(X509_NAME) name = openssl_must(X509_NAME_new());
  if (common_name == NULL)
    return refuse(error, "a name is missing"), NULL;
  if (country != NULL &&
      (strlen(country) != 2 || !g_ascii_isupper(country[0]) || !g_ascii_isupper(country[1])))
    return refuse(error, "the country is not two capital letters (ISO 3166-1)"), NULL;
  return add_attribute(name, NID_countryName, country, error) &&
                 add_attribute(name, NID_organizationName, organization, error) &&
                 add_attribute(name, NID_commonName, common_name, error)
             ? openssl_name_octets(name)
             : NULL;
}

static GBytes *random_serial(void) {
  guint8 random[CERTIFICATE_SERIAL_OCTETS + 2];
  openssl_check(RAND_bytes(random, sizeof random) == 1);
  return certificate_serial(random);
}

static GBytes *spki_of(EVP_PKEY *key) {
  guint8 *octets = NULL;
  int length = i2d_PUBKEY(key, &octets);
  return der_take(octets, length);
}

/* --- one certificate
 * -------------------------------------------------------------------------------- */

gboolean ceremony_is_root(const Issuer *issuer) {
  return (X509_get_extension_flags(issuer->certificate) & EXFLAG_SS) != 0 &&
         X509_get_pathlen(issuer->certificate) < 0 &&
         X509_verify(issuer->certificate, X509_get0_pubkey(issuer->certificate)) == 1;
}

/* Whole calendar years, both ends counted. */
static gint64 years_after(gint64 start, guint years) {
  g_autoptr(GDateTime) from = g_date_time_new_from_unix_utc(start / CLOCK_SECOND);
  g_autoptr(GDateTime) to = g_date_time_add_years(from, (gint)years);
  return g_date_time_to_unix(to) * CLOCK_SECOND - CLOCK_SECOND;
}

static gint64 end_of(const CeremonyCertificate *plan, gint64 start) {
  if (plan->root == NULL)
    return years_after(start, plan->years != 0 ? plan->years : CEREMONY_ROOT_YEARS);
  gint64 last = issuer_not_after(plan->root);
  return plan->years != 0 ? years_after(start, plan->years)
                          : MIN(years_after(start, CEREMONY_ISSUING_YEARS), last);
}

static gboolean check_below(const CeremonyCertificate *plan, GError **error) {
  g_autoptr(GBytes) issuer = openssl_name_octets(X509_get_subject_name(plan->root->certificate));
  if (!ceremony_is_root(plan->root))
    return refuse(error, "the CA that shall sign is no root: its certificate is not signed by "
                         "itself, or has a pathLenConstraint");
  if (!extension_is_http_url(plan->url) || !g_str_has_suffix(plan->url, "/"))
    return refuse(error, "the URL is not http:// with / at its end");
  if (plan->kind == CEREMONY_ISSUING && g_bytes_equal(issuer, plan->subject))
    return refuse(error, "root and issuing CA have one name");
  if (EVP_PKEY_eq(plan->key, X509_get0_pubkey(plan->root->certificate)) == 1)
    return refuse(error, "the key is the root's own");
  if (plan->now < issuer_not_before(plan->root) / CLOCK_SECOND * CLOCK_SECOND)
    return refuse(error, "the root's certificate begins later than now; is the clock right?");
  if (end_of(plan, plan->now) > issuer_not_after(plan->root) ||
      plan->now > issuer_not_after(plan->root))
    return refuse(error, "the CA would live longer than the root");
  return TRUE;
}

/* SMC017v2: RSA CA keys that are made have 4096 bits. */
static gboolean check_key(EVP_PKEY *key, GError **error) {
  g_autoptr(GBytes) spki = spki_of(key);
  if (algorithm_of_ca(key) == NULL ||
      (EVP_PKEY_is_a(key, "RSA") == 1 && EVP_PKEY_get_bits(key) < ALGORITHM_RSA_NEW_CA_BITS))
    return refuse(error, "the key is not P-256, P-384 or RSA of 4096 bit or more");
  return key_check(spki, KEY_CA, NULL, error);
}

static gboolean check_plan(const CeremonyCertificate *plan, GError **error) {
  if (plan->now < 0 || plan->years > CEREMONY_MAX_YEARS)
    return refuse(error, "the CA would live longer than 50 years");
  return check_key(plan->key, error) && (plan->root == NULL || check_below(plan, error));
}

/* ca-rules 18a. */
static X509_EXTENSIONS *make_extensions(const CeremonyCertificate *plan, GBytes *spki) {
  X509_EXTENSIONS *list = extension_list_new();
  g_autoptr(GBytes) identifier =
      plan->identifier != NULL ? openssl_string_octets(plan->identifier) : key_identifier(spki);
  extension_add_basic_constraints(list, TRUE, plan->kind == CEREMONY_ISSUING ? 0 : -1);
  extension_add_key_usage(list, KEY_USAGE_CERT_SIGN | KEY_USAGE_CRL_SIGN);
  extension_add_subject_key(list, identifier);
  if (plan->root == NULL)
    return list;
  g_autofree char *crl = g_strconcat(plan->url, "root.crl", NULL);
  g_autofree char *issuer = g_strconcat(plan->url, "root.der", NULL);
  extension_add_authority_key(list, X509_get0_subject_key_id(plan->root->certificate));
  extension_add_email_protection(list);
  extension_add_issued_policies(list);
  extension_add_crl(list, crl);
  extension_add_issuer_url(list, issuer);
  return list;
}

static EVP_PKEY *signer_of(const CeremonyCertificate *plan) {
  return plan->root != NULL ? plan->root->key : plan->key;
}

static EVP_PKEY *verifier_of(const CeremonyCertificate *plan) {
  return plan->root != NULL ? X509_get0_pubkey(plan->root->certificate) : plan->key;
}

static gboolean lint(const CeremonyCertificate *plan, GBytes *tbs, GError **error) {
  static const LintCaKind kinds[] = {[CEREMONY_ROOT] = LINT_CA_ROOT,
                                     [CEREMONY_ISSUING] = LINT_CA_ISSUING,
                                     [CEREMONY_CROSS] = LINT_CA_CROSS};
  g_autoptr(GPtrArray) findings = lint_ca_tbs(tbs, kinds[plan->kind], plan->root, plan->public_ca);
  g_autofree char *summary = findings->len > 0 ? lint_summary(findings) : NULL;
  return summary == NULL || refuse(error, summary);
}

GBytes *ceremony_build(const CeremonyCertificate *plan, GError **error) {
  if (!check_plan(plan, error))
    return NULL;
  gint64 from = plan->now / CLOCK_SECOND * CLOCK_SECOND;
  g_autoptr(GBytes) serial = random_serial();
  g_autoptr(GBytes) issuer =
      plan->root != NULL ? openssl_name_octets(X509_get_subject_name(plan->root->certificate))
                         : g_bytes_ref(plan->subject);
  g_autoptr(GBytes) spki = spki_of(plan->key);
  g_autoptr(X509_EXTENSIONS) extensions = make_extensions(plan, spki);
  const TbsParts parts = {
      .serial = serial,
      .algorithm = algorithm_of_ca(verifier_of(plan)),
      .issuer = issuer,
      .not_before = from,
      .not_after = end_of(plan, from),
      .subject = plan->subject,
      .spki = spki,
      .extensions = extensions,
  };
  g_autoptr(GBytes) tbs = tbs_encode(&parts);
  return lint(plan, tbs, error) ? g_steal_pointer(&tbs) : NULL;
}

char *ceremony_certificate_text(X509 *certificate) {
  g_autoptr(BIO) bio = openssl_must(BIO_new(BIO_s_mem()));
  openssl_check(X509_print_ex(bio, certificate, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB,
                              X509_FLAG_NO_SIGDUMP | X509_FLAG_NO_SIGNAME) == 1);
  return openssl_bio_text(bio);
}

char *ceremony_list_text(GBytes *crl) {
  g_autoptr(BIO) bio = openssl_must(BIO_new(BIO_s_mem()));
  g_autoptr(X509_CRL) list = der_decode(crl, ASN1_ITEM_rptr(X509_CRL));
  if (list == NULL)
    return NULL;
  openssl_check(X509_CRL_print_ex(bio, list, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB) == 1);
  return openssl_bio_text(bio);
}

char *ceremony_text(GBytes *tbs) {
  g_autoptr(GBytes) der = certificate_unsigned(tbs);
  g_autoptr(X509) certificate = der != NULL ? der_decode(der, ASN1_ITEM_rptr(X509)) : NULL;
  return certificate != NULL ? ceremony_certificate_text(certificate) : NULL;
}

GBytes *ceremony_sign(const CeremonyCertificate *plan, GBytes *tbs, GError **error) {
  if (signer_of(plan) == NULL)
    return openssl_fail(error, CA_ERROR_SIGN, "the root's key is not here"), NULL;
  if (!lint(plan, tbs, error))
    return NULL;
  g_autoptr(Signatory) signatory = signatory_new(signer_of(plan), verifier_of(plan), error);
  return signatory != NULL ? signature_certificate(signatory, tbs, error) : NULL;
}

/* --- both in one go
 * --------------------------------------------------------------------------------- */

/* Makes one CA: key, certificate, both as PEM, and the Issuer made of these. */
static Issuer *make_ca(const CeremonyPlan *plan, const char *name, CeremonyCertificate *level,
                       char **certificate_pem, char **key_pem, GError **error) {
  g_autoptr(GBytes) subject = ceremony_name(plan->country, plan->organization, name, error);
  g_autoptr(EVP_PKEY) key = subject != NULL ? ceremony_make_key(plan->key_type, error) : NULL;
  level->subject = subject;
  level->key = key;
  level->now = plan->now;
  level->public_ca = plan->public_ca;
  g_autoptr(GBytes) tbs = key != NULL ? ceremony_build(level, error) : NULL;
  g_autoptr(GBytes) der = tbs != NULL ? ceremony_sign(level, tbs, error) : NULL;
  if (der == NULL)
    return NULL;
  *certificate_pem = pem_certificate(der);
  *key_pem = pem_write_private_key(key, plan->passphrase);
  g_autoptr(GBytes) certificate = g_bytes_new(*certificate_pem, strlen(*certificate_pem));
  g_autoptr(GBytes) secret = g_bytes_new_static(*key_pem, strlen(*key_pem));
  return issuer_new(certificate, secret, plan->passphrase, error);
}

CeremonyResult *ceremony_run(const CeremonyPlan *plan, GError **error) {
  if (!ceremony_check_passphrase(plan->passphrase, error))
    return NULL;
  g_autoptr(CeremonyResult) result = g_new0(CeremonyResult, 1);
  CeremonyCertificate top = {.kind = CEREMONY_ROOT, .years = plan->root_years};
  g_autoptr(Issuer) root =
      make_ca(plan, plan->root_name, &top, &result->root_certificate, &result->root_key, error);
  if (root == NULL)
    return NULL;
  CeremonyCertificate below = {
      .kind = CEREMONY_ISSUING, .years = plan->issuing_years, .root = root, .url = plan->url};
  g_autoptr(Issuer) issuing = make_ca(plan, plan->issuing_name, &below,
                                      &result->issuing_certificate, &result->issuing_key, error);
  if (issuing == NULL)
    return NULL;
  result->audit_key = audit_key_make(plan->passphrase, &result->audit_public);
  const CeremonyList first = {.now = plan->now, .days = CEREMONY_ROOT_CRL_DAYS};
  result->root_crl = ceremony_root_crl(root, &first, error);
  return result->root_crl != NULL ? g_steal_pointer(&result) : NULL;
}

static void free_secret(char *text) {
  if (text != NULL)
    OPENSSL_cleanse(text, strlen(text));
  g_free(text);
}

void ceremony_result_free(CeremonyResult *result) {
  if (result == NULL)
    return;
  g_free(result->root_certificate);
  g_free(result->issuing_certificate);
  free_secret(result->root_key);
  free_secret(result->issuing_key);
  free_secret(result->audit_key);
  g_free(result->audit_public);
  g_clear_pointer(&result->root_crl, g_bytes_unref);
  g_free(result);
}

/* --- the root's list
 * -------------------------------------------------------------------------------- */

/* S/MIME BR 7.2.2: a CA certificate's entry has a reason. */
static gboolean has_reasons(GPtrArray *entries) {
  for (guint i = 0; entries != NULL && i < entries->len; i++)
    if (((CrlEntry *)entries->pdata[i])->reason == 0)
      return FALSE;
  return TRUE;
}

GBytes *ceremony_root_crl(const Issuer *root, const CeremonyList *list, GError **error) {
  gint64 now = list->now / CLOCK_SECOND;
  const CrlFields fields = {
      .number = MAX(now, list->previous + 1),
      .this_update = now * CLOCK_SECOND,
      .next_update = now * CLOCK_SECOND + list->days * CLOCK_DAY,
      .entries = list->entries,
  };
  if (!ceremony_is_root(root))
    return refuse(error, "the CA is no root: its certificate is not signed by itself, or has a "
                         "pathLenConstraint"),
           NULL;
  if (!has_reasons(list->entries))
    return refuse(error, "a CA certificate's entry has no reason (S/MIME BR 7.2.2)"), NULL;
  return crl_sign(root, &fields, error);
}
