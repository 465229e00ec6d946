/* SPDX-License-Identifier: Apache-2.0 */
#include "base/config_template.h"
#include "base/log.h"
#include "daemon/check.h"
#include "daemon/parent.h"
#include "daemon/role.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_CONFIG "/etc/signet/signet.conf"
#define EXIT_CONFIGURATION 78 /* sysexits.h EX_CONFIG */
#define EXIT_USAGE 2

static int run_role(const char *name) {
  for (guint role = ROLE_EDGE; role < ROLE_COUNT; role++)
    if (strcmp(name, role_names[role]) == 0)
      return role_run((Role)role);
  fprintf(stderr, "signetd: roles are started by signetd itself\n");
  return EXIT_USAGE;
}

static const char *preset_of(const ConfigKey *key, gboolean test_mode) {
  return test_mode && key->test_preset != NULL ? key->test_preset : key->preset;
}

static void print_keys(gboolean test_mode) {
  const char *group = "";
  for (gsize i = 0; i < config_keys_count; i++) {
    const ConfigKey *key = &config_keys[i];
    if (strcmp(group, key->group) != 0)
      printf("%s[%s%s]\n", i > 0 ? "\n" : "", group = key->group, key->named ? " NAME" : "");
    const char *preset = preset_of(key, test_mode);
    printf("# %s\n%s%s = %s\n", key->help, preset != NULL ? "#" : "", key->name,
           preset != NULL ? preset : "");
  }
}

static int check(const char *path, gboolean test_mode, Config **config) {
  g_autoptr(GPtrArray) mistakes = g_ptr_array_new_with_free_func(g_free);
  *config = check_configuration(path, test_mode, mistakes);
  for (guint i = 0; i < mistakes->len; i++)
    fprintf(stderr, "%s\n", (const char *)mistakes->pdata[i]);
  if (*config != NULL)
    return EXIT_SUCCESS;
  fprintf(stderr, "signetd: %u mistake%s in the configuration\n", mistakes->len,
          mistakes->len == 1 ? "" : "s");
  return EXIT_CONFIGURATION;
}

static void print_warnings(const Config *config) {
  g_autoptr(GPtrArray) warnings = check_warnings(config);
  for (guint i = 0; i < warnings->len; i++)
    fprintf(stderr, "warning: %s\n", (const char *)warnings->pdata[i]);
}

static void init_log(const Config *config) {
  static const char *const levels[] = {"debug", "info", "warning", "error"};
  guint level = 0;
  while (strcmp(levels[level], config_text(config, "log.level")) != 0)
    level++;
  log_init("parent", (LogLevel)level,
           config_is(config, "log.format", "json") ? LOG_JSON : LOG_TEXT);
}

int main(int argc, char **argv) {
  g_autofree char *path = NULL, *role = NULL;
  gboolean only_check = FALSE, keys = FALSE, template = FALSE, test_mode = FALSE, version = FALSE;
  const GOptionEntry options[] = {
      {"config", 'c', 0, G_OPTION_ARG_FILENAME, &path, "Configuration file (" DEFAULT_CONFIG ")",
       "FILE"},
      {"check", 0, 0, G_OPTION_ARG_NONE, &only_check, "Check the configuration and exit", NULL},
      {"keys", 0, 0, G_OPTION_ARG_NONE, &keys,
       "Print every configuration key with its default and exit", NULL},
      {"template", 0, 0, G_OPTION_ARG_NONE, &template,
       "Print a configuration file with every key commented out and exit", NULL},
      {"test-mode", 0, 0, G_OPTION_ARG_NONE, &test_mode,
       "Make it hard for clients, for their authors' tests; see [test] in signet.conf(5)", NULL},
      {"version", 0, 0, G_OPTION_ARG_NONE, &version, "Print the version and exit", NULL},
      {"role", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_STRING, &role, NULL, NULL},
      G_OPTION_ENTRY_NULL};
  g_autoptr(GOptionContext) context = g_option_context_new("- ACME server for S/MIME certificates");
  g_autoptr(GError) error = NULL;
  Config *config = NULL;
  setlocale(LC_ALL, "");
  g_option_context_set_summary(
      context, "Starts all processes of the server, stays in the foreground and writes the log to "
               "standard error.");
  g_option_context_set_description(context, "Example:\n  signetd --check");
  g_option_context_add_main_entries(context, options, NULL);
  if (!g_option_context_parse(context, &argc, &argv, &error) || argc > 1) {
    fprintf(stderr, "signetd: %s; see signetd --help\n",
            error != NULL ? error->message : "takes no arguments");
    return EXIT_USAGE;
  }
  if (role != NULL)
    return run_role(role);
  if (version) {
    printf("signetd %s\n", SIGNET_VERSION);
    return EXIT_SUCCESS;
  }
  if (template) {
    g_autofree char *text = config_template();
    fputs(text, stdout);
    return EXIT_SUCCESS;
  }
  if (keys) {
    print_keys(test_mode);
    return EXIT_SUCCESS;
  }
  if (path == NULL)
    path = g_strdup(DEFAULT_CONFIG);
  int status = check(path, test_mode, &config);
  if (status != EXIT_SUCCESS || only_check) {
    if (config != NULL) {
      print_warnings(config);
      printf("signetd: %s is good\n", path);
    }
    config_free(config);
    return status;
  }
  init_log(config);
  return parent_run(path, config);
}
