/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/csr_unserved.h"

#include "ca/openssl_auto.h"

#include <string.h>

#define ATTESTATION "key attestation, which Signet does not check; leave it out"
#define ESCROW "key escrow, which Signet does not do; leave it out"

static const struct {
  const char *oid, *what;
} types[] = {
    {"1.2.840.113549.1.9.16.2.59", ATTESTATION}, /* id-aa-attestation, also called id-aa-evidence */
    {"1.3.6.1.4.1.311.21.24", ATTESTATION},      /* Microsoft's */
    {"1.3.6.1.4.1.311.21.33", ATTESTATION},
    {"1.3.6.1.4.1.311.21.39", ATTESTATION},
    {"1.3.6.1.4.1.41482.3.1", ATTESTATION}, /* Yubico's */
    {"1.3.6.1.4.1.41482.3.2", ATTESTATION},
    {"1.3.6.1.4.1.41482.3.11", ATTESTATION},
    {"1.3.6.1.4.1.311.21.13", ESCROW}, /* Microsoft's archived key */
    {"1.3.6.1.5.5.7.5.1.4", ESCROW},   /* RFC 4211 section 6.4 */
    {"1.3.6.1.5.5.7.1.24",             /* RFC 7633, TLS features: answers stapled to a handshake */
     "OCSP, which Signet does not offer: its revocation lists answer for all; leave it out"},
};

/* The arcs of S/MIME BR 7.1.6.1, and what their certificates are. */
static const struct {
  const char *arc, *what;
} policies_elsewhere[] = {
    {"2.23.140.1.5.1.1", "of the legacy generation"},
    {"2.23.140.1.5.2.", "organization-validated"},
    {"2.23.140.1.5.3.", "sponsor-validated"},
    {"2.23.140.1.5.4.", "individual-validated"},
};

gboolean csr_type_is_served(const ASN1_OBJECT *type, GError **error) {
  char oid[80];
  OBJ_obj2txt(oid, sizeof oid, type, 1);
  for (gsize i = 0; i < G_N_ELEMENTS(types); i++)
    if (strcmp(types[i].oid, oid) == 0) {
      g_set_error(error, CA_ERROR, CA_ERROR_BAD_CSR, "the request asks for %s", types[i].what);
      return FALSE;
    }
  return TRUE;
}

static gboolean check_policy(const POLICYINFO *policy, GError **error) {
  char oid[80];
  OBJ_obj2txt(oid, sizeof oid, policy->policyid, 1);
  for (gsize i = 0; i < G_N_ELEMENTS(policies_elsewhere); i++)
    if (g_str_has_prefix(oid, policies_elsewhere[i].arc)) {
      g_set_error(
          error, CA_ERROR, CA_ERROR_BAD_CSR,
          "the request asks for a certificate that is %s (policy %s); Signet proves control "
          "of mailboxes, and its certificates are mailbox-validated, strict or multipurpose",
          policies_elsewhere[i].what, oid);
      return FALSE;
    }
  return TRUE;
}

gboolean csr_policies_are_served(const STACK_OF(POLICYINFO) * policies, GError **error) {
  for (int i = 0; policies != NULL && i < sk_POLICYINFO_num(policies); i++)
    if (!check_policy(sk_POLICYINFO_value(policies, i), error))
      return FALSE;
  return TRUE;
}
