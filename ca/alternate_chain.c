/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/alternate_chain.h"

#include "ca/der.h"
#include "ca/openssl_auto.h"
#include "ca/pem.h"

#include <openssl/err.h>
#include <openssl/pem.h>

/* Empty when something in the file cannot be read: a chain that is cut short would be another. */
static GPtrArray *read_certificates(GBytes *pem) {
  gsize length;
  const void *data = g_bytes_get_data(pem, &length);
  g_autoptr(BIO) bio =
      openssl_must(BIO_new_mem_buf(data != NULL ? data : "", (int)MIN(length, G_MAXINT)));
  GPtrArray *chain = g_ptr_array_new_with_free_func((GDestroyNotify)X509_free);
  X509 *next = NULL;
  while (chain->len <= ALTERNATE_CHAIN_MAX &&
         (next = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
    g_ptr_array_add(chain, next);
  if (next == NULL && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
    g_ptr_array_set_size(chain, 0);
  ERR_clear_error();
  return chain;
}

static const char *replacement_fault(X509 *first, X509 *own) {
  g_autoptr(GBytes) subject = openssl_name_octets(X509_get_subject_name(first));
  g_autoptr(GBytes) wanted = openssl_name_octets(X509_get_subject_name(own));
  const ASN1_OCTET_STRING *identifier = X509_get0_subject_key_id(first);
  if (!g_bytes_equal(subject, wanted))
    return "its subject is not octet for octet that of the issuing CA";
  if (X509_get0_pubkey(first) == NULL ||
      EVP_PKEY_eq(X509_get0_pubkey(first), X509_get0_pubkey(own)) != 1)
    return "its public key is not that of the issuing CA";
  if (identifier == NULL || ASN1_OCTET_STRING_cmp(identifier, X509_get0_subject_key_id(own)) != 0)
    return "its subjectKeyIdentifier is not that of the issuing CA";
  return NULL;
}

static const char *certificate_fault(X509 *certificate, X509 *issued, gint64 now) {
  time_t seconds = (time_t)(now / 1000);
  if (X509_check_ca(certificate) != 1)
    return "it is not a certificate of a CA";
  if (X509_cmp_time(X509_get0_notAfter(certificate), &seconds) <= 0)
    return "it has ended";
  if (issued != NULL && (X509_check_issued(certificate, issued) != X509_V_OK ||
                         X509_verify(issued, X509_get0_pubkey(certificate)) != 1))
    return "it did not issue the one before";
  return NULL;
}

static const char *fault_at(GPtrArray *chain, guint i, const Issuer *issuer, gint64 now) {
  const char *fault = i == 0 ? replacement_fault(chain->pdata[0], issuer->certificate) : NULL;
  return fault != NULL
             ? fault
             : certificate_fault(chain->pdata[i], i > 0 ? chain->pdata[i - 1] : NULL, now);
}

char *alternate_chain_read(GBytes *pem, const Issuer *issuer, gint64 now, GError **error) {
  g_autoptr(GPtrArray) chain = read_certificates(pem);
  if (chain->len == 0 || chain->len > ALTERNATE_CHAIN_MAX) {
    g_set_error(error, CA_ERROR, CA_ERROR_FILE, "the file does not hold 1 to %d PEM certificates",
                ALTERNATE_CHAIN_MAX);
    return NULL;
  }
  g_autoptr(GString) text = g_string_new(NULL);
  for (guint i = 0; i < chain->len; i++) {
    const char *fault = fault_at(chain, i, issuer, now);
    ERR_clear_error();
    if (fault != NULL) {
      g_set_error(error, CA_ERROR, CA_ERROR_MISMATCH, "certificate %u: %s", i + 1, fault);
      return NULL;
    }
    g_autoptr(GBytes) der = der_encode(chain->pdata[i], ASN1_ITEM_rptr(X509));
    g_autofree char *one = pem_certificate(der);
    g_string_append(text, one);
  }
  return g_strdup(text->str);
}
