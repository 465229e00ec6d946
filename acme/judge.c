/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/judge.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <string.h>

/* One reply under judgement. */
typedef struct {
  const JudgeCase *c;
  const ReplyFacts *facts;
  GPtrArray *signatures;
  Problem *problem;
} Judgement;

static JudgeVerdict refuse(Judgement *j, ProblemType type, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
static JudgeVerdict refuse(Judgement *j, ProblemType type, const char *format, ...) {
  va_list values;
  va_start(values, format);
  g_autofree char *detail = g_strdup_vprintf(format, values);
  va_end(values);
  j->problem = problem_new(type, 0, "A reply was refused: %s", detail);
  return JUDGE_NOTED;
}

/* --- the rules, in the order in which they are asked; JUDGE_PASSED: go on
 * ---------------------------- */

/* Interop 15: token-part1 in the decoded Subject, whatever the prefix. */
static gboolean has_token(const Judgement *j) {
  gsize length = strlen(j->c->token1);
  return strlen(j->facts->token) == length &&
         CRYPTO_memcmp(j->facts->token, j->c->token1, length) == 0;
}

/* Of some the header can be read, and with it the token. */
static JudgeVerdict rule_readable(Judgement *j) {
  if (j->facts->refused == NULL)
    return JUDGE_PASSED;
  return has_token(j) && !j->c->decided
             ? refuse(j, PROBLEM_UNAUTHORIZED, "%s; send it as plain text.", j->facts->refused)
             : JUDGE_IGNORED;
}

static JudgeVerdict rule_token(Judgement *j) {
  return has_token(j) ? JUDGE_PASSED : JUDGE_IGNORED;
}

static JudgeVerdict rule_first(Judgement *j) {
  return j->c->decided ? JUDGE_IGNORED : JUDGE_PASSED;
}

static JudgeVerdict rule_in_time(Judgement *j) {
  return j->c->received_at < j->c->deadline
             ? JUDGE_PASSED
             : refuse(j, PROBLEM_UNAUTHORIZED,
                      "it was received after the time for a reply had ended; order anew.");
}

/* Interop 16. What address it came from instead is not told: it may be where the mailbox forwards
   to, and whoever ordered need not be its owner. The record keeps it. */
static JudgeVerdict rule_from(Judgement *j) {
  if (j->facts->from_fields != 1 || j->facts->from_mailboxes != 1 || j->facts->from == NULL)
    return refuse(j, PROBLEM_UNAUTHORIZED,
                  "it must have exactly one From field with exactly one address.");
  g_autoptr(GError) error = NULL;
  g_autoptr(Mailbox) from = mailbox_parse(j->facts->from, &error);
  if (from ==
      NULL) /* two addresses that look alike may differ in nothing but what the parser says */
    return refuse(j, PROBLEM_UNAUTHORIZED, "it comes from another address than %s, %s.",
                  j->c->mailbox->address, error->message);
  if (!mailbox_equal(from, j->c->mailbox, j->c->exact_case))
    return refuse(j, PROBLEM_UNAUTHORIZED,
                  "it comes from another address than %s; send it from that mailbox itself.",
                  j->c->mailbox->address);
  return JUDGE_PASSED;
}

static JudgeVerdict rule_single_fields(Judgement *j) {
  if (j->facts->subject_fields != 1)
    return refuse(j, PROBLEM_UNAUTHORIZED, "it must have exactly one Subject field.");
  if (j->facts->content_type_fields > 1 || j->facts->transfer_encoding_fields > 1)
    return refuse(j, PROBLEM_UNAUTHORIZED,
                  "it has Content-Type or Content-Transfer-Encoding more than once.");
  return JUDGE_PASSED;
}

/* RFC 8823 section 3.2 point 6. */
static JudgeVerdict rule_no_list(Judgement *j) {
  return j->facts->list_field == NULL ? JUDGE_PASSED
                                      : refuse(j, PROBLEM_UNAUTHORIZED,
                                               "it came through a mailing list (it has a %s "
                                               "field); send it from the mailbox itself.",
                                               j->facts->list_field);
}

static const char *uncovered_field(const Judgement *j, const DkimSignature *signature) {
  static const char *const all[] = {"from",       "sender",       "reply-to",
                                    "to",         "cc",           "subject",
                                    "date",       "in-reply-to",  "references",
                                    "message-id", "content-type", "content-transfer-encoding"};
  if (!dkim_signature_covers(signature, "from", j->facts->from_fields))
    return "From";
  if (!dkim_signature_covers(signature, "subject", j->facts->subject_fields))
    return "Subject";
  for (gsize i = 0; j->c->strict_fields && i < G_N_ELEMENTS(all); i++)
    if (!dkim_signature_covers(signature, all[i], 1))
      return all[i];
  return NULL;
}

/* Why one signature does not prove the From domain; NULL when it does. The caller frees it. */
static char *signature_fault(const Judgement *j, const DkimSignature *signature) {
  if (signature->domain == NULL)
    return g_strdup_printf("its DKIM signature names no readable domain (%s); the mail server of "
                           "%s must sign it",
                           signature->reason, j->c->mailbox->domain);
  if (strcmp(signature->domain, j->c->mailbox->domain) != 0)
    return g_strdup_printf(
        "it is signed for %s (DKIM d=), which must be %s; have your mail provider sign with "
        "your own domain",
        signature->domain, j->c->mailbox->domain);
  if (signature->result != DKIM_PASS)
    return g_strdup_printf("the DKIM signature of %s does not count: %s", signature->domain,
                           signature->reason);
  const char *uncovered = uncovered_field(j, signature);
  if (uncovered != NULL)
    return g_strdup_printf(
        "the DKIM signature of %s does not cover %s, which the mail server must sign",
        signature->domain, uncovered);
  return NULL;
}

/* How near a signature is to what is wanted: the nearest one's fault is told. */
static int nearness(const Judgement *j, const DkimSignature *signature) {
  if (signature->domain == NULL || strcmp(signature->domain, j->c->mailbox->domain) != 0)
    return 0;
  return signature->result == DKIM_TEMPORARY ? 3 : signature->result == DKIM_PASS ? 2 : 1;
}

/* Interop 19 and 20: one good signature of the From domain is enough. */
static JudgeVerdict rule_dkim(Judgement *j) {
  const DkimSignature *nearest = NULL;
  for (guint i = 0; i < j->signatures->len; i++) {
    const DkimSignature *signature = j->signatures->pdata[i];
    g_autofree char *fault = signature_fault(j, signature);
    if (fault == NULL)
      return JUDGE_PASSED;
    if (nearest == NULL || nearness(j, signature) > nearness(j, nearest))
      nearest = signature;
  }
  if (nearest == NULL)
    return refuse(j, PROBLEM_UNAUTHORIZED,
                  "it has no DKIM signature; the mail server of %s must sign it.",
                  j->c->mailbox->domain);
  g_autofree char *fault = signature_fault(j, nearest);
  if (nearness(j, nearest) < 3)
    return refuse(j, PROBLEM_UNAUTHORIZED, "%s.", fault);
  j->problem = problem_new(PROBLEM_DNS, 0, "A reply could not be judged yet: %s.", fault);
  return JUDGE_AGAIN;
}

static JudgeVerdict rule_block(Judgement *j) {
  static const char *const faults[] = {
      [REPLY_BLOCK_NONE] = "it has no block that begins with -----BEGIN ACME RESPONSE-----; copy "
                           "the whole of it from your ACME client",
      [REPLY_BLOCK_HTML_ONLY] = "it has no text/plain part; send it as plain text",
      [REPLY_BLOCK_MALFORMED] =
          "its response block is damaged; send it as it was given, with both of its marks",
      [REPLY_BLOCK_SEVERAL] = "it has several response blocks that differ; send one",
  };
  return j->facts->block == REPLY_BLOCK_ONE
             ? JUDGE_PASSED
             : refuse(j, PROBLEM_UNAUTHORIZED, "%s%s.", faults[j->facts->block],
                      j->facts->is_report ? " (it looks like an automatic notice)" : "");
}

/* A key change does not undo what was sent before it (RFC 8555 section 7.3.5). */
static gboolean is_former(const GPtrArray *digests, const guint8 *digest) {
  for (guint i = 0; digests != NULL && i < digests->len; i++)
    if (CRYPTO_memcmp(g_bytes_get_data(digests->pdata[i], NULL), digest, REPLY_DIGEST_OCTETS) == 0)
      return TRUE;
  return FALSE;
}

/* RFC 8823 grants one chance: the first authenticated reply with a block decides. Not one that
   nobody wrote: a vacation note may quote what a stranger sent in our name. */
static JudgeVerdict rule_digest(Judgement *j) {
  if (CRYPTO_memcmp(j->facts->digest, j->c->digest, REPLY_DIGEST_OCTETS) == 0 ||
      is_former(j->c->former_digests, j->facts->digest))
    return JUDGE_PASSED;
  if (j->facts->is_report)
    return refuse(j, PROBLEM_UNAUTHORIZED,
                  "it looks like an automatic notice, and its digest is not the right one.");
  j->problem = problem_new(
      PROBLEM_INCORRECT_RESPONSE, 0,
      "The reply's digest is not that of the tokens and the account's key; order anew.");
  return JUDGE_WRONG;
}

static const struct {
  const char *name;
  JudgeVerdict (*rule)(Judgement *j);
} rules[] = {
    {"readable", rule_readable}, {"token", rule_token}, {"first", rule_first},
    {"in-time", rule_in_time},   {"from", rule_from},   {"single-fields", rule_single_fields},
    {"no-list", rule_no_list},   {"dkim", rule_dkim},   {"block", rule_block},
    {"digest", rule_digest},
};

JudgeVerdict judge_reply(const JudgeCase *c, const ReplyFacts *facts, GPtrArray *signatures,
                         const char **rule, Problem **problem) {
  Judgement j = {c, facts, signatures, NULL};
  JudgeVerdict verdict = JUDGE_PASSED;
  *rule = "all";
  for (gsize i = 0; verdict == JUDGE_PASSED && i < G_N_ELEMENTS(rules); i++) {
    verdict = rules[i].rule(&j);
    if (verdict != JUDGE_PASSED)
      *rule = rules[i].name;
  }
  *problem = j.problem;
  return verdict;
}

void judge_expected_digest(const char *token1, const char *token2, const char *thumbprint,
                           guint8 digest[REPLY_DIGEST_OCTETS]) {
  g_autofree char *authorization = g_strconcat(token1, token2, ".", thumbprint, NULL);
  SHA256((const guint8 *)authorization, strlen(authorization), digest);
}

static const char *const field_settings[] = {"fields=needed", "fields=all"};
static const char *const case_settings[] = {"case=any", "case=exact"};

char *judge_settings_text(gboolean strict_fields, gboolean exact_case) {
  return g_strdup_printf("%s %s", field_settings[strict_fields ? 1 : 0],
                         case_settings[exact_case ? 1 : 0]);
}

gboolean judge_settings_read(JudgeCase *c, const char *text) {
  for (int strict = 0; strict < 2; strict++)
    for (int exact = 0; exact < 2; exact++) {
      g_autofree char *known = judge_settings_text(strict, exact);
      if (g_strcmp0(text, known) != 0)
        continue;
      c->strict_fields = strict;
      c->exact_case = exact;
      return TRUE;
    }
  return FALSE;
}
