/* SPDX-License-Identifier: Apache-2.0 */
/* Challenges whose mails are S/MIME-signed: all come from one address, and what is sent there is
   matched by its token. */
#include "harness.h"

#include "store/challenge.h"
#include "store/stray.h"

#define FIXED "acme-challenge@" LAB_DOMAIN

static Lab *signed_lab(void) {
  static const char *const overrides[] = {"mail.smime-certificate", "/etc/signet/mail.pem", NULL};
  return lab_new_with(overrides);
}

/* From here on the order answers at the tagged address, as its Reply-To asks. */
static void use_reply_to(LabOrder *order) {
  g_free(order->challenge_froms->pdata[0]);
  order->challenge_froms->pdata[0] =
      lab_column(order->lab, "SELECT mail_from FROM challenge WHERE mail_sender = ?1", FIXED);
}

/* An order of the account with its token; the challenge names the one address. */
static LabOrder *signed_order(Lab *lab, LabClient *client) {
  LabOrder *order = lab_order(lab, client);
  g_assert_cmpstr(order->challenge_froms->pdata[0], ==, FIXED);
  use_reply_to(order);
  return order;
}

static guint recipient(Lab *lab, const char *address) {
  MailReply reply = {0};
  LAB_TURN(lab, mail_in_recipient(&lab->acme, address, &reply, NULL));
  return reply.code;
}

/* As core's turn: what is not acknowledged is undone. */
static guint take(Lab *lab, const char *const *recipients) {
  static const char raw[] = "From: alice@example.org\r\n\r\nreply\r\n";
  g_autoptr(GBytes) octets = g_bytes_new_static(raw, sizeof(raw) - 1);
  const IncomingMail mail = {"192.0.2.2", "mx.example.org", "alice@example.org", recipients, TRUE,
                             octets};
  MailReply reply = {0};
  lab_begin(lab);
  g_assert_true(mail_in_take(&lab->acme, &mail, &reply, NULL));
  lab_commit(lab, reply.code == 250);
  return reply.code;
}

static guint take_fixed(Lab *lab) {
  static const char *const recipients[] = {FIXED, NULL};
  return take(lab, recipients);
}

/* Inbound reads token in the Subject of the next stray. */
static void sort(Lab *lab, const char *token) {
  g_auto(Question) question = {0};
  ReplyFacts facts = {.token = (char *)token, .subject_fields = 1};
  lab_ask(lab, JOB_SORT, QUESTION_SORT, &question);
  LAB_TURN(lab, job_sorted(&lab->acme, &question, &facts, NULL));
  LAB_TURN(lab, job_sorted(&lab->acme, &question, &facts, NULL)); /* the same answer twice */
}

static void judge_right(LabOrder *order) {
  g_auto(Question) question = {0};
  LabReply reply = lab_right_reply(order, 0);
  lab_ask(order->lab, JOB_JUDGE, QUESTION_EXAMINE, &question);
  lab_examined(order->lab, &question, &reply);
  lab_reply_clear(&reply);
}

static void test_mail(void) {
  g_autoptr(Lab) lab = signed_lab();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = signed_order(lab, client);
  g_auto(Question) question = {0};
  lab->clock.now += CLOCK_MINUTE;
  lab_ask(lab, JOB_MAIL, QUESTION_DELIVER, &question);
  g_assert_cmpstr(question.from, ==, FIXED);
  g_assert_cmpstr(question.reply_to, ==, order->challenge_froms->pdata[0]);
  g_assert_true(g_str_has_prefix(question.reply_to, "acme-challenge+"));
}

static void test_reply(void) {
  g_autoptr(Lab) lab = signed_lab();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = signed_order(lab, client);
  g_autofree char *token = lab_token1(lab, order->challenge_froms->pdata[0]);
  g_autoptr(Answer) posted = lab_challenge(order, 0, "{}");
  g_assert_cmpuint(recipient(lab, "ACME-challenge@" LAB_DOMAIN), ==, 250);
  g_assert_cmpuint(take_fixed(lab), ==, 250);
  lab_restart(lab);
  sort(lab, token);
  judge_right(order);
  assert_statuses(order, "ready", "valid", "valid");
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM stray"), ==, 0);
  g_assert_cmpuint(recipient(lab, FIXED), ==, 550); /* no challenge is open any more */
}

/* The tagged address in Reply-To works as ever. */
static void test_reply_to(void) {
  g_autoptr(Lab) lab = signed_lab();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = signed_order(lab, client);
  lab_validate(order, 0);
  assert_statuses(order, "ready", "valid", "valid");
}

static void test_unknown(void) {
  g_autoptr(Lab) lab = signed_lab();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = signed_order(lab, client);
  static const char *const tokens[] = {"", "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY", "%"};
  for (gsize i = 0; i < G_N_ELEMENTS(tokens); i++) {
    g_assert_cmpuint(take_fixed(lab), ==, 250);
    sort(lab, tokens[i]);
  }
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM stray"), ==, 0);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM raw"), ==, 0);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM message"), ==, 0);
  assert_statuses(order, "pending", "pending", "pending");
}

/* Without S/MIME there is no such recipient, and a token of such a challenge leads nowhere. */
static void test_unsigned(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client);
  g_assert_cmpuint(recipient(lab, FIXED), ==, 550);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM challenge WHERE mail_sender IS NOT NULL"),
                  ==, 0);
  /* One that was signed is open, so the address is known: it takes nothing for the other. */
  lab_sql(lab, "INSERT INTO authz SELECT x'00112233445566778899aabbccddeeff', NULL, account_id, 0,"
               " type, identifier, address, canonical, domain, status, expires_at FROM authz;"
               "INSERT INTO challenge (id, authz_id, status, token2, mail_from, created_at,"
               " deadline, notes, mails, mail_octets, mail_sender) SELECT"
               " x'00112233445566778899aabbccddeeff', x'00112233445566778899aabbccddeeff', status,"
               " token2, 'x@y', created_at, deadline, 0, 0, 0, '" FIXED "' FROM challenge");
  g_autofree char *token = lab_token1(lab, order->challenge_froms->pdata[0]);
  g_assert_cmpuint(take_fixed(lab), ==, 250);
  sort(lab, token);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM message"), ==, 0);
}

static void test_bounds(void) {
  g_autoptr(Lab) lab = signed_lab();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = signed_order(lab, client);
  g_autofree char *token = lab_token1(lab, order->challenge_froms->pdata[0]);
  for (guint i = 0; i < STRAY_MAX; i++) {
    g_assert_cmpuint(recipient(lab, FIXED), ==, 250);
    g_assert_cmpuint(take_fixed(lab), ==, 250);
  }
  g_assert_cmpuint(recipient(lab, FIXED), ==, 452);
  g_assert_cmpuint(take_fixed(lab), ==, 452);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM raw"), ==, STRAY_MAX);
  for (guint i = 0; i < STRAY_MAX; i++)
    sort(lab, token);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM message WHERE direction = 'in'"), ==,
                  CHALLENGE_MAX_MAILS);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM raw"), ==, CHALLENGE_MAX_MAILS);
  g_assert_cmpuint(recipient(lab, FIXED), ==, 250);
  /* What was taken and not kept is told of once. */
  g_assert_cmpint(lab_count(lab, "SELECT mails FROM challenge"), ==, STRAY_MAX);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM note WHERE rule = 'room'"), ==, 1);
  g_autoptr(Answer) posted = lab_challenge(order, 0, "{}");
  g_autofree char *body = json_dumps(posted->json, 0);
  g_assert_nonnull(strstr(body, "too many messages before it"));
}

/* In time is what was received in time, however late it is examined. */
static void test_deadline(void) {
  g_autoptr(Lab) lab = signed_lab();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = signed_order(lab, client);
  g_autofree char *token = lab_token1(lab, order->challenge_froms->pdata[0]);
  g_autoptr(Answer) posted = lab_challenge(order, 0, "{}");
  lab->clock.now += 24 * CLOCK_HOUR - CLOCK_SECOND;
  g_assert_cmpuint(take_fixed(lab), ==, 250);
  lab->clock.now += CLOCK_MINUTE;
  lab_run(lab, JOB_SWEEP);
  assert_statuses(order, "pending", "pending", "processing");
  sort(lab, token);
  lab_run(lab, JOB_SWEEP);
  judge_right(order);
  assert_statuses(order, "ready", "valid", "valid");
}

/* A message that nobody can examine goes in the end. */
static void test_never_examined(void) {
  g_autoptr(Lab) lab = signed_lab();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = signed_order(lab, client);
  g_auto(Question) first = {0}, last = {0};
  g_assert_cmpuint(take_fixed(lab), ==, 250);
  lab_ask(lab, JOB_SORT, QUESTION_SORT, &first);
  LAB_TURN(lab, job_unanswered(&lab->acme, &first.job, NULL));
  lab->clock.now += CLOCK_DAY;
  g_assert_true(lab_take(lab, JOB_SORT, &last));
  g_assert_cmpint(last.kind, ==, QUESTION_NONE);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM stray"), ==, 0);
}

/* To both addresses at once: one raw message, judged once. */
static void test_both(void) {
  g_autoptr(Lab) lab = signed_lab();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = signed_order(lab, client);
  const char *recipients[] = {FIXED, order->challenge_froms->pdata[0], FIXED, NULL};
  g_assert_cmpuint(take(lab, recipients), ==, 250);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM raw"), ==, 1);
  sort(lab, "");
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM raw"), ==, 1);
  g_autoptr(Answer) posted = lab_challenge(order, 0, "{}");
  judge_right(order);
  assert_statuses(order, "ready", "valid", "valid");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/acme/sort/mail", test_mail);
  g_test_add_func("/acme/sort/reply", test_reply);
  g_test_add_func("/acme/sort/reply-to", test_reply_to);
  g_test_add_func("/acme/sort/unknown", test_unknown);
  g_test_add_func("/acme/sort/unsigned", test_unsigned);
  g_test_add_func("/acme/sort/bounds", test_bounds);
  g_test_add_func("/acme/sort/deadline", test_deadline);
  g_test_add_func("/acme/sort/never-examined", test_never_examined);
  g_test_add_func("/acme/sort/both", test_both);
  return g_test_run();
}
