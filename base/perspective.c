/* SPDX-License-Identifier: Apache-2.0 */
#include "base/perspective.h"

#include <string.h>

#define NAME_LENGTH_MAX 64
#define MANY 6 /* from so many on two may differ */

void perspective_free(Perspective *perspective) {
  if (perspective == NULL)
    return;
  g_free(perspective->name);
  g_free(perspective->url);
  g_free(perspective);
}

static gboolean is_name(const char *name) {
  gsize length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");
  return name[length] == '\0' && length >= 1 && length <= NAME_LENGTH_MAX;
}

/* What libcurl is given as it stands. */
static gboolean is_url(const char *url) {
  g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_NONE, NULL);
  return uri != NULL && strcmp(g_uri_get_scheme(uri), "https") == 0 &&
         g_uri_get_host(uri) != NULL && *g_uri_get_host(uri) != '\0' &&
         g_uri_get_userinfo(uri) == NULL && g_uri_get_fragment(uri) == NULL &&
         strpbrk(url, "{}") == NULL && g_str_is_ascii(url);
}

Perspective *perspective_parse(const char *text, const char **why) {
  g_auto(GStrv) words = g_strsplit(text, " ", -1);
  *why = NULL;
  if (g_strv_length(words) != 2)
    *why = "is not \"NAME URL\"";
  else if (!is_name(words[0]))
    *why = "the name is not 1 to 64 of a-z, 0-9 and \"-\"";
  else if (strcmp(words[0], PERSPECTIVE_PRIMARY) == 0)
    *why = "\"" PERSPECTIVE_PRIMARY "\" is the server's own resolver";
  else if (!is_url(words[1]))
    *why = "is no https:// URL without user, fragment and variables";
  if (*why != NULL)
    return NULL;
  Perspective *perspective = g_new0(Perspective, 1);
  perspective->name = g_strdup(words[0]);
  perspective->url = g_strdup(words[1]);
  return perspective;
}

GPtrArray *perspective_list(const Config *config) {
  GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)perspective_free);
  const char *why = NULL;
  for (const char *const *text = config_list(config, "dns.perspectives"); *text != NULL; text++) {
    Perspective *perspective = perspective_parse(*text, &why);
    if (perspective != NULL)
      g_ptr_array_add(list, perspective);
  }
  return list;
}

guint perspective_least_quorum(guint count) {
  guint may_differ = count >= MANY ? 2 : 1;
  return count > may_differ ? count - may_differ : MIN(count, 1);
}

guint perspective_quorum(const Config *config, guint count) {
  gint64 configured = config_number(config, "dns.perspectives-quorum");
  return configured > 0 ? (guint)configured : perspective_least_quorum(count);
}

/* --- answers
 * ---------------------------------------------------------------------------------------------------
 */

void perspective_answer_free(PerspectiveAnswer *answer) {
  if (answer == NULL)
    return;
  g_free(answer->question);
  g_free(answer->perspective);
  g_free(answer->found_at);
  g_clear_pointer(&answer->data, g_ptr_array_unref);
  g_free(answer->text);
  g_free(answer);
}

GVariant *perspective_answer_pack(const PerspectiveAnswer *answer) {
  GVariantBuilder data;
  g_variant_builder_init(&data, G_VARIANT_TYPE("aay"));
  for (guint i = 0; i < answer->data->len; i++)
    g_variant_builder_add_value(
        &data, g_variant_new_from_bytes(G_VARIANT_TYPE("ay"), answer->data->pdata[i], TRUE));
  return g_variant_new(PERSPECTIVE_ANSWER_TYPE, (guint32)answer->type, answer->question,
                       answer->perspective, answer->at, (guint32)answer->outcome, answer->secure,
                       answer->found_at, &data, answer->text);
}

static gboolean is_asked(guint32 type) {
  return type == RESOLVER_CAA || type == RESOLVER_TXT || type == RESOLVER_MX;
}

static PerspectiveAnswer *answer_read(GVariant *value) {
  g_autoptr(PerspectiveAnswer) answer = g_new0(PerspectiveAnswer, 1);
  g_autoptr(GVariant) data = NULL;
  guint32 type = 0, outcome = 0;
  answer->data = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
  g_variant_get(value, "(ussxubms@aays)", &type, &answer->question, &answer->perspective,
                &answer->at, &outcome, &answer->secure, &answer->found_at, &data, &answer->text);
  for (gsize i = 0; i < g_variant_n_children(data); i++) {
    g_autoptr(GVariant) octets = g_variant_get_child_value(data, i);
    g_ptr_array_add(answer->data, g_variant_get_data_as_bytes(octets));
  }
  answer->type = (int)type;
  answer->outcome = (ResolverOutcome)outcome;
  if (!is_asked(type) || outcome > RESOLVER_FOUND ||
      (outcome == RESOLVER_FOUND) != (answer->data->len > 0))
    return NULL;
  return g_steal_pointer(&answer);
}

GPtrArray *perspective_answers_read(GVariant *answers) {
  g_autoptr(GPtrArray) list =
      g_ptr_array_new_with_free_func((GDestroyNotify)perspective_answer_free);
  for (gsize i = 0; i < g_variant_n_children(answers); i++) {
    g_autoptr(GVariant) value = g_variant_get_child_value(answers, i);
    PerspectiveAnswer *answer = answer_read(value);
    if (answer == NULL)
      return NULL;
    g_ptr_array_add(list, answer);
  }
  return g_steal_pointer(&list);
}
