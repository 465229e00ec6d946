/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/caa_value.h"

#include <string.h>

static void parameter_free(gpointer data) {
  CaaParameter *parameter = data;
  g_free(parameter->tag);
  g_free(parameter->value);
  g_free(parameter);
}

void caa_value_free(CaaValue *value) {
  if (value == NULL)
    return;
  g_free(value->issuer);
  g_ptr_array_unref(value->parameters);
  g_free(value);
}

static void skip_blanks(const char **at) {
  *at += strspn(*at, " \t");
}

/* label = (ALPHA / DIGIT) *( *("-") (ALPHA / DIGIT)); NULL when there is none at *at. tag is the
 * same. */
static char *take_label(const char **at) {
  const char *start = *at, *end = start;
  while (g_ascii_isalnum(*end) || *end == '-')
    end++;
  if (end == start || *start == '-' || end[-1] == '-')
    return NULL;
  *at = end;
  return g_ascii_strdown(start, end - start);
}

/* issuer-domain-name = label *("." label) */
static char *take_issuer(const char **at) {
  GString *name = g_string_new(NULL);
  for (;;) {
    g_autofree char *label = take_label(at);
    if (label == NULL) {
      g_string_free(name, TRUE);
      return NULL;
    }
    g_string_append(name, label);
    if (**at != '.')
      return g_string_free(name, FALSE);
    g_string_append_c(name, '.');
    (*at)++;
  }
}

/* parameter = tag *WSP "=" *WSP value; value = *(%x21-3A / %x3C-7E) */
static gboolean take_parameter(const char **at, GPtrArray *parameters) {
  g_autofree char *tag = take_label(at);
  if (tag == NULL)
    return FALSE;
  skip_blanks(at);
  if (**at != '=')
    return FALSE;
  (*at)++;
  skip_blanks(at);
  const char *start = *at;
  while (g_ascii_isgraph(**at) && **at != ';')
    (*at)++;
  CaaParameter *parameter = g_new0(CaaParameter, 1);
  parameter->tag = g_steal_pointer(&tag);
  parameter->value = g_strndup(start, (gsize)(*at - start));
  g_ptr_array_add(parameters, parameter);
  return TRUE;
}

/* parameters = (parameter *WSP ";" *WSP parameters) / parameter: no ";" at the end */
static gboolean take_parameters(const char **at, GPtrArray *parameters) {
  for (;;) {
    if (!take_parameter(at, parameters))
      return FALSE;
    skip_blanks(at);
    if (**at != ';')
      return TRUE;
    (*at)++;
    skip_blanks(at);
  }
}

/* issuemail-value = *WSP [issuer-domain-name *WSP] [";" *WSP [parameters *WSP]] */
CaaValue *caa_value_parse(const char *octets, gsize length) {
  if (length > 0 && memchr(octets, '\0', length) != NULL)
    return NULL;
  g_autofree char *text = g_strndup(octets, length);
  const char *at = text;
  g_autoptr(CaaValue) value = g_new0(CaaValue, 1);
  value->parameters = g_ptr_array_new_with_free_func(parameter_free);
  skip_blanks(&at);
  value->issuer = *at == ';' || *at == '\0' ? g_strdup("") : take_issuer(&at);
  if (value->issuer == NULL)
    return NULL;
  skip_blanks(&at);
  if (*at == ';') {
    at++;
    skip_blanks(&at);
    if (*at != '\0' && !take_parameters(&at, value->parameters))
      return NULL;
  }
  return *at == '\0' ? g_steal_pointer(&value) : NULL;
}

static gboolean is_method_label(const char *label) {
  for (const char *p = label; *p != '\0'; p++)
    if (!g_ascii_isalnum(*p) && *p != '-')
      return FALSE;
  return *label != '\0';
}

gboolean caa_value_lists(const char *list, const char *label) {
  g_auto(GStrv) labels = g_strsplit(list, ",", -1);
  for (gsize i = 0; labels[i] != NULL; i++)
    if (!is_method_label(labels[i]))
      return FALSE;
  return g_strv_contains((const char *const *)labels, label);
}
