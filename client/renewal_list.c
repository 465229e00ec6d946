/* SPDX-License-Identifier: Apache-2.0 */
#include "client/renewal_list.h"

#include "client/failure.h"
#include "client/local_file.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#define MARK "\xef\xbb\xbf" /* UTF-8, some editors say in front */

static void free_entry(gpointer user) {
  RenewalEntry *entry = user;
  g_strfreev(entry->addresses);
  g_free(entry->name);
  g_free(entry->fault);
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

static char *name_of(const char *address) {
  g_autofree char *lower = g_utf8_strdown(address, -1);
  return g_strdelimit(g_steal_pointer(&lower), "/", '_');
}

/* Takes name and fault. */
static void add_faulty(GPtrArray *entries, char *name, char *fault) {
  RenewalEntry *entry = g_new0(RenewalEntry, 1);
  entry->name = name;
  entry->fault = fault;
  g_ptr_array_add(entries, entry);
}

/* names: of the entries so far. */
static void add_line(GPtrArray *entries, GHashTable *names, const char *line, gsize length,
                     const char *where) {
  if (!g_utf8_validate(line, (gssize)length, NULL)) {
    add_faulty(entries, g_strdup(where), g_strdup("not UTF-8"));
    return;
  }
  g_autofree char *text = g_strndup(line, length);
  g_auto(GStrv) addresses = split_line(text);
  g_autofree char *name = addresses[0] != NULL ? name_of(addresses[0]) : NULL;
  if (name == NULL)
    return;
  if (g_hash_table_contains(names, name)) {
    add_faulty(entries, g_strdup(where),
               g_strdup_printf("%s begins another line too", addresses[0]));
    return;
  }
  RenewalEntry *entry = g_new0(RenewalEntry, 1);
  entry->addresses = g_steal_pointer(&addresses);
  entry->name = g_steal_pointer(&name);
  g_hash_table_add(names, entry->name);
  g_ptr_array_add(entries, entry);
}

static void add_lines(GPtrArray *entries, GHashTable *names, const char *path, GBytes *content) {
  gsize left = 0;
  const char *at = g_bytes_get_data(content, &left);
  if (left >= strlen(MARK) && memcmp(at, MARK, strlen(MARK)) == 0) {
    at += strlen(MARK);
    left -= strlen(MARK);
  }
  for (guint number = 1; left > 0; number++) {
    const char *newline = memchr(at, '\n', left);
    gsize length = newline != NULL ? (gsize)(newline - at) : left;
    g_autofree char *where = g_strdup_printf("%s, line %u", path, number);
    add_line(entries, names, at, length, where);
    gsize step = newline != NULL ? length + 1 : length;
    at += step;
    left -= step;
  }
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
  for (guint i = 0; files != NULL && i < files->len; i++) {
    const char *file = g_ptr_array_index(files, i);
    g_autoptr(GError) reason = NULL;
    g_autoptr(GBytes) content = local_file_read(file, &reason);
    if (content != NULL) {
      add_lines(entries, names, file, content);
    } else if (strcmp(file, path) != 0) {
      add_faulty(entries, g_strdup("the list"), g_strdup(reason->message));
    } else {
      g_propagate_error(error, g_steal_pointer(&reason));
      return NULL;
    }
  }
  return files != NULL ? g_steal_pointer(&entries) : NULL;
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
