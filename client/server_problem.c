/* SPDX-License-Identifier: Apache-2.0 */
#include "client/server_problem.h"

#include "base/log.h"

#include <string.h>

#define WORDS_MAX 500 /* characters of one detail */

static const char *member(const json_t *object, const char *name) {
  return json_string_value(json_object_get(object, name));
}

gboolean server_problem_is(const json_t *problem, const char *name) {
  const char *type = member(problem, "type");
  return type != NULL && g_str_has_prefix(type, SERVER_PROBLEM_URN) &&
         strcmp(type + strlen(SERVER_PROBLEM_URN), name) == 0;
}

static void append_one(GString *text, const json_t *problem) {
  const char *type = member(problem, "type");
  const char *detail = member(problem, "detail");
  g_autofree char *kind = log_escape(type != NULL ? type : "about:blank", WORDS_MAX);
  g_autofree char *words = log_escape(detail != NULL ? detail : "no detail given", WORDS_MAX);
  g_string_append_printf(text, "%s: %s", kind, words);
}

static void append_subproblem(GString *text, const json_t *problem) {
  const char *value = member(json_object_get(problem, "identifier"), "value");
  g_string_append(text, "\n  - ");
  if (value != NULL) {
    g_autofree char *identifier = log_escape(value, WORDS_MAX);
    g_string_append_printf(text, "%s: ", identifier);
  }
  append_one(text, problem);
}

char *server_problem_text(const json_t *problem) {
  if (!json_is_object(problem))
    return g_strdup("the server gave no reason");
  GString *text = g_string_new(NULL);
  append_one(text, problem);
  const json_t *list = json_object_get(problem, "subproblems");
  for (gsize i = 0; i < MIN(json_array_size(list), SERVER_PROBLEM_MAX_SUBPROBLEMS); i++)
    append_subproblem(text, json_array_get(list, i));
  const char *instance = member(problem, "instance");
  if (instance != NULL) {
    g_autofree char *see = log_escape(instance, WORDS_MAX);
    g_string_append_printf(text, "\n  see %s", see);
  }
  return g_string_free(text, FALSE);
}
