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

json_t *identifier_json(const char *type, const char *value) {
  return json_pack("{s:s, s:s}", "type", type, "value", value);
}

static Problem *read_one(json_t *identifier, gboolean dns_too, GPtrArray *mailboxes) {
  const char *type = json_string_value(json_object_get(identifier, "type"));
  const char *value = json_string_value(json_object_get(identifier, "value"));
  g_autoptr(GError) error = NULL;
  if (type == NULL || value == NULL)
    return problem_new(PROBLEM_MALFORMED, 0,
                       "An identifier must have a type and a value, each a text.");
  gboolean dns = dns_too && strcmp(type, "dns") == 0 && strchr(value, '@') != NULL;
  if (strcmp(type, "email") != 0 && !dns)
    return problem_new(PROBLEM_UNSUPPORTED_IDENTIFIER, 0,
                       "Identifiers of type \"%s\" are not served here, only \"email\".", type);
  if (strchr(value, '*') != NULL) /* RFC 8823 section 3, though RFC 5322 has it in local parts */
    return problem_new(PROBLEM_REJECTED_IDENTIFIER, 0,
                       "\"%s\" is refused: there are no wildcards for mailboxes.", value);
  g_autoptr(Mailbox) mailbox = mailbox_parse(value, &error);
  if (mailbox == NULL)
    return problem_new(PROBLEM_REJECTED_IDENTIFIER, 0, "\"%s\" is refused: %s.", value,
                       error->message);
  if (is_repeated(mailboxes, mailbox))
    return problem_new(PROBLEM_MALFORMED, 0, "\"%s\" is ordered twice.", value);
  OrderedMailbox *ordered = g_new0(OrderedMailbox, 1);
  ordered->type = dns ? "dns" : "email";
  ordered->identifier = g_strdup(value);
  ordered->mailbox = g_steal_pointer(&mailbox);
  g_ptr_array_add(mailboxes, ordered);
  return NULL;
}

/* What was refused of several identifiers. */
typedef struct {
  Problem *worst; /* the first, or the one that is to be waited for longest */
  json_t *subproblems;
  guint asked;
  gboolean mixed; /* of different types */
} Refusals;

static void refusals_add(Refusals *refusals, const json_t *identifier, Problem *problem) {
  refusals->asked++;
  if (problem == NULL)
    return;
  json_t *document = problem_json(problem);
  json_object_set_new(document, "identifier", json_deep_copy(identifier));
  json_array_append_new(refusals->subproblems, document);
  if (refusals->worst != NULL && refusals->worst->type != problem->type)
    refusals->mixed = TRUE;
  refusals->worst = problem_longer(refusals->worst, problem);
}

/* RFC 8555 section 6.7.1. */
static Problem *refusals_end(Refusals *refusals) {
  Problem *problem = refusals->worst;
  if (problem != NULL && refusals->mixed) {
    problem = problem_new(PROBLEM_COMPOUND, refusals->worst->status,
                          "Several identifiers are refused, for reasons given for each.");
    problem_free(refusals->worst);
  }
  if (problem != NULL && refusals->asked > 1)
    problem_set(problem, "subproblems", json_incref(refusals->subproblems));
  json_decref(refusals->subproblems);
  return problem;
}

Problem *identifiers_read(json_t *identifiers, gboolean dns_too, GPtrArray **mailboxes) {
  g_autoptr(GPtrArray) read = g_ptr_array_new_with_free_func((GDestroyNotify)ordered_mailbox_free);
  Refusals refusals = {.subproblems = json_array()};
  json_t *identifier = NULL;
  size_t i = 0;
  if (!json_is_array(identifiers) || json_array_size(identifiers) == 0 ||
      json_array_size(identifiers) > IDENTIFIERS_MAX) {
    json_decref(refusals.subproblems);
    return problem_new(PROBLEM_MALFORMED, 0, "identifiers must be a list of 1 to %d identifiers.",
                       IDENTIFIERS_MAX);
  }
  json_array_foreach(identifiers, i, identifier) {
    refusals_add(&refusals, identifier, read_one(identifier, dns_too, read));
  }
  Problem *problem = refusals_end(&refusals);
  if (problem == NULL)
    *mailboxes = g_steal_pointer(&read);
  return problem;
}

Problem *identifiers_check(GPtrArray *mailboxes, IdentifierCheck check, gpointer user) {
  Refusals refusals = {.subproblems = json_array()};
  for (guint i = 0; i < mailboxes->len; i++) {
    const OrderedMailbox *ordered = mailboxes->pdata[i];
    json_t *identifier = identifier_json(ordered->type, ordered->identifier);
    refusals_add(&refusals, identifier, check(user, ordered));
    json_decref(identifier);
  }
  return refusals_end(&refusals);
}
