/* SPDX-License-Identifier: Apache-2.0 */
#include "store/audit_feed.h"
#include "store/sql.h"

#include <string.h>

#define ROWS_AT_ONCE 2000 /* a reader must not hold a snapshot for long */
#define CHECKPOINTS_AT_ONCE 500

/* --- rows
 * --------------------------------------------------------------------------------------------------
 */

static void row_free(gpointer data) {
  AuditRow *row = data;
  for (gsize i = 0; i < G_N_ELEMENTS(row->texts); i++)
    g_free(row->texts[i]);
  g_clear_pointer(&row->hash, g_bytes_unref);
  g_free(row);
}

static AuditRow *read_row(SqlQuery *query, const AuditChain *chain) {
  AuditRow *row = g_new0(AuditRow, 1);
  for (int i = 0; i < (int)G_N_ELEMENTS(row->texts); i++)
    row->texts[i] = sql_text(query, 2 + i);
  row->hash = sql_bytes(query, 5);
  row->record = (AuditRecord){.chain = *chain,
                              .number = sql_int(query, 0),
                              .at = sql_int(query, 1),
                              .kind = row->texts[0],
                              .subject = row->texts[1],
                              .detail = row->texts[2]};
  return row;
}

/* A statement whose condition is one chain, ?1. The two have a text each, for PostgreSQL looks up
   nothing by IS NOT DISTINCT FROM. */
#define OF_CHAIN(chain, select, rest)                                                              \
  ((chain)->given ? select " WHERE chain = ?1" rest                                                \
                  : select " WHERE chain IS NULL AND ?1 IS NULL" rest)

static GPtrArray *read_rows(Store *store, const AuditChain *chain, gint64 after, guint limit,
                            GError **error) {
  g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func(row_free);
  SqlQuery query =
      sql_query(store,
                OF_CHAIN(chain, "SELECT number, at, kind, subject, detail, hash FROM audit",
                         " AND number > ?2 ORDER BY number LIMIT ?3"),
                "dii", chain->given ? &chain->id : NULL, after, (gint64)limit);
  while (sql_row(&query))
    g_ptr_array_add(rows, read_row(&query, chain));
  return sql_end(&query, error) ? g_steal_pointer(&rows) : NULL;
}

static void checkpoint_free(gpointer data) {
  AuditCheckpointRow *row = data;
  g_clear_pointer(&row->key, g_bytes_unref);
  g_clear_pointer(&row->signature, g_bytes_unref);
  g_free(row);
}

static AuditCheckpointRow *read_checkpoint(SqlQuery *query, const AuditChain *chain) {
  AuditCheckpointRow *row = g_new0(AuditCheckpointRow, 1);
  row->checkpoint = (AuditCheckpoint){.chain = chain->id,
                                      .number = sql_int(query, 0),
                                      .at = sql_int(query, 2),
                                      .previous = sql_int(query, 3)};
  g_autoptr(GBytes) hash = sql_bytes(query, 1);
  if (hash != NULL && g_bytes_get_size(hash) == AUDIT_HASH_OCTETS) {
    memcpy(row->checkpoint.hash, g_bytes_get_data(hash, NULL), AUDIT_HASH_OCTETS);
    row->key = sql_bytes(query, 4);
    row->signature = sql_bytes(query, 5);
  }
  return row;
}

static GPtrArray *read_checkpoints(Store *store, const AuditChain *chain, gint64 after, guint limit,
                                   GError **error) {
  g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func(checkpoint_free);
  SqlQuery query = sql_query(store,
                             "SELECT number, hash, at, previous, key, signature"
                             " FROM audit_checkpoint WHERE chain = ?1 AND number > ?2"
                             " ORDER BY number LIMIT ?3",
                             "dii", chain->given ? &chain->id : NULL, after, (gint64)limit);
  while (sql_row(&query))
    g_ptr_array_add(rows, read_checkpoint(&query, chain));
  return sql_end(&query, error) ? g_steal_pointer(&rows) : NULL;
}

/* Oldest first; of AuditChain. */
static GArray *read_chains(Store *store, gint64 *strange, GError **error) {
  g_autoptr(GArray) chains = g_array_new(FALSE, FALSE, sizeof(AuditChain));
  SqlQuery query = sql_query(
      store,
      "SELECT chain, CASE WHEN chain IS NULL THEN 1 ELSE 0 END, CAST(sum(rows) AS @int) FROM"
      " (SELECT chain, min(number) AS first, count(*) AS rows FROM audit GROUP BY chain"
      " UNION ALL SELECT chain, min(number), count(*) FROM audit_checkpoint GROUP BY "
      "chain) AS named"
      " GROUP BY chain ORDER BY min(first)",
      "");
  while (sql_row(&query)) {
    AuditChain chain = {0};
    chain.given = sql_id(&query, 0, &chain.id);
    if (chain.given || sql_int(&query, 1) == 1)
      g_array_append_val(chains, chain);
    else
      *strange += sql_int(&query, 2);
  }
  return sql_end(&query, error) ? g_steal_pointer(&chains) : NULL;
}

/* --- feeding
 * -----------------------------------------------------------------------------------------------
 */

/* One chain on its way to the taker. */
typedef struct {
  Store *store;
  const AuditTaker *taker;
  AuditChain chain;
  gint64 from, to; /* numbers */
  gint64 done, of, last, last_checkpoint;
  GPtrArray *checkpoints;
  guint next;
  gboolean exhausted; /* of checkpoints, when last asked */
} Feed;

/* The next checkpoint that was not fed; NULL: none, or *failed. */
static const AuditCheckpointRow *peek(Feed *feed, gboolean *failed, GError **error) {
  if (feed->checkpoints != NULL && feed->next < feed->checkpoints->len)
    return feed->checkpoints->pdata[feed->next];
  if (feed->exhausted)
    return NULL;
  g_clear_pointer(&feed->checkpoints, g_ptr_array_unref);
  feed->checkpoints = read_checkpoints(feed->store, &feed->chain, feed->last_checkpoint,
                                       CHECKPOINTS_AT_ONCE, error);
  feed->next = 0;
  *failed = feed->checkpoints == NULL;
  feed->exhausted = *failed || feed->checkpoints->len == 0;
  return feed->exhausted ? NULL : feed->checkpoints->pdata[0];
}

/* Those of records up to a number. */
static gboolean feed_checkpoints(Feed *feed, gint64 number, GError **error) {
  gboolean failed = FALSE;
  const AuditCheckpointRow *row = peek(feed, &failed, error);
  while (row != NULL && row->checkpoint.number <= number) {
    if (feed->taker->checkpoint != NULL)
      feed->taker->checkpoint(row, feed->taker->user);
    feed->last_checkpoint = row->checkpoint.number;
    feed->next++;
    row = peek(feed, &failed, error);
  }
  return !failed;
}

/* *fed: whether there were records. */
static gboolean feed_records(Feed *feed, gboolean *fed, GError **error) {
  g_autoptr(GPtrArray) rows = read_rows(feed->store, &feed->chain, feed->last, ROWS_AT_ONCE, error);
  gboolean good = rows != NULL;
  *fed = FALSE;
  feed->exhausted = FALSE;
  for (guint i = 0; good && i < rows->len; i++) {
    const AuditRow *row = rows->pdata[i];
    if (row->record.number > feed->to)
      break;
    *fed = TRUE;
    feed->last = row->record.number;
    feed->done++;
    if (feed->taker->record != NULL)
      feed->taker->record(row, feed->taker->user);
    good = feed_checkpoints(feed, feed->last, error);
  }
  if (good && feed->taker->progress != NULL)
    feed->taker->progress(feed->done, MAX(feed->done, feed->of), feed->taker->user);
  return good;
}

static gboolean feed_chain(Feed *feed, GError **error) {
  gboolean fed = TRUE, good = TRUE;
  feed->last = feed->last_checkpoint = feed->from - 1;
  feed->exhausted = FALSE;
  if (feed->taker->chain != NULL)
    feed->taker->chain(&feed->chain, feed->taker->user);
  while (good && fed)
    good = feed_records(feed, &fed, error);
  /* A server may have written records and their checkpoint meanwhile. */
  gboolean failed = FALSE;
  const AuditCheckpointRow *later = good ? peek(feed, &failed, error) : NULL;
  if (good && later != NULL && later->checkpoint.number <= feed->to)
    good = feed_records(feed, &fed, error);
  good = good && !failed && feed_checkpoints(feed, feed->to, error);
  g_clear_pointer(&feed->checkpoints, g_ptr_array_unref);
  feed->next = 0;
  if (good && feed->taker->chain_end != NULL)
    feed->taker->chain_end(feed->taker->user);
  return good;
}

gboolean audit_feed_piece(Store *store, const AuditChain *chain, gint64 from, gint64 to,
                          const AuditTaker *taker, GError **error) {
  Feed feed = {.store = store, .taker = taker, .chain = *chain, .from = from, .to = to};
  return feed_chain(&feed, error);
}

gboolean audit_covered_by(Store *store, const AuditChain *chain, gint64 number, gint64 *checkpoint,
                          GError **error) {
  SqlQuery query = sql_query(store,
                             "SELECT min(number) FROM audit_checkpoint"
                             " WHERE chain = ?1 AND number >= ?2",
                             "di", chain->given ? &chain->id : NULL, number);
  *checkpoint = sql_row(&query) ? sql_int(&query, 0) : 0;
  return sql_end(&query, error);
}

/* The same as AUDIT_ABOUT; the account has 30 characters. */
static char *about_of(const char *subject) {
  if (strlen(subject) <= 30 || subject[30] != ' ')
    return g_strdup(subject);
  return g_str_has_prefix(subject + 31, "order/") ? g_strndup(subject + 37, 12)
                                                  : g_strndup(subject + 31, 28);
}

static SqlQuery ask_about(Store *store, const AuditSubject *subject) {
  g_autofree char *about = about_of(subject->text);
  /* "~" is behind every character that follows in a subject. */
  return sql_query(store,
                   "SELECT number, at, kind, subject, detail, hash, chain FROM audit"
                   " WHERE " AUDIT_ABOUT " = ?3"
                   " AND subject >= ?1 AND subject <= ?1 || ?2 ORDER BY number",
                   "ttt", subject->text, subject->open ? "~" : "", about);
}

static gboolean read_about(SqlQuery *query, GPtrArray *rows, GError **error) {
  while (sql_row(query)) {
    AuditChain chain = {0};
    chain.given = sql_id(query, 6, &chain.id);
    g_ptr_array_add(rows, read_row(query, &chain));
  }
  return sql_end(query, error);
}

GPtrArray *audit_rows_about(Store *store, const GArray *subjects, GError **error) {
  g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func(row_free);
  guint together = store_is_shared(store) ? SQL_TOGETHER : 1;
  gboolean good = TRUE;
  for (guint from = 0; good && from < subjects->len; from += together) {
    SqlQuery queries[SQL_TOGETHER];
    guint count = MIN(together, subjects->len - from);
    for (guint i = 0; i < count; i++)
      queries[i] = ask_about(store, &g_array_index(subjects, AuditSubject, from + i));
    for (guint i = 0; i < count; i++)
      good = read_about(&queries[i], rows, good ? error : NULL) && good;
  }
  return good ? g_steal_pointer(&rows) : NULL;
}

void audit_rows_add(GPtrArray *rows, const AuditHead *head) {
  AuditRow *row = g_new0(AuditRow, 1);
  row->record = (AuditRecord){.chain = head->chain, .number = head->number};
  row->hash = g_bytes_new(head->hash, AUDIT_HASH_OCTETS);
  g_ptr_array_add(rows, row);
}

static gboolean number_of(SqlQuery query, gint64 *number, GError **error) {
  *number = sql_row(&query) ? sql_int(&query, 0) : 0;
  return sql_end(&query, error);
}

/* The numbers of the part in one chain. Without a record that late, or that early, it has none.
   CASE has SQLite read the index over at, not the chain from its beginning or end. */
static gboolean find_range(Feed *feed, const AuditRange *range, GError **error) {
  const Id *chain = feed->chain.given ? &feed->chain.id : NULL;
  feed->from = G_MININT64 + 1;
  feed->to = G_MAXINT64;
  if (range == NULL)
    return TRUE;
  feed->from = range->from != 0 ? range->from : feed->from;
  feed->to = range->to != 0 ? range->to : feed->to;
  return (range->since == 0 ||
          number_of(sql_query(feed->store,
                              "SELECT coalesce(min(CASE WHEN chain IS NOT DISTINCT FROM ?1"
                              " THEN number END), ?3) FROM audit WHERE at >= ?2",
                              "dii", chain, range->since, G_MAXINT64),
                    &feed->from, error)) &&
         (range->until == 0 ||
          number_of(sql_query(feed->store,
                              "SELECT coalesce(max(CASE WHEN chain IS NOT DISTINCT FROM ?1"
                              " THEN number END), 0) FROM audit WHERE at <= ?2",
                              "di", chain, range->until),
                    &feed->to, error));
}

gboolean audit_feed(Store *store, const AuditRange *range, const AuditTaker *taker, gint64 *strange,
                    GError **error) {
  Feed feed = {.store = store, .taker = taker};
  *strange = 0;
  if (!number_of(sql_query(store, "SELECT count(*) FROM audit WHERE number >= ?1", "i",
                           range != NULL ? range->from : 0),
                 &feed.of, error))
    return FALSE;
  g_autoptr(GArray) chains = read_chains(store, strange, error);
  gboolean good = chains != NULL;
  for (guint i = 0; good && i < chains->len; i++) {
    feed.chain = g_array_index(chains, AuditChain, i);
    good = find_range(&feed, range, error) && feed_chain(&feed, error);
  }
  return good;
}

gboolean audit_row_before(Store *store, const AuditChain *chain, gint64 number, AuditHead *before,
                          GError **error) {
  memset(before, 0, sizeof(*before));
  before->chain = *chain;
  SqlQuery query = sql_query(store,
                             OF_CHAIN(chain, "SELECT number, hash FROM audit",
                                      " AND number < ?2 ORDER BY number DESC LIMIT 1"),
                             "di", chain->given ? &chain->id : NULL, number);
  if (sql_row(&query)) {
    g_autoptr(GBytes) hash = sql_bytes(&query, 1);
    before->number = sql_int(&query, 0);
    if (hash != NULL && g_bytes_get_size(hash) == AUDIT_HASH_OCTETS)
      memcpy(before->hash, g_bytes_get_data(hash, NULL), AUDIT_HASH_OCTETS);
  }
  return sql_end(&query, error);
}

/* --- to a verifier
 * ----------------------------------------------------------------------------------------- */

typedef struct {
  AuditWalk *walk;
  void (*progress)(gint64 done, gint64 of, gpointer user);
  gpointer user;
} Verify;

static void on_chain(const AuditChain *chain, gpointer user) {
  audit_walk_chain(((Verify *)user)->walk, chain, NULL);
}

static void on_record(const AuditRow *row, gpointer user) {
  audit_walk_record(((Verify *)user)->walk, &row->record, row->hash);
}

static void on_checkpoint(const AuditCheckpointRow *row, gpointer user) {
  audit_walk_checkpoint(((Verify *)user)->walk, &row->checkpoint, row->key, row->signature);
}

static void on_chain_end(gpointer user) {
  audit_walk_chain_end(((Verify *)user)->walk);
}

static void on_progress(gint64 done, gint64 of, gpointer user) {
  const Verify *verify = user;
  if (verify->progress != NULL)
    verify->progress(done, of, verify->user);
}

gboolean audit_verify_store(Store *store, AuditWalk *walk,
                            void (*progress)(gint64 done, gint64 of, gpointer user), gpointer user,
                            GError **error) {
  Verify verify = {walk, progress, user};
  const AuditTaker taker = {on_chain, on_record, on_checkpoint, on_chain_end, on_progress, &verify};
  gint64 strange = 0;
  if (!audit_feed(store, NULL, &taker, &strange, error))
    return FALSE;
  if (strange > 0)
    audit_walk_fault(walk, "there are records or checkpoints of a chain that cannot be: they were "
                           "changed or put in");
  audit_walk_end(walk, 0);
  return TRUE;
}
