/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/csr_extensions.h"

#include "ca/der.h"
#include "ca/openssl_auto.h"
#include "ca/san.h"

static gboolean refuse(GError **error, const char *why) {
  return openssl_fail(error, CA_ERROR_BAD_CSR, why);
}

static gboolean check_no_duplicates(const X509_EXTENSIONS *list, GError **error) {
  for (int i = 0; i < sk_X509_EXTENSION_num(list); i++) {
    const ASN1_OBJECT *type = X509_EXTENSION_get_object(sk_X509_EXTENSION_value(list, i));
    if (X509v3_get_ext_by_OBJ(list, type, i) >= 0)
      return refuse(error, "the request has an extension twice");
  }
  return TRUE;
}

/* The value of an extension: NULL with FALSE when it is not DER, NULL with TRUE when it is absent.
 */
static gboolean get(const X509_EXTENSIONS *list, int nid, const ASN1_ITEM *item, gpointer *value,
                    GError **error) {
  *value = NULL;
  int index = X509v3_get_ext_by_NID(list, nid, -1);
  if (index < 0)
    return TRUE;
  g_autoptr(GBytes) octets =
      openssl_string_octets(X509_EXTENSION_get_data(sk_X509_EXTENSION_value(list, index)));
  *value = der_decode(octets, item);
  if (*value != NULL)
    return TRUE;
  g_set_error(error, CA_ERROR, CA_ERROR_BAD_CSR, "the extension %s is not DER", OBJ_nid2ln(nid));
  return FALSE;
}

static gboolean add_mailbox(Csr *csr, GHashTable *seen, const GENERAL_NAME *name, GError **error) {
  g_autofree char *why = NULL;
  Mailbox *mailbox = san_mailbox(name, &why);
  if (mailbox == NULL) {
    g_set_error(error, CA_ERROR, CA_ERROR_BAD_CSR, "a name in the subjectAltName is refused: %s",
                why);
    return FALSE;
  }
  g_ptr_array_add(csr->mailboxes, mailbox);
  if (!g_hash_table_add(seen, mailbox->canonical))
    return refuse(error, "the subjectAltName has an address twice");
  return TRUE;
}

static gboolean read_names(Csr *csr, const X509_EXTENSIONS *list, GError **error) {
  g_autoptr(GENERAL_NAMES) names = NULL;
  g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
  gpointer value;
  if (!get(list, NID_subject_alt_name, ASN1_ITEM_rptr(GENERAL_NAMES), &value, error))
    return FALSE;
  names = value;
  if (names == NULL || sk_GENERAL_NAME_num(names) == 0)
    return refuse(error, "the request has no subjectAltName, or an empty one");
  csr->mailboxes = g_ptr_array_new_with_free_func((GDestroyNotify)mailbox_free);
  for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
    if (!add_mailbox(csr, seen, sk_GENERAL_NAME_value(names, i), error))
      return FALSE;
  return TRUE;
}

/* RFC 8823 section 3.3. keyEncipherment and keyAgreement are one wish: which bit the certificate
   gets is a matter of the key's type. */
static gboolean read_key_usage(Csr *csr, const X509_EXTENSIONS *list, GError **error) {
  enum { DIGITAL_SIGNATURE, NON_REPUDIATION, KEY_ENCIPHERMENT, DATA_ENCIPHERMENT, KEY_AGREEMENT };
  g_autoptr(ASN1_BIT_STRING) usage = NULL;
  gpointer value;
  if (!get(list, NID_key_usage, ASN1_ITEM_rptr(ASN1_BIT_STRING), &value, error))
    return FALSE;
  usage = value;
  csr->want_sign = csr->want_encrypt = usage == NULL;
  csr->want_non_repudiation = FALSE;
  if (usage == NULL)
    return TRUE;
  for (int bit = 0; bit < 8 * ASN1_STRING_length(usage); bit++)
    if (ASN1_BIT_STRING_get_bit(usage, bit) && (bit == DATA_ENCIPHERMENT || bit > KEY_AGREEMENT))
      return refuse(error, "the request's keyUsage has bits other than digitalSignature, "
                           "nonRepudiation, keyEncipherment and keyAgreement");
  csr->want_non_repudiation = ASN1_BIT_STRING_get_bit(usage, NON_REPUDIATION) != 0;
  csr->want_sign = csr->want_non_repudiation || ASN1_BIT_STRING_get_bit(usage, DIGITAL_SIGNATURE);
  csr->want_encrypt = ASN1_BIT_STRING_get_bit(usage, KEY_ENCIPHERMENT) ||
                      ASN1_BIT_STRING_get_bit(usage, KEY_AGREEMENT);
  if (!csr->want_sign && !csr->want_encrypt)
    return refuse(error, "the request's keyUsage is empty");
  return TRUE;
}

static gboolean check_purposes(const X509_EXTENSIONS *list, GError **error) {
  g_autoptr(EXTENDED_KEY_USAGE) purposes = NULL;
  gpointer value;
  if (!get(list, NID_ext_key_usage, ASN1_ITEM_rptr(EXTENDED_KEY_USAGE), &value, error))
    return FALSE;
  purposes = value;
  if (purposes == NULL)
    return TRUE;
  for (int i = 0; i < sk_ASN1_OBJECT_num(purposes); i++)
    if (OBJ_obj2nid(sk_ASN1_OBJECT_value(purposes, i)) == NID_email_protect)
      return TRUE;
  return refuse(error, "the request's extendedKeyUsage lacks emailProtection");
}

static gboolean check_not_ca(const X509_EXTENSIONS *list, GError **error) {
  g_autoptr(BASIC_CONSTRAINTS) constraints = NULL;
  gpointer value;
  if (!get(list, NID_basic_constraints, ASN1_ITEM_rptr(BASIC_CONSTRAINTS), &value, error))
    return FALSE;
  constraints = value;
  if (constraints != NULL && constraints->ca)
    return refuse(error, "the request asks for a CA certificate");
  return TRUE;
}

gboolean csr_read_extensions(Csr *csr, const X509_EXTENSIONS *list, GError **error) {
  return check_no_duplicates(list, error) && read_names(csr, list, error) &&
         read_key_usage(csr, list, error) && check_purposes(list, error) &&
         check_not_ca(list, error);
}
