/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

static void test_kept(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(GBytes) thumbprint = octets("of the key");
  Account given = {.id = an_id(7),
                   .status = (char *)"valid",
                   .thumbprint = thumbprint,
                   .jwk = (char *)"{\"kty\":\"EC\"}",
                   .contact = (char *)"[\"mailto:ann@user.test\"]",
                   .terms = (char *)"https://ca.test/terms",
                   .terms_agreed_at = NOW - 1,
                   .created_at = NOW};
  GIVES(STORE_CHANGED, account_insert(fixture->store, &given, &error));
  fixture_commit(fixture);
  g_autoptr(Account) by_id = NULL, by_key = NULL, none = NULL;
  GIVES(STORE_FOUND, account_find(fixture->store, &given.id, &by_id, &error));
  GIVES(STORE_FOUND, account_find_by_key(fixture->store, thumbprint, &by_key, &error));
  const Account *found[] = {by_id, by_key};
  for (gsize i = 0; i < G_N_ELEMENTS(found); i++) {
    g_assert_true(id_equal(&found[i]->id, &given.id));
    g_assert_cmpstr(found[i]->status, ==, "valid");
    assert_octets(found[i]->thumbprint, "of the key");
    g_assert_cmpstr(found[i]->jwk, ==, given.jwk);
    g_assert_cmpstr(found[i]->contact, ==, given.contact);
    g_assert_cmpstr(found[i]->terms, ==, given.terms);
    g_assert_cmpint(found[i]->terms_agreed_at, ==, NOW - 1);
    g_assert_cmpint(found[i]->created_at, ==, NOW);
  }
  Id other = an_id(8);
  GIVES(STORE_MISSING, account_find(fixture->store, &other, &none, &error));
  g_assert_null(none);
}

static void test_one_a_key(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(GBytes) thumbprint = octets("thumbprint 1");
  Account second = {.id = an_id(2),
                    .status = (char *)"valid",
                    .thumbprint = thumbprint,
                    .jwk = (char *)"{}",
                    .contact = (char *)"[]",
                    .created_at = NOW};
  add_account(fixture->store, 1);
  GIVES(STORE_UNCHANGED, account_insert(fixture->store, &second, &error));
  g_autoptr(Account) found = NULL;
  GIVES(STORE_FOUND, account_find_by_key(fixture->store, thumbprint, &found, &error));
  Id first = an_id(1);
  g_assert_true(id_equal(&found->id, &first));
}

static void test_without_terms(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Id id = add_account(fixture->store, 1);
  g_autoptr(Account) found = NULL;
  GIVES(STORE_FOUND, account_find(fixture->store, &id, &found, &error));
  g_assert_null(found->terms);
}

static void test_contact(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Id id = add_account(fixture->store, 1), other = add_account(fixture->store, 2);
  GOOD(account_set_contact(fixture->store, &id, "[\"mailto:b@user.test\"]", &error));
  g_autoptr(Account) changed = NULL, kept = NULL;
  GIVES(STORE_FOUND, account_find(fixture->store, &id, &changed, &error));
  GIVES(STORE_FOUND, account_find(fixture->store, &other, &kept, &error));
  g_assert_cmpstr(changed->contact, ==, "[\"mailto:b@user.test\"]");
  g_assert_cmpstr(kept->contact, ==, "[]");
}

static void test_deactivated_once(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Id id = add_account(fixture->store, 1), other = add_account(fixture->store, 2);
  GIVES(STORE_CHANGED, account_deactivate(fixture->store, &id, &error));
  GIVES(STORE_UNCHANGED, account_deactivate(fixture->store, &id, &error));
  g_autoptr(Account) ended = NULL, kept = NULL;
  GIVES(STORE_FOUND, account_find(fixture->store, &id, &ended, &error));
  GIVES(STORE_FOUND, account_find(fixture->store, &other, &kept, &error));
  g_assert_cmpstr(ended->status, ==, "deactivated");
  g_assert_cmpstr(kept->status, ==, "valid");
}

static void change_key(Fixture *fixture, const Id *id, guint number) {
  g_autoptr(Account) account = NULL;
  g_autofree char *text = g_strdup_printf("key %u", number);
  g_autoptr(GBytes) thumbprint = octets(text);
  GIVES(STORE_FOUND, account_find(fixture->store, id, &account, &error));
  GIVES(STORE_CHANGED,
        account_set_key(fixture->store, account, thumbprint, "{}", NOW + number, &error));
}

static gint64 count_former(Fixture *fixture, const Id *id) {
  SqlQuery query =
      sql_query(fixture->store, "SELECT count(*) FROM former_key WHERE account_id = ?1", "d", id);
  g_assert_true(sql_row(&query));
  gint64 count = sql_int(&query, 0);
  GOOD(sql_end(&query, &error));
  return count;
}

/* The newest of them: an account that changes its key for ever fills nothing. */
static void test_former_keys(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Id id = add_account(fixture->store, 1), other = add_account(fixture->store, 2);
  change_key(fixture, &other, 1000);
  for (guint i = 1; i <= 3 * ACCOUNT_FORMER_KEYS; i++) {
    change_key(fixture, &id, i);
    g_assert_cmpint(count_former(fixture, &id), ==, MIN(i, ACCOUNT_FORMER_KEYS));
  }
  g_assert_cmpint(count_former(fixture, &other), ==, 1);
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) keys = account_former_keys(fixture->store, &id, 0, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(keys->len, ==, ACCOUNT_FORMER_KEYS);
  for (guint i = 0; i < keys->len; i++) {
    g_autofree char *text = g_strdup_printf("key %u", 3 * ACCOUNT_FORMER_KEYS - 1 - i);
    assert_octets(keys->pdata[i], text);
  }
}

static void assert_account(Fixture *fixture, const Id *id, const char *status, const char *jwk,
                           const char *contact, const char *terms) {
  g_autoptr(Account) account = NULL;
  GIVES(STORE_FOUND, account_find(fixture->store, id, &account, &error));
  g_assert_cmpstr(account->status, ==, status);
  g_assert_cmpstr(account->jwk, ==, jwk);
  g_assert_cmpstr(account->contact, ==, contact);
  g_assert_cmpstr(account->terms, ==, terms);
}

/* What an account was read as is not what it is once a change was undone, or made. */
static void test_undone(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(GBytes) thumbprint = octets("of the key"), later = octets("of another key");
  Account given = {.id = an_id(7),
                   .status = (char *)"valid",
                   .thumbprint = thumbprint,
                   .jwk = (char *)"{}",
                   .contact = (char *)"[]",
                   .created_at = NOW};
  GIVES(STORE_CHANGED, account_insert(fixture->store, &given, &error));
  fixture_commit(fixture);
  assert_account(fixture, &given.id, "valid", "{}", "[]", NULL);

  GOOD(store_handler_begin(fixture->store, &error));
  GIVES(STORE_CHANGED, account_deactivate(fixture->store, &given.id, &error));
  assert_account(fixture, &given.id, "deactivated", "{}", "[]", NULL);
  GOOD(store_handler_end(fixture->store, FALSE, &error));
  assert_account(fixture, &given.id, "valid", "{}", "[]", NULL);
  GOOD(account_set_contact(fixture->store, &given.id, "[1]", &error));
  assert_account(fixture, &given.id, "valid", "{}", "[1]", NULL);
  GOOD(account_agree(fixture->store, &given.id, "terms", NOW, &error));
  assert_account(fixture, &given.id, "valid", "{}", "[1]", "terms");
  GIVES(STORE_CHANGED,
        account_set_key(fixture->store, &given, later, "{\"kty\":\"EC\"}", NOW, &error));
  assert_account(fixture, &given.id, "valid", "{\"kty\":\"EC\"}", "[1]", "terms");
  fixture_undo(fixture);
  assert_account(fixture, &given.id, "valid", "{}", "[]", NULL);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  FIXTURE_TEST("/account/kept", test_kept);
  FIXTURE_TEST("/account/one-a-key", test_one_a_key);
  FIXTURE_TEST("/account/without-terms", test_without_terms);
  FIXTURE_TEST("/account/contact", test_contact);
  FIXTURE_TEST("/account/deactivated-once", test_deactivated_once);
  FIXTURE_TEST("/account/former-keys", test_former_keys);
  FIXTURE_TEST("/account/undone", test_undone);
  return g_test_run();
}
