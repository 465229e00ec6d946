/* SPDX-License-Identifier: Apache-2.0 */
/* What a restored store is told of the signer's log and of revocation lists (ca-rules 31, 33, 34).
 */
#include "acme/command.h"
#include "ca/certificate.h"
#include "ca/certificate_read.h"
#include "ca/key.h"
#include "harness.h"
#include "store/certificate.h"
#include "store/crl_shard.h"
#include "store/issuance_stop.h"
#include "store/restored.h"

#define UID 1234

static const char *const alice[] = {"Alice@example.org", NULL};
static const char *const bob[] = {"bob@example.org", "carol@example.net", NULL};

/* --- commands, as core's turns run them --- */

static CommandOutcome ask(Lab *lab, const char *name, const char *arguments, char **text) {
  g_autoptr(GError) error = NULL;
  CommandOutcome outcome = COMMAND_FAILED;
  *text = NULL;
  do {
    g_clear_pointer(text, g_free);
    lab_begin(lab);
    outcome = command_run(&lab->acme, UID, name, arguments, text, &error);
  } while (!lab_end(lab, outcome == COMMAND_DONE));
  g_assert_no_error(error);
  return outcome;
}

static void refused(Lab *lab, const char *name, const char *arguments, const char *why) {
  g_autofree char *text = NULL;
  g_assert_cmpint(ask(lab, name, arguments, &text), ==, COMMAND_REFUSED);
  if (strstr(text, why) == NULL)
    g_error("%s: %s, not %s", name, text, why);
}

static json_t *done(Lab *lab, const char *name, const char *arguments) {
  g_autofree char *text = NULL;
  if (ask(lab, name, arguments, &text) != COMMAND_DONE)
    g_error("%s: %s", name, text);
  return json_loads(text, 0, NULL);
}

/* Every count is what is said of it, "name number name number ...", the others are 0. */
static void assert_counts(const json_t *answer, const char *expected) {
  const char *name = NULL;
  json_t *value = NULL;
  g_autoptr(GString) found = g_string_new(NULL);
  json_object_foreach((json_t *)answer, name, value) {
    if (json_integer_value(value) != 0)
      g_string_append_printf(found, "%s%s %d", found->len > 0 ? " " : "", name,
                             (int)json_integer_value(value));
  }
  g_assert_cmpstr(found->str, ==, expected);
}

static json_t *enter(Lab *lab, GBytes *der) {
  g_autofree char *encoded = base64url_encode(g_bytes_get_data(der, NULL), g_bytes_get_size(der));
  g_autofree char *arguments = g_strdup_printf(
      "{\"certificates\":[\"%s\"],\"times\":[\"%" G_GINT64_FORMAT "\"]}", encoded, lab->clock.now);
  return done(lab, "store enter", arguments);
}

static void enters(Lab *lab, GBytes *der, const char *counts) {
  json_t *answer = enter(lab, der);
  g_assert_cmpuint(json_array_size(json_object_get(answer, "strange")), ==, 0);
  assert_counts(answer, counts);
  json_decref(answer);
}

static void settles(Lab *lab, const char *counts, gboolean more) {
  json_t *answer = done(lab, "store settle", "{}");
  assert_counts(answer, counts);
  g_assert_cmpint(json_is_true(json_object_get(answer, "more")), ==, more);
  json_decref(answer);
}

/* --- what was lost --- */

static void restore(Lab *lab, gboolean log_lost) {
  const Restored restored = {.at = lab->clock.now,
                             .taken_at = lab->clock.now - CLOCK_HOUR,
                             .source = (char *)"a backup",
                             .log_lost = log_lost};
  LAB_TURN(lab, restored_insert(lab->acme.store, &restored, "restored", "0", NULL));
  lab->clock.now += CLOCK_SECOND;
}

/* A certificate as the signer's log has it, that the store has never heard of. */
static GBytes *sign(Lab *lab, const Issuer *signer, EVP_PKEY *key, const char *const *names,
                    guint8 serial) {
  g_autoptr(GError) error = NULL;
  guint8 *octets = NULL, random[CERTIFICATE_SERIAL_OCTETS + 2] = {0};
  int length = i2d_PUBKEY(key, &octets);
  memset(random, serial, sizeof(random));
  g_autoptr(GBytes) number = certificate_serial(random);
  g_autoptr(GBytes) spki = g_bytes_new(octets, (gsize)length);
  OPENSSL_free(octets);
  const CertificateFields fields = {.serial = number,
                                    .spki = spki,
                                    .names = names,
                                    .not_before = lab->clock.now,
                                    .not_after = lab->clock.now + 30 * CLOCK_DAY - CLOCK_SECOND,
                                    .sign = TRUE,
                                    .profile = PROFILE_STRICT,
                                    .crl_url = LAB_PKI "crl-1.crl",
                                    .issuer_url = LAB_PKI "issuing.der"};
  g_autoptr(GBytes) tbs = certificate_build(signer, &fields, &error);
  g_assert_no_error(error);
  GBytes *der = certificate_sign(signer, tbs, &error);
  g_assert_no_error(error);
  return der;
}

static gint64 certificates(Lab *lab) {
  return lab_count(lab, "SELECT count(*) FROM certificate WHERE der IS NOT NULL");
}

static void list(Lab *lab, GBytes *serial, gint64 reason) {
  const Listed listed = {.serial = serial,
                         .shard = 1,
                         .revoked_at = lab->clock.now - CLOCK_MINUTE,
                         .reason = reason,
                         .not_after = lab->clock.now + 825 * CLOCK_DAY};
  LAB_TURN(lab, listed_insert(lab->acme.store, &listed, NULL));
}

static guint entries(Lab *lab) {
  g_autoptr(GPtrArray) found = crl_shard_entries(lab->acme.store, 1, lab->clock.now, NULL);
  g_assert_nonnull(found);
  return found->len;
}

/* --- tests --- */

/* Only over a restored store, and issuance only after it. */
static void test_order_of_things(void) {
  g_autoptr(Lab) lab = lab_new();
  refused(lab, "store enter", "{}", "nothing to reconcile");
  refused(lab, "store settle", "{}", "nothing to reconcile");
  json_t *answer = done(lab, "store show", "{}");
  g_assert_true(json_is_false(json_object_get(answer, "open")));
  json_decref(answer);
  restore(lab, FALSE);
  refused(lab, "issuance start", "{}", "run signetctl store reconcile first");
  lab_restart(lab);
  refused(lab, "issuance start", "{}", "run signetctl store reconcile first");
  answer = done(lab, "store show", "{}");
  g_assert_true(json_is_true(json_object_get(answer, "open")));
  g_assert_cmpstr(json_string_value(json_object_get(answer, "source")), ==, "a backup");
  json_decref(answer);
  settles(lab, "", FALSE);
  refused(lab, "store settle", "{}", "nothing to reconcile");
  json_decref(done(lab, "issuance start", "{}"));
}

/* The stop itself cannot be taken away before, whoever tries. */
static void test_stop_holds(void) {
  g_autoptr(Lab) lab = lab_new();
  const IssuanceStop before = {lab->clock.now, (char *)"moving", (char *)"0"};
  g_autoptr(IssuanceStop) stop = NULL;
  LAB_TURN(lab, issuance_stop_set(lab->acme.store, &before, NULL) == STORE_CHANGED);
  restore(lab, FALSE);
  LAB_TURN(lab, issuance_stop_clear(lab->acme.store, NULL) == STORE_UNCHANGED);
  g_assert_cmpint(issuance_stop_find(lab->acme.store, &stop, NULL), ==, STORE_FOUND);
  g_assert_cmpstr(stop->reason, ==, "restored");
  LAB_TURN(lab, restored_close(lab->acme.store, lab->clock.now, NULL));
  LAB_TURN(lab, issuance_stop_clear(lab->acme.store, NULL) == STORE_CHANGED);
}

/* Signed for an order in processing of which the store does not even have the octets. */
static void test_attached(void) {
  g_autoptr(Lab) lab = lab_new();
  LabClient *client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  g_autoptr(Answer) answer = lab_finalize(order);
  restore(lab, FALSE);
  EVP_PKEY *other = lab_key("P-256");
  g_autoptr(GBytes) another = sign(lab, lab->signer, other, alice, 2);
  g_autoptr(GBytes) der = sign(lab, lab->signer, order->key, alice, 1);
  EVP_PKEY_free(other);
  enters(lab, another, "alone 1"); /* of another key: not this order's */
  assert_status(order, order->order, "processing");
  enters(lab, der, "attached 1");
  assert_status(order, order->order, "valid");
  g_autoptr(GBytes) leaf = lab_leaf(order);
  g_assert_true(g_bytes_equal(leaf, der));
  enters(lab, der, "known 1");
  settles(lab, "", FALSE);
  json_decref(done(lab, "issuance start", "{}"));
  g_assert_cmpuint(lab_run(lab, JOB_ISSUE), ==, 1); /* it ends, and nothing is built */
  g_assert_cmpint(certificates(lab), ==, 2);
  lab_client_free(client);
}

/* Built before the backup, signed after it. */
static void test_completed(void) {
  g_autoptr(Lab) lab = lab_new();
  LabClient *client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  g_autoptr(Answer) answer = lab_finalize(order);
  g_auto(Question) question = {0};
  lab_answer_caa(lab, RESOLVER_NONE, NULL);
  lab_answer_build(lab);
  lab_ask(lab, JOB_ISSUE, QUESTION_SIGN, &question);
  GBytes *der = lab_certificate(lab, &question);
  restore(lab, FALSE);
  enters(lab, der, "completed 1");
  assert_status(order, order->order, "valid");
  enters(lab, der, "known 1");
  LAB_TURN(lab, job_signed(&lab->acme, &question, der, "", NULL)); /* late, and harmless */
  g_assert_cmpint(certificates(lab), ==, 1);
  lab_client_free(client);
}

/* The order is lost, and the certificate is known: by number and mailbox, for lists and renewal. */
static void test_alone(void) {
  g_autoptr(Lab) lab = lab_new();
  LabClient *client = lab_account(lab);
  static const char *const dave[] = {"bob@example.org", NULL};
  g_autoptr(LabOrder) same = lab_order_of(lab, client, bob);
  g_autoptr(LabOrder) ready = lab_ready(lab, client);
  g_autoptr(LabOrder) other = lab_order_of(lab, client, dave);
  restore(lab, FALSE);
  EVP_PKEY *key = lab_key("P-256");
  g_autoptr(GBytes) der = sign(lab, lab->signer, key, bob, 1);
  g_autoptr(GBytes) second = sign(lab, lab->signer, key, alice, 2);
  EVP_PKEY_free(key);
  enters(lab, der, "alone 1 ended 1");
  assert_status(same, same->order, "invalid");
  assert_status(other, other->order, "pending");
  assert_status(ready, ready->order, "ready");
  enters(lab, second, "alone 1 ended 1");
  assert_status(ready, ready->order, "invalid");
  settles(lab, "", FALSE);
  g_assert_cmpint(lab_count(lab, "SELECT issued FROM crl_shard WHERE number = 1"), ==, 2);
  json_decref(done(lab, "issuance start", "{}"));
  json_decref(done(lab, "certificate revoke-all",
                   "{\"address\":\"carol@example.net\",\"reason\":\"superseded\"}"));
  lab->clock.now += CLOCK_MINUTE;
  g_assert_cmpuint(lab_run(lab, JOB_REVOKE), ==, 1);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM certificate WHERE revoked_at IS NOT NULL"),
                  ==, 1);
  g_assert_cmpuint(entries(lab), ==, 1);
  lab_client_free(client);
}

/* Whoever proves its mailboxes renews it, once. */
static void test_renewed(void) {
  g_autoptr(Lab) lab = lab_new();
  LabClient *client = lab_account(lab);
  restore(lab, FALSE);
  EVP_PKEY *key = lab_key("P-256");
  g_autoptr(GBytes) der = sign(lab, lab->signer, key, bob, 1);
  EVP_PKEY_free(key);
  enters(lab, der, "alone 1");
  settles(lab, "", FALSE);
  json_decref(done(lab, "issuance start", "{}"));
  g_autoptr(GBytes) authority = certificate_authority(der);
  g_autoptr(GBytes) serial = certificate_serial_of(der);
  g_autofree char *first =
      base64url_encode(g_bytes_get_data(authority, NULL), g_bytes_get_size(authority));
  g_autofree char *last =
      base64url_encode(g_bytes_get_data(serial, NULL), g_bytes_get_size(serial));
  g_autofree char *path = g_strdup_printf("/renewal-info/%s.%s", first, last);
  g_autofree char *payload =
      g_strdup_printf("{\"identifiers\":[{\"type\":\"email\",\"value\":\"bob@example.org\"},"
                      "{\"type\":\"email\",\"value\":\"carol@example.net\"}],\"replaces\":"
                      "\"%s.%s\"}",
                      first, last);
  g_autoptr(Answer) info = lab_get(lab, path);
  g_assert_cmpuint(info->status, ==, 200);
  g_autoptr(LabOrder) order = lab_order_with(lab, client, payload);
  g_autoptr(Answer) again = lab_send(lab, client, FALSE, "/new-order", payload);
  g_assert_cmpuint(again->status, ==, 409);
  lab_client_free(client);
}

/* What lists had that were out stays on every list, and becomes a revocation. */
static void test_listed(void) {
  g_autoptr(Lab) lab = lab_new();
  LabClient *client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  lab_issue(order);
  g_autoptr(GBytes) known = lab_leaf(order);
  restore(lab, FALSE);
  EVP_PKEY *key = lab_key("P-256");
  g_autoptr(GBytes) unknown = sign(lab, lab->signer, key, bob, 1);
  EVP_PKEY_free(key);
  g_autoptr(GBytes) first = certificate_serial_of(known);
  g_autoptr(GBytes) second = certificate_serial_of(unknown);
  g_autoptr(GBytes) lost = g_bytes_new_static("\x01\x02\x03", 3);
  list(lab, first, 4);
  list(lab, second, 1);
  list(lab, lost, 4);
  list(lab, lost, 4);
  g_assert_cmpuint(entries(lab), ==, 3);
  enters(lab, unknown, "alone 1");
  settles(lab, "revoked 2", TRUE);
  g_assert_cmpuint(entries(lab), ==, 3);
  settles(lab, "unknown 1", FALSE);
  g_assert_cmpuint(entries(lab), ==, 3);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM blocked_key"), ==, 1);
  g_autofree char *count =
      g_strdup_printf("SELECT count(*) FROM certificate WHERE revoked_at = %" G_GINT64_FORMAT
                      " AND reason IN (1, 4)",
                      lab->clock.now - CLOCK_MINUTE);
  g_assert_cmpint(lab_count(lab, count), ==, 2);
  lab_client_free(client);
}

/* Somebody revoked it again before: one entry, and that one stands. */
static void test_listed_and_revoked(void) {
  g_autoptr(Lab) lab = lab_new();
  LabClient *client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  lab_issue(order);
  g_autoptr(GBytes) leaf = lab_leaf(order);
  g_autoptr(GBytes) serial = certificate_serial_of(leaf);
  restore(lab, FALSE);
  list(lab, serial, 4);
  g_autoptr(Answer) revoked = lab_revoke(lab, client, FALSE, leaf, "5");
  g_assert_cmpuint(revoked->status, ==, 200);
  g_assert_cmpuint(entries(lab), ==, 1);
  settles(lab, "revoked 1", TRUE);
  settles(lab, "", FALSE);
  g_assert_cmpint(lab_count(lab, "SELECT reason FROM certificate"), ==, 5);
  list(lab, serial, 4); /* the store has it: not again */
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM listed"), ==, 0);
  lab_client_free(client);
}

/* A key that is blocked here already: what was signed for it meanwhile is revoked. */
static void test_blocked(void) {
  g_autoptr(Lab) lab = lab_new();
  EVP_PKEY *key = lab_key("P-256");
  guint8 *octets = NULL;
  int length = i2d_PUBKEY(key, &octets);
  g_autoptr(GBytes) spki = g_bytes_new(octets, (gsize)length);
  g_autoptr(GBytes) digest = key_digest(spki);
  OPENSSL_free(octets);
  LAB_TURN(lab, key_block(lab->acme.store, digest, lab->clock.now, "leaked", NULL));
  restore(lab, FALSE);
  g_autoptr(GBytes) der = sign(lab, lab->signer, key, bob, 1);
  EVP_PKEY_free(key);
  enters(lab, der, "alone 1");
  g_assert_cmpint(lab_count(lab, "SELECT reason FROM certificate"), ==, 1);
}

/* Nobody knows which orders got a certificate: all that are open end. */
static void test_log_lost(void) {
  g_autoptr(Lab) lab = lab_new();
  LabClient *client = lab_account(lab);
  g_autoptr(LabOrder) valid = lab_ready(lab, client);
  lab_issue(valid);
  g_autoptr(LabOrder) ready = lab_ready(lab, client);
  g_autoptr(LabOrder) pending = lab_order_of(lab, client, bob);
  g_autoptr(LabOrder) processing = lab_ready(lab, client);
  g_autoptr(Answer) answer = lab_finalize(processing);
  restore(lab, TRUE);
  settles(lab, "ended 3", TRUE);
  settles(lab, "", FALSE);
  assert_status(valid, valid->order, "valid");
  assert_status(ready, ready->order, "invalid");
  assert_status(pending, pending->order, "invalid");
  assert_status(processing, processing->order, "invalid");
  lab_client_free(client);
}

/* What is not this CA's, or does not fit, is told and not entered. */
static void test_strange(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(Lab) elsewhere = lab_new();
  LabClient *client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  lab_issue(order);
  restore(lab, FALSE);
  EVP_PKEY *key = lab_key("P-256");
  g_autoptr(GBytes) foreign = sign(lab, elsewhere->signer, key, bob, 1);
  g_autoptr(GBytes) mine = sign(lab, lab->signer, key, bob, 2);
  EVP_PKEY_free(key);
  json_t *answer = enter(lab, foreign);
  const json_t *first = json_array_get(json_object_get(answer, "strange"), 0);
  g_assert_nonnull(strstr(json_string_value(json_object_get(first, "why")), "not configured"));
  json_decref(answer);
  lab->clock.now += 60 * CLOCK_DAY; /* over: nobody needs it */
  enters(lab, foreign, "over 1");
  lab->clock.now -= 60 * CLOCK_DAY;
  g_autoptr(GBytes) serial = certificate_serial_of(mine);
  lab_begin(lab);
  g_assert_true(sql_run(lab->acme.store, NULL, "UPDATE certificate SET serial = ?1", "b", serial));
  lab_commit(lab, TRUE);
  answer = enter(lab, mine);
  first = json_array_get(json_object_get(answer, "strange"), 0);
  g_assert_nonnull(strstr(json_string_value(json_object_get(first, "why")), "other octets"));
  json_decref(answer);
  g_assert_cmpint(certificates(lab), ==, 1);
  refused(lab, "store enter", "{\"certificates\":[\"AAAA\"],\"times\":[\"1\"]}", "cannot be read");
  refused(lab, "store enter", "{\"certificates\":[\"AAAA\"],\"times\":[]}", "as many times");
  refused(lab, "store enter", "{\"certificates\":[\"AAAA\"],\"times\":[\"x\"]}", "cannot be read");
  lab_client_free(client);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/acme/command_store/order-of-things", test_order_of_things);
  g_test_add_func("/acme/command_store/stop-holds", test_stop_holds);
  g_test_add_func("/acme/command_store/attached", test_attached);
  g_test_add_func("/acme/command_store/completed", test_completed);
  g_test_add_func("/acme/command_store/alone", test_alone);
  g_test_add_func("/acme/command_store/renewed", test_renewed);
  g_test_add_func("/acme/command_store/listed", test_listed);
  g_test_add_func("/acme/command_store/listed-and-revoked", test_listed_and_revoked);
  g_test_add_func("/acme/command_store/blocked", test_blocked);
  g_test_add_func("/acme/command_store/log-lost", test_log_lost);
  g_test_add_func("/acme/command_store/strange", test_strange);
  return g_test_run();
}
