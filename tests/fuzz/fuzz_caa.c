/* SPDX-License-Identifier: Apache-2.0 */
/* Input: records, each an octet of length and its octets. Holds: every record has a text of
   printable ASCII; the verdict comes with an explanation; the order of the records does not change
   it, nor to whom reports go, which are addresses; one record more that cannot be read forbids. */
#include "base/mailbox.h"
#include "ca/caa.h"
#include "tests/fuzz/fuzz.h"

static const char *const identities[] = {"ca.example", NULL};
static const CaaRequest request = {.identities = identities,
                                   .account_url = "https://acme.example/account/1",
                                   .method = "email-reply-00"};

static void free_record(gpointer record) {
  g_bytes_unref(record);
}

static CaaRecordSet *read_set(FuzzInput *input) {
  CaaRecordSet *set = g_new0(CaaRecordSet, 1);
  set->found_at = g_strdup("example.org");
  set->outcome = RESOLVER_FOUND;
  set->records = g_ptr_array_new_with_free_func(free_record);
  while (input->size > 0) {
    guint length = fuzz_octet(input);
    g_ptr_array_add(set->records, fuzz_take(input, length));
  }
  return set;
}

static CaaVerdict judge(const CaaRecordSet *set) {
  g_autofree char *explanation = NULL;
  CaaVerdict verdict = caa_judge(set, &request, &explanation);
  g_assert_nonnull(explanation);
  fuzz_assert_line(explanation);
  g_assert_true(g_str_is_ascii(explanation));
  return verdict;
}

/* The mailboxes of reports, a line each. */
static char *mailboxes(const CaaRecordSet *set) {
  g_autoptr(GPtrArray) found = caa_report_mailboxes(set);
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < found->len; i++) {
    const Mailbox *mailbox = found->pdata[i];
    g_autoptr(Mailbox) again = mailbox_parse(mailbox->address, NULL);
    g_assert_nonnull(again);
    fuzz_assert_line(mailbox->address);
    g_string_append_printf(text, "%s\n", mailbox->canonical);
  }
  return g_string_free(text, FALSE);
}

static void reverse(GPtrArray *records) {
  for (guint i = 0, j = records->len; i + 1 < j; i++) {
    gpointer record = records->pdata[i];
    records->pdata[i] = records->pdata[--j];
    records->pdata[j] = record;
  }
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size) {
  FuzzInput input = {data, size};
  g_autoptr(CaaRecordSet) set = read_set(&input);
  for (guint i = 0; i < set->records->len; i++) {
    g_autofree char *text = caa_record_text(set->records->pdata[i]);
    fuzz_assert_line(text);
    g_assert_true(g_str_is_ascii(text));
  }
  CaaVerdict verdict = judge(set);
  g_autofree char *before = mailboxes(set);
  reverse(set->records);
  g_autofree char *after = mailboxes(set);
  g_assert_cmpstr(before, ==, after);
  g_assert_cmpint(judge(set), ==, verdict);
  g_assert_cmpint(caa_judge(set, &request, NULL), ==, verdict);
  g_ptr_array_add(set->records, g_bytes_new_static("\0", 1));
  g_assert_cmpint(judge(set), ==, CAA_FORBIDDEN);
  return 0;
}
