/* SPDX-License-Identifier: Apache-2.0 */
#include "base/config.h"
#include "base/config_types.h"

#include <string.h>

#define NAME_LENGTH_MAX 64

/* A value in the form that is kept (config_parse_value). */
typedef struct {
  char *text;
  char **list; /* for the list types */
  guint line;  /* 0: not given */
} Value;

struct Config {
  char *path;
  gboolean test_mode;
  GHashTable *values; /* "group.name" -> Value */
  GHashTable *names;  /* of named groups: "group" -> GPtrArray of char*, NULL-terminated */
};

static void value_free(gpointer data) {
  Value *value = data;
  g_free(value->text);
  g_strfreev(value->list);
  g_free(value);
}

void config_free(Config *config) {
  if (config == NULL)
    return;
  g_free(config->path);
  g_hash_table_unref(config->values);
  g_hash_table_unref(config->names);
  g_free(config);
}

static Config *config_new(const char *path) {
  Config *config = g_new0(Config, 1);
  config->path = g_strdup(path);
  config->values = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, value_free);
  config->names =
      g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)g_ptr_array_unref);
  return config;
}

/* --- groups and names
 * ------------------------------------------------------------------------------------------ */

/* What stands behind a key's group in the header of a group: "" for a group without name, "NAME"
   for a named one; NULL when it is another group. */
static const char *name_behind(const ConfigKey *key, const char *group) {
  gsize length = strlen(key->group);
  if (strncmp(group, key->group, length) != 0 || (group[length] != '\0' && !key->named))
    return NULL;
  return group[length] == '\0' ? "" : group[length] == ' ' ? group + length + 1 : NULL;
}

static gboolean is_name(const char *name) {
  gsize length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");
  return name[length] == '\0' && length >= 1 && length <= NAME_LENGTH_MAX;
}

static const ConfigKey *find_key(const char *group, const char *name) {
  for (gsize i = 0; i < config_keys_count; i++)
    if (strcmp(config_keys[i].name, name) == 0 && name_behind(&config_keys[i], group) != NULL)
      return &config_keys[i];
  return NULL;
}

static void add_name(Config *config, const char *group, const char *name) {
  GPtrArray *names = g_hash_table_lookup(config->names, group);
  if (names == NULL) {
    names = g_ptr_array_new_null_terminated(1, g_free, TRUE);
    g_hash_table_insert(config->names, (gpointer)group, names);
  }
  if (!g_ptr_array_find_with_equal_func(names, name, g_str_equal, NULL))
    g_ptr_array_add(names, g_strdup(name));
}

const char *const *config_names(const Config *config, const char *group) {
  static const char *const none[] = {NULL};
  const GPtrArray *names = g_hash_table_lookup(config->names, group);
  return names != NULL ? (const char *const *)names->pdata : none;
}

/* --- values
 * ------------------------------------------------------------------------------------------ */

static char **split_list(const char *text) {
  g_autoptr(GPtrArray) items = g_ptr_array_new_with_free_func(g_free);
  g_auto(GStrv) raw = g_strsplit(text, ";", -1);
  for (char **item = raw; *item != NULL; item++)
    if (*g_strstrip(*item) != '\0')
      g_ptr_array_add(items, g_strdup(*item));
  g_ptr_array_add(items, NULL);
  return (char **)g_ptr_array_steal(items, NULL);
}

static Value *value_new(const ConfigKey *key, const char *text, const char *folder, char **why) {
  g_auto(GStrv) items = config_type_is_list(key->type)
                            ? split_list(text)
                            : g_strsplit(text, "\n", *text == '\0' ? 1 : -1);
  for (char **item = items; *item != NULL; item++) {
    char *kept = config_parse_value(key, *item, folder, why);
    if (kept == NULL)
      return NULL;
    g_free(*item);
    *item = kept;
  }
  Value *value = g_new0(Value, 1);
  value->text = g_strjoinv(";", items);
  if (config_type_is_list(key->type))
    value->list = g_steal_pointer(&items);
  return value;
}

/* Every "group" or "group NAME" in which a key has a value; the caller frees them. */
static char **groups_of(const Config *config, const ConfigKey *key) {
  g_autoptr(GStrvBuilder) groups = g_strv_builder_new();
  if (!key->named)
    g_strv_builder_add(groups, key->group);
  const char *const *names = config_names(config, key->group);
  for (; *names != NULL; names++) {
    g_autofree char *group = g_strconcat(key->group, " ", *names, NULL);
    g_strv_builder_add(groups, group);
  }
  return g_strv_builder_end(groups);
}

static char *full_name(const char *group, const ConfigKey *key) {
  return g_strconcat(group, ".", key->name, NULL);
}

/* --- the file
 * ------------------------------------------------------------------------------------------ */

typedef struct {
  Config *config;
  GKeyFile *file;
  GHashTable *lines; /* "group.name" -> line */
  char *folder;
  GPtrArray *mistakes;
} Loading;

static void mistake(Loading *loading, guint line, const char *format, ...) G_GNUC_PRINTF(3, 4);
static void mistake(Loading *loading, guint line, const char *format, ...) {
  va_list values;
  va_start(values, format);
  g_autofree char *reason = g_strdup_vprintf(format, values);
  va_end(values);
  const char *path = loading->config->path;
  g_ptr_array_add(loading->mistakes, line == 0 ? g_strdup_printf("%s: %s", path, reason)
                                               : g_strdup_printf("%s:%u: %s", path, line, reason));
}

/* The header of a group, which counts as a name even when no key follows. */
static void scan_group(Loading *loading, const char *group, guint line) {
  for (gsize i = 0; i < config_keys_count; i++) {
    const ConfigKey *key = &config_keys[i];
    const char *name = key->named ? name_behind(key, group) : NULL;
    if (name == NULL)
      continue;
    if (is_name(name))
      add_name(loading->config, key->group, name);
    else
      mistake(loading, line, "[%s]: not [%s NAME] with a NAME of 1 to 64 of a-z, 0-9 and \"-\"",
              group, key->group);
    return;
  }
}

static void scan_key(Loading *loading, const char *group, const char *name, guint line) {
  g_autofree char *full = g_strdup_printf("%s.%s", group, name);
  const ConfigKey *key = find_key(group, name);
  guint before = GPOINTER_TO_UINT(g_hash_table_lookup(loading->lines, full));
  if (key == NULL)
    mistake(loading, line, "[%s] %s: unknown key", group, name);
  else if (before != 0)
    mistake(loading, line, "[%s] %s: given before at line %u", group, name, before);
  else if (key->test_preset != NULL && !loading->config->test_mode)
    mistake(loading, line, "[%s] %s: only with signetd --test-mode", group, name);
  else
    g_hash_table_insert(loading->lines, g_steal_pointer(&full), GUINT_TO_POINTER(line));
}

/* GKeyFile has no line numbers and merges duplicates: this scan notes them first. */
static void scan_lines(Loading *loading, const char *content) {
  g_auto(GStrv) all = g_strsplit(content, "\n", -1);
  g_autofree char *group = g_strdup("");
  for (guint i = 0; all[i] != NULL; i++) {
    char *line = g_strstrip(all[i]);
    char *equals = strchr(line, '=');
    if (*line == '\0' || *line == '#')
      continue;
    if (*line == '[' && g_str_has_suffix(line, "]")) {
      g_free(group);
      group = g_strndup(line + 1, strlen(line) - 2);
      scan_group(loading, group, i + 1);
    } else if (equals == NULL) {
      mistake(loading, i + 1, "neither [group], name = value nor # comment");
    } else {
      *equals = '\0';
      scan_key(loading, group, g_strchomp(line), i + 1);
    }
  }
}

/* An escape of the file (\n) may have made one. */
static gboolean has_control(const char *text) {
  for (const char *p = text; *p != '\0'; p++)
    if (g_ascii_iscntrl(*p))
      return TRUE;
  return FALSE;
}

/* An empty value is one: of a list without items, else only where the key says so. */
static Value *read_value(const Loading *loading, const ConfigKey *key, const char *text,
                         char **why) {
  if (*text != '\0' || config_type_is_list(key->type))
    return value_new(key, text, loading->folder, why);
  if (*key->preset != '\0' && !key->may_empty) {
    *why = g_strdup("empty");
    return NULL;
  }
  Value *value = g_new0(Value, 1);
  value->text = g_strdup("");
  return value;
}

static void load_key(Loading *loading, const char *group, const ConfigKey *key) {
  g_autoptr(GError) error = NULL;
  g_autofree char *full = full_name(group, key);
  guint line = GPOINTER_TO_UINT(g_hash_table_lookup(loading->lines, full));
  g_autofree char *given =
      line != 0 ? g_key_file_get_string(loading->file, group, key->name, &error) : NULL;
  g_autofree char *why = NULL;
  gboolean test = loading->config->test_mode && key->test_preset != NULL;
  const char *text = given != NULL ? g_strstrip(given) : test ? key->test_preset : key->preset;
  Value *value = NULL;
  if (g_error_matches(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE) ||
      (given != NULL && has_control(given)))
    why = g_strdup("a control character, or a backslash (write \\\\ for one)");
  else if (text == NULL || (*text == '\0' && key->preset == NULL))
    why = g_strdup_printf("missing; %s", key->help);
  else
    value = read_value(loading, key, text, &why);
  if (value == NULL) {
    mistake(loading, line, "[%s] %s: %s", group, key->name, why);
    return;
  }
  value->line = line;
  g_hash_table_insert(loading->config->values, g_steal_pointer(&full), value);
}

static void load_keys(Loading *loading) {
  for (gsize i = 0; i < config_keys_count; i++) {
    g_auto(GStrv) groups = groups_of(loading->config, &config_keys[i]);
    for (char **group = groups; *group != NULL; group++)
      load_key(loading, *group, &config_keys[i]);
  }
}

static void load_content(Loading *loading, const char *content, gsize length) {
  g_autoptr(GError) error = NULL;
  guint before = loading->mistakes->len;
  scan_lines(loading, content);
  gboolean parsed =
      g_key_file_load_from_data(loading->file, content, length, G_KEY_FILE_NONE, &error);
  if (!parsed && loading->mistakes->len == before)
    mistake(loading, 0, "%s", error->message);
  else
    load_keys(loading);
}

static void load_file(Loading *loading) {
  g_autoptr(GError) error = NULL;
  g_autofree char *content = NULL;
  gsize length = 0;
  if (!g_file_get_contents(loading->config->path, &content, &length, &error))
    mistake(loading, 0, "%s", error->message);
  else if (!g_utf8_validate(content, (gssize)length, NULL))
    mistake(loading, 0, "is not UTF-8 text");
  else
    load_content(loading, content, length);
}

Config *config_load(const char *path, gboolean test_mode, GPtrArray *mistakes) {
  g_autoptr(Config) config = config_new(path);
  g_autoptr(GKeyFile) file = g_key_file_new();
  g_autoptr(GHashTable) lines = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_autofree char *absolute = g_canonicalize_filename(path, NULL);
  g_autofree char *folder = g_path_get_dirname(absolute);
  Loading loading = {config, file, lines, folder, mistakes};
  guint before = mistakes->len;
  config->test_mode = test_mode;
  load_file(&loading);
  return mistakes->len > before ? NULL : g_steal_pointer(&config);
}

gboolean config_test_mode(const Config *config) {
  return config->test_mode;
}

/* --- what a role is told
 * ------------------------------------------------------------------------------------------ */

static void share_key(GVariantBuilder *builder, const Config *config, const ConfigKey *key) {
  g_auto(GStrv) groups = groups_of(config, key);
  for (char **group = groups; *group != NULL; group++) {
    g_autofree char *name = full_name(*group, key);
    const Value *value = g_hash_table_lookup(config->values, name);
    g_variant_builder_add(builder, "{ss}", name, value->text);
  }
}

GVariant *config_share(const Config *config, Role role) {
  GVariantBuilder builder;
  g_variant_builder_init(&builder, G_VARIANT_TYPE("a{ss}"));
  for (gsize i = 0; i < config_keys_count; i++)
    if ((config_keys[i].roles & ROLE_BIT(role)) != 0)
      share_key(&builder, config, &config_keys[i]);
  return g_variant_builder_end(&builder);
}

static void list_key(GString *text, const Config *config, const ConfigKey *key) {
  g_auto(GStrv) groups = groups_of(config, key);
  for (char **group = groups; *group != NULL; group++) {
    g_autofree char *name = full_name(*group, key);
    const Value *value = g_hash_table_lookup(config->values, name);
    g_autofree char *shown = value != NULL ? g_strescape(value->text, NULL) : NULL;
    if (shown != NULL)
      g_string_append_printf(text, "%s = %s\n", name, shown);
  }
}

char *config_listing(const Config *config) {
  GString *text = g_string_new(NULL);
  for (gsize i = 0; i < config_keys_count; i++)
    list_key(text, config, &config_keys[i]);
  return g_string_free(text, FALSE);
}

static gboolean receive_value(Config *config, const char *full, const char *text) {
  const char *dot = strrchr(full, '.');
  g_autofree char *group = g_strndup(full, dot != NULL ? (gsize)(dot - full) : 0);
  const ConfigKey *key = dot != NULL ? find_key(group, dot + 1) : NULL;
  if (key == NULL || (key->named && !is_name(name_behind(key, group))))
    return FALSE;
  if (key->named)
    add_name(config, key->group, name_behind(key, group));
  Value *value = g_new0(Value, 1);
  value->text = g_strdup(text);
  value->list = config_type_is_list(key->type) ? split_list(text) : NULL;
  g_hash_table_replace(config->values, g_strdup(full), value);
  return TRUE;
}

Config *config_receive(GVariant *shared) {
  if (!g_variant_is_of_type(shared, G_VARIANT_TYPE("a{ss}")))
    return NULL;
  g_autoptr(Config) config = config_new("");
  GVariantIter iter;
  const char *name = NULL, *text = NULL;
  g_variant_iter_init(&iter, shared);
  while (g_variant_iter_next(&iter, "{&s&s}", &name, &text))
    if (!receive_value(config, name, text))
      return NULL;
  return g_steal_pointer(&config);
}

/* --- values of a key
 * ------------------------------------------------------------------------------------------ */

static const Value *get(const Config *config, const char *key) {
  const Value *value = g_hash_table_lookup(config->values, key);
  if (value == NULL)
    g_error("configuration key %s is not known to this process", key);
  return value;
}

const char *config_text(const Config *config, const char *key) {
  return get(config, key)->text;
}

gint64 config_number(const Config *config, const char *key) {
  return g_ascii_strtoll(get(config, key)->text, NULL, 10);
}

const char *const *config_list(const Config *config, const char *key) {
  return (const char *const *)get(config, key)->list;
}

gboolean config_is(const Config *config, const char *key, const char *value) {
  return strcmp(config_text(config, key), value) == 0;
}

gboolean config_given(const Config *config, const char *key) {
  return *config_text(config, key) != '\0';
}

ConfigRate config_rate(const Config *config, const char *key) {
  const char *text = config_text(config, key), *slash = strchr(text, '/');
  if (slash == NULL)
    return (ConfigRate){0, 0};
  return (ConfigRate){g_ascii_strtoll(text, NULL, 10), g_ascii_strtoll(slash + 1, NULL, 10)};
}

char *config_where(const Config *config, const char *key) {
  guint line = get(config, key)->line;
  return line == 0 ? g_strdup(config->path) : g_strdup_printf("%s:%u", config->path, line);
}
