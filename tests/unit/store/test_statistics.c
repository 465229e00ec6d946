/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"
#include "store/crl_shard.h"
#include "store/message.h"
#include "store/statistics.h"

#define AT G_GINT64_CONSTANT(0xab0000000000) /* the time in an_id() */

static const StatisticsSpan there = {AT, AT + 1}, before = {AT - 1000, AT},
                            after = {AT + 1, AT + 1000};

/* One row as text; the rows before it stay. */
static void note(const StatisticsRow *row, gpointer user) {
  g_string_append_printf(user, "%s%s%s%s%+" G_GINT64_FORMAT " %" G_GINT64_FORMAT ";",
                         row->what != NULL ? row->what : "", row->what != NULL ? "/" : "",
                         row->detail != NULL ? row->detail : "", row->detail != NULL ? " " : "",
                         row->at > AT / 2 ? row->at - AT : row->at - NOW, row->number);
}

#define SEES(expected, call)                                                                       \
  do {                                                                                             \
    g_autoptr(GString) seen = g_string_new(NULL);                                                  \
    GOOD(call);                                                                                    \
    g_assert_cmpstr(seen->str, ==, expected);                                                      \
  } while (0)

static void test_orders(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Store *store = fixture->store;
  add_order(store, 1, "valid", NOW);
  add_order(store, 2, "valid", NOW);
  Id failed = add_order(store, 3, "pending", NOW);
  GIVES(STORE_CHANGED, order_move(store, &failed, "pending", "invalid", "{\"type\":1}", &error));
  fixture_commit(fixture);
  SEES("+0 0;+0 0;", statistics_orders(store, &there, "valid", note, seen, &error));
  SEES("+0 0;", statistics_orders(store, &there, "invalid", note, seen, &error));
  SEES("", statistics_orders(store, &there, "ready", note, seen, &error));
  SEES("", statistics_orders(store, &before, "valid", note, seen, &error));
  SEES("", statistics_orders(store, &after, "valid", note, seen, &error));
  SEES("{\"type\":1}/+0 0;", statistics_failures(store, &there, note, seen, &error));
  SEES("", statistics_failures(store, &after, note, seen, &error));
}

static Id add_message(Store *store, guint8 number, const Id *challenge, const char *verdict,
                      const char *rule) {
  Id raw = an_id((guint8)(number + 100));
  g_autoptr(GBytes) text = octets("mail");
  Message message = {
      .id = an_id(number), .challenge_id = *challenge, .direction = (char *)"in", .at = NOW + 20};
  GOOD(message_insert_raw(store, &raw, text, &error));
  GOOD(message_insert(store, &message, &raw, &error));
  if (verdict != NULL)
    GIVES(STORE_CHANGED, message_judge(store, &message.id, verdict, rule, NULL, "", NULL, &error));
  return message.id;
}

static void note_delay(const StatisticsDelay *delay, gpointer user) {
  g_string_append_printf(user, "%" G_GINT64_FORMAT " %" G_GINT64_FORMAT " %" G_GINT64_FORMAT ";",
                         delay->sent - NOW, delay->received - NOW, delay->passed - NOW);
}

static void test_replies(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Store *store = fixture->store;
  Id challenge = add_challenge(store, 1, NOW + 1000), other = add_challenge(store, 2, NOW + 1000);
  GIVES(STORE_CHANGED, challenge_set_sent(store, &challenge, NOW + 10, "250", &error));
  add_message(store, 1, &challenge, "noted", "dkim");
  add_message(store, 2, &challenge, "passed", "digest");
  add_message(store, 3, &other, NULL, NULL);
  GIVES(STORE_CHANGED, challenge_pass(store, &challenge, NOW + 30, &error));
  fixture_commit(fixture);
  SEES("noted/dkim +0 0;passed/digest +0 0;",
       statistics_replies(store, &there, note, seen, &error));
  SEES("", statistics_replies(store, &before, note, seen, &error));
  SEES("10 20 30;", statistics_delays(store, &there, note_delay, seen, &error));
  SEES("", statistics_delays(store, &after, note_delay, seen, &error));
}

static void test_certificates(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Store *store = fixture->store;
  g_autoptr(GBytes) issuer = octets("a");
  gint64 shard = 0, count = 0;
  const StatisticsSpan all = {NOW, NOW + 3001}, some = {NOW + 11, NOW + 3000};
  GOOD(crl_shard_ensure(store, issuer, &shard, &error));
  for (guint8 number = 1; number <= 3; number++)
    add_certificate(store, number, shard);
  Id revoked = an_id(2);
  GIVES(STORE_CHANGED, certificate_revoke(store, &revoked, NOW + 10, 4, &error));
  fixture_commit(fixture);
  SEES("+10 4;", statistics_revocations(store, &all, note, seen, &error));
  SEES("", statistics_revocations(store, &some, note, seen, &error));
  SEES("+1000 0;+2000 0;+3000 0;", statistics_ends(store, &all, note, seen, &error));
  SEES("+1000 0;+2000 0;", statistics_ends(store, &some, note, seen, &error));
  SEES("+2000 0;", statistics_ends_revoked(store, &all, note, seen, &error));
  GOOD(certificate_count_ending(store, NOW, NOW + 3000, 10, &count, &error));
  g_assert_cmpint(count, ==, 3);
  GOOD(certificate_count_ending(store, NOW + 1000, NOW + 2999, 10, &count, &error));
  g_assert_cmpint(count, ==, 1);
  GOOD(certificate_count_ending(store, NOW, NOW + 3000, 2, &count, &error));
  g_assert_cmpint(count, ==, 2);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  FIXTURE_TEST("/statistics/orders", test_orders);
  FIXTURE_TEST("/statistics/replies", test_replies);
  FIXTURE_TEST("/statistics/certificates", test_certificates);
  return g_test_run();
}
