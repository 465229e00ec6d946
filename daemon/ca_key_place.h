/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that signetctl ca works with: in a file, or in a token named by a pkcs11: URI. */
#ifndef SIGNET_DAEMON_CA_KEY_PLACE_H
#define SIGNET_DAEMON_CA_KEY_PLACE_H

#include "ca/pkcs11.h"
#include "daemon/ca_folder.h"

/* Options that say where a key is; where NULL: the file that a command says. */
typedef struct {
  char *where, *module, *passphrase_file;
} CaKeyPlace;

void ca_key_place_clear(CaKeyPlace *place);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CaKeyPlace, ca_key_place_clear)

/* A key that is open; a token's stays so with it. */
typedef struct {
  EVP_PKEY *key;
  Pkcs11 *pkcs11;
} CaOpenKey;

void ca_open_key_clear(CaOpenKey *open);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CaOpenKey, ca_open_key_clear)

/* Opens the key at place, or in the file when place names none. */
gboolean ca_key_place_open(const CaKeyPlace *place, const char *file, CaOpenKey *open,
                           GError **error);

/* The same, or a new key of a type when place names none; passphrase: what shall encrypt that one
   (NULL: nothing), the caller clears and frees it. */
gboolean ca_key_place_open_or_make(const CaKeyPlace *place, const char *type, CaOpenKey *open,
                                   char **passphrase, GError **error);
/* Clears and frees what was secret; NULL: nothing. */
void ca_key_place_forget(char *secret);

/* The folder's root, with its key (with_key: place says where). It is checked to be a root. */
Issuer *ca_key_place_root(const CaFolder *folder, const CaKeyPlace *place, CaOpenKey *open,
                          GError **error);

/* A public CA's key is in a token (ca-rules 18). what: "--key". */
gboolean ca_key_place_check(const CaFolder *folder, const CaKeyPlace *place, const char *what,
                            GError **error);

#endif
