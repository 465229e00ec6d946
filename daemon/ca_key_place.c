/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/ca_key_place.h"
#include "ca/ceremony.h"
#include "daemon/ctl.h"

#include <openssl/crypto.h>
#include <string.h>

void ca_key_place_clear(CaKeyPlace *place) {
  g_clear_pointer(&place->where, g_free);
  g_clear_pointer(&place->module, g_free);
  g_clear_pointer(&place->passphrase_file, g_free);
}

void ca_open_key_clear(CaOpenKey *open) {
  EVP_PKEY_free(open->key);
  pkcs11_close(open->pkcs11);
  open->key = NULL;
  open->pkcs11 = NULL;
}

void ca_key_place_forget(char *secret) {
  if (secret != NULL)
    OPENSSL_cleanse(secret, strlen(secret));
  g_free(secret);
}

static gboolean is_in_token(const CaKeyPlace *place) {
  return place->where != NULL && pkcs11_is_uri(place->where);
}

static gboolean fail(GError **error, const char *why) {
  g_set_error_literal(error, CA_ERROR, CA_ERROR_FILE, why);
  return FALSE;
}

static gboolean open_in_token(const CaKeyPlace *place, const char *pin, CaOpenKey *open,
                              GError **error) {
  if (!pkcs11_check_uri(place->where, error))
    return FALSE;
  if (place->module == NULL)
    return fail(error, "the key is in a token, and --pkcs11-module is not given");
  open->pkcs11 = pkcs11_open(place->module, error);
  if (open->pkcs11 != NULL)
    open->key = pkcs11_private_key(open->pkcs11, place->where, pin, error);
  return open->key != NULL;
}

gboolean ca_key_place_open(const CaKeyPlace *place, const char *file, CaOpenKey *open,
                           GError **error) {
  GError *failure = NULL;
  char *passphrase = ctl_passphrase(place->passphrase_file, &failure);
  if (failure != NULL) {
    g_propagate_error(error, failure);
    return FALSE;
  }
  gboolean good = FALSE;
  if (is_in_token(place)) {
    good = open_in_token(place, passphrase, open, error);
  } else {
    g_autoptr(GBytes) pem = ca_folder_read(place->where != NULL ? place->where : file, error);
    open->key = pem != NULL ? issuer_read_key(pem, passphrase, error) : NULL;
    good = open->key != NULL;
  }
  ca_key_place_forget(passphrase);
  return good;
}

gboolean ca_key_place_open_or_make(const CaKeyPlace *place, const char *type, CaOpenKey *open,
                                   char **passphrase, GError **error) {
  GError *failure = NULL;
  *passphrase = NULL;
  if (place->where != NULL)
    return ca_key_place_open(place, NULL, open, error);
  *passphrase = ctl_passphrase(place->passphrase_file, &failure);
  if (failure != NULL) {
    g_propagate_error(error, failure);
    return FALSE;
  }
  if (ceremony_check_passphrase(*passphrase, error))
    open->key = ceremony_make_key(type, error);
  return open->key != NULL;
}

Issuer *ca_key_place_root(const CaFolder *folder, const CaKeyPlace *place, CaOpenKey *open,
                          GError **error) {
  g_autofree char *path = ca_folder_file(folder, CA_FOLDER_ROOT);
  g_autofree char *key = ca_folder_file(folder, "root.key");
  g_autoptr(GBytes) pem = ca_folder_read(path, error);
  g_autoptr(Issuer) root = pem != NULL ? issuer_new(pem, NULL, NULL, error) : NULL;
  if (root == NULL)
    return NULL;
  if (!ceremony_is_root(root))
    return fail(error, "root.pem is no root: it is not signed by itself, or has a "
                       "pathLenConstraint"),
           NULL;
  if (!ca_folder_knows(folder, root->certificate, error) ||
      !ca_key_place_check(folder, place, "--root-key", error) ||
      !ca_key_place_open(place, key, open, error))
    return NULL;
  EVP_PKEY_up_ref(open->key);
  return issuer_take_key(root, open->key, error) ? g_steal_pointer(&root) : NULL;
}

gboolean ca_key_place_check(const CaFolder *folder, const CaKeyPlace *place, const char *what,
                            GError **error) {
  if (!folder->public_ca || is_in_token(place))
    return TRUE;
  g_set_error(error, CA_ERROR, CA_ERROR_PROFILE,
              "a public CA's key is in a token: give %s a pkcs11: URI", what);
  return FALSE;
}
