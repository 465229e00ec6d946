/* SPDX-License-Identifier: Apache-2.0 */
/* A store that was put back, and copies of one. */
#include "fixture.h"
#include "store/audit.h"
#include "store/audit_feed.h"
#include "store/crl_shard.h"
#include "store/restored.h"
#include "store/sqlite_copy.h"

#include <glib/gstdio.h>

static void fail(const char *sentence, gpointer user G_GNUC_UNUSED) {
  g_error("%s", sentence);
}

/* Each owner's chain ends where it stands, and the next one says where. */
static void test_chains(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  const AuditWalkHooks hooks = {fail, NULL, NULL};
  g_autoptr(AuditWalk) walk = audit_walk_new(&hooks);
  const char *owner = store_owner(fixture->store);
  Id first = an_id(1), second = an_id(2);
  AuditHead before;
  GIVES(STORE_MISSING, audit_begin_anew(fixture->store, owner, NOW, &second, &before, &error));
  GOOD(audit_begin(fixture->store, NOW, &first, &error));
  GOOD(audit_append(fixture->store, NOW, "kind", "", "", &error));
  g_autoptr(GPtrArray) owners = audit_owners(fixture->store, NULL);
  g_assert_cmpuint(owners->len, ==, 1);
  g_assert_cmpstr(owners->pdata[0], ==, owner);
  GIVES(STORE_FOUND, audit_begin_anew(fixture->store, owner, NOW, &second, &before, &error));
  g_assert_true(id_equal(&before.chain.id, &first));
  g_assert_cmpint(before.number, ==, 2);
  GOOD(audit_begin(fixture->store, NOW, &first, &error)); /* goes on with the second */
  GOOD(audit_append(fixture->store, NOW, "kind", "", "", &error));
  GOOD(audit_verify_store(fixture->store, walk, NULL, NULL, &error));
  g_assert_cmpint(audit_walk_sums(walk)->chains, ==, 2);
  g_assert_cmpint(audit_walk_sums(walk)->records, ==, 4);
}

/* A list that was out is taken when it is newer, and numbers go on from it. */
/* Certificates of a list's shard, all writers' together. */
static gint64 issued_of(Store *store, gint64 shard) {
  g_autofree char *sql = g_strdup_printf(
      "SELECT CAST(issued + coalesce((SELECT sum(u.issued) FROM crl_shard_use u"
      " WHERE u.number = s.number), 0) AS @int) FROM crl_shard s WHERE number = %" G_GINT64_FORMAT,
      shard);
  return number_of(store, sql);
}

static void test_lists(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(GBytes) issuer = octets("a"), own = octets("own"), newer = octets("newer");
  CrlShard shard = {1, NOW / 1000 + 500, NOW, NOW + 1, newer, issuer};
  gint64 number = 0;
  gboolean opened = FALSE;
  GOOD(crl_shard_take(fixture->store, issuer, &number, &opened, &error));
  GOOD(crl_shard_next_number(fixture->store, 1, NOW, &number, &error));
  const CrlShard kept = {1, number, NOW, NOW + 1, own, NULL};
  GIVES(STORE_CHANGED, crl_shard_keep(fixture->store, &kept, &error));
  GIVES(STORE_CHANGED, crl_shard_take_list(fixture->store, &shard, &error));
  GIVES(STORE_UNCHANGED, crl_shard_take_list(fixture->store, &shard, &error));
  shard.crl_number--;
  GIVES(STORE_UNCHANGED, crl_shard_take_list(fixture->store, &shard, &error));
  GOOD(crl_shard_next_number(fixture->store, 1, NOW, &number, &error));
  g_assert_cmpint(number, ==, NOW / 1000 + 501);
  shard.number = 7; /* one that the store has never heard of */
  GIVES(STORE_CHANGED, crl_shard_take_list(fixture->store, &shard, &error));
  GOOD(crl_shard_take(fixture->store, issuer, &number, &opened, &error));
  g_assert_cmpint(number, ==, 7);
  GOOD(crl_shard_enter(fixture->store, 7, issuer, &opened, &error));
  g_assert_false(opened);
  GOOD(crl_shard_enter(fixture->store, 9, issuer, &opened, &error));
  g_assert_true(opened);
  g_assert_cmpint(issued_of(fixture->store, 7), ==, 2);
  g_assert_cmpint(issued_of(fixture->store, 1), ==, 1);
}

/* Put back twice: a log that was lost once stays lost until it is reconciled. */
static void test_twice(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Restored restored = {NOW, NOW - 5, (char *)"first", TRUE};
  g_autoptr(Restored) found = NULL;
  GIVES(STORE_MISSING, restored_find_open(fixture->store, &found, &error));
  GOOD(restored_insert(fixture->store, &restored, "why", "0", &error));
  restored = (Restored){NOW + 1, NOW - 4, (char *)"second", FALSE};
  GOOD(restored_insert(fixture->store, &restored, "why", "0", &error));
  GIVES(STORE_FOUND, restored_find_open(fixture->store, &found, &error));
  g_assert_cmpstr(found->source, ==, "second");
  g_assert_true(found->log_lost);
  GOOD(restored_close(fixture->store, NOW + 2, &error));
  g_clear_pointer(&found, restored_free);
  GIVES(STORE_MISSING, restored_find_open(fixture->store, &found, &error));
}

/* Over a restore that did not come to its end nobody opens a store. */
static void test_unfinished(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(GError) failure = NULL;
  g_autofree char *mark = g_build_filename(fixture->place.folder, STORE_UNFINISHED, NULL);
  store_rollback(fixture->store);
  g_clear_pointer(&fixture->store, store_close);
  g_assert_true(g_file_set_contents(mark, "", 0, NULL));
  g_assert_null(store_open(&fixture->place, &failure));
  g_assert_error(failure, STORE_ERROR, STORE_ERROR_OPEN);
  g_assert_nonnull(strstr(failure->message, "run it again"));
  g_assert_cmpint(g_unlink(mark), ==, 0);
  fixture_open(fixture);
}

/* --- copies --- */

typedef struct {
  Fixture *fixture;
  guint told;
} Copying;

/* The server commits while its store is copied. */
static void commit_meanwhile(gint64 done, gint64 of, gpointer user) {
  Copying *copying = user;
  g_assert_cmpint(done, <=, of);
  add_account(copying->fixture->store, (guint8)(100 + copying->told++));
  fixture_commit(copying->fixture);
}

/* A copy is the store as it was when it began, whatever is committed meanwhile. */
static void test_copy(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  Copying copying = {fixture, 0};
  g_autofree char *folder = g_dir_make_tmp("signet-copy-XXXXXX", NULL);
  g_autofree char *path = g_build_filename(folder, "signet.db", NULL);
  const StorePlace place = {.folder = folder};
  add_account(fixture->store, 1);
  GOOD(sql_run(fixture->store, &error,
               "INSERT INTO raw (id, octets) VALUES (?1, randomblob(20000000))", "d", &(Id){{1}}));
  fixture_commit(fixture);
  GOOD(sqlite_copy(fixture->place.folder, path, commit_meanwhile, &copying, &error));
  g_assert_cmpuint(copying.told, >, 2);
  GOOD(sqlite_copy_check(path, &error));
  Store *copy = store_open_reader(&place, NULL);
  g_assert_cmpint(number_of(copy, "SELECT count(*) FROM account"), ==, 1);
  g_assert_cmpint(number_of(copy, "SELECT count(*) FROM raw"), ==, 1);
  store_close(copy);
  g_assert_cmpint(number_of(fixture->store, "SELECT count(*) FROM account"), ==, copying.told + 1);
  g_unlink(path);
  g_assert_cmpint(g_rmdir(folder), ==, 0);
}

static void no_progress(gint64 done G_GNUC_UNUSED, gint64 of G_GNUC_UNUSED,
                        gpointer user G_GNUC_UNUSED) {
}

static void test_damaged(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(GError) failure = NULL;
  g_autofree char *folder = g_dir_make_tmp("signet-copy-XXXXXX", NULL);
  g_autofree char *path = g_build_filename(folder, "signet.db", NULL), *octets = NULL;
  gsize size = 0;
  fixture_commit(fixture);
  GOOD(sqlite_copy(fixture->place.folder, path, no_progress, NULL, &error));
  GOOD(g_file_get_contents(path, &octets, &size, &error));
  memset(octets + size / 2, 0x55, size / 4);
  GOOD(g_file_set_contents(path, octets, (gssize)size, &error));
  g_assert_false(sqlite_copy_check(path, &failure));
  g_assert_error(failure, STORE_ERROR, STORE_ERROR_FAILED);
  g_clear_error(&failure);
  g_assert_false(sqlite_copy(folder, path, no_progress, NULL, &failure)); /* it is there */
  g_assert_error(failure, STORE_ERROR, STORE_ERROR_FAILED);
  g_unlink(path);
  g_assert_cmpint(g_rmdir(folder), ==, 0);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  FIXTURE_TEST("/restored/chains", test_chains);
  FIXTURE_TEST("/restored/lists", test_lists);
  FIXTURE_TEST("/restored/twice", test_twice);
  if (database_server() != NULL)
    return g_test_run();
  FIXTURE_TEST("/restored/unfinished", test_unfinished);
  FIXTURE_TEST("/restored/copy", test_copy);
  FIXTURE_TEST("/restored/damaged", test_damaged);
  return g_test_run();
}
