/* SPDX-License-Identifier: Apache-2.0 */
/* A store with an open transaction, and rows to start from: on SQLite or PostgreSQL (database.h).
 */
#ifndef SIGNET_TESTS_STORE_FIXTURE_H
#define SIGNET_TESTS_STORE_FIXTURE_H

#include "store/account.h"
#include "store/authorization.h"
#include "store/certificate.h"
#include "store/challenge.h"
#include "store/order.h"
#include "store/sql.h"
#include "tests/unit/store/database.h"

#include <string.h>

#define NOW G_GINT64_CONSTANT(1750000000000)

typedef struct {
  StorePlace place;
  Store *store;
} Fixture;

/* Fails the test with what the store says. */
static inline void good(gboolean result, GError *error) {
  g_assert_no_error(error);
  g_assert_true(result);
}

#define GOOD(call)                                                                                 \
  do {                                                                                             \
    GError *error = NULL;                                                                          \
    gboolean result = (call);                                                                      \
    good(result, error);                                                                           \
  } while (0)

/* A conditional change or a look-up gives what is expected, without an error. */
#define GIVES(expected, call)                                                                      \
  do {                                                                                             \
    GError *error = NULL;                                                                          \
    int outcome = (int)(call);                                                                     \
    g_assert_no_error(error);                                                                      \
    g_assert_cmpint(outcome, ==, (int)(expected));                                                 \
  } while (0)

static inline void fixture_open(Fixture *fixture) {
  GError *failure = NULL;
  fixture->store = store_open(&fixture->place, &failure);
  good(fixture->store != NULL, failure);
  GOOD(store_begin(fixture->store, &error));
}

static inline void fixture_set_up(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  fixture->place = database_new();
  fixture_open(fixture);
}

static inline void fixture_tear_down(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  if (fixture->store != NULL)
    store_rollback(fixture->store);
  store_close(fixture->store);
  database_clear(&fixture->place);
}

/* Commits, and begins the next transaction. */
static inline void fixture_commit(Fixture *fixture) {
  GOOD(store_commit(fixture->store, &error));
  GOOD(store_begin(fixture->store, &error));
}

/* Begins the next transaction without a commit of this one. */
static inline void fixture_undo(Fixture *fixture) {
  store_rollback(fixture->store);
  GOOD(store_begin(fixture->store, &error));
}

/* A statement that breaks a rule of the schema fails and says so, at the latest at the commit; on a
   shared store that may have been another transaction's doing. What was done before it is kept. */
#define BREAKS(fixture, call)                                                                      \
  do {                                                                                             \
    GError *error = NULL;                                                                          \
    fixture_commit(fixture);                                                                       \
    g_assert_cmpint((int)(call) > 0 && store_commit((fixture)->store, &error), ==, FALSE);         \
    if (!g_error_matches(error, STORE_ERROR, STORE_ERROR_AGAIN))                                   \
      g_assert_error(error, STORE_ERROR, STORE_ERROR_FAILED);                                      \
    g_error_free(error);                                                                           \
    fixture_undo(fixture);                                                                         \
  } while (0)

#define FIXTURE_TEST(path, function)                                                               \
  g_test_add(path, Fixture, NULL, fixture_set_up, function, fixture_tear_down)

static inline Id an_id(guint8 number) {
  Id id = {{0}};
  id.octets[0] = 0xab; /* octets that are no text */
  id.octets[ID_OCTETS - 1] = number;
  return id;
}

static inline GBytes *octets(const char *text) {
  return g_bytes_new(text, strlen(text));
}

static inline void assert_octets(GBytes *bytes, const char *text) {
  g_autoptr(GBytes) expected = octets(text);
  g_assert_nonnull(bytes);
  g_assert_true(g_bytes_equal(bytes, expected));
}

/* What one number of one row is. */
static inline gint64 number_of(Store *store, const char *sql) {
  SqlQuery query = sql_query(store, sql, "");
  gint64 number = sql_row(&query) ? sql_int(&query, 0) : -1;
  GOOD(sql_end(&query, &error));
  return number;
}

static inline Id add_account(Store *store, guint8 number) {
  g_autofree char *text = g_strdup_printf("thumbprint %u", number);
  g_autoptr(GBytes) thumbprint = octets(text);
  Account account = {.id = an_id(number),
                     .status = (char *)"valid",
                     .thumbprint = thumbprint,
                     .jwk = (char *)"{}",
                     .contact = (char *)"[]",
                     .created_at = NOW};
  GIVES(STORE_CHANGED, account_insert(store, &account, &error));
  return account.id;
}

/* Of account 1, which it makes when there is none. */
static inline Id add_order(Store *store, guint8 number, const char *status, gint64 expires_at) {
  Order order = {.id = an_id(number),
                 .account_id = an_id(1),
                 .status = (char *)status,
                 .created_at = NOW,
                 .expires_at = expires_at};
  if (number_of(store, "SELECT count(*) FROM account") == 0)
    add_account(store, 1);
  GIVES(STORE_CHANGED, order_insert(store, &order, &error));
  return order.id;
}

static inline Id add_authorization(Store *store, guint8 number, const Id *order, gint64 position,
                                   const char *domain) {
  g_autofree char *address = g_strdup_printf("ann%u@%s", number, domain);
  Authorization authorization = {.id = an_id(number),
                                 .claimed = TRUE,
                                 .order_id = *order,
                                 .type = (char *)"email",
                                 .account_id = an_id(1),
                                 .position = position,
                                 .identifier = address,
                                 .address = address,
                                 .canonical = address,
                                 .domain = (char *)domain,
                                 .status = (char *)"pending",
                                 .expires_at = NOW + 1000};
  GOOD(authorization_insert(store, &authorization, &error));
  return authorization.id;
}

/* With an order and an authorization of the same number. */
static inline Id add_challenge(Store *store, guint8 number, gint64 deadline) {
  Id order = add_order(store, number, "pending", NOW + 1000);
  g_autofree char *mail_from = g_strdup_printf("acme+%u@ca.test", number);
  Challenge challenge = {.id = an_id(number),
                         .authz_id = add_authorization(store, number, &order, 0, "user.test"),
                         .status = (char *)"pending",
                         .token2 = (char *)"token-part2",
                         .mail_from = mail_from,
                         .created_at = NOW,
                         .deadline = deadline};
  GOOD(challenge_insert(store, &challenge, &error));
  return challenge.id;
}

/* For an order; its serial is the text of its number. */
static inline StoreChange try_certificate(Store *store, guint8 number, const Id *order,
                                          gint64 shard, GError **error) {
  g_autofree char *text = g_strdup_printf("serial %u", number);
  g_autoptr(GBytes) serial = octets(text);
  g_autoptr(GBytes) digest = octets("digest of the key");
  g_autoptr(GBytes) tbs = octets("to be signed");
  Certificate certificate = {.id = an_id(number),
                             .order_id = *order,
                             .account_id = an_id(1),
                             .serial = serial,
                             .shard = shard,
                             .not_before = NOW,
                             .not_after = NOW + 1000 * (gint64)number,
                             .key_digest = digest,
                             .tbs = tbs,
                             .findings = (char *)"",
                             .signing_at = NOW};
  return certificate_insert(store, &certificate, error);
}

/* Issued, with an order of the same number. */
static inline Id add_certificate(Store *store, guint8 number, gint64 shard) {
  Id id = an_id(number), order = add_order(store, number, "processing", NOW);
  g_autoptr(GBytes) der = octets("a certificate");
  GIVES(STORE_CHANGED, try_certificate(store, number, &order, shard, &error));
  GIVES(STORE_CHANGED, certificate_set_der(store, &id, der, NOW + 1, &error));
  return id;
}

#endif
