/* SPDX-License-Identifier: Apache-2.0 */
#include "store/evidence.h"
#include "store/audit.h"
#include "store/sql.h"

#include <string.h>

#define MAX_COLUMNS 24

/* ?1 is the certificate's id. A column that can change after the certificate is issued (a status, a
   count) must not be here, nor a row that can come later: the digest of all is in the audit log. */
static const struct {
  const char *kind, *sql;
} parts[] = {
    {"certificate",
     "SELECT id, order_id, account_id, serial, shard, not_before, not_after, key_digest, tbs,"
     " findings, linter_findings, signing_at, facts, der, issued_at FROM certificate WHERE id = "
     "?1"},
    {"account",
     "SELECT a.id, a.created_at, a.external_key_id, a.external_binding FROM certificate c"
     " JOIN account a ON a.id = c.account_id WHERE c.id = ?1"},
    {"external-account-key",
     "SELECT k.id, k.note, k.identifiers, k.profiles, k.created_at FROM certificate c"
     " JOIN account a ON a.id = c.account_id"
     " JOIN external_account_key k ON k.id = a.external_key_id WHERE c.id = ?1"},
    {"order", "SELECT o.id, o.account_id, o.created_at, o.profile, o.not_before, o.not_after,"
              " o.replaces, o.csr, o.spki, o.usage, o.finalized_at FROM certificate c"
              " JOIN orders o ON o.id = c.order_id WHERE c.id = ?1"},
    {"authorization",
     "SELECT a.id, a.order_id, a.position, a.type, a.identifier, a.address, a.canonical, a.domain"
     " FROM certificate c JOIN authz a ON a.order_id = c.order_id WHERE c.id = ?1"
     " ORDER BY a.position"},
    {"challenge",
     "SELECT h.id, h.authz_id, h.token2, h.mail_from, h.mail_sender, h.created_at, h.deadline,"
     " h.token1, h.message_id, h.queued_at, h.envelope_from, h.responded_at, h.passed_at,"
     " h.validated_at FROM certificate c JOIN authz a ON a.order_id = c.order_id"
     " JOIN challenge h ON h.authz_id = a.id WHERE c.id = ?1 ORDER BY a.position"},
    {"message",
     "SELECT m.id, m.challenge_id, m.direction, m.at, m.peer, m.helo, m.reverse_path, m.tls,"
     " m.verdict, m.rule, m.judged_with, m.evidence AS examined, r.octets FROM certificate c"
     " JOIN authz a ON a.order_id = c.order_id JOIN challenge h ON h.authz_id = a.id"
     " JOIN message m ON m.challenge_id = h.id JOIN raw r ON r.id = m.raw_id WHERE c.id = ?1"
     " AND (m.direction = 'out' OR (m.direction = 'in' AND m.verdict = 'passed'))"
     " AND m.at <= c.issued_at ORDER BY a.position, m.at, m.id"},
    {"caa", "SELECT k.order_id, k.domain, k.at, k.verdict, k.secure, k.explanation, k.records,"
            " k.found_at, k.rdata FROM certificate c JOIN caa_check k ON k.order_id = c.order_id"
            " WHERE c.id = ?1 AND k.at <= c.issued_at ORDER BY k.at, k.domain"},
    {"perspective",
     "SELECT p.subject, p.at, p.question, p.perspective, p.url, p.outcome, p.secure, p.records,"
     " p.reason FROM certificate c JOIN perspective_answer p ON p.subject IN (SELECT c.order_id"
     " UNION SELECT m.id FROM message m JOIN challenge h ON h.id = m.challenge_id"
     " JOIN authz a ON a.id = h.authz_id WHERE a.order_id = c.order_id AND m.direction = 'in'"
     " AND m.verdict = 'passed') WHERE c.id = ?1 AND p.at <= c.issued_at"
     " AND EXISTS (SELECT 1 FROM perspective_answer)" /* mostly there is none at all */
     " ORDER BY p.subject, p.at, p.question, p.perspective"},
};

/* Subjects of audit records (acme/record.c): those that are ?2 with what follows it, or ?2 alone.
 */
static const char subjects[] =
    "SELECT 'account/', account_id, '', NULL, 0 FROM certificate WHERE id = ?1"
    " UNION ALL SELECT 'account/', account_id, ' order/', order_id, 1 FROM certificate WHERE id = "
    "?1"
    " UNION ALL SELECT 'account/', c.account_id, ' authorization/', a.id, 1 FROM certificate c"
    " JOIN authz a ON a.order_id = c.order_id WHERE c.id = ?1"
    " UNION ALL SELECT 'account/', c.account_id, ' challenge/', h.id, 1 FROM certificate c"
    " JOIN authz a ON a.order_id = c.order_id JOIN challenge h ON h.authz_id = a.id WHERE c.id = "
    "?1"
    " UNION ALL SELECT 'certificate/', id, '', NULL, 1 FROM certificate WHERE id = ?1";

static guint read_values(SqlQuery *query, EvidenceValue values[MAX_COLUMNS]) {
  guint count = 0;
  for (int i = 0; i < sql_columns(query) && count < MAX_COLUMNS; i++) {
    SqlValue value = sql_value(query, i);
    if (value.type == SQL_NULL)
      continue;
    values[count++] = (EvidenceValue){.name = sql_name(query, i),
                                      .type = value.type == SQL_INT    ? EVIDENCE_NUMBER
                                              : value.type == SQL_TEXT ? EVIDENCE_TEXT
                                                                       : EVIDENCE_OCTETS,
                                      .number = value.number,
                                      .data = value.data,
                                      .size = value.size};
  }
  return count;
}

gboolean evidence_rows(Store *store, const Id *certificate, EvidenceRow row, gpointer user,
                       GError **error) {
  EvidenceValue values[MAX_COLUMNS];
  SqlQuery queries[G_N_ELEMENTS(parts)];
  gboolean good = TRUE;
  for (gsize i = 0; i < G_N_ELEMENTS(parts); i++)
    queries[i] = sql_query(store, parts[i].sql, "d", certificate);
  for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
    while (good && sql_row(&queries[i])) {
      guint count = read_values(&queries[i], values);
      row(parts[i].kind, values, count, user);
    }
    good = sql_end(&queries[i], good ? error : NULL) && good;
  }
  return good;
}

/* --- audit records
 * ------------------------------------------------------------------------------------------ */

static void subject_clear(gpointer data) {
  g_free(((AuditSubject *)data)->text);
}

static void add_subject(SqlQuery *query, GArray *found) {
  char buffers[2][ID_TEXT] = {"", ""};
  Id id;
  g_autofree char *kind = sql_text(query, 0), *more = sql_text(query, 2);
  if (sql_id(query, 1, &id))
    id_text(&id, buffers[0]);
  if (sql_id(query, 3, &id))
    id_text(&id, buffers[1]);
  AuditSubject subject = {g_strconcat(kind, buffers[0], more, buffers[1], NULL),
                          sql_int(query, 4) != 0};
  g_array_append_val(found, subject);
}

static GArray *find_subjects(Store *store, const Id *certificate, GError **error) {
  g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(AuditSubject));
  g_array_set_clear_func(found, subject_clear);
  SqlQuery query = sql_query(store, subjects, "d", certificate);
  while (sql_row(&query))
    add_subject(&query, found);
  return sql_end(&query, error) ? g_steal_pointer(&found) : NULL;
}

/* Chain by chain: numbers of different chains say nothing of what was first. */
static gint compare_rows(gconstpointer a, gconstpointer b) {
  const AuditRecord *first = &(*(AuditRow *const *)a)->record,
                    *second = &(*(AuditRow *const *)b)->record;
  if (!audit_chain_equal(&first->chain, &second->chain))
    return first->chain.given && second->chain.given
               ? memcmp(&first->chain.id, &second->chain.id, ID_OCTETS)
               : first->chain.given - second->chain.given;
  return first->number < second->number ? -1 : first->number > second->number;
}

GPtrArray *evidence_records(Store *store, const Id *certificate, GError **error) {
  g_autoptr(GArray) found = find_subjects(store, certificate, error);
  GPtrArray *rows = found != NULL ? audit_rows_about(store, found, error) : NULL;
  if (rows != NULL)
    g_ptr_array_sort(rows, compare_rows);
  return rows;
}

/* Of an order whose records are all kept; only those of the account alone are older. */
static GPtrArray *add_kept(Store *store, const Id *account, const GArray *kept, GError **error) {
  g_autoptr(GArray) alone = g_array_new(FALSE, FALSE, sizeof(AuditSubject));
  char id[ID_TEXT];
  g_autofree char *text = g_strconcat("account/", id_text(account, id), NULL);
  g_array_append_val(alone, ((AuditSubject){text, FALSE}));
  GPtrArray *rows = audit_rows_about(store, alone, error);
  for (guint i = 0; rows != NULL && i < kept->len; i++)
    audit_rows_add(rows, &g_array_index(kept, AuditHead, i));
  if (rows != NULL)
    g_ptr_array_sort(rows, compare_rows);
  return rows;
}

/* --- where each chain ended
 * -------------------------------------------------------------------------------

   With one writer its numbers tell what came before the record "issued". Numbers of several chains
   do not: there the last one of each is kept, as "CHAIN:NUMBER CHAIN:NUMBER". A chain grows in the
   order of its numbers, so all that one statement sees of it is all up to the last that it sees. */

#define ENDS_SEPARATOR " "

/* A chain that nobody goes on with has no owner. */
static const char heads_sql[] =
    "SELECT chain, (SELECT max(a.number) FROM audit a WHERE a.chain = o.chain) FROM audit_owner o"
    " UNION ALL SELECT NULL, max(number) FROM audit WHERE chain IS NULL";

static void add_end(GString *ends, const AuditChain *chain, gint64 number) {
  char id[ID_TEXT] = "";
  g_string_append_printf(ends, "%s%s:%" G_GINT64_FORMAT, ends->len > 0 ? ENDS_SEPARATOR : "",
                         chain->given ? id_text(&chain->id, id) : "", number);
}

static char *read_heads(Store *store, GError **error) {
  g_autoptr(GString) heads = g_string_new(NULL);
  SqlQuery query = sql_query(store, heads_sql, "");
  while (sql_row(&query)) {
    AuditChain chain = {0};
    chain.given = sql_id(&query, 0, &chain.id);
    add_end(heads, &chain, sql_int(&query, 1));
  }
  return sql_end(&query, error) ? g_strdup(heads->str) : NULL;
}

/* 0: nothing of the chain. */
static gint64 end_of(const char *const *ends, const AuditChain *chain) {
  char id[ID_TEXT] = "";
  g_autofree char *name = g_strconcat(chain->given ? id_text(&chain->id, id) : "", ":", NULL);
  for (; *ends != NULL; ends++)
    if (g_str_has_prefix(*ends, name))
      return g_ascii_strtoll(*ends + strlen(name), NULL, 10);
  return 0;
}

static void cut_to(GPtrArray *records, const char *ends) {
  g_auto(GStrv) list = g_strsplit(ends, ENDS_SEPARATOR, -1);
  for (guint i = records->len; i > 0; i--) {
    const AuditRecord *record = &((AuditRow *)records->pdata[i - 1])->record;
    if (record->number > end_of((const char *const *)list, &record->chain))
      g_ptr_array_remove_index(records, i - 1);
  }
}

/* Of the chains that have a part in it alone. */
static char *ends_of(const GPtrArray *records) {
  g_autoptr(GString) ends = g_string_new(NULL);
  for (guint i = 0; i < records->len; i++) {
    const AuditRecord *record = &((AuditRow *)records->pdata[i])->record,
                      *next = i + 1 < records->len ? &((AuditRow *)records->pdata[i + 1])->record
                                                   : NULL;
    if (next == NULL || !audit_chain_equal(&record->chain, &next->chain))
      add_end(ends, &record->chain, record->number);
  }
  return g_strdup(ends->str);
}

static GPtrArray *records_of_one_writer(Store *store, const Certificate *certificate,
                                        GError **error) {
  g_autoptr(GArray) kept = audit_take_kept(store, &certificate->order_id);
  return kept != NULL ? add_kept(store, &certificate->account_id, kept, error)
                      : evidence_records(store, &certificate->id, error);
}

GPtrArray *evidence_records_now(Store *store, const Certificate *certificate, GError **error) {
  if (!store_is_shared(store))
    return records_of_one_writer(store, certificate, error);
  g_autofree char *heads = read_heads(store, error);
  g_autoptr(GPtrArray) records =
      heads != NULL ? evidence_records(store, &certificate->id, error) : NULL;
  if (records == NULL)
    return NULL;
  cut_to(records, heads);
  g_autofree char *ends = ends_of(records);
  return sql_run(store, error, "UPDATE certificate SET audited = ?2 WHERE id = ?1", "dt",
                 &certificate->id, ends)
             ? g_steal_pointer(&records)
             : NULL;
}

static gboolean is_issued(const AuditRecord *record, const char *certificate) {
  return g_strcmp0(record->kind, "issued") == 0 && record->subject != NULL &&
         g_str_has_suffix(record->subject, certificate);
}

static void cut_by_number(GPtrArray *records, const Id *certificate) {
  char id[ID_TEXT];
  gint64 issued = G_MAXINT64;
  id_text(certificate, id);
  for (guint i = 0; i < records->len; i++) {
    const AuditRecord *record = &((AuditRow *)records->pdata[i])->record;
    if (is_issued(record, id))
      issued = MIN(issued, record->number);
  }
  for (guint i = records->len; i > 0; i--)
    if (((AuditRow *)records->pdata[i - 1])->record.number >= issued)
      g_ptr_array_remove_index(records, i - 1);
}

gboolean evidence_records_until_issued(Store *store, const Id *certificate, GPtrArray *records,
                                       GError **error) {
  SqlQuery query =
      sql_query(store, "SELECT audited FROM certificate WHERE id = ?1", "d", certificate);
  g_autofree char *ends = sql_row(&query) ? sql_text(&query, 0) : NULL;
  if (!sql_end(&query, error))
    return FALSE;
  if (ends != NULL)
    cut_to(records, ends);
  else
    cut_by_number(records, certificate);
  return TRUE;
}
