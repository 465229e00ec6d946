/* SPDX-License-Identifier: Apache-2.0 */
/* Input: a configuration file. Holds: it is taken or there are mistakes, each in UTF-8; in one
   that is taken every key has a value that fits its type, a value that was given is not replaced by
   the preset, and what is shared with a role is received as the same. */
#include "base/config.h"
#include "tests/fuzz/fuzz.h"

static gboolean is_number(ConfigType type) {
  return type == CONFIG_INTEGER || type == CONFIG_DURATION || type == CONFIG_SIZE;
}

static void assert_value(const Config *config, const ConfigKey *key, const char *name) {
  const char *text = config_text(config, name);
  g_assert_nonnull(text);
  g_assert_true(config_given(config, name) || (key->preset != NULL));
  if (key->type == CONFIG_RATE) {
    ConfigRate rate = config_rate(config, name);
    g_assert_true(strcmp(text, "off") == 0 || (rate.count >= 1 && rate.period >= 1000));
  }
  if (is_number(key->type)) {
    g_assert_cmpuint(strspn(text, "0123456789"), ==, strlen(text));
    g_assert_cmpint(config_number(config, name), >=, key->min);
    g_assert_cmpint(config_number(config, name), <=, key->max);
  }
  if (key->type == CONFIG_PATH && *text != '\0')
    g_assert_true(g_path_is_absolute(text));
  if (key->type == CONFIG_DOMAIN)
    g_assert_true(g_str_is_ascii(text));
  /* Texts may hold more than ASCII, never a line end. */
  g_assert_null(strpbrk(text, "\r\n"));
}

/* "group.name", or one for each name of a named group. */
static char **names_of(const Config *config, const ConfigKey *key) {
  g_autoptr(GStrvBuilder) names = g_strv_builder_new();
  const char *const *group = config_names(config, key->group);
  for (; key->named && *group != NULL; group++) {
    g_autofree char *name = g_strdup_printf("%s %s.%s", key->group, *group, key->name);
    g_strv_builder_add(names, name);
  }
  g_autofree char *plain = g_strconcat(key->group, ".", key->name, NULL);
  if (!key->named)
    g_strv_builder_add(names, plain);
  return g_strv_builder_end(names);
}

/* "path:line" is said of keys that were given: then the file's own value must be there. */
static void assert_given(const Config *config, GKeyFile *file, const ConfigKey *key,
                         const char *name) {
  g_autofree char *where = config_where(config, name);
  if (!g_str_has_prefix(where, "/proc/") || strchr(where, ':') == NULL)
    return;
  g_autoptr(GError) error = NULL;
  g_autofree char *group = g_strndup(name, strlen(name) - strlen(key->name) - 1);
  g_autofree char *given G_GNUC_UNUSED = g_key_file_get_string(file, group, key->name, &error);
  g_assert_no_error(error);
}

static void assert_same(const Config *config, const Config *received, const char *name) {
  const char *const *here = config_list(config, name), *const *there = config_list(received, name);
  g_assert_cmpstr(config_text(config, name), ==, config_text(received, name));
  g_assert_true((here == NULL) == (there == NULL));
  g_assert_true(here == NULL || g_strv_equal(here, there));
}

static void assert_shared(const Config *config, Role role) {
  g_autoptr(GVariant) shared = g_variant_ref_sink(config_share(config, role));
  g_autoptr(Config) received = config_receive(shared);
  g_assert_nonnull(received);
  g_autoptr(GVariant) again = NULL;
  for (gsize i = 0; i < config_keys_count; i++) {
    if ((config_keys[i].roles & ROLE_BIT(role)) == 0)
      continue;
    g_auto(GStrv) names = names_of(config, &config_keys[i]);
    for (char **name = names; *name != NULL; name++)
      assert_same(config, received, *name);
  }
  again = g_variant_ref_sink(config_share(received, role));
  g_assert_true(g_variant_equal(shared, again));
}

static void assert_good(const Config *config, GBytes *content) {
  g_autoptr(GKeyFile) file = g_key_file_new();
  g_assert_true(g_key_file_load_from_bytes(file, content, G_KEY_FILE_NONE, NULL));
  for (gsize i = 0; i < config_keys_count; i++) {
    const ConfigKey *key = &config_keys[i];
    g_auto(GStrv) names = names_of(config, key);
    for (char **name = names; *name != NULL; name++) {
      assert_given(config, file, key, *name);
      assert_value(config, key, *name);
    }
  }
  for (Role role = 0; role < ROLE_COUNT; role++)
    assert_shared(config, role);
}

static void load(GBytes *content, gboolean test_mode) {
  g_autoptr(GPtrArray) mistakes = g_ptr_array_new_with_free_func(g_free);
  int fd = fuzz_file(content);
  g_autofree char *path = fuzz_path(fd);
  g_autoptr(Config) config = config_load(path, test_mode, mistakes);
  close(fd);
  g_assert_true((config == NULL) == (mistakes->len > 0));
  for (guint i = 0; i < mistakes->len; i++)
    g_assert_true(g_utf8_validate(mistakes->pdata[i], -1, NULL));
  if (config != NULL)
    assert_good(config, content);
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size) {
  g_autoptr(GBytes) content = g_bytes_new(data, size);
  load(content, FALSE);
  load(content, TRUE);
  return 0;
}
