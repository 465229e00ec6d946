/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/ca_key.h"
#include "daemon/pem_key.h"

#include <openssl/crypto.h>
#include <string.h>

char *ca_key_name(const char *group, const char *name) {
  return g_strconcat(group, ".", name, NULL);
}

gboolean ca_key_in_token(const Config *config, const char *group) {
  g_autofree char *key = ca_key_name(group, "key");
  return pkcs11_is_uri(config_text(config, key));
}

static void forget(char *pin) {
  if (pin != NULL)
    OPENSSL_cleanse(pin, strlen(pin));
  g_free(pin);
}

gboolean ca_key_open(const Config *config, const char *group, GBytes *pin, Issuer *issuer,
                     Pkcs11 **pkcs11, GError **error) {
  g_autofree char *name = ca_key_name(group, "key");
  if (!pkcs11_check_uri(config_text(config, name), error))
    return FALSE;
  if (*pkcs11 == NULL)
    *pkcs11 = pkcs11_open(config_text(config, "ca.pkcs11-module"), error);
  if (*pkcs11 == NULL)
    return FALSE;
  char *line = pin != NULL ? pem_first_line(pin) : NULL;
  EVP_PKEY *key = pkcs11_private_key(*pkcs11, config_text(config, name), line, error);
  forget(line);
  return key != NULL && issuer_take_key(issuer, key, error);
}
