/* SPDX-License-Identifier: Apache-2.0 */
/* The schema, as migrations that only add. Times are UTC milliseconds, ids 16 octets. Every rule
   that must hold under races is a unique index here or a conditional UPDATE in an object's file. */
#include "store/sql.h"

static const char *const migrations[] = {
    /* 1 */
    "CREATE TABLE account ("
    "  id @blob PRIMARY KEY, status @text NOT NULL, thumbprint @blob NOT NULL UNIQUE, jwk @text "
    "NOT NULL,"
    "  contact @text NOT NULL, terms @text, terms_agreed_at @int, created_at @int NOT NULL);"

    "CREATE TABLE orders ("
    "  id @blob PRIMARY KEY, account_id @blob NOT NULL REFERENCES account(id), status @text NOT "
    "NULL,"
    "  created_at @int NOT NULL, expires_at @int NOT NULL, error @text, csr @blob, spki @blob,"
    "  usage @int, finalized_at @int);"
    "CREATE INDEX orders_expiry ON orders(status, expires_at);"
    "CREATE INDEX orders_account ON orders(account_id, id);"

    "CREATE TABLE authz ("
    "  id @blob PRIMARY KEY, order_id @blob NOT NULL REFERENCES orders(id), account_id @blob NOT "
    "NULL,"
    "  position @int NOT NULL, identifier @text NOT NULL, address @text NOT NULL, canonical @text "
    "NOT NULL,"
    "  domain @text NOT NULL, status @text NOT NULL, expires_at @int NOT NULL,"
    "  UNIQUE (order_id, position), UNIQUE (order_id, canonical));"

    "CREATE TABLE challenge ("
    "  id @blob PRIMARY KEY, authz_id @blob NOT NULL UNIQUE REFERENCES authz(id), status @text NOT "
    "NULL,"
    "  token2 @text NOT NULL, mail_from @text NOT NULL UNIQUE, created_at @int NOT NULL,"
    "  deadline @int NOT NULL, token1 @text, message_id @text, sent_at @int, responded_at @int,"
    "  passed_at @int, validated_at @int, error @text, notes @int NOT NULL, mails @int NOT NULL,"
    "  mail_octets @int NOT NULL);"
    "CREATE INDEX challenge_deadline ON challenge(status, deadline);"
    "CREATE TABLE note ("
    "  challenge_id @blob NOT NULL REFERENCES challenge(id), number @int NOT NULL, at @int NOT "
    "NULL,"
    "  rule @text NOT NULL, problem @text NOT NULL, PRIMARY KEY (challenge_id, number));"

    "CREATE TABLE raw (id @blob PRIMARY KEY, octets @blob NOT NULL);"
    "CREATE TABLE message ("
    "  id @blob PRIMARY KEY, raw_id @blob NOT NULL REFERENCES raw(id),"
    "  challenge_id @blob NOT NULL REFERENCES challenge(id), direction @text NOT NULL, at @int NOT "
    "NULL,"
    "  peer @text, helo @text, reverse_path @text, tls @int, verdict @text, evidence @text);"
    "CREATE INDEX message_challenge ON message(challenge_id, at);"

    "CREATE TABLE job ("
    "  kind @text NOT NULL, subject @blob NOT NULL, due_at @int NOT NULL, attempts @int NOT NULL,"
    "  taken_until @int NOT NULL, version @int NOT NULL, PRIMARY KEY (kind, subject));"
    "CREATE INDEX job_due ON job(kind, due_at);"

    "CREATE TABLE crl_shard ("
    "  number @int PRIMARY KEY, issued @int NOT NULL, crl_number @int NOT NULL, this_update @int "
    "NOT NULL,"
    "  next_update @int NOT NULL, crl @blob);"
    "CREATE TABLE certificate ("
    "  id @blob PRIMARY KEY, order_id @blob NOT NULL UNIQUE REFERENCES orders(id),"
    "  account_id @blob NOT NULL, serial @blob NOT NULL UNIQUE, shard @int NOT NULL, not_before "
    "@int NOT NULL,"
    "  not_after @int NOT NULL, key_digest @blob NOT NULL, tbs @blob NOT NULL, findings @text NOT "
    "NULL,"
    "  signing_at @int NOT NULL, der @blob, issued_at @int, revoked_at @int, reason @int);"
    "CREATE INDEX certificate_key ON certificate(key_digest);"
    "CREATE INDEX certificate_revoked ON certificate(shard, revoked_at);"
    "CREATE TABLE blocked_key (digest @blob PRIMARY KEY, at @int NOT NULL, why @text NOT NULL);"

    "CREATE TABLE caa_check ("
    "  order_id @blob NOT NULL REFERENCES orders(id), domain @text NOT NULL, at @int NOT NULL,"
    "  verdict @text NOT NULL, secure @int NOT NULL, explanation @text NOT NULL, records @text NOT "
    "NULL,"
    "  PRIMARY KEY (order_id, domain, at));"

    "CREATE TABLE audit ("
    "  number @int PRIMARY KEY, at @int NOT NULL, kind @text NOT NULL, subject @text NOT NULL,"
    "  detail @text NOT NULL, hash @blob NOT NULL);",

    /* 2 */
    "CREATE INDEX audit_at ON audit(at);",
};

static gboolean read_version(Store *store, gint64 *version, GError **error) {
  SqlQuery query = sql_query(store, "SELECT max(version) FROM schema_version", "");
  *version = sql_row(&query) ? sql_int(&query, 0) : 0;
  return sql_end(&query, error);
}

static gboolean run_migrations(Store *store, GError **error) {
  gint64 version = 0, newest = G_N_ELEMENTS(migrations);
  if (!store_script(store, "CREATE TABLE IF NOT EXISTS schema_version (version @int PRIMARY KEY)",
                    error) ||
      !read_version(store, &version, error))
    return FALSE;
  if (version > newest + 1) {
    g_set_error(error, STORE_ERROR, STORE_ERROR_OPEN,
                "the store has schema version %" G_GINT64_FORMAT
                ", this program knows %" G_GINT64_FORMAT,
                version, newest);
    return FALSE;
  }
  for (gint64 i = version; i < newest; i++)
    if (!store_script(store, migrations[i], error) ||
        !sql_run(store, error, "INSERT INTO schema_version (version) VALUES (?1)", "i", i + 1))
      return FALSE;
  return TRUE;
}

gboolean schema_migrate(Store *store, GError **error) {
  if (!store_begin(store, error))
    return FALSE;
  if (run_migrations(store, error))
    return store_commit(store, error);
  store_rollback(store);
  return FALSE;
}
