/* SPDX-License-Identifier: Apache-2.0 */
#include "base/config_template.h"

#include <glib/gstdio.h>
#include <string.h>

/* Whether a text is a configuration; the first mistake otherwise. */
static Config *load(const char *text, char **mistake) {
  g_autofree char *folder = g_dir_make_tmp("signet-template-XXXXXX", NULL);
  g_autofree char *path = g_build_filename(folder, "signet.conf", NULL);
  g_autoptr(GPtrArray) mistakes = g_ptr_array_new_with_free_func(g_free);
  g_assert_true(g_file_set_contents(path, text, -1, NULL));
  Config *config = config_load(path, FALSE, mistakes);
  *mistake = mistakes->len > 0 ? g_strdup(mistakes->pdata[0]) : NULL;
  g_unlink(path);
  g_rmdir(folder);
  return config;
}

static gboolean has_line(const char *text, const char *line) {
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  return g_strv_contains((const char *const *)lines, line);
}

static void test_every_key(void) {
  g_autofree char *text = config_template();
  g_assert_true(config_template_is_unset(text));
  for (gsize i = 0; i < config_keys_count; i++) {
    const ConfigKey *key = &config_keys[i];
    g_autofree char *line = g_strdup_printf("#%s = %s", key->name, key->preset);
    g_autofree char *empty = g_strdup_printf("#%s =", key->name);
    g_assert_true(has_line(text, key->preset != NULL && *key->preset != '\0' ? line : empty));
    g_assert_nonnull(strstr(text, key->help));
  }
}

static const char *const needed[][3] = {
    {"acme", "url", "https://acme.example.org"},
    {"acme", "tls-certificate", "tls.pem"},
    {"acme", "tls-key", "tls.key"},
    {"publish", "url", "http://pki.example.org/"},
    {"mail", "domain", "ca.example.org"},
    {"mail", "dkim-key", "dkim.key"},
    {"ca", "certificate", "ca.pem"},
    {"ca", "key", "ca.key"},
    {"ca", "root", "root.pem"},
    {"ca", "root-crl", "root.crl"},
    {"store", "directory", "/srv/signet"},
};

static void test_filled_in(void) {
  char *text = config_template();
  for (gsize i = 0; i < G_N_ELEMENTS(needed); i++) {
    char *next = config_template_set(text, needed[i][0], needed[i][1], needed[i][2]);
    g_free(text);
    text = next;
  }
  g_autofree char *mistake = NULL;
  g_autoptr(Config) config = load(text, &mistake);
  g_assert_cmpstr(mistake, ==, NULL);
  g_assert_cmpstr(config_text(config, "acme.url"), ==, "https://acme.example.org");
  g_assert_cmpstr(config_text(config, "store.directory"), ==, "/srv/signet");
  g_assert_cmpstr(config_text(config, "acme.listen"), ==, "[::]:443");
  g_assert_nonnull(strstr(text, "\n#directory = /var/lib/signet\ndirectory = /srv/signet\n"));
  g_assert_false(config_template_is_unset(text));
  g_free(text);
}

static const struct {
  const char *text, *filled;
} places[] = {
    {"", "\n[mail]\ndomain = a.org\n"},
    {"# mine", "# mine\n\n[mail]\ndomain = a.org\n"},
    {"[mail]\n", "[mail]\ndomain = a.org\n"},
    {"[mail]", "[mail]\ndomain = a.org\n"},
    {"[mail]\n# help\n#domain =\n# more\n\n[ca]\n",
     "[mail]\n# help\n#domain =\ndomain = a.org\n# more\n\n[ca]\n"},
    {"[mail]\n#relay = a:25\n\n[ca]\n#domain = x\n",
     "[mail]\n#relay = a:25\ndomain = a.org\n\n[ca]\n#domain = x\n"},
    {"[mail]\n#relay = a:25\n# Note:\n#[test]\n#domain =\n",
     "[mail]\n#relay = a:25\ndomain = a.org\n# Note:\n#[test]\n#domain =\n"},
    {"[mail]\n#domains = x\n#domain\t= x\n",
     "[mail]\n#domains = x\n#domain\t= x\ndomain = a.org\n"},
};

static void test_places(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(places); i++) {
    g_autofree char *filled = config_template_set(places[i].text, "mail", "domain", "a.org");
    g_assert_cmpstr(filled, ==, places[i].filled);
  }
}

static void test_unset(void) {
  g_assert_true(config_template_is_unset(""));
  g_assert_true(config_template_is_unset("  # a\n[mail]\n\n [ca] \n#b = c\n"));
  g_assert_false(config_template_is_unset("# a\n[mail]\ndomain = a.org\n"));
  g_assert_false(config_template_is_unset("nonsense"));
}

static void test_keys(void) {
  g_assert_cmpstr(config_template_key("mail", "domain")->help, !=, NULL);
  g_assert_null(config_template_key("mail", "domains"));
  g_assert_null(config_template_key("profile", "validity"));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/config-template/every-key", test_every_key);
  g_test_add_func("/config-template/filled-in", test_filled_in);
  g_test_add_func("/config-template/places", test_places);
  g_test_add_func("/config-template/unset", test_unset);
  g_test_add_func("/config-template/keys", test_keys);
  return g_test_run();
}
