/* SPDX-License-Identifier: Apache-2.0 */
/* A day without relay and resolver, with orders in every stage: nothing is lost, the queue drains
   within minutes of their return, what could not wait says why (ca-rules 10; security.md 19, 23).
 */
#include "tests/unit/acme/harness.h"

#define START (LAB_NOW + 50 * CLOCK_HOUR)
#define END (START + 24 * CLOCK_HOUR)
#define EACH 6 /* orders of each stage */

typedef enum {
  STAGE_FINALIZED_OLD, /* finalized in the outage, and over before its end */
  STAGE_SENT,          /* the mail was sent before, the reply comes in time */
  STAGE_SENT_LATE,     /* the same, too late */
  STAGE_READY,         /* finalized in the outage */
  STAGE_FINALIZED,     /* finalized when it begins */
  STAGE_QUEUED,        /* the mail has not left when it begins */
  STAGE_NEW,           /* ordered in it */
  STAGES
} Stage;

typedef struct {
  Lab *lab;
  LabClient *client;
  gboolean away; /* relay and resolver */
  LabOrder *orders[STAGES][EACH];
} World;

static void world_clear(World *world) {
  for (guint stage = 0; stage < STAGES; stage++)
    for (guint i = 0; i < EACH; i++)
      lab_order_free(world->orders[stage][i]);
  lab_client_free(world->client);
  lab_free(world->lab);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(World, world_clear)

/* Thousands of commits, none of which has to outlive the machine. */
static void hurry(Lab *lab) {
  lab_sql(lab, "PRAGMA synchronous = OFF");
}

/* --- limbs that are there or not --- */

static void answer_mail(World *world, Question *question) {
  if (world->away)
    lab_delivered(world->lab, question, SENDER_UNREACHED, 0,
                  "no connection to the relay: Connection refused");
  else
    lab_delivered(world->lab, question, SENDER_ACCEPTED, 250, "2.0.0 ok");
}

static LabOrder *find_order(World *world, const char *from) {
  for (guint stage = 0; stage < STAGES; stage++)
    for (guint i = 0; i < EACH; i++) {
      LabOrder *order = world->orders[stage][i];
      if (order != NULL && strcmp(order->challenge_froms->pdata[0], from) == 0)
        return order;
    }
  g_assert_not_reached();
}

/* Every reply is the right one. */
static void answer_examination(World *world, Question *question) {
  SqlQuery query = sql_query(world->lab->acme.store,
                             "SELECT c.mail_from FROM message m JOIN challenge c"
                             " ON c.id = m.challenge_id WHERE m.id = ?1",
                             "d", &question->job.subject);
  g_autofree char *from = sql_row(&query) ? sql_text(&query, 0) : NULL;
  g_assert_true(sql_end(&query, NULL));
  LabReply reply = lab_right_reply(find_order(world, from), 0);
  if (world->away) {
    reply.signature.result = DKIM_TEMPORARY;
    reply.signature.reason = (char *)"the key could not be had from DNS for now";
  }
  lab_examined(world->lab, question, &reply);
  lab_reply_clear(&reply);
}

static void answer_issue(World *world, Question *question) {
  if (question->kind == QUESTION_CAA)
    lab_caa(world->lab, question, world->away ? RESOLVER_TEMPORARY : RESOLVER_NONE, NULL);
  else if (question->kind == QUESTION_BUILD)
    lab_built(world->lab, question, "");
  else
    lab_signed(world->lab, question);
}

static const struct {
  JobKind kind;
  void (*answer)(World *world, Question *question);
} limbs[] = {{JOB_MAIL, answer_mail}, {JOB_JUDGE, answer_examination}, {JOB_ISSUE, answer_issue}};

/* Does everything that is due now; when the next thing is. */
static gint64 work(World *world) {
  gint64 next = G_MAXINT64;
  lab_run(world->lab, JOB_SWEEP);
  for (gsize i = 0; i < G_N_ELEMENTS(limbs); i++) {
    gint64 due = 0;
    for (;;) {
      g_auto(Question) question = {0};
      if (!lab_take(world->lab, limbs[i].kind, &question))
        break;
      if (question.kind != QUESTION_NONE)
        limbs[i].answer(world, &question);
    }
    g_assert_true(job_next(world->lab->acme.store, limbs[i].kind, &due, NULL));
    next = MIN(next, due);
  }
  return next;
}

static void live_until(World *world, gint64 until) {
  gint64 next = work(world);
  while (next < until) {
    world->lab->clock.now = MAX(next, world->lab->clock.now);
    next = work(world);
  }
  world->lab->clock.now = until;
  work(world);
}

/* --- orders --- */

static void add(World *world, Stage stage, guint i) {
  world->orders[stage][i] = lab_order(world->lab, world->client);
}

static void add_all(World *world, Stage stage) {
  for (guint i = 0; i < EACH; i++)
    add(world, stage, i);
}

static void respond(LabOrder *order) {
  g_autoptr(Answer) answer = lab_challenge(order, 0, "{}");
  g_assert_cmpuint(answer->status, ==, 200);
}

static void finalize(LabOrder *order) {
  g_autoptr(Answer) answer = lab_finalize(order);
  g_assert_cmpstr(lab_text(answer, "status"), ==, "processing");
}

/* To ready, while all is well. */
static void validate(World *world, Stage stage) {
  add_all(world, stage);
  for (guint i = 0; i < EACH; i++) {
    LabOrder *order = world->orders[stage][i];
    respond(order);
    g_assert_cmpuint(lab_mail_in(order, 0), ==, 250);
    work(world);
    assert_status(order, order->order, "ready");
  }
}

static void assert_all(World *world, Stage stage, const char *status) {
  for (guint i = 0; i < EACH; i++) {
    LabOrder *order = world->orders[stage][i];
    g_test_message("stage %d, order %u", stage, i);
    assert_status(order, order->order, status);
  }
}

/* Invalid, for this reason. */
static void assert_failed(World *world, Stage stage, const char *type, const char *words) {
  for (guint i = 0; i < EACH; i++) {
    LabOrder *order = world->orders[stage][i];
    g_autoptr(Answer) answer = lab_post(world->lab, world->client, order->order, NULL);
    const json_t *error = json_object_get(answer->json, "error");
    g_assert_cmpstr(lab_text(answer, "status"), ==, "invalid");
    g_assert_cmpstr(json_string_value(json_object_get(error, "type")), ==, type);
    g_assert_cmpstr(json_string_value(json_object_get(error, "detail")), ==, words);
  }
}

/* --- the day --- */

static void before_the_outage(World *world) {
  validate(world, STAGE_FINALIZED_OLD);
  live_until(world, START - 30 * CLOCK_MINUTE);
  add_all(world, STAGE_SENT);
  add_all(world, STAGE_SENT_LATE);
  validate(world, STAGE_READY);
  validate(world, STAGE_FINALIZED);
  live_until(world, START);
  g_assert_cmpint(lab_count(world->lab, "SELECT count(*) FROM challenge WHERE sent_at IS NOT NULL"),
                  ==, 2 * EACH); /* the others had their replies before */
  for (guint i = 0; i < EACH; i++)
    finalize(world->orders[STAGE_FINALIZED][i]);
  add_all(world, STAGE_QUEUED);
}

/* Something happens every fourth hour; halfway core is killed. */
static void during_the_outage(World *world) {
  world->away = TRUE;
  for (guint i = 0; i < EACH; i++) {
    live_until(world, START + (4 * (gint64)i + 1) * CLOCK_HOUR);
    add(world, STAGE_NEW, i);
    if (i % 2 == 0)
      respond(world->orders[STAGE_SENT][i]); /* the others when it is over */
    g_assert_cmpuint(lab_mail_in(world->orders[STAGE_SENT][i], 0), ==, 250);
    finalize(world->orders[STAGE_READY][i]);
    if (i == 0)
      for (guint j = 0; j < EACH; j++)
        finalize(world->orders[STAGE_FINALIZED_OLD][j]);
    if (i == EACH / 2) {
      lab_restart(world->lab);
      hurry(world->lab);
    }
  }
  live_until(world, START + 23 * CLOCK_HOUR + 40 * CLOCK_MINUTE); /* past the deadline */
  for (guint i = 0; i < EACH; i++)
    g_assert_cmpuint(lab_mail_in(world->orders[STAGE_SENT_LATE][i], 0), ==, 250);
  live_until(world, END);
  /* All that can wait does. */
  assert_all(world, STAGE_SENT, "pending");
  assert_all(world, STAGE_READY, "processing");
  assert_all(world, STAGE_FINALIZED, "processing");
  assert_all(world, STAGE_NEW, "pending");
}

static void after_the_outage(World *world) {
  Lab *lab = world->lab;
  world->away = FALSE;
  live_until(world, END + 5 * CLOCK_MINUTE);
  g_assert_cmpint(
      lab_count(lab, "SELECT count(*) FROM job WHERE kind IN ('mail', 'judge', 'issue')"), ==, 0);
  /* Every message that was answered 250 is there and judged by the time when it came. */
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM message WHERE direction = 'in'"), ==,
                  5 * EACH);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM message WHERE verdict = 'passed'"), ==,
                  4 * EACH);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM message WHERE verdict = 'ignored'"), ==,
                  EACH);
  for (guint i = 1; i < EACH; i += 2)
    respond(world->orders[STAGE_SENT][i]);
  assert_all(world, STAGE_SENT, "ready");
  assert_all(world, STAGE_READY, "valid");
  assert_all(world, STAGE_FINALIZED, "valid");
  for (guint i = 0; i < EACH; i++) {
    finalize(world->orders[STAGE_SENT][i]);
    respond(world->orders[STAGE_NEW][i]);
    g_assert_cmpuint(lab_mail_in(world->orders[STAGE_NEW][i], 0), ==, 250);
  }
  work(world);
  assert_all(world, STAGE_SENT, "valid");
  assert_all(world, STAGE_NEW, "ready");
}

static void test_day(void) {
  g_auto(World) world = {.lab = lab_new()};
  hurry(world.lab);
  world.client = lab_account(world.lab);
  before_the_outage(&world);
  during_the_outage(&world);
  after_the_outage(&world);
  assert_failed(&world, STAGE_QUEUED, LAB_URN "connection",
                "Alice@example.org: The challenge mail to Alice@example.org never left: no mail "
                "server took it before the time for a reply was over (last words: no connection "
                "to the relay: Connection refused); order anew later.");
  assert_failed(&world, STAGE_SENT_LATE, LAB_URN "incorrectResponse",
                "Alice@example.org: No reply that passes was received in time; order anew.");
  assert_failed(&world, STAGE_FINALIZED_OLD, LAB_URN "dns",
                "The CAA records of example.org could not be had: CAA: no answer: the servers do "
                "not answer; see to its DNS and order anew.");
}

/* An order that lives no longer than its reply had time: the key cannot be had to the end. */
static void test_key_to_the_end(void) {
  static const char *const day[] = {"acme.order-lifetime", "86400000", NULL};
  g_autoptr(Lab) lab = lab_new_with(day);
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client);
  g_autoptr(Answer) posted = lab_challenge(order, 0, "{}");
  LabReply reply = lab_right_reply(order, 0);
  reply.signature.result = DKIM_TEMPORARY;
  reply.signature.reason = (char *)"the key could not be had from DNS for now";
  lab_send_mails(lab);
  lab->clock.now += CLOCK_HOUR;
  g_assert_cmpuint(lab_mail_in(order, 0), ==, 250);
  for (gint64 due = lab->clock.now; due != -1;) {
    g_auto(Question) question = {0};
    lab->clock.now = due;
    lab_ask(lab, JOB_JUDGE, QUESTION_EXAMINE, &question);
    lab_examined(lab, &question, &reply);
    due = lab_count(lab, "SELECT due_at FROM job WHERE kind = 'judge'");
  }
  lab_reply_clear(&reply);
  g_assert_cmpint(lab->clock.now, >=, LAB_NOW + CLOCK_DAY - 5 * CLOCK_MINUTE);
  lab->clock.now = LAB_NOW + CLOCK_DAY;
  lab_run(lab, JOB_SWEEP);
  g_autoptr(Answer) failed = lab_post(lab, client, order->order, NULL);
  const json_t *error = json_object_get(failed->json, "error");
  g_assert_cmpstr(lab_text(failed, "status"), ==, "invalid");
  g_assert_cmpstr(json_string_value(json_object_get(error, "type")), ==, LAB_URN "dns");
  g_assert_cmpstr(json_string_value(json_object_get(error, "detail")), ==,
                  "Alice@example.org: The time for a reply is over. A reply could not be judged "
                  "yet: the DKIM signature of example.org does not count: the key could not be had "
                  "from DNS for now. See to the DNS of its domain and order anew.");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/acme/outage/day", test_day);
  g_test_add_func("/acme/outage/key-to-the-end", test_key_to_the_end);
  return g_test_run();
}
