/* SPDX-License-Identifier: Apache-2.0 */
#include "base/perspective.h"

#include <string.h>

static void test_parse(void) {
  static const struct {
    const char *text, *why;
  } rows[] = {
      {"tokyo https://192.0.2.1/dns-query", NULL},
      {"t-1 https://dns.example.org:8443/q", NULL},
      {"v6 https://[2001:db8::1]/", NULL},
      {"https://192.0.2.1/", "is not \"NAME URL\""},
      {"tokyo", "is not \"NAME URL\""},
      {"tokyo  https://192.0.2.1/", "is not \"NAME URL\""},
      {"tokyo https://192.0.2.1/ x", "is not \"NAME URL\""},
      {"Tokyo https://192.0.2.1/", "the name is not"},
      {"a.b https://192.0.2.1/", "the name is not"},
      {"primary https://192.0.2.1/", "own resolver"},
      {"tokyo http://192.0.2.1/", "is no https://"},
      {"tokyo file:///etc/passwd", "is no https://"},
      {"tokyo https:///", "is no https://"},
      {"tokyo nowhere", "is no https://"},
      {"tokyo https://u:p@192.0.2.1/", "is no https://"},
      {"tokyo https://192.0.2.1/#x", "is no https://"},
      {"tokyo https://192.0.2.1/{?dns}", "is no https://"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    const char *why = NULL;
    g_autoptr(Perspective) perspective = perspective_parse(rows[i].text, &why);
    g_test_message("%s: %s", rows[i].text, why);
    g_assert_cmpint(perspective == NULL, ==, rows[i].why != NULL);
    if (rows[i].why != NULL)
      g_assert_nonnull(strstr(why, rows[i].why));
  }
}

/* TLS BR 3.2.2.9: one of 2 to 5 may differ, two of more. */
static void test_quorum(void) {
  static const guint least[] = {0, 1, 1, 2, 3, 4, 4, 5};
  for (guint i = 0; i < G_N_ELEMENTS(least); i++)
    g_assert_cmpuint(perspective_least_quorum(i), ==, least[i]);
}

static GVariant *pack(guint type, guint outcome, const char *data) {
  g_autofree char *text =
      g_strdup_printf("[(uint32 %u, 'a.example', 'tokyo', int64 7, uint32 %u, true, "
                      "just 'example', %s, 'found')]",
                      type, outcome, data);
  return g_variant_ref_sink(
      g_variant_parse(G_VARIANT_TYPE(PERSPECTIVE_ANSWERS_TYPE), text, NULL, NULL, NULL));
}

static void test_answers(void) {
  static const struct {
    guint type, outcome;
    const char *data;
    gboolean good;
  } rows[] = {
      {RESOLVER_CAA, RESOLVER_FOUND, "[[byte 1], [2]]", TRUE},
      {RESOLVER_TXT, RESOLVER_NONE, "[]", TRUE},
      {RESOLVER_MX, RESOLVER_TEMPORARY, "[]", TRUE},
      {RESOLVER_A, RESOLVER_FOUND, "[[byte 1]]", FALSE},
      {RESOLVER_CAA, RESOLVER_FOUND + 1, "[[byte 1]]", FALSE},
      {RESOLVER_CAA, RESOLVER_FOUND, "[]", FALSE},
      {RESOLVER_CAA, RESOLVER_NONE, "[[byte 1]]", FALSE},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(GVariant) value = pack(rows[i].type, rows[i].outcome, rows[i].data);
    g_autoptr(GPtrArray) answers = perspective_answers_read(value);
    g_assert_cmpint(answers != NULL, ==, rows[i].good);
    if (answers == NULL)
      continue;
    GVariantBuilder again;
    g_variant_builder_init(&again, G_VARIANT_TYPE(PERSPECTIVE_ANSWERS_TYPE));
    for (guint j = 0; j < answers->len; j++)
      g_variant_builder_add_value(&again, perspective_answer_pack(answers->pdata[j]));
    g_autoptr(GVariant) packed = g_variant_ref_sink(g_variant_builder_end(&again));
    g_assert_true(g_variant_equal(packed, value));
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/perspective/parse", test_parse);
  g_test_add_func("/perspective/quorum", test_quorum);
  g_test_add_func("/perspective/answers", test_answers);
  return g_test_run();
}
