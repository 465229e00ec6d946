/* SPDX-License-Identifier: Apache-2.0 */
/* Private keys that stay in a token (PKCS#11), named by a URI (RFC 7512). The one file that knows
   how OpenSSL reaches them. */
#ifndef SIGNET_CA_PKCS11_H
#define SIGNET_CA_PKCS11_H

#include "ca/issuer.h"

/* The module of a process, and the way to it: its code is in the process from now on, with the
   threads, files and sockets that it likes. Opened after exec, in the signer and in a process that
   checks a configuration, and nowhere else. */
typedef struct Pkcs11 Pkcs11;

/* Whether text is meant as such a URI, and not as a file. */
gboolean pkcs11_is_uri(const char *text);

/* Whether it names one private key: attributes of RFC 7512 in its path, "object" or "id" among
   them, and no query, since the PIN is in a file and the module in the configuration.
   CA_ERROR_FILE. */
gboolean pkcs11_check_uri(const char *uri, GError **error);

/* Loads a module (its path); once a process. CA_ERROR_MODULE. */
Pkcs11 *pkcs11_open(const char *module, GError **error);
void pkcs11_close(Pkcs11 *pkcs11);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Pkcs11, pkcs11_close)

/* Opens the token with pin (NULL: it needs none) and finds the key. CA_ERROR_PIN when the token
   refuses the PIN: asking again with the same one may lock the token. CA_ERROR_TOKEN otherwise; the
   messages tell a token that is not there from a key that is not in it. */
EVP_PKEY *pkcs11_private_key(Pkcs11 *pkcs11, const char *uri, const char *pin, GError **error);

#endif
