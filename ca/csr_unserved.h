/* SPDX-License-Identifier: Apache-2.0 */
/* What requests ask for and Signet does not do: said, and not passed over. For ca/ only. */
#ifndef SIGNET_CA_CSR_UNSERVED_H
#define SIGNET_CA_CSR_UNSERVED_H

#include "ca/issuer.h"

#include <openssl/x509v3.h>

/* FALSE when an attribute or extension of that type asks for key attestation, key escrow or OCSP.
 */
gboolean csr_type_is_served(const ASN1_OBJECT *type, GError **error);

/* FALSE when the list has a policy of certificates that are not mailbox-validated, or are so by the
   legacy generation (S/MIME BR 7.1.6.1). policies is a certificatePolicies' value; NULL: none. */
gboolean csr_policies_are_served(const STACK_OF(POLICYINFO) * policies, GError **error);

#endif
