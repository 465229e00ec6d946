/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/ctl_settings.h"
#include "base/config_template.h"
#include "ca/pkcs11.h"
#include "daemon/ctl_ask.h"

struct CtlSettings {
  GKeyFile *file;
  char *folder; /* of the file */
};

CtlSettings *ctl_settings_new(const char *path, GError **error) {
  g_autoptr(CtlSettings) settings = g_new0(CtlSettings, 1);
  if (path == NULL)
    path = CTL_DEFAULT_CONFIG;
  settings->file = g_key_file_new();
  g_autofree char *absolute = g_canonicalize_filename(path, NULL);
  settings->folder = g_path_get_dirname(absolute);
  if (!g_key_file_load_from_file(settings->file, path, G_KEY_FILE_NONE, error)) {
    g_prefix_error(error, "%s: ", path);
    return NULL;
  }
  return g_steal_pointer(&settings);
}

void ctl_settings_free(CtlSettings *settings) {
  if (settings == NULL)
    return;
  g_key_file_free(settings->file);
  g_free(settings->folder);
  g_free(settings);
}

char *ctl_settings_text(const CtlSettings *settings, const char *group, const char *name) {
  const ConfigKey *key = config_template_key(group, name);
  g_autofree char *given = g_key_file_get_string(settings->file, group, name, NULL);
  const char *text = given != NULL ? g_strstrip(given) : key->preset != NULL ? key->preset : "";
  gboolean path = key->type == CONFIG_PATH || (key->type == CONFIG_KEY && !pkcs11_is_uri(text));
  return path && *text != '\0' ? g_canonicalize_filename(text, settings->folder) : g_strdup(text);
}

char **ctl_settings_list(const CtlSettings *settings, const char *group, const char *name) {
  g_autofree char *text = ctl_settings_text(settings, group, name);
  g_autoptr(GStrvBuilder) items = g_strv_builder_new();
  g_auto(GStrv) parts = g_strsplit(text, ";", -1);
  for (char **part = parts; *part != NULL; part++)
    if (*g_strstrip(*part) != '\0')
      g_strv_builder_add(items, *part);
  return g_strv_builder_end(items);
}
