/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/evidence_reply.h"

#include "acme/judge.h"
#include "base/clock.h"

#include <string.h>

#define REPLY_TIME CLOCK_DAY /* ca-rules 3 */

/* --- the mail as sent
 * -------------------------------------------------------------------------------------- */

static const char *sender_of(const json_t *challenge) {
  const char *common = evidence_text(challenge, "mail_sender");
  return *common != '\0' ? common : evidence_text(challenge, "mail_from");
}

char *evidence_mail_fault(const EvidenceMailbox *mailbox, char **found) {
  const json_t *challenge = mailbox->challenge;
  if (challenge == NULL || mailbox->mail == NULL)
    return g_strdup("there is no challenge, or no mail that was sent for it");
  g_autoptr(GBytes) octets = evidence_octets(mailbox->mail, "octets");
  g_autoptr(ReplyFacts) facts = reply_read(octets);
  const char *token = evidence_text(challenge, "token1");
  if (*token == '\0' || strcmp(facts->token, token) != 0)
    return g_strdup("its Subject has another token-part1 than the challenge");
  if (g_strcmp0(facts->message_id, evidence_text(challenge, "message_id")) != 0)
    return g_strdup("it has another Message-ID than the challenge");
  g_autoptr(Mailbox) from = facts->from != NULL ? mailbox_parse(facts->from, NULL) : NULL;
  if (from == NULL || g_ascii_strcasecmp(from->address, sender_of(challenge)) != 0)
    return g_strdup("it comes from another address than the challenge's");
  g_autofree char *at = clock_rfc3339(evidence_number(mailbox->mail, "at"));
  *found = g_strdup_printf("sent %s from %s; its Subject has token-part1", at, facts->from);
  return NULL;
}

/* --- times
 * -------------------------------------------------------------------------------------------------
 */

char *evidence_times_fault(const EvidenceMailbox *mailbox, char **found) {
  const json_t *challenge = mailbox->challenge;
  gint64 created = evidence_number(challenge, "created_at"),
         deadline = evidence_number(challenge, "deadline"),
         queued = evidence_number(challenge, "queued_at"),
         received = evidence_number(mailbox->reply, "at"),
         passed = evidence_number(challenge, "passed_at"),
         responded = evidence_number(challenge, "responded_at"),
         validated = evidence_number(challenge, "validated_at");
  if (created == 0 || deadline - created > REPLY_TIME)
    return g_strdup("the challenge had more than 24 hours");
  if (queued < created || received < queued || received >= deadline)
    return g_strdup("the reply was not received after the mail and before the deadline");
  if (passed < received || responded < created || validated != MAX(passed, responded))
    return g_strdup("the mailbox was not validated when both the reply was judged and the client "
                    "had answered");
  g_autofree char *first = clock_rfc3339(created), *reply = clock_rfc3339(received),
                  *end = clock_rfc3339(validated);
  *found =
      g_strdup_printf("first token part %s, reply received %s, validated %s", first, reply, end);
  return NULL;
}

/* --- the reply
 * --------------------------------------------------------------------------------------------- */

/* What was recorded of the reply, and what the message itself gives with the recorded keys. */
typedef struct {
  GVariant *recorded;
  GPtrArray *signatures; /* of DkimSignature, as recorded */
  ReplyFacts *recorded_facts, *facts;
  DmarcFinding *dmarc;
  DkimCheck *check;
} Reading;

static void reading_clear(Reading *reading) {
  g_clear_pointer(&reading->recorded, g_variant_unref);
  g_clear_pointer(&reading->signatures, g_ptr_array_unref);
  reply_facts_free(reading->recorded_facts);
  reply_facts_free(reading->facts);
  g_clear_pointer(&reading->dmarc, dmarc_finding_free);
  g_clear_pointer(&reading->check, dkim_check_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Reading, reading_clear)

static const DkimSignature *recorded_signature(const Reading *reading, guint i) {
  return reading->signatures->pdata[i];
}

/* FALSE: there is nothing to be read. */
static gboolean read_again(const json_t *reply, Reading *reading) {
  const char *text = evidence_text(reply, "examined");
  reading->recorded = g_variant_parse(G_VARIANT_TYPE(REPLY_EVIDENCE_TYPE), text, NULL, NULL, NULL);
  if (reading->recorded == NULL || !reply_evidence_read(reading->recorded, &reading->recorded_facts,
                                                        &reading->signatures, &reading->dmarc))
    return FALSE;
  g_autoptr(GBytes) octets = evidence_octets(reply, "octets");
  reading->facts = reply_read(octets);
  reading->check = dkim_check_new(octets, evidence_number(reply, "at"));
  g_autofree char *domain = reply_domain(reading->facts);
  dkim_check_narrow(reading->check, domain);
  if (dkim_check_count(reading->check) != reading->signatures->len)
    return FALSE;
  for (guint i = 0; i < reading->signatures->len; i++) {
    const DkimSignature *signature = recorded_signature(reading, i);
    const char *const records[] = {signature->key_record, NULL};
    if (signature->key_record != NULL &&
        g_strcmp0(signature->question, dkim_check_signature(reading->check, i)->question) == 0)
      dkim_check_key(reading->check, i, DKIM_KEY_FOUND, records, signature->key_secure);
  }
  return TRUE;
}

/* 0: of the account's key, then of earlier ones. */
static void expect(const EvidenceMailbox *mailbox, gsize i, guint8 digest[REPLY_DIGEST_OCTETS]) {
  const json_t *thumbprints = json_object_get(mailbox->facts, "thumbprints");
  const char *thumbprint = json_string_value(json_array_get(thumbprints, i));
  judge_expected_digest(evidence_text(mailbox->challenge, "token1"),
                        evidence_text(mailbox->challenge, "token2"),
                        thumbprint != NULL ? thumbprint : "", digest);
}

/* The account's earlier keys. */
static GPtrArray *former_digests(const EvidenceMailbox *mailbox) {
  GPtrArray *digests = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
  const json_t *thumbprints = json_object_get(mailbox->facts, "thumbprints");
  for (gsize i = 1; i < json_array_size(thumbprints); i++) {
    guint8 digest[REPLY_DIGEST_OCTETS];
    expect(mailbox, i, digest);
    g_ptr_array_add(digests, g_bytes_new(digest, sizeof(digest)));
  }
  return digests;
}

static GPtrArray *signatures_of(const DkimCheck *check) {
  GPtrArray *signatures = g_ptr_array_new();
  for (guint i = 0; i < dkim_check_count(check); i++)
    g_ptr_array_add(signatures, (gpointer)dkim_check_signature(check, i));
  return signatures;
}

static char *passed_words(const Reading *reading, const Mailbox *mailbox, gint64 received_at) {
  g_autofree char *at = clock_rfc3339(received_at);
  for (guint i = 0; i < dkim_check_count(reading->check); i++) {
    const DkimSignature *signature = dkim_check_signature(reading->check, i);
    if (signature->result == DKIM_PASS && strcmp(signature->domain, mailbox->domain) == 0)
      return g_strdup_printf(
          "received %s; every rule passed; DKIM d=%s s=%s %s, its key at %s %s", at,
          signature->domain, signature->selector, signature->algorithm, signature->question,
          signature->key_secure ? "validated by DNSSEC" : "not signed by DNSSEC");
  }
  return g_strdup_printf("received %s; every rule passed", at);
}

char *evidence_reply_fault(const EvidenceMailbox *mailbox, char **found) {
  g_autoptr(GError) error = NULL;
  g_auto(Reading) reading = {0};
  if (mailbox->reply == NULL)
    return g_strdup("there is no reply that passed");
  if (!read_again(mailbox->reply, &reading))
    return g_strdup("what was recorded of its examination does not belong to it");
  g_autoptr(Mailbox) wanted =
      mailbox_parse(evidence_text(mailbox->authorization, "address"), &error);
  if (wanted == NULL)
    return g_strdup(error->message);
  guint8 digest[REPLY_DIGEST_OCTETS];
  g_autoptr(GPtrArray) former = former_digests(mailbox);
  g_autoptr(GPtrArray) signatures = signatures_of(reading.check);
  g_autoptr(Problem) problem = NULL;
  const char *rule = NULL;
  expect(mailbox, 0, digest);
  JudgeCase c = {.token1 = evidence_text(mailbox->challenge, "token1"),
                 .mailbox = wanted,
                 .digest = digest,
                 .former_digests = former,
                 .received_at = evidence_number(mailbox->reply, "at"),
                 .deadline = evidence_number(mailbox->challenge, "deadline")};
  if (!judge_settings_read(&c, evidence_text(mailbox->reply, "judged_with")))
    return g_strdup("it is not recorded with which settings it was judged");
  JudgeVerdict verdict = judge_reply(&c, reading.facts, signatures, &rule, &problem);
  if (verdict != JUDGE_PASSED)
    return g_strdup_printf("rule %s: %s", rule,
                           problem != NULL ? problem->detail
                                           : "it does not belong to the challenge");
  *found = passed_words(&reading, wanted, c.received_at);
  return NULL;
}

/* --- what it was judged on
 * ------------------------------------------------------------------------------------ */

static gboolean parts_equal(GVariant *a, GVariant *b, gsize i) {
  g_autoptr(GVariant) first = g_variant_get_child_value(a, i),
                      second = g_variant_get_child_value(b, i);
  return g_variant_equal(first, second);
}

/* A signature whose key could not be had then is not looked at: it did not count. */
static gboolean signatures_equal(const Reading *reading, GVariant *again) {
  g_autoptr(GVariant) recorded = g_variant_get_child_value(reading->recorded, 1),
                      found = g_variant_get_child_value(again, 1);
  for (guint i = 0; i < reading->signatures->len; i++) {
    const DkimSignature *signature = recorded_signature(reading, i);
    if ((signature->key_record != NULL || signature->question == NULL) &&
        !parts_equal(recorded, found, i))
      return FALSE;
  }
  return TRUE;
}

char *evidence_verdict_fault(const EvidenceMailbox *mailbox, char **found) {
  g_auto(Reading) reading = {0};
  if (mailbox->reply == NULL || !read_again(mailbox->reply, &reading))
    return g_strdup("there is nothing that belongs to a reply");
  g_autoptr(GVariant) again =
      g_variant_ref_sink(reply_evidence_new(reading.facts, reading.check, reading.dmarc));
  if (strcmp(evidence_text(mailbox->reply, "verdict"), "passed") != 0)
    return g_strdup("the reply had not passed");
  if (!parts_equal(reading.recorded, again, 0))
    return g_strdup("the message says something else than was recorded of it");
  if (!signatures_equal(&reading, again))
    return g_strdup("its DKIM signatures give something else, with the recorded keys, than was "
                    "recorded");
  *found = g_strdup_printf("passed; header, block and %u DKIM signatures read again give the same",
                           reading.signatures->len);
  return NULL;
}
