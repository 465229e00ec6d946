/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"
#include "store/external_account_key.h"

static Id add_key(Fixture *fixture, guint8 number) {
  g_autoptr(GBytes) mac_key = octets("0123456789abcdef");
  ExternalAccountKey key = {.id = an_id(number),
                            .mac_key = mac_key,
                            .note = (char *)"of Ann",
                            .identifiers = (char *)"[\"user.test\"]",
                            .profiles = (char *)"",
                            .created_at = NOW};
  GOOD(external_account_key_insert(fixture->store, &key, &error));
  return key.id;
}

static ExternalAccountKey *find_key(Fixture *fixture, const Id *id) {
  ExternalAccountKey *key = NULL;
  GIVES(STORE_FOUND, external_account_key_find(fixture->store, id, &key, &error));
  return key;
}

/* One account a key, and the first stays, whoever asks again. */
static void test_bound_once(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Id first = an_id(1), second = an_id(2), id = add_key(fixture, 7);
  g_autoptr(ExternalAccountKey) before = find_key(fixture, &id);
  g_assert_false(before->bound);
  GIVES(STORE_CHANGED, external_account_key_bind(fixture->store, &id, &first, &error));
  GIVES(STORE_UNCHANGED, external_account_key_bind(fixture->store, &id, &second, &error));
  GIVES(STORE_UNCHANGED, external_account_key_bind(fixture->store, &id, &first, &error));
  g_autoptr(ExternalAccountKey) after = find_key(fixture, &id);
  g_assert_true(after->bound);
  g_assert_true(id_equal(&after->account_id, &first));
}

static void test_revoked(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Id account = an_id(1), id = add_key(fixture, 7), other = add_key(fixture, 8);
  GIVES(STORE_CHANGED, external_account_key_revoke(fixture->store, &id, NOW + 1, &error));
  GIVES(STORE_UNCHANGED, external_account_key_revoke(fixture->store, &id, NOW + 2, &error));
  GIVES(STORE_UNCHANGED, external_account_key_bind(fixture->store, &id, &account, &error));
  GIVES(STORE_CHANGED, external_account_key_bind(fixture->store, &other, &account, &error));
  g_autoptr(ExternalAccountKey) revoked = find_key(fixture, &id), kept = find_key(fixture, &other);
  g_assert_cmpint(revoked->revoked_at, ==, NOW + 1);
  g_assert_false(revoked->bound);
  g_assert_cmpint(kept->revoked_at, ==, 0);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  FIXTURE_TEST("/external_account_key/bound-once", test_bound_once);
  FIXTURE_TEST("/external_account_key/revoked", test_revoked);
  return g_test_run();
}
