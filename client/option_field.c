/* SPDX-License-Identifier: Apache-2.0 */
#include "client/option_field.h"

static gpointer at(const OptionField *field, gconstpointer options) {
  return (char *)options + field->offset;
}

static char *text_of(const OptionField *field, gconstpointer options) {
  return *(char **)at(field, options);
}

static char **texts_of(const OptionField *field, gconstpointer options) {
  return *(char ***)at(field, options);
}

static gboolean flag_of(const OptionField *field, gconstpointer options) {
  return *(gboolean *)at(field, options);
}

static gboolean is_given(const OptionField *field, gconstpointer options) {
  if (field->kind == OPTION_FLAG)
    return flag_of(field, options);
  return field->kind == OPTION_TEXTS ? texts_of(field, options) != NULL
                                     : text_of(field, options) != NULL;
}

/* Takes value. */
static void set_text(const OptionField *field, gpointer options, char *value) {
  g_free(text_of(field, options));
  *(char **)at(field, options) = value;
}

static void set_texts(const OptionField *field, gpointer options, char **value) {
  g_strfreev(texts_of(field, options));
  *(char ***)at(field, options) = value;
}

static void set_flag(const OptionField *field, gpointer options, gboolean value) {
  *(gboolean *)at(field, options) = value;
}

void option_fields_add(GOptionContext *context, const OptionField *fields, gpointer options) {
  static const GOptionArg kinds[] = {
      [OPTION_TEXT] = G_OPTION_ARG_STRING,
      [OPTION_FILE] = G_OPTION_ARG_FILENAME,
      [OPTION_TEXTS] = G_OPTION_ARG_STRING_ARRAY,
      [OPTION_FLAG] = G_OPTION_ARG_NONE,
  };
  for (; fields->name != NULL; fields++) {
    const GOptionEntry entries[] = {
        {fields->name, fields->letter, 0, kinds[fields->kind], at(fields, options), fields->meaning,
         fields->value},
        {0},
    };
    g_option_context_add_main_entries(context, entries, NULL);
  }
}

void option_fields_clear(const OptionField *fields, gpointer options) {
  for (; fields->name != NULL; fields++)
    if (fields->kind == OPTION_FLAG)
      set_flag(fields, options, FALSE);
    else if (fields->kind == OPTION_TEXTS)
      set_texts(fields, options, NULL);
    else
      set_text(fields, options, NULL);
}

char *option_fields_given(const OptionField *fields, gconstpointer options, guint use) {
  for (; fields->name != NULL; fields++)
    if ((use == 0 || (fields->use & use) != 0) && is_given(fields, options))
      return g_strconcat("--", fields->name, NULL);
  return NULL;
}

void option_fields_overlay(const OptionField *fields, gpointer options, gconstpointer over) {
  for (; fields->name != NULL; fields++) {
    if (!is_given(fields, over))
      continue;
    if (fields->kind == OPTION_FLAG)
      set_flag(fields, options, TRUE);
    else if (fields->kind == OPTION_TEXTS)
      set_texts(fields, options, g_strdupv(texts_of(fields, over)));
    else
      set_text(fields, options, g_strdup(text_of(fields, over)));
  }
}

static void add_word(GPtrArray *words, const char *name, const char *value) {
  g_ptr_array_add(words, value != NULL ? g_strdup_printf("--%s=%s", name, value)
                                       : g_strdup_printf("--%s", name));
}

void option_fields_words(const OptionField *fields, gconstpointer options, GPtrArray *words) {
  for (; fields->name != NULL; fields++) {
    if (!is_given(fields, options))
      continue;
    if (fields->kind != OPTION_TEXTS) {
      add_word(words, fields->name, fields->kind == OPTION_FLAG ? NULL : text_of(fields, options));
      continue;
    }
    for (char **text = texts_of(fields, options); *text != NULL; text++)
      add_word(words, fields->name, *text);
  }
}

void option_fields_keep(const OptionField *fields, gconstpointer options, GKeyFile *file,
                        const char *group) {
  for (; fields->name != NULL; fields++) {
    if ((fields->use & OPTION_ONCE) != 0 || !is_given(fields, options))
      continue;
    if (fields->kind == OPTION_FLAG)
      g_key_file_set_boolean(file, group, fields->name, TRUE);
    else if (fields->kind == OPTION_TEXTS)
      g_key_file_set_string_list(file, group, fields->name,
                                 (const char *const *)texts_of(fields, options),
                                 g_strv_length(texts_of(fields, options)));
    else {
      g_autofree char *path = g_canonicalize_filename(text_of(fields, options), NULL);
      g_key_file_set_string(file, group, fields->name,
                            fields->kind == OPTION_FILE ? path : text_of(fields, options));
    }
  }
}

void option_fields_load(const OptionField *fields, gpointer options, GKeyFile *file,
                        const char *group) {
  for (; fields->name != NULL; fields++)
    if (fields->kind == OPTION_FLAG)
      set_flag(fields, options, g_key_file_get_boolean(file, group, fields->name, NULL));
    else if (fields->kind == OPTION_TEXTS)
      set_texts(fields, options, g_key_file_get_string_list(file, group, fields->name, NULL, NULL));
    else
      set_text(fields, options, g_key_file_get_string(file, group, fields->name, NULL));
}
