/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/ceremony.h"

#include "base/clock.h"
#include "ca/audit_key.h"
#include "ca/certificate.h"
#include "ca/crl.h"
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

/* One CA certificate to make: what differs between root and issuing CA. */
typedef struct {
  const char *name;
  guint years;
  const Issuer *root; /* NULL: self-signed */
} Level;

static gboolean refuse(GError **error, const char *why) {
  g_set_error_literal(error, CA_ERROR, CA_ERROR_PROFILE, why);
  return FALSE;
}

static EVP_PKEY *make_key(const char *type, GError **error) {
  const Algorithm *algorithm = algorithm_new_ca_key(type != NULL ? type : "P-256");
  if (algorithm == NULL)
    return refuse(error, "the key type is not P-256, P-384 or RSA-4096"), NULL;
  return algorithm_make_ca_key(algorithm, error);
}

static GBytes *random_serial(void) {
  guint8 random[CERTIFICATE_SERIAL_OCTETS + 2];
  openssl_check(RAND_bytes(random, sizeof random) == 1);
  return certificate_serial(random);
}

/* RFC 5280 appendix A.1: ub-organization-name and ub-common-name are 64 characters; OpenSSL refuses
 * more. */
static gboolean add_attribute(X509_NAME *name, int nid, const char *text, GError **error) {
  if (*text != '\0' &&
      X509_NAME_add_entry_by_NID(name, nid, MBSTRING_UTF8, (const guint8 *)text, -1, -1, 0) == 1)
    return TRUE;
  return openssl_fail(error, CA_ERROR_PROFILE, "a name is empty, too long or not UTF-8");
}

static GBytes *make_name(const CeremonyPlan *plan, const char *common_name, GError **error) {
  g_autoptr(X509_NAME) name = openssl_must(X509_NAME_new());
  if (plan->country != NULL && !add_attribute(name, NID_countryName, plan->country, error))
    return NULL;
  if (plan->organization != NULL &&
      !add_attribute(name, NID_organizationName, plan->organization, error))
    return NULL;
  return add_attribute(name, NID_commonName, common_name, error) ? openssl_name_octets(name) : NULL;
}

/* Whole calendar years, both ends counted. */
static gint64 end_of(gint64 start, guint years) {
  g_autoptr(GDateTime) from = g_date_time_new_from_unix_utc(start / CLOCK_SECOND);
  g_autoptr(GDateTime) to = g_date_time_add_years(from, (gint)years);
  return g_date_time_to_unix(to) * CLOCK_SECOND - CLOCK_SECOND;
}

/* ca-rules 18a. */
static X509_EXTENSIONS *make_extensions(const CeremonyPlan *plan, const Level *level,
                                        GBytes *spki) {
  static const char *const policies[] = {POLICY_STRICT, POLICY_MULTIPURPOSE, NULL};
  X509_EXTENSIONS *list = extension_list_new();
  g_autoptr(GBytes) identifier = key_identifier(spki);
  extension_add_basic_constraints(list, TRUE, level->root != NULL ? 0 : -1);
  extension_add_key_usage(list, KEY_USAGE_CERT_SIGN | KEY_USAGE_CRL_SIGN);
  extension_add_subject_key(list, identifier);
  if (level->root == NULL)
    return list;
  g_autofree char *crl = g_strconcat(plan->url, "root.crl", NULL);
  g_autofree char *issuer = g_strconcat(plan->url, "root.der", NULL);
  extension_add_authority_key(list, X509_get0_subject_key_id(level->root->certificate));
  extension_add_email_protection(list);
  extension_add_policies(list, policies);
  extension_add_crl(list, crl);
  extension_add_issuer_url(list, issuer);
  return list;
}

/* The certificate of key, signed by the root or by itself; DER. */
static GBytes *make_certificate(const CeremonyPlan *plan, const Level *level, EVP_PKEY *key,
                                GError **error) {
  EVP_PKEY *signer = level->root != NULL ? level->root->key : key;
  gint64 from = plan->now / CLOCK_SECOND * CLOCK_SECOND;
  g_autoptr(GBytes) serial = random_serial();
  g_autoptr(GBytes) subject = make_name(plan, level->name, error);
  if (subject == NULL)
    return NULL;
  g_autoptr(GBytes) issuer =
      level->root != NULL ? openssl_name_octets(X509_get_subject_name(level->root->certificate))
                          : g_bytes_ref(subject);
  if (level->root != NULL && g_bytes_equal(issuer, subject))
    return refuse(error, "root and issuing CA have one name"), NULL;
  guint8 *octets = NULL;
  int length = i2d_PUBKEY(key, &octets);
  g_autoptr(GBytes) spki = der_take(octets, length);
  g_autoptr(X509_EXTENSIONS) extensions = make_extensions(plan, level, spki);
  const TbsParts parts = {
      .serial = serial,
      .algorithm = algorithm_of_ca(signer),
      .issuer = issuer,
      .not_before = from,
      .not_after = end_of(from, level->years),
      .subject = subject,
      .spki = spki,
      .extensions = extensions,
  };
  g_autoptr(GBytes) tbs = tbs_encode(&parts);
  g_autoptr(GPtrArray) findings = lint_ca_tbs(
      tbs, level->root != NULL ? LINT_CA_ISSUING : LINT_CA_ROOT, level->root, plan->public_ca);
  if (findings->len > 0) {
    g_autofree char *summary = lint_summary(findings);
    return refuse(error, summary), NULL;
  }
  return signature_certificate(signer, signer, tbs, error);
}

/* Makes one CA: key, certificate, both as PEM, and the Issuer made of these. */
static Issuer *make_level(const CeremonyPlan *plan, const Level *level, char **certificate_pem,
                          char **key_pem, GError **error) {
  g_autoptr(EVP_PKEY) key = make_key(plan->key_type, error);
  if (key == NULL)
    return NULL;
  g_autoptr(GBytes) der = make_certificate(plan, level, key, error);
  if (der == NULL)
    return NULL;
  *certificate_pem = pem_certificate(der);
  *key_pem = pem_write_private_key(key, plan->passphrase);
  g_autoptr(GBytes) certificate = g_bytes_new(*certificate_pem, strlen(*certificate_pem));
  g_autoptr(GBytes) secret = g_bytes_new_static(*key_pem, strlen(*key_pem));
  return issuer_new(certificate, secret, plan->passphrase, error);
}

static gboolean check_plan(const CeremonyPlan *plan, guint root_years, guint issuing_years,
                           GError **error) {
  if (plan->root_name == NULL || plan->issuing_name == NULL)
    return refuse(error, "a name is missing");
  if (!extension_is_http_url(plan->url) || !g_str_has_suffix(plan->url, "/"))
    return refuse(error, "the URL is not http:// with / at its end");
  if (plan->country != NULL && (strlen(plan->country) != 2 || !g_ascii_isupper(plan->country[0]) ||
                                !g_ascii_isupper(plan->country[1])))
    return refuse(error, "the country is not two capital letters (ISO 3166-1)");
  if (plan->passphrase != NULL && (*plan->passphrase == '\0' || strlen(plan->passphrase) > 1023))
    return refuse(error, "the passphrase is empty or longer than 1023 octets");
  if (plan->now < 0 || root_years > 50 || issuing_years > root_years)
    return refuse(error, "the root lives longer than 50 years, or the issuing CA longer than the "
                         "root");
  return TRUE;
}

CeremonyResult *ceremony_run(const CeremonyPlan *plan, GError **error) {
  guint root_years = plan->root_years != 0 ? plan->root_years : CEREMONY_ROOT_YEARS;
  guint issuing_years =
      plan->issuing_years != 0 ? plan->issuing_years : MIN(CEREMONY_ISSUING_YEARS, root_years);
  if (!check_plan(plan, root_years, issuing_years, error))
    return NULL;
  g_autoptr(CeremonyResult) result = g_new0(CeremonyResult, 1);
  const Level top = {plan->root_name, root_years, NULL};
  g_autoptr(Issuer) root =
      make_level(plan, &top, &result->root_certificate, &result->root_key, error);
  if (root == NULL)
    return NULL;
  const Level below = {plan->issuing_name, issuing_years, root};
  g_autoptr(Issuer) issuing =
      make_level(plan, &below, &result->issuing_certificate, &result->issuing_key, error);
  if (issuing == NULL)
    return NULL;
  result->audit_key = audit_key_make(plan->passphrase, &result->audit_public);
  result->root_crl = ceremony_root_crl(root, plan->now, NULL, error);
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

/* S/MIME BR 7.2.2: a CA certificate's entry has a reason. */
static gboolean has_reasons(GPtrArray *entries) {
  for (guint i = 0; entries != NULL && i < entries->len; i++)
    if (((CrlEntry *)entries->pdata[i])->reason == 0)
      return FALSE;
  return TRUE;
}

GBytes *ceremony_root_crl(const Issuer *root, gint64 now, GPtrArray *entries, GError **error) {
  const CrlFields fields = {
      .number = now / CLOCK_SECOND,
      .this_update = now / CLOCK_SECOND * CLOCK_SECOND,
      .next_update = now / CLOCK_SECOND * CLOCK_SECOND + CEREMONY_ROOT_CRL_DAYS * CLOCK_DAY,
      .entries = entries,
  };
  if (!has_reasons(entries))
    return refuse(error, "a CA certificate's entry has no reason (S/MIME BR 7.2.2)"), NULL;
  return crl_sign(root, &fields, error);
}
