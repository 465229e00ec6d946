/* SPDX-License-Identifier: Apache-2.0 */
/* Records and checkpoints of the audit log as octets: what hashes and signatures cover (ca-rules
 * 33). */
#ifndef SIGNET_BASE_AUDIT_RECORD_H
#define SIGNET_BASE_AUDIT_RECORD_H

#include "base/id.h"

#define AUDIT_HASH_OCTETS 32
#define AUDIT_CHAIN_TEXT (2 * ID_OCTETS + 1)
/* Kinds that a verifier knows. */
#define AUDIT_BEGUN "chain begun"
#define AUDIT_STOPPED "core stopped"

/* Which chain; given FALSE: the one of stores of schema version 3, whose records name none. */
typedef struct {
  gboolean given;
  Id id;
} AuditChain;

typedef struct {
  AuditChain chain;
  gint64 number, at;
  const char *kind, *subject, *detail;
} AuditRecord;

/* What a record says, without its place: SHA-256 of the time, 8 octets, and the three texts, each
   behind its length in 8 octets. */
void audit_record_content(const AuditRecord *record, guint8 content[AUDIT_HASH_OCTETS]);
/* The hash of a record of which no more is known: SHA-256 of a fixed prefix, the chain, the hash of
   the record before (zeros for the first), number and content. So a chain can be followed past
   records that a reader is not to see. */
void audit_record_link(const Id *chain, gint64 number, const guint8 content[AUDIT_HASH_OCTETS],
                       const guint8 previous[AUDIT_HASH_OCTETS], guint8 hash[AUDIT_HASH_OCTETS]);
/* The same of a whole record. Without a chain: SHA-256 of the hash of the record before, the
   number, the time and the texts. */
void audit_record_hash(const AuditRecord *record, const guint8 previous[AUDIT_HASH_OCTETS],
                       guint8 hash[AUDIT_HASH_OCTETS]);

/* That the record of that number has that hash; previous: number of the checkpoint before, 0 for
   the first of a chain. */
typedef struct {
  Id chain;
  gint64 number;
  guint8 hash[AUDIT_HASH_OCTETS];
  gint64 at, previous;
} AuditCheckpoint;

/* What its signature covers: begins with a text, so that it can never be DER. */
GBytes *audit_checkpoint_octets(const AuditCheckpoint *checkpoint);
/* Why asked must not be signed after last: a log only grows, and keeps its checkpoints. The one
   signed last may be lost on its way, none before it. NULL: it may. last with number 0: none was
   signed yet. */
const char *audit_checkpoint_fault(const AuditCheckpoint *last, const AuditCheckpoint *asked);

/* Whether a is the same chain as b. */
gboolean audit_chain_equal(const AuditChain *a, const AuditChain *b);
/* In hexadecimal, "" for none, in buffer; returns buffer. */
const char *audit_chain_text(const AuditChain *chain, char buffer[AUDIT_CHAIN_TEXT]);

/* Where the chain before had its end, as the first record of a chain says it. number 0: there was
   none. */
typedef struct {
  AuditChain chain;
  gint64 number;
  guint8 hash[AUDIT_HASH_OCTETS];
} AuditHead;

/* The detail of that first record; the caller frees it. And back, FALSE when it is none. */
char *audit_begun_text(const AuditHead *before);
gboolean audit_begun_read(const char *detail, AuditHead *before);

/* Hexadecimal, lower case; the caller frees it. And back, FALSE when it is not exactly size octets.
 */
char *audit_hex(const void *octets, gsize size);
gboolean audit_from_hex(const char *text, void *octets, gsize size);

#endif
