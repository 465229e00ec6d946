/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

static Certificate *find(Store *store, const Id *id) {
  Certificate *certificate = NULL;
  GIVES(STORE_FOUND, certificate_find(store, id, &certificate, &error));
  return certificate;
}

static void test_kept(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Id id = an_id(3), order = add_order(fixture->store, 3, "processing", NOW), other = an_id(4);
  g_autoptr(GBytes) serial = octets("serial 3");
  GIVES(STORE_CHANGED, try_certificate(fixture->store, 3, &order, 2, &error));
  fixture_commit(fixture);
  g_autoptr(Certificate) by_id = find(fixture->store, &id);
  g_autoptr(Certificate) by_order = NULL, by_serial = NULL, none = NULL;
  GIVES(STORE_FOUND, certificate_find_by_order(fixture->store, &order, &by_order, &error));
  GIVES(STORE_FOUND, certificate_find_by_serial(fixture->store, serial, &by_serial, &error));
  GIVES(STORE_MISSING, certificate_find_by_order(fixture->store, &other, &none, &error));
  const Certificate *found[] = {by_id, by_order, by_serial};
  for (gsize i = 0; i < G_N_ELEMENTS(found); i++) {
    g_assert_true(id_equal(&found[i]->id, &id));
    g_assert_true(id_equal(&found[i]->order_id, &order));
    assert_octets(found[i]->serial, "serial 3");
    assert_octets(found[i]->tbs, "to be signed");
    assert_octets(found[i]->key_digest, "digest of the key");
    g_assert_cmpint(found[i]->shard, ==, 2);
    g_assert_cmpint(found[i]->not_after, ==, NOW + 3000);
    g_assert_cmpint(found[i]->signing_at, ==, NOW);
    g_assert_cmpstr(found[i]->findings, ==, "");
    g_assert_null(found[i]->der);
    g_assert_cmpint(found[i]->issued_at, ==, 0);
    g_assert_cmpint(found[i]->revoked_at, ==, 0);
  }
}

static void test_one_an_order(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Id order = add_order(fixture->store, 1, "processing", NOW);
  GIVES(STORE_CHANGED, try_certificate(fixture->store, 1, &order, 1, &error));
  GIVES(STORE_UNCHANGED, try_certificate(fixture->store, 2, &order, 1, &error));
  g_assert_cmpint(number_of(fixture->store, "SELECT count(*) FROM certificate"), ==, 1);
  g_autoptr(Certificate) found = NULL;
  GIVES(STORE_FOUND, certificate_find_by_order(fixture->store, &order, &found, &error));
  assert_octets(found->serial, "serial 1");
}

static void test_one_a_serial(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Id first = add_order(fixture->store, 1, "processing", NOW);
  Id second = add_order(fixture->store, 2, "processing", NOW);
  g_autoptr(GBytes) serial = octets("serial 1"), rest = octets("x");
  Certificate same = {.id = an_id(2),
                      .order_id = second,
                      .account_id = an_id(1),
                      .serial = serial,
                      .key_digest = rest,
                      .tbs = rest,
                      .findings = (char *)""};
  GIVES(STORE_CHANGED, try_certificate(fixture->store, 1, &first, 1, &error));
  BREAKS(fixture, certificate_insert(fixture->store, &same, &error));
}

static void assert_last(Fixture *fixture, gint64 expected) {
  gint64 found = -1;
  GOOD(certificate_last_issued(fixture->store, &found, &error));
  g_assert_cmpint(found, ==, expected);
}

/* One that is not signed yet is passed over. */
static void test_last_issued(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Id order = add_order(fixture->store, 1, "processing", NOW), id = an_id(1);
  Id next = add_order(fixture->store, 2, "processing", NOW);
  g_autoptr(GBytes) der = octets("der");
  GIVES(STORE_CHANGED, try_certificate(fixture->store, 1, &order, 1, &error));
  assert_last(fixture, 0);
  GIVES(STORE_CHANGED, certificate_set_der(fixture->store, &id, der, NOW + 1, &error));
  GIVES(STORE_CHANGED, try_certificate(fixture->store, 2, &next, 2, &error));
  assert_last(fixture, NOW + 1);
}

static void test_signed_once(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Id id = an_id(1), order = add_order(fixture->store, 1, "processing", NOW);
  g_autoptr(GBytes) first = octets("first"), second = octets("second");
  GIVES(STORE_CHANGED, try_certificate(fixture->store, 1, &order, 1, &error));
  GIVES(STORE_CHANGED, certificate_set_der(fixture->store, &id, first, NOW + 1, &error));
  GIVES(STORE_UNCHANGED, certificate_set_der(fixture->store, &id, second, NOW + 2, &error));
  g_autoptr(Certificate) found = find(fixture->store, &id);
  assert_octets(found->der, "first");
  g_assert_cmpint(found->issued_at, ==, NOW + 1);
}

static void test_revoked_once(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Id unsigned_order = add_order(fixture->store, 1, "processing", NOW), unsigned_id = an_id(1);
  Id id = add_certificate(fixture->store, 2, 1);
  GIVES(STORE_CHANGED, try_certificate(fixture->store, 1, &unsigned_order, 1, &error));
  GIVES(STORE_UNCHANGED, certificate_revoke(fixture->store, &unsigned_id, NOW, 1, &error));
  GIVES(STORE_CHANGED, certificate_revoke(fixture->store, &id, NOW + 1, 1, &error));
  GIVES(STORE_UNCHANGED, certificate_revoke(fixture->store, &id, NOW + 2, 4, &error));
  g_autoptr(Certificate) found = find(fixture->store, &id);
  g_assert_cmpint(found->revoked_at, ==, NOW + 1);
  g_assert_cmpint(found->reason, ==, 1);
}

static void test_of_a_key(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(GBytes) digest = octets("digest of the key"), other = octets("another");
  Id unsigned_order = add_order(fixture->store, 1, "processing", NOW);
  GIVES(STORE_CHANGED, try_certificate(fixture->store, 1, &unsigned_order, 1, &error));
  Id revoked = add_certificate(fixture->store, 2, 1);
  for (guint8 i = 3; i <= 5; i++)
    add_certificate(fixture->store, i, 1);
  GIVES(STORE_CHANGED, certificate_revoke(fixture->store, &revoked, NOW, 1, &error));
  g_autoptr(GError) failure = NULL;
  g_autoptr(GPtrArray) all = certificate_list_by_key(fixture->store, digest, 10, &failure);
  g_autoptr(GPtrArray) two = certificate_list_by_key(fixture->store, digest, 2, &failure);
  g_autoptr(GPtrArray) none = certificate_list_by_key(fixture->store, other, 10, &failure);
  g_assert_no_error(failure);
  g_assert_cmpuint(all->len, ==, 3);
  g_assert_cmpuint(two->len, ==, 2);
  g_assert_cmpuint(none->len, ==, 0);
}

static void test_blocked_key(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(GBytes) digest = octets("a"), other = octets("b");
  GIVES(STORE_MISSING, key_blocked(fixture->store, digest, &error));
  GOOD(key_block(fixture->store, digest, NOW, "compromised", &error));
  GOOD(key_block(fixture->store, digest, NOW, "again", &error));
  GIVES(STORE_FOUND, key_blocked(fixture->store, digest, &error));
  GIVES(STORE_MISSING, key_blocked(fixture->store, other, &error));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  FIXTURE_TEST("/certificate/kept", test_kept);
  FIXTURE_TEST("/certificate/one-an-order", test_one_an_order);
  FIXTURE_TEST("/certificate/one-a-serial", test_one_a_serial);
  FIXTURE_TEST("/certificate/signed-once", test_signed_once);
  FIXTURE_TEST("/certificate/last-issued", test_last_issued);
  FIXTURE_TEST("/certificate/revoked-once", test_revoked_once);
  FIXTURE_TEST("/certificate/of-a-key", test_of_a_key);
  FIXTURE_TEST("/certificate/blocked-key", test_blocked_key);
  return g_test_run();
}
