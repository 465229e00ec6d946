/* SPDX-License-Identifier: Apache-2.0 */
/* Identifiers of newOrder: security.md 2; interop.md 28; RFC 8823 section 5.1. */
#include "acme/identifier.h"

#include <string.h>

#define EMAIL(value) "{\"type\":\"email\",\"value\":\"" value "\"}"
#define PASSED PROBLEM_COUNT
#define LOCAL_64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

typedef struct {
  const char *json;
  ProblemType problem; /* PASSED: taken */
  guint subproblems;
} Case;

static const Case cases[] = {
    {"[" EMAIL("alice@example.org") "]", PASSED, 0},
    {"[" EMAIL("Alice@Example.ORG") "]", PASSED, 0},
    {"[" EMAIL("a.b+c@example.org") "]", PASSED, 0},
    {"[" EMAIL("alice@bücher.example") "]", PASSED, 0},
    {"[" EMAIL("alice@example.org") "," EMAIL("bob@example.org") "]", PASSED, 0},
    {"[" EMAIL("alice@example.org") "," EMAIL("alice@example.net") "]", PASSED, 0},
    {"[" EMAIL(LOCAL_64 "@example.org") "]", PASSED, 0},
    {"[" EMAIL("жук@example.org") "]", PASSED, 0},
    {"[" EMAIL("жук@bücher.example") "," EMAIL("alice@bücher.example") "]", PASSED, 0},
    /* Beyond ASCII case makes another mailbox. */
    {"[" EMAIL("жук@example.org") "," EMAIL("Жук@example.org") "]", PASSED, 0},

    {"[]", PROBLEM_MALFORMED, 0},
    {"{}", PROBLEM_MALFORMED, 0},
    {"null", PROBLEM_MALFORMED, 0},
    {"\"alice@example.org\"", PROBLEM_MALFORMED, 0},
    {"[\"alice@example.org\"]", PROBLEM_MALFORMED, 0},
    {"[{}]", PROBLEM_MALFORMED, 0},
    {"[{\"type\":\"email\"}]", PROBLEM_MALFORMED, 0},
    {"[{\"value\":\"alice@example.org\"}]", PROBLEM_MALFORMED, 0},
    {"[{\"type\":1,\"value\":\"alice@example.org\"}]", PROBLEM_MALFORMED, 0},
    {"[{\"type\":\"email\",\"value\":[\"alice@example.org\"]}]", PROBLEM_MALFORMED, 0},
    {"[{\"type\":\"dns\",\"value\":\"example.org\"}]", PROBLEM_UNSUPPORTED_IDENTIFIER, 0},
    {"[{\"type\":\"Email\",\"value\":\"alice@example.org\"}]", PROBLEM_UNSUPPORTED_IDENTIFIER, 0},
    {"[{\"type\":\"ip\",\"value\":\"192.0.2.1\"}]", PROBLEM_UNSUPPORTED_IDENTIFIER, 0},

    {"[" EMAIL("") "]", PROBLEM_REJECTED_IDENTIFIER, 0},
    {"[" EMAIL("alice") "]", PROBLEM_REJECTED_IDENTIFIER, 0},
    {"[" EMAIL("@example.org") "]", PROBLEM_REJECTED_IDENTIFIER, 0},
    {"[" EMAIL("alice@") "]", PROBLEM_REJECTED_IDENTIFIER, 0},
    {"[" EMAIL("alice@localhost") "]", PROBLEM_REJECTED_IDENTIFIER, 0},
    {"[" EMAIL("alice@*.example.org") "]", PROBLEM_REJECTED_IDENTIFIER, 0},
    {"[" EMAIL("*@example.org") "]", PROBLEM_REJECTED_IDENTIFIER, 0},
    {"[" EMAIL("al*ce@example.org") "]", PROBLEM_REJECTED_IDENTIFIER, 0},
    {"[" EMAIL("alice@[192.0.2.1]") "]", PROBLEM_REJECTED_IDENTIFIER, 0},
    {"[" EMAIL("\\\"alice\\\"@example.org") "]", PROBLEM_REJECTED_IDENTIFIER, 0},
    {"[" EMAIL("<alice@example.org>") "]", PROBLEM_REJECTED_IDENTIFIER, 0},
    {"[" EMAIL("Alice <alice@example.org>") "]", PROBLEM_REJECTED_IDENTIFIER, 0},
    {"[" EMAIL("@a.example:alice@example.org") "]", PROBLEM_REJECTED_IDENTIFIER, 0},
    {"[" EMAIL("alice@example.org,bob@example.org") "]", PROBLEM_REJECTED_IDENTIFIER, 0},
    {"[" EMAIL("alice@example.org\\r\\nBcc: bob@example.org") "]", PROBLEM_REJECTED_IDENTIFIER, 0},
    {"[" EMAIL(" alice@example.org") "]", PROBLEM_REJECTED_IDENTIFIER, 0},
    {"[" EMAIL("alice@example.org.") "]", PROBLEM_REJECTED_IDENTIFIER, 0},
    {"[" EMAIL(".alice@example.org") "]", PROBLEM_REJECTED_IDENTIFIER, 0},
    {"[" EMAIL("al..ice@example.org") "]", PROBLEM_REJECTED_IDENTIFIER, 0},
    {"[" EMAIL("alice@exam_ple.org") "]", PROBLEM_REJECTED_IDENTIFIER, 0},
    {"[" EMAIL("alice\\u007f@example.org") "]", PROBLEM_REJECTED_IDENTIFIER, 0},
    {"[" EMAIL("jo\\u0308rg@example.org") "]", PROBLEM_REJECTED_IDENTIFIER, 0},
    {"[" EMAIL("жук\\u202e@example.org") "]", PROBLEM_REJECTED_IDENTIFIER, 0},
    {"[" EMAIL("жук\\u200b@example.org") "]", PROBLEM_REJECTED_IDENTIFIER, 0},
    {"[" EMAIL(LOCAL_64 "a@example.org") "]", PROBLEM_REJECTED_IDENTIFIER, 0},

    /* twins */
    {"[" EMAIL("alice@example.org") "," EMAIL("alice@example.org") "]", PROBLEM_MALFORMED, 1},
    {"[" EMAIL("alice@example.org") "," EMAIL("ALICE@example.org") "]", PROBLEM_MALFORMED, 1},
    {"[" EMAIL("alice@example.org") "," EMAIL("alice@EXAMPLE.org") "]", PROBLEM_MALFORMED, 1},
    {"[" EMAIL("alice@bücher.example") "," EMAIL("alice@xn--bcher-kva.example") "]",
     PROBLEM_MALFORMED, 1},
    {"[" EMAIL("жук+a@bücher.example") "," EMAIL("жук+A@XN--Bcher-kva.example") "]",
     PROBLEM_MALFORMED, 1},

    /* each one refused is named */
    {"[" EMAIL("alice") "," EMAIL("bob@example.org") "," EMAIL("carol@localhost") "]",
     PROBLEM_REJECTED_IDENTIFIER, 2},
};

static void check(const Case *c) {
  g_autoptr(GPtrArray) mailboxes = NULL;
  json_t *identifiers = json_loads(c->json, JSON_DECODE_ANY, NULL);
  g_assert_nonnull(identifiers);
  g_test_message("%s", c->json);
  g_autoptr(Problem) problem = identifiers_read(identifiers, FALSE, &mailboxes);
  g_assert_cmpint(problem == NULL ? PASSED : problem->type, ==, c->problem);
  g_assert_cmpint(mailboxes != NULL, ==, problem == NULL);
  if (problem != NULL) {
    json_t *document = problem_json(problem);
    json_t *subproblems = json_object_get(document, "subproblems"), *sub = NULL;
    size_t i = 0;
    g_assert_cmpuint(json_array_size(subproblems), ==, c->subproblems);
    json_array_foreach(subproblems, i, sub) {
      g_assert_true(json_is_object(json_object_get(sub, "identifier")));
    }
    json_decref(document);
  }
  json_decref(identifiers);
}

static void test_table(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
    check(&cases[i]);
}

/* Kept as sent, compared and certified in canonical form. */
static void test_forms(void) {
  g_autoptr(GPtrArray) mailboxes = NULL;
  json_t *identifiers = json_pack("[{s:s, s:s}]", "type", "email", "value", "Alice@BÜCHER.example");
  g_assert_null(identifiers_read(identifiers, FALSE, &mailboxes));
  g_assert_cmpuint(mailboxes->len, ==, 1);
  const OrderedMailbox *ordered = mailboxes->pdata[0];
  g_assert_cmpstr(ordered->identifier, ==, "Alice@BÜCHER.example");
  g_assert_cmpstr(ordered->mailbox->address, ==, "Alice@xn--bcher-kva.example");
  g_assert_cmpstr(ordered->mailbox->canonical, ==, "alice@xn--bcher-kva.example");
  json_decref(identifiers);
}

static void test_count(void) {
  for (guint count = IDENTIFIERS_MAX; count <= IDENTIFIERS_MAX + 1; count++) {
    g_autoptr(GPtrArray) mailboxes = NULL;
    json_t *identifiers = json_array();
    for (guint i = 0; i < count; i++) {
      g_autofree char *value = g_strdup_printf("user%u@example.org", i);
      json_array_append_new(identifiers, json_pack("{s:s, s:s}", "type", "email", "value", value));
    }
    g_autoptr(Problem) problem = identifiers_read(identifiers, FALSE, &mailboxes);
    g_assert_cmpint(problem == NULL, ==, count == IDENTIFIERS_MAX);
    json_decref(identifiers);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/acme/identifier/table", test_table);
  g_test_add_func("/acme/identifier/forms", test_forms);
  g_test_add_func("/acme/identifier/count", test_count);
  return g_test_run();
}
