/* SPDX-License-Identifier: Apache-2.0 */
/* The part of the audit log in evidence, and what its records say. */
#include "acme/audit_line.h"
#include "acme/evidence_row.h"
#include "acme/evidence_subject.h"
#include "base/audit_walk.h"
#include "ca/audit_key.h"
#include "ca/key.h"

#include <string.h>

/* --- the audit log
 * ----------------------------------------------------------------------------------------- */

static void on_walk_fault(const char *sentence, gpointer user) {
  EvidenceCheck *check = user;
  check->walk_faults++;
  evidence_say(check, "audit log", FALSE, sentence);
}

static const char *check_checkpoint(GBytes *octets, GBytes *digest, GBytes *signature,
                                    gpointer user) {
  const EvidenceCheck *check = user;
  for (guint i = 0; i < check->keys->len; i++) {
    g_autoptr(GBytes) spki = audit_key_spki(check->keys->pdata[i]);
    g_autoptr(GBytes) found = key_digest(spki);
    if (g_bytes_equal(found, digest))
      return audit_key_verify(check->keys->pdata[i], octets, signature)
                 ? NULL
                 : "its signature does not verify: it was changed";
  }
  return "it names an audit key that was not given (--audit-key)";
}

typedef struct {
  EvidenceCheck *check;
  AuditWalk *walk;
  AuditChain chain;
  gboolean in_piece, covered;
} LogWalk;

static void end_piece(LogWalk *log) {
  if (!log->in_piece)
    return;
  audit_walk_chain_end(log->walk);
  if (!log->covered)
    on_walk_fault("no signed checkpoint stands at the end of a piece of the log: nothing vouches "
                  "for its records (yet: one is signed within a minute)",
                  log->check);
  log->in_piece = FALSE;
}

/* Each returns the line as its values make it. */
static json_t *walk_chain(LogWalk *log, const json_t *line) {
  AuditHead before;
  audit_line_read_chain(line, &before);
  end_piece(log);
  log->chain = before.chain;
  log->in_piece = TRUE;
  log->covered = FALSE;
  audit_walk_chain(log->walk, &before.chain, before.number != 0 ? &before : NULL);
  return audit_line_chain(&before);
}

static json_t *walk_record(LogWalk *log, const json_t *line) {
  AuditRecord record;
  g_autoptr(GBytes) hash = NULL;
  audit_line_read_record(line, &log->chain, &record, &hash);
  log->covered = FALSE;
  audit_walk_record(log->walk, &record, hash);
  g_hash_table_replace(log->check->records, (gpointer)evidence_text(line, "hash"), (gpointer)line);
  g_ptr_array_add(log->check->shown, (gpointer)line);
  return audit_line_record(&record, hash);
}

static json_t *walk_hidden(LogWalk *log, const json_t *line) {
  guint8 content[AUDIT_HASH_OCTETS];
  gint64 number = 0;
  audit_line_read_hidden(line, &number, content);
  log->covered = FALSE;
  audit_walk_hidden(log->walk, number, content);
  return audit_line_hidden(number, content);
}

static json_t *walk_checkpoint(LogWalk *log, const json_t *line) {
  AuditCheckpoint checkpoint;
  g_autoptr(GBytes) key = NULL, signature = NULL;
  audit_line_read_checkpoint(line, &log->chain, &checkpoint, &key, &signature);
  log->covered = TRUE;
  audit_walk_checkpoint(log->walk, &checkpoint, key, signature);
  return audit_line_checkpoint(&checkpoint, key, signature);
}

static const struct {
  const char *member;
  json_t *(*walk)(LogWalk *log, const json_t *line);
} log_lines[] = {{"chain", walk_chain},
                 {"record", walk_record},
                 {"hidden", walk_hidden},
                 {"checkpoint", walk_checkpoint}};

static void walk_line(LogWalk *log, json_t *line) {
  const char *member = json_object_iter_key(json_object_iter(line));
  json_t *again = NULL;
  for (gsize i = 0; i < G_N_ELEMENTS(log_lines); i++)
    if (strcmp(member, log_lines[i].member) == 0 && (i == 0 || log->in_piece))
      again = log_lines[i].walk(log, line);
  if (again == NULL || !json_equal(again, line))
    on_walk_fault("a line of the log is not as this program writes it, or stands in no chain",
                  log->check);
  json_decref(again);
}

/* Each piece of the log leads from a record of this certificate to a checkpoint. */
void evidence_check_log(EvidenceCheck *check) {
  const AuditWalkHooks hooks = {on_walk_fault, check_checkpoint, check};
  g_autoptr(AuditWalk) walk = audit_walk_new(&hooks);
  LogWalk log = {.check = check, .walk = walk};
  for (guint i = 0; i < check->evidence->log->len; i++)
    walk_line(&log, check->evidence->log->pdata[i]);
  end_piece(&log);
  const AuditSums *sums = audit_walk_sums(walk);
  if (sums->records == 0)
    on_walk_fault("there are no records", check);
  g_autofree char *words = g_strdup_printf(
      "%u records, and %" G_GINT64_FORMAT " others as hashes, up to %" G_GINT64_FORMAT
      " signed checkpoints; the audit key is %s",
      check->shown->len, sums->records - check->shown->len, sums->checkpoints,
      check->trust->keys != NULL ? "the one given" : "the one in the file, which is not proven");
  if (check->walk_faults == 0)
    evidence_say(check, "audit log", TRUE, words);
}

/* --- what the records say
 * ---------------------------------------------------------------------------------- */

/* Whether a record's detail has key="value". */
static gboolean detail_has(const json_t *record, const char *key, const char *value) {
  g_autofree char *pair = g_strdup_printf("%s=\"%s\"", key, value);
  const char *detail = evidence_text(record, "detail");
  const char *found = strstr(detail, pair);
  return found != NULL && (found == detail || found[-1] == ' ');
}

/* The first record of a kind about what has that id. */
static const json_t *find_record(const EvidenceCheck *check, const char *kind, const char *id) {
  for (guint i = 0; *id != '\0' && i < check->shown->len; i++) {
    const json_t *record = check->shown->pdata[i];
    if (strcmp(evidence_text(record, "kind"), kind) == 0 &&
        strstr(evidence_text(record, "subject"), id) != NULL)
      return record;
  }
  return NULL;
}

/* Every record that led to it is shown as it was. The hash tells which one it is: chain, number and
   content are in it. */
static char *shown_fault(const EvidenceCheck *check) {
  guint at = 0;
  const json_t *line = NULL;
  while ((line = evidence_next(check->evidence, "audit", NULL, NULL, &at)) != NULL) {
    const json_t *record = g_hash_table_lookup(check->records, evidence_text(line, "hash"));
    if (record == NULL || evidence_number(record, "record") != evidence_number(line, "number"))
      return g_strdup_printf("audit record %" G_GINT64_FORMAT " is missing, or another",
                             evidence_number(line, "number"));
  }
  return NULL;
}

/* Whether the digest in the record "issued" covers the record: only one that was there before can
   be in it, of whatever chain. */
static gboolean was_before(const EvidenceCheck *check, const json_t *record) {
  guint at = 0;
  return evidence_next(check->evidence, "audit", "hash", evidence_text(record, "hash"), &at) !=
         NULL;
}

char *evidence_digest_fault(const EvidenceCheck *check, char **found) {
  const json_t *certificate = evidence_row(check->evidence, "certificate");
  const json_t *issued = find_record(check, "issued", evidence_text(certificate, "id"));
  g_autoptr(GBytes) der = evidence_octets(certificate, "der");
  g_autofree char *der_digest = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, der);
  if (issued == NULL)
    return g_strdup(find_record(check, "certificate entered", evidence_text(certificate, "id")) !=
                            NULL
                        ? "it was entered from the signer's log into a restored store: what led "
                          "to it is lost"
                        : "there is no audit record that it was issued");
  if (!detail_has(issued, "sha256", der_digest))
    return g_strdup("the audit record names another certificate");
  if (strstr(evidence_text(issued, "detail"), "evidence-sha256=") == NULL)
    return g_strdup(
        "the audit record names no digest of the evidence: it is of an earlier release");
  if (!detail_has(issued, "evidence-sha256", check->evidence->digest))
    return g_strdup("the audit record names another digest of the evidence: it was changed");
  char *fault = shown_fault(check);
  if (fault == NULL)
    *found = g_strdup_printf("the evidence is what audit record %" G_GINT64_FORMAT
                             " vouches for, SHA-256 %s",
                             evidence_number(issued, "record"), check->evidence->digest);
  return fault;
}

/* The octets were recorded before they were signed, and each step has its record. */
char *evidence_steps_fault(const EvidenceCheck *check, char **found) {
  const json_t *certificate = evidence_row(check->evidence, "certificate");
  const char *id = evidence_text(certificate, "id"),
             *order = evidence_text(certificate, "order_id");
  const json_t *signing = find_record(check, "signing", id),
               *built = find_record(check, "built", id);
  g_autoptr(GBytes) tbs = evidence_octets(certificate, "tbs");
  g_autofree char *digest = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, tbs);
  /* With an outside linter its verdict stands between. */
  if (signing == NULL || !detail_has(built != NULL ? built : signing, "tbs-sha256", digest))
    return g_strdup("no audit record names the octets that were to be signed");
  if (!was_before(check, signing))
    return g_strdup("the octets were not recorded before the certificate");
  if (find_record(check, "order created", order) == NULL)
    return g_strdup("there is no audit record of the order");
  for (guint i = 0; i < check->mailboxes->len; i++) {
    const EvidenceMailbox *mailbox = check->mailboxes->pdata[i];
    static const char *const kinds[] = {"mail queued", "mail sent", "mail received", "reply judged",
                                        "challenge valid"};
    for (gsize k = 0; k < G_N_ELEMENTS(kinds); k++)
      if (find_record(check, kinds[k], evidence_text(mailbox->challenge, "id")) == NULL)
        return g_strdup_printf("there is no audit record \"%s\" for %s", kinds[k],
                               evidence_text(mailbox->authorization, "address"));
  }
  *found = g_strdup("every step has its audit record; the octets were recorded before they were "
                    "signed");
  return NULL;
}
