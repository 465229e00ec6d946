/* SPDX-License-Identifier: Apache-2.0 */
/* Several issuing CAs: what the store says of each, whose lists are made, and until when. */
#include "tests/unit/acme/harness.h"

#include "acme/issuing_ca.h"
#include "ca/certificate_read.h"
#include "store/crl_shard.h"

/* A second CA takes over; the first stays configured, or not. */
static Issuer *roll_over(Lab *lab, gboolean keep) {
  g_autoptr(GError) error = NULL;
  const CeremonyPlan plan = {.root_name = "Second Root",
                             .issuing_name = "Second Issuing",
                             .url = LAB_PKI,
                             .now = LAB_NOW - 20 * CLOCK_DAY};
  g_autoptr(CeremonyResult) made = ceremony_run(&plan, &error);
  g_assert_no_error(error);
  Issuer *first = lab->signer;
  IssuingCa *earlier = g_new0(IssuingCa, 1);
  *earlier = (IssuingCa){lab->acme.issuer, lab->acme.chain, lab->acme.alternates};
  lab_stop(lab);
  lab->signer = lab_issuer(made->issuing_certificate, made->issuing_key);
  lab->acme.issuer = lab_issuer(made->issuing_certificate, NULL);
  lab->acme.chain = g_strdup(made->issuing_certificate);
  lab->acme.alternates = g_ptr_array_new_with_free_func(g_free);
  lab->acme.others = g_ptr_array_new_with_free_func((GDestroyNotify)issuing_ca_free);
  if (keep)
    g_ptr_array_add(lab->acme.others, earlier);
  else
    issuing_ca_free(earlier);
  return first;
}

static void end(Lab *lab, Issuer *first) {
  issuer_free(first);
  g_clear_pointer(&lab->acme.others, g_ptr_array_unref);
}

static LabOrder *issued(Lab *lab, LabClient *client) {
  LabOrder *order = lab_ready(lab, client);
  lab_issue(order);
  return order;
}

static void assert_of(GBytes *leaf, const Issuer *issuer, const char *crl, const char *file) {
  g_autoptr(GBytes) authority = certificate_authority(leaf);
  g_autoptr(GBytes) wanted = issuer_identifier(issuer);
  gsize size = 0;
  const char *der = g_bytes_get_data(leaf, &size);
  g_assert_true(g_bytes_equal(authority, wanted));
  g_assert_nonnull(memmem(der, size, crl, strlen(crl)));
  g_assert_nonnull(memmem(der, size, file, strlen(file)));
}

/* The job that is due asks the key of this CA; its list is kept. */
static void assert_list_by(Lab *lab, const Issuer *issuer, gint64 shard, guint entries) {
  g_auto(Question) question = {0};
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) wanted = issuer_identifier(issuer);
  lab_ask(lab, JOB_CRL, QUESTION_CRL, &question);
  g_assert_cmpint(question.shard, ==, shard);
  g_assert_true(g_bytes_equal(question.authority, wanted));
  g_assert_cmpuint(question.crl.entries->len, ==, entries);
  g_autoptr(GBytes) crl = crl_sign(issuer, &question.crl, &error);
  g_assert_no_error(error);
  LAB_TURN(lab, job_crl_signed(&lab->acme, &question, crl, "", NULL));
}

static char *chain_behind(LabOrder *order) {
  g_autoptr(Answer) shown = lab_post(order->lab, order->client, order->order, NULL);
  g_autoptr(Answer) answer =
      lab_post(order->lab, order->client, lab_text(shown, "certificate"), NULL);
  g_assert_cmpuint(answer->status, ==, 200);
  return g_strdup(strstr(answer->text, "-----END CERTIFICATE-----\n") + 26);
}

static void test_roll_over(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) old = issued(lab, client);
  assert_list_by(lab, lab->signer, 1, 0);
  g_autofree char *old_chain = chain_behind(old);
  Issuer *first = roll_over(lab, TRUE);
  lab_start(lab);
  g_autoptr(LabOrder) fresh = issued(lab, client);
  g_autoptr(GBytes) old_leaf = lab_leaf(old), fresh_leaf = lab_leaf(fresh);
  assert_of(old_leaf, first, LAB_PKI "crl-1.crl", LAB_PKI "issuing.der");
  assert_of(fresh_leaf, lab->signer, LAB_PKI "crl-2.crl", LAB_PKI "issuing-2.der");
  g_autofree char *chain = chain_behind(old), *fresh_chain = chain_behind(fresh);
  g_assert_cmpstr(chain, ==, old_chain);
  g_assert_cmpstr(fresh_chain, ==, lab->acme.chain);
  assert_list_by(lab, lab->signer, 2, 0);
  /* Revoked: each in the list of its own CA. */
  g_autoptr(Answer) one = lab_revoke(lab, client, FALSE, old_leaf, NULL);
  g_assert_cmpuint(one->status, ==, 200);
  assert_list_by(lab, first, 1, 1);
  g_autoptr(Answer) two = lab_revoke(lab, client, FALSE, fresh_leaf, NULL);
  g_assert_cmpuint(two->status, ==, 200);
  assert_list_by(lab, lab->signer, 2, 1);
  end(lab, first);
}

/* A request with the key of either is refused. */
static void test_keys(void) {
  g_autoptr(Lab) lab = lab_new();
  Issuer *first = roll_over(lab, TRUE);
  lab_start(lab);
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  const Issuer *const both[] = {first, lab->signer};
  for (gsize i = 0; i < G_N_ELEMENTS(both); i++) {
    g_autoptr(Answer) answer =
        lab_finalize_for(order, both[i]->key, "email:alice@example.org", NULL);
    assert_problem(answer, 400, "badCSR");
    g_assert_nonnull(strstr(lab_text(answer, "detail"), "belongs to the CA"));
  }
  end(lab, first);
}

/* Nor is the key of a root anybody else's: neither in a request nor of an account. */
static void test_root_key(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  g_autoptr(LabClient) root = lab_client_of(lab_key("P-256"));
  guint8 *der = NULL;
  int length = i2d_PUBKEY(root->key, &der);
  lab->acme.root_keys =
      g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
  g_hash_table_add(lab->acme.root_keys, g_bytes_new(der, (gsize)length));
  OPENSSL_free(der);
  g_autoptr(Answer) request = lab_finalize_for(order, root->key, "email:alice@example.org", NULL);
  assert_problem(request, 400, "badCSR");
  g_autoptr(Answer) account = lab_send(lab, root, TRUE, "/new-account", "{}");
  assert_problem(account, 400, "badPublicKey");
  g_hash_table_unref(lab->acme.root_keys);
}

/* What was signed under the first when the second took over is signed by the first. */
static void test_unsigned(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  g_autoptr(Answer) answer = lab_finalize(order);
  g_assert_cmpuint(answer->status, ==, 200);
  lab_answer_caa(lab, RESOLVER_NONE, NULL);
  lab_answer_build(lab);
  Issuer *first = roll_over(lab, TRUE);
  lab_start(lab);
  g_auto(Question) question = {0};
  g_autoptr(GBytes) wanted = issuer_identifier(first);
  lab_ask(lab, JOB_ISSUE, QUESTION_SIGN, &question);
  g_assert_true(g_bytes_equal(question.authority, wanted));
  end(lab, first);
}

/* Shards of a time when the store did not say whose they are belong to whose octets they have. */
static void test_claimed(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) old = issued(lab, client);
  assert_list_by(lab, lab->signer, 1, 0);
  lab_sql(lab, "UPDATE crl_shard SET issuer = NULL");
  Issuer *first = roll_over(lab, TRUE);
  lab_start(lab);
  g_autoptr(GBytes) found = NULL, wanted = issuer_identifier(first);
  g_assert_cmpint(crl_shard_issuer(lab->acme.store, 1, &found, NULL), ==, STORE_FOUND);
  g_assert_true(g_bytes_equal(found, wanted));
  g_autoptr(GBytes) leaf = lab_leaf(old);
  assert_of(leaf, first, LAB_PKI "crl-1.crl", LAB_PKI "issuing.der");
  end(lab, first);
}

/* Takes every list that is due, each signed by whose it is; the numbers of their shards, as bits.
 */
static guint lists_due(Lab *lab, const Issuer *first) {
  guint shards = 0;
  for (;;) {
    g_auto(Question) question = {0};
    if (!lab_take(lab, JOB_CRL, &question))
      return shards;
    if (question.kind == QUESTION_NONE)
      continue;
    g_autoptr(GBytes) own = issuer_identifier(lab->signer);
    const Issuer *issuer = g_bytes_equal(question.authority, own) ? lab->signer : first;
    g_autoptr(GBytes) crl = crl_sign(issuer, &question.crl, NULL);
    LAB_TURN(lab, job_crl_signed(&lab->acme, &question, crl, "", NULL));
    shards |= 1u << question.shard;
  }
}

/* The lists of an earlier CA go on to the end of its last certificate, and 14 days; those of the
   one that issues go on without one. */
static void test_over(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) old = issued(lab, client);
  g_assert_cmpuint(lists_due(lab, NULL), ==, 1 << 1);
  gint64 end_of_last = lab_count(lab, "SELECT max(not_after) FROM certificate");
  Issuer *first = roll_over(lab, TRUE);
  lab_start(lab);
  lab->clock.now = end_of_last + 14 * CLOCK_DAY;
  g_assert_cmpuint(lists_due(lab, first), ==, 1 << 1 | 1 << 2);
  lab->clock.now += 6 * CLOCK_HOUR;
  g_assert_cmpuint(lists_due(lab, first), ==, 1 << 2);
  lab->clock.now += 6 * CLOCK_HOUR;
  g_assert_cmpuint(lists_due(lab, first), ==, 1 << 2);
  end(lab, first);
}

/* No list was made since before the last certificate ended: there is one more, and then none. */
static void test_over_late(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) old = issued(lab, client);
  g_assert_cmpuint(lists_due(lab, NULL), ==, 1 << 1);
  gint64 end_of_last = lab_count(lab, "SELECT max(not_after) FROM certificate");
  Issuer *first = roll_over(lab, TRUE);
  lab_start(lab);
  lab->clock.now = end_of_last + 100 * CLOCK_DAY;
  g_assert_cmpuint(lists_due(lab, first), ==, 1 << 1 | 1 << 2);
  lab->clock.now += 6 * CLOCK_HOUR;
  g_assert_cmpuint(lists_due(lab, first), ==, 1 << 2);
  end(lab, first);
}

/* Without its CA in the configuration a list waits: no other key signs it. */
static void test_missing(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) old = issued(lab, client);
  g_assert_cmpuint(lists_due(lab, NULL), ==, 1 << 1);
  Issuer *first = roll_over(lab, FALSE);
  lab_start(lab);
  lab->clock.now += 6 * CLOCK_HOUR;
  g_assert_cmpuint(lists_due(lab, NULL), ==, 1 << 2);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM job WHERE kind = 'crl'"), ==, 2);
  g_autoptr(Answer) shown = lab_post(lab, client, old->order, NULL);
  g_autoptr(Answer) chain = lab_post(lab, client, lab_text(shown, "certificate"), NULL);
  assert_problem(chain, 500, "serverInternal");
  g_assert_nonnull(strstr(lab_text(chain, "detail"), "its CA is not configured"));
  end(lab, first);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/acme/issuing_ca/roll-over", test_roll_over);
  g_test_add_func("/acme/issuing_ca/keys", test_keys);
  g_test_add_func("/acme/issuing_ca/root-key", test_root_key);
  g_test_add_func("/acme/issuing_ca/unsigned", test_unsigned);
  g_test_add_func("/acme/issuing_ca/claimed", test_claimed);
  g_test_add_func("/acme/issuing_ca/over", test_over);
  g_test_add_func("/acme/issuing_ca/over-late", test_over_late);
  g_test_add_func("/acme/issuing_ca/missing", test_missing);
  return g_test_run();
}
