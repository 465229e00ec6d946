/* SPDX-License-Identifier: Apache-2.0 */
#include "base/audit_walk.h"
#include "base/clock.h"

#include <string.h>

#define KIND_SHOWN 40 /* characters of a kind in a sentence */

/* What the first record of a chain says of the one before, and how each chain ended. */
typedef struct {
  AuditChain chain;
  AuditHead head;
} Tie;

struct AuditWalk {
  AuditWalkHooks hooks;
  AuditSums sums;
  AuditChain chain;
  char name[AUDIT_CHAIN_TEXT];
  gint64 number;                    /* of the last record; before the first one of the one before */
  guint8 hash[AUDIT_HASH_OCTETS];   /* of that record, as it stands there */
  gboolean part, any, known, ended; /* known: hash is; ended: the last record is of a stop */
  gint64 first, checkpoint, missing_to;
  gint64 at, uncovered_since; /* times: of the last record, of the first after the checkpoint */
  GArray *ties, *ends;        /* of Tie */
};

AuditWalk *audit_walk_new(const AuditWalkHooks *hooks) {
  AuditWalk *walk = g_new0(AuditWalk, 1);
  walk->hooks = *hooks;
  walk->ties = g_array_new(FALSE, FALSE, sizeof(Tie));
  walk->ends = g_array_new(FALSE, FALSE, sizeof(Tie));
  return walk;
}

void audit_walk_free(AuditWalk *walk) {
  if (walk == NULL)
    return;
  g_array_unref(walk->ties);
  g_array_unref(walk->ends);
  g_free(walk);
}

const AuditSums *audit_walk_sums(const AuditWalk *walk) {
  return &walk->sums;
}

gint64 audit_walk_last(const AuditWalk *walk) {
  return walk->number;
}

gint64 audit_walk_last_checkpoint(const AuditWalk *walk) {
  return walk->checkpoint;
}

static void fault(AuditWalk *walk, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void fault(AuditWalk *walk, const char *format, ...) {
  va_list values;
  va_start(values, format);
  g_autofree char *what = g_strdup_vprintf(format, values);
  va_end(values);
  g_autofree char *sentence = walk->chain.given
                                  ? g_strdup_printf("chain %s: %s", walk->name, what)
                                  : g_strdup_printf("chain of schema version 3: %s", what);
  walk->sums.faults++;
  walk->hooks.fault(sentence, walk->hooks.user);
}

void audit_walk_fault(AuditWalk *walk, const char *sentence) {
  walk->sums.faults++;
  walk->hooks.fault(sentence, walk->hooks.user);
}

static void missing(AuditWalk *walk, gint64 from, gint64 to, const char *how) {
  if (from == to)
    fault(walk, "record %" G_GINT64_FORMAT " is missing%s", from, how);
  else
    fault(walk, "records %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT " are missing%s", from, to,
          how);
}

void audit_walk_chain(AuditWalk *walk, const AuditChain *chain, const AuditHead *before) {
  walk->chain = *chain;
  audit_chain_text(chain, walk->name);
  walk->sums.chains++;
  walk->part = before != NULL;
  walk->number = before != NULL ? before->number : 0;
  memset(walk->hash, 0, sizeof(walk->hash));
  if (before != NULL)
    memcpy(walk->hash, before->hash, sizeof(walk->hash));
  walk->known = TRUE;
  walk->any = walk->ended = FALSE;
  walk->checkpoint = -1; /* the first one may say anything of one before in a part */
  walk->missing_to = 0;
  walk->uncovered_since = -1;
  if (before == NULL)
    walk->checkpoint = 0;
}

/* The first record of a whole chain. */
static void begin_chain(AuditWalk *walk, const AuditRecord *record) {
  Tie tie = {.chain = walk->chain};
  if (!walk->chain.given)
    return;
  if (record->kind == NULL || record->detail == NULL || strcmp(record->kind, AUDIT_BEGUN) != 0 ||
      !audit_begun_read(record->detail, &tie.head)) {
    fault(walk,
          "record %" G_GINT64_FORMAT " is the first and does not say how the chain began: the "
          "records before it are missing",
          record->number);
    walk->known = FALSE;
    walk->number = record->number - 1;
    return;
  }
  walk->number = tie.head.number; /* numbers go on where the chain before ended */
  g_array_append_val(walk->ties, tie);
}

/* FALSE: it is out of order and counts no further. */
static gboolean check_place(AuditWalk *walk, const AuditRecord *record) {
  if (record->number <= walk->number) {
    fault(walk,
          "record %" G_GINT64_FORMAT " stands behind record %" G_GINT64_FORMAT
          ": it is there twice, or records were reordered",
          record->number, walk->number);
    return FALSE;
  }
  if (record->number > walk->number + 1) {
    missing(walk, walk->number + 1, record->number - 1, "");
    walk->known = FALSE;
  }
  return TRUE;
}

static void bad_record(AuditWalk *walk, const AuditRecord *record, const char *why) {
  g_autofree char *at = clock_rfc3339(record->at);
  g_autofree char *kind = g_strndup(record->kind != NULL ? record->kind : "", KIND_SHOWN);
  g_autofree char *shown = g_strescape(kind, NULL);
  fault(walk, "record %" G_GINT64_FORMAT " (%s, \"%s\") %s", record->number,
        at != NULL ? at : "no time", shown, why);
}

void audit_walk_record(AuditWalk *walk, const AuditRecord *record, GBytes *hash) {
  guint8 expected[AUDIT_HASH_OCTETS];
  walk->sums.records++;
  if (!walk->any && !walk->part)
    begin_chain(walk, record);
  walk->first = walk->any ? walk->first : record->number;
  walk->any = TRUE;
  if (!check_place(walk, record))
    return;
  if (walk->missing_to > 0)
    fault(walk,
          "record %" G_GINT64_FORMAT " stands behind a checkpoint of a later one or of its own: "
          "they were reordered",
          record->number);
  walk->missing_to = 0;
  walk->number = record->number;
  walk->at = record->at;
  if (walk->uncovered_since < 0)
    walk->uncovered_since = record->at;
  walk->ended = record->kind != NULL && strcmp(record->kind, AUDIT_STOPPED) == 0;
  if (hash == NULL || g_bytes_get_size(hash) != AUDIT_HASH_OCTETS || record->kind == NULL ||
      record->subject == NULL || record->detail == NULL ||
      !audit_chain_equal(&record->chain, &walk->chain)) {
    bad_record(walk, record, "was changed: it is no whole record");
    walk->known = FALSE;
    return;
  }
  audit_record_hash(record, walk->hash, expected);
  gboolean fits = memcmp(expected, g_bytes_get_data(hash, NULL), AUDIT_HASH_OCTETS) == 0;
  if (walk->known && !fits)
    bad_record(walk, record,
               "does not fit to the record before it: it or that one was changed, or it does not "
               "belong here");
  memcpy(walk->hash, g_bytes_get_data(hash, NULL), AUDIT_HASH_OCTETS);
  walk->known = TRUE;
}

void audit_walk_hidden(AuditWalk *walk, gint64 number, const guint8 content[AUDIT_HASH_OCTETS]) {
  const AuditRecord record = {.chain = walk->chain, .number = number};
  walk->sums.records++;
  walk->first = walk->any ? walk->first : number;
  walk->any = TRUE;
  if (!check_place(walk, &record))
    return;
  walk->number = number;
  walk->ended = FALSE;
  if (walk->known)
    audit_record_link(&walk->chain.id, number, content, walk->hash, walk->hash);
}

void audit_walk_checkpoint(AuditWalk *walk, const AuditCheckpoint *checkpoint, GBytes *key,
                           GBytes *signature) {
  walk->sums.checkpoints++;
  g_autofree char *at = clock_rfc3339(checkpoint->at);
  g_autofree char *which = g_strdup_printf("the checkpoint of %s at record %" G_GINT64_FORMAT,
                                           at != NULL ? at : "no time", checkpoint->number);
  g_autoptr(GBytes) octets = audit_checkpoint_octets(checkpoint);
  const char *why = key != NULL && signature != NULL
                        ? walk->hooks.check(octets, key, signature, walk->hooks.user)
                        : "it is no whole checkpoint";
  if (why != NULL)
    fault(walk, "%s: %s", which, why);
  if (walk->checkpoint >= 0 && checkpoint->previous != walk->checkpoint)
    fault(walk,
          "%s names %" G_GINT64_FORMAT " as the one before, but that is %" G_GINT64_FORMAT
          ": checkpoints are missing or were changed",
          which, checkpoint->previous, walk->checkpoint);
  walk->checkpoint = checkpoint->number;
  walk->uncovered_since = -1;
  if (checkpoint->number > walk->number)
    walk->missing_to = MAX(walk->missing_to, checkpoint->number);
  else if (checkpoint->number < walk->number)
    fault(walk, "%s has no record", which);
  else if (walk->known && memcmp(checkpoint->hash, walk->hash, AUDIT_HASH_OCTETS) != 0)
    fault(walk, "%s names another hash than the record has: the log was changed", which);
}

void audit_walk_chain_end(AuditWalk *walk) {
  Tie end = {.chain = walk->chain, .head = {.chain = walk->chain, .number = walk->number}};
  gint64 covered = MAX(walk->checkpoint, 0);
  if (walk->missing_to > walk->number)
    missing(walk, walk->number + 1, walk->missing_to, " at the end: a checkpoint covers them");
  else if (covered > 0 && covered < walk->number && walk->ended)
    fault(walk,
          "the log ends with a stop at record %" G_GINT64_FORMAT
          " that no checkpoint covers: one is missing",
          walk->number);
  if (walk->chain.given && walk->any)
    walk->sums.uncovered += MAX(walk->number - MAX(covered, walk->first - 1), 0);
  if (walk->chain.given && walk->uncovered_since >= 0)
    walk->sums.span = MAX(walk->sums.span, walk->at - walk->uncovered_since);
  memcpy(end.head.hash, walk->hash, AUDIT_HASH_OCTETS);
  g_array_append_val(walk->ends, end);
}

static const AuditHead *find_end(const AuditWalk *walk, const AuditChain *chain) {
  for (guint i = 0; i < walk->ends->len; i++) {
    const Tie *end = &g_array_index(walk->ends, Tie, i);
    if (audit_chain_equal(&end->chain, chain))
      return &end->head;
  }
  return NULL;
}

void audit_walk_end(AuditWalk *walk, gint64 first) {
  for (guint i = 0; i < walk->ties->len; i++) {
    const Tie *tie = &g_array_index(walk->ties, Tie, i);
    const AuditHead *end = find_end(walk, &tie->head.chain);
    if (tie->head.number == 0 || (end == NULL && tie->head.number < first))
      continue;
    walk->chain = tie->chain;
    audit_chain_text(&tie->chain, walk->name);
    if (end == NULL)
      fault(walk, "the chain before it, up to record %" G_GINT64_FORMAT ", is missing",
            tie->head.number);
    else if (end->number != tie->head.number ||
             memcmp(end->hash, tie->head.hash, AUDIT_HASH_OCTETS) != 0)
      fault(walk,
            "the chain before it had its end at another record %" G_GINT64_FORMAT
            ": records of it are missing, were changed or put in",
            tie->head.number);
  }
}
