/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/audit_line.h"

#include <string.h>

static json_t *text_or_null(const char *text) {
  return text != NULL ? json_string(text) : json_null();
}

static json_t *hex_or_null(GBytes *octets) {
  g_autofree char *text =
      octets != NULL ? audit_hex(g_bytes_get_data(octets, NULL), g_bytes_get_size(octets)) : NULL;
  return text_or_null(text);
}

json_t *audit_line_chain(const AuditHead *before) {
  char chain[AUDIT_CHAIN_TEXT];
  g_autofree char *hash =
      before->number != 0 ? audit_hex(before->hash, AUDIT_HASH_OCTETS) : g_strdup("");
  return json_pack("{s:s, s:I, s:s}", "chain", audit_chain_text(&before->chain, chain), "after",
                   (json_int_t)before->number, "hash", hash);
}

json_t *audit_line_record(const AuditRecord *record, GBytes *hash) {
  return json_pack("{s:I, s:I, s:o, s:o, s:o, s:o}", "record", (json_int_t)record->number, "at",
                   (json_int_t)record->at, "kind", text_or_null(record->kind), "subject",
                   text_or_null(record->subject), "detail", text_or_null(record->detail), "hash",
                   hex_or_null(hash));
}

json_t *audit_line_checkpoint(const AuditCheckpoint *checkpoint, GBytes *key, GBytes *signature) {
  g_autofree char *hash = audit_hex(checkpoint->hash, AUDIT_HASH_OCTETS);
  return json_pack("{s:I, s:s, s:I, s:I, s:o, s:o}", "checkpoint", (json_int_t)checkpoint->number,
                   "hash", hash, "at", (json_int_t)checkpoint->at, "previous",
                   (json_int_t)checkpoint->previous, "key", hex_or_null(key), "signature",
                   hex_or_null(signature));
}

json_t *audit_line_hidden(gint64 number, const guint8 content[AUDIT_HASH_OCTETS]) {
  g_autofree char *text = audit_hex(content, AUDIT_HASH_OCTETS);
  return json_pack("{s:I, s:s}", "hidden", (json_int_t)number, "content", text);
}

static GBytes *hex_bytes(const json_t *object, const char *name) {
  const char *text = json_string_value(json_object_get(object, name));
  gsize size = text != NULL ? strlen(text) / 2 : 0;
  g_autofree guint8 *octets = g_malloc(size + 1);
  return text != NULL && audit_from_hex(text, octets, size)
             ? g_bytes_new_take(g_steal_pointer(&octets), size)
             : NULL;
}

static gint64 number_of(const json_t *object, const char *name) {
  return json_integer_value(json_object_get(object, name));
}

static const char *text_of(const json_t *object, const char *name) {
  return json_string_value(json_object_get(object, name));
}

void audit_line_read_chain(const json_t *line, AuditHead *before) {
  const char *chain = text_of(line, "chain"), *hash = text_of(line, "hash");
  *before = (AuditHead){.number = number_of(line, "after")};
  before->chain.given = chain != NULL && *chain != '\0';
  if (before->chain.given)
    audit_from_hex(chain, &before->chain.id, ID_OCTETS);
  if (before->number != 0 && hash != NULL)
    audit_from_hex(hash, before->hash, AUDIT_HASH_OCTETS);
}

void audit_line_read_record(const json_t *line, const AuditChain *chain, AuditRecord *record,
                            GBytes **hash) {
  *record = (AuditRecord){.chain = *chain,
                          .number = number_of(line, "record"),
                          .at = number_of(line, "at"),
                          .kind = text_of(line, "kind"),
                          .subject = text_of(line, "subject"),
                          .detail = text_of(line, "detail")};
  *hash = hex_bytes(line, "hash");
}

void audit_line_read_checkpoint(const json_t *line, const AuditChain *chain,
                                AuditCheckpoint *checkpoint, GBytes **key, GBytes **signature) {
  const char *hash = text_of(line, "hash");
  *checkpoint = (AuditCheckpoint){.chain = chain->id,
                                  .number = number_of(line, "checkpoint"),
                                  .at = number_of(line, "at"),
                                  .previous = number_of(line, "previous")};
  if (hash != NULL)
    audit_from_hex(hash, checkpoint->hash, AUDIT_HASH_OCTETS);
  *key = hex_bytes(line, "key");
  *signature = hex_bytes(line, "signature");
}

void audit_line_read_hidden(const json_t *line, gint64 *number, guint8 content[AUDIT_HASH_OCTETS]) {
  const char *text = text_of(line, "content");
  *number = number_of(line, "hidden");
  if (text == NULL || !audit_from_hex(text, content, AUDIT_HASH_OCTETS))
    memset(content, 0, AUDIT_HASH_OCTETS);
}
