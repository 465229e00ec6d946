/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/identifier.h"

#include <string.h>

void ordered_mailbox_free(OrderedMailbox *ordered) {
  g_free(ordered->identifier);
  mailbox_free(ordered->mailbox);
  g_free(ordered);
}

static gboolean is_repeated(GPtrArray *mailboxes, const Mailbox *mailbox) {
  for (guint i = 0; i < mailboxes->len; i++)
    if (strcmp(((OrderedMailbox *)mailboxes->pdata[i])->mailbox->canonical, mailbox->canonical) ==
        0)
      return TRUE;
  return FALSE;
}

static Problem *read_one(json_t *identifier, GPtrArray *mailboxes) {
  const char *type = json_string_value(json_object_get(identifier, "type"));
  const char *value = json_string_value(json_object_get(identifier, "value"));
  g_autoptr(GError) error = NULL;
  if (type == NULL || value == NULL)
    return problem_new(PROBLEM_MALFORMED, 0, "An identifier has a type and a value, each a text.");
  if (strcmp(type, "email") != 0)
    return problem_new(PROBLEM_UNSUPPORTED_IDENTIFIER, 0,
                       "Identifiers of type \"%s\" are not served here, only \"email\".", type);
  g_autoptr(Mailbox) mailbox = mailbox_parse(value, &error);
  if (mailbox == NULL)
    return problem_new(PROBLEM_REJECTED_IDENTIFIER, 0, "\"%s\" is refused: %s", value,
                       error->message);
  if (strcmp(mailbox->local, "*") == 0)
    return problem_new(PROBLEM_REJECTED_IDENTIFIER, 0,
                       "\"%s\" is refused: there are no wildcards for mailboxes.", value);
  if (is_repeated(mailboxes, mailbox))
    return problem_new(PROBLEM_MALFORMED, 0, "\"%s\" is ordered twice.", value);
  OrderedMailbox *ordered = g_new0(OrderedMailbox, 1);
  ordered->identifier = g_strdup(value);
  ordered->mailbox = g_steal_pointer(&mailbox);
  g_ptr_array_add(mailboxes, ordered);
  return NULL;
}

static void add_subproblem(json_t *subproblems, json_t *identifier, const Problem *problem) {
  json_t *document = problem_json(problem);
  json_object_set(document, "identifier", identifier);
  json_array_append_new(subproblems, document);
}

Problem *identifiers_read(json_t *identifiers, GPtrArray **mailboxes) {
  g_autoptr(GPtrArray) read = g_ptr_array_new_with_free_func((GDestroyNotify)ordered_mailbox_free);
  Problem *first = NULL;
  json_t *identifier = NULL, *subproblems = json_array();
  size_t i = 0;
  if (!json_is_array(identifiers) || json_array_size(identifiers) == 0 ||
      json_array_size(identifiers) > IDENTIFIERS_MAX) {
    json_decref(subproblems);
    return problem_new(PROBLEM_MALFORMED, 0, "identifiers is a list of 1 to %d identifiers.",
                       IDENTIFIERS_MAX);
  }
  json_array_foreach(identifiers, i, identifier) {
    Problem *problem = read_one(identifier, read);
    if (problem == NULL)
      continue;
    add_subproblem(subproblems, identifier, problem);
    if (first == NULL)
      first = problem;
    else
      problem_free(problem);
  }
  if (first != NULL && json_array_size(identifiers) > 1)
    problem_set(first, "subproblems", json_incref(subproblems));
  json_decref(subproblems);
  if (first == NULL)
    *mailboxes = g_steal_pointer(&read);
  return first;
}
