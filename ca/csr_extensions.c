/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/csr_extensions.h"

#include "ca/csr_unserved.h"
#include "ca/der.h"
#include "ca/openssl_auto.h"
#include "ca/san.h"

static gboolean refuse(GError **error, const char *why) {
  g_set_error_literal(error, CA_ERROR, CA_ERROR_BAD_CSR, why);
  return FALSE;
}

static gboolean check_each(const X509_EXTENSIONS *list, GError **error) {
  for (int i = 0; i < sk_X509_EXTENSION_num(list); i++) {
    X509_EXTENSION *extension = sk_X509_EXTENSION_value(list, i);
    const ASN1_OBJECT *type = X509_EXTENSION_get_object(extension);
    if (!der_is_extension(extension))
      return refuse(error, "an extension of the request is not DER");
    if (X509v3_get_ext_by_OBJ(list, type, i) >= 0)
      return refuse(error, "the request has an extension twice");
    if (!csr_type_is_served(type, error))
      return FALSE;
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

static GPtrArray *new_mailboxes(void) {
  return g_ptr_array_new_with_free_func((GDestroyNotify)mailbox_free);
}

static gboolean has_mailbox(GPtrArray *mailboxes, const Mailbox *mailbox) {
  for (guint i = 0; i < mailboxes->len; i++)
    if (mailbox_equal(mailboxes->pdata[i], mailbox, FALSE))
      return TRUE;
  return FALSE;
}

static gboolean add_mailbox(GPtrArray *mailboxes, const GENERAL_NAME *name,
                            Mailbox *(*read)(const GENERAL_NAME *name, char **why),
                            GError **error) {
  g_autofree char *why = NULL;
  g_autoptr(Mailbox) mailbox = read(name, &why);
  if (mailbox == NULL) {
    g_set_error(error, CA_ERROR, CA_ERROR_BAD_CSR, "a name in the subjectAltName is refused: %s",
                why);
    return FALSE;
  }
  if (has_mailbox(mailboxes, mailbox))
    return refuse(error, "the subjectAltName has an address twice");
  g_ptr_array_add(mailboxes, g_steal_pointer(&mailbox));
  return TRUE;
}

/* What the dNSNames repeat; they count when there are no others. */
static gboolean take_dns_names(Csr *csr, GPtrArray *dns, GError **error) {
  for (guint i = 0; csr->mailboxes->len > 0 && i < dns->len; i++)
    if (!has_mailbox(csr->mailboxes, dns->pdata[i]))
      return refuse(error, "a dNSName is an address that no rfc822Name of the request repeats");
  if (csr->mailboxes->len == 0)
    g_ptr_array_extend_and_steal(csr->mailboxes, g_ptr_array_ref(dns));
  return TRUE;
}

static gboolean add_names(Csr *csr, const GENERAL_NAMES *list, CsrNames names, GError **error) {
  g_autoptr(GPtrArray) dns = new_mailboxes();
  for (int i = 0; i < sk_GENERAL_NAME_num(list); i++) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(list, i);
    gboolean is_dns = name->type == GEN_DNS && names == CSR_NAMES_MAIL_AND_DNS;
    if (!add_mailbox(is_dns ? dns : csr->mailboxes, name, is_dns ? san_dns_mailbox : san_mailbox,
                     error))
      return FALSE;
  }
  return take_dns_names(csr, dns, error);
}

static gboolean read_names(Csr *csr, const X509_EXTENSIONS *list, CsrNames names, GError **error) {
  g_autoptr(GENERAL_NAMES) found = NULL;
  gpointer value;
  if (!get(list, NID_subject_alt_name, ASN1_ITEM_rptr(GENERAL_NAMES), &value, error))
    return FALSE;
  found = value;
  if (found == NULL || sk_GENERAL_NAME_num(found) == 0)
    return refuse(error, "the request has no subjectAltName, or an empty one");
  csr->mailboxes = new_mailboxes();
  return add_names(csr, found, names, error);
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
  csr->has_usage = usage != NULL;
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

static gboolean check_policies(const X509_EXTENSIONS *list, GError **error) {
  g_autoptr(CERTIFICATEPOLICIES) policies = NULL;
  gpointer value;
  if (!get(list, NID_certificate_policies, ASN1_ITEM_rptr(CERTIFICATEPOLICIES), &value, error))
    return FALSE;
  policies = value;
  return csr_policies_are_served(policies, error);
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

gboolean csr_read_extensions(Csr *csr, const X509_EXTENSIONS *list, CsrNames names,
                             GError **error) {
  return check_each(list, error) && read_names(csr, list, names, error) &&
         read_key_usage(csr, list, error) && check_purposes(list, error) &&
         check_policies(list, error) && check_not_ca(list, error);
}
