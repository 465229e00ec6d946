/* SPDX-License-Identifier: Apache-2.0 */
/* Input: key record, NUL, message. Holds: what is read of any message, with whatever key record,
   goes through the evidence and comes back as it was, and so does that record as one of DMARC; any
   other octets as evidence are refused or keep the limits. */
#include "mime/reply.h"
#include "tests/fuzz/fuzz.h"

#define NOW G_GINT64_CONSTANT(1700000000000)

static void assert_same_facts(const ReplyFacts *a, const ReplyFacts *b) {
  g_assert_cmpstr(a->refused, ==, b->refused);
  g_assert_cmpuint(a->from_fields, ==, b->from_fields);
  g_assert_cmpuint(a->from_mailboxes, ==, b->from_mailboxes);
  g_assert_cmpstr(a->from, ==, b->from);
  g_assert_cmpuint(a->subject_fields, ==, b->subject_fields);
  g_assert_cmpstr(a->token, ==, b->token);
  g_assert_cmpuint(a->content_type_fields, ==, b->content_type_fields);
  g_assert_cmpuint(a->transfer_encoding_fields, ==, b->transfer_encoding_fields);
  g_assert_cmpstr(a->list_field, ==, b->list_field);
  g_assert_cmpint(a->is_report, ==, b->is_report);
  g_assert_cmpint(a->block, ==, b->block);
  g_assert_cmpmem(a->digest, sizeof a->digest, b->digest, sizeof b->digest);
  g_assert_cmpstr(a->message_id, ==, b->message_id);
}

static void assert_same_signature(const DkimSignature *a, const DkimSignature *b) {
  g_assert_cmpint(a->result, ==, b->result);
  g_assert_cmpstr(a->reason, ==, b->reason);
  g_assert_cmpstr(a->domain, ==, b->domain);
  g_assert_cmpstr(a->selector, ==, b->selector);
  g_assert_cmpstr(a->algorithm, ==, b->algorithm);
  g_assert_true(g_strv_equal((const char *const *)a->fields, (const char *const *)b->fields));
  g_assert_cmpstr(a->question, ==, b->question);
  g_assert_cmpstr(a->key_record, ==, b->key_record);
  g_assert_cmpint(a->key_secure, ==, b->key_secure);
  g_assert_cmpint(a->expires, ==, b->expires);
  g_assert_cmpint(a->created, ==, b->created);
}

static void assert_same_dmarc(const DmarcFinding *a, const DmarcFinding *b) {
  g_assert_true((a == NULL) == (b == NULL));
  if (a == NULL)
    return;
  g_assert_cmpstr(a->domain, ==, b->domain);
  g_assert_cmpint(a->outcome, ==, b->outcome);
  g_assert_cmpstr(a->record, ==, b->record);
  g_assert_cmpint(a->secure, ==, b->secure);
}

static void assert_round_trip(const ReplyFacts *facts, const DkimCheck *check,
                              const DmarcSearch *search) {
  const DmarcFinding *dmarc = search != NULL ? dmarc_search_finding(search) : NULL;
  g_autoptr(GVariant) evidence = g_variant_ref_sink(reply_evidence_new(facts, check, dmarc));
  g_autoptr(ReplyFacts) read = NULL;
  g_autoptr(GPtrArray) signatures = NULL;
  g_autoptr(DmarcFinding) finding = NULL;
  g_assert_true(reply_evidence_read(evidence, &read, &signatures, &finding));
  assert_same_facts(facts, read);
  assert_same_dmarc(dmarc, finding);
  g_assert_cmpuint(signatures->len, ==, dkim_check_count(check));
  for (guint i = 0; i < signatures->len; i++)
    assert_same_signature(dkim_check_signature(check, i), signatures->pdata[i]);
}

static void run_message(const char *record, GBytes *message) {
  g_autoptr(ReplyFacts) facts = reply_read(message);
  g_autoptr(DkimCheck) check = dkim_check_new(message, NOW);
  g_autoptr(DmarcSearch) search = dmarc_search_new(facts->from);
  const char *const records[] = {record, NULL};
  g_assert_cmpuint(dkim_check_count(check), <=, DKIM_MAX_SIGNATURES);
  assert_round_trip(facts, check, search);
  for (guint i = 0; i < dkim_check_count(check); i++) {
    const DkimSignature *signature = dkim_check_signature(check, i);
    g_assert_cmpint(signature->result == DKIM_PENDING, ==, signature->question != NULL);
    if (i % 2 == 1)
      dkim_check_key(check, i, DKIM_KEY_TEMPORARY, NULL, FALSE);
    dkim_check_key(check, i, DKIM_KEY_FOUND, records, TRUE);
    g_assert_cmpint(signature->result, !=, DKIM_PENDING);
    g_assert_cmpint(signature->result, !=, DKIM_TEMPORARY);
    g_assert_cmpint(signature->result == DKIM_PASS, ==, signature->reason == NULL);
  }
  for (guint asked = 0; search != NULL && dmarc_search_question(search) != NULL; asked++) {
    g_assert_cmpuint(asked, <, 2);
    dmarc_search_answer(search, RESOLVER_FOUND, records, TRUE);
    assert_round_trip(facts, check, search);
  }
  assert_round_trip(facts, check, search);
}

static void run_evidence(GBytes *octets) {
  g_autoptr(GVariant) evidence = g_variant_ref_sink(
      g_variant_new_from_bytes(G_VARIANT_TYPE(REPLY_EVIDENCE_TYPE), octets, FALSE));
  g_autoptr(ReplyFacts) facts = NULL;
  g_autoptr(GPtrArray) signatures = NULL;
  g_autoptr(DmarcFinding) dmarc = NULL;
  if (!reply_evidence_read(evidence, &facts, &signatures, &dmarc)) {
    g_assert_true(facts == NULL && signatures == NULL && dmarc == NULL);
    return;
  }
  g_assert_true(dmarc == NULL || dmarc->record == NULL ||
                strlen(dmarc->record) <= DMARC_MAX_RECORD_OCTETS);
  fuzz_assert_line(facts->token);
  g_assert_true(facts->refused == NULL || facts->block == REPLY_BLOCK_NONE);
  g_assert_cmpuint(signatures->len, <=, DKIM_MAX_SIGNATURES);
  for (guint i = 0; i < signatures->len; i++) {
    const DkimSignature *signature = signatures->pdata[i];
    g_assert_true(signature->result != DKIM_PASS || dkim_signature_covers(signature, "from", 1));
  }
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size) {
  FuzzInput input = {data, size};
  g_autoptr(GBytes) whole = g_bytes_new(data, size);
  run_evidence(whole);
  g_autoptr(GBytes) head = fuzz_until(&input, '\0');
  g_autofree char *record = fuzz_text(head);
  g_autoptr(GBytes) message = fuzz_rest(&input);
  run_message(record, message);
  return 0;
}
