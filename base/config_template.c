/* SPDX-License-Identifier: Apache-2.0 */
#include "base/config_template.h"

#include <string.h>

static const char head[] = "# Configuration of signetd, see signet.conf(5). A line \"#name = "
                           "value\" shows a key that is not\n"
                           "# set, with its default; take the # away to set another value. "
                           "\"signetctl setup\" sets what a\n"
                           "# server needs, \"signetd --check\" tells every mistake.\n";

/* --- making it
 * ------------------------------------------------------------------------------------------ */

/* A group that may stand several times, or in test mode alone, is commented out whole. */
static void add_group(GString *text, const ConfigKey *key) {
  gboolean active = !key->named && key->test_preset == NULL;
  g_string_append_c(text, '\n');
  if (key->named)
    g_string_append(text, "# As often as wanted, each with a NAME of its own:\n");
  if (key->test_preset != NULL)
    g_string_append(text, "# With signetd --test-mode alone:\n");
  g_string_append_printf(text, "%s[%s%s]\n", active ? "" : "#", key->group,
                         key->named ? " NAME" : "");
}

static void add_key(GString *text, const ConfigKey *key) {
  g_string_append_printf(text, "# %s%s\n#%s =%s%s\n", key->help,
                         key->preset == NULL ? " (needed)" : "", key->name,
                         key->preset != NULL && *key->preset != '\0' ? " " : "",
                         key->preset != NULL ? key->preset : "");
}

char *config_template(void) {
  GString *text = g_string_new(head);
  const char *group = "";
  for (gsize i = 0; i < config_keys_count; i++) {
    const ConfigKey *key = &config_keys[i];
    if (strcmp(group, key->group) != 0)
      add_group(text, key);
    group = key->group;
    add_key(text, key);
  }
  return g_string_free(text, FALSE);
}

gboolean config_template_is_unset(const char *text) {
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  for (char **line = lines; *line != NULL; line++) {
    g_strstrip(*line);
    gboolean group = **line == '[' && g_str_has_suffix(*line, "]");
    if (**line != '\0' && **line != '#' && !group)
      return FALSE;
  }
  return TRUE;
}

/* --- filling it in
 * -------------------------------------------------------------------------------------- */

const ConfigKey *config_template_key(const char *group, const char *name) {
  for (gsize i = 0; i < config_keys_count; i++)
    if (!config_keys[i].named && strcmp(config_keys[i].group, group) == 0 &&
        strcmp(config_keys[i].name, name) == 0)
      return &config_keys[i];
  return NULL;
}

/* "#name =", whatever value stands behind it. */
static gboolean stands_for(const char *line, const char *name) {
  gsize length = strlen(name);
  if (*line != '#' || strncmp(line + 1, name, length) != 0)
    return FALSE;
  const char *rest = line + 1 + length;
  return *(rest + strspn(rest, " \t")) == '=';
}

/* The number of the line before which the key is put; -1: there is no such group. */
static gint place_of(char *const *lines, const char *group, const char *name) {
  g_autofree char *header = g_strdup_printf("[%s]", group);
  gint i = 0, last = -1;
  while (lines[i] != NULL && strcmp(lines[i], header) != 0)
    i++;
  if (lines[i] == NULL)
    return -1;
  for (last = ++i; lines[i] != NULL && *lines[i] != '[' && !g_str_has_prefix(lines[i], "#["); i++) {
    if (stands_for(lines[i], name))
      return i + 1;
    if (*lines[i] != '\0' && !g_str_has_prefix(lines[i], "# "))
      last = i + 1;
  }
  return last;
}

char *config_template_set(const char *text, const char *group, const char *name,
                          const char *value) {
  g_autofree char *whole =
      g_strconcat(text, *text == '\0' || g_str_has_suffix(text, "\n") ? "" : "\n", NULL);
  g_auto(GStrv) lines = g_strsplit(whole, "\n", -1);
  gint place = place_of(lines, group, name);
  if (place < 0)
    return g_strdup_printf("%s\n[%s]\n%s = %s\n", whole, group, name, value);
  GString *filled = g_string_new(NULL);
  for (gint i = 0; lines[i] != NULL; i++) {
    if (i == place)
      g_string_append_printf(filled, "%s = %s\n", name, value);
    g_string_append_printf(filled, "%s%s", lines[i], lines[i + 1] != NULL ? "\n" : "");
  }
  return g_string_free(filled, FALSE);
}
