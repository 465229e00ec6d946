/* SPDX-License-Identifier: Apache-2.0 */
/* Making CA keys and certificates (ca-rules 18, 18a). */
#ifndef SIGNET_CA_CEREMONY_H
#define SIGNET_CA_CEREMONY_H

#include "ca/issuer.h"

#define CEREMONY_ROOT_YEARS 20
#define CEREMONY_ISSUING_YEARS 10
#define CEREMONY_ROOT_CRL_DAYS 364

typedef struct {
  const char *country;      /* C of both names, two capital letters; NULL: left out */
  const char *organization; /* O of both names, at most 64 characters as the CNs; NULL: left out */
  const char *root_name;    /* CN */
  const char *issuing_name;
  const char *key_type;   /* "P-256" (default when NULL), "P-384", "RSA-4096" */
  const char *passphrase; /* encrypts both key files (PKCS#8, AES-256); NULL: not encrypted */
  const char
      *url;   /* base http:// URL of published files, ending in "/": root.crl, root.der below it */
  gint64 now; /* milliseconds */
  gboolean public_ca;              /* C and O must be there (S/MIME BR 7.1.4.3.1) */
  guint root_years, issuing_years; /* 0: as above, the issuing CA never longer than the root */
} CeremonyPlan;

/* The product: PEM except root_crl (DER). */
typedef struct {
  char *root_certificate, *root_key, *issuing_certificate, *issuing_key, *audit_key, *audit_public;
  GBytes *root_crl;
} CeremonyResult;

/* Makes root and issuing CA (18a) and the root's first CRL (nextUpdate 12 months less a day).
   CA_ERROR_PROFILE when the plan is unusable. */
CeremonyResult *ceremony_run(const CeremonyPlan *plan, GError **error);
void ceremony_result_free(CeremonyResult *result);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CeremonyResult, ceremony_result_free)

/* A new CRL of the root, DER, without entries unless entries (of CrlEntry, each with a reason) is
   given; cRLNumber is now in seconds. */
GBytes *ceremony_root_crl(const Issuer *root, gint64 now, GPtrArray *entries, GError **error);

#endif
