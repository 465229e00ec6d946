/* SPDX-License-Identifier: Apache-2.0 */
/* Judging a reply rule by rule: interop.md 2, 15-22; security.md 14, 16; RFC 8823 section 3.2. */
#include "acme/judge.h"

#include "base/base64url.h"

#include <string.h>

#define TOKEN "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY"
#define DEADLINE G_GINT64_CONSTANT(1772323200000)
#define STRICT                                                                                     \
  "from:sender:reply-to:to:cc:subject:date:in-reply-to:references:message-id:content-type:"        \
  "content-transfer-encoding"
#define SIGNATURES 3

typedef struct {
  const char *domain; /* NULL: no such signature; "-": unreadable */
  DkimResult result;
  const char *fields; /* NULL: "from:subject" */
  const char *reason;
} Signed;

/* NULL or 0 is what a right reply of the mailbox has; -1 stands for 0. */
typedef struct {
  const char *name;
  JudgeVerdict verdict;
  const char *rule;
  const char *detail; /* part of what the client is told */
  const char *refused, *token, *from, *list;
  const char *mailbox; /* NULL: "Alice@example.org" */
  int from_fields, from_mailboxes, subjects, content_types, encodings;
  int block; /* a ReplyBlock; REPLY_BLOCK_NONE is -1 */
  Signed signatures[SIGNATURES];
  gboolean no_from, is_unsigned, is_report, wrong_digest, late, decided, strict, exact;
  ProblemType problem; /* 0: PROBLEM_UNAUTHORIZED, of those that have a problem */
} Case;

#define ANNA "\u0430\u043d\u043d\u0430"
#define U_LABEL "b\u00fccher.example"
#define A_LABEL "xn--bcher-kva.example"

#define PASS JUDGE_PASSED, "all", NULL
#define IGNORED(rule) JUDGE_IGNORED, rule, NULL
#define OWN "example.org"

static const Case cases[] = {
    {"right", PASS, .token = TOKEN},
    {"domain in capitals", PASS, .from = "Alice@EXAMPLE.ORG"},
    {"local part in capitals", PASS, .from = "ALICE@example.org"},
    {"automatic", PASS, .is_report = TRUE},
    {"two signatures, one good", PASS,
     .signatures = {{"mailer.example.net", DKIM_PASS, NULL, NULL}, {OWN, DKIM_PASS, NULL, NULL}}},
    {"a broken one before", PASS,
     .signatures = {{OWN, DKIM_FAIL, NULL, "x"}, {OWN, DKIM_PASS, NULL, NULL}}},
    {"l= before", PASS,
     .signatures = {{OWN, DKIM_UNUSABLE, NULL, "l="}, {OWN, DKIM_PASS, NULL, NULL}}},
    {"a temporary one before", PASS,
     .signatures = {{OWN, DKIM_TEMPORARY, NULL, "x"}, {OWN, DKIM_PASS, NULL, NULL}}},
    {"an uncovering one before", PASS,
     .signatures = {{OWN, DKIM_PASS, "from", NULL}, {OWN, DKIM_PASS, NULL, NULL}}},
    {"exact case", PASS, .exact = TRUE, .from = "Alice@example.org"},
    {"exact case of the domain", PASS, .exact = TRUE, .from = "Alice@Example.Org"},
    {"strict", PASS, .strict = TRUE, .signatures = {{OWN, DKIM_PASS, STRICT, NULL}}},
    {"U-label for A-label", PASS, .mailbox = "ann@" A_LABEL, .from = "ann@" U_LABEL,
     .signatures = {{A_LABEL, DKIM_PASS, NULL, NULL}}},
    {"A-label for U-label", PASS, .mailbox = ANNA "@" U_LABEL, .from = ANNA "@" A_LABEL,
     .signatures = {{A_LABEL, DKIM_PASS, NULL, NULL}}},
    {"UTF-8 with an ASCII tag in capitals", PASS, .mailbox = ANNA "+x@" U_LABEL,
     .from = ANNA "+X@" U_LABEL, .signatures = {{A_LABEL, DKIM_PASS, NULL, NULL}}},
    {"a Content-Type", PASS, .content_types = 1, .encodings = 1},

    /* proves nothing: no trace */
    {"unreadable", IGNORED("readable"), .refused = "bare LF", .token = ""},
    {"unreadable, another token", IGNORED("readable"), .refused = "parts", .token = TOKEN "A"},
    {"decided, unreadable", IGNORED("readable"), .refused = "parts", .decided = TRUE},
    {"no token", IGNORED("token"), .token = ""},
    {"token cut", IGNORED("token"), .token = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhc"},
    {"token longer", IGNORED("token"), .token = TOKEN "A"},
    {"token in another case", IGNORED("token"), .token = "aqidbaugbwgjcgsmdq4pebesexqvfhcy"},
    {"decided", IGNORED("first"), .decided = TRUE},
    {"decided, wrong digest", IGNORED("first"), .decided = TRUE, .wrong_digest = TRUE},
    {"no token, wrong digest", IGNORED("token"), .token = "x", .wrong_digest = TRUE},

    /* noted */
    {"unreadable with the token", JUDGE_NOTED, "readable",
     "refused: a part's From is another; send", .refused = "a part's From is another",
     .is_unsigned = TRUE},
    {"late", JUDGE_NOTED, "in-time", "after the time", .late = TRUE},
    {"no From", JUDGE_NOTED, "from", "exactly one From", .from_fields = -1, .no_from = TRUE},
    {"two From", JUDGE_NOTED, "from", "exactly one From", .from_fields = 2},
    {"two addresses", JUDGE_NOTED, "from", "exactly one address", .from_mailboxes = 2},
    {"no address", JUDGE_NOTED, "from", "exactly one address", .from_mailboxes = -1},
    {"unreadable From", JUDGE_NOTED, "from", "exactly one address", .no_from = TRUE},
    {"another local part", JUDGE_NOTED, "from", "than Alice@example.org;",
     .from = "bob@example.org"},
    {"another domain", JUDGE_NOTED, "from", "than Alice@example.org;", .from = "alice@example.net"},
    {"a domain below", JUDGE_NOTED, "from", NULL, .from = "alice@mail.example.org"},
    {"a tag", JUDGE_NOTED, "from", NULL, .from = "alice+x@example.org"},
    {"no mailbox", JUDGE_NOTED, "from", NULL, .from = "alice"},
    {"capital beyond ASCII", JUDGE_NOTED, "from", NULL, .mailbox = ANNA "@" U_LABEL,
     .from = "\u0410\u043d\u043d\u0430@" U_LABEL},
    {"a Latin letter among Cyrillic ones", JUDGE_NOTED, "from", NULL, .mailbox = ANNA "@" U_LABEL,
     .from = "a\u043d\u043d\u0430@" U_LABEL},
    {"not NFC", JUDGE_NOTED, "from", "normalization form C", .mailbox = "j\u00f6rg@example.org",
     .from = "jo\u0308rg@example.org"},
    {"another U-label", JUDGE_NOTED, "from", NULL, .mailbox = ANNA "@" U_LABEL,
     .from = ANNA "@bucher.example"},
    {"signed for another U-label", JUDGE_NOTED, "dkim", "which must be " A_LABEL,
     .mailbox = ANNA "@" U_LABEL, .from = ANNA "@" U_LABEL,
     .signatures = {{"xn--bucher-example.example", DKIM_PASS, NULL, NULL}}},
    {"exact case broken", JUDGE_NOTED, "from", NULL, .from = "alice@example.org", .exact = TRUE},
    {"two Subjects", JUDGE_NOTED, "single-fields", "one Subject", .subjects = 2},
    {"two Content-Types", JUDGE_NOTED, "single-fields", "more than once", .content_types = 2},
    {"two encodings", JUDGE_NOTED, "single-fields", "more than once", .encodings = 2},
    {"a list", JUDGE_NOTED, "no-list", "List-Id", .list = "List-Id"},
    {"unsigned", JUDGE_NOTED, "dkim", "no DKIM signature; the mail server of example.org",
     .is_unsigned = TRUE},
    {"signed by the provider", JUDGE_NOTED, "dkim", "tenant.onmicrosoft.com (DKIM d=)",
     .signatures = {{"tenant.onmicrosoft.com", DKIM_PASS, NULL, NULL}}},
    {"signed by the parent", JUDGE_NOTED, "dkim", "must be example.org",
     .signatures = {{"org", DKIM_PASS, NULL, NULL}}},
    {"signed by a child", JUDGE_NOTED, "dkim", "must be example.org",
     .signatures = {{"mail.example.org", DKIM_PASS, NULL, NULL}}},
    {"unreadable d=", JUDGE_NOTED, "dkim", "no readable domain",
     .signatures = {{"-", DKIM_UNUSABLE, NULL, "malformed"}}},
    {"broken signature", JUDGE_NOTED, "dkim", "the body was altered",
     .signatures = {{OWN, DKIM_FAIL, NULL, "the body was altered"}}},
    {"l=", JUDGE_NOTED, "dkim",
     "it has l=", .signatures = {{OWN, DKIM_UNUSABLE, NULL, "it has l="}}},
    {"pending", JUDGE_NOTED, "dkim", NULL, .signatures = {{OWN, DKIM_PENDING, NULL, "asked"}}},
    {"Subject not covered", JUDGE_NOTED, "dkim", "does not cover Subject",
     .signatures = {{OWN, DKIM_PASS, "from:to:date", NULL}}},
    {"From not covered", JUDGE_NOTED, "dkim", "does not cover From",
     .signatures = {{OWN, DKIM_PASS, "subject", NULL}}},
    {"nothing covered", JUDGE_NOTED, "dkim", "does not cover From",
     .signatures = {{OWN, DKIM_PASS, "", NULL}}},
    {"strict, two names", JUDGE_NOTED, "dkim", "does not cover sender", .strict = TRUE},
    {"strict, eleven names", JUDGE_NOTED, "dkim", "does not cover content-transfer-encoding",
     .strict = TRUE,
     .signatures = {{OWN, DKIM_PASS,
                     "from:sender:reply-to:to:cc:subject:date:in-reply-to:references:message-id:"
                     "content-type",
                     NULL}}},
    {"good and covering are two signatures", JUDGE_NOTED, "dkim", NULL,
     .signatures = {{OWN, DKIM_FAIL, NULL, "x"},
                    {OWN, DKIM_PASS, "from", NULL},
                    {"example.net", DKIM_PASS, NULL, NULL}}},

    /* the nearest fault is told */
    {"nearest: own broken before foreign good", JUDGE_NOTED, "dkim", "the body was altered",
     .signatures = {{"example.net", DKIM_PASS, NULL, NULL},
                    {OWN, DKIM_FAIL, NULL, "the body was altered"}}},
    {"nearest: uncovering before broken", JUDGE_NOTED, "dkim", "does not cover Subject",
     .signatures = {{OWN, DKIM_FAIL, NULL, "altered"}, {OWN, DKIM_PASS, "from", NULL}}},
    {"nearest: temporary", JUDGE_AGAIN, "dkim", "SERVFAIL", .problem = PROBLEM_DNS,
     .signatures = {{OWN, DKIM_PASS, "from", NULL},
                    {OWN, DKIM_TEMPORARY, NULL, "SERVFAIL"},
                    {"example.net", DKIM_PASS, NULL, NULL}}},
    {"a foreign temporary is not waited for", JUDGE_NOTED, "dkim", "must be example.org",
     .signatures = {{"example.net", DKIM_TEMPORARY, NULL, "SERVFAIL"}}},

    {"no block", JUDGE_NOTED, "block", "BEGIN ACME RESPONSE", .block = -1},
    {"a vacation note", JUDGE_NOTED, "block", "automatic notice", .block = -1, .is_report = TRUE},
    {"HTML only", JUDGE_NOTED, "block", "text/plain", .block = REPLY_BLOCK_HTML_ONLY},
    {"damaged", JUDGE_NOTED, "block", "damaged", .block = REPLY_BLOCK_MALFORMED},
    {"two blocks", JUDGE_NOTED, "block", "differ", .block = REPLY_BLOCK_SEVERAL},

    /* the one chance */
    {"wrong digest", JUDGE_WRONG, "digest", "digest", .wrong_digest = TRUE,
     .problem = PROBLEM_INCORRECT_RESPONSE},

    /* the wrong digest of what is not proven, or what nobody wrote, spends nothing */
    {"wrong digest, a vacation note", JUDGE_NOTED, "digest", "automatic notice",
     .wrong_digest = TRUE, .is_report = TRUE},
    {"wrong digest, unsigned", JUDGE_NOTED, "dkim", NULL, .wrong_digest = TRUE,
     .is_unsigned = TRUE},
    {"wrong digest, late", JUDGE_NOTED, "in-time", NULL, .wrong_digest = TRUE, .late = TRUE},
    {"wrong digest, stranger", JUDGE_NOTED, "from", NULL, .wrong_digest = TRUE,
     .from = "mallory@example.org"},
    {"wrong digest, list", JUDGE_NOTED, "no-list", NULL, .wrong_digest = TRUE, .list = "List-Post"},
    {"wrong digest, temporary", JUDGE_AGAIN, "dkim", NULL, .wrong_digest = TRUE,
     .problem = PROBLEM_DNS, .signatures = {{OWN, DKIM_TEMPORARY, NULL, "x"}}},
};

static guint number(int given) {
  return given == 0 ? 1 : given < 0 ? 0 : (guint)given;
}

static GPtrArray *signatures(const Case *c) {
  GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)dkim_signature_free);
  static const Signed right = {OWN, DKIM_PASS, NULL, NULL};
  const Signed *all = c->signatures[0].domain != NULL ? c->signatures : &right;
  gsize count = c->is_unsigned ? 0 : all == &right ? 1 : SIGNATURES;
  for (gsize i = 0; i < count && all[i].domain != NULL; i++) {
    DkimSignature *signature = g_new0(DkimSignature, 1);
    const char *fields = all[i].fields != NULL ? all[i].fields : "from:subject";
    signature->result = all[i].result;
    signature->domain = strcmp(all[i].domain, "-") != 0 ? g_strdup(all[i].domain) : NULL;
    signature->reason = g_strdup(all[i].reason);
    signature->fields = g_strsplit(fields, ":", -1);
    g_ptr_array_add(list, signature);
  }
  return list;
}

static void check(const Case *c) {
  static const guint8 digest[REPLY_DIGEST_OCTETS] = {7};
  const char *address = c->mailbox != NULL ? c->mailbox : "Alice@example.org";
  g_autoptr(Mailbox) mailbox = mailbox_parse(address, NULL);
  g_autoptr(GPtrArray) list = signatures(c);
  g_autoptr(Problem) problem = NULL;
  const char *rule = NULL;
  JudgeCase matter = {.token1 = TOKEN,
                      .mailbox = mailbox,
                      .digest = digest,
                      .received_at = c->late ? DEADLINE : DEADLINE - 1,
                      .deadline = DEADLINE,
                      .decided = c->decided,
                      .strict_fields = c->strict,
                      .exact_case = c->exact};
  ReplyFacts facts = {.refused = (char *)c->refused,
                      .token = (char *)(c->token != NULL ? c->token : TOKEN),
                      .from = c->no_from ? NULL : (char *)(c->from != NULL ? c->from : address),
                      .from_fields = number(c->from_fields),
                      .from_mailboxes = number(c->from_mailboxes),
                      .subject_fields = number(c->subjects),
                      .content_type_fields = (guint)c->content_types,
                      .transfer_encoding_fields = (guint)c->encodings,
                      .list_field = (char *)c->list,
                      .is_report = c->is_report,
                      .block = c->block == 0  ? REPLY_BLOCK_ONE
                               : c->block < 0 ? REPLY_BLOCK_NONE
                                              : (ReplyBlock)c->block};
  memcpy(facts.digest, digest, sizeof(digest));
  facts.digest[REPLY_DIGEST_OCTETS - 1] ^= c->wrong_digest ? 1 : 0;
  g_test_message("%s", c->name);
  JudgeVerdict verdict = judge_reply(&matter, &facts, list, &rule, &problem);
  g_assert_cmpstr(rule, ==, c->rule);
  g_assert_cmpint(verdict, ==, c->verdict);
  gboolean told = verdict != JUDGE_IGNORED && verdict != JUDGE_PASSED;
  g_assert_cmpint(problem != NULL, ==, told);
  if (!told)
    return;
  g_assert_cmpint(problem->type, ==, c->problem != 0 ? c->problem : PROBLEM_UNAUTHORIZED);
  g_assert_nonnull(strstr(problem->detail, c->detail != NULL ? c->detail : ""));
  /* Whoever ordered is not told which other address answers for the mailbox. */
  if (strcmp(rule, "from") == 0 && facts.from != NULL && strcmp(facts.from, address) != 0)
    g_assert_null(strstr(problem->detail, facts.from));
}

static void test_table(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
    check(&cases[i]);
}

/* Interop 2. */
static void test_digest(void) {
  guint8 digest[REPLY_DIGEST_OCTETS];
  judge_expected_digest("AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY", "DGyRejmCefe7v4NfDGDKfADGyRejmCef",
                        "hC4xyXNn8ZDH4yrcp93Zj3qgQs7LyT_GUL45YD7IVMQ", digest);
  g_autofree char *text = base64url_encode(digest, sizeof(digest));
  g_assert_cmpstr(text, ==, "g9sBPrAWo-kOYYEMSdrXpi1QELX6VAH3N1MBZtZPYHo");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/acme/judge/table", test_table);
  g_test_add_func("/acme/judge/digest", test_digest);
  return g_test_run();
}
