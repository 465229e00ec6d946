/* SPDX-License-Identifier: Apache-2.0 */
#include "client/certificate_request.h"

#include "client/failure.h"

#include <string.h>

/* Bits of KeyUsage (RFC 5280 section 4.2.1.3). */
enum { DIGITAL_SIGNATURE = 0, KEY_ENCIPHERMENT = 2, KEY_AGREEMENT = 4 };

static GENERAL_NAME *rfc822_name(const char *address) {
  GENERAL_NAME *name = GENERAL_NAME_new();
  ASN1_IA5STRING *text = ASN1_IA5STRING_new();
  ASN1_STRING_set(text, address, (int)strlen(address));
  GENERAL_NAME_set0_value(name, GEN_EMAIL, text);
  return name;
}

static GENERAL_NAME *smtp_utf8_mailbox(const char *address) {
  GENERAL_NAME *name = GENERAL_NAME_new();
  ASN1_TYPE *value = ASN1_TYPE_new();
  ASN1_UTF8STRING *text = ASN1_UTF8STRING_new();
  ASN1_STRING_set(text, address, (int)strlen(address));
  ASN1_TYPE_set(value, V_ASN1_UTF8STRING, text);
  GENERAL_NAME_set0_othername(name, OBJ_nid2obj(NID_id_on_SmtpUTF8Mailbox), value);
  return name;
}

static gboolean add_names(ExtensionStack **extensions, const char *const *addresses) {
  g_autoptr(GENERAL_NAMES) names = sk_GENERAL_NAME_new_null();
  for (; *addresses != NULL; addresses++)
    sk_GENERAL_NAME_push(names, g_str_is_ascii(*addresses) ? rfc822_name(*addresses)
                                                           : smtp_utf8_mailbox(*addresses));
  return X509V3_add1_i2d(extensions, NID_subject_alt_name, names, 1, X509V3_ADD_DEFAULT) == 1;
}

static gboolean add_key_usage(ExtensionStack **extensions, EVP_PKEY *key, CertificateUsage usage) {
  g_autoptr(ASN1_BIT_STRING) bits = ASN1_BIT_STRING_new();
  if (usage != CERTIFICATE_USAGE_ENCRYPT)
    ASN1_BIT_STRING_set_bit(bits, DIGITAL_SIGNATURE, 1);
  if (usage != CERTIFICATE_USAGE_SIGN)
    ASN1_BIT_STRING_set_bit(bits, EVP_PKEY_is_a(key, "RSA") ? KEY_ENCIPHERMENT : KEY_AGREEMENT, 1);
  return X509V3_add1_i2d(extensions, NID_key_usage, bits, 1, X509V3_ADD_DEFAULT) == 1;
}

static gboolean add_extended_usage(ExtensionStack **extensions) {
  g_autoptr(EXTENDED_KEY_USAGE) usages = sk_ASN1_OBJECT_new_null();
  sk_ASN1_OBJECT_push(usages, OBJ_nid2obj(NID_email_protect));
  return X509V3_add1_i2d(extensions, NID_ext_key_usage, usages, 0, X509V3_ADD_DEFAULT) == 1;
}

static gboolean fill(X509_REQ *request, EVP_PKEY *key, const char *const *addresses,
                     CertificateUsage usage) {
  g_autoptr(ExtensionStack) extensions = sk_X509_EXTENSION_new_null();
  return add_names(&extensions, addresses) && add_key_usage(&extensions, key, usage) &&
         add_extended_usage(&extensions) &&
         X509_REQ_set_version(request, X509_REQ_VERSION_1) == 1 &&
         X509_REQ_set_pubkey(request, key) == 1 &&
         X509_REQ_add_extensions(request, extensions) == 1;
}

GBytes *certificate_request_new(EVP_PKEY *key, const char *const *addresses, CertificateUsage usage,
                                GError **error) {
  g_autoptr(X509_REQ) request = X509_REQ_new();
  int nid = NID_undef;
  /* Keys with a digest of their own (Ed25519) take none here. */
  gboolean own_digest = EVP_PKEY_get_default_digest_nid(key, &nid) == 2 && nid == NID_undef;
  guint8 *der = NULL;
  int length = -1;
  if (fill(request, key, addresses, usage) &&
      X509_REQ_sign(request, key, own_digest ? NULL : EVP_sha256()) > 0)
    length = i2d_X509_REQ(request, &der);
  if (length <= 0) {
    g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL, "the certificate request could not be made: %s",
                client_openssl_reason());
    return NULL;
  }
  GBytes *bytes = g_bytes_new(der, (gsize)length);
  OPENSSL_free(der);
  return bytes;
}
