/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"
#include "store/message.h"

/* Octets that are no text come back as they were. */
static void test_kept(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  static const guint8 raw_octets[] = {'a', 0, 0xff, '\r', '\n', 0};
  Id raw = an_id(9), challenge = add_challenge(fixture->store, 1, NOW), other = an_id(11);
  g_autoptr(GBytes) text = g_bytes_new(raw_octets, sizeof(raw_octets));
  Message given = {.id = an_id(10),
                   .challenge_id = challenge,
                   .direction = (char *)"in",
                   .at = NOW + 1,
                   .peer = (char *)"192.0.2.1",
                   .helo = (char *)"client.test",
                   .reverse_path = (char *)"ann@user.test",
                   .tls = TRUE};
  GOOD(message_insert_raw(fixture->store, &raw, text, &error));
  GOOD(message_insert(fixture->store, &given, &raw, &error));
  fixture_commit(fixture);
  g_autoptr(Message) found = NULL, none = NULL;
  GIVES(STORE_FOUND, message_find(fixture->store, &given.id, &found, &error));
  GIVES(STORE_MISSING, message_find(fixture->store, &other, &none, &error));
  g_assert_true(id_equal(&found->challenge_id, &challenge));
  g_assert_cmpstr(found->direction, ==, "in");
  g_assert_cmpint(found->at, ==, NOW + 1);
  g_assert_cmpstr(found->peer, ==, "192.0.2.1");
  g_assert_cmpstr(found->helo, ==, "client.test");
  g_assert_cmpstr(found->reverse_path, ==, "ann@user.test");
  g_assert_true(found->tls);
  g_assert_true(g_bytes_equal(found->octets, text));
  g_assert_null(found->verdict);
  g_autoptr(Message) plain = NULL;
  GIVES(STORE_FOUND, message_find_plain(fixture->store, &given.id, &plain, &error));
  GIVES(STORE_MISSING, message_find_plain(fixture->store, &other, &none, &error));
  g_assert_true(id_equal(&plain->challenge_id, &challenge));
  g_assert_cmpstr(plain->peer, ==, "192.0.2.1");
  g_assert_null(plain->octets);
}

/* One mail for two challenges lies there once. */
static void test_raw_shared(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Id raw = an_id(9);
  g_autoptr(GBytes) text = octets("mail");
  GOOD(message_insert_raw(fixture->store, &raw, text, &error));
  for (guint8 i = 1; i <= 2; i++) {
    Message message = {.id = an_id((guint8)(10 + i)),
                       .challenge_id = add_challenge(fixture->store, i, NOW),
                       .direction = (char *)"in",
                       .at = NOW};
    GOOD(message_insert(fixture->store, &message, &raw, &error));
    g_autoptr(Message) found = NULL;
    GIVES(STORE_FOUND, message_find(fixture->store, &message.id, &found, &error));
    assert_octets(found->octets, "mail");
  }
  g_assert_cmpint(number_of(fixture->store, "SELECT count(*) FROM raw"), ==, 1);
}

static void test_needs_raw_and_challenge(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Id raw = an_id(9), nothing = an_id(8);
  g_autoptr(GBytes) text = octets("mail");
  GOOD(message_insert_raw(fixture->store, &raw, text, &error));
  Message message = {.id = an_id(10),
                     .challenge_id = add_challenge(fixture->store, 1, NOW),
                     .direction = (char *)"in"};
  BREAKS(fixture, message_insert(fixture->store, &message, &nothing, &error));
  message.challenge_id = nothing;
  BREAKS(fixture, message_insert(fixture->store, &message, &raw, &error));
}

static void test_judged_once(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Id raw = an_id(9);
  g_autoptr(GBytes) text = octets("mail");
  Message message = {.id = an_id(10),
                     .challenge_id = add_challenge(fixture->store, 1, NOW),
                     .direction = (char *)"in"};
  GOOD(message_insert_raw(fixture->store, &raw, text, &error));
  GOOD(message_insert(fixture->store, &message, &raw, &error));
  GIVES(STORE_CHANGED,
        message_judge(fixture->store, &message.id, "passed", "rule", NULL, "first", NULL, &error));
  GIVES(STORE_UNCHANGED,
        message_judge(fixture->store, &message.id, "noted", NULL, NULL, "second", NULL, &error));
  g_autoptr(Message) found = NULL;
  GIVES(STORE_FOUND, message_find(fixture->store, &message.id, &found, &error));
  g_assert_cmpstr(found->verdict, ==, "passed");
  g_assert_cmpstr(found->rule, ==, "rule");
  g_assert_null(found->reason);
  g_assert_cmpint(
      number_of(fixture->store, "SELECT count(*) FROM message WHERE evidence = 'first'"), ==, 1);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  FIXTURE_TEST("/message/kept", test_kept);
  FIXTURE_TEST("/message/raw-shared", test_raw_shared);
  FIXTURE_TEST("/message/needs-raw-and-challenge", test_needs_raw_and_challenge);
  FIXTURE_TEST("/message/judged-once", test_judged_once);
  return g_test_run();
}
