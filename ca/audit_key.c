/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/audit_key.h"

#include "base/public_key.h"
#include "ca/der.h"
#include "ca/openssl_auto.h"
#include "ca/pem.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

/* The digest that a key of that type signs with; FALSE when it may not sign checkpoints. */
static gboolean digest_of_type(EVP_PKEY *key, const char **digest) {
  char group[64] = "";
  *digest = NULL;
  if (EVP_PKEY_is_a(key, "ED25519") == 1)
    return TRUE;
  *digest = "SHA256";
  gboolean p256 = EVP_PKEY_is_a(key, "EC") == 1 &&
                  EVP_PKEY_get_group_name(key, group, sizeof group, NULL) == 1 &&
                  strcmp(group, "prime256v1") == 0;
  ERR_clear_error();
  return p256;
}

static EVP_PKEY *check_type(EVP_PKEY *key, GError **error) {
  const char *digest = NULL;
  if (key == NULL || digest_of_type(key, &digest))
    return key;
  openssl_fail(error, CA_ERROR_FILE, "the audit key is neither Ed25519 nor P-256");
  EVP_PKEY_free(key);
  return NULL;
}

char *audit_key_text(EVP_PKEY *key) {
  g_autoptr(BIO) bio = openssl_must(BIO_new(BIO_s_mem()));
  openssl_check(PEM_write_bio_PUBKEY(bio, key) == 1);
  return openssl_bio_text(bio);
}

char *audit_key_make(const char *passphrase, char **public_pem) {
  g_autoptr(EVP_PKEY) key = openssl_must(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
  *public_pem = audit_key_text(key);
  return pem_write_private_key(key, passphrase);
}

/* OpenSSL's own default would ask at the terminal. */
static int give_passphrase(char *buffer, int size, int writing G_GNUC_UNUSED, void *user) {
  const char *passphrase = user;
  if (passphrase == NULL || strlen(passphrase) > (gsize)size)
    return -1;
  memcpy(buffer, passphrase, strlen(passphrase));
  return (int)strlen(passphrase);
}

static BIO *open_bytes(GBytes *bytes) {
  gsize length;
  const void *data = g_bytes_get_data(bytes, &length);
  return openssl_must(BIO_new_mem_buf(data != NULL ? data : "", (int)MIN(length, G_MAXINT)));
}

EVP_PKEY *audit_key_read(GBytes *pem, const char *passphrase, GError **error) {
  g_autoptr(BIO) bio = open_bytes(pem);
  EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, give_passphrase, (void *)passphrase);
  if (key == NULL)
    openssl_fail(error, CA_ERROR_FILE, "the audit key cannot be read; is the passphrase right?");
  return check_type(key, error);
}

EVP_PKEY *audit_key_read_public(GBytes *pem, GError **error) {
  g_autoptr(BIO) bio = open_bytes(pem);
  EVP_PKEY *key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
  if (key == NULL)
    openssl_fail(error, CA_ERROR_FILE, "the file holds no public key in PEM");
  return check_type(key, error);
}

GBytes *audit_key_spki(EVP_PKEY *key) {
  guint8 *octets = NULL;
  int length = i2d_PUBKEY(key, &octets);
  openssl_check(length > 0);
  return der_take(octets, length);
}

EVP_PKEY *audit_key_from_spki(GBytes *spki) {
  gsize size = 0;
  const guint8 *data = g_bytes_get_data(spki, &size);
  return check_type(size > 0 ? public_key_read(data, size) : NULL, NULL);
}

GBytes *audit_key_sign(EVP_PKEY *key, const AuditCheckpoint *checkpoint, GError **error) {
  g_autoptr(EVP_MD_CTX) context = openssl_must(EVP_MD_CTX_new());
  g_autoptr(GBytes) octets = audit_checkpoint_octets(checkpoint);
  gsize length, size = (gsize)MAX(EVP_PKEY_get_size(key), 0);
  const guint8 *data = g_bytes_get_data(octets, &length);
  const char *digest = NULL;
  g_autofree guint8 *signature = g_malloc(size + 1);
  if (!digest_of_type(key, &digest) ||
      EVP_DigestSignInit_ex(context, NULL, digest, NULL, NULL, key, NULL) != 1 ||
      EVP_DigestSign(context, signature, &size, data, length) != 1)
    return openssl_fail(error, CA_ERROR_SIGN, "the audit key cannot sign"), NULL;
  return g_bytes_new_take(g_steal_pointer(&signature), size);
}

gboolean audit_key_verify(EVP_PKEY *key, GBytes *octets, GBytes *signature) {
  g_autoptr(EVP_MD_CTX) context = openssl_must(EVP_MD_CTX_new());
  gsize length, size;
  const guint8 *data = g_bytes_get_data(octets, &length);
  const guint8 *mark = g_bytes_get_data(signature, &size);
  const char *digest = NULL;
  gboolean good = digest_of_type(key, &digest) &&
                  EVP_DigestVerifyInit_ex(context, NULL, digest, NULL, NULL, key, NULL) == 1 &&
                  EVP_DigestVerify(context, mark, size, data, length) == 1;
  ERR_clear_error();
  return good;
}
