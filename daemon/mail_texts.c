/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mail_texts.h"

char **mail_texts_languages(const Config *config) {
  g_auto(GStrv) words = g_strsplit_set(config_text(config, "mail.language"), " \t", -1);
  GPtrArray *languages = g_ptr_array_new();
  for (char **word = words; *word != NULL; word++)
    if (**word != '\0')
      g_ptr_array_add(languages, g_strdup(*word));
  g_ptr_array_add(languages, NULL);
  return (char **)g_ptr_array_free(languages, FALSE);
}

char *mail_texts_path(const Config *config, const char *language) {
  const char *folder = config_text(config, "mail.texts");
  g_autofree char *name = g_strconcat(language, ".txt", NULL);
  return *folder != '\0' ? g_build_filename(folder, name, NULL) : NULL;
}

static MailText *read_one(const char *language, MailTextsFile file, gpointer user, GError **error) {
  g_autoptr(GError) failure = NULL;
  if (!mail_text_is_language(language)) {
    g_set_error(error, MAIL_TEXT_ERROR, MAIL_TEXT_ERROR_FILE, "is no language such as en or pt-BR");
    return NULL;
  }
  g_autoptr(GBytes) octets = file(user, language, &failure);
  if (octets == NULL && failure == NULL)
    octets = mail_text_built_in(language);
  if (octets != NULL)
    return mail_text_read(language, octets, error);
  if (failure != NULL)
    g_propagate_error(error, g_steal_pointer(&failure));
  else
    g_set_error(error, MAIL_TEXT_ERROR, MAIL_TEXT_ERROR_FILE,
                "is not built in, and there is no file of that name in [mail] texts");
  return NULL;
}

GPtrArray *mail_texts_read(const Config *config, MailTextsFile file, gpointer user,
                           GError **error) {
  g_auto(GStrv) languages = mail_texts_languages(config);
  g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func((GDestroyNotify)mail_text_free);
  if (g_strv_length(languages) > MAIL_TEXTS_MAX) {
    g_set_error(error, MAIL_TEXT_ERROR, MAIL_TEXT_ERROR_FILE, "more than %d languages",
                MAIL_TEXTS_MAX);
    return NULL;
  }
  for (char **language = languages; *language != NULL; language++) {
    MailText *text = read_one(*language, file, user, error);
    if (text == NULL) {
      g_prefix_error(error, "%s: ", *language);
      return NULL;
    }
    g_ptr_array_add(texts, text);
  }
  return g_steal_pointer(&texts);
}
