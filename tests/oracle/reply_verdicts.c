/* SPDX-License-Identifier: Apache-2.0 */
/* What Signet makes of replies, for test_reply_shapes.py, test_hostile_mime.py and
   test_dkim_corpus.py: read and checked as inbound does it, passed on as evidence, judged as core
   does it; keys come from a table. A line in has the fields below with tabs between; a line out is
   a JSON object. */
#include "acme/judge.h"
#include "base/base64url.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum {
  TIME,    /* of receipt, in milliseconds */
  ADDRESS, /* the identifier */
  TOKEN1,
  TOKEN2,
  THUMBPRINT,
  POLICY, /* of the words "covered", "strict", "exact", with commas between */
  KEYS, /* items QUESTION=RECORD with blanks between; RECORD is base64, "!temporary" or "!bogus" */
  MESSAGE, /* base64 */
  FIELDS
};

static const char *const verdicts[] = {[JUDGE_IGNORED] = "ignored",
                                       [JUDGE_NOTED] = "noted",
                                       [JUDGE_AGAIN] = "again",
                                       [JUDGE_WRONG] = "wrong",
                                       [JUDGE_PASSED] = "passed"};
static const char *const blocks[] = {[REPLY_BLOCK_NONE] = "none",
                                     [REPLY_BLOCK_HTML_ONLY] = "html only",
                                     [REPLY_BLOCK_MALFORMED] = "malformed",
                                     [REPLY_BLOCK_SEVERAL] = "several",
                                     [REPLY_BLOCK_ONE] = "one"};
static const char *const results[] = {[DKIM_PENDING] = "pending",
                                      [DKIM_PASS] = "pass",
                                      [DKIM_FAIL] = "fail",
                                      [DKIM_UNUSABLE] = "unusable",
                                      [DKIM_TEMPORARY] = "temporary"};

static char *decode(const char *base64, gsize *length) {
  gsize size = 0;
  guchar *octets = g_base64_decode(base64, &size);
  octets = g_realloc(octets, size + 1);
  octets[size] = '\0';
  if (length != NULL)
    *length = size;
  return (char *)octets;
}

/* The answer that the table has for a question. */
static DkimKeyOutcome look_up(char **items, const char *question, GPtrArray *records) {
  DkimKeyOutcome outcome = DKIM_KEY_FOUND;
  gsize length = strlen(question);
  for (; *items != NULL; items++) {
    const char *record = *items + length + 1;
    if (strncmp(*items, question, length) != 0 || (*items)[length] != '=')
      continue;
    if (strcmp(record, "!temporary") == 0)
      outcome = DKIM_KEY_TEMPORARY;
    else if (strcmp(record, "!bogus") == 0)
      outcome = DKIM_KEY_BOGUS;
    else
      g_ptr_array_add(records, decode(record, NULL));
  }
  return outcome == DKIM_KEY_FOUND && records->len == 0 ? DKIM_KEY_NONE : outcome;
}

static void answer_keys(DkimCheck *check, const char *keys) {
  g_auto(GStrv) items = g_strsplit(keys, " ", -1);
  for (guint i = 0; i < dkim_check_count(check); i++) {
    const DkimSignature *signature = dkim_check_signature(check, i);
    g_autoptr(GPtrArray) records = g_ptr_array_new_with_free_func(g_free);
    if (signature->question == NULL)
      continue;
    DkimKeyOutcome outcome = look_up(items, signature->question, records);
    g_ptr_array_add(records, NULL);
    dkim_check_key(check, i, outcome, (const char *const *)records->pdata, TRUE);
  }
}

static json_t *facts_as_json(const ReplyFacts *facts) {
  g_autofree char *digest = base64url_encode(facts->digest, sizeof facts->digest);
  return json_pack("{s:s?, s:i, s:i, s:s?, s:i, s:s, s:i, s:i, s:s?, s:b, s:s, s:s}", "refused",
                   facts->refused, "from_fields", facts->from_fields, "mailboxes",
                   facts->from_mailboxes, "from", facts->from, "subject_fields",
                   facts->subject_fields, "token", facts->token, "type_fields",
                   facts->content_type_fields, "encoding_fields", facts->transfer_encoding_fields,
                   "list_field", facts->list_field, "report", facts->is_report, "block",
                   blocks[facts->block], "digest", facts->block == REPLY_BLOCK_ONE ? digest : "");
}

static json_t *signatures_as_json(const GPtrArray *signatures) {
  json_t *list = json_array();
  for (guint i = 0; i < signatures->len; i++) {
    const DkimSignature *signature = signatures->pdata[i];
    json_array_append_new(list,
                          json_pack("{s:s, s:s?, s:s?}", "result", results[signature->result],
                                    "domain", signature->domain, "reason", signature->reason));
  }
  return list;
}

static JudgeVerdict judge(char **fields, const ReplyFacts *facts, GPtrArray *signatures,
                          const char **rule, Problem **problem) {
  guint8 digest[REPLY_DIGEST_OCTETS];
  g_autoptr(Mailbox) mailbox = mailbox_parse(fields[ADDRESS], NULL);
  g_assert_nonnull(mailbox);
  judge_expected_digest(fields[TOKEN1], fields[TOKEN2], fields[THUMBPRINT], digest);
  gint64 now = g_ascii_strtoll(fields[TIME], NULL, 10);
  JudgeCase c = {.token1 = fields[TOKEN1],
                 .mailbox = mailbox,
                 .digest = digest,
                 .received_at = now,
                 .deadline = now + 1,
                 .strict_fields = strstr(fields[POLICY], "strict") != NULL,
                 .exact_case = strstr(fields[POLICY], "exact") != NULL};
  return judge_reply(&c, facts, signatures, rule, problem);
}

/* Evidence as core gets it: what inbound finds must be such that core can read it. */
static GVariant *examine(GBytes *message, char **fields) {
  g_autoptr(ReplyFacts) facts = reply_read(message);
  g_autoptr(DkimCheck) check = dkim_check_new(message, g_ascii_strtoll(fields[TIME], NULL, 10));
  answer_keys(check, fields[KEYS]);
  return g_variant_ref_sink(reply_evidence_new(facts, check, NULL));
}

static void run(char **fields) {
  g_assert_cmpuint(g_strv_length(fields), ==, FIELDS);
  gsize length = 0;
  char *octets = decode(fields[MESSAGE], &length);
  g_autoptr(GBytes) message = g_bytes_new_take(octets, length);
  g_autoptr(GVariant) evidence = examine(message, fields);
  g_autoptr(ReplyFacts) facts = NULL;
  g_autoptr(GPtrArray) signatures = NULL;
  g_assert_true(reply_evidence_read(evidence, &facts, &signatures, NULL));
  g_autoptr(Problem) problem = NULL;
  const char *rule = NULL;
  JudgeVerdict verdict = judge(fields, facts, signatures, &rule, &problem);
  json_t *line = json_pack("{s:s, s:s, s:s?, s:o, s:o}", "verdict", verdicts[verdict], "rule", rule,
                           "detail", problem != NULL ? problem->detail : NULL, "facts",
                           facts_as_json(facts), "signatures", signatures_as_json(signatures));
  g_assert_nonnull(line);
  json_dumpf(line, stdout, JSON_COMPACT);
  json_decref(line);
  printf("\n");
  fflush(stdout);
}

int main(void) {
  g_autofree char *line = NULL;
  size_t size = 0;
  for (ssize_t length; (length = getline(&line, &size, stdin)) > 0;) {
    line[length - 1] = '\0';
    g_auto(GStrv) fields = g_strsplit(line, "\t", -1);
    run(fields);
  }
  free(g_steal_pointer(&line));
  return 0;
}
