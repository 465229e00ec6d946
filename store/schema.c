/* SPDX-License-Identifier: Apache-2.0 */
/* The schema, as migrations that only add. Times are UTC milliseconds, ids 16 octets. Every rule
   that must hold under races is a unique index here or a conditional UPDATE in an object's file. */
#include "store/sql.h"

static const char *const migrations[] = {
    /* 3 */
    "CREATE TABLE external_account_key ("
    "  id @blob PRIMARY KEY, mac_key @blob NOT NULL, note @text NOT NULL, identifiers @text NOT "
    "NULL,"
    "  profiles @text NOT NULL, created_at @int NOT NULL, revoked_at @int, account_id @blob "
    "UNIQUE);"
    "CREATE TABLE account ("
    "  id @blob PRIMARY KEY, status @text NOT NULL, thumbprint @blob NOT NULL UNIQUE, jwk @text "
    "NOT NULL,"
    "  contact @text NOT NULL, terms @text, terms_agreed_at @int, created_at @int NOT NULL,"
    "  external_key_id @blob REFERENCES external_account_key(id), external_binding @text);"
    "CREATE TABLE former_key ("
    "  account_id @blob NOT NULL REFERENCES account(id), until @int NOT NULL, thumbprint @blob NOT "
    "NULL,"
    "  PRIMARY KEY (account_id, until, thumbprint));"

    "CREATE TABLE orders ("
    "  id @blob PRIMARY KEY, account_id @blob NOT NULL REFERENCES account(id), status @text NOT "
    "NULL,"
    "  created_at @int NOT NULL, expires_at @int NOT NULL, error @text, profile @text,"
    "  not_before @int, not_after @int, replaces @blob, csr @blob, spki @blob, usage @int,"
    "  finalized_at @int);"
    "CREATE INDEX orders_expiry ON orders(status, expires_at);"
    "CREATE UNIQUE INDEX orders_replaces ON orders(replaces) WHERE status <> 'invalid';"
    "CREATE INDEX orders_account ON orders(account_id, id);"

    "CREATE TABLE authz ("
    "  id @blob PRIMARY KEY, order_id @blob REFERENCES orders(id), account_id @blob NOT "
    "NULL REFERENCES account(id),"
    "  position @int NOT NULL, type @text NOT NULL, identifier @text NOT NULL, address @text NOT "
    "NULL, canonical @text "
    "NOT NULL,"
    "  domain @text NOT NULL, status @text NOT NULL, expires_at @int NOT NULL,"
    "  UNIQUE (order_id, position), UNIQUE (order_id, canonical));"
    "CREATE INDEX authz_account ON authz(account_id, canonical);"
    "CREATE INDEX authz_free ON authz(expires_at) WHERE order_id IS NULL;"

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
    "CREATE INDEX message_raw ON message(raw_id);"

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
    "  signing_at @int NOT NULL, der @blob, issued_at @int, revoked_at @int, reason @int,"
    "  renew_at @int, renew_why @text);"
    "CREATE INDEX certificate_key ON certificate(key_digest);"
    "CREATE INDEX certificate_revoked ON certificate(shard, revoked_at);"
    "CREATE TABLE renewal ("
    "  id @blob PRIMARY KEY, issued_before @int NOT NULL, at @int NOT NULL, why @text NOT NULL);"
    "CREATE TABLE blocked_key (digest @blob PRIMARY KEY, at @int NOT NULL, why @text NOT NULL);"

    "CREATE TABLE caa_check ("
    "  order_id @blob NOT NULL REFERENCES orders(id), domain @text NOT NULL, at @int NOT NULL,"
    "  verdict @text NOT NULL, secure @int NOT NULL, explanation @text NOT NULL, records @text NOT "
    "NULL,"
    "  PRIMARY KEY (order_id, domain, at));"

    "CREATE TABLE audit ("
    "  number @int PRIMARY KEY, at @int NOT NULL, kind @text NOT NULL, subject @text NOT NULL,"
    "  detail @text NOT NULL, hash @blob NOT NULL);"
    "CREATE INDEX audit_at ON audit(at);"

    "CREATE TABLE rate ("
    "  name @text NOT NULL, subject @text NOT NULL, full_at @int NOT NULL, PRIMARY KEY (name, "
    "subject));"
    "CREATE INDEX rate_full ON rate(full_at);"
    "CREATE TABLE rate_override ("
    "  name @text NOT NULL, subject @text NOT NULL, count @int NOT NULL, period @int NOT NULL,"
    "  PRIMARY KEY (name, subject));",
    /* 4 */
    "ALTER TABLE challenge ADD COLUMN queued_at @int;"
    "ALTER TABLE challenge ADD COLUMN relay_text @text;"
    "ALTER TABLE challenge ADD COLUMN envelope_from @text;"
    "ALTER TABLE challenge ADD COLUMN bounces @int NOT NULL DEFAULT 0;"
    "ALTER TABLE challenge ADD COLUMN bounce_octets @int NOT NULL DEFAULT 0;"
    "ALTER TABLE message ADD COLUMN rule @text;"
    "ALTER TABLE message ADD COLUMN reason @text;"
    "CREATE UNIQUE INDEX challenge_envelope ON challenge(envelope_from);"
    "CREATE INDEX former_key_thumbprint ON former_key(thumbprint);"
    "CREATE INDEX orders_status ON orders(status, id);"
    /* One for both: an account's authorizations of a mailbox, and all of a mailbox. */
    "DROP INDEX authz_account;"
    "CREATE INDEX authz_canonical ON authz(canonical, account_id, order_id);"
    "CREATE INDEX authz_owner ON authz(account_id) WHERE order_id IS NULL;"
    "ALTER TABLE certificate ADD COLUMN ending_seen @int;"
    "CREATE INDEX certificate_ending ON certificate(not_after) WHERE ending_seen IS NULL;"
    "CREATE TABLE notice ("
    "  id @blob PRIMARY KEY, certificate_id @blob NOT NULL REFERENCES certificate(id),"
    "  authz_id @blob NOT NULL REFERENCES authz(id), kind @text NOT NULL, message_id @text NOT "
    "NULL,"
    "  created_at @int NOT NULL, sent_at @int, UNIQUE (certificate_id, authz_id, kind));"
    "ALTER TABLE challenge ADD COLUMN mail_sender @text;"
    "CREATE INDEX challenge_sender ON challenge(mail_sender, status, deadline)"
    " WHERE mail_sender IS NOT NULL;"
    "CREATE UNIQUE INDEX challenge_token ON challenge(token1) WHERE mail_sender IS NOT NULL;"
    "CREATE TABLE stray ("
    "  id @blob PRIMARY KEY, raw_id @blob NOT NULL REFERENCES raw(id), at @int NOT NULL, peer "
    "@text,"
    "  helo @text, reverse_path @text, tls @int);"
    "CREATE INDEX stray_raw ON stray(raw_id);"
    "CREATE TABLE issuance_stop ("
    "  id @int PRIMARY KEY CHECK (id = 1), at @int NOT NULL, reason @text NOT NULL, uid @text NOT "
    "NULL);"
    "CREATE TABLE revocation_run ("
    "  id @blob PRIMARY KEY, key_digest @blob, canonical @text, domain @text, reason @int NOT NULL,"
    "  asked_by @text NOT NULL, at @int NOT NULL, after @blob NOT NULL, revoked @int NOT NULL,"
    "  done_at @int);"
    "CREATE INDEX authz_domain ON authz(domain, order_id);"
    "INSERT INTO revocation_run (id, key_digest, reason, asked_by, at, after, revoked)"
    " SELECT c.id, c.key_digest, 1, 'key', j.due_at, c.id, 0 FROM job j"
    " JOIN certificate c ON c.id = j.subject WHERE j.kind = 'revoke';"
    "ALTER TABLE job ADD COLUMN waits_for @text;"
    "CREATE TABLE perspective_answer ("
    "  subject @blob NOT NULL, at @int NOT NULL, question @text NOT NULL, perspective @text NOT "
    "NULL,"
    "  url @text NOT NULL, outcome @text NOT NULL, secure @int NOT NULL, records @text NOT NULL,"
    "  reason @text NOT NULL, PRIMARY KEY (subject, at, question, perspective));"
    "ALTER TABLE certificate ADD COLUMN linter_findings @text;"
    "ALTER TABLE crl_shard ADD COLUMN issuer @blob;"
    "CREATE TABLE audit_checkpoint ("
    "  chain @blob NOT NULL, number @int NOT NULL, hash @blob NOT NULL, at @int NOT NULL,"
    "  previous @int NOT NULL, key @blob NOT NULL, signature @blob NOT NULL,"
    "  PRIMARY KEY (chain, number));"
    "CREATE INDEX certificate_end ON certificate(not_after);"
    /* Not (shard, not_after), which the entries of a list would be read by. */
    "CREATE INDEX certificate_shard ON certificate(shard, revoked_at, not_after);"
    "CREATE TABLE setting ("
    "  owner @text NOT NULL, name @text NOT NULL, value @text NOT NULL, PRIMARY KEY (owner, name));"
    "CREATE TABLE iodef_report ("
    "  id @blob PRIMARY KEY, order_id @blob NOT NULL REFERENCES orders(id), domain @text NOT NULL,"
    "  mailboxes @text NOT NULL, record @text NOT NULL, recipient @text NOT NULL,"
    "  message_id @text NOT NULL, created_at @int NOT NULL, sent_at @int,"
    "  UNIQUE (order_id, recipient));"
    "ALTER TABLE certificate ADD COLUMN facts @text;"
    "ALTER TABLE message ADD COLUMN judged_with @text;"
    "ALTER TABLE caa_check ADD COLUMN found_at @text;"
    "ALTER TABLE caa_check ADD COLUMN rdata @text;"
    /* Chains of several processes have the same numbers. */
    "CREATE TABLE audit_3 ("
    "  number @int NOT NULL, at @int NOT NULL, kind @text NOT NULL, subject @text NOT NULL,"
    "  detail @text NOT NULL, hash @blob NOT NULL, chain @blob);"
    "INSERT INTO audit_3 SELECT number, at, kind, subject, detail, hash, NULL FROM audit;"
    "DROP TABLE audit;"
    "ALTER TABLE audit_3 RENAME TO audit;"
    "CREATE UNIQUE INDEX audit_chain ON audit(chain, number);"
    "CREATE INDEX audit_at ON audit(at);"
    "CREATE INDEX audit_about ON audit(" AUDIT_ABOUT ");"
    "CREATE TABLE audit_owner (owner @text PRIMARY KEY, chain @blob NOT NULL UNIQUE);"
    "ALTER TABLE job ADD COLUMN owner @text;"
    "ALTER TABLE job ADD COLUMN lease @int NOT NULL DEFAULT 0;"
    "CREATE TABLE nonce_key (id @int PRIMARY KEY CHECK (id = 1), value @blob NOT NULL);"
    "CREATE TABLE nonce (value @blob PRIMARY KEY, expires_at @int NOT NULL);"
    "CREATE INDEX nonce_expiry ON nonce(expires_at);"
    /* Transactions that each writing process committed. */
    "CREATE TABLE writer (owner @text PRIMARY KEY, commits @int NOT NULL);"
    "CREATE INDEX crl_shard_issuer ON crl_shard(issuer, number);"
    /* All that the entries of a list need; the one dropped is the beginning of certificate_shard.
     */
    "CREATE INDEX certificate_entry ON certificate(shard, revoked_at, id, serial, reason,"
    " not_after) WHERE revoked_at IS NOT NULL;"
    "DROP INDEX certificate_revoked;"
    "ALTER TABLE job ADD COLUMN only_for @text;"
    "CREATE TABLE node (name @text PRIMARY KEY, seen_at @int NOT NULL);"
    "ALTER TABLE certificate ADD COLUMN asked @text;"
    /* Audit chains and the last record in each that led to it, where there are several. */
    "ALTER TABLE certificate ADD COLUMN audited @text;"
    /* Certificates of a list that each of several writers made, beside crl_shard.issued: a row that
       all write they would wait for. */
    "CREATE TABLE crl_shard_use ("
    "  number @int NOT NULL, owner @text NOT NULL, issued @int NOT NULL,"
    "  PRIMARY KEY (number, owner));"
    /* Each time the store was put back, and revocations of lists that were out then: until the
       certificate is known (store/restored.h). */
    "CREATE TABLE restored ("
    "  at @int PRIMARY KEY, taken_at @int NOT NULL, source @text NOT NULL, log_lost @int NOT NULL,"
    "  done_at @int);"
    "CREATE TABLE listed ("
    "  serial @blob PRIMARY KEY, shard @int NOT NULL, revoked_at @int NOT NULL, reason @int NOT "
    "NULL,"
    "  not_after @int NOT NULL);"
    "CREATE INDEX listed_shard ON listed(shard, not_after);"
    /* Nearly no order replaces anything. */
    "DROP INDEX orders_replaces;"
    "CREATE UNIQUE INDEX orders_replaces ON orders(replaces)"
    " WHERE replaces IS NOT NULL AND status <> 'invalid';"
    /* Most orders and challenges are past what these find. */
    "DROP INDEX orders_expiry;"
    "CREATE INDEX orders_expiry ON orders(status, expires_at) WHERE " ORDER_ENDS ";"
    "DROP INDEX challenge_deadline;"
    "CREATE INDEX challenge_deadline ON challenge(deadline) WHERE " CHALLENGE_ENDS ";",
};

#define MIGRATION_TRIES 10

/* Versions 1 and 2 came before the first release. */
#define SCHEMA_FIRST 3
#define SCHEMA_NEWEST (SCHEMA_FIRST + (gint64)G_N_ELEMENTS(migrations) - 1)

static gboolean read_version(Store *store, gint64 *version, GError **error) {
  SqlQuery query = sql_query(store, "SELECT max(version) FROM schema_version", "");
  *version = sql_row(&query) ? sql_int(&query, 0) : 0;
  return sql_end(&query, error);
}

static gboolean refuse(gint64 version, GError **error) {
  g_set_error(error, STORE_ERROR, STORE_ERROR_OPEN,
              "the store has schema version %" G_GINT64_FORMAT
              ", this program knows %d to %" G_GINT64_FORMAT,
              version, SCHEMA_FIRST, SCHEMA_NEWEST);
  return FALSE;
}

/* A release also runs on the schema after its own: migrations only add. */
static gboolean run_migrations(Store *store, GError **error) {
  gint64 version = 0;
  if (!store_lock_schema(store, error) ||
      !store_script(store, "CREATE TABLE IF NOT EXISTS schema_version (version @int PRIMARY KEY)",
                    error) ||
      !read_version(store, &version, error))
    return FALSE;
  if ((version != 0 && version < SCHEMA_FIRST) || version > SCHEMA_NEWEST + 1)
    return refuse(version, error);
  for (gint64 next = MAX(version + 1, SCHEMA_FIRST); next <= SCHEMA_NEWEST; next++)
    if (!store_script(store, migrations[next - SCHEMA_FIRST], error) ||
        !sql_run(store, error, "INSERT INTO schema_version (version) VALUES (?1)", "i", next))
      return FALSE;
  return TRUE;
}

static gboolean migrate_once(Store *store, GError **error) {
  if (!store_begin(store, error))
    return FALSE;
  if (run_migrations(store, error))
    return store_commit(store, error);
  store_rollback(store);
  return FALSE;
}

/* Others may be at work on the schema before it. */
gboolean schema_migrate(Store *store, GError **error) {
  GError *failure = NULL;
  for (int tries = 0; tries < MIGRATION_TRIES; tries++) {
    g_clear_error(&failure);
    if (migrate_once(store, &failure))
      return TRUE;
    if (!g_error_matches(failure, STORE_ERROR, STORE_ERROR_AGAIN))
      break;
  }
  g_propagate_error(error, failure);
  return FALSE;
}

gboolean schema_check(Store *store, GError **error) {
  gint64 version = 0;
  g_autoptr(GError) failure = NULL;
  if (!read_version(store, &version, &failure)) {
    g_set_error(error, STORE_ERROR, STORE_ERROR_OPEN, "there is no store yet: %s",
                failure->message);
    return FALSE;
  }
  if (version > SCHEMA_NEWEST + 1)
    return refuse(version, error);
  if (version >= SCHEMA_NEWEST)
    return TRUE;
  g_set_error(error, STORE_ERROR, STORE_ERROR_OPEN,
              "the store is of an earlier release; start signetd once, which brings it up to date");
  return FALSE;
}
