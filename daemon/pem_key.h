/* SPDX-License-Identifier: Apache-2.0 */
/* Keys, passwords and TLS contexts from files that the parent opened. */
#ifndef SIGNET_DAEMON_PEM_KEY_H
#define SIGNET_DAEMON_PEM_KEY_H

#include <glib.h>
#include <openssl/ssl.h>

#define PEM_ERROR (pem_error_quark())
GQuark pem_error_quark(void);
typedef enum { PEM_ERROR_CONTENT, PEM_ERROR_MISMATCH } PemError;

/* The first private key of a PEM file; not encrypted. */
EVP_PKEY *pem_private_key(GBytes *pem, GError **error);

/* NULL: there is none. The caller frees it. */
X509 *pem_first_certificate(GBytes *pem);
gboolean pem_has_certificate(GBytes *pem);

/* Of a file with a password, without its line end; the caller frees it. */
char *pem_first_line(GBytes *file);

/* A server's TLS context: chain and key, TLS 1.2 and above; PEM_ERROR_MISMATCH when they do not
   belong together. */
SSL_CTX *pem_tls_context(GBytes *chain, GBytes *key, GError **error);

#endif
