/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that led to a certificate, gathered from the files of the other objects (ca-rules 6
   and 11): rows and columns that change no more once it is issued. */
#ifndef SIGNET_STORE_EVIDENCE_H
#define SIGNET_STORE_EVIDENCE_H

#include "store/audit_feed.h"
#include "store/certificate.h"

/* One value of a row; those that are null are left out. */
typedef struct {
  const char *name;
  enum { EVIDENCE_NUMBER, EVIDENCE_TEXT, EVIDENCE_OCTETS } type;
  gint64 number;
  const void *data; /* text is not ended by NUL */
  gsize size;
} EvidenceValue;

/* kind: "order", "message" ...; values live for the call. */
typedef void (*EvidenceRow)(const char *kind, const EvidenceValue *values, guint count,
                            gpointer user);

/* Feeds the rows, always in the same order. Nothing when there is no such certificate. */
gboolean evidence_rows(Store *store, const Id *certificate, EvidenceRow row, gpointer user,
                       GError **error);
/* The audit records about it and about what led to it, and those of its account alone (key, terms),
   of AuditRow, each once, chain by chain. NULL on failure. */
GPtrArray *evidence_records(Store *store, const Id *certificate, GError **error);
/* The same as of the moment when it is issued, perhaps without their texts, with nothing that
   others write meanwhile, and keeps in the certificate's row where each chain ended. */
GPtrArray *evidence_records_now(Store *store, const Certificate *certificate, GError **error);
/* Takes out of evidence_records what came after it was issued. */
gboolean evidence_records_until_issued(Store *store, const Id *certificate, GPtrArray *records,
                                       GError **error);

#endif
