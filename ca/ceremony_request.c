/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/ceremony_request.h"

#include "ca/algorithm.h"
#include "ca/der.h"
#include "ca/extension.h"
#include "ca/key.h"
#include "ca/openssl_auto.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#define SERIAL_LEAST_BITS 64 /* S/MIME BR 7.1 */
#define SERIAL_MOST_OCTETS 20

static BIO *open_bytes(GBytes *bytes) {
  gsize length;
  const void *data = g_bytes_get_data(bytes, &length);
  return openssl_must(BIO_new_mem_buf(data != NULL ? data : "", (int)MIN(length, G_MAXINT)));
}

/* --- the request
 * ------------------------------------------------------------------------------------ */

static X509_EXTENSIONS *wished_extensions(EVP_PKEY *key) {
  X509_EXTENSIONS *list = extension_list_new();
  guint8 *octets = NULL;
  int length = i2d_PUBKEY(key, &octets);
  g_autoptr(GBytes) spki = der_take(octets, length);
  g_autoptr(GBytes) identifier = key_identifier(spki);
  extension_add_basic_constraints(list, TRUE, 0);
  extension_add_key_usage(list, KEY_USAGE_CERT_SIGN | KEY_USAGE_CRL_SIGN);
  extension_add_subject_key(list, identifier);
  extension_add_email_protection(list);
  extension_add_issued_policies(list);
  return list;
}

char *ceremony_request(GBytes *subject, EVP_PKEY *key, GError **error) {
  g_autoptr(X509_REQ) request = openssl_must(X509_REQ_new());
  g_autoptr(X509_EXTENSIONS) extensions = wished_extensions(key);
  g_autoptr(X509_NAME) name = der_decode(subject, ASN1_ITEM_rptr(X509_NAME));
  g_autoptr(BIO) bio = openssl_must(BIO_new(BIO_s_mem()));
  const Algorithm *algorithm = algorithm_of_ca(key);
  if (algorithm == NULL)
    return openssl_fail(error, CA_ERROR_PROFILE, "the key is not P-256, P-384 or RSA"), NULL;
  openssl_check(X509_REQ_set_version(request, X509_REQ_VERSION_1) == 1 &&
                X509_REQ_set_subject_name(request, name) == 1 &&
                X509_REQ_set_pubkey(request, key) == 1 &&
                X509_REQ_add_extensions(request, extensions) == 1);
  if (X509_REQ_sign(request, key, EVP_get_digestbyname(algorithm->digest)) <= 0)
    return openssl_fail(error, CA_ERROR_SIGN, "the key cannot sign"), NULL;
  openssl_check(PEM_write_bio_X509_REQ(bio, request) == 1);
  return openssl_bio_text(bio);
}

X509_REQ *ceremony_read_request(GBytes *pem, GError **error) {
  g_autoptr(BIO) bio = open_bytes(pem);
  g_autoptr(X509_REQ) request = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
  if (request == NULL)
    return openssl_fail(error, CA_ERROR_FILE, "the file holds no PEM request (PKCS#10)"), NULL;
  EVP_PKEY *key = X509_REQ_get0_pubkey(request);
  if (key == NULL || X509_REQ_verify(request, key) != 1)
    return openssl_fail(error, CA_ERROR_FILE, "the request is not signed with its own key"), NULL;
  return g_steal_pointer(&request);
}

X509 *ceremony_read_certificate(GBytes *octets, GError **error) {
  X509 *certificate = der_decode(octets, ASN1_ITEM_rptr(X509));
  g_autoptr(BIO) bio = open_bytes(octets);
  if (certificate == NULL)
    certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
  if (certificate == NULL)
    openssl_fail(error, CA_ERROR_FILE, "the file holds no certificate, neither PEM nor DER");
  ERR_clear_error();
  return certificate;
}

/* --- the answer
 * ------------------------------------------------------------------------------------- */

typedef struct {
  X509 *certificate, *issuer;
  X509_REQ *request;
  time_t now;
  GPtrArray *faults;
} Answer;

static void fault(const Answer *answer, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void fault(const Answer *answer, const char *format, ...) {
  va_list values;
  va_start(values, format);
  g_ptr_array_add(answer->faults, g_strdup_vprintf(format, values));
  va_end(values);
}

static gpointer extension(const Answer *answer, int nid, gboolean critical, const char *title) {
  int found = -1;
  gpointer value = X509_get_ext_d2i(answer->certificate, nid, &found, NULL);
  if (value == NULL)
    fault(answer, found == -1 ? "it has no %s" : "its %s cannot be read, or stands there twice",
          title);
  else if ((found == 1) != critical)
    fault(answer, "its %s is %scritical", title, found == 1 ? "" : "not ");
  return value;
}

static void check_subject(const Answer *answer) {
  EVP_PKEY *key = X509_get0_pubkey(answer->certificate);
  g_autofree char *found = X509_NAME_oneline(X509_get_subject_name(answer->certificate), NULL, 0);
  if (key == NULL || EVP_PKEY_eq(key, X509_REQ_get0_pubkey(answer->request)) != 1)
    fault(answer, "its key is not the one of the request");
  if (X509_NAME_cmp(X509_get_subject_name(answer->certificate),
                    X509_REQ_get_subject_name(answer->request)) != 0)
    fault(answer, "its subject %s is not the one of the request", found);
}

static void check_signature(const Answer *answer) {
  int digest = NID_undef;
  if (X509_check_issued(answer->issuer, answer->certificate) != X509_V_OK ||
      X509_verify(answer->certificate, X509_get0_pubkey(answer->issuer)) != 1)
    fault(answer, "it was not issued by the root that was given");
  if (X509_get_signature_info(answer->certificate, &digest, NULL, NULL, NULL) != 1 ||
      (digest != NID_sha256 && digest != NID_sha384 && digest != NID_sha512))
    fault(answer, "its signature is not one with SHA-256, SHA-384 or SHA-512 (ca-rules 28)");
  ERR_clear_error();
}

static void check_serial(const Answer *answer) {
  const ASN1_INTEGER *serial = X509_get0_serialNumber(answer->certificate);
  g_autoptr(BIGNUM) number = ASN1_INTEGER_to_BN(serial, NULL);
  if (X509_get_version(answer->certificate) != X509_VERSION_3)
    fault(answer, "it is not of version 3");
  if (number == NULL || BN_is_negative(number) || BN_num_bytes(number) > SERIAL_MOST_OCTETS ||
      BN_num_bits(number) < SERIAL_LEAST_BITS / 2)
    fault(answer, "its serial number is not a positive one with 64 random bits, of at most 20 "
                  "octets");
}

static void check_validity(const Answer *answer) {
  time_t now = answer->now;
  const ASN1_TIME *last = X509_get0_notAfter(answer->certificate);
  if (X509_cmp_time(X509_get0_notBefore(answer->certificate), &now) > 0)
    fault(answer, "it begins later than now");
  if (X509_cmp_time(last, &now) <= 0)
    fault(answer, "it has ended");
  if (ASN1_TIME_compare(last, X509_get0_notAfter(answer->issuer)) > 0)
    fault(answer, "it ends later than the root");
}

static void check_constraints(const Answer *answer) {
  g_autoptr(BASIC_CONSTRAINTS) value =
      extension(answer, NID_basic_constraints, TRUE, "basicConstraints");
  if (value != NULL && !value->ca)
    fault(answer, "it is not that of a CA (basicConstraints CA:FALSE)");
  if (value != NULL && (value->pathlen == NULL || ASN1_INTEGER_get(value->pathlen) != 0))
    fault(answer, "its basicConstraints has no pathLenConstraint of 0");
}

static void check_usage(const Answer *answer) {
  g_autoptr(ASN1_BIT_STRING) usage = extension(answer, NID_key_usage, TRUE, "keyUsage");
  if (usage != NULL && X509_get_key_usage(answer->certificate) != (KU_KEY_CERT_SIGN | KU_CRL_SIGN))
    fault(answer, "its keyUsage is not keyCertSign and cRLSign alone");
}

static void check_extended_usage(const Answer *answer) {
  g_autoptr(EXTENDED_KEY_USAGE) usage =
      extension(answer, NID_ext_key_usage, FALSE, "extendedKeyUsage");
  if (usage != NULL && (sk_ASN1_OBJECT_num(usage) != 1 ||
                        OBJ_obj2nid(sk_ASN1_OBJECT_value(usage, 0)) != NID_email_protect))
    fault(answer, "its extendedKeyUsage is not emailProtection alone");
}

static void check_policies(const Answer *answer) {
  g_autoptr(CERTIFICATEPOLICIES) policies =
      extension(answer, NID_certificate_policies, FALSE, "certificatePolicies");
  gboolean ours = FALSE;
  for (int i = 0; policies != NULL && i < sk_POLICYINFO_num(policies); i++) {
    char oid[80];
    OBJ_obj2txt(oid, sizeof oid, sk_POLICYINFO_value(policies, i)->policyid, 1);
    ours = ours || strcmp(oid, POLICY_STRICT) == 0 || strcmp(oid, POLICY_MULTIPURPOSE) == 0;
  }
  if (policies != NULL && !ours)
    fault(answer, "its certificatePolicies name neither %s nor %s, so that it could issue nothing",
          POLICY_STRICT, POLICY_MULTIPURPOSE);
}

static void check_identifiers(const Answer *answer) {
  g_autoptr(ASN1_OCTET_STRING) own =
      extension(answer, NID_subject_key_identifier, FALSE, "subjectKeyIdentifier");
  g_autoptr(AUTHORITY_KEYID) above =
      extension(answer, NID_authority_key_identifier, FALSE, "authorityKeyIdentifier");
  const ASN1_OCTET_STRING *wanted = X509_get0_subject_key_id(answer->issuer);
  if (above != NULL && (above->keyid == NULL ||
                        (wanted != NULL && ASN1_OCTET_STRING_cmp(above->keyid, wanted) != 0)))
    fault(answer, "its authorityKeyIdentifier is not the root's subjectKeyIdentifier");
}

static gboolean is_http(const GENERAL_NAME *name) {
  if (name->type != GEN_URI)
    return FALSE;
  g_autofree char *url =
      g_strndup((const char *)ASN1_STRING_get0_data(name->d.uniformResourceIdentifier),
                (gsize)ASN1_STRING_length(name->d.uniformResourceIdentifier));
  return extension_is_http_url(url);
}

static void check_list_url(const Answer *answer) {
  g_autoptr(CRL_DIST_POINTS) points =
      extension(answer, NID_crl_distribution_points, FALSE, "cRLDistributionPoints");
  gboolean good = FALSE;
  for (int i = 0; points != NULL && i < sk_DIST_POINT_num(points); i++) {
    const DIST_POINT_NAME *name = sk_DIST_POINT_value(points, i)->distpoint;
    for (int j = 0; name != NULL && name->type == 0 && j < sk_GENERAL_NAME_num(name->name.fullname);
         j++)
      good = good || is_http(sk_GENERAL_NAME_value(name->name.fullname, j));
  }
  if (points != NULL && !good)
    fault(answer, "its cRLDistributionPoints have no http:// URL");
}

static void check_issuer_url(const Answer *answer) {
  g_autoptr(AUTHORITY_INFO_ACCESS) access =
      extension(answer, NID_info_access, FALSE, "authorityInfoAccess");
  gboolean good = FALSE;
  for (int i = 0; access != NULL && i < sk_ACCESS_DESCRIPTION_num(access); i++) {
    const ACCESS_DESCRIPTION *one = sk_ACCESS_DESCRIPTION_value(access, i);
    good = good || (OBJ_obj2nid(one->method) == NID_ad_ca_issuers && is_http(one->location));
  }
  if (access != NULL && !good)
    fault(answer, "its authorityInfoAccess has no caIssuers with an http:// URL");
}

GPtrArray *ceremony_answer_faults(X509 *answer, X509_REQ *request, X509 *issuer, gint64 now) {
  static void (*const checks[])(const Answer *) = {
      check_subject,     check_signature, check_serial,         check_validity,
      check_constraints, check_usage,     check_extended_usage, check_policies,
      check_identifiers, check_list_url,  check_issuer_url,
  };
  const Answer state = {answer, issuer, request, (time_t)(now / 1000),
                        g_ptr_array_new_with_free_func(g_free)};
  for (gsize i = 0; i < G_N_ELEMENTS(checks); i++)
    checks[i](&state);
  return state.faults;
}
