/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/caa.h"

#include <string.h>

#define ACCOUNT "https://acme.example.org/account/1"

static const char *const identities[] = {"ca.example.org", "other.example.net", NULL};
static const CaaRequest request = {identities, ACCOUNT, "email-reply-00"};

static GBytes *record(guint8 flags, const char *tag, const char *value, gsize length) {
  GByteArray *octets = g_byte_array_new();
  guint8 tag_length = (guint8)strlen(tag);
  g_byte_array_append(octets, &flags, 1);
  g_byte_array_append(octets, &tag_length, 1);
  g_byte_array_append(octets, (const guint8 *)tag, tag_length);
  g_byte_array_append(octets, (const guint8 *)value, (guint)length);
  return g_byte_array_free_to_bytes(octets);
}

static CaaRecordSet *record_set(ResolverOutcome outcome) {
  CaaRecordSet *set = g_new0(CaaRecordSet, 1);
  set->outcome = outcome;
  set->found_at = outcome == RESOLVER_FOUND ? g_strdup("example.com") : NULL;
  set->records = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
  set->text = g_strdup("why");
  return set;
}

/* Up to three properties: flags, tag, value. */
typedef struct {
  CaaVerdict verdict;
  struct {
    guint8 flags;
    const char *tag, *value;
  } properties[3];
} Case;

#define MAIL "issuemail"

static const Case cases[] = {
    /* RFC 9495 section 5 */
    {CAA_PERMITTED, {{0, "issue", "other.example"}}},
    {CAA_FORBIDDEN, {{0, MAIL, ";"}}},
    {CAA_PERMITTED, {{0, MAIL, "ca.example.org; account=123456"}}},
    {CAA_PERMITTED, {{0, MAIL, ";"}, {0, MAIL, "ca.example.org"}}},
    {CAA_FORBIDDEN, {{0, MAIL, "%%%%%"}}},
    {CAA_PERMITTED, {{0, MAIL, "%%%%%"}, {0, MAIL, "ca.example.org"}}},
    /* names */
    {CAA_PERMITTED, {{0, MAIL, "ca.example.org"}}},
    {CAA_PERMITTED, {{0, MAIL, "other.example.net"}}},
    {CAA_PERMITTED, {{0, MAIL, " \tCA.Example.ORG \t"}}},
    {CAA_PERMITTED, {{0, MAIL, "ca.example.org;"}}},
    {CAA_PERMITTED, {{0, MAIL, " ca.example.org ; "}}},
    {CAA_FORBIDDEN, {{0, MAIL, "example.org"}}},
    {CAA_FORBIDDEN, {{0, MAIL, "x.ca.example.org"}}},
    {CAA_FORBIDDEN, {{0, MAIL, "ca.example.org."}}},
    {CAA_FORBIDDEN, {{0, MAIL, "ca..example.org"}}},
    {CAA_FORBIDDEN, {{0, MAIL, "-ca.example.org"}}},
    {CAA_FORBIDDEN, {{0, MAIL, "ca.example.org other"}}},
    {CAA_FORBIDDEN, {{0, MAIL, ""}}},
    {CAA_FORBIDDEN, {{0, MAIL, "  "}}},
    {CAA_FORBIDDEN, {{0, MAIL, "evil.example"}}},
    /* tags */
    {CAA_PERMITTED, {{0, "IssueMail", "ca.example.org"}}},
    {CAA_FORBIDDEN, {{0, "ISSUEMAIL", "evil.example"}}},
    {CAA_FORBIDDEN, {{0, "issue", "ca.example.org"}, {0, MAIL, "evil.example"}}},
    {CAA_PERMITTED, {{128, "issue", ";"}, {128, "issuewild", ";"}, {128, "iodef", "mailto:a@b"}}},
    {CAA_PERMITTED,
     {{128, "contactemail", "x"}, {128, "contactphone", "x"}, {128, "issuevmc", ";"}}},
    {CAA_PERMITTED, {{128, MAIL, "ca.example.org"}}},
    {CAA_FORBIDDEN, {{128, "tbs", "x"}}},
    {CAA_FORBIDDEN, {{128, "tbs", "x"}, {0, MAIL, "ca.example.org"}}},
    {CAA_FORBIDDEN, {{0xff, "future", "x"}}},
    {CAA_PERMITTED, {{0, "future", "x"}}},
    {CAA_PERMITTED, {{0x7f, "future", "x"}}},
    {CAA_PERMITTED, {{1, MAIL, "ca.example.org"}}},
    {CAA_FORBIDDEN, {{0, "issue mail", "x"}}},
    {CAA_FORBIDDEN, {{0, "", "x"}}},
    /* parameters */
    {CAA_PERMITTED, {{0, MAIL, "ca.example.org; accounturi=" ACCOUNT}}},
    {CAA_PERMITTED, {{0, MAIL, "ca.example.org;accounturi = " ACCOUNT " ; unknown="}}},
    {CAA_PERMITTED, {{0, MAIL, "ca.example.org; AccountURI=" ACCOUNT}}},
    {CAA_FORBIDDEN, {{0, MAIL, "ca.example.org; accounturi=" ACCOUNT "2"}}},
    {CAA_FORBIDDEN, {{0, MAIL, "ca.example.org; accounturi="}}},
    {CAA_FORBIDDEN, {{0, MAIL, "ca.example.org; accounturi=" ACCOUNT "; accounturi=" ACCOUNT}}},
    {CAA_FORBIDDEN, {{0, MAIL, "evil.example; accounturi=" ACCOUNT}}},
    {CAA_FORBIDDEN, {{0, MAIL, "; accounturi=" ACCOUNT}}},
    {CAA_PERMITTED, {{0, MAIL, "ca.example.org; accounturi=x"}, {0, MAIL, "other.example.net"}}},
    {CAA_PERMITTED, {{0, MAIL, "ca.example.org; validationmethods=email-reply-00"}}},
    {CAA_PERMITTED, {{0, MAIL, "ca.example.org; validationmethods=dns-01,email-reply-00"}}},
    {CAA_FORBIDDEN, {{0, MAIL, "ca.example.org; validationmethods=dns-01"}}},
    {CAA_FORBIDDEN, {{0, MAIL, "ca.example.org; validationmethods="}}},
    {CAA_FORBIDDEN, {{0, MAIL, "ca.example.org; validationmethods=email-reply-00,"}}},
    {CAA_FORBIDDEN, {{0, MAIL, "ca.example.org; validationmethods=email-reply-00,x_y"}}},
    {CAA_FORBIDDEN,
     {{0, MAIL,
       "ca.example.org; validationmethods=email-reply-00; "
       "validationmethods=email-reply-00"}}},
    {CAA_FORBIDDEN, {{0, MAIL, "ca.example.org; validationmethods=email-reply-00; accounturi=x"}}},
    /* ABNF of parameters */
    {CAA_FORBIDDEN, {{0, MAIL, "ca.example.org; a=b;"}}},
    {CAA_FORBIDDEN, {{0, MAIL, "ca.example.org; a"}}},
    {CAA_FORBIDDEN, {{0, MAIL, "ca.example.org; =b"}}},
    {CAA_FORBIDDEN, {{0, MAIL, "ca.example.org; a=b c"}}},
    {CAA_FORBIDDEN, {{0, MAIL, "ca.example.org; a-=b"}}},
    {CAA_FORBIDDEN, {{0, MAIL, "ca.example.org; a=b\x01"}}},
    {CAA_FORBIDDEN, {{0, MAIL, "ca.example.org; a=\xc3\xa9"}}},
    {CAA_FORBIDDEN, {{0, MAIL, "ca.example.org;;"}}},
    {CAA_PERMITTED, {{0, MAIL, "ca.example.org; a=b;c=d ; e-f = g"}}},
};

static void test_table(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(CaaRecordSet) set = record_set(RESOLVER_FOUND);
    g_autofree char *explanation = NULL;
    for (gsize k = 0; k < 3 && cases[i].properties[k].tag != NULL; k++)
      g_ptr_array_add(set->records,
                      record(cases[i].properties[k].flags, cases[i].properties[k].tag,
                             cases[i].properties[k].value, strlen(cases[i].properties[k].value)));
    CaaVerdict verdict = caa_judge(set, &request, &explanation);
    g_assert_nonnull(explanation);
    if (verdict != cases[i].verdict)
      g_error("case %" G_GSIZE_FORMAT ": %s", i, explanation);
  }
}

static void test_outcomes(void) {
  static const struct {
    ResolverOutcome outcome;
    gboolean secure;
    CaaVerdict verdict;
  } outcomes[] = {{RESOLVER_NONE, TRUE, CAA_PERMITTED},
                  {RESOLVER_NONE, FALSE, CAA_PERMITTED},
                  {RESOLVER_BOGUS, FALSE, CAA_FORBIDDEN},
                  {RESOLVER_TEMPORARY, FALSE, CAA_TRY_AGAIN}};
  for (gsize i = 0; i < G_N_ELEMENTS(outcomes); i++) {
    g_autoptr(CaaRecordSet) set = record_set(outcomes[i].outcome);
    g_autofree char *explanation = NULL;
    set->secure = outcomes[i].secure;
    g_assert_cmpint(caa_judge(set, &request, &explanation), ==, outcomes[i].verdict);
    g_assert_nonnull(explanation);
    g_assert_cmpint(caa_judge(set, &request, NULL), ==, outcomes[i].verdict);
  }
}

static void test_malformed_wire(void) {
  static const struct {
    const char *octets;
    gsize length;
  } wires[] = {{"", 0},      {"\0", 1},         {"\0\0", 2},
               {"\0\0x", 3}, {"\0\x05issu", 6}, {"\0\xffissuemail", 11}};
  for (gsize i = 0; i < G_N_ELEMENTS(wires); i++) {
    g_autoptr(CaaRecordSet) set = record_set(RESOLVER_FOUND);
    g_autofree char *explanation = NULL;
    g_ptr_array_add(set->records, g_bytes_new(wires[i].octets, wires[i].length));
    g_ptr_array_add(set->records, record(0, MAIL, "ca.example.org", 14));
    g_assert_cmpint(caa_judge(set, &request, &explanation), ==, CAA_FORBIDDEN);
    g_assert_nonnull(strstr(explanation, "malformed"));
  }
}

static void test_nul(void) {
  g_autoptr(CaaRecordSet) set = record_set(RESOLVER_FOUND);
  g_autofree char *explanation = NULL;
  g_ptr_array_add(set->records, record(0, MAIL, "ca.example.org\0;", 16));
  g_assert_cmpint(caa_judge(set, &request, &explanation), ==, CAA_FORBIDDEN);
  g_assert_cmpstr(
      explanation, ==,
      "CAA at example.com: 0 issuemail \"ca.example.org\\000;\": its value is malformed "
      "and names nobody");
}

static void test_parent(void) {
  g_assert_cmpstr(caa_parent("a.b.example.org"), ==, "b.example.org");
  g_assert_cmpstr(caa_parent("example.org"), ==, "org");
  g_assert_null(caa_parent("org"));
  g_assert_null(caa_parent("org."));
  g_assert_null(caa_parent(""));
}

static void test_text(void) {
  g_autoptr(GBytes) good = record(128, "issuemail", "a\"b\\c\n\x7f\xff", 8);
  g_autoptr(GBytes) bad = g_bytes_new_static("\0\0", 2);
  g_autofree char *good_text = caa_record_text(good);
  g_autofree char *bad_text = caa_record_text(bad);
  g_assert_cmpstr(good_text, ==, "128 issuemail \"a\\\"b\\\\c\\010\\127\\255\"");
  g_assert_cmpstr(bad_text, ==, "\\# 2 0000");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/caa/table", test_table);
  g_test_add_func("/caa/outcomes", test_outcomes);
  g_test_add_func("/caa/malformed-wire", test_malformed_wire);
  g_test_add_func("/caa/nul", test_nul);
  g_test_add_func("/caa/parent", test_parent);
  g_test_add_func("/caa/text", test_text);
  return g_test_run();
}
