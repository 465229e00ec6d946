/* SPDX-License-Identifier: Apache-2.0 */
/* What a received message says, as typed facts, judged by nobody here (RFC 8823 section 3.2). */
#ifndef SIGNET_MIME_REPLY_H
#define SIGNET_MIME_REPLY_H

#include "mime/dkim.h"
#include "mime/dmarc.h"

#define REPLY_MAX_OCTETS (256 * 1024)
#define REPLY_MAX_FIELDS 200 /* header fields of the message */
#define REPLY_MAX_DEPTH 10   /* of multiparts */
#define REPLY_MAX_PARTS 100
#define REPLY_MAX_MAILBOXES 100      /* counted in From; more count as that many */
#define REPLY_MAX_PARSED_OCTETS 8192 /* of a From or Subject that is looked into */
#define REPLY_MAX_ADDRESS_OCTETS 320 /* of from */
#define REPLY_MAX_TOKEN_OCTETS 200   /* of token; the rest is cut off */
#define REPLY_MAX_NAME_OCTETS 100    /* of list_field */
#define REPLY_MAX_MESSAGE_ID_OCTETS 250
#define REPLY_DIGEST_OCTETS 32

/* How the search for the block of "-----BEGIN ACME RESPONSE-----" ended. What is read: text/plain
   parts that are no attachments, alone or anywhere within multipart/alternative, mixed, related and
   signed. */
typedef enum {
  REPLY_BLOCK_NONE,      /* no block in any text that is read */
  REPLY_BLOCK_HTML_ONLY, /* text/html and no text/plain part */
  REPLY_BLOCK_MALFORMED, /* a block that does not decode to 32 octets or does not end, beside others
                            or not */
  REPLY_BLOCK_SEVERAL,   /* two blocks with different digests */
  REPLY_BLOCK_ONE
} ReplyBlock;

/* The header as counted over the message's own fields, never over merged ones. Texts are UTF-8
   without control characters. */
typedef struct {
  char *refused; /* why the message could not be read at all (size, fields, parts, depth, bare CR or
                    LF, NUL, a part with an ambiguous header); else NULL. Then block is NONE, and
                    what was not reached is 0, NULL or "" */
  guint from_fields;    /* occurrences */
  guint from_mailboxes; /* addresses in the first From, members of groups included */
  char *from; /* its addr-spec as it stands, when it is a single dot-atom@domain outside any group
                 that strict and lenient readers see alike; else NULL */
  guint subject_fields;
  char *token; /* first Subject decoded, after the first "ACME:", white space removed; "" when there
                  is no "ACME:" */
  guint content_type_fields;
  guint transfer_encoding_fields; /* when either is there twice, the body is not read: block is NONE
                                   */
  char *list_field;               /* name of the first List-* field; NULL when there is none */
  gboolean is_report;             /* multipart/report, or an auto-reply that no ACME client wrote */
  ReplyBlock block;
  guint8 digest[REPLY_DIGEST_OCTETS]; /* REPLY_BLOCK_ONE only, else zero */
  char *message_id;                   /* for the record; NULL when missing */
} ReplyFacts;

/* Reads a raw message with CRLF line ends. Never fails: facts->refused says when it could not be
 * read. */
ReplyFacts *reply_read(GBytes *message);
void reply_facts_free(ReplyFacts *facts);
/* The domain whose DKIM signature can prove the message: that of its only From address, in
   lower-case A-labels. NULL: none can. The caller frees it. */
char *reply_domain(const ReplyFacts *facts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplyFacts, reply_facts_free)

/* The facts, a check's signatures and the DMARC record as a value that another process can be
   given, and back. The members stand in the order of ReplyFacts, for each signature of
   DkimSignature, and of DmarcFinding. */
#define REPLY_EVIDENCE_TYPE "((msuumsusuumsbuayms)a(umsmsmsmsasmsmsbxx)m(sumsb))"
#define REPLY_EVIDENCE_MAX_OCTETS (256 * 1024)

/* A new value; the caller takes the (floating) reference. dmarc is NULL when no record was asked
   for. */
GVariant *reply_evidence_new(const ReplyFacts *facts, const DkimCheck *check,
                             const DmarcFinding *dmarc);

/* FALSE when the value does not hold what it should: type, size, normal form, lengths, ranges,
   characters, or a combination that reply_read and a check never make (a PASS without From in h=,
   ONE beside refused, a DMARC record of another domain ...). The caller frees what it gets; *dmarc
   is NULL when no record was asked for, and dmarc may be NULL. Whether it is true is another
   question: trust it as you trust its sender. */
gboolean reply_evidence_read(GVariant *evidence, ReplyFacts **facts,
                             GPtrArray **signatures /* of DkimSignature */, DmarcFinding **dmarc);

#endif
