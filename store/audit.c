/* SPDX-License-Identifier: Apache-2.0 */
#include "store/audit.h"
#include "store/sql.h"

#include <string.h>

#define HASH_OCTETS 32

typedef struct {
  gint64 number;
  guint8 hash[HASH_OCTETS];
} Head;

static gboolean read_head(Store *store, Head *head, GError **error) {
  memset(head, 0, sizeof(*head));
  SqlQuery query =
      sql_query(store, "SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1", "");
  if (sql_row(&query)) {
    head->number = sql_int(&query, 0);
    g_autoptr(GBytes) hash = sql_bytes(&query, 1);
    if (hash != NULL && g_bytes_get_size(hash) == HASH_OCTETS)
      memcpy(head->hash, g_bytes_get_data(hash, NULL), HASH_OCTETS);
    else
      g_set_error(&query.error, STORE_ERROR, STORE_ERROR_FAILED,
                  "the hash of audit record %" G_GINT64_FORMAT " is damaged", head->number);
  }
  return sql_end(&query, error);
}

static void add_text(GChecksum *sum, const char *text) {
  guint64 length = GUINT64_TO_BE((guint64)strlen(text));
  g_checksum_update(sum, (const guchar *)&length, sizeof(length));
  g_checksum_update(sum, (const guchar *)text, (gssize)strlen(text));
}

static GBytes *chain(const guint8 previous[HASH_OCTETS], gint64 number, gint64 at, const char *kind,
                     const char *subject, const char *detail) {
  g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
  gint64 numbers[2] = {GINT64_TO_BE(number), GINT64_TO_BE(at)};
  guint8 hash[HASH_OCTETS];
  gsize length = sizeof(hash);
  g_checksum_update(sum, previous, HASH_OCTETS);
  g_checksum_update(sum, (const guchar *)numbers, sizeof(numbers));
  add_text(sum, kind);
  add_text(sum, subject);
  add_text(sum, detail);
  g_checksum_get_digest(sum, hash, &length);
  return g_bytes_new(hash, length);
}

gboolean audit_append(Store *store, gint64 now, const char *kind, const char *subject,
                      const char *detail, GError **error) {
  Head head;
  if (!read_head(store, &head, error))
    return FALSE;
  g_autoptr(GBytes) hash = chain(head.hash, head.number + 1, now, kind, subject, detail);
  return sql_run(
      store, error,
      "INSERT INTO audit (number, at, kind, subject, detail, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
      "iitttb", head.number + 1, now, kind, subject, detail, hash);
}

gboolean audit_last_time(Store *store, gint64 *at, GError **error) {
  SqlQuery query = sql_query(store, "SELECT max(at) FROM audit", "");
  *at = sql_row(&query) ? sql_int(&query, 0) : 0;
  return sql_end(&query, error);
}

gboolean audit_verify(Store *store, gint64 *records, gint64 *broken, GError **error) {
  guint8 previous[HASH_OCTETS] = {0};
  SqlQuery query = sql_query(
      store, "SELECT number, at, kind, subject, detail, hash FROM audit ORDER BY number", "");
  *records = *broken = 0;
  while (*broken == 0 && sql_row(&query)) {
    g_autofree char *kind = sql_text(&query, 2);
    g_autofree char *subject = sql_text(&query, 3);
    g_autofree char *detail = sql_text(&query, 4);
    g_autoptr(GBytes) hash = sql_bytes(&query, 5);
    *records += 1;
    if (kind == NULL || subject == NULL || detail == NULL || hash == NULL) {
      *broken = *records;
      break;
    }
    g_autoptr(GBytes) expected =
        chain(previous, *records, sql_int(&query, 1), kind, subject, detail);
    if (sql_int(&query, 0) != *records || !g_bytes_equal(hash, expected))
      *broken = *records;
    memcpy(previous, g_bytes_get_data(expected, NULL), HASH_OCTETS);
  }
  return sql_end(&query, error);
}
