/* SPDX-License-Identifier: Apache-2.0 */
/* Who may revoke what for which reason (RFC 8555 section 7.6, ca-rules 30), and what follows from a
   key that is compromised. */
#include "tests/unit/acme/harness.h"

static const char *const alice[] = {"alice@example.org", NULL};
static const char *const bob[] = {"bob@example.org", NULL};
static const char *const both[] = {"alice@example.org", "bob@example.org", NULL};

/* --- certificates and authorizations --- */

static void prove(LabOrder *order) {
  for (guint i = 0; i < order->challenges->len; i++)
    lab_validate(order, i);
}

static Answer *finalize(LabOrder *order, const char *const *addresses) {
  g_autofree char *joined = g_strjoinv(",email:", (char **)addresses);
  g_autofree char *names = g_strconcat("email:", joined, NULL);
  return lab_finalize_with(order, order->key, names);
}

/* Up to the question that the signer gets; addresses of one domain; key is of the certificate. */
static LabOrder *to_signature(Lab *lab, LabClient *client, const char *const *addresses,
                              EVP_PKEY *key, Question *question) {
  LabOrder *order = lab_order_of(lab, client, addresses);
  EVP_PKEY_up_ref(key);
  EVP_PKEY_free(order->key);
  order->key = key;
  prove(order);
  g_autoptr(Answer) answer = finalize(order, addresses);
  g_assert_cmpstr(lab_text(answer, "status"), ==, "processing");
  lab_answer_caa(lab, RESOLVER_NONE, NULL);
  lab_answer_build(lab);
  lab_ask(lab, JOB_ISSUE, QUESTION_SIGN, question);
  return order;
}

static GBytes *issue(Lab *lab, LabClient *client, const char *const *addresses, EVP_PKEY *key) {
  g_auto(Question) question = {0};
  g_autoptr(LabOrder) order = to_signature(lab, client, addresses, key, &question);
  lab_signed(lab, &question);
  return lab_leaf(order);
}

static LabOrder *authorized(Lab *lab, LabClient *client, const char *address) {
  LabOrder *order = lab_authorize(lab, client, address);
  prove(order);
  return order;
}

static LabClient *holder_of(EVP_PKEY *key) {
  EVP_PKEY_up_ref(key);
  return lab_client_of(key);
}

#define assert_not_allowed(lab, client, by_key, leaf)                                              \
  do {                                                                                             \
    g_autoptr(Answer) refused_one = lab_revoke(lab, client, by_key, leaf, NULL);                   \
    assert_problem(refused_one, 403, "unauthorized");                                              \
  } while (0)

#define assert_revoked(lab, client, by_key, leaf, reason)                                          \
  do {                                                                                             \
    g_autoptr(Answer) taken_one = lab_revoke(lab, client, by_key, leaf, reason);                   \
    g_assert_cmpuint(taken_one->status, ==, 200);                                                  \
    g_assert_cmpstr(taken_one->text, ==, "");                                                      \
  } while (0)

static gint64 revoked_count(Lab *lab) {
  return lab_count(lab, "SELECT count(*) FROM certificate WHERE revoked_at IS NOT NULL");
}

static gint64 records(Lab *lab, const char *kind, const char *pattern) {
  g_autofree char *sql = g_strdup_printf(
      "SELECT count(*) FROM audit WHERE kind = '%s' AND detail LIKE '%s'", kind, pattern);
  return lab_count(lab, sql);
}

/* One client with a certificate of both mailboxes. */
typedef struct {
  Lab *lab;
  LabClient *client, *other;
  EVP_PKEY *key;
  GBytes *leaf;
} Bench;

static void bench_open(Bench *bench) {
  bench->lab = lab_new();
  bench->client = lab_account(bench->lab);
  bench->other = lab_account(bench->lab);
  bench->key = lab_key("P-256");
  bench->leaf = issue(bench->lab, bench->client, both, bench->key);
}

static void bench_clear(Bench *bench) {
  lab_client_free(bench->client);
  lab_client_free(bench->other);
  EVP_PKEY_free(bench->key);
  g_bytes_unref(bench->leaf);
  lab_free(bench->lab);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Bench, bench_clear)

/* --- by authorizations --- */

/* One before any order, one of an order; those of two accounts do not add up. */
static void test_authorizations(void) {
  g_auto(Bench) bench = {0};
  bench_open(&bench);
  g_autoptr(LabClient) third = lab_account(bench.lab);
  assert_not_allowed(bench.lab, bench.other, FALSE, bench.leaf);
  g_autoptr(LabOrder) first = authorized(bench.lab, bench.other, "Alice@Example.org");
  g_autoptr(LabOrder) third_one = authorized(bench.lab, third, bob[0]);
  assert_not_allowed(bench.lab, bench.other, FALSE, bench.leaf);
  assert_not_allowed(bench.lab, third, FALSE, bench.leaf);
  g_autoptr(LabOrder) order = lab_order_of(bench.lab, bench.other, bob);
  assert_not_allowed(bench.lab, bench.other, FALSE, bench.leaf); /* pending */
  prove(order);
  assert_not_allowed(bench.lab, third, FALSE, bench.leaf);
  assert_revoked(bench.lab, bench.other, FALSE, bench.leaf, NULL);
  g_assert_cmpint(records(bench.lab, "certificate revoked", "%by=\"authorizations\"%"), ==, 1);
}

typedef enum { DEACTIVATED, FAILED, EXPIRED, IN_TIME } Ending;

/* What was valid, or might have become so. In time is the counter-check. */
static void test_ended(gconstpointer data) {
  Ending ending = (Ending)GPOINTER_TO_INT(data);
  g_auto(Bench) bench = {0};
  bench_open(&bench);
  g_autoptr(LabOrder) first = authorized(bench.lab, bench.other, alice[0]);
  g_autoptr(LabOrder) second = ending == FAILED ? lab_authorize(bench.lab, bench.other, bob[0])
                                                : authorized(bench.lab, bench.other, bob[0]);
  if (ending == DEACTIVATED) {
    g_autoptr(Answer) done = lab_post(bench.lab, bench.other, second->authorizations->pdata[0],
                                      "{\"status\":\"deactivated\"}");
    g_assert_cmpuint(done->status, ==, 200);
  } else if (ending == FAILED) {
    LabReply reply = lab_right_reply(second, 0);
    reply.facts.digest[0] ^= 1;
    lab_give_reply(second, 0, &reply);
    lab_reply_clear(&reply);
    assert_status(second, second->authorizations->pdata[0], "invalid");
  } else {
    bench.lab->clock.now += 72 * CLOCK_HOUR - (ending == IN_TIME ? 1 : 0);
  }
  if (ending == IN_TIME)
    assert_revoked(bench.lab, bench.other, FALSE, bench.leaf, NULL);
  else
    assert_not_allowed(bench.lab, bench.other, FALSE, bench.leaf);
}

/* Whose mailbox it is can revoke what somebody else ordered for it, also when that account is gone;
   so can the key. */
static void test_account_gone(gconstpointer by_key) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab), owner = lab_account(lab);
  EVP_PKEY *key = lab_key("P-256");
  g_autoptr(LabClient) holder = lab_client_of(key);
  g_autoptr(GBytes) leaf = issue(lab, client, alice, key);
  g_autoptr(Answer) gone = lab_post(lab, client, client->kid, "{\"status\":\"deactivated\"}");
  g_autoptr(Answer) refused = lab_revoke(lab, client, FALSE, leaf, NULL);
  assert_problem(refused, 401, "unauthorized");
  if (by_key != NULL) {
    assert_revoked(lab, holder, TRUE, leaf, NULL);
    return;
  }
  g_autoptr(LabOrder) proof = authorized(lab, owner, alice[0]);
  assert_revoked(lab, owner, FALSE, leaf, "1");
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM blocked_key"), ==, 1);
  g_assert_false(lab_run(lab, JOB_REVOKE)); /* claimed, not shown */
}

/* --- by key --- */

/* The certificate's key alone: not another certificate's, not the account's without its kid. */
static void test_key(void) {
  static const char *const types[] = {"P-384", "RSA"};
  g_auto(Bench) bench = {0};
  bench_open(&bench);
  g_autoptr(LabClient) holder = holder_of(bench.key);
  for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
    EVP_PKEY *key = lab_key(types[i]);
    g_autoptr(LabClient) another = lab_client_of(key);
    g_autoptr(GBytes) leaf = issue(bench.lab, bench.client, alice, key);
    assert_not_allowed(bench.lab, another, TRUE, bench.leaf);
    assert_not_allowed(bench.lab, holder, TRUE, leaf);
    assert_not_allowed(bench.lab, bench.client, TRUE, leaf);
    assert_revoked(bench.lab, another, TRUE, leaf, NULL);
  }
  g_assert_cmpint(records(bench.lab, "certificate revoked", "%by=\"key\"%"), ==, 2);
  g_assert_cmpint(revoked_count(bench.lab), ==, 2);
}

/* --- reasons and lists --- */

/* Each stands in the revocation list with its time; no reason is 0. */
static void test_reasons(void) {
  static const struct {
    const char *given;
    int reason;
  } good[] = {{NULL, 0}, {"0", 0}, {"1", 1}, {"3", 3}, {"4", 4}, {"5", 5}};
  static const char *const bad[] = {"null",       "true",  "[1]", "\"keyCompromise\"",
                                    "4294967297", "1.0e0", "{}",  "-4294967295"};
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_assert_cmpuint(lab_sign_crl(lab), ==, 0);
  for (gsize i = 0; i < G_N_ELEMENTS(good); i++) {
    EVP_PKEY *key = lab_key("P-256");
    g_auto(Question) question = {0};
    g_autoptr(GBytes) leaf = issue(lab, client, alice, key);
    EVP_PKEY_free(key);
    for (gsize j = 0; j < G_N_ELEMENTS(bad); j++) {
      g_autoptr(Answer) refused = lab_revoke(lab, client, FALSE, leaf, bad[j]);
      assert_problem(refused, 400, "badRevocationReason");
    }
    lab->clock.now += CLOCK_HOUR;
    gint64 revoked_at = lab->clock.now;
    assert_revoked(lab, client, FALSE, leaf, good[i].given);
    g_autoptr(Answer) again = lab_revoke(lab, client, FALSE, leaf, good[i].given);
    assert_problem(again, 400, "alreadyRevoked");
    lab->clock.now += CLOCK_SECOND;
    lab_ask(lab, JOB_CRL, QUESTION_CRL, &question); /* at once */
    g_assert_cmpuint(question.crl.entries->len, ==, i + 1);
    guint found = 0;
    for (guint j = 0; j <= i; j++) {
      const CrlEntry *entry = question.crl.entries->pdata[j];
      if (entry->revoked_at == revoked_at && entry->reason == good[i].reason)
        found++;
    }
    g_assert_cmpuint(found, ==, 1);
    g_autoptr(GBytes) crl = crl_sign(lab->signer, &question.crl, NULL);
    LAB_TURN(lab, job_crl_signed(&lab->acme, &question, crl, "", NULL));
  }
}

/* A second reason does not change the first. */
static void test_once(void) {
  g_auto(Bench) bench = {0};
  bench_open(&bench);
  g_autoptr(LabClient) holder = holder_of(bench.key);
  assert_revoked(bench.lab, holder, TRUE, bench.leaf, "5");
  bench.lab->clock.now += CLOCK_HOUR;
  g_autoptr(Answer) again = lab_revoke(bench.lab, bench.client, FALSE, bench.leaf, "4");
  assert_problem(again, 400, "alreadyRevoked");
  g_assert_cmpint(lab_count(bench.lab, "SELECT reason FROM certificate"), ==, 5);
  g_assert_cmpint(lab_count(bench.lab, "SELECT revoked_at FROM certificate"), ==, LAB_NOW);
}

/* --- what is no certificate of ours --- */

static void test_not_ours(void) {
  static const char *const malformed[] = {"{}", "{\"certificate\":1}", "{\"certificate\":\"AA==\"}",
                                          "{\"certificate\":\"A+/A\"}",
                                          "{\"certificate\":null,\"reason\":1}"};
  static const char *const unknown[] = {"{\"certificate\":\"\"}", "{\"certificate\":\"AAAA\"}"};
  g_auto(Bench) bench = {0};
  bench_open(&bench);
  gsize size = g_bytes_get_size(bench.leaf);
  for (gsize i = 0; i < G_N_ELEMENTS(malformed); i++) {
    g_autoptr(Answer) answer =
        lab_send(bench.lab, bench.client, FALSE, "/revoke-cert", malformed[i]);
    assert_problem(answer, 400, "malformed");
  }
  g_autoptr(Answer) read = lab_send(bench.lab, bench.client, FALSE, "/revoke-cert", NULL);
  assert_problem(read, 400, "malformed");
  for (gsize i = 0; i < G_N_ELEMENTS(unknown); i++) {
    g_autoptr(Answer) answer = lab_send(bench.lab, bench.client, FALSE, "/revoke-cert", unknown[i]);
    assert_problem(answer, 404, "malformed");
  }
  /* Its serial, another signature; and one octet more than there is. */
  g_autofree guint8 *changed = g_malloc0(size + 1);
  memcpy(changed, g_bytes_get_data(bench.leaf, NULL), size);
  g_autoptr(GBytes) longer = g_bytes_new(changed, size + 1);
  changed[size - 1] ^= 1;
  g_autoptr(GBytes) forged = g_bytes_new(changed, size);
  g_autoptr(Answer) first = lab_revoke(bench.lab, bench.client, FALSE, forged, NULL);
  assert_problem(first, 404, "malformed");
  g_autoptr(Answer) second = lab_revoke(bench.lab, bench.client, FALSE, longer, NULL);
  assert_problem(second, 404, "malformed");
  g_assert_cmpint(revoked_count(bench.lab), ==, 0);
}

/* --- keyCompromise --- */

/* 250 more certificates with the key of the only one that there is. */
static void add_certificates(Lab *lab) {
  lab_sql(lab, "CREATE TEMP TABLE more AS WITH RECURSIVE n(i) AS"
               " (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 250)"
               " SELECT CAST(printf('%016d', i) AS BLOB) AS id FROM n;"
               "INSERT INTO orders (id, account_id, status, created_at, expires_at)"
               " SELECT m.id, o.account_id, 'valid', 0, 0 FROM more m, orders o;"
               "INSERT INTO certificate (id, order_id, account_id, serial, shard, not_before,"
               " not_after, key_digest, tbs, findings, signing_at, der, issued_at)"
               " SELECT m.id, m.id, c.account_id, m.id, c.shard, c.not_before, c.not_after,"
               " c.key_digest, x'', '', 0, x'30', 5 FROM more m, certificate c");
}

/* Batch by batch, also when core dies between two. */
static void test_batches(void) {
  static const gint64 after[] = {101, 201, 251};
  g_auto(Bench) bench = {0};
  bench_open(&bench);
  g_autoptr(LabClient) holder = holder_of(bench.key);
  g_assert_cmpuint(lab_sign_crl(bench.lab), ==, 0);
  add_certificates(bench.lab);
  assert_revoked(bench.lab, holder, TRUE, bench.leaf, "1");
  g_assert_cmpint(revoked_count(bench.lab), ==, 1);
  for (gsize i = 0; i < G_N_ELEMENTS(after); i++) {
    g_auto(Question) question = {0};
    lab_ask(bench.lab, JOB_REVOKE, QUESTION_NONE, &question);
    g_assert_cmpint(revoked_count(bench.lab), ==, after[i]);
    lab_restart(bench.lab);
  }
  g_assert_cmpuint(lab_run(bench.lab, JOB_REVOKE), ==, 0);
  g_assert_cmpint(
      lab_count(bench.lab, "SELECT count(*) FROM certificate WHERE reason = 1 AND revoked_at > 0"),
      ==, 251);
  g_assert_cmpint(records(bench.lab, "certificate revoked", "%reason=\"1\" by=\"key\"%"), ==, 251);
  g_assert_cmpint(records(bench.lab, "compromise claimed", "%"), ==, 0);
  bench.lab->clock.now += CLOCK_SECOND;
  g_assert_cmpuint(lab_sign_crl(bench.lab), ==, 251);
}

/* An account's word revokes the one; the others are named for the operator, and its key shows the
   compromise later. */
static void test_claimed(void) {
  g_auto(Bench) bench = {0};
  bench_open(&bench);
  g_autoptr(LabClient) holder = holder_of(bench.key);
  g_autoptr(GBytes) second = issue(bench.lab, bench.other, alice, bench.key);
  g_autofree char *serial = lab_column(
      bench.lab, "SELECT hex(serial) FROM certificate ORDER BY rowid DESC LIMIT ?1", "1");
  assert_revoked(bench.lab, bench.client, FALSE, bench.leaf, "1");
  g_assert_cmpuint(lab_run(bench.lab, JOB_REVOKE), ==, 0);
  g_assert_cmpint(revoked_count(bench.lab), ==, 1);
  g_autofree char *detail =
      lab_column(bench.lab, "SELECT detail FROM audit WHERE kind = ?1", "compromise claimed");
  g_auto(GStrv) parts = g_strsplit(detail, "\"", 3);
  g_autoptr(GBytes) named = base64url_decode(parts[1]);
  g_autoptr(GString) hex = g_string_new(NULL);
  for (gsize i = 0; i < g_bytes_get_size(named); i++)
    g_string_append_printf(hex, "%02X", ((const guint8 *)g_bytes_get_data(named, NULL))[i]);
  g_assert_cmpstr(parts[0], ==, "not-revoked=");
  g_assert_cmpstr(hex->str, ==, serial);
  /* The key is blocked, yet it may still revoke. */
  assert_revoked(bench.lab, holder, TRUE, second, "1");
  g_assert_cmpint(revoked_count(bench.lab), ==, 2);
  g_assert_cmpint(lab_count(bench.lab, "SELECT count(*) FROM blocked_key"), ==, 1);
}

/* Of very many some are named, and the record says that there are more. */
static void test_claimed_many(gconstpointer count) {
  g_auto(Bench) bench = {0};
  bench_open(&bench);
  add_certificates(bench.lab);
  g_autofree char *sql = g_strdup_printf("UPDATE certificate SET key_digest = x'00' WHERE id IN"
                                         " (SELECT id FROM more ORDER BY id LIMIT 250 - %d)",
                                         GPOINTER_TO_INT(count));
  lab_sql(bench.lab, sql);
  assert_revoked(bench.lab, bench.client, FALSE, bench.leaf, "1");
  g_autofree char *detail =
      lab_column(bench.lab, "SELECT detail FROM audit WHERE kind = ?1", "compromise claimed");
  g_auto(GStrv) serials = g_strsplit(detail, " ", -1);
  gboolean more = GPOINTER_TO_INT(count) > 20;
  g_assert_cmpuint(g_strv_length(serials), ==, more ? 20 + 1 : 20);
  g_assert_cmpint(g_str_has_suffix(detail, " more=\"yes\""), ==, more);
  g_assert_cmpint(revoked_count(bench.lab), ==, 1);
}

/* No certificate with the key but the one: nothing to name. */
static void test_claimed_alone(void) {
  g_auto(Bench) bench = {0};
  bench_open(&bench);
  assert_revoked(bench.lab, bench.client, FALSE, bench.leaf, "1");
  g_assert_cmpint(records(bench.lab, "compromise claimed", "%"), ==, 0);
}

/* A certificate that is at the signer while its key is blocked is revoked when it comes. */
static void test_at_signer(gconstpointer shown) {
  g_auto(Bench) bench = {0};
  bench_open(&bench);
  g_autoptr(LabClient) holder = holder_of(bench.key);
  g_auto(Question) question = {0};
  g_autoptr(LabOrder) order = to_signature(bench.lab, bench.other, alice, bench.key, &question);
  g_assert_cmpuint(lab_sign_crl(bench.lab), ==, 0);
  if (shown != NULL)
    assert_revoked(bench.lab, holder, TRUE, bench.leaf, "1");
  else
    assert_revoked(bench.lab, bench.client, FALSE, bench.leaf, "1");
  lab_run(bench.lab, JOB_REVOKE);
  bench.lab->clock.now += CLOCK_SECOND;
  g_assert_cmpuint(lab_sign_crl(bench.lab), ==, 1);
  lab_signed(bench.lab, &question);
  g_assert_cmpint(
      lab_count(bench.lab, "SELECT count(*) FROM certificate WHERE reason = 1 AND revoked_at > 0"),
      ==, 2);
  bench.lab->clock.now += CLOCK_SECOND;
  g_assert_cmpuint(lab_sign_crl(bench.lab), ==, 2);
  g_autoptr(GBytes) leaf = lab_leaf(order);
  g_autoptr(Answer) again = lab_revoke(bench.lab, bench.other, FALSE, leaf, NULL);
  assert_problem(again, 400, "alreadyRevoked");
}

/* Before the signer is asked the order ends instead. */
static void test_before_signer(void) {
  g_auto(Bench) bench = {0};
  bench_open(&bench);
  g_autoptr(LabClient) holder = holder_of(bench.key);
  g_autoptr(LabOrder) order = lab_order_of(bench.lab, bench.other, alice);
  EVP_PKEY_up_ref(bench.key);
  EVP_PKEY_free(order->key);
  order->key = bench.key;
  prove(order);
  g_autoptr(Answer) answer = finalize(order, alice);
  g_assert_cmpstr(lab_text(answer, "status"), ==, "processing");
  assert_revoked(bench.lab, holder, TRUE, bench.leaf, "1");
  g_auto(Question) question = {0};
  lab_ask(bench.lab, JOB_ISSUE, QUESTION_NONE, &question);
  g_autoptr(Answer) shown = lab_post(bench.lab, bench.other, order->order, NULL);
  g_assert_cmpstr(lab_text(shown, "status"), ==, "invalid");
  g_assert_cmpstr(json_string_value(json_object_get(json_object_get(shown->json, "error"), "type")),
                  ==, LAB_URN "badCSR");
}

/* A blocked key opens no account, changes into none and gets no certificate. */
static void test_blocked(void) {
  g_auto(Bench) bench = {0};
  bench_open(&bench);
  g_autoptr(LabClient) holder = holder_of(bench.key);
  assert_revoked(bench.lab, holder, TRUE, bench.leaf, "1");
  g_autoptr(LabOrder) order = lab_ready(bench.lab, bench.other);
  EVP_PKEY_up_ref(bench.key);
  EVP_PKEY_free(order->key);
  order->key = bench.key;
  g_autoptr(Answer) csr = finalize(order, alice);
  assert_problem(csr, 400, "badCSR");
  assert_status(order, order->order, "ready");
  /* Its certificates stand in the way of an account by themselves: without them it is the block. */
  lab_sql(bench.lab, "UPDATE certificate SET key_digest = x'00'");
  g_autoptr(Answer) account = lab_send(bench.lab, holder, TRUE, "/new-account", "{}");
  assert_problem(account, 400, "badPublicKey");
  g_assert_nonnull(strstr(lab_text(account, "detail"), "compromised"));
}

/* --- limits --- */

static gint64 spent(Lab *lab) {
  return lab_count(lab, "SELECT count(*) + total(full_at) FROM rate");
}

/* Where every limit is used up, revocation is as free as ever. */
static void test_no_limit(void) {
  g_autoptr(GPtrArray) overrides = g_ptr_array_new_with_free_func(g_free);
  for (gsize i = 0; i < config_keys_count; i++)
    if (config_keys[i].type == CONFIG_RATE) {
      g_ptr_array_add(overrides,
                      g_strdup_printf("%s.%s", config_keys[i].group, config_keys[i].name));
      g_ptr_array_add(overrides, g_strdup("1/3600000"));
    }
  g_ptr_array_add(overrides, NULL);
  g_autoptr(Lab) lab = lab_new_with((const char *const *)overrides->pdata);
  g_autoptr(LabClient) client = lab_account(lab), stranger = lab_client_of(lab_key("P-256"));
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  lab_issue(order);
  g_autoptr(GBytes) leaf = lab_leaf(order);
  g_autofree char *payload = lab_identifiers(alice);
  g_autoptr(Answer) limited = lab_send(lab, client, FALSE, "/new-order", payload);
  assert_problem(limited, 429, "rateLimited");
  gint64 before = spent(lab);
  for (guint i = 0; i < 30; i++) {
    g_autoptr(Answer) reason = lab_revoke(lab, client, FALSE, leaf, "2");
    assert_problem(reason, 400, "badRevocationReason");
    assert_not_allowed(lab, stranger, TRUE, leaf);
  }
  assert_revoked(lab, client, FALSE, leaf, NULL);
  g_assert_cmpint(spent(lab), ==, before);
}

/* --- lists (ca-rules 31)
 * -------------------------------------------------------------------------------------- */

/* A revoked certificate, on the list that is in the store. */
static LabOrder *listed(Lab *lab, LabClient *client) {
  LabOrder *order = lab_ready(lab, client);
  lab_issue(order);
  g_autoptr(GBytes) leaf = lab_leaf(order);
  g_autoptr(Answer) done = lab_revoke(lab, client, FALSE, leaf, "4");
  g_assert_cmpuint(done->status, ==, 200);
  g_assert_cmpuint(lab_sign_crl(lab), ==, 1);
  return order;
}

/* Also when no list could be made from long before the expiry until long after it. */
static void test_list_after_expiry(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = listed(lab, client);
  lab->clock.now += 500 * CLOCK_DAY;
  g_assert_cmpuint(lab_sign_crl(lab), ==, 1);
  lab->clock.now += 6 * CLOCK_HOUR;
  g_assert_cmpuint(lab_sign_crl(lab), ==, 0);
}

/* What the signer answers is neither kept nor published unless it verifies, and asked for again. */
static void test_list_verified(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = listed(lab, client);
  g_auto(Question) question = {0};
  gint64 before = lab_count(lab, "SELECT this_update FROM crl_shard");
  guint published = lab->acme.publications->len;
  lab->clock.now += 6 * CLOCK_HOUR;
  lab_ask(lab, JOB_CRL, QUESTION_CRL, &question);
  g_autoptr(GBytes) crl = crl_sign(lab->signer, &question.crl, NULL);
  gsize size = 0;
  g_autofree guint8 *octets = g_memdup2(g_bytes_get_data(crl, &size), g_bytes_get_size(crl));
  octets[size - 1] ^= 1;
  g_autoptr(GBytes) changed = g_bytes_new(octets, size);
  CrlFields other = question.crl;
  other.number++;
  g_autoptr(GBytes) of_another_number = crl_sign(lab->signer, &other, NULL);
  GBytes *const bad[] = {changed, of_another_number, g_bytes_new_static("", 0)};
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
    LAB_TURN(lab, job_crl_signed(&lab->acme, &question, bad[i], "", NULL));
    g_assert_cmpint(lab_count(lab, "SELECT this_update FROM crl_shard"), ==, before);
    g_assert_cmpuint(lab->acme.publications->len, ==, published);
    g_auto(Question) none = {0};
    g_assert_false(lab_take(lab, JOB_CRL, &none));
    lab->clock.now += 10 * CLOCK_SECOND;
    question_clear(&question);
    lab_ask(lab, JOB_CRL, QUESTION_CRL, &question);
  }
  g_bytes_unref(bad[2]);
  g_autoptr(GBytes) good = crl_sign(lab->signer, &question.crl, NULL);
  LAB_TURN(lab, job_crl_signed(&lab->acme, &question, good, "", NULL));
  g_assert_cmpint(lab_count(lab, "SELECT this_update FROM crl_shard"), >, before);
  g_assert_cmpuint(lab->acme.publications->len, ==, published + 2);
}

/* Lists that nobody signs, for hours: the log says so with every sweep, and until when the old ones
 * are good. */
static void test_list_overdue(void) {
  if (g_test_subprocess()) {
    g_autoptr(Lab) lab = lab_new();
    g_autoptr(LabClient) client = lab_account(lab);
    g_autoptr(LabOrder) order = listed(lab, client);
    g_autoptr(LabOrder) second = lab_ready(lab, client);
    lab_issue(second);
    lab->clock.now += 6 * CLOCK_HOUR + 10 * CLOCK_MINUTE;
    g_printerr("first sweep\n");
    lab_run(lab, JOB_SWEEP);
    lab->clock.now += 30 * CLOCK_SECOND;
    g_printerr("second sweep\n");
    lab_run(lab, JOB_SWEEP);
    return;
  }
  g_test_trap_subprocess(NULL, 0, 0);
  g_test_trap_assert_passed();
  g_test_trap_assert_stderr("*second sweep*level=error*\"revocation lists overdue\" count=1 "
                            "first=crl-1.crl made=2026-03-01T00:*next-update=2026-03-08T00:*");
  g_test_trap_assert_stderr_unmatched("*overdue*second sweep*");
}

/* The signer dies over a list: the question comes again at once, with a higher number and what was
   revoked meanwhile. */
static void test_list_unanswered(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = listed(lab, client), second = lab_ready(lab, client);
  lab_issue(second);
  g_autoptr(GBytes) leaf = lab_leaf(second);
  g_auto(Question) question = {0}, again = {0};
  lab->clock.now += 6 * CLOCK_HOUR;
  lab_ask(lab, JOB_CRL, QUESTION_CRL, &question);
  g_autoptr(Answer) done = lab_revoke(lab, client, FALSE, leaf, "1");
  g_assert_cmpuint(done->status, ==, 200);
  LAB_TURN(lab, job_unanswered(&lab->acme, &question.job, NULL));
  lab->clock.now += CLOCK_SECOND;
  lab_ask(lab, JOB_CRL, QUESTION_CRL, &again);
  g_assert_cmpint(again.crl.number, >, question.crl.number);
  g_assert_cmpuint(again.crl.entries->len, ==, 2);
}

#define TEST(path, function) g_test_add_func("/acme/revocation/" path, function)
#define TEST_WITH(path, function, data)                                                            \
  g_test_add_data_func("/acme/revocation/" path, data, function)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  TEST("list/after-expiry", test_list_after_expiry);
  TEST("list/verified", test_list_verified);
  TEST("list/overdue", test_list_overdue);
  TEST("list/unanswered", test_list_unanswered);
  TEST("authorizations/all-of-one-account", test_authorizations);
  TEST_WITH("authorizations/deactivated", test_ended, GINT_TO_POINTER(DEACTIVATED));
  TEST_WITH("authorizations/failed", test_ended, GINT_TO_POINTER(FAILED));
  TEST_WITH("authorizations/expired", test_ended, GINT_TO_POINTER(EXPIRED));
  TEST_WITH("authorizations/in-time", test_ended, GINT_TO_POINTER(IN_TIME));
  TEST_WITH("account-gone/authorizations", test_account_gone, NULL);
  TEST_WITH("account-gone/key", test_account_gone, "key");
  TEST("key", test_key);
  TEST("reasons", test_reasons);
  TEST("once", test_once);
  TEST("not-ours", test_not_ours);
  TEST("compromise/batches", test_batches);
  TEST("compromise/claimed", test_claimed);
  TEST_WITH("compromise/claimed-twenty", test_claimed_many, GINT_TO_POINTER(20));
  TEST_WITH("compromise/claimed-more", test_claimed_many, GINT_TO_POINTER(21));
  TEST_WITH("compromise/claimed-many", test_claimed_many, GINT_TO_POINTER(200));
  TEST("compromise/claimed-alone", test_claimed_alone);
  TEST_WITH("compromise/claimed-at-signer", test_at_signer, NULL);
  TEST_WITH("compromise/shown-at-signer", test_at_signer, "shown");
  TEST("compromise/before-signer", test_before_signer);
  TEST("compromise/blocked", test_blocked);
  TEST("no-limit", test_no_limit);
  return g_test_run();
}
