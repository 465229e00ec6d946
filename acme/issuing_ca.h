/* SPDX-License-Identifier: Apache-2.0 */
/* The issuing CAs: the one that new certificates come from, and those whose certificates are still
   out or that are to come. Rows of the store name one by its subjectKeyIdentifier. */
#ifndef SIGNET_ACME_ISSUING_CA_H
#define SIGNET_ACME_ISSUING_CA_H

#include "acme/acme.h"

/* One that is in acme->others. */
typedef struct {
  Issuer *issuer; /* without key */
  char *chain;    /* as Acme.chain */
  GPtrArray *alternates;
} IssuingCa;

void issuing_ca_free(IssuingCa *ca);

/* Of the one that has this subjectKeyIdentifier: what it is and what its certificates are served
   with. FALSE: none such is configured. What is found belongs to acme. */
gboolean issuing_ca_find(const Acme *acme, GBytes *identifier, IssuingCa *found);

/* The one that a shard of revocation lists, and so each certificate in it, belongs to; NULL without
   error when it is not configured any more. */
StoreFind issuing_ca_of_shard(const Acme *acme, gint64 shard, IssuingCa *found, GError **error);

/* The subjectKeyIdentifier of the one that issues now. */
GBytes *issuing_ca_current(const Acme *acme);

/* The name under which the certificate of one is published, for good: by its first shard. The
   caller frees it; NULL on failure. */
char *issuing_ca_file(const Acme *acme, GBytes *identifier, GError **error);

/* Whether a SubjectPublicKeyInfo is the key of any, or of a root that is published. */
gboolean issuing_ca_has_key(const Acme *acme, GBytes *spki);

/* At start: every CA has a shard, every shard its CA, every certificate is published. */
gboolean issuing_cas_start(Acme *acme, GError **error);

#endif
