/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/ctl_audit_file.h"
#include "acme/audit_line.h"

#include <errno.h>
#include <gio/gio.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT 1

/* --- lines
 * -------------------------------------------------------------------------------------------------
 */

static json_t *begin_line(gint64 first) {
  return json_pack("{s:i, s:I}", "signet-audit-export", FORMAT, "first", (json_int_t)first);
}

static json_t *end_line(gint64 records, gint64 checkpoints, gint64 chains) {
  return json_pack("{s:s, s:I, s:I, s:I}", "end", "signet-audit-export", "records",
                   (json_int_t)records, "checkpoints", (json_int_t)checkpoints, "chains",
                   (json_int_t)chains);
}

/* --- writing
 * -----------------------------------------------------------------------------------------------
 */

typedef struct {
  Store *store;
  FILE *out;
  AuditChain chain;
  gboolean begun, named; /* the file's first line, the chain's are written */
  gint64 records, checkpoints, chains;
  GError *error;
} Export;

static void put(Export *export, json_t *line) {
  char *text = line != NULL ? json_dumps(line, JSON_COMPACT) : NULL;
  if (export->error == NULL &&
      (text == NULL || fputs(text, export->out) == EOF || fputc('\n', export->out) == EOF))
    g_set_error(&export->error, G_IO_ERROR, g_io_error_from_errno(errno),
                "the export cannot be written: %s",
                text != NULL ? g_strerror(errno) : "a text is no UTF-8");
  free(text);
  json_decref(line);
}

/* The lines before the first record or checkpoint of a chain. */
static void name_chain(Export *export, gint64 number) {
  AuditHead before;
  if (!export->begun)
    put(export, begin_line(number));
  export->begun = TRUE;
  if (export->named)
    return;
  export->named = TRUE;
  export->chains++;
  if (export->error == NULL &&
      audit_row_before(export->store, &export->chain, number, &before, &export->error))
    put(export, audit_line_chain(&before));
}

static void on_chain(const AuditChain *chain, gpointer user) {
  Export *export = user;
  export->chain = *chain;
  export->named = FALSE;
}

static void on_record(const AuditRow *row, gpointer user) {
  Export *export = user;
  name_chain(export, row->record.number);
  export->records++;
  put(export, audit_line_record(&row->record, row->hash));
}

static void on_checkpoint(const AuditCheckpointRow *row, gpointer user) {
  Export *export = user;
  name_chain(export, row->checkpoint.number);
  export->checkpoints++;
  put(export, audit_line_checkpoint(&row->checkpoint, row->key, row->signature));
}

gboolean ctl_audit_export(Store *store, const AuditRange *range, FILE *out, gint64 *records,
                          GError **error) {
  Export export = {.store = store, .out = out};
  const AuditTaker taker = {on_chain, on_record, on_checkpoint, NULL, NULL, &export};
  gint64 strange = 0;
  gboolean good = audit_feed(store, range, &taker, &strange, error);
  if (good && strange > 0)
    g_set_error(&export.error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                "the log has rows of a chain that cannot be; see signetctl audit verify");
  if (!export.begun)
    put(&export, begin_line(0));
  put(&export, end_line(export.records, export.checkpoints, export.chains));
  if (good && export.error == NULL && fflush(out) != 0)
    put(&export, NULL);
  *records = export.records;
  if (export.error == NULL)
    return good;
  if (good)
    g_propagate_error(error, export.error);
  else
    g_error_free(export.error);
  return FALSE;
}

/* --- reading
 * -----------------------------------------------------------------------------------------------
 */

typedef struct {
  AuditWalk *walk;
  AuditChain chain;
  gint64 line, first, records, checkpoints, chains;
  gboolean begun, in_chain, any, ended;
} Import;

static void bad_line(Import *import, const char *why) {
  g_autofree char *sentence = g_strdup_printf("line %" G_GINT64_FORMAT ": %s", import->line, why);
  audit_walk_fault(import->walk, sentence);
}

static gint64 number_of(const json_t *object, const char *name) {
  return json_integer_value(json_object_get(object, name));
}

static void end_chain(Import *import) {
  if (import->in_chain)
    audit_walk_chain_end(import->walk);
  import->in_chain = FALSE;
}

/* Each takes a line, and returns it as its values make it. */
static json_t *take_begin(Import *import, const json_t *object) {
  if (import->begun)
    bad_line(import, "the file begins twice");
  import->first = number_of(object, "first");
  import->begun = TRUE;
  return begin_line(import->first);
}

static json_t *take_chain(Import *import, const json_t *object) {
  AuditHead before;
  audit_line_read_chain(object, &before);
  end_chain(import);
  import->chain = before.chain;
  import->in_chain = TRUE;
  import->chains++;
  audit_walk_chain(import->walk, &before.chain, before.number != 0 ? &before : NULL);
  return audit_line_chain(&before);
}

static void check_first(Import *import, gint64 number) {
  if (!import->any && number != import->first)
    bad_line(import, "another number than the file says that it begins with");
  import->any = TRUE;
}

static json_t *take_record(Import *import, const json_t *object) {
  AuditRecord record;
  g_autoptr(GBytes) hash = NULL;
  audit_line_read_record(object, &import->chain, &record, &hash);
  check_first(import, record.number);
  import->records++;
  if (import->in_chain)
    audit_walk_record(import->walk, &record, hash);
  return audit_line_record(&record, hash);
}

static json_t *take_checkpoint(Import *import, const json_t *object) {
  AuditCheckpoint checkpoint;
  g_autoptr(GBytes) key = NULL, signature = NULL;
  audit_line_read_checkpoint(object, &import->chain, &checkpoint, &key, &signature);
  check_first(import, checkpoint.number);
  import->checkpoints++;
  if (import->in_chain)
    audit_walk_checkpoint(import->walk, &checkpoint, key, signature);
  return audit_line_checkpoint(&checkpoint, key, signature);
}

static json_t *take_end(Import *import, const json_t *object) {
  end_chain(import);
  import->ended = TRUE;
  if (number_of(object, "records") != import->records ||
      number_of(object, "checkpoints") != import->checkpoints ||
      number_of(object, "chains") != import->chains)
    bad_line(import, "the file had other numbers of records, checkpoints or chains when it was "
                     "made: lines are missing or were put in");
  return end_line(import->records, import->checkpoints, import->chains);
}

static const struct {
  const char *member; /* the first of its line */
  json_t *(*take)(Import *import, const json_t *object);
} kinds[] = {{"record", take_record},
             {"checkpoint", take_checkpoint},
             {"chain", take_chain},
             {"end", take_end},
             {"signet-audit-export", take_begin}};

static void take_line(Import *import, const char *text, gsize length) {
  json_t *object = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
  json_t *again = NULL;
  if (!json_is_object(object)) {
    bad_line(import, "is no line of an export");
    json_decref(object);
    return;
  }
  if (import->ended)
    bad_line(import, "stands behind the end");
  for (gsize i = 0; i < G_N_ELEMENTS(kinds) && again == NULL; i++)
    if (json_object_get(object, kinds[i].member) != NULL)
      again = kinds[i].take(import, object);
  char *expected = again != NULL ? json_dumps(again, JSON_COMPACT) : NULL;
  if (expected == NULL || strlen(expected) != length || memcmp(expected, text, length) != 0)
    bad_line(import, "is not as an export writes it");
  else if (!import->begun || (!import->in_chain && json_object_get(object, "record") != NULL))
    bad_line(import, "stands in the wrong place");
  free(expected);
  json_decref(again);
  json_decref(object);
}

gboolean ctl_audit_import(FILE *in, AuditWalk *walk, GError **error) {
  Import import = {.walk = walk};
  char *line = NULL;
  size_t size = 0;
  ssize_t length = 0;
  errno = 0;
  while ((length = getline(&line, &size, in)) > 0) {
    import.line++;
    gboolean whole = line[length - 1] == '\n';
    take_line(&import, line, (gsize)length - (whole ? 1 : 0));
    if (!whole)
      bad_line(&import, "has no end");
  }
  free(line);
  if (ferror(in)) {
    g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "%s", g_strerror(errno));
    return FALSE;
  }
  end_chain(&import);
  if (!import.ended)
    audit_walk_fault(walk, "the file has no end: it was cut");
  audit_walk_end(walk, import.first);
  return TRUE;
}
