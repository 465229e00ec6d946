/* SPDX-License-Identifier: Apache-2.0 */
/* One DKIM-Signature field, read by the rules of RFC 6376 sections 3.5 and 6.1.1. Internal to
 * mime/. */
#ifndef SIGNET_MIME_DKIM_READING_H
#define SIGNET_MIME_DKIM_READING_H

#include "mime/dkim.h"
#include "mime/dkim_hash.h"

typedef struct {
  gint64 now;               /* seconds: when x= is looked at */
  DkimSignature *signature; /* what callers see */
  DkimCanon header_canon, body_canon;
  char *identity;      /* domain of i=, NULL when absent */
  char *unsigned_text; /* the field with an empty b= */
  GBytes *value;       /* b= */
  GBytes *body_hash;   /* bh=, DKIM_HASH_OCTETS */
  guint8 header_hash[DKIM_HASH_OCTETS];
} DkimReading;

/* Never NULL: what must not be used has signature->result DKIM_UNUSABLE, else DKIM_PENDING. now in
 * seconds. */
DkimReading *dkim_reading_new(const RawField *field, gint64 now);
void dkim_reading_free(DkimReading *reading);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkimReading, dkim_reading_free)

/* Sets the result and its reason (NULL for DKIM_PASS only). */
void dkim_reading_decide(DkimReading *reading, DkimResult result, const char *reason);

#endif
