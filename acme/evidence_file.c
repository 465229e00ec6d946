/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/evidence_file.h"

#include "acme/audit_line.h"
#include "acme/evidence.h"
#include "base/hex.h"
#include "ca/audit_key.h"
#include "ca/certificate_check.h"
#include "ca/certificate_read.h"
#include "ca/key.h"
#include "store/evidence.h"

#include <errno.h>
#include <gio/gio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT 1
#define NAME "signet-evidence"

/* --- writing
 * -----------------------------------------------------------------------------------------------
 */

static char *digest_so_far(const GChecksum *sum) {
  g_autoptr(GChecksum) copy = g_checksum_copy(sum);
  return g_strdup(g_checksum_get_string(copy));
}

typedef struct {
  Store *store;
  FILE *out;
  GChecksum *sum;
  gint64 lines;
  GPtrArray *records;  /* of AuditRow: those that are shown */
  GHashTable *signers; /* of GBytes: digests of the keys that signed checkpoints */
  GError *error;
} Writing;

static void put_text(const char *text, gpointer user) {
  Writing *writing = user;
  g_checksum_update(writing->sum, (const guchar *)text, (gssize)strlen(text));
  g_checksum_update(writing->sum, (const guchar *)"\n", 1);
  writing->lines++;
  if (writing->error == NULL &&
      (fputs(text, writing->out) == EOF || fputc('\n', writing->out) == EOF))
    g_set_error(&writing->error, G_IO_ERROR, g_io_error_from_errno(errno),
                "the file cannot be written: %s", g_strerror(errno));
}

static void put(Writing *writing, json_t *line) {
  char *text = line != NULL ? json_dumps(line, JSON_COMPACT) : NULL;
  if (text != NULL)
    put_text(text, writing);
  else if (writing->error == NULL)
    g_set_error(&writing->error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                "an audit record is no text; see signetctl audit verify");
  free(text);
  json_decref(line);
}

static gboolean is_shown(const Writing *writing, const AuditRecord *record) {
  for (guint i = 0; i < writing->records->len; i++) {
    const AuditRecord *shown = &((AuditRow *)writing->records->pdata[i])->record;
    if (shown->number == record->number && audit_chain_equal(&shown->chain, &record->chain))
      return TRUE;
  }
  return FALSE;
}

static json_t *hidden_line(const AuditRecord *record) {
  guint8 content[AUDIT_HASH_OCTETS];
  if (record->kind == NULL || record->subject == NULL || record->detail == NULL)
    return NULL;
  audit_record_content(record, content);
  return audit_line_hidden(record->number, content);
}

static void on_record(const AuditRow *row, gpointer user) {
  Writing *writing = user;
  put(writing, is_shown(writing, &row->record) ? audit_line_record(&row->record, row->hash)
                                               : hidden_line(&row->record));
}

static void on_checkpoint(const AuditCheckpointRow *row, gpointer user) {
  Writing *writing = user;
  if (row->key != NULL)
    g_hash_table_add(writing->signers, g_bytes_ref(row->key));
  put(user, audit_line_checkpoint(&row->checkpoint, row->key, row->signature));
}

/* From one record to the checkpoint that covers it, or as far as there are records to show. */
static gboolean put_piece(Writing *writing, const AuditChain *chain, gint64 from, gint64 to,
                          GError **error) {
  const AuditTaker taker = {NULL, on_record, on_checkpoint, NULL, NULL, writing};
  AuditHead before;
  if (!audit_row_before(writing->store, chain, from, &before, error))
    return FALSE;
  put(writing, audit_line_chain(&before));
  return audit_feed_piece(writing->store, chain, from, to, &taker, error);
}

static gint64 last_of_chain(const Writing *writing, const AuditChain *chain) {
  gint64 last = 0;
  for (guint i = 0; i < writing->records->len; i++) {
    const AuditRow *row = writing->records->pdata[i];
    if (audit_chain_equal(&row->record.chain, chain))
      last = row->record.number;
  }
  return last;
}

/* Records of a chain without id cannot be shown by their hash alone: each stands for itself. */
static gboolean put_log(Writing *writing, gboolean *covered, GError **error) {
  gint64 done = 0;
  const AuditChain *chain = NULL;
  for (guint i = 0; i < writing->records->len; i++) {
    const AuditRecord *record = &((AuditRow *)writing->records->pdata[i])->record;
    gint64 to = 0;
    if (chain != NULL && audit_chain_equal(chain, &record->chain) && record->number <= done)
      continue;
    chain = &record->chain;
    if (!audit_covered_by(writing->store, &record->chain, record->number, &to, error))
      return FALSE;
    *covered = *covered && to != 0;
    if (to == 0)
      to = record->chain.given ? last_of_chain(writing, &record->chain) : record->number;
    if (!put_piece(writing, &record->chain, record->number, to, error))
      return FALSE;
    done = to;
  }
  return TRUE;
}

static void put_issuer(Writing *writing, const Certificate *certificate, GPtrArray *issuers) {
  const Issuer *issuer = certificate_issuer_of(certificate->der, issuers);
  g_autofree char *text = issuer != NULL ? issuer_pem(issuer) : NULL;
  if (text != NULL)
    put(writing, json_pack("{s:s}", "issuer", text));
}

static void put_keys(Writing *writing, GPtrArray *keys) {
  for (guint i = 0; i < keys->len; i++) {
    g_autoptr(GBytes) spki = audit_key_spki(keys->pdata[i]), digest = key_digest(spki);
    g_autofree char *text = audit_key_text(keys->pdata[i]);
    if (g_hash_table_remove(writing->signers, digest))
      put(writing, json_pack("{s:s}", "audit-key", text));
  }
}

static gboolean write_all(Writing *writing, const Certificate *certificate, GPtrArray *issuers,
                          GPtrArray *keys, gboolean *covered, GError **error) {
  g_autofree char *serial = hex_encode(certificate->serial);
  put(writing, json_pack("{s:i, s:s}", NAME, FORMAT, "serial", serial));
  if (!evidence_lines(writing->store, &certificate->id, put_text, writing, error))
    return FALSE;
  put_issuer(writing, certificate, issuers);
  if (!put_log(writing, covered, error))
    return FALSE;
  put_keys(writing, keys);
  gint64 lines = writing->lines;
  g_autofree char *digest = digest_so_far(writing->sum);
  put(writing,
      json_pack("{s:s, s:I, s:s}", "end", NAME, "lines", (json_int_t)lines, "sha256", digest));
  if (writing->error == NULL && fflush(writing->out) != 0)
    g_set_error(&writing->error, G_IO_ERROR, g_io_error_from_errno(errno),
                "the file cannot be written: %s", g_strerror(errno));
  return TRUE;
}

gboolean evidence_write(Store *store, const Certificate *certificate, GPtrArray *issuers,
                        GPtrArray *keys, FILE *out, gboolean *covered, GError **error) {
  g_autoptr(GPtrArray) records = evidence_records(store, &certificate->id, error);
  if (records == NULL)
    return FALSE;
  *covered = records->len > 0;
  Writing writing = {.store = store,
                     .out = out,
                     .sum = g_checksum_new(G_CHECKSUM_SHA256),
                     .records = records,
                     .signers = g_hash_table_new_full(g_bytes_hash, g_bytes_equal,
                                                      (GDestroyNotify)g_bytes_unref, NULL)};
  gboolean good = write_all(&writing, certificate, issuers, keys, covered, error);
  g_checksum_free(writing.sum);
  g_hash_table_unref(writing.signers);
  if (writing.error == NULL)
    return good;
  if (good)
    g_propagate_error(error, writing.error);
  else
    g_error_free(writing.error);
  return FALSE;
}

/* --- reading
 * -----------------------------------------------------------------------------------------------
 */

typedef struct {
  Evidence *evidence;
  GChecksum *all, *rows;
  gint64 line;
  gint part;
  gboolean begun, ended;
} Reading;

static void fault(Reading *reading, const char *what) {
  g_ptr_array_add(reading->evidence->faults,
                  g_strdup_printf("line %" G_GINT64_FORMAT ": %s", reading->line, what));
}

static const char *text_of(const json_t *object, const char *name) {
  return json_string_value(json_object_get(object, name));
}

static void take_begin(Reading *reading, json_t *object) {
  if (reading->line != 1)
    fault(reading, "the file begins twice");
  if (json_integer_value(json_object_get(object, NAME)) != FORMAT)
    fault(reading, "the file has another format than this program reads");
  g_free(reading->evidence->serial);
  reading->evidence->serial = g_strdup(text_of(object, "serial"));
  reading->begun = TRUE;
}

static void take_pem(Reading *reading, GPtrArray *list, const char *text) {
  if (text == NULL || g_ptr_array_find_with_equal_func(list, text, g_str_equal, NULL))
    fault(reading, "is there twice, or holds nothing");
  else
    g_ptr_array_add(list, (char *)text);
}

static void take_issuer(Reading *reading, json_t *object) {
  take_pem(reading, reading->evidence->issuers, text_of(object, "issuer"));
}

static void take_key(Reading *reading, json_t *object) {
  take_pem(reading, reading->evidence->keys, text_of(object, "audit-key"));
}

static void take_log(Reading *reading, json_t *object) {
  g_ptr_array_add(reading->evidence->log, object);
}

static void take_row(Reading *reading, json_t *object) {
  g_ptr_array_add(reading->evidence->rows, object);
}

static void take_end(Reading *reading, json_t *object) {
  reading->ended = TRUE;
  if (g_strcmp0(text_of(object, "end"), NAME) != 0)
    fault(reading, "is the end of another kind of file");
  if (json_integer_value(json_object_get(object, "lines")) != reading->line - 1)
    fault(reading, "the file had another number of lines when it was made");
  g_autofree char *digest = digest_so_far(reading->all);
  if (g_strcmp0(text_of(object, "sha256"), digest) != 0)
    fault(reading, "the file has another digest than when it was made: it was changed");
}

static const struct {
  const char *member; /* the first of its line */
  gsize members;      /* of the line; 0: as many as there are */
  gint part;          /* of the file; no line stands behind one of a later part */
  void (*take)(Reading *reading, json_t *object);
} kinds[] = {
    {NAME, 2, 0, take_begin},       {"evidence", 0, 1, take_row},  {"issuer", 1, 2, take_issuer},
    {"record", 6, 3, take_log},     {"hidden", 2, 3, take_log},    {"chain", 3, 3, take_log},
    {"checkpoint", 6, 3, take_log}, {"audit-key", 1, 4, take_key}, {"end", 3, 5, take_end}};

static void take_object(Reading *reading, json_t *object) {
  const char *first = json_object_iter_key(json_object_iter(object));
  for (gsize i = 0; first != NULL && i < G_N_ELEMENTS(kinds); i++) {
    if (strcmp(first, kinds[i].member) != 0 ||
        (kinds[i].members != 0 && json_object_size(object) != kinds[i].members))
      continue;
    if (kinds[i].part < reading->part)
      fault(reading, "stands in the wrong place");
    reading->part = MAX(reading->part, kinds[i].part);
    kinds[i].take(reading, object);
    return;
  }
  fault(reading, "is of no kind that is known");
}

static void add_text(GChecksum *sum, const char *text, gsize length) {
  g_checksum_update(sum, (const guchar *)text, (gssize)length);
  g_checksum_update(sum, (const guchar *)"\n", 1);
}

/* The end's own line is not in the digest that it names. */
static void take_line(Reading *reading, const char *text, gsize length) {
  json_t *object = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
  if (!json_is_object(object)) {
    fault(reading, "is no line of such a file");
    json_decref(object);
    add_text(reading->all, text, length);
    return;
  }
  if (reading->ended)
    fault(reading, "stands behind the end");
  g_ptr_array_add(reading->evidence->lines, object);
  char *expected = json_dumps(object, JSON_COMPACT);
  if (expected == NULL || strlen(expected) != length || memcmp(expected, text, length) != 0)
    fault(reading, "is not written as this program writes it");
  free(expected);
  take_object(reading, object);
  if (!reading->begun)
    fault(reading, "stands where the file should say what it is");
  if (json_object_get(object, "evidence") != NULL)
    add_text(reading->rows, text, length);
  add_text(reading->all, text, length);
}

static void read_lines(Reading *reading, FILE *in) {
  char *line = NULL;
  size_t size = 0;
  ssize_t length = 0;
  while ((length = getline(&line, &size, in)) > 0) {
    reading->line++;
    gboolean whole = line[length - 1] == '\n';
    take_line(reading, line, (gsize)length - (whole ? 1 : 0));
    if (!whole)
      fault(reading, "has no end");
  }
  free(line);
  if (!reading->ended)
    fault(reading, "the file has no end: it was cut");
}

static void unref_json(gpointer object) {
  json_decref(object);
}

Evidence *evidence_read(FILE *in, GError **error) {
  g_autoptr(Evidence) evidence = g_new0(Evidence, 1);
  evidence->rows = g_ptr_array_new();
  evidence->issuers = g_ptr_array_new();
  evidence->keys = g_ptr_array_new();
  evidence->log = g_ptr_array_new();
  evidence->lines = g_ptr_array_new_with_free_func(unref_json);
  evidence->faults = g_ptr_array_new_with_free_func(g_free);
  Reading reading = {.evidence = evidence,
                     .all = g_checksum_new(G_CHECKSUM_SHA256),
                     .rows = g_checksum_new(G_CHECKSUM_SHA256)};
  errno = 0;
  read_lines(&reading, in);
  evidence->digest = g_strdup(g_checksum_get_string(reading.rows));
  g_checksum_free(reading.all);
  g_checksum_free(reading.rows);
  if (!ferror(in))
    return g_steal_pointer(&evidence);
  g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "%s", g_strerror(errno));
  return NULL;
}

void evidence_free(Evidence *evidence) {
  if (evidence == NULL)
    return;
  g_free(evidence->serial);
  g_free(evidence->digest);
  g_clear_pointer(&evidence->rows, g_ptr_array_unref);
  g_clear_pointer(&evidence->issuers, g_ptr_array_unref);
  g_clear_pointer(&evidence->keys, g_ptr_array_unref);
  g_clear_pointer(&evidence->log, g_ptr_array_unref);
  g_clear_pointer(&evidence->lines, g_ptr_array_unref);
  g_clear_pointer(&evidence->faults, g_ptr_array_unref);
  g_free(evidence);
}
