/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/pem_key.h"

#include <openssl/pem.h>
#include <string.h>

G_DEFINE_QUARK(signet - pem - error - quark, pem_error)

static BIO *open_bytes(GBytes *bytes) {
  return BIO_new_mem_buf(g_bytes_get_data(bytes, NULL), (int)g_bytes_get_size(bytes));
}

/* An empty passphrase, so that nothing is ever asked on a terminal. */
static int no_passphrase(char *buffer G_GNUC_UNUSED, int size G_GNUC_UNUSED,
                         int writing G_GNUC_UNUSED, void *user G_GNUC_UNUSED) {
  return -1;
}

EVP_PKEY *pem_private_key(GBytes *pem, GError **error) {
  BIO *file = open_bytes(pem);
  EVP_PKEY *key = PEM_read_bio_PrivateKey(file, NULL, no_passphrase, NULL);
  BIO_free(file);
  if (key == NULL)
    g_set_error(error, PEM_ERROR, PEM_ERROR_CONTENT,
                "holds no private key in PEM that opens without passphrase");
  return key;
}

X509 *pem_first_certificate(GBytes *pem) {
  BIO *file = open_bytes(pem);
  X509 *first = PEM_read_bio_X509(file, NULL, no_passphrase, NULL);
  BIO_free(file);
  return first;
}

gboolean pem_has_certificate(GBytes *pem) {
  X509 *first = pem_first_certificate(pem);
  X509_free(first);
  return first != NULL;
}

char *pem_first_line(GBytes *file) {
  char *line = g_strndup(g_bytes_get_data(file, NULL), g_bytes_get_size(file));
  line[strcspn(line, "\r\n")] = '\0';
  return line;
}

static gboolean use_chain(SSL_CTX *context, GBytes *chain, GError **error) {
  BIO *file = open_bytes(chain);
  X509 *leaf = PEM_read_bio_X509(file, NULL, no_passphrase, NULL);
  gboolean good = leaf != NULL && SSL_CTX_use_certificate(context, leaf) == 1;
  X509_free(leaf);
  for (X509 *next = NULL;
       good && (next = PEM_read_bio_X509(file, NULL, no_passphrase, NULL)) != NULL;)
    good = SSL_CTX_add0_chain_cert(context, next) == 1;
  BIO_free(file);
  if (!good)
    g_set_error(error, PEM_ERROR, PEM_ERROR_CONTENT, "holds no certificate in PEM");
  return good;
}

SSL_CTX *pem_tls_context(GBytes *chain, GBytes *key_pem, GError **error) {
  SSL_CTX *context = SSL_CTX_new(TLS_server_method());
  EVP_PKEY *key = pem_private_key(key_pem, error);
  gboolean good = key != NULL && use_chain(context, chain, error);
  if (good &&
      (SSL_CTX_use_PrivateKey(context, key) != 1 || SSL_CTX_check_private_key(context) != 1)) {
    g_set_error(error, PEM_ERROR, PEM_ERROR_MISMATCH,
                "the TLS key does not belong to the TLS certificate");
    good = FALSE;
  }
  EVP_PKEY_free(key);
  if (!good) {
    SSL_CTX_free(context);
    return NULL;
  }
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  return context;
}
