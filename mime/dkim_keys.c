/* SPDX-License-Identifier: Apache-2.0 */
#include "mime/dkim_keys.h"

/* Invariant: neither table has more than DKIM_KEYS_KEPT keys, and no text is in both. Each goes
   from "a= record" to its DkimKey. */
struct DkimKeys {
  GHashTable *recent; /* used since it was last full */
  GHashTable *before; /* recent as it was then; what is used goes back */
};

static void free_key(gpointer key) {
  dkim_key_free(key);
}

static GHashTable *new_table(void) {
  return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_key);
}

DkimKeys *dkim_keys_new(void) {
  DkimKeys *keys = g_new0(DkimKeys, 1);
  keys->recent = new_table();
  keys->before = new_table();
  return keys;
}

void dkim_keys_free(DkimKeys *keys) {
  if (keys == NULL)
    return;
  g_hash_table_unref(keys->recent);
  g_hash_table_unref(keys->before);
  g_free(keys);
}

static void keep(DkimKeys *keys, char *name, DkimKey *key) {
  if (g_hash_table_size(keys->recent) >= DKIM_KEYS_KEPT) {
    g_hash_table_unref(keys->before);
    keys->before = g_steal_pointer(&keys->recent);
    keys->recent = new_table();
  }
  g_hash_table_insert(keys->recent, name, key);
}

const DkimKey *dkim_keys_read(DkimKeys *keys, const char *record, const char *algorithm,
                              const char **why) {
  g_autofree char *name = g_strconcat(algorithm, " ", record, NULL);
  DkimKey *key = g_hash_table_lookup(keys->recent, name);
  gpointer old_name = NULL, old_key = NULL;
  if (key != NULL)
    return key;
  if (g_hash_table_steal_extended(keys->before, name, &old_name, &old_key)) {
    keep(keys, old_name, old_key);
    return old_key;
  }
  key = dkim_key_read(record, algorithm, why);
  if (key != NULL)
    keep(keys, g_steal_pointer(&name), key);
  return key;
}
