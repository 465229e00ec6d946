/* SPDX-License-Identifier: Apache-2.0 */
#include "store/audit.h"
#include "store/kept.h"
#include "store/sql.h"

#include <string.h>

#define KEPT_MAX 64 /* records of an order; one of a single mailbox has some 16 */

/* --- appending
 * --------------------------------------------------------------------------------------------- */

static gboolean take_hash(SqlQuery *query, int column, guint8 hash[AUDIT_HASH_OCTETS]) {
  g_autoptr(GBytes) found = sql_bytes(query, column);
  if (found == NULL || g_bytes_get_size(found) != AUDIT_HASH_OCTETS)
    return FALSE;
  memcpy(hash, g_bytes_get_data(found, NULL), AUDIT_HASH_OCTETS);
  return TRUE;
}

static gboolean take_head(SqlQuery query, AuditHead *head, GError **error) {
  memset(head, 0, sizeof(*head));
  if (sql_row(&query)) {
    head->number = sql_int(&query, 0);
    head->chain.given = sql_id(&query, 2, &head->chain.id);
    if (!take_hash(&query, 1, head->hash))
      g_set_error(&query.error, STORE_ERROR, STORE_ERROR_FAILED,
                  "the hash of audit record %" G_GINT64_FORMAT " is damaged", head->number);
  }
  return sql_end(&query, error);
}

/* The last record of an owner's chain; chain not given when it has none yet. */
static gboolean read_head(Store *store, const char *owner, AuditHead *head, GError **error) {
  return take_head(sql_query(store,
                             "SELECT number, hash, chain FROM audit WHERE chain ="
                             " (SELECT chain FROM audit_owner WHERE owner = ?1)"
                             " ORDER BY number DESC LIMIT 1",
                             "t", owner),
                   head, error);
}

/* hash: of the record before, then of this one. */
static gboolean insert(Store *store, const AuditRecord *record, guint8 hash[AUDIT_HASH_OCTETS],
                       GError **error) {
  audit_record_hash(record, hash, hash);
  g_autoptr(GBytes) octets = g_bytes_new(hash, AUDIT_HASH_OCTETS);
  return sql_run(store, error,
                 "INSERT INTO audit (number, at, kind, subject, detail, hash, chain)"
                 " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                 "iitttbd", record->number, record->at, record->kind, record->subject,
                 record->detail, octets, &record->chain.id);
}

/* The end of the chain that nobody goes on with: that of the time when the store was not shared, or
   of schema version 3. */
static gboolean read_ended(Store *store, AuditHead *head, GError **error) {
  return read_head(store, "", head, error) &&
         (head->chain.given ||
          take_head(sql_query(store,
                              "SELECT number, hash, chain FROM audit WHERE chain IS NULL"
                              " ORDER BY number DESC LIMIT 1",
                              ""),
                    head, error));
}

/* The first record of a chain, which says where the one before had its end. */
static gboolean insert_first(Store *store, gint64 now, const Id *chain, const AuditHead *before,
                             GError **error) {
  guint8 hash[AUDIT_HASH_OCTETS] = {0};
  g_autofree char *detail = audit_begun_text(before);
  AuditRecord record = {.chain = {TRUE, *chain},
                        .number = before->number + 1,
                        .at = now,
                        .kind = AUDIT_BEGUN,
                        .subject = "",
                        .detail = detail};
  return insert(store, &record, hash, error);
}

gboolean audit_begin(Store *store, gint64 now, const Id *chain, GError **error) {
  AuditHead head;
  if (!read_head(store, store_owner(store), &head, error))
    return FALSE;
  if (head.chain.given)
    return TRUE;
  return read_ended(store, &head, error) &&
         sql_run(store, error, "INSERT INTO audit_owner (owner, chain) VALUES (?1, ?2)", "td",
                 store_owner(store), chain) &&
         insert_first(store, now, chain, &head, error);
}

GPtrArray *audit_owners(Store *store, GError **error) {
  g_autoptr(GPtrArray) owners = g_ptr_array_new_with_free_func(g_free);
  SqlQuery query = sql_query(store, "SELECT owner FROM audit_owner ORDER BY owner", "");
  while (sql_row(&query))
    g_ptr_array_add(owners, sql_text(&query, 0));
  return sql_end(&query, error) ? g_steal_pointer(&owners) : NULL;
}

StoreFind audit_begin_anew(Store *store, const char *owner, gint64 now, const Id *chain,
                           AuditHead *before, GError **error) {
  store_audit_end(store)->chain.given = FALSE;
  if (!read_head(store, owner, before, error))
    return STORE_LOOKUP_FAILED;
  if (!before->chain.given)
    return STORE_MISSING;
  return sql_run(store, error, "UPDATE audit_owner SET chain = ?2 WHERE owner = ?1", "td", owner,
                 chain) &&
                 insert_first(store, now, chain, before, error)
             ? STORE_FOUND
             : STORE_LOOKUP_FAILED;
}

/* --- of orders under way
 * --------------------------------------------------------------------------------- */

void audit_keep(Store *store, const Id *order) {
  kept_put(store_kept(store), KEPT_RECORDS_OF_ORDERS, order,
           g_array_sized_new(FALSE, FALSE, sizeof(AuditHead), 16));
}

GArray *audit_take_kept(Store *store, const Id *order) {
  GArray *records = kept_find(store_kept(store), KEPT_RECORDS_OF_ORDERS, order);
  if (records != NULL)
    g_array_ref(records);
  kept_forget(store_kept(store), KEPT_RECORDS_OF_ORDERS, order);
  return records;
}

/* The order that a subject names second, after the account (acme/record.c). */
static gboolean order_of(const char *subject, Id *order) {
  static const char before[] = " order/";
  gsize account = strcspn(subject, " ");
  char text[ID_TEXT];
  if (strncmp(subject + account, before, strlen(before)) != 0)
    return FALSE;
  g_strlcpy(text, subject + account + strlen(before), sizeof(text));
  return id_from_text(text, order);
}

static void keep(Store *store, const char *subject, const AuditHead *head) {
  Kept *kept = store_kept(store);
  Id order;
  if (!order_of(subject, &order))
    return;
  GArray *records = kept_find(kept, KEPT_RECORDS_OF_ORDERS, &order);
  if (records != NULL && records->len < KEPT_MAX)
    kept_put(kept, KEPT_RECORDS_OF_ORDERS, &order,
             g_array_ref(g_array_append_vals(records, head, 1)));
  else if (records != NULL)
    kept_forget(kept, KEPT_RECORDS_OF_ORDERS, &order);
}

gboolean audit_append(Store *store, gint64 now, const char *kind, const char *subject,
                      const char *detail, GError **error) {
  AuditHead *head = store_audit_end(store);
  if (!head->chain.given && !read_head(store, store_owner(store), head, error))
    return FALSE;
  if (!head->chain.given) {
    g_set_error(error, STORE_ERROR, STORE_ERROR_FAILED, "no chain of audit records was begun");
    return FALSE;
  }
  AuditRecord record = {.chain = head->chain,
                        .number = head->number + 1,
                        .at = now,
                        .kind = kind,
                        .subject = subject,
                        .detail = detail};
  if (insert(store, &record, head->hash, error)) {
    head->number = record.number;
    keep(store, subject, head);
    return TRUE;
  }
  head->chain.given = FALSE;
  return FALSE;
}

gboolean audit_last_time(Store *store, gint64 *at, GError **error) {
  SqlQuery query = sql_query(store, "SELECT max(at) FROM audit", "");
  *at = sql_row(&query) ? sql_int(&query, 0) : 0;
  return sql_end(&query, error);
}

/* --- checkpoints
 * ------------------------------------------------------------------------------------------- */

gboolean audit_head(Store *store, AuditCheckpoint *head, GBytes **key, GError **error) {
  AuditHead last;
  *key = NULL;
  if (!read_head(store, store_owner(store), &last, error))
    return FALSE;
  *head = (AuditCheckpoint){.chain = last.chain.id, .number = last.number};
  memcpy(head->hash, last.hash, AUDIT_HASH_OCTETS);
  SqlQuery query =
      sql_query(store,
                "SELECT number, key FROM audit_checkpoint WHERE chain = ?1 ORDER BY number DESC"
                " LIMIT 1",
                "d", &last.chain.id);
  if (sql_row(&query)) {
    head->previous = sql_int(&query, 0);
    *key = sql_bytes(&query, 1);
  }
  return sql_end(&query, error);
}

StoreChange audit_add_checkpoint(Store *store, const AuditCheckpoint *checkpoint, GBytes *key,
                                 GBytes *signature, GError **error) {
  g_autoptr(GBytes) hash = g_bytes_new(checkpoint->hash, AUDIT_HASH_OCTETS);
  return sql_change(
      store, error,
      "INSERT INTO audit_checkpoint (chain, number, hash, at, previous, key, signature)"
      " SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE ?5 ="
      " (SELECT coalesce(max(number), 0) FROM audit_checkpoint WHERE chain = ?1) AND ?2 > ?5",
      "dibiibb", &checkpoint->chain, checkpoint->number, hash, checkpoint->at, checkpoint->previous,
      key, signature);
}

gboolean audit_was_stopped(Store *store, gboolean *stopped, GError **error) {
  SqlQuery query = sql_query(store,
                             "SELECT kind FROM audit WHERE chain ="
                             " (SELECT chain FROM audit_owner WHERE owner = ?1)"
                             " ORDER BY number DESC LIMIT 1",
                             "t", store_owner(store));
  gboolean any = sql_row(&query);
  g_autofree char *kind = any ? sql_text(&query, 0) : NULL;
  *stopped = !any || g_strcmp0(kind, AUDIT_STOPPED) == 0;
  return sql_end(&query, error);
}

GHashTable *audit_of_kind(Store *store, const char *kind, GError **error) {
  g_autoptr(GHashTable) found = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  SqlQuery query = sql_query(store, "SELECT subject, detail FROM audit WHERE kind = ?1", "t", kind);
  while (sql_row(&query)) {
    char *subject = sql_text(&query, 0), *detail = sql_text(&query, 1);
    if (subject != NULL && detail != NULL)
      g_hash_table_replace(found, subject, detail);
  }
  return sql_end(&query, error) ? g_steal_pointer(&found) : NULL;
}
