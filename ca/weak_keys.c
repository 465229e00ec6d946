/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/weak_keys.h"

#include "base/hex.h"
#include "base/public_key.h"
#include "ca/key.h"
#include "ca/openssl_auto.h"

#include <openssl/core_names.h>
#include <stdlib.h>
#include <string.h>

#define MODULUS_OCTETS 10 /* of an entry */
#define SPKI_OCTETS 15
#define DIGEST_OCTETS 32

/* Each a sorted array of entries of one size: a million of them in 10 or 15 MB. */
struct WeakKeys {
  GByteArray *moduli, *spkis;
};

static int compare_moduli(const void *a, const void *b) {
  return memcmp(a, b, MODULUS_OCTETS);
}

static int compare_spkis(const void *a, const void *b) {
  return memcmp(a, b, SPKI_OCTETS);
}

static gboolean add_line(WeakKeys *keys, const char *line, gsize length) {
  g_autofree char *text = g_strndup(line, length);
  g_strstrip(text);
  if (*text == '\0' || *text == '#')
    return TRUE;
  gsize digits = strlen(text);
  g_autoptr(GBytes) octets =
      strchr(text, ':') == NULL && digits % 2 == 0 ? hex_decode(text, DIGEST_OCTETS) : NULL;
  gsize size = octets != NULL ? g_bytes_get_size(octets) : 0;
  if (size == MODULUS_OCTETS)
    g_byte_array_append(keys->moduli, g_bytes_get_data(octets, NULL), MODULUS_OCTETS);
  else if (size >= SPKI_OCTETS)
    g_byte_array_append(keys->spkis, g_bytes_get_data(octets, NULL), SPKI_OCTETS);
  return size == MODULUS_OCTETS || size >= SPKI_OCTETS;
}

static gboolean add_file(WeakKeys *keys, GBytes *file, GError **error) {
  gsize length = 0;
  const char *text = g_bytes_get_data(file, &length);
  const char *end = text + length;
  guint before = weak_keys_count(keys);
  for (guint number = 1; text < end; number++) {
    const char *line_end = memchr(text, '\n', (gsize)(end - text));
    if (line_end == NULL)
      line_end = end;
    if (!add_line(keys, text, (gsize)(line_end - text))) {
      g_set_error(error, CA_ERROR, CA_ERROR_FILE,
                  "line %u is neither 20 nor 30 to 64 hexadecimal digits", number);
      return FALSE;
    }
    text = line_end + 1;
  }
  if (weak_keys_count(keys) == before)
    g_set_error(error, CA_ERROR, CA_ERROR_FILE, "there is no entry in it");
  return weak_keys_count(keys) > before;
}

WeakKeys *weak_keys_new(GPtrArray *files, GError **error) {
  g_autoptr(WeakKeys) keys = g_new0(WeakKeys, 1);
  keys->moduli = g_byte_array_sized_new(MODULUS_OCTETS);
  keys->spkis = g_byte_array_sized_new(SPKI_OCTETS);
  for (guint i = 0; i < files->len; i++)
    if (!add_file(keys, files->pdata[i], error))
      return NULL;
  qsort(keys->moduli->data, keys->moduli->len / MODULUS_OCTETS, MODULUS_OCTETS, compare_moduli);
  qsort(keys->spkis->data, keys->spkis->len / SPKI_OCTETS, SPKI_OCTETS, compare_spkis);
  return g_steal_pointer(&keys);
}

void weak_keys_free(WeakKeys *keys) {
  if (keys == NULL)
    return;
  g_byte_array_unref(keys->moduli);
  g_byte_array_unref(keys->spkis);
  g_free(keys);
}

guint weak_keys_count(const WeakKeys *keys) {
  return keys->moduli->len / MODULUS_OCTETS + keys->spkis->len / SPKI_OCTETS;
}

/* The octets that a list has for an RSA key; FALSE for another. */
static gboolean modulus_entry(GBytes *spki, guint8 entry[MODULUS_OCTETS]) {
  g_autoptr(EVP_PKEY) key = public_key_read(g_bytes_get_data(spki, NULL), g_bytes_get_size(spki));
  BIGNUM *n = NULL;
  if (key == NULL || EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA ||
      EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) != 1)
    return FALSE;
  char *digits = BN_bn2hex(n);
  g_autofree char *line = g_strconcat("Modulus=", digits, "\n", NULL);
  OPENSSL_free(digits);
  BN_free(n);
  g_autofree char *hash = g_compute_checksum_for_string(G_CHECKSUM_SHA1, line, -1);
  g_autoptr(GBytes) last = hex_decode(hash + strlen(hash) - 2 * MODULUS_OCTETS, MODULUS_OCTETS);
  memcpy(entry, g_bytes_get_data(last, NULL), MODULUS_OCTETS);
  return TRUE;
}

gboolean weak_keys_have(const WeakKeys *keys, GBytes *spki) {
  guint8 entry[MODULUS_OCTETS];
  if (keys == NULL)
    return FALSE;
  g_autoptr(GBytes) digest = key_digest(spki);
  if (keys->spkis->len > 0 &&
      bsearch(g_bytes_get_data(digest, NULL), keys->spkis->data, keys->spkis->len / SPKI_OCTETS,
              SPKI_OCTETS, compare_spkis) != NULL)
    return TRUE;
  return keys->moduli->len > 0 && modulus_entry(spki, entry) &&
         bsearch(entry, keys->moduli->data, keys->moduli->len / MODULUS_OCTETS, MODULUS_OCTETS,
                 compare_moduli) != NULL;
}
