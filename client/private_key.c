/* SPDX-License-Identifier: Apache-2.0 */
#include "client/private_key.h"

#include "client/failure.h"
#include "client/local_file.h"

#include <openssl/core_names.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <string.h>

static const struct {
  const char *name;
  const char *curve; /* NULL: RSA */
  guint bits;        /* of an RSA modulus */
} key_types[] = {
    {"P-256", "P-256", 0},    {"P-384", "P-384", 0},    {"RSA-2048", NULL, 2048},
    {"RSA-3072", NULL, 3072}, {"RSA-4096", NULL, 4096},
};

gboolean private_key_type_known(const char *name) {
  for (gsize i = 0; i < G_N_ELEMENTS(key_types); i++)
    if (strcmp(key_types[i].name, name) == 0)
      return TRUE;
  return FALSE;
}

EVP_PKEY *private_key_make(const char *type, GError **error) {
  for (gsize i = 0; i < G_N_ELEMENTS(key_types); i++) {
    if (strcmp(key_types[i].name, type) != 0)
      continue;
    EVP_PKEY *key = key_types[i].curve != NULL ? EVP_EC_gen(key_types[i].curve)
                                               : EVP_RSA_gen((size_t)key_types[i].bits);
    if (key == NULL)
      g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL, "no %s key could be made: %s", type,
                  client_openssl_reason());
    return key;
  }
  g_set_error(error, CLIENT_ERROR, CLIENT_USAGE, "unknown key type; known: " PRIVATE_KEY_TYPES);
  return NULL;
}

static char *curve_name(const char *group) {
  if (strcmp(group, "prime256v1") == 0)
    return g_strdup("P-256");
  return g_strdup(strcmp(group, "secp384r1") == 0 ? "P-384" : group);
}

char *private_key_type(EVP_PKEY *key) {
  char group[64] = "";
  if (EVP_PKEY_is_a(key, "RSA"))
    return g_strdup_printf("RSA-%d", EVP_PKEY_get_bits(key));
  if (EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, group, sizeof group, NULL) == 1)
    return curve_name(group);
  return g_strdup(EVP_PKEY_get0_type_name(key));
}

/* Keys with a pass phrase are not asked for it: the program must not stop at a prompt. */
static int no_pass_phrase(char *buffer, int size, int writing, void *user) {
  (void)buffer, (void)size, (void)writing, (void)user;
  return -1;
}

EVP_PKEY *private_key_load(const char *path, GError **error) {
  g_autoptr(GBytes) content = local_file_read(path, error);
  if (content == NULL)
    return NULL;
  gsize size = 0;
  const void *data = g_bytes_get_data(content, &size);
  g_autoptr(BIO) bio = BIO_new_mem_buf(data, (int)size);
  EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, NULL);
  if (key == NULL)
    g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL, "%s: not an unencrypted private key in PEM (%s)",
                path, client_openssl_reason());
  return key;
}

static gboolean save_new(EVP_PKEY *key, const char *path, GError **error) {
  g_autoptr(BIO) bio = BIO_new(BIO_s_secmem());
  if (PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1) {
    g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL, "%s: %s", path, client_openssl_reason());
    return FALSE;
  }
  char *data = NULL;
  long length = BIO_get_mem_data(bio, &data);
  g_autoptr(GBytes) content = g_bytes_new_static(data, (gsize)length);
  return local_file_write(path, content, 0600, LOCAL_FILE_NEW, error);
}

static EVP_PKEY *load_of_type(const char *path, const char *type, GError **error) {
  g_autoptr(EVP_PKEY) key = private_key_load(path, error);
  if (key == NULL)
    return NULL;
  g_autofree char *found = private_key_type(key);
  if (type != NULL && strcmp(found, type) != 0) {
    g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL,
                "%s holds a key of type %s, not %s; it is not overwritten", path, found, type);
    return NULL;
  }
  return g_steal_pointer(&key);
}

EVP_PKEY *private_key_load_or_make(const char *path, const char *type, gboolean *made,
                                   GError **error) {
  gboolean fresh = !g_file_test(path, G_FILE_TEST_EXISTS);
  if (made != NULL)
    *made = fresh;
  if (!fresh)
    return load_of_type(path, type, error);
  g_autofree char *folder = g_path_get_dirname(path);
  if (!local_file_make_folder(folder, error))
    return NULL;
  g_autoptr(GError) reason = NULL;
  g_autoptr(EVP_PKEY) key = private_key_make(type != NULL ? type : "P-256", error);
  if (key == NULL)
    return NULL;
  if (save_new(key, path, &reason))
    return g_steal_pointer(&key);
  /* Another run, at the same time, was first: its key is the one. */
  if (g_file_test(path, G_FILE_TEST_EXISTS))
    return load_of_type(path, type, error);
  g_propagate_error(error, g_steal_pointer(&reason));
  return NULL;
}
