/* SPDX-License-Identifier: Apache-2.0 */
#include "base/audit_record.h"
#include "base/sha256.h"

#include <string.h>

#define RECORD_PREFIX "Signet audit record v2"
#define CHECKPOINT_PREFIX "Signet audit checkpoint v1"

/* Made once: each digest leaves it as if new. */
static Sha256 *kept_sum(void) {
  static Sha256 *sum;
  if (sum == NULL)
    sum = sha256_new();
  return sum;
}

static void add_number(Sha256 *sum, gint64 number) {
  gint64 octets = GINT64_TO_BE(number);
  sha256_add(sum, &octets, sizeof(octets));
}

static void add_text(Sha256 *sum, const char *text) {
  gsize length = strlen(text);
  add_number(sum, (gint64)length);
  sha256_add(sum, text, length);
}

static void add_content(Sha256 *sum, const AuditRecord *record) {
  add_number(sum, record->at);
  add_text(sum, record->kind);
  add_text(sum, record->subject);
  add_text(sum, record->detail);
}

void audit_record_content(const AuditRecord *record, guint8 content[AUDIT_HASH_OCTETS]) {
  Sha256 *sum = kept_sum();
  add_content(sum, record);
  sha256_end(sum, content);
}

void audit_record_link(const Id *chain, gint64 number, const guint8 content[AUDIT_HASH_OCTETS],
                       const guint8 previous[AUDIT_HASH_OCTETS], guint8 hash[AUDIT_HASH_OCTETS]) {
  Sha256 *sum = kept_sum();
  add_text(sum, RECORD_PREFIX);
  sha256_add(sum, chain->octets, ID_OCTETS);
  sha256_add(sum, previous, AUDIT_HASH_OCTETS);
  add_number(sum, number);
  sha256_add(sum, content, AUDIT_HASH_OCTETS);
  sha256_end(sum, hash);
}

/* As schema version 3 had it. */
static void hash_without_chain(const AuditRecord *record, const guint8 previous[AUDIT_HASH_OCTETS],
                               guint8 hash[AUDIT_HASH_OCTETS]) {
  Sha256 *sum = kept_sum();
  sha256_add(sum, previous, AUDIT_HASH_OCTETS);
  add_number(sum, record->number);
  add_content(sum, record);
  sha256_end(sum, hash);
}

void audit_record_hash(const AuditRecord *record, const guint8 previous[AUDIT_HASH_OCTETS],
                       guint8 hash[AUDIT_HASH_OCTETS]) {
  guint8 content[AUDIT_HASH_OCTETS];
  if (!record->chain.given) {
    hash_without_chain(record, previous, hash);
    return;
  }
  audit_record_content(record, content);
  audit_record_link(&record->chain.id, record->number, content, previous, hash);
}

static void append_number(GByteArray *array, gint64 number) {
  gint64 octets = GINT64_TO_BE(number);
  g_byte_array_append(array, (const guint8 *)&octets, sizeof(octets));
}

GBytes *audit_checkpoint_octets(const AuditCheckpoint *checkpoint) {
  GByteArray *array = g_byte_array_new();
  /* With its NUL: all that follows has a fixed size. */
  g_byte_array_append(array, (const guint8 *)CHECKPOINT_PREFIX, sizeof(CHECKPOINT_PREFIX));
  g_byte_array_append(array, checkpoint->chain.octets, ID_OCTETS);
  append_number(array, checkpoint->number);
  g_byte_array_append(array, checkpoint->hash, AUDIT_HASH_OCTETS);
  append_number(array, checkpoint->at);
  append_number(array, checkpoint->previous);
  return g_byte_array_free_to_bytes(array);
}

const char *audit_checkpoint_fault(const AuditCheckpoint *last, const AuditCheckpoint *asked) {
  if (last->number == 0 || !id_equal(&last->chain, &asked->chain))
    return NULL;
  if (asked->number < last->number)
    return "a later record was signed before: the log was cut";
  if (asked->number == last->number && memcmp(last->hash, asked->hash, AUDIT_HASH_OCTETS) != 0)
    return "another hash was signed for that record before: the log was changed";
  if (asked->previous < last->previous)
    return "a checkpoint that was signed before is missing: the log was changed";
  return NULL;
}

gboolean audit_chain_equal(const AuditChain *a, const AuditChain *b) {
  return a->given == b->given && (!a->given || id_equal(&a->id, &b->id));
}

char *audit_hex(const void *octets, gsize size) {
  static const char digits[] = "0123456789abcdef";
  char *text = g_malloc(2 * size + 1), *to = text;
  for (const guint8 *octet = octets, *end = octet + size; octet < end; octet++) {
    *to++ = digits[*octet >> 4];
    *to++ = digits[*octet & 15];
  }
  *to = '\0';
  return text;
}

gboolean audit_from_hex(const char *text, void *octets, gsize size) {
  if (strlen(text) != 2 * size || strspn(text, "0123456789abcdef") != 2 * size)
    return FALSE;
  for (gsize i = 0; i < size; i++)
    ((guint8 *)octets)[i] =
        (guint8)(g_ascii_xdigit_value(text[2 * i]) << 4 | g_ascii_xdigit_value(text[2 * i + 1]));
  return TRUE;
}

const char *audit_chain_text(const AuditChain *chain, char buffer[AUDIT_CHAIN_TEXT]) {
  g_autofree char *text = chain->given ? audit_hex(&chain->id, ID_OCTETS) : g_strdup("");
  g_strlcpy(buffer, text, AUDIT_CHAIN_TEXT);
  return buffer;
}

char *audit_begun_text(const AuditHead *before) {
  char chain[AUDIT_CHAIN_TEXT];
  g_autofree char *hash = audit_hex(before->hash, AUDIT_HASH_OCTETS);
  return g_strdup_printf("previous-number=\"%" G_GINT64_FORMAT
                         "\" previous-hash=\"%s\" previous-chain=\"%s\"",
                         before->number, hash, audit_chain_text(&before->chain, chain));
}

gboolean audit_begun_read(const char *detail, AuditHead *before) {
  g_auto(GStrv) parts = g_strsplit(detail, "\"", -1);
  memset(before, 0, sizeof(*before));
  if (g_strv_length(parts) != 7 || !audit_from_hex(parts[3], before->hash, AUDIT_HASH_OCTETS))
    return FALSE;
  before->number = g_ascii_strtoll(parts[1], NULL, 10);
  before->chain.given = *parts[5] != '\0';
  if (before->chain.given && !audit_from_hex(parts[5], &before->chain.id, ID_OCTETS))
    return FALSE;
  g_autofree char *again = audit_begun_text(before);
  return strcmp(again, detail) == 0;
}
