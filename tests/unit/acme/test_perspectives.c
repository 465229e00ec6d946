/* SPDX-License-Identifier: Apache-2.0 */
/* The quorum of network perspectives (ca-rules 13; S/MIME BR 4.2.2.1, 4.2.2.2). */
#include "harness.h"

#define FOUR                                                                                       \
  "ams https://ams.test/;fra https://fra.test/;nyc https://nyc.test/;sin https://sin.test/"
#define KEY "v=DKIM1; p=AAAA"
#define QUESTION "s1._domainkey.example.org"

static const char *const names[] = {"ams", "fra", "nyc", "sin"};

static Lab *lab_with_quorum(const char *quorum) {
  const char *settings[] = {"dns.perspectives", FOUR, "dns.perspectives-quorum", quorum, NULL};
  return lab_new_with(settings);
}

static GBytes *caa_data(const char *value) {
  GByteArray *data = g_byte_array_new();
  g_byte_array_append(data, (const guint8 *)"\0\011issuemail", 11);
  g_byte_array_append(data, (const guint8 *)value, (guint)strlen(value));
  return g_byte_array_free_to_bytes(data);
}

static GBytes *txt_data(const char *text) {
  GByteArray *data = g_byte_array_new();
  guint8 length = (guint8)strlen(text);
  g_byte_array_append(data, &length, 1);
  g_byte_array_append(data, (const guint8 *)text, length);
  return g_byte_array_free_to_bytes(data);
}

static PerspectiveAnswer *answer_new(Lab *lab, guint i, int type, const char *question,
                                     GBytes *data, ResolverOutcome outcome) {
  PerspectiveAnswer *answer = g_new0(PerspectiveAnswer, 1);
  answer->type = type;
  answer->question = g_strdup(question);
  answer->perspective = g_strdup(names[i]);
  answer->at = lab->clock.now;
  answer->outcome = data != NULL ? RESOLVER_FOUND : outcome;
  answer->found_at = data != NULL && type == RESOLVER_CAA ? g_strdup(question) : NULL;
  answer->data = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
  if (data != NULL)
    g_ptr_array_add(answer->data, data);
  answer->text = g_strdup(answer->outcome == RESOLVER_TEMPORARY ? "it is away" : "as it says");
  return answer;
}

static void set_answers(Lab *lab, GPtrArray *answers) {
  g_clear_pointer(&lab->answers, g_ptr_array_unref);
  lab->answers = answers;
}

/* One letter a perspective: u names us, n no record, o names another CA, t temporary, "-" nothing.
 */
static void answer_caa(Lab *lab, const char *letters) {
  GPtrArray *answers = g_ptr_array_new_with_free_func((GDestroyNotify)perspective_answer_free);
  for (guint i = 0; letters[i] != '\0'; i++) {
    GBytes *data = letters[i] == 'u'   ? caa_data("ca.example.org")
                   : letters[i] == 'o' ? caa_data("other.example.net")
                                       : NULL;
    if (letters[i] != '-')
      g_ptr_array_add(answers, answer_new(lab, i, RESOLVER_CAA, "example.org", data,
                                          letters[i] == 't' ? RESOLVER_TEMPORARY : RESOLVER_NONE));
  }
  set_answers(lab, answers);
}

/* s the same key, a another one, d two, n none, t temporary, "-" nothing. */
static void answer_keys(Lab *lab, const char *letters) {
  GPtrArray *answers = g_ptr_array_new_with_free_func((GDestroyNotify)perspective_answer_free);
  for (guint i = 0; letters[i] != '\0'; i++) {
    GBytes *data = letters[i] == 's' || letters[i] == 'd' ? txt_data(KEY)
                   : letters[i] == 'a'                    ? txt_data("v=DKIM1; p=BBBB")
                                                          : NULL;
    if (letters[i] == '-')
      continue;
    PerspectiveAnswer *answer = answer_new(lab, i, RESOLVER_TXT, QUESTION, data,
                                           letters[i] == 't' ? RESOLVER_TEMPORARY : RESOLVER_NONE);
    if (letters[i] == 'd')
      g_ptr_array_add(answer->data, txt_data("v=DKIM1; p=BBBB"));
    g_ptr_array_add(answers, answer);
  }
  set_answers(lab, answers);
}

static gint64 rows_of(Lab *lab, const char *where) {
  g_autofree char *sql = g_strdup_printf("SELECT count(*) FROM perspective_answer WHERE %s", where);
  return lab_count(lab, sql);
}

static const char *detail_of(Answer *shown) {
  return json_string_value(json_object_get(json_object_get(shown->json, "error"), "detail"));
}

static const char *type_of(Answer *shown) {
  return json_string_value(json_object_get(json_object_get(shown->json, "error"), "type"));
}

static LabReply reply_with_key(LabOrder *order) {
  LabReply reply = lab_right_reply(order, 0);
  reply.signature.question = g_strdup(QUESTION);
  reply.signature.key_record = g_strdup(KEY);
  return reply;
}

static void reply_free(LabReply *reply) {
  g_free(reply->signature.question);
  g_free(reply->signature.key_record);
  g_free(reply->signature.reason);
  lab_reply_clear(reply);
}

/* An order that is ready; every perspective sees the key. */
static LabOrder *ready(Lab *lab, LabClient *client) {
  LabOrder *order = lab_order(lab, client);
  LabReply reply = reply_with_key(order);
  answer_keys(lab, "ssss");
  g_autoptr(Answer) posted = lab_challenge(order, 0, "{}");
  lab_give_reply(order, 0, &reply);
  reply_free(&reply);
  assert_status(order, order->order, "ready");
  return order;
}

static void test_caa_enough(gconstpointer letters) {
  g_autoptr(Lab) lab = lab_with_quorum("0");
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = ready(lab, client);
  g_autoptr(Answer) answer = lab_finalize(order);
  answer_caa(lab, letters);
  lab_answer_caa(lab, RESOLVER_FOUND, "ca.example.org");
  lab_answer_build(lab);
  lab_answer_sign(lab);
  assert_status(order, order->order, "valid");
  g_assert_cmpint(rows_of(lab, "question = 'CAA example.org' AND url LIKE 'https://%.test/'"), ==,
                  strchr(letters, '-') != NULL ? 3 : 4);
  g_assert_cmpint(lab_count(lab,
                            "SELECT count(*) FROM caa_check WHERE verdict = 'permitted' AND "
                            "explanation LIKE '%of 4 network perspectives permit it, 3 must%'"),
                  ==, 1);
  set_answers(lab, NULL);
}

/* Too many forbid: whatever the others may say later. */
static void test_caa_forbidden(gconstpointer letters) {
  g_autoptr(Lab) lab = lab_with_quorum("0");
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = ready(lab, client);
  g_autoptr(Answer) answer = lab_finalize(order);
  g_auto(Question) none = {0};
  answer_caa(lab, letters);
  lab_answer_caa(lab, RESOLVER_NONE, NULL);
  g_autoptr(Answer) shown = lab_post(lab, client, order->order, NULL);
  g_assert_cmpstr(lab_text(shown, "status"), ==, "invalid");
  g_assert_cmpstr(type_of(shown), ==, LAB_URN "caa");
  g_assert_nonnull(strstr(detail_of(shown), "of 4 network perspectives permit it, 3 must"));
  g_assert_nonnull(strstr(detail_of(shown), "sin: CAA at example.org"));
  g_assert_nonnull(strstr(detail_of(shown), "names another CA"));
  g_assert_false(lab_take(lab, JOB_ISSUE, &none));
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM certificate"), ==, 0);
  g_assert_cmpint(
      rows_of(lab, "perspective = 'sin' AND outcome = 'found' AND reason = 'found at example.org'"
                   " AND records = '0 issuemail \"other.example.net\"'"),
      ==, 1);
  set_answers(lab, NULL);
}

/* It hangs on those that failed: asked again, until they answer. */
static void test_caa_failing(gconstpointer letters) {
  g_autoptr(Lab) lab = lab_with_quorum("0");
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = ready(lab, client);
  g_autoptr(Answer) answer = lab_finalize(order);
  for (guint i = 0; i < 2; i++) {
    answer_caa(lab, letters);
    lab_answer_caa(lab, RESOLVER_NONE, NULL);
    assert_status(order, order->order, "processing");
    lab->clock.now += CLOCK_MINUTE / 2;
  }
  answer_caa(lab, "nnnn");
  lab_answer_caa(lab, RESOLVER_NONE, NULL);
  lab_answer_build(lab);
  lab_answer_sign(lab);
  assert_status(order, order->order, "valid");
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM caa_check WHERE verdict = 'failed'"), ==, 2);
  set_answers(lab, NULL);
}

/* They never do: the order ends without a certificate when its time is over. */
static void test_caa_missed(void) {
  g_autoptr(Lab) lab = lab_with_quorum("0");
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = ready(lab, client);
  lab->clock.now = LAB_NOW + 72 * CLOCK_HOUR - 1;
  g_autoptr(Answer) answer = lab_finalize(order);
  for (gint64 due = lab->clock.now; due != -1;) {
    lab->clock.now = due;
    answer_caa(lab, "nntt");
    lab_answer_caa(lab, RESOLVER_NONE, NULL);
    due = lab_count(lab, "SELECT due_at FROM job WHERE kind = 'issue'");
  }
  g_autoptr(Answer) shown = lab_post(lab, client, order->order, NULL);
  g_assert_cmpstr(lab_text(shown, "status"), ==, "invalid");
  g_assert_cmpstr(type_of(shown), ==, LAB_URN "dns");
  g_assert_nonnull(strstr(detail_of(shown), "of 4 network perspectives permit it, 3 must: nyc: "));
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM certificate"), ==, 0);
  set_answers(lab, NULL);
}

/* The configured number counts, and what is forbidden here is forbidden. */
static void test_caa_quorum(void) {
  g_autoptr(Lab) lab = lab_with_quorum("2");
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = ready(lab, client);
  g_autoptr(Answer) answer = lab_finalize(order);
  answer_caa(lab, "unot");
  lab_answer_caa(lab, RESOLVER_NONE, NULL);
  lab_answer_build(lab);
  lab_answer_sign(lab);
  assert_status(order, order->order, "valid");
  g_autoptr(LabOrder) second = ready(lab, client);
  g_autoptr(Answer) finalized = lab_finalize(second);
  answer_caa(lab, "uuuu");
  lab_answer_caa(lab, RESOLVER_FOUND, "other.example.net");
  assert_status(second, second->order, "invalid");
  set_answers(lab, NULL);
}

static void test_key_enough(gconstpointer letters) {
  g_autoptr(Lab) lab = lab_with_quorum("0");
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client);
  LabReply reply = reply_with_key(order);
  g_autoptr(Answer) posted = lab_challenge(order, 0, "{}");
  answer_keys(lab, letters);
  lab_give_reply(order, 0, &reply);
  assert_statuses(order, "ready", "valid", "valid");
  g_autofree char *record =
      lab_column(lab, "SELECT detail FROM audit WHERE kind = ?1", "reply judged");
  g_assert_nonnull(strstr(record, strcmp(letters, "ssss") == 0
                                      ? "perspectives=\"" QUESTION
                                        ": 4 of 4 network perspectives see its key record, 3 must\""
                                      : "perspectives=\"" QUESTION ": 3 of 4 network"));
  reply_free(&reply);
  set_answers(lab, NULL);
}

/* The message proves nothing yet and is examined again; with a quorum then it does. */
static void test_key_missing(gconstpointer letters) {
  g_autoptr(Lab) lab = lab_with_quorum("0");
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client);
  LabReply reply = reply_with_key(order);
  g_auto(Question) question = {0};
  g_autoptr(Answer) posted = lab_challenge(order, 0, "{}");
  answer_keys(lab, letters);
  lab_give_reply(order, 0, &reply);
  g_assert_cmpint(reply.signature.result, ==, DKIM_TEMPORARY);
  g_assert_nonnull(strstr(reply.signature.reason, "of 4 network perspectives see its key"));
  g_assert_nonnull(strstr(reply.signature.reason, "sin: "));
  assert_statuses(order, "pending", "pending", "processing");
  g_autofree char *note = lab_column(lab, "SELECT problem FROM note WHERE rule = ?1", "dkim");
  g_assert_nonnull(strstr(note, "network perspectives see its key record"));
  g_assert_cmpint(rows_of(lab, "question = 'TXT " QUESTION "'"), ==, (gint64)lab->answers->len);
  lab->clock.now += 5 * CLOCK_SECOND;
  lab_ask(lab, JOB_JUDGE, QUESTION_EXAMINE, &question);
  reply.signature.result = DKIM_PASS;
  g_clear_pointer(&reply.signature.reason, g_free);
  answer_keys(lab, "ssss");
  lab_examined(lab, &question, &reply);
  assert_statuses(order, "ready", "valid", "valid");
  reply_free(&reply);
  set_answers(lab, NULL);
}

/* The MX records are kept and decide nothing. */
static void test_mx(void) {
  g_autoptr(Lab) lab = lab_with_quorum("0");
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client);
  LabReply reply = reply_with_key(order);
  g_autoptr(Answer) posted = lab_challenge(order, 0, "{}");
  answer_keys(lab, "ssss");
  for (guint i = 0; i < 2; i++)
    g_ptr_array_add(lab->answers, answer_new(lab, i, RESOLVER_MX, "example.org",
                                             g_bytes_new("\0\x0a\2mx\0", 6), RESOLVER_FOUND));
  PerspectiveAnswer *own = answer_new(lab, 2, RESOLVER_MX, "example.org",
                                      g_bytes_new("\0\x14\2my\0", 6), RESOLVER_FOUND);
  g_free(own->perspective);
  own->perspective = g_strdup(PERSPECTIVE_PRIMARY);
  g_ptr_array_add(lab->answers, own);
  lab_give_reply(order, 0, &reply);
  assert_statuses(order, "ready", "valid", "valid");
  g_assert_cmpint(rows_of(lab, "question = 'MX example.org' AND records = '10 mx'"), ==, 2);
  g_assert_cmpint(rows_of(lab, "perspective = 'primary' AND url = '' AND records = '20 my'"), ==,
                  1);
  reply_free(&reply);
  set_answers(lab, NULL);
}

#define TEST(path, function, data) g_test_add_data_func("/acme/perspectives/" path, data, function)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  TEST("caa/all", test_caa_enough, "uuuu");
  TEST("caa/not-the-same-records", test_caa_enough, "unun");
  TEST("caa/one-forbids", test_caa_enough, "uuuo");
  TEST("caa/one-fails", test_caa_enough, "tuuu");
  TEST("caa/one-says-nothing", test_caa_enough, "uu-u");
  TEST("caa/two-forbid", test_caa_forbidden, "nnoo");
  TEST("caa/two-forbid-one-fails", test_caa_forbidden, "ntoo");
  TEST("caa/two-fail", test_caa_failing, "nntt");
  TEST("caa/one-forbids-one-fails", test_caa_failing, "nnto");
  TEST("caa/nobody-says-anything", test_caa_failing, "----");
  g_test_add_func("/acme/perspectives/caa/missed", test_caa_missed);
  g_test_add_func("/acme/perspectives/caa/quorum", test_caa_quorum);
  TEST("key/all", test_key_enough, "ssss");
  TEST("key/one-has-another", test_key_enough, "sass");
  TEST("key/one-has-none", test_key_enough, "sssn");
  TEST("key/one-fails", test_key_enough, "tsss");
  TEST("key/two-have-another", test_key_missing, "ssaa");
  TEST("key/two-keys", test_key_missing, "ssdd");
  TEST("key/none-and-failing", test_key_missing, "sstn");
  TEST("key/two-say-nothing", test_key_missing, "ss--");
  g_test_add_func("/acme/perspectives/mx", test_mx);
  return g_test_run();
}
