/* SPDX-License-Identifier: Apache-2.0 */
/* What stays in memory (store/kept.h) is what the database has, whatever is done to it: after each
   of many changes in any order both are looked at. On a shared store nothing is kept, and all is
   the same. */
#include "store/kept.h"
#include "store/purge.h"
#include "tests/unit/store/fixture.h"

#define OBJECTS 6
#define STEPS 1500

static gboolean same_octets(GBytes *one, GBytes *other) {
  return one == other || (one != NULL && other != NULL && g_bytes_equal(one, other));
}

static gboolean same_text(const char *one, const char *other) {
  return g_strcmp0(one, other) == 0;
}

/* --- objects, by the kind
 * --------------------------------------------------------------------------------------------- */

#define FINDER(name, type, by_id)                                                                  \
  static gpointer name(Store *store, guint number) {                                               \
    type *found = NULL;                                                                            \
    Id id = an_id((guint8)number);                                                                 \
    GIVES(STORE_FOUND, by_id(store, &id, &found, &error));                                         \
    return found;                                                                                  \
  }

/* What belongs together has one id here. */
FINDER(find_account, Account, account_find)
FINDER(find_order, Order, order_find)
FINDER(find_authorization, Authorization, authorization_find)
FINDER(find_challenge, Challenge, challenge_find)
FINDER(find_challenge_of, Challenge, challenge_find_by_authorization)
FINDER(find_certificate, Certificate, certificate_find)
FINDER(find_certificate_of, Certificate, certificate_find_by_order)

static gboolean same_account(gconstpointer one, gconstpointer other) {
  const Account *a = one, *b = other;
  return id_equal(&a->id, &b->id) && same_text(a->status, b->status) &&
         same_octets(a->thumbprint, b->thumbprint) && same_text(a->jwk, b->jwk) &&
         same_text(a->contact, b->contact) && same_text(a->terms, b->terms) &&
         a->terms_agreed_at == b->terms_agreed_at && a->created_at == b->created_at &&
         a->bound == b->bound && same_text(a->external_binding, b->external_binding);
}

static void change_account(Store *store, guint number, guint32 what) {
  Id id = an_id((guint8)number);
  g_autofree char *text = g_strdup_printf("text %u", what);
  g_autoptr(GBytes) key = octets(text);
  g_autoptr(Account) account = find_account(store, number);
  StoreChange changed = STORE_CHANGED;
  if (what % 4 == 0)
    changed = account_set_key(store, account, key, text, NOW + what, NULL);
  else if (what % 4 == 1)
    GOOD(account_agree(store, &id, text, NOW + what, &error));
  else if (what % 4 == 2)
    GOOD(account_set_contact(store, &id, text, &error));
  else
    changed = account_deactivate(store, &id, NULL);
  g_assert_cmpint(changed, !=, STORE_FAILED);
}

static gboolean same_order(gconstpointer one, gconstpointer other) {
  const Order *a = one, *b = other;
  return id_equal(&a->id, &b->id) && id_equal(&a->account_id, &b->account_id) &&
         same_text(a->status, b->status) && a->created_at == b->created_at &&
         a->expires_at == b->expires_at && same_text(a->error, b->error) &&
         same_octets(a->csr, b->csr) && same_octets(a->spki, b->spki) && a->usage == b->usage &&
         a->finalized_at == b->finalized_at && same_text(a->profile, b->profile) &&
         a->not_before == b->not_before && a->not_after == b->not_after && a->renewal == b->renewal;
}

static void change_order(Store *store, guint number, guint32 what) {
  static const char *const statuses[] = {"pending", "ready", "processing", "valid", "invalid"};
  Id id = an_id((guint8)number);
  g_autofree char *text = g_strdup_printf("text %u", what);
  g_autoptr(GBytes) csr = octets(text), spki = octets("key");
  const char *from = statuses[what / 8 % 5], *to = statuses[what / 64 % 5];
  Order order = {.id = id, .csr = csr, .spki = spki, .usage = what, .finalized_at = NOW + what};
  StoreChange changed =
      what % 3 == 0   ? order_move(store, &id, from, to, what % 2 == 0 ? text : NULL, NULL)
      : what % 3 == 1 ? order_set_delay(store, &id, what % 2 == 0 ? text : NULL, NULL)
                      : order_finalize(store, &order, NULL);
  g_assert_cmpint(changed, !=, STORE_FAILED);
}

static gboolean same_authorization(gconstpointer one, gconstpointer other) {
  const Authorization *a = one, *b = other;
  return id_equal(&a->id, &b->id) && id_equal(&a->account_id, &b->account_id) &&
         a->claimed == b->claimed && id_equal(&a->order_id, &b->order_id) &&
         a->position == b->position && same_text(a->type, b->type) &&
         same_text(a->identifier, b->identifier) && same_text(a->address, b->address) &&
         same_text(a->canonical, b->canonical) && same_text(a->domain, b->domain) &&
         same_text(a->status, b->status) && a->expires_at == b->expires_at;
}

/* An order's come and go, and are claimed from those that have none. */
static void change_authorization(Store *store, guint number, guint32 what) {
  static const char *const statuses[] = {"pending", "valid", "invalid"};
  static guint8 made = 100;
  Id id = an_id((guint8)number), order = an_id((guint8)(1 + what / 8 % OBJECTS));
  if (what % 3 == 0) {
    g_assert_cmpint(
        authorization_move(store, &id, statuses[what / 8 % 3], statuses[what / 64 % 3], NULL), !=,
        STORE_FAILED);
    return;
  }
  if (made == 255)
    return;
  if (what % 3 == 1) {
    add_authorization(store, made, &order, G_MAXUINT8 - made, "user.test");
    made++;
    return;
  }
  g_autofree char *canonical = g_strdup_printf("free%u@user.test", made);
  Authorization free_one = {.id = an_id(made),
                            .account_id = an_id(1),
                            .type = (char *)"email",
                            .identifier = (char *)"i",
                            .address = (char *)"a",
                            .canonical = canonical,
                            .domain = (char *)"d",
                            .status = (char *)"pending",
                            .expires_at = NOW + 1000};
  g_autoptr(Authorization) found = NULL;
  GOOD(authorization_insert(store, &free_one, &error));
  GIVES(STORE_FOUND, authorization_find(store, &free_one.id, &found, &error));
  g_assert_false(found->claimed);
  GIVES(STORE_CHANGED, authorization_claim(store, &free_one.id, &order, G_MAXUINT8 - made, &error));
  g_clear_pointer(&found, authorization_free);
  GIVES(STORE_FOUND, authorization_find(store, &free_one.id, &found, &error));
  g_assert_true(found->claimed && id_equal(&found->order_id, &order));
  made++;
}

static gpointer find_list(Store *store, guint number) {
  g_autoptr(GError) error = NULL;
  Id id = an_id((guint8)number);
  GPtrArray *list = authorization_list(store, &id, &error);
  g_assert_no_error(error);
  return list;
}

static gboolean same_list(gconstpointer one, gconstpointer other) {
  const GPtrArray *a = one, *b = other;
  for (guint i = 0; a->len == b->len && i < a->len; i++)
    if (!same_authorization(a->pdata[i], b->pdata[i]))
      return FALSE;
  return a->len == b->len;
}

static gpointer find_challenge_by_recipient(Store *store, guint number) {
  Challenge *found = NULL;
  g_autofree char *address = g_strdup_printf("Acme+%u@ca.test", number);
  GIVES(STORE_FOUND, challenge_find_by_recipient(store, address, &found, &error));
  return found;
}

static gboolean same_challenge(gconstpointer one, gconstpointer other) {
  const Challenge *a = one, *b = other;
  return id_equal(&a->id, &b->id) && id_equal(&a->authz_id, &b->authz_id) &&
         same_text(a->status, b->status) && same_text(a->token2, b->token2) &&
         same_text(a->mail_from, b->mail_from) && same_text(a->mail_sender, b->mail_sender) &&
         a->created_at == b->created_at && a->deadline == b->deadline &&
         same_text(a->token1, b->token1) && same_text(a->message_id, b->message_id) &&
         a->queued_at == b->queued_at && same_text(a->envelope_from, b->envelope_from) &&
         a->sent_at == b->sent_at && same_text(a->relay_text, b->relay_text) &&
         a->responded_at == b->responded_at && a->passed_at == b->passed_at &&
         a->validated_at == b->validated_at && same_text(a->error, b->error) &&
         a->notes == b->notes && a->mails == b->mails && a->mail_octets == b->mail_octets &&
         a->bounces == b->bounces && a->bounce_octets == b->bounce_octets;
}

static void change_challenge(Store *store, guint number, guint32 what) {
  Id id = an_id((guint8)number);
  gint64 now = NOW + what;
  g_autofree char *text = g_strdup_printf("text %u", what);
  StoreChange changed = STORE_CHANGED;
  if (what % 10 == 0)
    changed = challenge_set_mail(store, &id, now, text, "id", text, NULL);
  else if (what % 10 == 1)
    GOOD(challenge_set_sent(store, &id, now, text, &error));
  else if (what % 10 == 2)
    GOOD(challenge_set_unsent(store, &id, text, &error));
  else if (what % 10 == 3)
    changed = challenge_respond(store, &id, now, NULL);
  else if (what % 10 == 4)
    changed = challenge_pass(store, &id, now, NULL);
  else if (what % 10 == 5)
    changed = challenge_validate(store, &id, now, NULL);
  else if (what % 10 == 6)
    changed = number % 2 == 0 ? challenge_fail(store, &id, text, NULL) : STORE_UNCHANGED;
  else if (what % 10 == 7)
    changed = challenge_count_mail(store, &id, what % CHALLENGE_MAX_MAIL_OCTETS, NULL);
  else if (what % 10 == 8)
    changed = challenge_count_bounce(store, &id, what % CHALLENGE_MAX_MAIL_OCTETS, NULL);
  else
    GOOD(challenge_note(store, &id, now, text, "{}", &error));
  g_assert_cmpint(changed, !=, STORE_FAILED);
}

static gboolean same_certificate(gconstpointer one, gconstpointer other) {
  const Certificate *a = one, *b = other;
  return id_equal(&a->id, &b->id) && id_equal(&a->order_id, &b->order_id) &&
         id_equal(&a->account_id, &b->account_id) && same_octets(a->serial, b->serial) &&
         a->shard == b->shard && a->not_before == b->not_before && a->not_after == b->not_after &&
         same_octets(a->key_digest, b->key_digest) && same_octets(a->tbs, b->tbs) &&
         same_text(a->findings, b->findings) && same_text(a->linter_findings, b->linter_findings) &&
         same_text(a->asked, b->asked) && same_text(a->facts, b->facts) &&
         a->signing_at == b->signing_at && same_octets(a->der, b->der) &&
         a->issued_at == b->issued_at && a->revoked_at == b->revoked_at && a->reason == b->reason &&
         a->renew_at == b->renew_at && same_text(a->renew_why, b->renew_why);
}

static void change_certificate(Store *store, guint number, guint32 what) {
  Id id = an_id((guint8)number);
  g_autofree char *text = g_strdup_printf("text %u", what);
  g_autofree char *name = g_strdup_printf("serial %u", number);
  g_autoptr(GBytes) der = octets(text), serial = octets(name);
  StoreChange changed = STORE_CHANGED;
  if (what % 5 == 0)
    changed = certificate_set_linted(store, &id, text, NULL);
  else if (what % 5 == 1)
    changed = certificate_set_asked(store, &id, what % 2 == 0 ? text : NULL, NULL);
  else if (what % 5 == 2)
    changed = certificate_set_der(store, &id, der, NOW + what, NULL);
  else if (what % 5 == 3)
    changed = certificate_revoke(store, &id, NOW + what, 1, NULL);
  else
    changed = certificate_ask_renewal(store, serial, what, text, NULL);
  g_assert_cmpint(changed, !=, STORE_FAILED);
}

static const struct {
  gpointer (*find)(Store *store, guint number);
  gboolean (*same)(gconstpointer one, gconstpointer other);
  GDestroyNotify release;
} kinds[] = {
    {find_account, same_account, (GDestroyNotify)account_free},
    {find_order, same_order, (GDestroyNotify)order_free},
    {find_authorization, same_authorization, (GDestroyNotify)authorization_free},
    {find_list, same_list, (GDestroyNotify)g_ptr_array_unref},
    {find_challenge, same_challenge, (GDestroyNotify)challenge_free},
    {find_challenge_of, same_challenge, (GDestroyNotify)challenge_free},
    {find_challenge_by_recipient, same_challenge, (GDestroyNotify)challenge_free},
    {find_certificate, same_certificate, (GDestroyNotify)certificate_row_free},
    {find_certificate_of, same_certificate, (GDestroyNotify)certificate_row_free},
};

/* --- the tests
 * ---------------------------------------------------------------------------------------------- */

/* Looks at what is kept and then at the rows, which are kept with that. */
static void assert_true_to_rows(Store *store) {
  gpointer kept[G_N_ELEMENTS(kinds)][OBJECTS];
  for (gsize kind = 0; kind < G_N_ELEMENTS(kinds); kind++)
    for (guint i = 0; i < OBJECTS; i++)
      kept[kind][i] = kinds[kind].find(store, i + 1);
  kept_forget_all(store_kept(store));
  for (gsize kind = 0; kind < G_N_ELEMENTS(kinds); kind++)
    for (guint i = 0; i < OBJECTS; i++) {
      gpointer row = kinds[kind].find(store, i + 1);
      g_assert_true(kinds[kind].same(kept[kind][i], row));
      kinds[kind].release(row);
      kinds[kind].release(kept[kind][i]);
    }
}

static void fill(Store *store) {
  for (guint8 i = 1; i <= OBJECTS; i++)
    add_account(store, i);
  for (guint8 i = 1; i <= OBJECTS; i++)
    add_challenge(store, i, NOW + 1000);
  for (guint8 i = 1; i <= OBJECTS; i++) {
    Id order = an_id(i);
    GIVES(STORE_CHANGED, try_certificate(store, i, &order, 1, &error));
  }
}

static void change(Store *store) {
  static void (*const changes[])(Store *, guint, guint32) = {
      change_account, change_order, change_authorization, change_challenge, change_certificate};
  guint number = (guint)g_test_rand_int_range(1, OBJECTS + 1);
  changes[g_test_rand_int_range(0, G_N_ELEMENTS(changes))](
      store, number, (guint32)g_test_rand_int_range(0, G_MAXINT32));
}

static void test_changes(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  guint steps = store_is_shared(fixture->store) ? STEPS / 10 : STEPS;
  fill(fixture->store);
  for (guint i = 0; i < steps; i++) {
    change(fixture->store);
    assert_true_to_rows(fixture->store);
  }
}

/* Also what a handler did that is undone. */
static void test_undone(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  fill(fixture->store);
  fixture_commit(fixture);
  for (guint i = 0; i < STEPS / 10; i++) {
    gboolean keep = g_test_rand_int_range(0, 2) == 0;
    if (i % 3 == 0)
      fixture_commit(fixture);
    GOOD(store_handler_begin(fixture->store, &error));
    for (guint count = 0; count < 3; count++)
      change(fixture->store);
    GOOD(store_handler_end(fixture->store, keep, &error));
    assert_true_to_rows(fixture->store);
    if (i % 10 == 0)
      fixture_undo(fixture);
    assert_true_to_rows(fixture->store);
  }
}

static void undo_handler(Store *store, const Id *order) {
  GOOD(store_handler_begin(store, &error));
  GIVES(STORE_CHANGED, order_move(store, order, "pending", "invalid", "why", &error));
  GOOD(store_handler_end(store, FALSE, &error));
}

/* What was there before, and was not touched, stays. */
static void test_untouched(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Id id = an_id(1);
  fill(fixture->store);
  for (guint turns = 0; turns < 2; turns++) {
    g_autoptr(Order) one = find_order(fixture->store, 1), other = find_order(fixture->store, 2);
    fixture_commit(fixture);
    undo_handler(fixture->store, &id);
    if (turns > 0)
      fixture_undo(fixture);
    g_autoptr(Order) one_again = find_order(fixture->store, 1);
    g_autoptr(Order) other_again = find_order(fixture->store, 2);
    g_assert_true(one_again != one && same_order(one_again, one));
    g_assert_true(store_is_shared(fixture->store) || other_again == other);
  }
}

/* Whoever looked something up has it as it was, whatever becomes of it. */
static void test_lent(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  fill(fixture->store);
  Id id = an_id(1);
  g_autoptr(Order) before = find_order(fixture->store, 1);
  g_autoptr(Order) again = find_order(fixture->store, 1);
  if (!store_is_shared(fixture->store))
    g_assert_true(before == again);
  GIVES(STORE_CHANGED, order_move(fixture->store, &id, "pending", "invalid", "why", &error));
  g_autoptr(Order) after = find_order(fixture->store, 1);
  g_assert_cmpstr(before->status, ==, "pending");
  g_assert_null(before->error);
  g_assert_cmpstr(after->status, ==, "invalid");
  g_assert_cmpstr(after->error, ==, "why");
}

/* An order with what belongs to it was kept, and is not there. */
static void assert_removed(Store *store, guint8 number) {
  Id id = an_id(number);
  Order *order = NULL;
  Authorization *authorization = NULL;
  Challenge *challenge = NULL;
  GIVES(STORE_MISSING, order_find(store, &id, &order, &error));
  GIVES(STORE_MISSING, authorization_find(store, &id, &authorization, &error));
  GIVES(STORE_MISSING, challenge_find(store, &id, &challenge, &error));
  GIVES(STORE_MISSING, challenge_find_by_authorization(store, &id, &challenge, &error));
  g_autoptr(GPtrArray) list = find_list(store, number);
  g_assert_cmpuint(list->len, ==, 0);
}

static void test_purged(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  fill(fixture->store);
  Id failed = add_challenge(fixture->store, OBJECTS + 1, NOW + 1000);
  assert_true_to_rows(fixture->store);
  PurgeEnded ended = {.certificate = an_id(2), .order = an_id(2)};
  Certificate *certificate = NULL;
  guint removed = 0;
  GOOD(purge_remove(fixture->store, &ended, &error));
  assert_removed(fixture->store, 2);
  GIVES(STORE_MISSING, certificate_find(fixture->store, &ended.certificate, &certificate, &error));
  GIVES(STORE_CHANGED, order_move(fixture->store, &failed, "pending", "invalid", NULL, &error));
  g_autoptr(Order) order = find_order(fixture->store, OBJECTS + 1);
  g_autoptr(GPtrArray) list = find_list(fixture->store, OBJECTS + 1);
  g_autoptr(Challenge) challenge = find_challenge(fixture->store, OBJECTS + 1);
  GOOD(purge_failed(fixture->store, NOW + 2000, 10, &removed, &error));
  g_assert_cmpuint(removed, ==, 1);
  assert_removed(fixture->store, OBJECTS + 1);
}

/* Of two texts that have one place the other finds nothing there. */
static void test_one_place(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  static const char mail_from[] = "acme+1@ca.test", other[] = "acme+0aca.test";
  Id place = kept_id_of(mail_from), same = kept_id_of(other);
  g_assert_true(id_equal(&place, &same));
  fill(fixture->store);
  g_autoptr(Challenge) kept = find_challenge_by_recipient(fixture->store, 1);
  g_assert_cmpstr(kept->mail_from, ==, mail_from);
  Challenge *none = NULL;
  GIVES(STORE_MISSING, challenge_find_by_recipient(fixture->store, other, &none, &error));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  FIXTURE_TEST("/kept/changes", test_changes);
  FIXTURE_TEST("/kept/undone", test_undone);
  FIXTURE_TEST("/kept/untouched", test_untouched);
  FIXTURE_TEST("/kept/lent", test_lent);
  FIXTURE_TEST("/kept/purged", test_purged);
  FIXTURE_TEST("/kept/one-place", test_one_place);
  return g_test_run();
}
