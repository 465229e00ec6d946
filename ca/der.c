/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/der.h"

#include "ca/openssl_auto.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/provider.h>
#include <string.h>

static void free_octets(gpointer octets) {
  OPENSSL_free(octets);
}

GBytes *der_take(guint8 *octets, int length) {
  if (length < 0)
    g_error("OpenSSL: cannot encode");
  return g_bytes_new_with_free_func(octets, (gsize)length, free_octets, octets);
}

GBytes *der_encode(gconstpointer value, const ASN1_ITEM *item) {
  guint8 *octets = NULL;
  int length = ASN1_item_i2d(value, &octets, item);
  return der_take(octets, length);
}

static GBytes *construct(int tag, int class, GBytes *const *elements) {
  gsize length = 0, size;
  for (GBytes *const *element = elements; *element != NULL; element++)
    length += g_bytes_get_size(*element);
  gsize whole = (gsize)ASN1_object_size(TRUE, (int)length, tag);
  guint8 *der = g_malloc(whole), *to = der;
  ASN1_put_object(&to, TRUE, (int)length, tag, class);
  for (GBytes *const *element = elements; *element != NULL; element++, to += size)
    memcpy(to, g_bytes_get_data(*element, &size), g_bytes_get_size(*element));
  return g_bytes_new_take(der, whole);
}

GBytes *der_sequence(GBytes *const *elements) {
  return construct(V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL, elements);
}

GBytes *der_tagged(int tag, GBytes *element) {
  return construct(tag, V_ASN1_CONTEXT_SPECIFIC, (GBytes *[]){element, NULL});
}

/* A library context whose one provider has no algorithms. */
static gpointer make_keyless(gpointer unused G_GNUC_UNUSED) {
  OSSL_LIB_CTX *context = openssl_must(OSSL_LIB_CTX_new());
  openssl_check(OSSL_PROVIDER_load(context, "null") != NULL);
  return context;
}

static gpointer decode(GBytes *der, const ASN1_ITEM *item, OSSL_LIB_CTX *context) {
  gsize length;
  const guint8 *octets = g_bytes_get_data(der, &length);
  if (octets == NULL || length > G_MAXINT)
    return NULL;
  ASN1_VALUE *value = ASN1_item_d2i_ex(NULL, &octets, (long)length, item, context, NULL);
  if (value == NULL) {
    ERR_clear_error();
    return NULL;
  }
  g_autoptr(GBytes) again = der_encode(value, item);
  if (g_bytes_equal(again, der))
    return value;
  ASN1_item_free(value, item);
  return NULL;
}

gpointer der_decode(GBytes *der, const ASN1_ITEM *item) {
  return decode(der, item, NULL);
}

gpointer der_decode_keyless(GBytes *der, const ASN1_ITEM *item) {
  static GOnce once = G_ONCE_INIT;
  return decode(der, item, g_once(&once, make_keyless, NULL));
}

typedef struct {
  gboolean constructed;
  int tag, class;
  long length; /* of the content */
} Header;

/* Moves *at behind the header of an element that ends at end at the latest; FALSE when none is
   there, or one of indefinite length. */
static gboolean read_header(const guint8 **at, const guint8 *end, Header *header) {
  int form = ASN1_get_object(at, &header->length, &header->tag, &header->class, end - *at);
  header->constructed = form == V_ASN1_CONSTRUCTED;
  if (form == 0 || header->constructed)
    return TRUE;
  ERR_clear_error();
  return FALSE;
}

gboolean der_is_sequence(GBytes *der) {
  gsize size = 0;
  const guint8 *octets = g_bytes_get_data(der, &size), *at = octets;
  Header header;
  return size > 0 && read_header(&at, octets + size, &header) && header.constructed &&
         header.tag == V_ASN1_SEQUENCE && header.class == V_ASN1_UNIVERSAL &&
         at + header.length == octets + size;
}

GBytes *der_element(GBytes *der, guint n) {
  gsize size = 0;
  const guint8 *octets = g_bytes_get_data(der, &size), *at = octets, *from = NULL;
  Header header;
  if (!der_is_sequence(der) || !read_header(&at, octets + size, &header))
    return NULL;
  for (guint i = 0; i <= n; i++) {
    from = at;
    if (!read_header(&at, octets + size, &header))
      return NULL;
    at += header.length;
  }
  return g_bytes_new_from_bytes(der, (gsize)(from - octets), (gsize)(at - from));
}

gboolean der_is_name(const X509_NAME *name) {
  g_autoptr(X509_NAME) again = openssl_must(X509_NAME_new());
  int last = -1;
  for (int i = 0; i < X509_NAME_entry_count(name); i++) {
    const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
    int set = X509_NAME_ENTRY_set(entry) == last ? -1 : 0;
    last = X509_NAME_ENTRY_set(entry);
    openssl_check(X509_NAME_add_entry(again, entry, -1, set) == 1);
  }
  g_autoptr(GBytes) octets = openssl_name_octets(name);
  g_autoptr(GBytes) fresh = der_encode(again, ASN1_ITEM_rptr(X509_NAME));
  return g_bytes_equal(octets, fresh);
}

/* Encoded anew, all but the BOOLEAN has one form: absent for FALSE, 0xff for TRUE (X.690 sections
   11.1 and 11.5). OpenSSL keeps what it decoded there. */
gboolean der_is_extension(X509_EXTENSION *extension) {
  g_autoptr(GBytes) octets = der_encode(extension, ASN1_ITEM_rptr(X509_EXTENSION));
  gsize size = 0;
  const guint8 *at = g_bytes_get_data(octets, &size), *end = at + size;
  Header header;
  if (!read_header(&at, end, &header) || !read_header(&at, end, &header))
    return FALSE;
  at += header.length; /* the type */
  if (!read_header(&at, end, &header))
    return FALSE;
  return header.tag != V_ASN1_BOOLEAN || (header.length == 1 && *at == 0xff);
}
