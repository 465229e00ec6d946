/* SPDX-License-Identifier: Apache-2.0 */
/* The search for the DMARC record of a From domain (RFC 7489 section 6.6.3). */
#include "mime/dmarc.h"

#include <string.h>

#define RECORD "v=DMARC1; p=reject"
#define T RESOLVER_TEMPORARY
#define B RESOLVER_BOGUS
#define N RESOLVER_NONE
#define F RESOLVER_FOUND

/* A question that must be asked, and how it is answered. */
typedef struct {
  const char *question;
  ResolverOutcome outcome;
  const char *records[4];
  gboolean secure;
} Step;

static const struct {
  const char *from;
  Step steps[3];
  const char *domain;
  ResolverOutcome outcome;
  const char *record;
  gboolean secure;
} searches[] = {
    {"a@example.org", {{"_dmarc.example.org", F, {RECORD}, TRUE}}, "example.org", F, RECORD, TRUE},
    {"a@example.org",
     {{"_dmarc.example.org", F, {RECORD}, FALSE}},
     "example.org",
     F,
     RECORD,
     FALSE},
    {"a@example.org", {{"_dmarc.example.org", N, {NULL}, TRUE}}, "example.org", N, NULL, TRUE},
    {"a@example.org", {{"_dmarc.example.org", T, {NULL}, TRUE}}, "example.org", T, NULL, FALSE},
    {"a@example.org", {{"_dmarc.example.org", B, {NULL}, TRUE}}, "example.org", B, NULL, FALSE},
    /* others beside it are none */
    {"a@example.org",
     {{"_dmarc.example.org", F, {"v=spf1 -all", "v=DMARC2; p=none", RECORD}, TRUE}},
     "example.org",
     F,
     RECORD,
     TRUE},
    {"a@example.org", {{"_dmarc.example.org", F, {"p=none"}, TRUE}}, "example.org", N, NULL, TRUE},
    {"a@example.org",
     {{"_dmarc.example.org", F, {"p=none; v=DMARC1"}, TRUE}},
     "example.org",
     N,
     NULL,
     TRUE},
    /* several are none, and the search does not go on */
    {"a@b.example.org",
     {{"_dmarc.b.example.org", F, {RECORD, "v=DMARC1; p=none"}, TRUE}},
     "b.example.org",
     N,
     NULL,
     TRUE},
    /* the organisational domain, in one step */
    {"a@Mail.B.example.org",
     {{"_dmarc.mail.b.example.org", N, {NULL}, TRUE}, {"_dmarc.example.org", F, {RECORD}, FALSE}},
     "example.org",
     F,
     RECORD,
     FALSE},
    {"a@b.example.org",
     {{"_dmarc.b.example.org", F, {"v=spf1 -all"}, TRUE},
      {"_dmarc.example.org", F, {RECORD}, TRUE}},
     "example.org",
     F,
     RECORD,
     TRUE},
    {"a@b.example.org",
     {{"_dmarc.b.example.org", N, {NULL}, TRUE}, {"_dmarc.example.org", N, {NULL}, TRUE}},
     "example.org",
     N,
     NULL,
     TRUE},
    {"a@b.example.org",
     {{"_dmarc.b.example.org", N, {NULL}, TRUE}, {"_dmarc.example.org", F, {RECORD, RECORD}, TRUE}},
     "example.org",
     N,
     NULL,
     TRUE},
    {"a@b.example.org",
     {{"_dmarc.b.example.org", N, {NULL}, TRUE}, {"_dmarc.example.org", B, {NULL}, TRUE}},
     "example.org",
     B,
     NULL,
     FALSE},
    {"a@b.example.org",
     {{"_dmarc.b.example.org", N, {NULL}, TRUE}, {"_dmarc.example.org", T, {NULL}, TRUE}},
     "example.org",
     T,
     NULL,
     FALSE},
    /* not after an answer that is none */
    {"a@b.example.org",
     {{"_dmarc.b.example.org", T, {NULL}, TRUE}},
     "b.example.org",
     T,
     NULL,
     FALSE},
    {"a@b.example.org",
     {{"_dmarc.b.example.org", B, {NULL}, TRUE}},
     "b.example.org",
     B,
     NULL,
     FALSE},
    /* public suffixes of more labels, with exceptions, of no list, and as A-labels */
    {"a@b.example.co.uk",
     {{"_dmarc.b.example.co.uk", N, {NULL}, TRUE}, {"_dmarc.example.co.uk", F, {RECORD}, TRUE}},
     "example.co.uk",
     F,
     RECORD,
     TRUE},
    {"a@co.uk", {{"_dmarc.co.uk", N, {NULL}, TRUE}}, "co.uk", N, NULL, TRUE},
    {"a@b.www.ck",
     {{"_dmarc.b.www.ck", N, {NULL}, TRUE}, {"_dmarc.www.ck", F, {RECORD}, TRUE}},
     "www.ck",
     F,
     RECORD,
     TRUE},
    {"a@b.user.test",
     {{"_dmarc.b.user.test", N, {NULL}, TRUE}, {"_dmarc.user.test", F, {RECORD}, TRUE}},
     "user.test",
     F,
     RECORD,
     TRUE},
    {"a@b.\xC3\xBC.xn--55qx5d.cn",
     {{"_dmarc.b.xn--tda.xn--55qx5d.cn", N, {NULL}, TRUE},
      {"_dmarc.xn--tda.xn--55qx5d.cn", F, {RECORD}, TRUE}},
     "xn--tda.xn--55qx5d.cn",
     F,
     RECORD,
     TRUE},
};

static void assert_finding(const DmarcFinding *finding, const char *domain, ResolverOutcome outcome,
                           const char *record, gboolean secure) {
  g_assert_cmpstr(finding->domain, ==, domain);
  g_assert_cmpint(finding->outcome, ==, outcome);
  g_assert_cmpstr(finding->record, ==, record);
  g_assert_cmpint(finding->secure, ==, secure);
}

static void test_searches(void) {
  for (guint i = 0; i < G_N_ELEMENTS(searches); i++) {
    g_test_message("search %u: %s", i, searches[i].from);
    g_autoptr(DmarcSearch) search = dmarc_search_new(searches[i].from);
    g_assert_nonnull(search);
    for (const Step *step = searches[i].steps; step->question != NULL; step++) {
      g_assert_cmpstr(dmarc_search_question(search), ==, step->question);
      /* whoever cannot wait for the answer has this */
      assert_finding(dmarc_search_finding(search), strchr(step->question, '.') + 1, T, NULL, FALSE);
      dmarc_search_answer(search, step->outcome, step->records, step->secure);
    }
    g_assert_null(dmarc_search_question(search));
    assert_finding(dmarc_search_finding(search), searches[i].domain, searches[i].outcome,
                   searches[i].record, searches[i].secure);
  }
}

/* A From whose domain has so many octets. */
static char *from_of(guint octets) {
  g_autofree char *label = g_strnfill(60, 'a');
  g_autofree char *labels = g_strdup_printf("%s.%s.%s.%s", label, label, label, label);
  g_autofree char *last = g_strnfill(octets - 244, 'b');
  return g_strdup_printf("a@%s.%s", labels, last);
}

/* "_dmarc." comes before the domain, and a name has at most 253 octets. */
static void test_no_question(void) {
  static const char *const none[] = {NULL, "", "a", "a@", "a@org", "a@exa mple.org"};
  for (guint i = 0; i < G_N_ELEMENTS(none); i++)
    g_assert_null(dmarc_search_new(none[i]));
  g_autofree char *longest = from_of(246), *longer = from_of(247);
  g_autoptr(DmarcSearch) search = dmarc_search_new(longest);
  g_assert_nonnull(search);
  g_assert_null(dmarc_search_new(longer));
}

/* What others wrote is kept fit to be shown, and short. */
static void test_records(void) {
  g_autofree char *tail = g_strnfill(600, 'x');
  g_autofree char *lengthy = g_strconcat(RECORD "; x=", tail, NULL);
  g_autofree char *cut = g_strndup(lengthy, DMARC_MAX_RECORD_OCTETS);
  const struct {
    const char *record, *kept;
  } rows[] = {
      {lengthy, cut},
      {"v=DMARC1;\x1B[31m\r\n\x7F", "v=DMARC1;?[31m???"},
      {"v=DMARC1; p=\xFF", "v=DMARC1; p=\xEF\xBF\xBD"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    const char *const records[] = {rows[i].record, NULL};
    g_autoptr(DmarcSearch) search = dmarc_search_new("a@example.org");
    dmarc_search_answer(search, F, records, TRUE);
    assert_finding(dmarc_search_finding(search), "example.org", F, rows[i].kept, TRUE);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/dmarc/searches", test_searches);
  g_test_add_func("/dmarc/no-question", test_no_question);
  g_test_add_func("/dmarc/records", test_records);
  return g_test_run();
}
