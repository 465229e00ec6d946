/* SPDX-License-Identifier: Apache-2.0 */
/* The evidence of a certificate as a file: lines of JSON, the first says what it is, the last has
   the digest of all before it. Between them stand the evidence, certificates of issuers, public
   audit keys, and the part of the audit log that has the records: other people's records are there
   as hashes alone, up to a checkpoint that is signed. */
#ifndef SIGNET_ACME_EVIDENCE_FILE_H
#define SIGNET_ACME_EVIDENCE_FILE_H

#include "store/certificate.h"

#include <jansson.h>
#include <stdio.h>

/* issuers (of Issuer), keys (of EVP_PKEY): of these, those that signed are in the file. *covered
   FALSE: no checkpoint covers the last records yet. */
gboolean evidence_write(Store *store, const Certificate *certificate, GPtrArray *issuers,
                        GPtrArray *keys, FILE *out, gboolean *covered, GError **error);

/* A file as it was read; nothing in it is believed. */
typedef struct {
  char *serial;              /* hexadecimal; NULL: none */
  GPtrArray *rows;           /* of json_t: the lines of evidence */
  char *digest;              /* SHA-256 of those */
  GPtrArray *issuers, *keys; /* of const char*, PEM */
  GPtrArray *log;            /* of json_t: chain, record, hidden, checkpoint, in their order */
  GPtrArray *lines;          /* of json_t: all lines; owns what the others point to */
  GPtrArray *faults;         /* of char*: what is wrong with the file itself */
} Evidence;

/* Never fails for what stands in the file; NULL with error: it cannot be read. */
Evidence *evidence_read(FILE *in, GError **error);
void evidence_free(Evidence *evidence);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Evidence, evidence_free)

#endif
