/* SPDX-License-Identifier: Apache-2.0 */
#include "mime/smime_sign.h"
#include "mime/mail_body.h"
#include "mime/raw_message.h"
#include "mime/smime_types.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

G_DEFINE_QUARK(signet - smime - error, smime_error)

struct SmimeSigner {
  X509 *certificate;
  EVP_PKEY *key;
  X509Stack *others; /* the rest of the chain */
};

static gpointer fail(GError **error, SmimeError code, const char *why) {
  ERR_clear_error();
  g_set_error_literal(error, SMIME_ERROR, code, why);
  return NULL;
}

void smime_signer_free(SmimeSigner *signer) {
  if (signer == NULL)
    return;
  X509_free(signer->certificate);
  EVP_PKEY_free(signer->key);
  x509_stack_free(signer->others);
  g_free(signer);
}

gboolean smime_signer_is_valid(const SmimeSigner *signer, gint64 now) {
  time_t at = (time_t)(now / 1000);
  return X509_cmp_time(X509_get0_notBefore(signer->certificate), &at) < 0 &&
         X509_cmp_time(X509_get0_notAfter(signer->certificate), &at) > 0;
}

static const char *refuse_chain(const SmimeSigner *signer) {
  X509 *below = signer->certificate;
  if (sk_X509_num(signer->others) >= SMIME_MAX_CHAIN)
    return "the file holds more than 8 certificates";
  for (int i = 0; i < sk_X509_num(signer->others); i++) {
    X509 *next = sk_X509_value(signer->others, i);
    if (X509_check_issued(next, below) != X509_V_OK ||
        X509_verify(below, X509_get0_pubkey(next)) != 1)
      return "the certificates of the file are no chain, each issued by the next";
    below = next;
  }
  return NULL;
}

static const char *refuse_certificate(const SmimeSigner *signer, const char *address, gint64 now) {
  const char *why = smime_refuse_use(signer->certificate);
  g_autofree char *mailbox = smime_mailbox(signer->certificate);
  if (why == NULL && (mailbox == NULL || g_ascii_strcasecmp(mailbox, address) != 0))
    why = "the first mail address of the certificate is not the one that the mails come from";
  if (why == NULL && !smime_signer_is_valid(signer, now))
    why = "the certificate is not valid yet or any more";
  return why != NULL ? why : refuse_chain(signer);
}

/* An empty passphrase, so that nothing is ever asked on a terminal. */
static int no_passphrase(char *buffer G_GNUC_UNUSED, int size G_GNUC_UNUSED,
                         int writing G_GNUC_UNUSED, void *user G_GNUC_UNUSED) {
  return -1;
}

SmimeSigner *smime_signer_new(GBytes *chain, GBytes *key, const char *address, gint64 now,
                              GError **error) {
  g_autoptr(SmimeSigner) signer = g_new0(SmimeSigner, 1);
  signer->others = smime_read_chain(chain);
  if (signer->others == NULL)
    return fail(error, SMIME_ERROR_CERTIFICATE, "holds no certificates in PEM");
  signer->certificate = sk_X509_shift(signer->others);
  const char *why = refuse_certificate(signer, address, now);
  if (why != NULL)
    return fail(error, SMIME_ERROR_CERTIFICATE, why);
  g_autoptr(BIO) file = BIO_new_mem_buf(g_bytes_get_data(key, NULL), (int)g_bytes_get_size(key));
  signer->key = PEM_read_bio_PrivateKey(file, NULL, no_passphrase, NULL);
  if (signer->key == NULL)
    return fail(error, SMIME_ERROR_KEY,
                "holds no private key in PEM that opens without passphrase");
  if (X509_check_private_key(signer->certificate, signer->key) != 1)
    return fail(error, SMIME_ERROR_KEY, "is not the key of the certificate");
  return g_steal_pointer(&signer);
}

/* --- SecureHeaderFields (RFC 7508), DER
 * -------------------------------------------------------- */

static void der_append(GByteArray *out, guint8 tag, const void *value, gsize length) {
  guint8 head[4] = {tag};
  guint size = 2;
  g_assert(length <= 0xffff);
  if (length < 0x80) {
    head[1] = (guint8)length;
  } else if (length < 0x100) {
    head[1] = 0x81;
    head[2] = (guint8)length;
    size = 3;
  } else {
    head[1] = 0x82;
    head[2] = (guint8)(length >> 8);
    head[3] = (guint8)length;
    size = 4;
  }
  g_byte_array_append(out, head, size);
  g_byte_array_append(out, value, (guint)length);
}

static void append_field(GByteArray *out, const RawField *field) {
  g_autofree char *value = raw_field_value(field);
  g_autofree char *relaxed = smime_relaxed(value);
  g_autofree char *name = g_ascii_strdown(field->text, (gssize)field->name_length);
  g_autoptr(GByteArray) pair = g_byte_array_new();
  der_append(pair, V_ASN1_VISIBLESTRING, name, strlen(name));
  der_append(pair, V_ASN1_UTF8STRING, relaxed, strlen(relaxed));
  der_append(out, V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED, pair->data, pair->len);
}

static GByteArray *secure_header_fields(const RawMessage *header) {
  static const guint8 relaxed = SMIME_CANON_RELAXED;
  g_autoptr(GByteArray) fields = g_byte_array_new();
  g_autoptr(GByteArray) set = g_byte_array_new();
  for (guint i = 0; i < header->fields->len; i++)
    append_field(fields, raw_message_field(header, i));
  der_append(set, V_ASN1_ENUMERATED, &relaxed, 1);
  der_append(set, V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED, fields->data, fields->len);
  GByteArray *der = g_byte_array_new();
  der_append(der, V_ASN1_SET | V_ASN1_CONSTRUCTED, set->data, set->len);
  return der;
}

/* --- signing
 * ----------------------------------------------------------------------------------- */

static gboolean add_attribute(CMS_SignerInfo *info, const RawMessage *header) {
  g_autoptr(ASN1_OBJECT) type = OBJ_txt2obj(SMIME_SECURE_HEADER_FIELDS, 1);
  g_autoptr(GByteArray) value = secure_header_fields(header);
  return type != NULL &&
         CMS_signed_add1_attr_by_OBJ(info, type, V_ASN1_SET, value->data, (int)value->len) == 1;
}

static GBytes *take_der(guint8 *der, int length) {
  GBytes *bytes = g_bytes_new(der, (gsize)length);
  OPENSSL_free(der);
  return bytes;
}

/* A detached signature over content, DER; NULL when it cannot be made. */
static GBytes *sign(const SmimeSigner *signer, const char *content, const RawMessage *header) {
  const unsigned flags = CMS_PARTIAL | CMS_DETACHED | CMS_BINARY;
  g_autoptr(CMS_ContentInfo) cms = CMS_sign(NULL, NULL, signer->others, NULL, flags);
  CMS_SignerInfo *info = cms != NULL ? CMS_add1_signer(cms, signer->certificate, signer->key,
                                                       EVP_sha256(), flags | CMS_NOSMIMECAP)
                                     : NULL;
  g_autoptr(BIO) octets = BIO_new_mem_buf(content, -1);
  guint8 *der = NULL;
  if (info == NULL || !add_attribute(info, header) || CMS_final(cms, octets, NULL, flags) != 1)
    return NULL;
  int length = i2d_CMS_ContentInfo(cms, &der);
  return length > 0 ? take_der(der, length) : NULL;
}

char *smime_sign(const SmimeSigner *signer, const char *fields, const char *entity,
                 const char *seed, GError **error) {
  const char *why = NULL;
  g_autofree char *content = g_strconcat(fields, entity, NULL);
  g_autofree char *header_text = g_strconcat(fields, "\r\n", NULL);
  g_autoptr(GBytes) header_octets = g_bytes_new(header_text, strlen(header_text));
  g_autoptr(RawMessage) header = raw_message_new(header_octets, &why);
  g_autoptr(GBytes) der = header != NULL ? sign(signer, content, header) : NULL;
  if (der == NULL)
    return fail(error, SMIME_ERROR_SIGN, why != NULL ? why : "the key does not sign");
  g_autofree char *boundary = mail_body_boundary(seed, "signed");
  g_autofree char *base64 = mail_body_base64(der);
  return g_strdup_printf("Content-Type: multipart/signed;\r\n"
                         "\tprotocol=\"application/pkcs7-signature\"; micalg=sha-256;\r\n"
                         "\tboundary=\"%s\"\r\n"
                         "Content-Transfer-Encoding: 7bit\r\n\r\n"
                         "--%s\r\n%s\r\n"
                         "--%s\r\n"
                         "Content-Type: application/pkcs7-signature; name=\"smime.p7s\"\r\n"
                         "Content-Transfer-Encoding: base64\r\n"
                         "Content-Disposition: attachment; filename=\"smime.p7s\"\r\n\r\n"
                         "%s--%s--\r\n",
                         boundary, boundary, content, boundary, base64, boundary);
}
