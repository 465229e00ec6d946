/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of the audit log as lines of JSON, in exports and in evidence. */
#ifndef SIGNET_ACME_AUDIT_LINE_H
#define SIGNET_ACME_AUDIT_LINE_H

#include "base/audit_record.h"

#include <jansson.h>

/* Each a new reference; NULL when a text is no UTF-8. A text or octets that are none are null. */
json_t *audit_line_chain(const AuditHead *before);
json_t *audit_line_record(const AuditRecord *record, GBytes *hash);
json_t *audit_line_checkpoint(const AuditCheckpoint *checkpoint, GBytes *key, GBytes *signature);

/* A record of which only the hash of its content is shown. */
json_t *audit_line_hidden(gint64 number, const guint8 content[AUDIT_HASH_OCTETS]);

/* And back; what a line lacks is 0 or NULL. The caller unrefs octets, texts are the line's. */
void audit_line_read_chain(const json_t *line, AuditHead *before);
void audit_line_read_record(const json_t *line, const AuditChain *chain, AuditRecord *record,
                            GBytes **hash);
void audit_line_read_checkpoint(const json_t *line, const AuditChain *chain,
                                AuditCheckpoint *checkpoint, GBytes **key, GBytes **signature);
void audit_line_read_hidden(const json_t *line, gint64 *number, guint8 content[AUDIT_HASH_OCTETS]);

#endif
