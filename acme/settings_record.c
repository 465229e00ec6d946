/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/settings_record.h"
#include "acme/record.h"
#include "store/setting.h"

#include <string.h>

#define SEPARATOR " = "

static GHashTable *read_settings(const char *text) {
  GHashTable *settings = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  for (char **line = lines; *line != NULL; line++) {
    const char *middle = strstr(*line, SEPARATOR);
    if (middle != NULL)
      g_hash_table_replace(settings, g_strndup(*line, (gsize)(middle - *line)),
                           g_strdup(middle + strlen(SEPARATOR)));
  }
  return settings;
}

static gint compare_names(gconstpointer a, gconstpointer b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names of both, sorted; they belong to the tables. */
static GPtrArray *names_of(GHashTable *before, GHashTable *after) {
  GPtrArray *names = g_ptr_array_new();
  GHashTableIter iter;
  gpointer name = NULL;
  g_hash_table_iter_init(&iter, after);
  while (g_hash_table_iter_next(&iter, &name, NULL))
    g_ptr_array_add(names, name);
  g_hash_table_iter_init(&iter, before);
  while (g_hash_table_iter_next(&iter, &name, NULL))
    if (!g_hash_table_contains(after, name))
      g_ptr_array_add(names, name);
  g_ptr_array_sort(names, compare_names);
  return names;
}

/* The first configuration of a store is no change. */
static gboolean note_change(Acme *acme, gint64 now, const char *name, const char *from,
                            const char *to, gboolean first, GError **error) {
  if (g_strcmp0(from, to) == 0)
    return TRUE;
  return setting_set(acme->store, name, to, error) &&
         (first || record(acme, now, "configuration changed", (About){NULL}, error, "key", name,
                          "from", from, "to", to, NULL));
}

gboolean settings_record(Acme *acme, const char *settings, const char *when, GError **error) {
  gint64 now = clock_now(acme->clock);
  g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, settings, -1);
  g_autoptr(GHashTable) before = setting_list(acme->store, error);
  if (before == NULL || !record(acme, now, "configuration", (About){NULL}, error, "when", when,
                                "sha256", digest, NULL))
    return FALSE;
  g_autoptr(GHashTable) after = read_settings(settings);
  g_autoptr(GPtrArray) names = names_of(before, after);
  gboolean good = TRUE, first = g_hash_table_size(before) == 0;
  for (guint i = 0; good && i < names->len; i++)
    good = note_change(acme, now, names->pdata[i], g_hash_table_lookup(before, names->pdata[i]),
                       g_hash_table_lookup(after, names->pdata[i]), first, error);
  return good;
}
