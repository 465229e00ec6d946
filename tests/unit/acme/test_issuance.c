/* SPDX-License-Identifier: Apache-2.0 */
/* The whole path from newAccount to the certificate and its revocation, with a clock that the test
   moves: interop.md 4-7, 22-27; ca-rules.md 3, 5, 8-11, 29-31, 34; security.md 7, 8, 16. */
#include "tests/unit/acme/harness.h"

#include "acme/crl_job.h"
#include "ca/certificate_read.h"
#include "ca/key.h"
#include "store/certificate.h"

/* --- helpers --- */

static json_t *challenge_error(const Answer *answer) {
  return json_object_get(answer->json, "error");
}

static const char *error_type(const Answer *answer) {
  return json_string_value(json_object_get(challenge_error(answer), "type"));
}

static const char *error_detail(const Answer *answer) {
  return json_string_value(json_object_get(challenge_error(answer), "detail"));
}

static size_t error_notes(const Answer *answer) {
  return json_array_size(json_object_get(challenge_error(answer), "subproblems"));
}

static gint64 audit_count(Lab *lab, const char *kind) {
  g_autofree char *sql = g_strdup_printf("SELECT count(*) FROM audit WHERE kind = '%s'", kind);
  return lab_count(lab, sql);
}

/* A reply that breaks a rule: From of somebody else. */
static void give_stranger(LabOrder *order) {
  LabReply reply = lab_right_reply(order, 0);
  g_free(reply.facts.from);
  reply.facts.from = g_strdup("mallory@example.org");
  lab_give_reply(order, 0, &reply);
  lab_reply_clear(&reply);
}

static void give_wrong_digest(LabOrder *order) {
  LabReply reply = lab_right_reply(order, 0);
  reply.facts.digest[0] ^= 1;
  lab_give_reply(order, 0, &reply);
  lab_reply_clear(&reply);
}

/* --- the way to valid --- */

static void test_post_first(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client);
  assert_statuses(order, "pending", "pending", "pending");
  g_autoptr(Answer) posted = lab_challenge(order, 0, "{}");
  g_assert_cmpuint(posted->status, ==, 200);
  g_assert_cmpstr(lab_text(posted, "status"), ==, "processing");
  g_assert_null(challenge_error(posted));
  g_assert_cmpint(posted->retry_after, >=, 10);
  g_assert_cmpint(posted->retry_after, <=, 15);
  g_autofree char *up = g_strdup_printf("<%s>;rel=\"up\"", (char *)order->authorizations->pdata[0]);
  g_assert_cmpstr(posted->link, ==, up);
  assert_statuses(order, "pending", "pending", "processing");
  lab_right(order, 0);
  assert_statuses(order, "ready", "valid", "valid");
  g_autoptr(Answer) valid = lab_challenge(order, 0, NULL);
  g_assert_nonnull(lab_text(valid, "validated"));
  g_assert_null(challenge_error(valid));
  g_assert_cmpint(valid->retry_after, ==, -1);
  lab_issue(order);
}

static void test_reply_first(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client);
  lab_right(order, 0);
  assert_statuses(order, "pending", "pending", "pending");
  g_autoptr(Answer) posted = lab_challenge(order, 0, "{}");
  g_assert_cmpstr(lab_text(posted, "status"), ==, "valid");
  assert_statuses(order, "ready", "valid", "valid");
  /* Idempotent: nothing changes, and url and type are the same. */
  g_autoptr(Answer) again = lab_challenge(order, 0, "{}");
  g_assert_true(json_equal(posted->json, again->json));
  lab_issue(order);
}

/* The message comes before the POST, its verdict after: Retry-After says that a reply is looked at.
 */
static void test_both_at_once(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client);
  g_auto(Question) question = {0};
  g_assert_cmpuint(lab_mail_in(order, 0), ==, 250);
  g_autoptr(Answer) posted = lab_challenge(order, 0, "{}");
  g_assert_cmpstr(lab_text(posted, "status"), ==, "processing");
  g_assert_cmpint(posted->retry_after, ==, 1);
  lab_ask(lab, JOB_JUDGE, QUESTION_EXAMINE, &question);
  LabReply reply = lab_right_reply(order, 0);
  lab_examined(lab, &question, &reply);
  lab_reply_clear(&reply);
  assert_statuses(order, "ready", "valid", "valid");
}

/* An answer that nobody waits for may be done with the next thing: the relay's until the challenge
   is passed, the verdict's until the client responded. */
static void test_awaited(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client);
  g_auto(Question) mail = {0}, reply = {0};
  lab->clock.now += 5 * CLOCK_SECOND;
  lab_ask(lab, JOB_MAIL, QUESTION_DELIVER, &mail);
  g_assert_false(job_is_awaited(&lab->acme, &mail));
  g_assert_cmpuint(lab_mail_in(order, 0), ==, 250);
  lab_ask(lab, JOB_JUDGE, QUESTION_EXAMINE, &reply);
  g_assert_false(job_is_awaited(&lab->acme, &reply));
  g_autoptr(Answer) posted = lab_challenge(order, 0, "{}");
  g_assert_true(job_is_awaited(&lab->acme, &reply));
  g_assert_false(job_is_awaited(&lab->acme, &mail));
  LabReply right = lab_right_reply(order, 0);
  lab_examined(lab, &reply, &right);
  lab_reply_clear(&right);
  g_assert_true(job_is_awaited(&lab->acme, &mail));
  g_autoptr(Answer) finalized = lab_finalize(order);
  g_auto(Question) caa = {0};
  lab_ask(lab, JOB_ISSUE, QUESTION_CAA, &caa);
  g_assert_true(job_is_awaited(&lab->acme, &caa));
}

static void test_resources(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account_with(lab, lab_key("RSA"));
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  g_autoptr(Answer) shown = lab_challenge(order, 0, NULL);
  g_assert_cmpstr(lab_text(shown, "type"), ==, "email-reply-00");
  g_assert_cmpstr(lab_text(shown, "url"), ==, order->challenges->pdata[0]);
  g_assert_cmpuint(strlen(lab_text(shown, "token")), ==, 32);
  g_assert_true(g_str_has_prefix(lab_text(shown, "from"), "acme-challenge+"));
  g_assert_true(g_str_has_suffix(lab_text(shown, "from"), "@" LAB_DOMAIN));
  g_assert_cmpuint(strlen(lab_text(shown, "from")), ==, 15 + 35 + 1 + strlen(LAB_DOMAIN));
  g_autofree char *token1 = lab_token1(lab, order->challenge_froms->pdata[0]);
  g_assert_cmpuint(strlen(token1), ==, 32);
  g_assert_null(strstr(shown->text, token1));
  lab_issue(order);
  g_autoptr(Answer) valid = lab_post(lab, client, order->order, NULL);
  json_t *identifier = json_array_get(json_object_get(valid->json, "identifiers"), 0);
  /* Echoed as sent, case included. */
  g_assert_cmpstr(json_string_value(json_object_get(identifier, "value")), ==, "Alice@example.org");
  g_assert_cmpstr(json_string_value(json_object_get(identifier, "type")), ==, "email");
  g_autoptr(GBytes) leaf = lab_leaf(order);
  const guint8 *der = g_bytes_get_data(leaf, NULL);
  X509 *certificate = d2i_X509(NULL, &der, (long)g_bytes_get_size(leaf));
  g_assert_cmpint(X509_check_email(certificate, "Alice@example.org", 0, 0), ==, 1);
  g_assert_cmpint(X509_verify(certificate, X509_get0_pubkey(lab->signer->certificate)), ==, 1);
  g_assert_cmpint(EVP_PKEY_eq(X509_get0_pubkey(certificate), order->key), ==, 1);
  X509_free(certificate);
  g_autofree char *list = g_strconcat(client->kid, "/orders", NULL);
  g_autoptr(Answer) orders = lab_post(lab, client, list, NULL);
  json_t *first = json_array_get(json_object_get(orders->json, "orders"), 0);
  g_assert_cmpstr(json_string_value(first), ==, order->order);
}

/* ca-rules 34: what is recorded, in this order. */
static void test_records(void) {
  static const char *const kinds[] = {"caa checked", "signing", "issued"};
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  gint64 last = 0;
  lab_issue(order);
  for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
    g_autofree char *sql =
        g_strdup_printf("SELECT max(number) FROM audit WHERE kind = '%s'", kinds[i]);
    gint64 number = lab_count(lab, sql);
    g_assert_cmpint(number, >, last);
    last = number;
  }
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM certificate WHERE der IS NOT NULL"), ==, 1);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM job WHERE kind = 'issue'"), ==, 0);
}

/* The to-be-signed octets are committed before the question to sign them leaves. */
static void test_tbs_before_signature(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  g_autoptr(Answer) answer = lab_finalize(order);
  lab_answer_caa(lab, RESOLVER_NONE, NULL);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM certificate"), ==, 0);
  lab_answer_build(lab);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM certificate WHERE der IS NULL"), ==, 1);
  g_assert_cmpint(audit_count(lab, "signing"), ==, 1);
  assert_status(order, order->order, "processing");
  lab_answer_sign(lab);
  assert_status(order, order->order, "valid");
}

/* Several addresses: each its own challenge; ready when the last one is valid. */
static void test_several(void) {
  static const char *const addresses[] = {"alice@example.org", "bob@example.net", NULL};
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order_of(lab, client, addresses);
  for (guint i = 0; i < 2; i++) {
    assert_status(order, order->order, "pending");
    g_autoptr(Answer) posted = lab_challenge(order, i, "{}");
    lab_right(order, i);
    assert_status(order, order->authorizations->pdata[i], "valid");
  }
  assert_status(order, order->order, "ready");
  g_autoptr(Answer) answer =
      lab_finalize_with(order, order->key, "email:bob@example.net,email:alice@example.org");
  g_assert_cmpstr(lab_text(answer, "status"), ==, "processing");
  lab_answer_caa(lab, RESOLVER_NONE, NULL); /* each domain is asked for */
  lab_answer_caa(lab, RESOLVER_NONE, NULL);
  lab_answer_build(lab);
  lab_answer_sign(lab);
  assert_status(order, order->order, "valid");
}

/* A reply of one mailbox is worth nothing for another, nor the token of another order. */
static void test_reply_of_another(void) {
  static const char *const addresses[] = {"alice@example.org", "bob@example.org", NULL};
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order_of(lab, client, addresses);
  LabReply reply = lab_right_reply(order, 0);
  g_autoptr(Answer) posted = lab_challenge(order, 1, "{}");
  lab_give_reply(order, 1, &reply);
  lab_reply_clear(&reply);
  g_autoptr(Answer) shown = lab_challenge(order, 1, NULL);
  g_assert_cmpstr(lab_text(shown, "status"), ==, "processing");
  g_assert_null(challenge_error(shown)); /* it does not know the token: no trace */
  g_autoptr(LabOrder) second = lab_order_of(lab, client, addresses);
  assert_status(second, second->challenges->pdata[0], "pending");
}

/* RFC 8823 section 3 item 4: nothing of a challenge serves another, not even one for the same
   address of the same account; reading it again makes nothing new. */
static void test_fresh_tokens(void) {
  static const char fresh[] = "SELECT count(DISTINCT token1) + count(DISTINCT token2) +"
                              " count(DISTINCT mail_from) + count(DISTINCT message_id)"
                              " FROM challenge";
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client), second = lab_order(lab, client);
  g_assert_cmpint(lab_count(lab, fresh), ==, 4 * 2);
  g_autofree char *token = lab_token1(lab, order->challenge_froms->pdata[0]);
  g_autoptr(Answer) before = lab_challenge(order, 0, NULL);
  lab_order_read(order);
  g_autoptr(Answer) after = lab_challenge(order, 0, NULL);
  g_autofree char *again = lab_token1(lab, order->challenge_froms->pdata[0]);
  g_assert_cmpstr(again, ==, token);
  g_assert_true(json_equal(before->json, after->json));
}

/* --- when the mail goes out --- */

static void test_mail_trigger(void) {
  static const char *const addresses[] = {"alice@example.org", "bob@example.org", NULL};
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order_unread(lab, client, addresses);
  static const char due[] = "SELECT count(*) FROM job WHERE kind = 'mail'";
  g_assert_cmpint(lab_count(lab, due), ==, 0);
  lab_order_read(order);
  lab_order_read(order); /* the second reading makes no second mail */
  g_assert_cmpint(lab_count(lab, due), ==, 2);
  g_assert_cmpint(audit_count(lab, "mail queued"), ==, 2);
  g_assert_cmpuint(lab_send_mails(lab), ==, 0);
  lab->clock.now += 5 * CLOCK_SECOND - 1;
  g_assert_cmpuint(lab_send_mails(lab), ==, 0);
  lab->clock.now += 1;
  g_assert_cmpuint(lab_send_mails(lab), ==, 1); /* spread: one after the other */
  lab->clock.now += 5 * CLOCK_SECOND;
  g_assert_cmpuint(lab_send_mails(lab), ==, 1);
  g_assert_cmpint(lab_count(lab, due), ==, 0);
  lab_order_read(order);
  g_assert_cmpint(lab_count(lab, due), ==, 0);
}

/* A client that never reads the authorization gets its mail by the POST; a POST-as-GET triggers
 * nothing. */
static void test_mail_by_post(void) {
  static const char *const alice[] = {"alice@example.org", NULL};
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order_unread(lab, client, alice);
  SqlQuery query = sql_query(lab->acme.store, "SELECT id FROM challenge", "");
  Id id;
  g_assert_true(sql_row(&query) && sql_id(&query, 0, &id));
  g_assert_true(sql_end(&query, NULL));
  g_autofree char *url = acme_url(&lab->acme, "challenge", &id, "");
  g_autoptr(Answer) shown = lab_post(lab, client, url, NULL);
  g_assert_cmpstr(lab_text(shown, "status"), ==, "pending");
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM job WHERE kind = 'mail'"), ==, 0);
  g_autoptr(Answer) posted = lab_post(lab, client, url, "{}");
  g_assert_cmpstr(lab_text(posted, "status"), ==, "processing");
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM job WHERE kind = 'mail'"), ==, 1);
}

static void test_mail_retries(void) {
  static const gint64 minutes[] = {1, 2, 4, 8, 15, 30, 60, 60, 60};
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client);
  g_autofree char *token = NULL, *message_id = NULL;
  lab->clock.now += 5 * CLOCK_SECOND;
  for (gsize i = 0; i < G_N_ELEMENTS(minutes); i++) {
    g_auto(Question) question = {0}, early = {0};
    lab_ask(lab, JOB_MAIL, QUESTION_DELIVER, &question);
    if (token == NULL) {
      token = g_strdup(question.token);
      message_id = g_strdup(question.message_id);
    }
    g_assert_cmpstr(question.token, ==, token); /* the same mail again */
    g_assert_cmpstr(question.message_id, ==, message_id);
    g_assert_cmpstr(question.to, ==, "Alice@example.org"); /* verbatim */
    g_assert_cmpstr(question.from, ==, order->challenge_froms->pdata[0]);
    lab_delivered(lab, &question, SENDER_TEMPORARY, i == 0 ? 450 : 421,
                  i == 0 ? "4.2.0 greylisted" : "4.3.2 busy");
    lab->clock.now += minutes[i] * CLOCK_MINUTE - 1;
    g_assert_false(lab_take(lab, JOB_MAIL, &early));
    lab->clock.now += 1;
  }
  g_autoptr(Answer) posted = lab_challenge(order, 0, "{}");
  g_assert_cmpstr(lab_text(posted, "status"), ==, "processing");
  g_assert_cmpuint(error_notes(posted), ==, 1); /* one note, with the newest words */
  g_assert_cmpstr(error_type(posted), ==, LAB_URN "connection");
  g_assert_nonnull(strstr(error_detail(posted), "tried again: 421 4.3.2 busy"));
  g_assert_nonnull(strstr(error_detail(posted), "the last of 1 notes"));
  g_assert_cmpint(audit_count(lab, "challenge note"), ==, 2); /* the second said the same often */
  g_assert_cmpuint(lab_send_mails(lab), ==, 1);
  lab_right(order, 0);
  assert_statuses(order, "ready", "valid", "valid");
}

static void test_mail_refused(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client);
  g_auto(Question) question = {0}, none = {0};
  lab->clock.now += 5 * CLOCK_SECOND;
  lab_ask(lab, JOB_MAIL, QUESTION_DELIVER, &question);
  lab_delivered(lab, &question, SENDER_PERMANENT, 550, "5.1.1 no such user");
  assert_statuses(order, "invalid", "invalid", "invalid"); /* from pending, by the server */
  g_autoptr(Answer) shown = lab_challenge(order, 0, NULL);
  g_assert_cmpstr(error_type(shown), ==, LAB_URN "connection");
  g_assert_nonnull(strstr(error_detail(shown), "550 5.1.1 no such user"));
  g_autoptr(Answer) failed = lab_post(lab, client, order->order, NULL);
  g_assert_nonnull(strstr(error_detail(failed), "Alice@example.org"));
  json_t *sub = json_array_get(json_object_get(challenge_error(failed), "subproblems"), 0);
  g_assert_cmpstr(json_string_value(json_object_get(json_object_get(sub, "identifier"), "value")),
                  ==, "Alice@example.org");
  lab->clock.now += CLOCK_DAY;
  g_assert_false(lab_take(lab, JOB_MAIL, &none));
}

/* A relay that is away for a day, or does not have TLS: tried to the end, then the challenge says
   that the mail never left, and why. */
static void check_outage(SenderOutcome outcome, guint code, const char *words, guint tries_due,
                         const char *type, const char *last_words) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client);
  g_autoptr(Answer) posted = lab_challenge(order, 0, "{}");
  g_auto(Question) none = {0};
  guint tries = 0;
  for (; lab->clock.now < LAB_NOW + CLOCK_DAY; lab->clock.now += CLOCK_MINUTE) {
    g_auto(Question) question = {0};
    if (!lab_take(lab, JOB_MAIL, &question))
      continue;
    lab_delivered(lab, &question, outcome, code, words);
    tries++;
  }
  g_assert_cmpuint(tries, ==, tries_due);
  g_autoptr(Answer) shown = lab_challenge(order, 0, NULL);
  g_assert_cmpuint(error_notes(shown), ==, 1);
  g_assert_cmpstr(error_type(shown), ==, type);
  g_assert_nonnull(strstr(error_detail(shown), "Alice@example.org never left"));
  g_assert_nonnull(strstr(error_detail(shown), last_words));
  assert_statuses(order, "invalid", "invalid", "invalid");
  g_autoptr(Answer) failed = lab_post(lab, client, order->order, NULL);
  g_assert_nonnull(strstr(error_detail(failed), last_words));
  lab->clock.now += CLOCK_HOUR;
  if (lab_take(lab, JOB_MAIL, &none))
    g_assert_cmpint(none.kind, ==, QUESTION_NONE); /* nothing goes out for what is over */
}

static void test_mail_outage(void) {
  const guint hourly = 6 + 23 /* the steps before make up an hour */, soon = 3 + 1433 / 5 + 1;
  check_outage(SENDER_TEMPORARY, 452, "4.2.2 full", hourly, LAB_URN "connection",
               "(last words: 452 4.2.2 full); order anew");
  check_outage(SENDER_UNREACHED, 0, "no connection to the relay: Connection refused", soon,
               LAB_URN "connection",
               "(last words: no connection to the relay: Connection refused)");
  check_outage(SENDER_NO_TLS, 454, "4.7.0 not now", soon, LAB_URN "tls",
               "(last words: 454 4.7.0 not now)");
}

/* The relay comes back after half a day: the mail leaves within minutes, and its note tells
   nothing wrong about a reply that never came. */
static void test_mail_after_outage(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client);
  g_autoptr(Answer) posted = lab_challenge(order, 0, "{}");
  for (; lab->clock.now < LAB_NOW + 12 * CLOCK_HOUR; lab->clock.now += CLOCK_MINUTE) {
    g_auto(Question) question = {0};
    if (lab_take(lab, JOB_MAIL, &question))
      lab_delivered(lab, &question, SENDER_UNREACHED, 0, "the relay did not answer in time");
  }
  lab->clock.now += 5 * CLOCK_MINUTE;
  g_assert_cmpuint(lab_send_mails(lab), ==, 1);
  lab->clock.now = LAB_NOW + CLOCK_DAY;
  lab_run(lab, JOB_SWEEP);
  g_autoptr(Answer) shown = lab_challenge(order, 0, NULL);
  g_assert_cmpstr(error_type(shown), ==, LAB_URN "incorrectResponse");
  g_assert_nonnull(strstr(error_detail(shown), "No reply that passes"));
  g_assert_cmpuint(error_notes(shown), ==, 1); /* of the delay */
}

/* The relay's answer was lost, and the mail was not: who replied is not told that it never left. */
static void test_mail_unknown_fate(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client);
  g_autoptr(Answer) posted = lab_challenge(order, 0, "{}");
  g_auto(Question) question = {0};
  lab->clock.now += 5 * CLOCK_SECOND;
  lab_ask(lab, JOB_MAIL, QUESTION_DELIVER, &question);
  lab_delivered(lab, &question, SENDER_TEMPORARY, 0, "the session with the relay broke");
  give_stranger(order);
  lab->clock.now = LAB_NOW + CLOCK_DAY;
  lab_run(lab, JOB_SWEEP);
  g_autoptr(Answer) shown = lab_challenge(order, 0, NULL);
  g_assert_cmpstr(error_type(shown), ==, LAB_URN "incorrectResponse");
}

/* The reply is there before the relay's answer: what is built waits until the mail is kept,
   whatever the relay says of it, and no longer. */
static void test_mail_answered_first(gconstpointer outcome) {
  SenderOutcome said = (SenderOutcome)GPOINTER_TO_INT(outcome);
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client);
  g_auto(Question) mail = {0}, issue = {0};
  lab->clock.now += 5 * CLOCK_SECOND;
  lab_ask(lab, JOB_MAIL, QUESTION_DELIVER, &mail);
  lab_validate(order, 0);
  g_autoptr(Answer) answer = lab_finalize(order);
  lab_answer_caa(lab, RESOLVER_NONE, NULL);
  for (guint i = 0; i < 3; i++) {
    lab->clock.now += CLOCK_SECOND;
    g_assert_cmpuint(lab_run(lab, JOB_ISSUE), ==, 1);
  }
  g_assert_cmpint(lab_count(lab, "SELECT attempts FROM job WHERE kind = 'issue' AND waits_for ="
                                 " 'the relay''s answer about a mail of the order'"),
                  ==, 0);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM certificate"), ==, 0);
  lab_delivered(lab, &mail, said, said == SENDER_ACCEPTED ? 250 : 0, "as it is");
  lab_answer_build(lab);
  lab_answer_sign(lab);
  assert_status(order, order->order, "valid");
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM message WHERE direction = 'out'"), ==, 1);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM job WHERE kind = 'mail'"), ==, 0);
}

/* Nobody was there to take it to a relay. */
static void test_mail_never_tried(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client);
  lab->clock.now = LAB_NOW + CLOCK_DAY;
  lab_run(lab, JOB_SWEEP);
  g_autoptr(Answer) shown = lab_challenge(order, 0, NULL);
  g_assert_cmpstr(error_type(shown), ==, LAB_URN "connection");
  g_assert_nonnull(strstr(error_detail(shown), "never left"));
}

/* A mail that is accepted when the challenge is over, or twice, changes nothing. */
static void test_mail_late(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  g_auto(Question) question = {0};
  lab->clock.now += 5 * CLOCK_SECOND;
  g_assert_true(lab_take(lab, JOB_MAIL, &question));
  g_assert_cmpint(question.kind, ==, QUESTION_NONE); /* the authorization is valid already */
  g_autoptr(LabOrder) second = lab_order(lab, client);
  g_auto(Question) sent = {0};
  lab->clock.now += 5 * CLOCK_SECOND;
  lab_ask(lab, JOB_MAIL, QUESTION_DELIVER, &sent);
  lab_delivered(lab, &sent, SENDER_ACCEPTED, 250, "ok");
  lab_delivered(lab, &sent, SENDER_ACCEPTED, 250, "ok");
  assert_statuses(second, "pending", "pending", "pending");
  lab_right(second, 0);
  g_autoptr(Answer) posted = lab_challenge(second, 0, "{}");
  lab_delivered(lab, &sent, SENDER_PERMANENT, 550, "late");
  assert_statuses(second, "ready", "valid", "valid");
}

/* --- notes and errors --- */

/* Nine refused replies: none changes a status; shown in processing only, eight kept. */
static void test_notes(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client);
  for (guint i = 0; i < 5; i++) {
    give_stranger(order);
    lab->clock.now += CLOCK_SECOND;
  }
  g_autoptr(Answer) pending = lab_challenge(order, 0, NULL);
  g_assert_cmpstr(lab_text(pending, "status"), ==, "pending");
  g_assert_null(challenge_error(pending)); /* never in pending */
  g_autoptr(Answer) posted = lab_challenge(order, 0, "{}");
  g_assert_cmpuint(error_notes(posted), ==, 5); /* notes taken while pending appear now */
  g_assert_cmpstr(error_type(posted), ==, LAB_URN "unauthorized");
  g_assert_nonnull(strstr(error_detail(posted), "it comes from another address"));
  g_assert_nonnull(strstr(error_detail(posted), "the last of 5 notes"));
  for (guint i = 0; i < 3; i++)
    give_stranger(order);
  g_assert_cmpuint(lab_mail_in(order, 0), ==, 452); /* eight mails a challenge */
  g_autoptr(Answer) full = lab_challenge(order, 0, NULL);
  g_assert_cmpuint(error_notes(full), ==, 8);
  assert_statuses(order, "pending", "pending", "processing");
}

static void test_more_notes_than_kept(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client);
  g_auto(Question) question = {0};
  lab->clock.now += 5 * CLOCK_SECOND;
  lab_ask(lab, JOB_MAIL, QUESTION_DELIVER, &question);
  lab_delivered(lab, &question, SENDER_TEMPORARY, 450, "4.2.0 greylisted");
  for (guint i = 0; i < 8; i++)
    give_stranger(order);
  g_autoptr(Answer) posted = lab_challenge(order, 0, "{}");
  g_assert_cmpuint(error_notes(posted), ==, 8);
  g_assert_nonnull(strstr(error_detail(posted), "the last of 9 notes"));
  json_t *first = json_array_get(json_object_get(challenge_error(posted), "subproblems"), 0);
  g_assert_cmpstr(json_string_value(json_object_get(first, "type")), ==,
                  LAB_URN "connection"); /* oldest first */
}

/* Notes do not keep a right reply from passing, and leave no error in valid. */
static void test_note_then_valid(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client);
  g_autoptr(Answer) posted = lab_challenge(order, 0, "{}");
  give_stranger(order);
  lab_right(order, 0);
  g_autoptr(Answer) valid = lab_challenge(order, 0, NULL);
  g_assert_cmpstr(lab_text(valid, "status"), ==, "valid");
  g_assert_null(challenge_error(valid));
  give_wrong_digest(order); /* after the verdict: nothing */
  assert_statuses(order, "ready", "valid", "valid");
}

static void test_wrong_digest(gconstpointer posted_first) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client);
  if (posted_first != NULL) {
    g_autoptr(Answer) posted = lab_challenge(order, 0, "{}");
  }
  give_stranger(order);
  give_wrong_digest(order);
  assert_statuses(order, "invalid", "invalid", "invalid");
  lab_right(order, 0); /* one chance */
  g_autoptr(Answer) again = lab_challenge(order, 0, "{}");
  g_assert_cmpstr(lab_text(again, "status"), ==, "invalid");
  g_assert_cmpstr(error_type(again), ==, LAB_URN "incorrectResponse");
  g_assert_cmpuint(error_notes(again), ==, 1);
  g_autoptr(Answer) finalized = lab_finalize(order);
  assert_problem(finalized, 403, "orderNotReady");
}

/* The wrong digest of a stranger decides nothing (security.md 16). */
static void test_unauthenticated_wrong_digest(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client);
  LabReply reply = lab_right_reply(order, 0);
  reply.facts.digest[0] ^= 1;
  reply.is_unsigned = TRUE;
  lab_give_reply(order, 0, &reply);
  assert_statuses(order, "pending", "pending", "pending");
  reply.facts.digest[0] ^= 1;
  lab_give_reply(order, 0, &reply); /* the right one, unsigned: no more worth */
  assert_statuses(order, "pending", "pending", "pending");
  lab_reply_clear(&reply);
}

/* A key that cannot be had now: examined again, noted once, then passes. */
static void test_dns_again(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client);
  g_autoptr(Answer) posted = lab_challenge(order, 0, "{}");
  LabReply reply = lab_right_reply(order, 0);
  reply.signature.result = DKIM_TEMPORARY;
  reply.signature.reason = (char *)"SERVFAIL";
  g_assert_cmpuint(lab_mail_in(order, 0), ==, 250);
  for (guint i = 0; i < 4; i++) {
    g_auto(Question) question = {0};
    lab_ask(lab, JOB_JUDGE, QUESTION_EXAMINE, &question);
    lab_examined(lab, &question, &reply);
    lab->clock.now += 5 * CLOCK_MINUTE;
  }
  g_autoptr(Answer) shown = lab_challenge(order, 0, NULL);
  g_assert_cmpstr(lab_text(shown, "status"), ==, "processing");
  g_assert_cmpstr(error_type(shown), ==, LAB_URN "dns");
  g_assert_cmpuint(error_notes(shown), ==, 1);
  g_auto(Question) last = {0};
  reply.signature.result = DKIM_PASS;
  reply.signature.reason = NULL;
  lab_ask(lab, JOB_JUDGE, QUESTION_EXAMINE, &last);
  lab_examined(lab, &last, &reply);
  lab_reply_clear(&reply);
  assert_statuses(order, "ready", "valid", "valid");
}

/* Real facts of a real message, with a signature by hand. */
static void test_real_message(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client);
  LabReply reply = lab_right_reply(order, 0);
  g_autofree char *digest = base64url_encode(reply.facts.digest, REPLY_DIGEST_OCTETS);
  g_autofree char *raw = g_strdup_printf(
      "From: Alice <ALICE@Example.org>\r\nTo: %s\r\nSubject: Re: ACME: %s\r\n"
      "Auto-Submitted: auto-replied\r\n\r\nHello\r\n-----BEGIN ACME RESPONSE-----\r\n%s\r\n"
      "-----END ACME RESPONSE-----\r\n",
      (char *)order->challenge_froms->pdata[0], reply.facts.token, digest);
  const char *recipients[] = {order->challenge_froms->pdata[0], NULL};
  g_autoptr(GBytes) octets = g_bytes_new(raw, strlen(raw));
  const IncomingMail mail = {"192.0.2.2", "mx", "alice@example.org", recipients, FALSE, octets};
  MailReply smtp = {0};
  g_auto(Question) question = {0};
  LAB_TURN(lab, mail_in_take(&lab->acme, &mail, &smtp, NULL));
  lab_ask(lab, JOB_JUDGE, QUESTION_EXAMINE, &question);
  g_assert_true(g_bytes_equal(question.octets, octets)); /* what is judged is what was kept */
  g_autoptr(ReplyFacts) facts = reply_read(question.octets);
  g_autoptr(GPtrArray) signatures = g_ptr_array_new();
  char *fields[] = {(char *)"from", (char *)"subject", (char *)"to", NULL};
  reply.signature.fields = fields;
  g_ptr_array_add(signatures, &reply.signature);
  LAB_TURN(lab, job_examined(&lab->acme, &question, facts, signatures, NULL, "evidence", NULL));
  lab_reply_clear(&reply);
  g_autoptr(Answer) posted = lab_challenge(order, 0, "{}");
  assert_statuses(order, "ready", "valid", "valid");
}

/* --- recipients --- */

static guint recipient(Lab *lab, const char *address) {
  MailReply reply = {0};
  LAB_TURN(lab, mail_in_recipient(&lab->acme, address, &reply, NULL));
  return reply.code;
}

static void test_recipients(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client);
  const char *from = order->challenge_froms->pdata[0];
  g_autofree char *upper = g_ascii_strup(from, -1);
  g_assert_cmpuint(recipient(lab, from), ==, 250);
  g_assert_cmpuint(recipient(lab, upper), ==, 250);
  g_assert_cmpuint(recipient(lab, "acme-challenge@" LAB_DOMAIN), ==, 550);
  g_assert_cmpuint(recipient(lab, "postmaster@" LAB_DOMAIN), ==, 550);
  g_assert_cmpuint(recipient(lab, ""), ==, 550);
  lab->clock.now += 72 * CLOCK_HOUR;
  g_assert_cmpuint(recipient(lab, from), ==, 550);
}

/* A recipient that is named often has its message once. */
static void test_repeated_recipient(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client);
  const char *from = order->challenge_froms->pdata[0];
  g_autofree char *upper = g_ascii_strup(from, -1);
  const char *recipients[] = {from, upper, from, NULL};
  g_autoptr(GBytes) octets = g_bytes_new_static("Subject: x\r\n\r\n", 14);
  const IncomingMail mail = {"192.0.2.2", "mx", "", recipients, FALSE, octets};
  MailReply smtp = {0};
  LAB_TURN(lab, mail_in_take(&lab->acme, &mail, &smtp, NULL));
  g_assert_cmpuint(smtp.code, ==, 250);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM message WHERE direction = 'in'"), ==, 1);
  for (guint i = 1; i < 8; i++)
    g_assert_cmpuint(lab_mail_in(order, 0), ==, 250);
  g_assert_cmpuint(recipient(lab, from), ==, 452); /* said before the message is sent */
}

/* A message that ends the process which examines it comes again ever later. */
static void test_unexaminable(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client);
  gint64 waited = 0;
  g_assert_cmpuint(lab_mail_in(order, 0), ==, 250);
  for (guint i = 0; i < 8; i++) {
    g_auto(Question) question = {0};
    gint64 due = 0;
    lab_ask(lab, JOB_JUDGE, QUESTION_EXAMINE, &question);
    LAB_TURN(lab, job_unanswered(&lab->acme, &question.job, NULL));
    due = lab_count(lab, "SELECT due_at FROM job WHERE kind = 'judge'");
    waited = due - lab->clock.now;
    lab->clock.now = due;
  }
  g_assert_cmpint(waited, ==, 10 * CLOCK_MINUTE);
}

/* At most 1 MiB of messages a challenge; more are not kept. */
static void test_mail_octets(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client);
  const char *recipients[] = {order->challenge_froms->pdata[0], NULL};
  g_autofree guint8 *large = g_malloc0(400 * 1024);
  g_autoptr(GBytes) octets = g_bytes_new_static(large, 400 * 1024);
  const IncomingMail mail = {"192.0.2.2", "mx", "", recipients, FALSE, octets};
  for (guint i = 0; i < 4; i++) {
    MailReply smtp = {0};
    LAB_TURN(lab, mail_in_take(&lab->acme, &mail, &smtp, NULL));
    g_assert_cmpuint(smtp.code, ==, i < 2 ? 250 : 452);
  }
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM message"), ==, 2);
}

/* --- time --- */

/* What counts is when the reply was received, not when it is judged; to the millisecond. */
static void test_deadline(gconstpointer late) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client);
  g_auto(Question) question = {0};
  LabReply reply = lab_right_reply(order, 0);
  lab->clock.now = LAB_NOW + 24 * CLOCK_HOUR - (late == NULL ? 1 : 0);
  g_assert_cmpuint(lab_mail_in(order, 0), ==, 250);
  lab->clock.now = LAB_NOW + 30 * CLOCK_HOUR;
  lab_run(lab, JOB_SWEEP); /* waits for the verdict on what came in time */
  assert_status(order, order->challenges->pdata[0], "pending");
  lab_ask(lab, JOB_JUDGE, QUESTION_EXAMINE, &question);
  lab_examined(lab, &question, &reply);
  lab_reply_clear(&reply);
  lab->clock.now += CLOCK_MINUTE;
  lab_run(lab, JOB_SWEEP);
  if (late == NULL) {
    g_autoptr(Answer) posted = lab_challenge(order, 0, "{}");
    assert_statuses(order, "ready", "valid", "valid");
    return;
  }
  assert_statuses(order, "invalid", "invalid", "invalid");
  g_autoptr(Answer) shown = lab_challenge(order, 0, NULL);
  g_assert_cmpstr(error_type(shown), ==, LAB_URN "incorrectResponse");
  g_assert_cmpuint(error_notes(shown), ==, 1);
}

static void test_no_reply(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client);
  g_autoptr(Answer) posted = lab_challenge(order, 0, "{}");
  lab->clock.now = LAB_NOW + CLOCK_DAY - 30 * CLOCK_SECOND;
  lab_run(lab, JOB_SWEEP);
  assert_statuses(order, "pending", "pending", "processing");
  lab->clock.now = LAB_NOW + CLOCK_DAY; /* to the millisecond */
  lab_run(lab, JOB_SWEEP);
  assert_statuses(order, "invalid", "invalid", "invalid");
}

/* expired: by the sweep; otherwise found when the order is read. */
static void test_order_expiry(gconstpointer by_sweep) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  lab->clock.now = LAB_NOW + 72 * CLOCK_HOUR - 1;
  lab_run(lab, JOB_SWEEP);
  assert_status(order, order->order, "ready");
  lab->clock.now += 1 + (by_sweep != NULL ? CLOCK_MINUTE : 0);
  if (by_sweep != NULL)
    lab_run(lab, JOB_SWEEP);
  assert_status(order, order->order, "invalid");
  g_autoptr(Answer) finalized = lab_finalize(order);
  assert_problem(finalized, 403, "orderNotReady");
}

/* The authorization is over, whether or not the sweep has come by: neither a POST nor a verdict
   makes it valid. */
static void test_authorization_expired(gconstpointer reply_first) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client);
  g_auto(Question) question = {0};
  LabReply reply = lab_right_reply(order, 0);
  if (reply_first != NULL) {
    lab_give_reply(order, 0, &reply);
  } else {
    g_autoptr(Answer) posted = lab_challenge(order, 0, "{}");
    g_assert_cmpuint(lab_mail_in(order, 0), ==, 250);
  }
  lab->clock.now = LAB_NOW + 72 * CLOCK_HOUR;
  if (reply_first != NULL) {
    g_autoptr(Answer) posted = lab_challenge(order, 0, "{}");
    g_assert_cmpuint(posted->status, ==, 200);
  } else {
    lab_ask(lab, JOB_JUDGE, QUESTION_NONE, &question); /* is examined no more */
  }
  lab_reply_clear(&reply);
  assert_status(order, order->authorizations->pdata[0],
                reply_first != NULL ? "expired" : "invalid");
  lab_run(lab, JOB_SWEEP);
  lab->clock.now += CLOCK_MINUTE;
  lab_run(lab, JOB_SWEEP);
  g_autofree char *status = lab_status(order, order->authorizations->pdata[0]);
  g_assert_cmpstr(status, !=, "valid");
  g_assert_cmpstr(status, !=, "pending");
  assert_status(order, order->order, "invalid");
}

/* The same without a look at the order before. */
static void test_finalize_expired(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  lab->clock.now = LAB_NOW + 72 * CLOCK_HOUR;
  g_autoptr(Answer) finalized = lab_finalize(order);
  assert_problem(finalized, 403, "orderNotReady");
}

/* What the clock did before the job was begun is seen: issuance is held, and said so. */
static void test_clock_back(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  gint64 before = lab->clock.now;
  g_auto(Question) held = {0}, none = {0};
  lab->clock.now -= 5 * CLOCK_MINUTE + 1;
  /* The request itself writes records of the fallen clock: they must not hide the fall. */
  g_autoptr(Answer) answer = lab_finalize(order);
  g_assert_cmpstr(lab_text(answer, "status"), ==, "processing");
  g_assert_true(lab_take(lab, JOB_ISSUE, &held));
  g_assert_cmpint(held.kind, ==, QUESTION_NONE);
  assert_status(order, order->order, "processing");
  g_assert_false(lab_take(lab, JOB_ISSUE, &none));
  lab->clock.now = before + CLOCK_MINUTE; /* set right again */
  lab_answer_caa(lab, RESOLVER_NONE, NULL);
  lab_answer_build(lab);
  lab_answer_sign(lab);
  assert_status(order, order->order, "valid");
}

static void test_clock_back_a_little(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  lab->clock.now -= 5 * CLOCK_MINUTE - 1;
  lab_issue(order);
}

/* --- finalize --- */

/* A key of a list is for no certificate and no account. */
static void test_weak_key(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
  guint8 *der = NULL;
  int length = i2d_PUBKEY(order->key, &der);
  g_autofree char *digest = g_compute_checksum_for_data(G_CHECKSUM_SHA256, der, (gsize)length);
  OPENSSL_free(der);
  g_ptr_array_add(files, g_bytes_new(digest, strlen(digest)));
  lab->acme.weak_keys = weak_keys_new(files, NULL);
  g_autoptr(Answer) answer = lab_finalize(order);
  assert_problem(answer, 400, "badCSR");
  g_assert_nonnull(strstr(lab_text(answer, "detail"), "known to the world"));
  EVP_PKEY_up_ref(order->key);
  g_autoptr(LabClient) owner = lab_client_of(order->key);
  g_autoptr(Answer) account = lab_send(lab, owner, TRUE, "/new-account", "{}");
  assert_problem(account, 400, "badPublicKey");
  g_clear_pointer(&lab->acme.weak_keys, weak_keys_free);
}

static void test_finalize_not_ready(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client);
  g_autoptr(Answer) pending = lab_finalize(order);
  assert_problem(pending, 403, "orderNotReady");
  g_autoptr(Answer) posted = lab_challenge(order, 0, "{}");
  lab_right(order, 0);
  g_autoptr(Answer) first = lab_finalize(order);
  g_assert_cmpuint(first->status, ==, 200);
  g_assert_cmpstr(first->location, ==, order->order);
  g_assert_cmpint(first->retry_after, ==, 1);
  g_autoptr(Answer) second = lab_finalize(order);
  assert_problem(second, 403, "orderNotReady");
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM job WHERE kind = 'issue'"), ==, 1);
  lab_answer_caa(lab, RESOLVER_NONE, NULL);
  lab_answer_build(lab);
  lab_answer_sign(lab);
  g_autoptr(Answer) third = lab_finalize(order);
  assert_problem(third, 403, "orderNotReady");
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM certificate"), ==, 1);
}

/* A refused CSR leaves the order ready. */
static void test_bad_csr(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  static const char *const payloads[] = {"{}", "{\"csr\":1}", "{\"csr\":\"a=\"}", NULL};
  g_autoptr(Answer) other = lab_finalize_with(order, order->key, "email:bob@example.org");
  assert_problem(other, 400, "badCSR");
  g_autoptr(Answer) more =
      lab_finalize_with(order, order->key, "email:alice@example.org,email:bob@example.org");
  assert_problem(more, 400, "badCSR");
  g_autoptr(Answer) own = lab_finalize_with(order, client->key, "email:alice@example.org");
  assert_problem(own, 400, "badCSR");
  g_autoptr(Answer) ca = lab_finalize_with(order, lab->signer->key, "email:alice@example.org");
  assert_problem(ca, 400, "badCSR");
  g_autoptr(Answer) garbage = lab_post(lab, client, order->finalize, "{\"csr\":\"MAA\"}");
  assert_problem(garbage, 400, "badCSR");
  for (const char *const *payload = payloads; *payload != NULL; payload++) {
    g_autoptr(Answer) answer = lab_post(lab, client, order->finalize, *payload);
    assert_problem(answer, 400, "malformed");
  }
  g_autoptr(Answer) read = lab_post(lab, client, order->finalize, NULL);
  assert_problem(read, 400, "malformed");
  assert_status(order, order->order, "ready");
  lab_issue(order);
}

/* --- CAA --- */

static void finish(LabOrder *order) {
  lab_answer_build(order->lab);
  lab_answer_sign(order->lab);
  assert_status(order, order->order, "valid");
}

static void test_caa_forbidding(gconstpointer value) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  g_auto(Question) none = {0};
  g_autoptr(Answer) answer = lab_finalize(order);
  lab_answer_caa(lab, RESOLVER_FOUND, value);
  g_autoptr(Answer) shown = lab_post(lab, client, order->order, NULL);
  g_assert_cmpstr(lab_text(shown, "status"), ==, "invalid");
  g_assert_cmpstr(error_type(shown), ==, LAB_URN "caa");
  g_assert_nonnull(strstr(error_detail(shown), "example.org"));
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM certificate"), ==, 0);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM caa_check WHERE verdict = 'forbidden'"), ==,
                  1);
  g_assert_false(lab_take(lab, JOB_ISSUE, &none));
}

static void test_caa_naming_us(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  g_autofree char *value = g_strdup_printf(
      "ca.example.org; accounturi=%s; validationmethods=email-reply-00", client->kid);
  g_autoptr(Answer) answer = lab_finalize(order);
  lab_answer_caa(lab, RESOLVER_FOUND, value);
  finish(order);
}

static void test_caa_bogus(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  g_autoptr(Answer) answer = lab_finalize(order);
  lab_answer_caa(lab, RESOLVER_BOGUS, NULL);
  g_autoptr(Answer) shown = lab_post(lab, client, order->order, NULL);
  g_assert_cmpstr(lab_text(shown, "status"), ==, "invalid");
  g_assert_cmpstr(error_type(shown), ==, LAB_URN "dns");
}

/* ca-rules 10. One failed answer after the other, each asked for again no sooner than after
 * waits[i] seconds. */
static void fail_caa(LabOrder *order, const gint64 *waits, gsize count) {
  Lab *lab = order->lab;
  for (gsize i = 0; i < count; i++) {
    g_auto(Question) early = {0};
    lab_answer_caa(lab, RESOLVER_TEMPORARY, NULL);
    assert_status(order, order->order, "processing");
    lab->clock.now += waits[i] * CLOCK_SECOND - 1;
    g_assert_false(lab_take(lab, JOB_ISSUE, &early));
    lab->clock.now += 1;
  }
}

/* Temporary: asked again with growing waits, at first in silence. */
static void test_caa_temporary(void) {
  static const gint64 waits[] = {1, 3, 10, 30};
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  g_autoptr(Answer) answer = lab_finalize(order);
  fail_caa(order, waits, G_N_ELEMENTS(waits));
  g_autoptr(Answer) shown = lab_post(lab, client, order->order, NULL);
  g_assert_null(challenge_error(shown));
  lab_answer_caa(lab, RESOLVER_NONE, NULL);
  finish(order);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM caa_check"), ==, 5);
}

/* Then the order says what it waits for, and how long it is worth to stay away; no word of it is
   left when the answer comes. */
static void test_caa_delayed(void) {
  static const gint64 waits[] = {1, 3, 10, 30, 60, 120, 300, 300};
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  g_autoptr(Answer) answer = lab_finalize(order);
  fail_caa(order, waits, G_N_ELEMENTS(waits));
  lab_answer_caa(lab, RESOLVER_TEMPORARY, NULL);
  g_autoptr(Answer) shown = lab_post(lab, client, order->order, NULL);
  g_assert_cmpstr(lab_text(shown, "status"), ==, "processing");
  g_assert_cmpint(shown->retry_after, ==, 30);
  g_assert_cmpstr(error_type(shown), ==, LAB_URN "dns");
  g_assert_cmpstr(error_detail(shown), ==,
                  "The CAA records of example.org could not be had yet: CAA: no answer: the "
                  "servers do not answer; they will be asked for again until the order expires. "
                  "See to the domain's DNS, or wait.");
  g_assert_cmpint(audit_count(lab, "order delayed"), ==, 1);
  lab->clock.now += 5 * CLOCK_MINUTE;
  lab_answer_caa(lab, RESOLVER_NONE, NULL);
  g_autoptr(Answer) permitted = lab_post(lab, client, order->order, NULL);
  g_assert_null(challenge_error(permitted));
  g_assert_cmpint(permitted->retry_after, ==, 1);
  finish(order);
}

/* An order that is over does not wait: finalized with much time left, or in the last moment of it,
   which still has its five tries. */
static void test_caa_missed(gconstpointer last_moment) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  const gint64 end = LAB_NOW + 72 * CLOCK_HOUR;
  g_auto(Question) none = {0};
  if (last_moment != NULL)
    lab->clock.now = end - 1;
  g_autoptr(Answer) answer = lab_finalize(order);
  guint tries = 0;
  for (gint64 due = lab->clock.now; due != -1; tries++) {
    lab->clock.now = due;
    lab_answer_caa(lab, RESOLVER_TEMPORARY, NULL);
    due = lab_count(lab, "SELECT due_at FROM job WHERE kind = 'issue'");
  }
  g_assert_cmpint(lab->clock.now, <, end + CLOCK_MINUTE);
  g_assert_cmpuint(tries, ==, last_moment != NULL ? 5 : 7 + (72 * 60 - 4) / 5);
  g_autoptr(Answer) shown = lab_post(lab, client, order->order, NULL);
  g_assert_cmpstr(lab_text(shown, "status"), ==, "invalid");
  g_assert_cmpstr(error_type(shown), ==, LAB_URN "dns");
  g_assert_cmpstr(error_detail(shown), ==,
                  "The CAA records of example.org could not be had: CAA: no answer: the servers "
                  "do not answer; see to its DNS and order anew.");
  g_assert_false(lab_take(lab, JOB_ISSUE, &none));
}

#define MANY 20

/* MANY mailboxes at as many domains, every one proven. */
static LabOrder *ready_at_many(Lab *lab, LabClient *client) {
  g_autoptr(GPtrArray) addresses = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; i < MANY; i++)
    g_ptr_array_add(addresses, g_strdup_printf("ann@d%02u.example.org", i));
  g_ptr_array_add(addresses, NULL);
  LabOrder *order = lab_order_of(lab, client, (const char *const *)addresses->pdata);
  for (guint i = 0; i < MANY; i++)
    lab_validate(order, i);
  return order;
}

static void finalize_many(LabOrder *order) {
  g_autoptr(GString) names = g_string_new(NULL);
  for (guint i = 0; i < MANY; i++)
    g_string_append_printf(names, "%semail:ann@d%02u.example.org", i > 0 ? "," : "", i);
  g_autoptr(Answer) answer = lab_finalize_with(order, order->key, names->str);
  g_assert_cmpstr(lab_text(answer, "status"), ==, "processing");
}

static void ask_caa_as_core(Lab *lab, Question *question) {
  Job job;
  question->may_go_on = TRUE;
  LAB_TURN(lab, job_take_one(lab->acme.store, JOB_ISSUE, lab->clock.now,
                             lab->clock.now + CLOCK_MINUTE, &job, NULL) == STORE_FOUND &&
                    job_begin(&lab->acme, &job, question, NULL));
  g_assert_cmpint(question->kind, ==, QUESTION_CAA);
}

/* Every domain is asked for once; the set of those that were. */
static GHashTable *answer_for_many(Lab *lab, guint count) {
  GHashTable *asked = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < count; i++) {
    g_auto(Question) question = {0};
    ask_caa_as_core(lab, &question);
    g_assert_null(question.beside); /* which answer on CAA is the last is not known yet */
    g_assert_true(g_hash_table_add(asked, g_strdup(question.domain)));
    lab_caa(lab, &question, RESOLVER_NONE, NULL);
    g_assert_true(question.goes_on);
    LAB_TURN(lab, job_anew(&lab->acme, &question.job, NULL));
  }
  return asked;
}

/* ca-rules 8 and 9 (S/MIME BR 4.2.2.1): each domain of an order at finalize, and each again when
   the signature comes more than an hour later; one that forbids then is enough. */
static void test_caa_of_many(gconstpointer forbids) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = ready_at_many(lab, client);
  g_auto(Question) sign = {0}, none = {0};
  finalize_many(order);
  g_autoptr(GHashTable) first = answer_for_many(lab, MANY);
  lab_answer_build(lab);
  lab_ask(lab, JOB_ISSUE, QUESTION_SIGN, &sign);
  LAB_TURN(lab, job_unanswered(&lab->acme, &sign.job, NULL));
  lab->clock.now += CLOCK_HOUR + 1;
  if (forbids != NULL) {
    g_autoptr(GHashTable) second = answer_for_many(lab, MANY - 1);
    lab_answer_caa(lab, RESOLVER_FOUND, forbids);
    assert_status(order, order->order, "invalid");
    lab_answer_logged(lab);
    g_assert_false(lab_take(lab, JOB_ISSUE, &none));
    g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM certificate WHERE der IS NOT NULL"), ==,
                    0);
  } else {
    g_autoptr(GHashTable) second = answer_for_many(lab, MANY);
    lab_answer_sign(lab);
    assert_status(order, order->order, "valid");
  }
  g_assert_cmpuint(g_hash_table_size(first), ==, MANY);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM caa_check"), ==, 2 * MANY);
  g_assert_cmpint(audit_count(lab, "caa checked"), ==, 2 * MANY);
}

/* ca-rules 9: an answer of exactly one hour ago still holds. */
static void test_caa_an_hour_old(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  g_auto(Question) sign = {0};
  g_autoptr(Answer) answer = lab_finalize(order);
  lab_answer_caa(lab, RESOLVER_NONE, NULL);
  gint64 checked = lab->clock.now;
  lab_answer_build(lab);
  lab_ask(lab, JOB_ISSUE, QUESTION_SIGN, &sign);
  LAB_TURN(lab, job_unanswered(&lab->acme, &sign.job, NULL));
  lab->clock.now = checked + CLOCK_HOUR;
  lab_answer_sign(lab);
  assert_status(order, order->order, "valid");
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM caa_check"), ==, 1);
}

/* What core does with two questions that it asked at the same time: the second answer is taken when
   the first lets the job go on, and the job goes on while it is taken. */
static void test_built_beside(gconstpointer forbids) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  g_auto(Question) question = {0}, none = {0};
  g_autoptr(Answer) answer = lab_finalize(order);
  ask_caa_as_core(lab, &question);
  g_assert_cmpint(question.beside->kind, ==, QUESTION_BUILD);
  lab_caa(lab, &question, RESOLVER_FOUND, forbids != NULL ? forbids : "ca.example.org");
  g_assert_false(lab_take(lab, JOB_ISSUE, &none));
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM certificate"), ==, 0);
  g_assert_cmpint(question.goes_on, ==, forbids == NULL);
  if (forbids != NULL) {
    assert_status(order, order->order, "invalid");
    return;
  }
  lab_built(lab, question.beside, "");
  g_assert_true(question.beside->goes_on);
  g_assert_cmpint(audit_count(lab, "signing"), ==, 1);
  g_assert_false(lab_take(lab, JOB_ISSUE, &none));
  LAB_TURN(lab, job_anew(&lab->acme, &question.job, NULL));
  lab_answer_sign(lab);
  assert_status(order, order->order, "valid");
}

static void assert_goes_on(Lab *lab, const Job *job, QuestionKind kind, const char *asked,
                           Question *question) {
  g_autofree char *sql = g_strdup_printf("SELECT count(*) FROM job WHERE waits_for = '%s'", asked);
  question->may_go_on = TRUE;
  LAB_TURN(lab, job_begin(&lab->acme, job, question, NULL));
  g_assert_cmpint(question->kind, ==, kind);
  g_assert_cmpint(lab_count(lab, sql), ==, 1);
}

/* Also when it comes back to whom it asked first. */
static void test_says_whom_it_asks(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  g_auto(Question) question = {0}, sign = {0}, again = {0};
  g_autoptr(Answer) answer = lab_finalize(order);
  ask_caa_as_core(lab, &question);
  lab_caa(lab, &question, RESOLVER_NONE, NULL);
  lab_built(lab, question.beside, "");
  assert_goes_on(lab, &question.beside->job, QUESTION_SIGN, "the signer", &sign);
  lab->clock.now += CLOCK_HOUR + 1;
  assert_goes_on(lab, &sign.job, QUESTION_CAA, "CAA records (DNS)", &again);
}

/* Once the DNS has failed nothing is built for nothing, and attempts count anew with the next step.
 */
static void test_built_later(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  g_auto(Question) question = {0};
  g_autoptr(Answer) answer = lab_finalize(order);
  lab_answer_caa(lab, RESOLVER_TEMPORARY, NULL);
  lab->clock.now += CLOCK_SECOND;
  ask_caa_as_core(lab, &question);
  g_assert_null(question.beside);
  lab_caa(lab, &question, RESOLVER_NONE, NULL);
  g_assert_false(question.goes_on);
  finish(order);
}

static void test_caa_off(void) {
  static const char *const off[] = {"ca.caa", "off", NULL};
  g_autoptr(Lab) lab = lab_new_with(off);
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  g_autoptr(Answer) answer = lab_finalize(order);
  finish(order);
}

/* --- signer --- */

static void test_lint_finding(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  g_auto(Question) question = {0}, none = {0};
  g_autoptr(Answer) answer = lab_finalize(order);
  lab_answer_caa(lab, RESOLVER_NONE, NULL);
  lab_ask(lab, JOB_ISSUE, QUESTION_BUILD, &question);
  lab_built(lab, &question, "validity: too long");
  g_autoptr(Answer) shown = lab_post(lab, client, order->order, NULL);
  g_assert_cmpstr(lab_text(shown, "status"), ==, "invalid");
  g_assert_cmpstr(error_type(shown), ==, LAB_URN "serverInternal");
  g_assert_false(lab_take(lab, JOB_ISSUE, &none));
  g_assert_cmpint(
      lab_count(lab, "SELECT count(*) FROM certificate WHERE der IS NULL AND findings <> ''"), ==,
      1); /* a failed lint is kept too */
  g_assert_cmpint(audit_count(lab, "lint refused"), ==, 1);
  g_assert_cmpint(audit_count(lab, "signing"), ==, 0);
}

static void test_cannot_build(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  g_auto(Question) question = {0};
  g_autoptr(GBytes) nothing = g_bytes_new(NULL, 0);
  g_autoptr(Answer) answer = lab_finalize(order);
  lab_answer_caa(lab, RESOLVER_NONE, NULL);
  lab_ask(lab, JOB_ISSUE, QUESTION_BUILD, &question);
  LAB_TURN(lab, job_built(&lab->acme, &question, nothing, "", "past the CA's own end", NULL));
  assert_status(order, order->order, "invalid");
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM certificate"), ==, 0);
}

/* A key that was free at finalize is an account's when the certificate is made. */
static void test_account_key_since(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  g_auto(Question) question = {0}, none = {0};
  g_autoptr(Answer) answer = lab_finalize(order);
  lab_answer_caa(lab, RESOLVER_NONE, NULL);
  lab_ask(lab, JOB_ISSUE, QUESTION_BUILD, &question);
  g_assert_cmpint(EVP_PKEY_up_ref(order->key), ==, 1);
  g_autoptr(LabClient) other = lab_account_with(lab, order->key);
  lab_built(lab, &question, "");
  g_autoptr(Answer) shown = lab_post(lab, client, order->order, NULL);
  g_assert_cmpstr(lab_text(shown, "status"), ==, "invalid");
  g_assert_cmpstr(error_type(shown), ==, LAB_URN "badCSR");
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM certificate"), ==, 0);
  g_assert_false(lab_take(lab, JOB_ISSUE, &none));
}

/* An outside linter: its verdict is in the store before the signer is asked. */
static void lint_answer(Lab *lab, const char *findings, const char *failure) {
  g_auto(Question) question = {0};
  lab_ask(lab, JOB_ISSUE, QUESTION_LINT, &question);
  LAB_TURN(lab, job_linted(&lab->acme, &question, findings, failure, NULL));
}

static const char *const with_linter[] = {"ca.linter", "/usr/bin/linter", NULL};

static LabOrder *until_lint(Lab *lab, LabClient *client) {
  LabOrder *order = lab_ready(lab, client);
  g_autoptr(Answer) answer = lab_finalize(order);
  lab_answer_caa(lab, RESOLVER_NONE, NULL);
  lab_answer_build(lab);
  return order;
}

static void test_linter_content(void) {
  g_autoptr(Lab) lab = lab_new_with(with_linter);
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = until_lint(lab, client);
  g_assert_cmpint(audit_count(lab, "built"), ==, 1);
  g_assert_cmpint(audit_count(lab, "signing"), ==, 0);
  g_auto(Question) question = {0};
  lab_ask(lab, JOB_ISSUE, QUESTION_LINT, &question);
  LAB_TURN(lab, job_linted(&lab->acme, &question, "", "", NULL));
  g_assert_cmpint(audit_count(lab, "signing"), ==, 1);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM certificate WHERE linter_findings = ''"), ==,
                  1);
  LAB_TURN(lab, job_linted(&lab->acme, &question, "late", "", NULL)); /* twice: nothing changes */
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM certificate WHERE linter_findings = ''"), ==,
                  1);
  lab_answer_sign(lab);
  assert_status(order, order->order, "valid");
}

static void test_linter_finding(void) {
  g_autoptr(Lab) lab = lab_new_with(with_linter);
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = until_lint(lab, client);
  g_auto(Question) none = {0};
  lint_answer(lab, "ERROR: it is ugly", "");
  g_autoptr(Answer) shown = lab_post(lab, client, order->order, NULL);
  g_assert_cmpstr(lab_text(shown, "status"), ==, "invalid");
  g_assert_cmpstr(error_type(shown), ==, LAB_URN "serverInternal");
  lab_answer_logged(lab);
  g_assert_false(lab_take(lab, JOB_ISSUE, &none));
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM certificate WHERE der IS NULL AND"
                                 " linter_findings = 'ERROR: it is ugly'"),
                  ==, 1);
  g_assert_cmpint(audit_count(lab, "lint refused"), ==, 1);
  g_assert_cmpint(audit_count(lab, "signing"), ==, 0);
}

/* No verdict is no signature: asked again, then given up; a role that is gone does not count. */
static void test_linter_silent(void) {
  static const gint64 waits[] = {CLOCK_SECOND, 10 * CLOCK_SECOND, CLOCK_MINUTE, 5 * CLOCK_MINUTE};
  g_autoptr(Lab) lab = lab_new_with(with_linter);
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = until_lint(lab, client);
  g_auto(Question) gone = {0}, none = {0};
  lab_ask(lab, JOB_ISSUE, QUESTION_LINT, &gone);
  LAB_TURN(lab, job_unanswered(&lab->acme, &gone.job, NULL));
  lab->clock.now += CLOCK_SECOND;
  for (guint i = 0; i < G_N_ELEMENTS(waits); i++) {
    lint_answer(lab, "", "it did not answer in time");
    assert_status(order, order->order, "processing");
    g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM job WHERE"
                                   " waits_for = 'the outside linter: it did not answer in time'"),
                    ==, 1);
    lab->clock.now += waits[i];
  }
  lint_answer(lab, "", "it ended");
  g_autoptr(Answer) shown = lab_post(lab, client, order->order, NULL);
  g_assert_cmpstr(lab_text(shown, "status"), ==, "invalid");
  g_assert_cmpstr(error_type(shown), ==, LAB_URN "serverInternal");
  lab_answer_logged(lab);
  g_assert_false(lab_take(lab, JOB_ISSUE, &none));
  g_assert_cmpint(audit_count(lab, "signing"), ==, 0);
}

/* The signer refuses, answers another certificate, is away; then works: one serial all along. */
static void test_signer_failing(void) {
  static const gint64 waits[] = {CLOCK_SECOND, 10 * CLOCK_SECOND, CLOCK_MINUTE};
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  g_autoptr(GBytes) nothing = g_bytes_new(NULL, 0);
  g_autoptr(GBytes) first = NULL;
  g_autoptr(Answer) answer = lab_finalize(order);
  lab_answer_caa(lab, RESOLVER_NONE, NULL);
  lab_answer_build(lab);
  for (guint i = 0; i < G_N_ELEMENTS(waits); i++) {
    g_auto(Question) question = {0}, early = {0};
    lab_ask(lab, JOB_ISSUE, QUESTION_SIGN, &question);
    if (first == NULL)
      first = g_bytes_ref(question.octets);
    g_assert_true(g_bytes_equal(first, question.octets));
    if (i == 1) /* a lie without a failure */
      LAB_TURN(lab, job_signed(&lab->acme, &question, nothing, "", NULL));
    else
      LAB_TURN(lab, job_signed(&lab->acme, &question, nothing, "the hourly cap is reached", NULL));
    assert_status(order, order->order, "processing");
    lab->clock.now += waits[i] - 1;
    g_assert_false(lab_take(lab, JOB_ISSUE, &early));
    lab->clock.now += 1;
  }
  g_auto(Question) unanswered = {0};
  lab_ask(lab, JOB_ISSUE, QUESTION_SIGN, &unanswered);
  LAB_TURN(lab, job_unanswered(&lab->acme, &unanswered.job, NULL));
  lab->clock.now += CLOCK_SECOND;
  lab_answer_sign(lab);
  assert_status(order, order->order, "valid");
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM certificate"), ==, 1);
  g_assert_cmpuint(g_hash_table_size(lab->signatures), ==, 1);
}

/* A handler that cannot record is undone whole, as core sees it: the handler fails, or the commit
   where that is what tells. */
static gboolean turn_fails(Lab *lab, Question *question, GBytes *der) {
  g_autoptr(GBytes) tbs = g_bytes_new_static("to be signed", 12);
  g_autoptr(GError) error = NULL;
  lab_begin(lab);
  gboolean done = der != NULL ? job_signed(&lab->acme, question, der, "", &error)
                              : job_built(&lab->acme, question, tbs, "", "", &error);
  gboolean kept = store_handler_end(lab->acme.store, done, NULL) &&
                  store_commit(lab->acme.store, done ? &error : NULL) && done;
  record_settle(&lab->acme, FALSE);
  return !kept && g_error_matches(error, STORE_ERROR, STORE_ERROR_FAILED);
}

/* Issuance stops when the audit log cannot be written: nothing to be signed is kept and no
   signature asked for; and with the signature made, no certificate is kept until it can be
   recorded. */
static void test_audit_unwritable(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  g_auto(Question) build = {0}, early = {0}, sign = {0};
  g_autoptr(Answer) answer = lab_finalize(order);
  lab_answer_caa(lab, RESOLVER_NONE, NULL);
  lab_ask(lab, JOB_ISSUE, QUESTION_BUILD, &build);
  lab_close_table(lab, "audit");
  g_assert_true(turn_fails(lab, &build, NULL));
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM certificate"), ==, 0);
  g_assert_false(lab_take(lab, JOB_ISSUE, &early)); /* no signature is asked for */
  lab_reopen_table(lab, "audit");
  lab_built(lab, &build, "");
  lab_ask(lab, JOB_ISSUE, QUESTION_SIGN, &sign);
  GBytes *der = lab_certificate(lab, &sign);
  lab_close_table(lab, "audit");
  g_assert_true(turn_fails(lab, &sign, der));
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM certificate WHERE der IS NOT NULL"), ==, 0);
  lab_reopen_table(lab, "audit");
  assert_status(order, order->order, "processing");
  lab_signed(lab, &sign);
  assert_status(order, order->order, "valid");
  g_assert_cmpint(audit_count(lab, "signing"), ==, 1);
  g_assert_cmpint(audit_count(lab, "issued"), ==, 1);
}

/* ca-rules 9 (S/MIME BR 4.2.2.1): a CAA answer that grew old while the signer was away is asked for
 * again. */
static void test_caa_before_late_signature(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  g_autoptr(Answer) answer = lab_finalize(order);
  g_auto(Question) question = {0};
  lab_answer_caa(lab, RESOLVER_NONE, NULL);
  lab_answer_build(lab);
  lab_ask(lab, JOB_ISSUE, QUESTION_SIGN, &question);
  LAB_TURN(lab, job_unanswered(&lab->acme, &question.job, NULL));
  lab->clock.now += 2 * CLOCK_HOUR;
  lab_answer_caa(lab, RESOLVER_NONE, NULL);
  lab_answer_sign(lab);
  assert_status(order, order->order, "valid");
}

/* Every answer of an issuance comes twice, and again at the end: one certificate, one state. */
static void test_answers_twice(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  g_auto(Question) caa = {0}, build = {0}, sign = {0}, none = {0};
  g_autoptr(GBytes) nothing = g_bytes_new(NULL, 0);
  g_autoptr(Answer) answer = lab_finalize(order);
  lab_ask(lab, JOB_ISSUE, QUESTION_CAA, &caa);
  lab_caa(lab, &caa, RESOLVER_NONE, NULL);
  lab_caa(lab, &caa, RESOLVER_NONE, NULL);
  lab->clock.now += CLOCK_SECOND;
  lab_ask(lab, JOB_ISSUE, QUESTION_BUILD, &build);
  lab_built(lab, &build, "");
  lab_built(lab, &build, "");
  /* Late and worse: what is to be signed is decided already. */
  LAB_TURN(lab, job_built(&lab->acme, &build, nothing, "", "no", NULL));
  assert_status(order, order->order, "processing");
  lab->clock.now += CLOCK_SECOND;
  lab_ask(lab, JOB_ISSUE, QUESTION_SIGN, &sign);
  lab_signed(lab, &sign);
  lab_signed(lab, &sign);
  assert_status(order, order->order, "valid");
  g_autoptr(GBytes) leaf = lab_leaf(order);
  LAB_TURN(lab, job_signed(&lab->acme, &sign, nothing, "late failure", NULL));
  lab_caa(lab, &caa, RESOLVER_BOGUS, NULL);
  lab_built(lab, &build, "late finding");
  LAB_TURN(lab, job_unanswered(&lab->acme, &sign.job, NULL));
  lab->clock.now += CLOCK_MINUTE;
  while (lab_take(lab, JOB_ISSUE, &none))
    g_assert_cmpint(none.kind, ==, QUESTION_NONE);
  assert_status(order, order->order, "valid");
  g_autoptr(GBytes) after = lab_leaf(order);
  g_assert_true(g_bytes_equal(leaf, after));
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM certificate"), ==, 1);
  g_assert_cmpint(audit_count(lab, "issued"), ==, 1);
  g_assert_cmpint(audit_count(lab, "signing"), ==, 1);
}

/* An examination that is answered twice, the second time with another verdict. */
static void test_verdict_twice(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client);
  g_auto(Question) question = {0};
  LabReply reply = lab_right_reply(order, 0);
  g_assert_cmpuint(lab_mail_in(order, 0), ==, 250);
  lab_ask(lab, JOB_JUDGE, QUESTION_EXAMINE, &question);
  reply.is_unsigned = TRUE;
  lab_examined(lab, &question, &reply); /* a note */
  reply.is_unsigned = FALSE;
  reply.facts.digest[0] ^= 1;
  lab_examined(lab, &question, &reply); /* the message has its verdict */
  lab_reply_clear(&reply);
  g_autoptr(Answer) posted = lab_challenge(order, 0, "{}");
  g_assert_cmpuint(error_notes(posted), ==, 1);
  assert_statuses(order, "pending", "pending", "processing");
}

/* The transaction of any step is rolled back, as when a commit fails or core is killed: the step
   comes again, and nothing of the first attempt is remembered. */
static void test_rollback(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  g_autoptr(Answer) answer = lab_finalize(order);
  gint64 records = lab_count(lab, "SELECT count(*) FROM audit");
  Job job;
  for (guint i = 0; i < 2; i++) {
    g_auto(Question) lost = {0};
    lab_begin(lab);
    g_assert_cmpint(
        job_take_one(lab->acme.store, JOB_ISSUE, lab->clock.now, lab->clock.now + 1000, &job, NULL),
        ==, STORE_FOUND);
    g_assert_true(job_begin(&lab->acme, &job, &lost, NULL));
    store_rollback(lab->acme.store);
  }
  lab_answer_caa(lab, RESOLVER_NONE, NULL);
  g_auto(Question) build = {0}, sign = {0};
  lab_ask(lab, JOB_ISSUE, QUESTION_BUILD, &build);
  g_autoptr(GBytes) tbs = certificate_build(lab->signer, &build.fields, NULL);
  lab_begin(lab);
  g_assert_true(job_built(&lab->acme, &build, tbs, "", "", NULL));
  store_rollback(lab->acme.store);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM certificate"), ==, 0);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM audit"), ==, records + 1);
  lab_restart(lab);
  lab_answer_build(lab); /* with another serial: the first one was never recorded */
  lab_ask(lab, JOB_ISSUE, QUESTION_SIGN, &sign);
  g_assert_false(g_bytes_equal(tbs, sign.octets));
  GBytes *certificate = lab_certificate(lab, &sign); /* signed and logged, then core dies */
  lab_begin(lab);
  g_assert_true(job_signed(&lab->acme, &sign, certificate, "", NULL));
  store_rollback(lab->acme.store);
  lab_restart(lab);
  assert_status(order, order->order, "processing");
  lab_answer_sign(lab);
  g_autoptr(GBytes) leaf = lab_leaf(order);
  g_assert_true(g_bytes_equal(leaf, certificate)); /* the one that the signer made */
}

/* A request whose commit fails has done nothing, and may be sent again. */
static void test_request_rollback(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_client_of(lab_key("P-256"));
  g_autofree char *nonce = lab_nonce(lab);
  json_t *header = json_pack("{s:s, s:s, s:s, s:O}", "alg", "ES256", "nonce", nonce, "url",
                             LAB_URL "/new-account", "jwk", client->jwk);
  char *text = json_dumps(header, JSON_COMPACT);
  json_decref(header);
  g_autofree char *protected = lab_encode(text);
  free(text);
  g_autofree char *payload = lab_encode("{}");
  g_autofree char *input = g_strconcat(protected, ".", payload, NULL);
  g_autoptr(GBytes) signature = lab_sign(client->key, input);
  g_autoptr(GBytes) body = lab_flattened(protected, payload, signature);
  g_autoptr(Response) response = response_new();
  Request request = {"POST", "/new-account", "application/jose+json", body, "192.0.2.1"};
  lab_begin(lab);
  g_assert_true(acme_handle(&lab->acme, &request, response));
  g_assert_cmpuint(response->status, ==, 201);
  store_rollback(lab->acme.store);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM account"), ==, 0);
  g_autoptr(Answer) existing =
      lab_send(lab, client, TRUE, "/new-account", "{\"onlyReturnExisting\":true}");
  assert_problem(existing, 400, "accountDoesNotExist");
  g_autoptr(Answer) again = lab_send(lab, client, TRUE, "/new-account", "{}");
  g_assert_cmpuint(again->status, ==, 201);
}

/* Core dies after every step: the order is where it was. */
static void test_restarts(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  lab_restart(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client);
  lab_restart(lab);
  LabReply reply = lab_right_reply(order, 0);
  g_auto(Question) lost = {0}, question = {0}, caa = {0}, build = {0}, sign = {0};
  g_assert_cmpuint(lab_mail_in(order, 0), ==, 250);
  lab_ask(lab, JOB_JUDGE, QUESTION_EXAMINE, &lost);
  lab_restart(lab); /* the question was out */
  lab_ask(lab, JOB_JUDGE, QUESTION_EXAMINE, &question);
  lab_examined(lab, &question, &reply);
  lab_reply_clear(&reply);
  lab_restart(lab);
  g_autoptr(Answer) posted = lab_challenge(order, 0, "{}");
  assert_statuses(order, "ready", "valid", "valid");
  g_autoptr(Answer) answer = lab_finalize(order);
  lab_ask(lab, JOB_ISSUE, QUESTION_CAA, &caa);
  lab_restart(lab);
  lab_answer_caa(lab, RESOLVER_NONE, NULL);
  lab_ask(lab, JOB_ISSUE, QUESTION_BUILD, &build);
  lab_restart(lab);
  lab_answer_build(lab);
  lab_ask(lab, JOB_ISSUE, QUESTION_SIGN, &sign);
  lab_restart(lab);
  lab_answer_sign(lab);
  assert_status(order, order->order, "valid");
}

/* --- deactivation and ownership --- */

static void test_authorization_deactivated(gconstpointer when_ready) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = when_ready != NULL ? lab_ready(lab, client) : lab_order(lab, client);
  const char *url = order->authorizations->pdata[0];
  g_autoptr(Answer) wrong = lab_post(lab, client, url, "{\"status\":\"valid\"}");
  assert_problem(wrong, 400, "malformed");
  g_autoptr(Answer) done = lab_post(lab, client, url, "{\"status\":\"deactivated\"}");
  g_assert_cmpuint(done->status, ==, 200);
  g_assert_cmpstr(lab_text(done, "status"), ==, "deactivated");
  assert_status(order, order->order, "invalid");
  g_autoptr(Answer) finalized = lab_finalize(order);
  assert_problem(finalized, 403, "orderNotReady");
  lab_right(order, 0); /* a reply changes nothing any more */
  g_autoptr(Answer) posted = lab_challenge(order, 0, "{}");
  assert_status(order, url, "deactivated");
  assert_status(order, order->order, "invalid");
}

static void test_account_deactivated(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  g_autoptr(Answer) done = lab_post(lab, client, client->kid, "{\"status\":\"deactivated\"}");
  g_assert_cmpuint(done->status, ==, 200);
  g_assert_cmpstr(lab_text(done, "status"), ==, "deactivated");
  g_autoptr(Answer) finalized = lab_finalize(order);
  assert_problem(finalized, 401, "unauthorized");
  g_autoptr(Answer) again = lab_send(lab, client, TRUE, "/new-account", "{}");
  assert_problem(again, 401, "unauthorized");
  g_autoptr(Answer) existing =
      lab_send(lab, client, TRUE, "/new-account", "{\"onlyReturnExisting\":true}");
  assert_problem(existing, 401, "unauthorized");
}

/* What an order stands on can be taken back until the signature. */
static void test_withdrawn_while_processing(gconstpointer account) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  g_autoptr(Answer) finalized = lab_finalize(order);
  g_assert_cmpuint(finalized->status, ==, 200);
  lab_answer_caa(lab, RESOLVER_NONE, NULL);
  lab_answer_build(lab);
  const char *url = account != NULL ? client->kid : order->authorizations->pdata[0];
  g_autoptr(Answer) done = lab_post(lab, client, url, "{\"status\":\"deactivated\"}");
  g_assert_cmpuint(done->status, ==, 200);
  g_auto(Question) question = {0};
  lab_ask(lab, JOB_ISSUE, QUESTION_NONE, &question);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM orders WHERE status = 'invalid'"), ==, 1);
  lab_answer_logged(lab);
  g_assert_false(lab_take(lab, JOB_ISSUE, &question));
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM certificate WHERE der IS NOT NULL"), ==, 0);
}

/* ca-rules 34, 30: the signer signed, its answer was lost, and the order fails: the certificate is
   kept and revoked. */
static void test_failed_after_signature(gconstpointer why) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  g_autoptr(Answer) finalized = lab_finalize(order);
  g_auto(Question) sign = {0}, none = {0};
  lab_answer_caa(lab, RESOLVER_NONE, NULL);
  lab_answer_build(lab);
  lab_ask(lab, JOB_ISSUE, QUESTION_SIGN, &sign);
  g_assert_false(sign.only_if_logged);
  lab_certificate(lab, &sign);
  LAB_TURN(lab, job_unanswered(&lab->acme, &sign.job, NULL));
  lab->clock.now += 2 * CLOCK_HOUR;
  if (strcmp(why, "caa") == 0) {
    lab_answer_caa(lab, RESOLVER_FOUND, ";");
  } else {
    if (strcmp(why, "blocked") == 0)
      lab_sql(lab, "INSERT INTO blocked_key SELECT key_digest, 1, 'test' FROM certificate");
    else
      lab_sql(lab, "UPDATE authz SET status = 'deactivated'");
    lab_ask(lab, JOB_ISSUE, QUESTION_NONE, &none);
  }
  assert_status(order, order->order, "invalid");
  lab_answer_logged(lab);
  g_assert_false(lab_take(lab, JOB_ISSUE, &none));
  assert_status(order, order->order, "invalid");
  g_assert_cmpint(lab_count(lab, "SELECT reason FROM certificate WHERE der IS NOT NULL AND"
                                 " issued_at > 0 AND revoked_at > 0"),
                  ==, strcmp(why, "blocked") == 0 ? 1 : 5);
  g_assert_cmpint(audit_count(lab, "issued"), ==, 1);
  g_assert_cmpint(audit_count(lab, "certificate revoked"), ==, 1);
  g_assert_cmpuint(lab_sign_crl(lab), ==, 1);
}

/* security.md 1: what another account may not even know to exist. */
static void test_ownership(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab), other = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  lab_issue(order);
  g_autoptr(Answer) shown = lab_post(lab, client, order->order, NULL);
  g_autofree char *list = g_strconcat(client->kid, "/orders", NULL);
  const char *urls[] = {client->kid,
                        list,
                        order->order,
                        order->finalize,
                        order->authorizations->pdata[0],
                        order->challenges->pdata[0],
                        lab_text(shown, "certificate")};
  static const char *const payloads[] = {NULL, "{}", "{\"status\":\"deactivated\"}"};
  gint64 records = lab_count(lab, "SELECT count(*) FROM audit");
  for (gsize i = 0; i < G_N_ELEMENTS(urls); i++)
    for (gsize j = 0; j < G_N_ELEMENTS(payloads); j++) {
      g_autoptr(Answer) answer = lab_post(lab, other, urls[i], payloads[j]);
      g_autofree char *missing = g_strdup(urls[i]);
      g_test_message("%s %s", urls[i], payloads[j] != NULL ? payloads[j] : "");
      g_assert_true(answer->status == 404 || answer->status == 400);
      /* An object that is not there is answered alike. */
      char *id = strstr(missing, "/base/") + 6;
      id = strchr(id, '/') + 3;
      *id = *id == 'A' ? 'B' : 'A';
      g_autoptr(Answer) nothing = lab_post(lab, other, missing, payloads[j]);
      g_assert_cmpstr(answer->text, ==, nothing->text);
    }
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM audit"), ==, records);
}

/* --- revocation --- */

static void test_revoke_by_account(void) {
  static const char *const bad[] = {"2", "6", "7", "8", "9", "10", "-1", "11", "\"1\"", "1.0"};
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab), other = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  lab_issue(order);
  g_assert_cmpuint(lab_sign_crl(lab), ==, 0);
  g_autoptr(GBytes) leaf = lab_leaf(order);
  g_autoptr(Answer) foreign = lab_revoke(lab, other, FALSE, leaf, NULL);
  assert_problem(foreign, 403, "unauthorized");
  g_autoptr(Answer) stranger = lab_revoke(lab, other, TRUE, leaf, NULL); /* some other key */
  assert_problem(stranger, 403, "unauthorized");
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
    g_autoptr(Answer) answer = lab_revoke(lab, client, FALSE, leaf, bad[i]);
    assert_problem(answer, 400, "badRevocationReason");
  }
  g_autoptr(GBytes) cut = g_bytes_new_from_bytes(leaf, 0, g_bytes_get_size(leaf) - 1);
  g_autoptr(Answer) damaged = lab_revoke(lab, client, FALSE, cut, NULL);
  g_assert_cmpuint(damaged->status, >=, 400);
  g_autoptr(Answer) done = lab_revoke(lab, client, FALSE, leaf, "4");
  g_assert_cmpuint(done->status, ==, 200);
  g_autoptr(Answer) again = lab_revoke(lab, client, FALSE, leaf, NULL);
  assert_problem(again, 400, "alreadyRevoked");
  g_autoptr(Answer) not_told = lab_revoke(lab, other, FALSE, leaf, NULL);
  assert_problem(not_told, 403, "unauthorized");
  g_assert_cmpuint(lab_sign_crl(lab), ==, 1); /* at once */
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM blocked_key"), ==, 0);
}

static void test_revoke_by_key(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  lab_issue(order);
  g_autoptr(GBytes) leaf = lab_leaf(order);
  EVP_PKEY_up_ref(order->key);
  g_autoptr(LabClient) holder = lab_client_of(order->key);
  g_autoptr(Answer) done = lab_revoke(lab, holder, TRUE, leaf, NULL);
  g_assert_cmpuint(done->status, ==, 200);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM blocked_key"), ==, 0);
}

/* Two certificates with one key, an account each. */
static void test_key_compromise(gconstpointer shown) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab), other = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client), second = lab_ready(lab, other),
                      third = lab_ready(lab, client);
  EVP_PKEY_up_ref(order->key);
  EVP_PKEY_free(second->key);
  second->key = order->key;
  EVP_PKEY_up_ref(order->key);
  g_autoptr(LabClient) holder = lab_client_of(order->key);
  lab_issue(order);
  lab_issue(second);
  g_autoptr(GBytes) leaf = lab_leaf(order);
  g_autoptr(Answer) done = shown != NULL ? lab_revoke(lab, holder, TRUE, leaf, "1")
                                         : lab_revoke(lab, client, FALSE, leaf, "1");
  g_assert_cmpuint(done->status, ==, 200);
  lab->clock.now += CLOCK_MINUTE; /* what others are about to commit comes first */
  g_assert_cmpuint(lab_run(lab, JOB_REVOKE), ==, shown != NULL ? 1 : 0);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM certificate WHERE revoked_at IS NOT NULL"),
                  ==, shown != NULL ? 2 : 1);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM blocked_key"), ==, 1);
  g_autoptr(Answer) csr = lab_finalize_with(third, order->key, "email:alice@example.org");
  assert_problem(csr, 400, "badCSR");
  g_autoptr(Answer) account = lab_send(lab, holder, TRUE, "/new-account", "{}");
  assert_problem(account, 400, "badPublicKey");
  g_autoptr(GBytes) rest = lab_leaf(second);
  g_autoptr(Answer) later =
      lab_revoke(lab, holder, TRUE, rest, NULL); /* revocation takes a blocked key */
  g_assert_cmpuint(later->status, ==, shown != NULL ? 400 : 200);
}

/* The key's own word blocks it and revokes the others, also when its certificate is revoked
 * already. */
static void test_key_compromise_after_revocation(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab), other = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client), second = lab_ready(lab, other);
  EVP_PKEY_up_ref(order->key);
  EVP_PKEY_free(second->key);
  second->key = order->key;
  EVP_PKEY_up_ref(order->key);
  g_autoptr(LabClient) holder = lab_client_of(order->key);
  lab_issue(order);
  lab_issue(second);
  g_autoptr(GBytes) leaf = lab_leaf(order);
  g_autoptr(Answer) first = lab_revoke(lab, client, FALSE, leaf, "4");
  g_assert_cmpuint(first->status, ==, 200);
  g_autoptr(Answer) shown = lab_revoke(lab, holder, TRUE, leaf, "1");
  assert_problem(shown, 400, "alreadyRevoked");
  lab->clock.now += CLOCK_MINUTE;
  g_assert_cmpuint(lab_run(lab, JOB_REVOKE), ==, 1);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM blocked_key"), ==, 1);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM certificate WHERE revoked_at IS NOT NULL"),
                  ==, 2);
}

/* The number of a list rises whatever the clock does; a revocation that comes while a list is made
   is in the next one. */
static void test_crl_numbers(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  lab_issue(order);
  g_autoptr(GBytes) leaf = lab_leaf(order);
  g_auto(Question) question = {0}, none = {0};
  lab_ask(lab, JOB_CRL, QUESTION_CRL, &question);
  gint64 number = question.crl.number;
  g_assert_cmpint(number, ==, lab->clock.now / 1000);
  g_autoptr(Answer) done = lab_revoke(lab, client, FALSE, leaf, NULL);
  g_autoptr(GBytes) crl = crl_sign(lab->signer, &question.crl, NULL);
  LAB_TURN(lab, job_crl_signed(&lab->acme, &question, crl, "", NULL));
  lab->clock.now += 1;
  g_assert_cmpuint(lab_sign_crl(lab), ==, 1);
  g_assert_cmpint(lab_count(lab, "SELECT crl_number FROM crl_shard"), ==, number + 1);
  g_assert_false(lab_take(lab, JOB_CRL, &none));
  /* The first list comes once more, late: the newer one stays. */
  LAB_TURN(lab, job_crl_signed(&lab->acme, &question, crl, "", NULL));
  g_assert_cmpint(lab_count(lab, "SELECT this_update FROM crl_shard"), ==, lab->clock.now);
  lab->clock.now += 6 * CLOCK_HOUR;
  g_assert_cmpuint(lab_sign_crl(lab), ==, 1);
}

/* Whether the list of a shard says that it is about that shard alone. */
static gboolean has_scope(Lab *lab, const char *shard) {
  g_autofree char *hex =
      lab_column(lab, "SELECT hex(crl) FROM crl_shard WHERE number = CAST(?1 AS INTEGER)", shard);
  return strstr(hex, "0603551D1C0101FF") != NULL; /* issuingDistributionPoint, critical */
}

static void test_shards(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client), second = lab_ready(lab, client);
  g_assert_cmpuint(lab_sign_crl(lab), ==, 0);
  g_assert_false(has_scope(lab, "1")); /* complete: there is no other */
  lab_sql(lab, "UPDATE crl_shard SET issued = 19999");
  lab_issue(order);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM crl_shard"), ==, 1);
  lab_issue(second);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM crl_shard"), ==, 2);
  g_assert_cmpint(lab_count(lab, "SELECT CAST(s.issued + coalesce((SELECT sum(u.issued) FROM"
                                 " crl_shard_use u WHERE u.number = 2), 0) AS INTEGER)"
                                 " FROM crl_shard s WHERE s.number = 2"),
                  ==, 1);
  g_assert_cmpint(lab_count(lab, "SELECT max(shard) FROM certificate"), ==, 2);
  g_autoptr(GBytes) leaf = lab_leaf(second);
  gsize size = 0;
  const char *der = g_bytes_get_data(leaf, &size);
  g_assert_nonnull(memmem(der, size, LAB_PKI "crl-2.crl", strlen(LAB_PKI "crl-2.crl")));
  lab->clock.now += CLOCK_SECOND;
  g_assert_cmpuint(lab_sign_crl(lab), ==,
                   0); /* at once: the new shard's first list, and the other */
  g_assert_cmpuint(lab_sign_crl(lab), ==, 0);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM crl_shard WHERE crl IS NULL"), ==, 0);
  g_assert_true(has_scope(lab, "1"));
  g_assert_true(has_scope(lab, "2"));
}

/* --- accounts --- */

static void test_accounts(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(Answer) again = lab_send(lab, client, TRUE, "/new-account", "{}");
  g_assert_cmpuint(again->status, ==, 200); /* one key, one account */
  g_assert_cmpstr(again->location, ==, client->kid);
  g_autoptr(Answer) changed =
      lab_post(lab, client, client->kid, "{\"contact\":[\"mailto:new@example.org\"]}");
  g_assert_cmpuint(changed->status, ==, 200);
  g_autoptr(Answer) shown = lab_post(lab, client, client->kid, NULL);
  g_assert_nonnull(strstr(shown->text, "mailto:new@example.org"));
  g_assert_true(json_equal(changed->json, shown->json));
  g_autoptr(Answer) tel = lab_post(lab, client, client->kid, "{\"contact\":[\"tel:+1\"]}");
  assert_problem(tel, 400, "unsupportedContact");
  g_autoptr(Answer) bad = lab_post(lab, client, client->kid, "{\"contact\":[\"mailto:a\"]}");
  assert_problem(bad, 400, "invalidContact");
  g_autoptr(Answer) number = lab_post(lab, client, client->kid, "{\"contact\":[1]}");
  assert_problem(number, 400, "malformed");
  g_autoptr(Answer) status = lab_post(lab, client, client->kid, "{\"status\":\"valid\"}");
  g_assert_cmpuint(status->status, ==, 200); /* ignored (RFC 8555 section 7.3.2) */
  g_autoptr(Answer) read = lab_send(lab, client, TRUE, "/new-account", NULL);
  assert_problem(read, 400, "malformed");
}

static void test_terms(void) {
  static const char *const terms[] = {"acme.terms-of-service", "https://example.org/terms", NULL};
  g_autoptr(Lab) lab = lab_new_with(terms);
  g_autoptr(LabClient) client = lab_client_of(lab_key("P-256"));
  g_autoptr(Answer) refused = lab_send(lab, client, TRUE, "/new-account", "{}");
  assert_problem(refused, 403, "userActionRequired");
  g_assert_cmpstr(refused->link, ==, "<https://example.org/terms>;rel=\"terms-of-service\"");
  g_autoptr(Answer) taken =
      lab_send(lab, client, TRUE, "/new-account", "{\"termsOfServiceAgreed\":true}");
  g_assert_cmpuint(taken->status, ==, 201);
}

/* A weak account key is refused by the policy of subscriber keys. */
static void test_account_key(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_client_of(EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2050));
  g_autoptr(Answer) refused = lab_send(lab, client, TRUE, "/new-account", "{}");
  assert_problem(refused, 400, "badPublicKey");
}

#define TEST(path, function) g_test_add_func("/acme/issuance/" path, function)
#define TEST_WITH(path, function, data) g_test_add_data_func("/acme/issuance/" path, data, function)

static void add_path_tests(void) {
  TEST("path/post-first", test_post_first);
  TEST("path/reply-first", test_reply_first);
  TEST("path/awaited", test_awaited);
  TEST("path/both-at-once", test_both_at_once);
  TEST("path/resources", test_resources);
  TEST("path/records", test_records);
  TEST("path/tbs-before-signature", test_tbs_before_signature);
  TEST("path/several", test_several);
  TEST("path/reply-of-another", test_reply_of_another);
  TEST("path/fresh-tokens", test_fresh_tokens);
  TEST("mail/trigger", test_mail_trigger);
  TEST("mail/by-post", test_mail_by_post);
  TEST("mail/retries", test_mail_retries);
  TEST("mail/refused", test_mail_refused);
  TEST("mail/outage", test_mail_outage);
  TEST("mail/after-outage", test_mail_after_outage);
  TEST("mail/unknown-fate", test_mail_unknown_fate);
  TEST("mail/never-tried", test_mail_never_tried);
  TEST_WITH("mail/answered-first", test_mail_answered_first, GINT_TO_POINTER(SENDER_ACCEPTED));
  TEST_WITH("mail/answered-first-unknown-fate", test_mail_answered_first,
            GINT_TO_POINTER(SENDER_TEMPORARY));
  TEST_WITH("mail/answered-first-refused", test_mail_answered_first,
            GINT_TO_POINTER(SENDER_PERMANENT));
  TEST("mail/late", test_mail_late);
  TEST("notes/kept", test_notes);
  TEST("notes/more-than-kept", test_more_notes_than_kept);
  TEST("notes/then-valid", test_note_then_valid);
  TEST_WITH("reply/wrong-digest-pending", test_wrong_digest, NULL);
  TEST_WITH("reply/wrong-digest-processing", test_wrong_digest, "posted first");
  TEST("reply/unauthenticated-wrong-digest", test_unauthenticated_wrong_digest);
  TEST("reply/dns-again", test_dns_again);
  TEST("reply/real-message", test_real_message);
  TEST("reply/recipients", test_recipients);
  TEST("reply/octets", test_mail_octets);
}

static void add_time_tests(void) {
  TEST_WITH("time/received-just-in-time", test_deadline, NULL);
  TEST_WITH("time/received-too-late", test_deadline, "late");
  TEST("time/no-reply", test_no_reply);
  TEST_WITH("time/expiry-when-read", test_order_expiry, NULL);
  TEST_WITH("time/expiry-by-sweep", test_order_expiry, "sweep");
  TEST("time/expiry-at-finalize", test_finalize_expired);
  TEST_WITH("time/post-after-expiry", test_authorization_expired, "reply first");
  TEST_WITH("time/verdict-after-expiry", test_authorization_expired, NULL);
  TEST("time/clock-back", test_clock_back);
  TEST("time/clock-back-a-little", test_clock_back_a_little);
}

static void add_issuance_tests(void) {
  TEST("finalize/not-ready", test_finalize_not_ready);
  TEST("finalize/bad-csr", test_bad_csr);
  TEST("finalize/weak-key", test_weak_key);
  TEST_WITH("caa/another-ca", test_caa_forbidding, "other.example.net");
  TEST_WITH("caa/nobody", test_caa_forbidding, ";");
  TEST_WITH("caa/another-account", test_caa_forbidding,
            "ca.example.org; accounturi=https://acme.example.org/base/account/x");
  TEST_WITH("caa/another-method", test_caa_forbidding, "ca.example.org; validationmethods=dns-01");
  TEST("caa/naming-us", test_caa_naming_us);
  TEST("caa/bogus", test_caa_bogus);
  TEST("caa/temporary", test_caa_temporary);
  TEST("caa/delayed", test_caa_delayed);
  TEST_WITH("caa/missed", test_caa_missed, NULL);
  TEST_WITH("caa/missed-in-the-last-moment", test_caa_missed, "last moment");
  TEST_WITH("caa/many-domains", test_caa_of_many, NULL);
  TEST_WITH("caa/many-domains-one-forbids", test_caa_of_many, ";");
  TEST("caa/an-hour-old", test_caa_an_hour_old);
  TEST_WITH("caa/built-beside", test_built_beside, NULL);
  TEST_WITH("caa/built-beside-for-nothing", test_built_beside, ";");
  TEST("caa/built-later", test_built_later);
  TEST("caa/says-whom-it-asks", test_says_whom_it_asks);
  TEST("caa/off", test_caa_off);
  TEST("signer/lint-finding", test_lint_finding);
  TEST("signer/cannot-build", test_cannot_build);
  TEST("signer/account-key-since", test_account_key_since);
  TEST("linter/content", test_linter_content);
  TEST("linter/finding", test_linter_finding);
  TEST("linter/silent", test_linter_silent);
  TEST("signer/failing", test_signer_failing);
  TEST("signer/late", test_caa_before_late_signature);
  TEST("signer/audit-unwritable", test_audit_unwritable);
  TEST("answers/twice", test_answers_twice);
  TEST("answers/verdict-twice", test_verdict_twice);
  TEST("answers/rollback", test_rollback);
  TEST("answers/request-rollback", test_request_rollback);
  TEST("answers/restarts", test_restarts);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  add_path_tests();
  add_time_tests();
  add_issuance_tests();
  TEST_WITH("deactivated/authorization-pending", test_authorization_deactivated, NULL);
  TEST_WITH("deactivated/authorization-ready", test_authorization_deactivated, "ready");
  TEST("deactivated/account", test_account_deactivated);
  TEST_WITH("deactivated/authorization-processing", test_withdrawn_while_processing, NULL);
  TEST_WITH("deactivated/account-processing", test_withdrawn_while_processing, "account");
  TEST_WITH("signer/failed-order", test_failed_after_signature, "withdrawn");
  TEST_WITH("signer/failed-order-blocked", test_failed_after_signature, "blocked");
  TEST_WITH("signer/failed-order-caa", test_failed_after_signature, "caa");
  TEST("mail/repeated-recipient", test_repeated_recipient);
  TEST("mail/unexaminable", test_unexaminable);
  TEST("revoke/compromise-after-revocation", test_key_compromise_after_revocation);
  TEST("ownership", test_ownership);
  TEST("revoke/by-account", test_revoke_by_account);
  TEST("revoke/by-key", test_revoke_by_key);
  TEST_WITH("revoke/compromise-claimed", test_key_compromise, NULL);
  TEST_WITH("revoke/compromise-shown", test_key_compromise, "shown");
  TEST("crl/numbers", test_crl_numbers);
  TEST("crl/shards", test_shards);
  TEST("account/all", test_accounts);
  TEST("account/terms", test_terms);
  TEST("account/weak-key", test_account_key);
  return g_test_run();
}
