/* SPDX-License-Identifier: Apache-2.0 */
#include "client/renewal_list.h"

#include "client/failure.h"
#include "client/local_file.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

static void free_entry(gpointer user) {
  RenewalEntry *entry = user;
  g_strfreev(entry->addresses);
  g_free(entry->name);
  g_free(entry);
}

static char **split_line(const char *line) {
  g_auto(GStrv) words = g_strsplit_set(line, " \t\r,", -1);
  GStrvBuilder *builder = g_strv_builder_new();
  for (char **word = words; *word != NULL && (*word)[0] != '#'; word++)
    if ((*word)[0] != '\0')
      g_strv_builder_add(builder, *word);
  char **addresses = g_strv_builder_end(builder);
  g_strv_builder_unref(builder);
  return addresses;
}

static RenewalEntry *new_entry(guint line, char **addresses) {
  RenewalEntry *entry = g_new0(RenewalEntry, 1);
  entry->line = line;
  entry->addresses = addresses;
  g_autofree char *lower = g_utf8_strdown(addresses[0], -1);
  entry->name = g_strdelimit(g_steal_pointer(&lower), "/", '_');
  return entry;
}

static gboolean add_line(GPtrArray *entries, GHashTable *names, const char *line, guint number,
                         const char *path, GError **error) {
  g_auto(GStrv) addresses = g_utf8_validate(line, -1, NULL) ? split_line(line) : NULL;
  if (addresses == NULL) {
    g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL, "%s, line %u: not UTF-8", path, number);
    return FALSE;
  }
  if (addresses[0] == NULL)
    return TRUE;
  RenewalEntry *entry = new_entry(number, g_steal_pointer(&addresses));
  g_ptr_array_add(entries, entry);
  if (g_hash_table_add(names, entry->name))
    return TRUE;
  g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL, "%s, line %u: %s begins another line too", path,
              number, entry->addresses[0]);
  return FALSE;
}

static gboolean add_file(GPtrArray *entries, GHashTable *names, const char *path, GError **error) {
  g_autoptr(GBytes) content = local_file_read(path, error);
  if (content == NULL)
    return FALSE;
  gsize size = 0;
  const char *data = g_bytes_get_data(content, &size);
  g_autofree char *text = g_strndup(size > 0 ? data : "", size);
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    if (!add_line(entries, names, lines[i], i + 1, path, error))
      return FALSE;
  return TRUE;
}

static int by_text(gconstpointer a, gconstpointer b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The files of a list: itself, or those of the folder. NULL when it cannot be read. */
static GPtrArray *files_of(const char *path, GError **error) {
  g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GError) reason = NULL;
  if (!g_file_test(path, G_FILE_TEST_IS_DIR)) {
    g_ptr_array_add(files, g_strdup(path));
    return g_steal_pointer(&files);
  }
  g_autoptr(GDir) folder = g_dir_open(path, 0, &reason);
  if (folder == NULL) {
    g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL, "%s", reason->message);
    return NULL;
  }
  for (const char *name = NULL; (name = g_dir_read_name(folder)) != NULL;)
    if (name[0] != '.' && !g_str_has_suffix(name, "~"))
      g_ptr_array_add(files, g_build_filename(path, name, NULL));
  g_ptr_array_sort(files, by_text);
  return g_steal_pointer(&files);
}

GPtrArray *renewal_list_read(const char *path, GError **error) {
  g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func(free_entry);
  g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
  g_autoptr(GPtrArray) files = files_of(path, error);
  if (files == NULL)
    return NULL;
  for (guint i = 0; i < files->len; i++)
    if (!add_file(entries, names, g_ptr_array_index(files, i), error))
      return NULL;
  return g_steal_pointer(&entries);
}

char *renewal_list_state(const char *path) {
  GString *state = g_string_new(NULL);
  g_autoptr(GPtrArray) files = files_of(path, NULL);
  for (guint i = 0; files != NULL && i < files->len; i++) {
    const char *file = g_ptr_array_index(files, i);
    struct stat found = {0};
    if (stat(file, &found) == 0)
      g_string_append_printf(state, "%s %ju %jd %jd.%09ld\n", file, (uintmax_t)found.st_ino,
                             (intmax_t)found.st_size, (intmax_t)found.st_mtim.tv_sec,
                             found.st_mtim.tv_nsec);
  }
  return g_string_free(state, FALSE);
}
