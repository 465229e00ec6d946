/* SPDX-License-Identifier: Apache-2.0 */
/* Making CA certificates, requests for them and the root's list (ca-rules 18, 18a). The only code
   that signs with a root's key: CA certificates below it, its own, and its list. */
#ifndef SIGNET_CA_CEREMONY_H
#define SIGNET_CA_CEREMONY_H

#include "ca/crl.h"
#include "ca/issuer.h"

#define CEREMONY_ROOT_YEARS 20
#define CEREMONY_ISSUING_YEARS 10
#define CEREMONY_MAX_YEARS 50
#define CEREMONY_ROOT_CRL_DAYS 364
#define CEREMONY_PASSPHRASE_MAX 1023

/* --- one certificate ----------------------------------------------------------------------- */

typedef enum {
  CEREMONY_ROOT,    /* signed by itself */
  CEREMONY_ISSUING, /* issues to subscribers, pathLen 0 */
  CEREMONY_CROSS    /* for another CA's name and key */
} CeremonyKind;

typedef struct {
  CeremonyKind kind;
  GBytes *subject; /* Name, DER, as ceremony_name makes it or another CA has it */
  EVP_PKEY *key;   /* the subject's; its public half, but for a root */
  const ASN1_OCTET_STRING *identifier; /* subjectKeyIdentifier of a cross certificate's subject;
                                          NULL: made of the key */
  const Issuer *root;                  /* NULL for a root */
  const char *url; /* base http:// URL of published files, ending in "/": root.crl, root.der below
                      it; NULL for a root */
  gint64 now;      /* milliseconds */
  guint years;     /* 0: as above, and never past the root's end */
  gboolean public_ca; /* C and O must be there (S/MIME BR 7.1.4.3.1) */
} CeremonyCertificate;

/* A Name with C, O (NULL: left out) and CN. CA_ERROR_PROFILE. */
GBytes *ceremony_name(const char *country, const char *organization, const char *common_name,
                      GError **error);

/* The to-be-signed octets, linted; CA_ERROR_PROFILE when the plan is unusable. */
GBytes *ceremony_build(const CeremonyCertificate *plan, GError **error);

/* Lints tbs once more, so that a root signs nothing but CA certificates, and signs exactly tbs,
   which ceremony_build made of the same plan; DER. CA_ERROR_PROFILE, CA_ERROR_SIGN. */
GBytes *ceremony_sign(const CeremonyCertificate *plan, GBytes *tbs, GError **error);

/* What is to be signed, or a certificate, for people, as openssl prints it; the caller frees it.
   NULL when it is neither. */
char *ceremony_text(GBytes *tbs);
char *ceremony_certificate_text(X509 *certificate);
char *ceremony_list_text(GBytes *crl);

/* Whether a CA signed its own certificate and may have CAs below it. */
gboolean ceremony_is_root(const Issuer *issuer);

/* A root's list. */
typedef struct {
  gint64 now;         /* milliseconds */
  guint days;         /* until nextUpdate, at most CRL_MAX_CA_DAYS */
  gint64 previous;    /* cRLNumber of the list before; 0: none */
  GPtrArray *entries; /* of CrlEntry, each with a reason; NULL: none */
} CeremonyList;

/* A new CRL of the root, DER; its cRLNumber is now in seconds, or one more than the previous one.
   CA_ERROR_PROFILE, CA_ERROR_SIGN. */
GBytes *ceremony_root_crl(const Issuer *root, const CeremonyList *list, GError **error);

/* --- both in one go ------------------------------------------------------------------------ */

typedef struct {
  const char *country;      /* C of both names; NULL: left out */
  const char *organization; /* O of both names, at most 64 characters as the CNs; NULL: left out */
  const char *root_name;    /* CN */
  const char *issuing_name;
  const char *key_type;   /* "P-256" (default when NULL), "P-384", "RSA-4096" */
  const char *passphrase; /* encrypts both key files (PKCS#8, AES-256); NULL: not encrypted */
  const char *url;        /* as above */
  gint64 now;             /* milliseconds */
  gboolean public_ca;     /* as above */
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

/* A new key by its type, as above; CA_ERROR_PROFILE. */
EVP_PKEY *ceremony_make_key(const char *type, GError **error);
/* Whether a passphrase can encrypt a key; NULL can. */
gboolean ceremony_check_passphrase(const char *passphrase, GError **error);

#endif
