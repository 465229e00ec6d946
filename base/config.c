/* SPDX-License-Identifier: Apache-2.0 */
#include "base/config.h"
#include "base/mailbox.h"

#include <arpa/inet.h>
#include <string.h>

/* A value in the form that is kept: durations in milliseconds, sizes in octets, paths absolute. */
typedef struct {
  char *text;
  char **list; /* for the list types */
  guint line;  /* 0: not given */
} Value;

struct Config {
  char *path;
  GHashTable *values; /* "group.name" -> Value */
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
  g_free(config);
}

static Config *config_new(const char *path) {
  Config *config = g_new0(Config, 1);
  config->path = g_strdup(path);
  config->values = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, value_free);
  return config;
}

static const ConfigKey *find_key(const char *full_name) {
  for (gsize i = 0; i < config_keys_count; i++) {
    const ConfigKey *key = &config_keys[i];
    gsize group = strlen(key->group);
    if (strncmp(full_name, key->group, group) == 0 && full_name[group] == '.' &&
        strcmp(full_name + group + 1, key->name) == 0)
      return key;
  }
  return NULL;
}

static gboolean is_list(ConfigType type) {
  return type == CONFIG_LISTEN || type == CONFIG_DOMAINS || type == CONFIG_LIST;
}

/* --- one function a type: text as given -> text as kept, or NULL and why
 * ---------------------------- */

static char *bad(char **why, const char *format, ...) G_GNUC_PRINTF(2, 3);
static char *bad(char **why, const char *format, ...) {
  va_list values;
  va_start(values, format);
  *why = g_strdup_vprintf(format, values);
  va_end(values);
  return NULL;
}

typedef struct {
  const char *suffix;
  gint64 factor;
} Unit;

static char *parse_number(const ConfigKey *key, const char *text, const Unit *units,
                          const char *wanted, char **why) {
  char *end = NULL;
  guint64 number = g_ascii_strtoull(text, &end, 10);
  if (!g_ascii_isdigit(text[0]))
    return bad(why, "\"%s\" is not %s", text, wanted);
  for (const Unit *unit = units; unit->suffix != NULL; unit++) {
    if (strcmp(end, unit->suffix) != 0)
      continue;
    if (number > (guint64)(G_MAXINT64 / unit->factor) || (gint64)number * unit->factor > key->max ||
        (gint64)number * unit->factor < key->min)
      return bad(why, "\"%s\" is out of range", text);
    return g_strdup_printf("%" G_GINT64_FORMAT, (gint64)number * unit->factor);
  }
  return bad(why, "\"%s\" is not %s", text, wanted);
}

static char *parse_integer(const ConfigKey *key, const char *text, const char *folder G_GNUC_UNUSED,
                           char **why) {
  static const Unit units[] = {{"", 1}, {NULL, 0}};
  return parse_number(key, text, units, "a whole number", why);
}

static char *parse_duration(const ConfigKey *key, const char *text,
                            const char *folder G_GNUC_UNUSED, char **why) {
  static const Unit units[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
                               {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
  return parse_number(key, text, units, "a duration such as 500ms, 30s, 5m, 6h or 7d", why);
}

static char *parse_size(const ConfigKey *key, const char *text, const char *folder G_GNUC_UNUSED,
                        char **why) {
  static const Unit units[] = {{"", 1}, {"k", 1024}, {"M", 1024 * 1024}, {NULL, 0}};
  return parse_number(key, text, units, "a size such as 4096, 256k or 1M", why);
}

static char *parse_choice(const ConfigKey *key, const char *text, const char *folder G_GNUC_UNUSED,
                          char **why) {
  g_auto(GStrv) words = g_strsplit(key->choices, " ", -1);
  if (g_strv_contains((const char *const *)words, text))
    return g_strdup(text);
  return bad(why, "\"%s\" is none of: %s", text, key->choices);
}

static char *parse_text(const ConfigKey *key G_GNUC_UNUSED, const char *text,
                        const char *folder G_GNUC_UNUSED, char **why G_GNUC_UNUSED) {
  return g_strdup(text);
}

static char *parse_path(const ConfigKey *key G_GNUC_UNUSED, const char *text, const char *folder,
                        char **why G_GNUC_UNUSED) {
  return g_path_is_absolute(text) ? g_strdup(text) : g_build_filename(folder, text, NULL);
}

gboolean config_split_peer(const char *text, char **host, guint16 *port) {
  const char *colon = strrchr(text, ':');
  guint64 number = 0;
  if (colon == NULL || colon == text ||
      !g_ascii_string_to_unsigned(colon + 1, 10, 0, G_MAXUINT16, &number, NULL))
    return FALSE;
  g_autofree char *name = g_strndup(text, (gsize)(colon - text));
  gsize length = strlen(name);
  if (name[0] == '[') {
    if (length < 3 || name[length - 1] != ']')
      return FALSE;
    *host = g_strndup(name + 1, length - 2);
  } else if (strchr(name, ':') != NULL) {
    return FALSE;
  } else {
    *host = g_steal_pointer(&name);
  }
  *port = (guint16)number;
  return TRUE;
}

static char *parse_peer(const ConfigKey *key G_GNUC_UNUSED, const char *text,
                        const char *folder G_GNUC_UNUSED, char **why) {
  g_autofree char *host = NULL;
  guint16 port = 0;
  if (!config_split_peer(text, &host, &port) || port == 0)
    return bad(why, "\"%s\" is not HOST:PORT", text);
  return g_strdup(text);
}

static char *parse_listen(const ConfigKey *key G_GNUC_UNUSED, const char *text,
                          const char *folder G_GNUC_UNUSED, char **why) {
  g_autofree char *host = NULL;
  guint16 port = 0;
  struct in6_addr address;
  if (!config_split_peer(text, &host, &port) || port == 0 ||
      inet_pton(strchr(host, ':') != NULL ? AF_INET6 : AF_INET, host, &address) != 1)
    return bad(why, "\"%s\" is not ADDRESS:PORT (IPv6 in brackets)", text);
  return g_strdup(text);
}

static gboolean has_scheme_and_host(const char *text, const char *scheme) {
  g_autoptr(GUri) uri = g_uri_parse(text, G_URI_FLAGS_NONE, NULL);
  return uri != NULL && strcmp(g_uri_get_scheme(uri), scheme) == 0 && g_uri_get_host(uri) != NULL &&
         *g_uri_get_host(uri) != '\0' && g_uri_get_query(uri) == NULL &&
         g_uri_get_fragment(uri) == NULL && g_uri_get_userinfo(uri) == NULL;
}

static char *parse_http(const ConfigKey *key G_GNUC_UNUSED, const char *text,
                        const char *folder G_GNUC_UNUSED, char **why) {
  if (!has_scheme_and_host(text, "http") || !g_str_has_suffix(text, "/"))
    return bad(why, "\"%s\" is not an http:// URL that ends in \"/\"", text);
  return g_strdup(text);
}

static char *parse_https(const ConfigKey *key G_GNUC_UNUSED, const char *text,
                         const char *folder G_GNUC_UNUSED, char **why) {
  if (!has_scheme_and_host(text, "https"))
    return bad(why, "\"%s\" is not an https:// URL", text);
  g_autofree char *kept = g_strdup(text);
  while (g_str_has_suffix(kept, "/"))
    kept[strlen(kept) - 1] = '\0';
  return g_steal_pointer(&kept);
}

static char *parse_domain(const ConfigKey *key G_GNUC_UNUSED, const char *text,
                          const char *folder G_GNUC_UNUSED, char **why) {
  g_autoptr(GError) error = NULL;
  char *domain = mailbox_domain_to_ascii(text, &error);
  return domain != NULL ? domain : bad(why, "\"%s\": %s", text, error->message);
}

typedef char *(*ParseType)(const ConfigKey *key, const char *text, const char *folder, char **why);

static const ParseType parse_type[] = {
    [CONFIG_TEXT] = parse_text,         [CONFIG_INTEGER] = parse_integer,
    [CONFIG_DURATION] = parse_duration, [CONFIG_SIZE] = parse_size,
    [CONFIG_CHOICE] = parse_choice,     [CONFIG_PATH] = parse_path,
    [CONFIG_LISTEN] = parse_listen,     [CONFIG_PEER] = parse_peer,
    [CONFIG_HTTP] = parse_http,         [CONFIG_HTTPS] = parse_https,
    [CONFIG_DOMAIN] = parse_domain,     [CONFIG_DOMAINS] = parse_domain,
    [CONFIG_LIST] = parse_text,
};

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
  g_auto(GStrv) items =
      is_list(key->type) ? split_list(text) : g_strsplit(text, "\n", *text == '\0' ? 1 : -1);
  for (char **item = items; *item != NULL; item++) {
    char *kept = parse_type[key->type](key, *item, folder, why);
    if (kept == NULL)
      return NULL;
    g_free(*item);
    *item = kept;
  }
  Value *value = g_new0(Value, 1);
  value->text = g_strjoinv(";", items);
  if (is_list(key->type))
    value->list = g_steal_pointer(&items);
  return value;
}

static char *full_name(const ConfigKey *key) {
  return g_strconcat(key->group, ".", key->name, NULL);
}

static void mistake(GPtrArray *mistakes, const char *path, guint line, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
static void mistake(GPtrArray *mistakes, const char *path, guint line, const char *format, ...) {
  va_list values;
  va_start(values, format);
  g_autofree char *reason = g_strdup_vprintf(format, values);
  va_end(values);
  if (line == 0)
    g_ptr_array_add(mistakes, g_strdup_printf("%s: %s", path, reason));
  else
    g_ptr_array_add(mistakes, g_strdup_printf("%s:%u: %s", path, line, reason));
}

/* GKeyFile has no line numbers and merges duplicates: this scan notes "group.name" -> line first.
 */
static GHashTable *scan_lines(const char *path, const char *content, GPtrArray *mistakes) {
  g_autoptr(GHashTable) lines = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
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
      continue;
    }
    if (equals == NULL) {
      mistake(mistakes, path, i + 1, "neither [group], name = value nor # comment");
      continue;
    }
    *equals = '\0';
    g_autofree char *name = g_strdup_printf("%s.%s", group, g_strchomp(line));
    if (find_key(name) == NULL)
      mistake(mistakes, path, i + 1, "[%s] %s: unknown key", group, line);
    else if (g_hash_table_contains(lines, name))
      mistake(mistakes, path, i + 1, "[%s] %s: given before at line %u", group, line,
              GPOINTER_TO_UINT(g_hash_table_lookup(lines, name)));
    else
      g_hash_table_insert(lines, g_steal_pointer(&name), GUINT_TO_POINTER(i + 1));
  }
  return g_steal_pointer(&lines);
}

/* An escape of the file (\n) may have made one. */
static gboolean has_control(const char *text) {
  for (const char *p = text; *p != '\0'; p++)
    if (g_ascii_iscntrl(*p))
      return TRUE;
  return FALSE;
}

static void load_key(Config *config, const ConfigKey *key, GKeyFile *file, guint line,
                     const char *folder, GPtrArray *mistakes) {
  g_autoptr(GError) error = NULL;
  g_autofree char *given =
      line != 0 ? g_key_file_get_string(file, key->group, key->name, &error) : NULL;
  g_autofree char *why = NULL;
  const char *text = given != NULL ? g_strstrip(given) : key->preset;
  if (g_error_matches(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE) ||
      (given != NULL && has_control(given))) {
    mistake(mistakes, config->path, line,
            "[%s] %s: a control character, or a backslash (write \\\\ for one)", key->group,
            key->name);
    return;
  }
  if (text == NULL || (*text == '\0' && key->preset == NULL)) {
    mistake(mistakes, config->path, line, "[%s] %s: missing; %s", key->group, key->name, key->help);
    return;
  }
  gboolean empty = *text == '\0' && !is_list(key->type);
  if (empty && (*key->preset != '\0' && key->type != CONFIG_PATH)) {
    mistake(mistakes, config->path, line, "[%s] %s: empty", key->group, key->name);
    return;
  }
  Value *value = empty ? g_new0(Value, 1) : value_new(key, text, folder, &why);
  if (value == NULL) {
    mistake(mistakes, config->path, line, "[%s] %s: %s", key->group, key->name, why);
    return;
  }
  if (empty)
    value->text = g_strdup("");
  value->line = line;
  g_hash_table_insert(config->values, full_name(key), value);
}

Config *config_load(const char *path, GPtrArray *mistakes) {
  g_autoptr(Config) config = config_new(path);
  g_autoptr(GError) error = NULL;
  g_autofree char *content = NULL;
  gsize length = 0;
  guint before = mistakes->len;
  if (!g_file_get_contents(path, &content, &length, &error)) {
    mistake(mistakes, path, 0, "%s", error->message);
    return NULL;
  }
  if (!g_utf8_validate(content, (gssize)length, NULL)) {
    mistake(mistakes, path, 0, "is not UTF-8 text");
    return NULL;
  }
  g_autoptr(GHashTable) lines = scan_lines(path, content, mistakes);
  g_autoptr(GKeyFile) file = g_key_file_new();
  if (mistakes->len == before &&
      !g_key_file_load_from_data(file, content, length, G_KEY_FILE_NONE, &error)) {
    mistake(mistakes, path, 0, "%s", error->message);
    return NULL;
  }
  if (mistakes->len > before)
    g_key_file_load_from_data(file, content, length, G_KEY_FILE_NONE, NULL);
  g_autofree char *absolute = g_canonicalize_filename(path, NULL);
  g_autofree char *folder = g_path_get_dirname(absolute);
  for (gsize i = 0; i < config_keys_count; i++) {
    g_autofree char *name = full_name(&config_keys[i]);
    guint line = GPOINTER_TO_UINT(g_hash_table_lookup(lines, name));
    load_key(config, &config_keys[i], file, line, folder, mistakes);
  }
  return mistakes->len > before ? NULL : g_steal_pointer(&config);
}

GVariant *config_share(const Config *config, Role role) {
  GVariantBuilder builder;
  g_variant_builder_init(&builder, G_VARIANT_TYPE("a{ss}"));
  for (gsize i = 0; i < config_keys_count; i++) {
    if ((config_keys[i].roles & ROLE_BIT(role)) == 0)
      continue;
    g_autofree char *name = full_name(&config_keys[i]);
    const Value *value = g_hash_table_lookup(config->values, name);
    g_variant_builder_add(&builder, "{ss}", name, value->text);
  }
  return g_variant_builder_end(&builder);
}

Config *config_receive(GVariant *shared) {
  if (!g_variant_is_of_type(shared, G_VARIANT_TYPE("a{ss}")))
    return NULL;
  g_autoptr(Config) config = config_new("");
  GVariantIter iter;
  const char *name = NULL, *text = NULL;
  g_variant_iter_init(&iter, shared);
  while (g_variant_iter_next(&iter, "{&s&s}", &name, &text)) {
    const ConfigKey *key = find_key(name);
    if (key == NULL)
      return NULL;
    Value *value = g_new0(Value, 1);
    value->text = g_strdup(text);
    value->list = is_list(key->type) ? split_list(text) : NULL;
    g_hash_table_replace(config->values, g_strdup(name), value);
  }
  return g_steal_pointer(&config);
}

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

char *config_where(const Config *config, const char *key) {
  guint line = get(config, key)->line;
  return line == 0 ? g_strdup(config->path) : g_strdup_printf("%s:%u", config->path, line);
}
