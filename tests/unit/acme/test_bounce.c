/* SPDX-License-Identifier: Apache-2.0 */
/* Bounces of challenge mails: the rules one by one, and what they do to challenge, authorization
   and order (interop.md 22 and 23, security.md 13 and 16, RFC 3464). */
#include "acme/bounce.h"
#include "harness.h"
#include "store/challenge.h"

#define WORDS "550 5.1.1 no such user"

/* --- the rules --- */

/* NULL or 0 is what a report of a failed mail to the mailbox has. */
typedef struct {
  const char *name;
  BounceVerdict verdict;
  const char *rule;
  const char *detail; /* part of what the client is told; "": nothing */
  const char *refused, *final, *original, *status, *words, *reverse_path;
  DsnForm form;     /* DSN_NONE: DSN_REPORT */
  DsnAction action; /* DSN_ACTION_UNKNOWN: DSN_FAILED */
  gboolean nothing, no_final, no_action, no_status, no_words, decided;
  const char *mailbox; /* NULL: Alice@example.org */
} Case;

#define FAILED BOUNCE_FAILED, "all"
#define NOTED(rule) BOUNCE_NOTED, rule
#define IGNORED(rule) BOUNCE_IGNORED, rule, ""
#define A_LABEL "ann@xn--bcher-kva.example"

static const Case cases[] = {
    {"failed", FAILED,
     .detail = "undeliverable (status 5.1.1, the mail server said: " WORDS "); check"},
    {"full", FAILED, "status 5.2.2", .status = "5.2.2"},
    {"given up after temporary failures", FAILED, "status 4.4.7", .status = "4.4.7"},
    {"no words", FAILED, "said: nothing more", .no_words = TRUE},
    {"address in another case", FAILED, "Alice@example.org", .final = "ALICE@EXAMPLE.org"},
    {"original alone", FAILED, NULL, .no_final = TRUE, .original = "alice@example.org"},
    {"U-label for A-label", FAILED, A_LABEL, .mailbox = A_LABEL,
     .final = "ann@b\u00fccher.example"},
    {"words of a server", FAILED, NULL, .form = DSN_TEXT},
    {"report with a sender", FAILED, NULL, .reverse_path = "postmaster@example.org"},

    {"decided", IGNORED("first"), .decided = TRUE},
    {"decided, unreadable", IGNORED("first"), .decided = TRUE, .refused = "x"},
    {"delivered", IGNORED("undelivered"), .action = DSN_DELIVERED},
    {"relayed", IGNORED("undelivered"), .action = DSN_RELAYED},
    {"expanded", IGNORED("undelivered"), .action = DSN_EXPANDED},
    {"delivered elsewhere", IGNORED("undelivered"), .action = DSN_DELIVERED,
     .final = "bob@example.net"},

    {"unreadable", NOTED("readable"), "(it has a NUL)", .refused = "it has a NUL", .nothing = TRUE},
    {"no report", NOTED("report"), "A message that is no delivery report", .nothing = TRUE},
    {"vacation", NOTED("report"), "An automatic reply", .form = DSN_AUTOMATIC},
    {"receipt", NOTED("report"), "A receipt", .form = DSN_RECEIPT},
    {"words with a sender", NOTED("null-sender"), "came from a mailbox", .form = DSN_TEXT,
     .reverse_path = "eve@example.net"},
    {"forwarded", NOTED("own"), "status 5.1.1", .final = "bob@secret.example"},
    {"forwarded, original known", NOTED("own"), NULL, .final = "bob@secret.example",
     .original = "alice@example.org"},
    {"forwarded and delayed", NOTED("own"), "status 4.4.1", .final = "bob@secret.example",
     .action = DSN_DELAYED, .status = "4.4.1"},
    {"a tag", NOTED("own"), NULL, .final = "alice+x@example.org"},
    {"no address", NOTED("own"), NULL, .final = "alice"},
    {"delayed", NOTED("final"),
     "delayed and the mail server tries again (status 4.4.1, it said: " WORDS,
     .action = DSN_DELAYED, .status = "4.4.1"},
    {"delayed without a status", NOTED("final"), "status none", .action = DSN_DELAYED,
     .no_status = TRUE},
    {"delayed with a permanent status", NOTED("final"), "status 5.1.1", .action = DSN_DELAYED},
    {"no action", NOTED("final"), "does not say", .no_action = TRUE},
    {"no status", NOTED("status"), "without a status code", .no_status = TRUE},
    {"status of a success", NOTED("status"), "without a status code", .status = "2.0.0"},
};

static char * or (const char *text, const char *usual) {
  return g_strdup(text != NULL ? text : usual);
}

static DsnFacts *make_facts(const Case *c) {
  DsnFacts *facts = dsn_facts_new();
  facts->refused = g_strdup(c->refused);
  facts->form = c->nothing || c->form != DSN_NONE ? c->form : DSN_REPORT;
  if (facts->form != DSN_REPORT && facts->form != DSN_TEXT)
    return facts;
  DsnRecipient *r = g_new0(DsnRecipient, 1);
  g_ptr_array_add(facts->recipients, r);
  r->final = c->no_final ? NULL : or (c->final, "alice@example.org");
  r->original = g_strdup(c->original);
  r->action = c->no_action || c->action != DSN_ACTION_UNKNOWN ? c->action : DSN_FAILED;
  r->status = c->no_status ? NULL : or (c->status, "5.1.1");
  r->words = c->no_words ? NULL : or (c->words, WORDS);
  return facts;
}

static void assert_told(const Case *c, const Problem *problem) {
  if (c->detail != NULL && *c->detail == '\0') {
    g_assert_null(problem);
    return;
  }
  g_assert_nonnull(problem);
  g_assert_nonnull(strstr(problem->detail, c->detail != NULL ? c->detail : ""));
  g_assert_true(g_str_has_suffix(problem->detail, "."));
  /* Whoever ordered is not told where the mailbox forwards to. */
  g_assert_null(strstr(problem->detail, "secret.example"));
  g_assert_true(c->reverse_path == NULL || strstr(problem->detail, c->reverse_path) == NULL);
  if (strcmp(c->rule, "own") == 0)
    g_assert_null(strstr(problem->detail, WORDS));
}

static void test_rules(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    const Case *c = &cases[i];
    g_autoptr(Mailbox) mailbox =
        mailbox_parse(c->mailbox != NULL ? c->mailbox : "Alice@example.org", NULL);
    const BounceCase held = {mailbox, c->reverse_path != NULL ? c->reverse_path : "", c->decided};
    g_autoptr(DsnFacts) facts = make_facts(c);
    g_autoptr(Problem) problem = NULL;
    const char *rule = NULL;
    g_test_message("%s", c->name);
    g_assert_cmpint(bounce_judge(&held, facts, &rule, &problem), ==, c->verdict);
    g_assert_cmpstr(rule, ==, c->rule);
    assert_told(c, problem);
  }
}

/* Of several recipients the mailbox counts, wherever it stands. */
static void test_several_recipients(void) {
  static const Case other = {.final = "bob@example.net", .action = DSN_DELIVERED};
  static const Case own = {.status = "5.2.1"};
  g_autoptr(Mailbox) mailbox = mailbox_parse("alice@example.org", NULL);
  const BounceCase held = {mailbox, "", FALSE};
  for (int first = 0; first < 2; first++) {
    g_autoptr(DsnFacts) facts = make_facts(first == 0 ? &own : &other);
    g_autoptr(DsnFacts) more = make_facts(first == 0 ? &other : &own);
    g_autoptr(Problem) problem = NULL;
    const char *rule = NULL;
    g_ptr_array_add(facts->recipients, g_ptr_array_steal_index(more->recipients, 0));
    g_assert_cmpint(bounce_judge(&held, facts, &rule, &problem), ==, BOUNCE_FAILED);
    g_assert_nonnull(strstr(problem->detail, "5.2.1"));
  }
}

/* --- in the engine --- */

static const Case failed_case = {.status = "5.1.1"};
static const Case delayed_case = {.action = DSN_DELAYED, .status = "4.4.1"};
static const Case vacation_case = {.form = DSN_AUTOMATIC};

static char *envelope_of(LabOrder *order) {
  return lab_column(order->lab, "SELECT envelope_from FROM challenge WHERE mail_from = ?1",
                    order->challenge_froms->pdata[0]);
}

static guint recipient(Lab *lab, const char *address) {
  MailReply reply = {0};
  LAB_TURN(lab, mail_in_recipient(&lab->acme, address, &reply, NULL));
  return reply.code;
}

/* A mail comes in; the SMTP code at RCPT, and where that is 250 at the end. */
static guint mail_from_to(Lab *lab, const char *sender, const char *address) {
  static const char raw[] = "From: MAILER-DAEMON@example.org\r\n\r\nbounce\r\n";
  const char *recipients[] = {address, NULL};
  g_autoptr(GBytes) octets = g_bytes_new_static(raw, sizeof(raw) - 1);
  const IncomingMail mail = {"192.0.2.2", "mx.example.org", sender, recipients, TRUE, octets};
  MailReply reply = {.code = recipient(lab, address)};
  if (reply.code == 250)
    LAB_TURN(lab, mail_in_take(&lab->acme, &mail, &reply, NULL));
  return reply.code;
}

static guint mail_to(Lab *lab, const char *address) {
  return mail_from_to(lab, "", address);
}

static void examined(Lab *lab, const Question *question, const Case *c) {
  g_autoptr(DsnFacts) facts = make_facts(c);
  LAB_TURN(lab, job_bounce_examined(&lab->acme, question, facts, "evidence", NULL));
}

static void bounce(LabOrder *order, const Case *c) {
  g_autofree char *envelope = envelope_of(order);
  g_auto(Question) question = {0};
  g_assert_cmpuint(
      mail_from_to(order->lab, c->reverse_path != NULL ? c->reverse_path : "", envelope), ==, 250);
  lab_ask(order->lab, JOB_BOUNCE, QUESTION_BOUNCE, &question);
  examined(order->lab, &question, c);
}

/* An order whose mail was sent. */
static LabOrder *sent_order(Lab *lab, LabClient *client) {
  LabOrder *order = lab_order(lab, client);
  lab->clock.now += CLOCK_MINUTE;
  g_assert_cmpuint(lab_send_mails(lab), ==, 1);
  return order;
}

static json_t *error_of(const Answer *answer) {
  return json_object_get(answer->json, "error");
}

static void test_envelope(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client);
  g_autofree char *envelope = envelope_of(order);
  g_auto(Question) question = {0};
  lab->clock.now += CLOCK_MINUTE;
  lab_ask(lab, JOB_MAIL, QUESTION_DELIVER, &question);
  g_assert_cmpstr(question.envelope_from, ==, envelope);
  g_assert_cmpstr(question.from, ==, order->challenge_froms->pdata[0]);
  g_assert_true(
      g_regex_match_simple("^acme-bounce\\+[a-z0-5]{35}@acme\\.example\\.org$", envelope, 0, 0));

  g_autoptr(LabOrder) other = lab_order(lab, client);
  g_autofree char *second = envelope_of(other);
  g_assert_cmpstr(envelope, <, second); /* the later one */
  /* Nobody who asks is shown it. */
  for (int i = 0; i < 3; i++) {
    const char *urls[] = {order->order, order->authorizations->pdata[0],
                          order->challenges->pdata[0]};
    g_autoptr(Answer) answer = lab_post(lab, client, urls[i], NULL);
    g_assert_null(strstr(answer->text, "acme-bounce"));
  }
}

static void test_failed(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  for (int responded = 0; responded < 2; responded++) {
    g_autoptr(LabOrder) order = sent_order(lab, client);
    if (responded) {
      g_autoptr(Answer) answer = lab_challenge(order, 0, "{}");
      g_assert_cmpuint(answer->status, ==, 200);
    }
    bounce(order, &failed_case);
    assert_statuses(order, "invalid", "invalid", "invalid");
    g_autoptr(Answer) shown = lab_challenge(order, 0, NULL);
    g_assert_cmpstr(json_string_value(json_object_get(error_of(shown), "type")), ==,
                    LAB_URN "connection");
    const char *detail = json_string_value(json_object_get(error_of(shown), "detail"));
    g_assert_nonnull(strstr(detail, "5.1.1"));
    g_assert_nonnull(strstr(detail, WORDS));
  }
  g_assert_cmpint(lab_count(lab,
                            "SELECT count(*) FROM message WHERE direction = 'bounce' AND verdict ="
                            " 'undeliverable' AND evidence = 'evidence'"),
                  ==, 2);
  /* No mail is ever an answer to mail. */
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM job WHERE kind = 'mail'"), ==, 0);
}

/* Of the words too: a server may say the Subject that it refused. */
static void test_token_is_hidden(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = sent_order(lab, client);
  g_autofree char *token = lab_token1(lab, order->challenge_froms->pdata[0]);
  g_autofree char *words = g_strdup_printf("550 5.7.1 ACME: %s is spam", token);
  const Case refused = {.status = "5.7.1", .words = words};
  bounce(order, &refused);
  assert_statuses(order, "invalid", "invalid", "invalid");
  g_autoptr(Answer) shown = lab_challenge(order, 0, NULL);
  g_assert_nonnull(strstr(shown->text, "ACME: [hidden] is spam"));
  g_assert_null(strstr(shown->text, token));
}

/* The relay's 250 is not committed yet when the bounce is there. */
static void test_failed_before_sent(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client);
  g_auto(Question) mail = {0};
  lab->clock.now += CLOCK_MINUTE;
  lab_ask(lab, JOB_MAIL, QUESTION_DELIVER, &mail);
  bounce(order, &failed_case);
  assert_statuses(order, "invalid", "invalid", "invalid");
  lab_delivered(lab, &mail, SENDER_ACCEPTED, 250, "2.0.0 ok");
  assert_statuses(order, "invalid", "invalid", "invalid");
}

/* A delay is shown once the client has responded, and the reply passes all the same. */
static void test_delayed(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = sent_order(lab, client);
  bounce(order, &delayed_case);
  bounce(order, &vacation_case);
  assert_statuses(order, "pending", "pending", "pending");
  g_autoptr(Answer) pending = lab_challenge(order, 0, NULL);
  g_assert_null(error_of(pending));
  g_autoptr(Answer) responded = lab_challenge(order, 0, "{}");
  g_assert_cmpuint(responded->status, ==, 200);
  g_autoptr(Answer) shown = lab_challenge(order, 0, NULL);
  json_t *notes = json_object_get(error_of(shown), "subproblems");
  g_assert_cmpuint(json_array_size(notes), ==, 2);
  const char *detail = json_string_value(json_object_get(json_array_get(notes, 0), "detail"));
  g_assert_nonnull(strstr(detail, "delayed"));
  g_assert_nonnull(strstr(detail, "4.4.1"));
  lab_right(order, 0);
  assert_statuses(order, "ready", "valid", "valid");
}

/* Every note as the client reads it: the challenge stays open and says why. */
static void test_noted(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    if (cases[i].verdict != BOUNCE_NOTED)
      continue;
    g_test_message("%s", cases[i].name);
    g_autoptr(LabOrder) order = sent_order(lab, client);
    bounce(order, &cases[i]);
    assert_statuses(order, "pending", "pending", "pending");
    g_autoptr(Answer) shown = lab_challenge(order, 0, "{}");
    g_assert_cmpstr(lab_text(shown, "status"), ==, "processing");
    g_assert_cmpuint(json_array_size(json_object_get(error_of(shown), "subproblems")), ==, 1);
    const char *detail = json_string_value(json_object_get(error_of(shown), "detail"));
    g_assert_nonnull(strstr(detail, cases[i].detail != NULL ? cases[i].detail : ""));
  }
}

/* What is decided stays decided. */
static void test_decided(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) ready = sent_order(lab, client);
  lab_validate(ready, 0);
  bounce(ready, &failed_case);
  assert_statuses(ready, "ready", "valid", "valid");

  /* a reply passed, the client has not responded yet */
  g_autoptr(LabOrder) passed = sent_order(lab, client);
  lab_right(passed, 0);
  bounce(passed, &failed_case);
  bounce(passed, &delayed_case);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM note"), ==, 0);
  assert_statuses(passed, "pending", "pending", "pending");
  g_autoptr(Answer) answer = lab_challenge(passed, 0, "{}");
  assert_statuses(passed, "ready", "valid", "valid");

  g_autoptr(LabOrder) invalid = sent_order(lab, client);
  bounce(invalid, &failed_case);
  bounce(invalid, &delayed_case);
  g_autoptr(Answer) shown = lab_challenge(invalid, 0, NULL);
  g_assert_null(json_object_get(error_of(shown), "subproblems"));
}

/* Nobody finds the address by the mail's From, its tag, or another challenge's. */
static void test_forged(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = sent_order(lab, client);
  g_autofree char *envelope = envelope_of(order);
  const char *from = order->challenge_froms->pdata[0];
  g_autofree char *by_from = g_strdup_printf("acme-bounce+%s", strchr(from, '+') + 1);
  g_autofree char *swapped = g_strdup_printf("acme-challenge+%s", strchr(envelope, '+') + 1);
  g_autofree char *cut = g_strdup_printf("%.30s@" LAB_DOMAIN, envelope);
  g_autofree char *elsewhere = g_strdup_printf("%.38s@example.net", envelope);
  const char *wrong[] = {by_from,
                         swapped,
                         cut,
                         elsewhere,
                         "acme-bounce@" LAB_DOMAIN,
                         "acme-bounce+@" LAB_DOMAIN,
                         "acme-bounce+%@" LAB_DOMAIN,
                         "postmaster@" LAB_DOMAIN};
  for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++)
    g_assert_cmpuint(mail_to(lab, wrong[i]), ==, 550);

  /* A report at the From address is a reply without a token. */
  g_auto(Question) question = {0};
  g_auto(Question) none = {0};
  LabReply reply = lab_right_reply(order, 0);
  g_free(reply.facts.token);
  reply.facts.token = g_strdup("");
  reply.facts.is_report = TRUE;
  g_assert_cmpuint(mail_to(lab, from), ==, 250);
  g_assert_false(lab_take(lab, JOB_BOUNCE, &none));
  lab_ask(lab, JOB_JUDGE, QUESTION_EXAMINE, &question);
  lab_examined(lab, &question, &reply);
  lab_reply_clear(&reply);
  assert_statuses(order, "pending", "pending", "pending");
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM note"), ==, 0);
  /* In any case of letters it is the same address. */
  g_autofree char *upper = g_ascii_strup(envelope, -1);
  g_assert_cmpuint(mail_to(lab, upper), ==, 250);
}

/* Bounces are counted apart: they use up no reply's place, and are bounded themselves. */
static void test_counted_apart(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = sent_order(lab, client);
  g_autofree char *envelope = envelope_of(order);
  for (guint i = 0; i < CHALLENGE_MAX_MAILS; i++)
    g_assert_cmpuint(mail_to(lab, envelope), ==, 250);
  g_assert_cmpuint(recipient(lab, envelope), ==, 452);
  g_assert_cmpuint(recipient(lab, order->challenge_froms->pdata[0]), ==, 250);
  g_assert_cmpint(lab_count(lab, "SELECT bounces FROM challenge"), ==, CHALLENGE_MAX_MAILS + 1);
  g_assert_cmpint(lab_count(lab, "SELECT mails FROM challenge"), ==, 0);
  for (;;) {
    g_auto(Question) question = {0};
    if (!lab_take(lab, JOB_BOUNCE, &question))
      break;
    examined(lab, &question, &vacation_case);
  }
  lab_validate(order, 0);
  assert_statuses(order, "ready", "valid", "valid");
}

/* Bounces that wait to be examined do not put off the end; after it they are examined no more. */
static void test_overdue(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = sent_order(lab, client);
  g_autofree char *envelope = envelope_of(order);
  g_auto(Question) late = {0};
  g_auto(Question) none = {0};
  g_assert_cmpuint(mail_to(lab, envelope), ==, 250);
  g_assert_cmpuint(mail_to(lab, envelope), ==, 250);
  lab_ask(lab, JOB_BOUNCE, QUESTION_BOUNCE, &late);
  lab->clock.now += 25 * CLOCK_HOUR;
  assert_statuses(order, "invalid", "invalid", "invalid");
  examined(lab, &late, &delayed_case);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM note"), ==, 0);
  lab->clock.now += 3 * CLOCK_DAY;
  lab_ask(lab, JOB_BOUNCE, QUESTION_NONE, &none);
  g_assert_cmpuint(mail_to(lab, envelope), ==, 550);
}

/* A bounce that was never examined goes with its order. */
static void test_purged(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = sent_order(lab, client);
  g_autofree char *envelope = envelope_of(order);
  g_assert_cmpuint(mail_to(lab, envelope), ==, 250);
  lab->clock.now += 60 * CLOCK_DAY;
  g_assert_cmpuint(lab_run(lab, JOB_SWEEP), ==, 1);
  g_assert_cmpuint(lab_run(lab, JOB_PURGE), ==, 1);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM message"), ==, 0);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM raw"), ==, 0);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM job WHERE kind = 'bounce'"), ==, 0);
}

/* The examining process ended: again, as for replies; an answer that comes twice changes nothing.
 */
static void test_again(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = sent_order(lab, client);
  g_autofree char *envelope = envelope_of(order);
  g_auto(Question) lost = {0};
  g_auto(Question) question = {0};
  g_assert_cmpuint(mail_to(lab, envelope), ==, 250);
  lab_ask(lab, JOB_BOUNCE, QUESTION_BOUNCE, &lost);
  LAB_TURN(lab, job_unanswered(&lab->acme, &lost.job, NULL));
  lab->clock.now += CLOCK_SECOND;
  lab_ask(lab, JOB_BOUNCE, QUESTION_BOUNCE, &question);
  g_assert_cmpint(question.job.attempts, ==, 2); /* the message may be to blame */
  examined(lab, &question, &delayed_case);
  examined(lab, &lost, &failed_case);
  assert_statuses(order, "pending", "pending", "pending");
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM note"), ==, 1);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM job WHERE kind = 'bounce'"), ==, 0);
}

/* A mail that was queued before there were envelope addresses leaves with its From. */
static void test_before_envelopes(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client);
  g_auto(Question) question = {0};
  lab_sql(lab, "UPDATE challenge SET envelope_from = NULL");
  lab->clock.now += CLOCK_MINUTE;
  lab_ask(lab, JOB_MAIL, QUESTION_DELIVER, &question);
  g_assert_cmpstr(question.envelope_from, ==, question.from);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/bounce/rules", test_rules);
  g_test_add_func("/bounce/several-recipients", test_several_recipients);
  g_test_add_func("/bounce/envelope", test_envelope);
  g_test_add_func("/bounce/failed", test_failed);
  g_test_add_func("/bounce/token-is-hidden", test_token_is_hidden);
  g_test_add_func("/bounce/failed-before-sent", test_failed_before_sent);
  g_test_add_func("/bounce/delayed", test_delayed);
  g_test_add_func("/bounce/noted", test_noted);
  g_test_add_func("/bounce/decided", test_decided);
  g_test_add_func("/bounce/forged", test_forged);
  g_test_add_func("/bounce/counted-apart", test_counted_apart);
  g_test_add_func("/bounce/overdue", test_overdue);
  g_test_add_func("/bounce/purged", test_purged);
  g_test_add_func("/bounce/again", test_again);
  g_test_add_func("/bounce/before-envelopes", test_before_envelopes);
  return g_test_run();
}
