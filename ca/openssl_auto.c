/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/openssl_auto.h"

#include <openssl/err.h>

gpointer openssl_must(gpointer pointer) {
  if (pointer == NULL)
    g_error("OpenSSL: out of memory");
  return pointer;
}

void openssl_check(gboolean done) {
  if (!done)
    g_error("OpenSSL: out of memory");
}

gboolean openssl_fail(GError **error, CaError code, const char *what) {
  const char *reason = ERR_reason_error_string(ERR_peek_error());
  if (reason != NULL)
    g_set_error(error, CA_ERROR, code, "%s (%s)", what, reason);
  else
    g_set_error_literal(error, CA_ERROR, code, what);
  ERR_clear_error();
  return FALSE;
}

GBytes *openssl_string_octets(const ASN1_STRING *string) {
  return g_bytes_new(ASN1_STRING_get0_data(string), (gsize)ASN1_STRING_length(string));
}

char *openssl_bio_text(BIO *bio) {
  char *data = NULL;
  long length = BIO_get_mem_data(bio, &data);
  return g_strndup(data, (gsize)length);
}

GBytes *openssl_name_octets(const X509_NAME *name) {
  const guint8 *octets = NULL;
  gsize length = 0;
  openssl_check(X509_NAME_get0_der(name, &octets, &length) == 1);
  return g_bytes_new(octets, length);
}
