/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"
#include "store/job.h"
#include "store/message.h"

static Challenge *find(Store *store, const Id *id) {
  Challenge *challenge = NULL;
  GIVES(STORE_FOUND, challenge_find(store, id, &challenge, &error));
  return challenge;
}

static void test_kept(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Id id = add_challenge(fixture->store, 1, NOW + 7);
  fixture_commit(fixture);
  g_autoptr(Challenge) by_id = find(fixture->store, &id);
  g_autoptr(Challenge) by_authorization = NULL, by_recipient = NULL, none = NULL;
  GIVES(STORE_FOUND,
        challenge_find_by_authorization(fixture->store, &id, &by_authorization, &error));
  GIVES(STORE_FOUND,
        challenge_find_by_recipient(fixture->store, "ACME+1@CA.test", &by_recipient, &error));
  GIVES(STORE_MISSING,
        challenge_find_by_recipient(fixture->store, "acme+2@ca.test", &none, &error));
  const Challenge *found[] = {by_id, by_authorization, by_recipient};
  for (gsize i = 0; i < G_N_ELEMENTS(found); i++) {
    g_assert_true(id_equal(&found[i]->id, &id));
    g_assert_cmpstr(found[i]->status, ==, "pending");
    g_assert_cmpstr(found[i]->token2, ==, "token-part2");
    g_assert_cmpstr(found[i]->mail_from, ==, "acme+1@ca.test");
    g_assert_cmpint(found[i]->deadline, ==, NOW + 7);
    g_assert_null(found[i]->token1);
    g_assert_null(found[i]->error);
    g_assert_cmpint(found[i]->sent_at, ==, 0);
    g_assert_cmpint(found[i]->passed_at, ==, 0);
  }
}

/* No two challenges have one reply address, no authorization two challenges. */
static void test_unique(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Id first = add_challenge(fixture->store, 1, NOW);
  Id order = add_order(fixture->store, 2, "pending", NOW);
  Challenge second = {.id = an_id(2),
                      .authz_id = add_authorization(fixture->store, 2, &order, 0, "a.test"),
                      .status = (char *)"pending",
                      .token2 = (char *)"t",
                      .mail_from = (char *)"acme+1@ca.test"};
  BREAKS(fixture, challenge_insert(fixture->store, &second, &error));
  second.mail_from = (char *)"acme+2@ca.test";
  second.authz_id = first;
  BREAKS(fixture, challenge_insert(fixture->store, &second, &error));
}

static void test_mail_made_once(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Id id = add_challenge(fixture->store, 1, NOW);
  GIVES(STORE_CHANGED, challenge_set_mail(fixture->store, &id, NOW, "first", "<1@ca.test>",
                                          "acme-bounce+1@ca.test", &error));
  GIVES(STORE_UNCHANGED, challenge_set_mail(fixture->store, &id, NOW + 1, "second", "<2@ca.test>",
                                            "acme-bounce+2@ca.test", &error));
  GOOD(challenge_set_sent(fixture->store, &id, NOW + 1, "250 taken", &error));
  GOOD(challenge_set_sent(fixture->store, &id, NOW + 2, "250 again", &error));
  g_autoptr(Challenge) found = find(fixture->store, &id);
  g_assert_cmpstr(found->token1, ==, "first");
  g_assert_cmpstr(found->message_id, ==, "<1@ca.test>");
  g_assert_cmpint(found->queued_at, ==, NOW);
  g_assert_cmpstr(found->relay_text, ==, "250 taken");
  g_assert_cmpint(found->sent_at, ==, NOW + 1);
}

static void test_response_then_reply(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Id id = add_challenge(fixture->store, 1, NOW);
  GIVES(STORE_CHANGED, challenge_respond(fixture->store, &id, NOW + 1, &error));
  GIVES(STORE_UNCHANGED, challenge_respond(fixture->store, &id, NOW + 2, &error));
  GIVES(STORE_UNCHANGED, challenge_validate(fixture->store, &id, NOW + 3, &error));
  GIVES(STORE_CHANGED, challenge_pass(fixture->store, &id, NOW + 4, &error));
  GIVES(STORE_UNCHANGED, challenge_pass(fixture->store, &id, NOW + 5, &error));
  GIVES(STORE_CHANGED, challenge_validate(fixture->store, &id, NOW + 6, &error));
  GIVES(STORE_UNCHANGED, challenge_validate(fixture->store, &id, NOW + 7, &error));
  g_autoptr(Challenge) found = find(fixture->store, &id);
  g_assert_cmpstr(found->status, ==, "valid");
  g_assert_cmpint(found->responded_at, ==, NOW + 1);
  g_assert_cmpint(found->passed_at, ==, NOW + 4);
  g_assert_cmpint(found->validated_at, ==, NOW + 6);
}

static void test_reply_then_response(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Id id = add_challenge(fixture->store, 1, NOW);
  GIVES(STORE_CHANGED, challenge_pass(fixture->store, &id, NOW + 1, &error));
  GIVES(STORE_UNCHANGED, challenge_validate(fixture->store, &id, NOW + 2, &error));
  GIVES(STORE_CHANGED, challenge_respond(fixture->store, &id, NOW + 3, &error));
  GIVES(STORE_CHANGED, challenge_validate(fixture->store, &id, NOW + 4, &error));
}

/* Decided once: neither a pass turns into a failure nor a failure into a pass. */
static void test_decided_once(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Id passed = add_challenge(fixture->store, 1, NOW), failed = add_challenge(fixture->store, 2, NOW);
  GIVES(STORE_CHANGED, challenge_pass(fixture->store, &passed, NOW, &error));
  GIVES(STORE_UNCHANGED, challenge_fail(fixture->store, &passed, "{}", &error));
  GIVES(STORE_CHANGED, challenge_respond(fixture->store, &failed, NOW, &error));
  GIVES(STORE_CHANGED, challenge_fail(fixture->store, &failed, "{\"n\":1}", &error));
  GIVES(STORE_UNCHANGED, challenge_fail(fixture->store, &failed, "{\"n\":2}", &error));
  GIVES(STORE_UNCHANGED, challenge_pass(fixture->store, &failed, NOW, &error));
  GIVES(STORE_UNCHANGED, challenge_respond(fixture->store, &failed, NOW, &error));
  g_autoptr(Challenge) kept = find(fixture->store, &passed);
  g_autoptr(Challenge) ended = find(fixture->store, &failed);
  g_assert_cmpstr(kept->status, ==, "pending");
  g_assert_null(kept->error);
  g_assert_cmpstr(ended->status, ==, "invalid");
  g_assert_cmpstr(ended->error, ==, "{\"n\":1}");
}

static void test_mails_bounded(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Id many = add_challenge(fixture->store, 1, NOW), large = add_challenge(fixture->store, 2, NOW);
  for (guint i = 0; i < CHALLENGE_MAX_MAILS; i++)
    GIVES(STORE_CHANGED, challenge_count_mail(fixture->store, &many, 10, &error));
  GIVES(STORE_UNCHANGED, challenge_count_mail(fixture->store, &many, 10, &error));
  g_autoptr(Challenge) counted = find(fixture->store, &many);
  g_assert_cmpint(counted->mails, ==, CHALLENGE_MAX_MAILS + 1);
  g_assert_cmpint(counted->mail_octets, ==, 10 * CHALLENGE_MAX_MAILS);
  gint64 most = CHALLENGE_MAX_MAIL_OCTETS;
  GIVES(STORE_CHANGED, challenge_count_mail(fixture->store, &large, most - 1, &error));
  GIVES(STORE_UNCHANGED, challenge_count_mail(fixture->store, &large, 2, &error));
  GIVES(STORE_CHANGED, challenge_count_mail(fixture->store, &large, 1, &error));
  g_autoptr(Challenge) full = find(fixture->store, &large);
  g_assert_cmpint(full->mails, ==, 3);
  g_assert_cmpint(full->mail_octets, ==, most);
}

/* Bounces are found by the mail's reverse-path, which no two have, and counted apart from replies.
 */
static void test_bounces(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Id first = add_challenge(fixture->store, 1, NOW), second = add_challenge(fixture->store, 2, NOW);
  g_autoptr(Challenge) found = NULL, none = NULL;
  GIVES(STORE_CHANGED, challenge_set_mail(fixture->store, &first, NOW, "t", "<1@ca.test>",
                                          "bounce+1@ca.test", &error));
  BREAKS(fixture, challenge_set_mail(fixture->store, &second, NOW, "t", "<2@ca.test>",
                                     "bounce+1@ca.test", &error));
  for (guint i = 0; i < CHALLENGE_MAX_MAILS; i++)
    GIVES(STORE_CHANGED, challenge_count_bounce(fixture->store, &first, 10, &error));
  GIVES(STORE_UNCHANGED, challenge_count_bounce(fixture->store, &first, 10, &error));
  GIVES(STORE_CHANGED, challenge_count_mail(fixture->store, &first, 10, &error));
  GIVES(STORE_UNCHANGED,
        challenge_count_bounce(fixture->store, &second, CHALLENGE_MAX_MAIL_OCTETS + 1, &error));
  GIVES(STORE_FOUND,
        challenge_find_by_envelope(fixture->store, "Bounce+1@CA.test", &found, &error));
  GIVES(STORE_MISSING, challenge_find_by_envelope(fixture->store, "acme+1@ca.test", &none, &error));
  g_assert_true(id_equal(&found->id, &first));
  g_assert_cmpstr(found->envelope_from, ==, "bounce+1@ca.test");
  g_assert_cmpint(found->bounces, ==, CHALLENGE_MAX_MAILS + 1);
  g_assert_cmpint(found->bounce_octets, ==, 10 * CHALLENGE_MAX_MAILS);
  g_assert_cmpint(found->mails, ==, 1);
}

static void test_notes_bounded(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Id id = add_challenge(fixture->store, 1, NOW), other = add_challenge(fixture->store, 2, NOW);
  for (guint i = 0; i < CHALLENGE_MAX_NOTES + 3; i++) {
    g_autofree char *problem = g_strdup_printf("{\"n\":%u}", i);
    GOOD(challenge_note(fixture->store, &id, NOW + i, "from", problem, &error));
  }
  GOOD(challenge_note(fixture->store, &other, NOW, "dkim", "{}", &error));
  g_autoptr(GError) failure = NULL;
  g_autoptr(GPtrArray) notes = challenge_notes(fixture->store, &id, &failure);
  g_assert_no_error(failure);
  g_assert_cmpuint(notes->len, ==, CHALLENGE_MAX_NOTES);
  const Note *first = notes->pdata[0], *last = notes->pdata[CHALLENGE_MAX_NOTES - 1];
  g_assert_cmpstr(first->problem, ==, "{\"n\":0}");
  g_assert_cmpstr(first->rule, ==, "from");
  g_assert_cmpint(last->at, ==, NOW + CHALLENGE_MAX_NOTES - 1);
  g_autoptr(Challenge) found = find(fixture->store, &id);
  g_assert_cmpint(found->notes, ==, CHALLENGE_MAX_NOTES + 3);
}

/* The one note on a rule is replaced where it stands, and only by another one. */
static void test_note_again(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Store *store = fixture->store;
  Id id = add_challenge(store, 1, NOW), other = add_challenge(store, 2, NOW);
  GIVES(STORE_CHANGED, challenge_note_again(store, &id, NOW, "relay", "{\"n\":1}", &error));
  GIVES(STORE_CHANGED, challenge_note_again(store, &other, NOW, "relay", "{\"n\":1}", &error));
  GOOD(challenge_note(store, &id, NOW, "from", "{\"n\":1}", &error));
  GIVES(STORE_UNCHANGED, challenge_note_again(store, &id, NOW + 1, "relay", "{\"n\":1}", &error));
  GIVES(STORE_CHANGED, challenge_note_again(store, &id, NOW + 2, "relay", "{\"n\":2}", &error));
  g_autoptr(GError) failure = NULL;
  g_autoptr(GPtrArray) notes = challenge_notes(store, &id, &failure);
  g_autoptr(GPtrArray) others = challenge_notes(store, &other, &failure);
  g_assert_no_error(failure);
  g_assert_cmpuint(notes->len, ==, 2);
  const Note *first = notes->pdata[0], *second = notes->pdata[1], *untouched = others->pdata[0];
  g_assert_cmpstr(first->problem, ==, "{\"n\":2}");
  g_assert_cmpint(first->at, ==, NOW + 2);
  g_assert_cmpstr(second->problem, ==, "{\"n\":1}");
  g_assert_cmpstr(untouched->problem, ==, "{\"n\":1}");
  g_autoptr(Challenge) found = find(fixture->store, &id);
  g_assert_cmpint(found->notes, ==, 2);
}

/* A message of the challenge, with the job that judges it. */
static Id add_mail(Store *store, guint8 number, const Id *challenge, const char *direction) {
  Id raw = an_id(number);
  g_autoptr(GBytes) text = octets("Subject: x\r\n\r\n");
  Message message = {
      .id = raw, .challenge_id = *challenge, .direction = (char *)direction, .at = NOW};
  GOOD(message_insert_raw(store, &raw, text, &error));
  GOOD(message_insert(store, &message, &raw, &error));
  return raw;
}

static void test_overdue(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Store *store = fixture->store;
  add_challenge(store, 1, NOW + 1); /* in time */
  Id late = add_challenge(store, 2, NOW), later = add_challenge(store, 3, NOW - 1);
  Id passed = add_challenge(store, 4, NOW), waiting = add_challenge(store, 5, NOW);
  Id failed = add_challenge(store, 6, NOW);
  GIVES(STORE_CHANGED, challenge_respond(store, &late, NOW, &error)); /* processing ends too */
  GIVES(STORE_CHANGED, challenge_pass(store, &passed, NOW, &error));
  GIVES(STORE_CHANGED, challenge_fail(store, &failed, "{}", &error));
  Id mail = add_mail(store, 20, &waiting, "in");
  GOOD(job_add(store, JOB_JUDGE, &mail, NOW, &error));
  g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(Id));
  GOOD(challenge_list_overdue(store, NOW, 10, ids, &error));
  g_assert_cmpuint(ids->len, ==, 2);
  g_assert_true(id_equal(&g_array_index(ids, Id, 0), &later));
  g_assert_true(id_equal(&g_array_index(ids, Id, 1), &late));
  /* Judged without effect: now it is overdue as well. */
  Job job;
  GIVES(STORE_FOUND, job_take_one(store, JOB_JUDGE, NOW, NOW + 1, &job, &error));
  GOOD(job_done(store, &job, &error));
  g_array_set_size(ids, 0);
  GOOD(challenge_list_overdue(store, NOW, 2, ids, &error));
  g_assert_cmpuint(ids->len, ==, 2);
  g_array_set_size(ids, 0);
  GOOD(challenge_list_overdue(store, NOW, 10, ids, &error));
  g_assert_cmpuint(ids->len, ==, 3);
}

static void test_unjudged(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Id id = add_challenge(fixture->store, 1, NOW), other = add_challenge(fixture->store, 2, NOW);
  add_mail(fixture->store, 20, &id, "out");
  add_mail(fixture->store, 21, &other, "in");
  GIVES(STORE_MISSING, challenge_has_unjudged(fixture->store, &id, &error));
  Id mail = add_mail(fixture->store, 22, &id, "in");
  GIVES(STORE_FOUND, challenge_has_unjudged(fixture->store, &id, &error));
  GIVES(STORE_CHANGED,
        message_judge(fixture->store, &mail, "noted", NULL, NULL, "evidence", NULL, &error));
  GIVES(STORE_MISSING, challenge_has_unjudged(fixture->store, &id, &error));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  FIXTURE_TEST("/challenge/kept", test_kept);
  FIXTURE_TEST("/challenge/unique", test_unique);
  FIXTURE_TEST("/challenge/mail-made-once", test_mail_made_once);
  FIXTURE_TEST("/challenge/response-then-reply", test_response_then_reply);
  FIXTURE_TEST("/challenge/reply-then-response", test_reply_then_response);
  FIXTURE_TEST("/challenge/decided-once", test_decided_once);
  FIXTURE_TEST("/challenge/mails-bounded", test_mails_bounded);
  FIXTURE_TEST("/challenge/bounces", test_bounces);
  FIXTURE_TEST("/challenge/notes-bounded", test_notes_bounded);
  FIXTURE_TEST("/challenge/note-again", test_note_again);
  FIXTURE_TEST("/challenge/overdue", test_overdue);
  FIXTURE_TEST("/challenge/unjudged", test_unjudged);
  return g_test_run();
}
