/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/csr.h"

#include "base/public_key.h"
#include "ca/csr_extensions.h"
#include "ca/csr_unserved.h"
#include "ca/der.h"
#include "ca/key.h"
#include "ca/openssl_auto.h"
#include "ca/san.h"

#include <openssl/asn1t.h>
#include <openssl/err.h>
#include <string.h>

static gboolean refuse(GError **error, const char *why) {
  ERR_clear_error(); /* what OpenSSL says is of no use to who made the request */
  g_set_error_literal(error, CA_ERROR, CA_ERROR_BAD_CSR, why);
  return FALSE;
}

/* RFC 2986 section 4. OpenSSL's own types look for who reads the key, and remember the octets that
   they came from. */
typedef struct {
  X509_ALGOR *algorithm;
  ASN1_BIT_STRING *key;
} RequestKey;

ASN1_SEQUENCE(RequestKey) =
    {
        ASN1_SIMPLE(RequestKey, algorithm, X509_ALGOR),
        ASN1_SIMPLE(RequestKey, key, ASN1_BIT_STRING),
} static_ASN1_SEQUENCE_END(RequestKey)

        typedef struct {
  ASN1_INTEGER *version;
  X509_NAME *subject;
  RequestKey *key;
  STACK_OF(X509_ATTRIBUTE) * attributes;
} RequestInfo;

ASN1_SEQUENCE(RequestInfo) =
    {
        ASN1_SIMPLE(RequestInfo, version, ASN1_INTEGER),
        ASN1_SIMPLE(RequestInfo, subject, X509_NAME),
        ASN1_SIMPLE(RequestInfo, key, RequestKey),
        ASN1_IMP_SET_OF_OPT(RequestInfo, attributes, X509_ATTRIBUTE, 0),
} static_ASN1_SEQUENCE_END(RequestInfo)

        typedef struct {
  RequestInfo *info;
  X509_ALGOR *algorithm;
  ASN1_BIT_STRING *signature;
} Request;

ASN1_SEQUENCE(Request) =
    {
        ASN1_SIMPLE(Request, info, RequestInfo),
        ASN1_SIMPLE(Request, algorithm, X509_ALGOR),
        ASN1_SIMPLE(Request, signature, ASN1_BIT_STRING),
} static_ASN1_SEQUENCE_END(Request)

        static void request_free(Request * request) {
  ASN1_item_free((ASN1_VALUE *)request, ASN1_ITEM_rptr(Request));
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Request, request_free)

/* RFC 4055 section 5: NULL, or absent all the same; RFC 5758 section 3.2: absent. */
static gboolean parameters_fit(const X509_ALGOR *algorithm, EVP_PKEY *key) {
  int type;
  X509_ALGOR_get0(NULL, &type, NULL, algorithm);
  return type == V_ASN1_UNDEF || (type == V_ASN1_NULL && EVP_PKEY_is_a(key, "RSA") == 1);
}

static gboolean check_signature(const Request *request, GBytes *spki, GError **error) {
  static const int accepted[] = {
      NID_sha256WithRSAEncryption, NID_sha384WithRSAEncryption, NID_sha512WithRSAEncryption,
      NID_ecdsa_with_SHA256,       NID_ecdsa_with_SHA384,       NID_ecdsa_with_SHA512,
  };
  gboolean known = FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS(accepted); i++)
    known = known || OBJ_obj2nid(request->algorithm->algorithm) == accepted[i];
  if (!known)
    return refuse(error, "the request's signature is not RSA (PKCS #1 v1.5) or ECDSA with SHA-256, "
                         "SHA-384 or SHA-512");
  g_autoptr(EVP_PKEY) key = public_key_read(g_bytes_get_data(spki, NULL), g_bytes_get_size(spki));
  if (key == NULL || !parameters_fit(request->algorithm, key))
    return refuse(error, "the parameters of the request's signature algorithm are not those of RFC "
                         "4055 (RSA) or RFC 5758 (ECDSA)");
  if (ASN1_item_verify(ASN1_ITEM_rptr(RequestInfo), request->algorithm, request->signature,
                       request->info, key) != 1)
    return refuse(error, "the request's own signature does not verify");
  return TRUE;
}

/* The one extensionRequest (RFC 2985 section 5.4.2), decoded. */
static X509_EXTENSIONS *read_extension_request(X509_ATTRIBUTE *attribute, GError **error) {
  if (X509_ATTRIBUTE_count(attribute) != 1)
    return refuse(error, "extensionRequest has not exactly one value"), NULL;
  const ASN1_TYPE *value = X509_ATTRIBUTE_get0_type(attribute, 0);
  if (ASN1_TYPE_get(value) != V_ASN1_SEQUENCE)
    return refuse(error, "extensionRequest is not a list"), NULL;
  g_autoptr(GBytes) octets = openssl_string_octets(value->value.sequence);
  g_autoptr(X509_EXTENSIONS) list = der_decode(octets, ASN1_ITEM_rptr(X509_EXTENSIONS));
  if (list == NULL || sk_X509_EXTENSION_num(list) == 0)
    return refuse(error, "extensionRequest is empty or not DER"), NULL;
  return g_steal_pointer(&list);
}

/* A list that OpenSSL keeps as it came: its length may be indefinite, which no DER has. */
static gboolean has_indefinite_value(X509_ATTRIBUTE *attribute) {
  for (int i = 0; i < X509_ATTRIBUTE_count(attribute); i++) {
    const ASN1_TYPE *value = X509_ATTRIBUTE_get0_type(attribute, i);
    int type = ASN1_TYPE_get(value), tag = 0, class = 0;
    if (type != V_ASN1_SEQUENCE && type != V_ASN1_SET && type != V_ASN1_OTHER)
      continue;
    const ASN1_STRING *kept = value->value.asn1_string;
    const guint8 *octets = ASN1_STRING_get0_data(kept);
    long length = 0;
    if ((ASN1_get_object(&octets, &length, &tag, &class, ASN1_STRING_length(kept)) & 1) != 0)
      return TRUE;
  }
  return FALSE;
}

static X509_EXTENSIONS *read_attributes(const RequestInfo *info, GError **error) {
  X509_ATTRIBUTE *found = NULL;
  for (int i = 0; i < sk_X509_ATTRIBUTE_num(info->attributes); i++) {
    X509_ATTRIBUTE *attribute = sk_X509_ATTRIBUTE_value(info->attributes, i);
    int nid = OBJ_obj2nid(X509_ATTRIBUTE_get0_object(attribute));
    if (X509_ATTRIBUTE_count(attribute) == 0)
      return refuse(error, "an attribute of the request has no value"), NULL;
    if (has_indefinite_value(attribute))
      return refuse(error, "an attribute of the request is not DER"), NULL;
    if (!csr_type_is_served(X509_ATTRIBUTE_get0_object(attribute), error))
      return NULL;
    if (nid == NID_pkcs9_challengePassword)
      return refuse(error, "the request has a challengePassword; leave it out"), NULL;
    if (nid == NID_ms_ext_req || (nid == NID_ext_req && found != NULL))
      return refuse(error, "the request has more than one list of extensions"), NULL;
    if (nid == NID_ext_req)
      found = attribute;
  }
  if (found == NULL)
    return refuse(error, "the request has no extensionRequest with a subjectAltName"), NULL;
  return read_extension_request(found, error);
}

static gboolean names_mailbox(GPtrArray *mailboxes, const char *text) {
  g_autoptr(Mailbox) mailbox = mailbox_parse(text, NULL);
  if (mailbox == NULL)
    return FALSE;
  for (guint i = 0; i < mailboxes->len; i++)
    if (mailbox_equal(mailboxes->pdata[i], mailbox, FALSE))
      return TRUE;
  return FALSE;
}

/* CN and emailAddress repeat addresses of the SAN; other attributes are ignored. */
static gboolean check_subject(const X509_NAME *subject, GPtrArray *mailboxes, GError **error) {
  for (int i = 0; i < X509_NAME_entry_count(subject); i++) {
    const X509_NAME_ENTRY *entry = X509_NAME_get_entry(subject, i);
    int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
    if (nid != NID_commonName && nid != NID_pkcs9_emailAddress)
      continue;
    g_autofree char *text = san_text(X509_NAME_ENTRY_get_data(entry));
    if (text == NULL || !names_mailbox(mailboxes, text))
      return refuse(error, nid == NID_commonName
                               ? "the subject's CN is not one of the subjectAltName's addresses"
                               : "the subject's emailAddress is not one of the subjectAltName's "
                                 "addresses");
  }
  return TRUE;
}

Csr *csr_parse(GBytes *der, CsrNames names, GError **error) {
  if (g_bytes_get_size(der) > CSR_MAX_OCTETS)
    return refuse(error, "the request is too long"), NULL;
  g_autoptr(Request) request = der_decode(der, ASN1_ITEM_rptr(Request));
  if (request == NULL || !der_is_name(request->info->subject))
    return refuse(error, "the request is not DER of RFC 2986"), NULL;
  if (ASN1_INTEGER_get(request->info->version) != X509_REQ_VERSION_1)
    return refuse(error, "the request is not version 1"), NULL;
  g_autoptr(Csr) csr = g_new0(Csr, 1);
  csr->spki = der_encode(request->info->key, ASN1_ITEM_rptr(RequestKey));
  if (!key_check(csr->spki, KEY_SUBSCRIBER, NULL, error) ||
      !check_signature(request, csr->spki, error))
    return NULL;
  g_autoptr(X509_EXTENSIONS) extensions = read_attributes(request->info, error);
  if (extensions == NULL || !csr_read_extensions(csr, extensions, names, error) ||
      !check_subject(request->info->subject, csr->mailboxes, error))
    return NULL;
  return g_steal_pointer(&csr);
}

void csr_free(Csr *csr) {
  if (csr == NULL)
    return;
  g_clear_pointer(&csr->spki, g_bytes_unref);
  g_clear_pointer(&csr->mailboxes, g_ptr_array_unref);
  g_free(csr);
}

/* The first of these that is not among those; NULL when all are. */
static const Mailbox *first_missing(GPtrArray *these, GPtrArray *those) {
  g_autoptr(GHashTable) set = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < those->len; i++)
    g_hash_table_add(set, ((Mailbox *)those->pdata[i])->canonical);
  for (guint i = 0; i < these->len; i++)
    if (!g_hash_table_contains(set, ((Mailbox *)these->pdata[i])->canonical))
      return these->pdata[i];
  return NULL;
}

gboolean csr_matches(const Csr *csr, GPtrArray *order, GError **error) {
  const Mailbox *extra = first_missing(csr->mailboxes, order);
  if (extra != NULL) {
    g_set_error(error, CA_ERROR, CA_ERROR_BAD_CSR, "the request names %s, the order does not",
                extra->address);
    return FALSE;
  }
  const Mailbox *absent = first_missing(order, csr->mailboxes);
  if (absent != NULL) {
    g_set_error(error, CA_ERROR, CA_ERROR_BAD_CSR, "the order names %s, the request does not",
                absent->address);
    return FALSE;
  }
  return TRUE;
}
