/* SPDX-License-Identifier: Apache-2.0 */
/* The rules about CA certificates that subscribers' do not share (ca-rules 18, 18a). */
#include "ca/key.h"
#include "ca/lint_rules.h"
#include "ca/openssl_auto.h"

#define RSA_BITS 4096

/* P-256, P-384 or RSA of 4096 bit and more, with the AlgorithmIdentifier of 7.1.3.1. */
void lint_ca_key(Lint *lint) {
  g_autoptr(GError) error = NULL;
  EVP_PKEY *key = X509_get0_pubkey(lint->certificate);
  if (!key_check(lint->spki, KEY_SUBSCRIBER, NULL, &error))
    lint_add(lint, "%s", error->message);
  else if (EVP_PKEY_is_a(key, "RSA") == 1 && EVP_PKEY_get_bits(key) < RSA_BITS)
    lint_add(lint, "an RSA key of %d bit", EVP_PKEY_get_bits(key));
}

/* CN; in public operation O and C as well. */
void lint_ca_subject(Lint *lint) {
  static const struct {
    int nid;
    gboolean public_alone;
  } needed[] = {{NID_commonName, FALSE}, {NID_organizationName, TRUE}, {NID_countryName, TRUE}};
  const X509_NAME *subject = X509_get_subject_name(lint->certificate);
  for (gsize i = 0; i < G_N_ELEMENTS(needed); i++)
    if ((lint->public_ca || !needed[i].public_alone) &&
        X509_NAME_get_index_by_NID((X509_NAME *)subject, needed[i].nid, -1) < 0)
      lint_add(lint, "it has no %s", OBJ_nid2ln(needed[i].nid));
}

/* Critical CA:TRUE; a root without pathLen, an issuing CA with pathLen 0 (nothing but subscribers
 * below it). */
void lint_ca_basic_constraints(Lint *lint) {
  const BASIC_CONSTRAINTS *constraints =
      lint_extension(lint, NID_basic_constraints, ASN1_ITEM_rptr(BASIC_CONSTRAINTS), FALSE);
  lint_criticality(lint, NID_basic_constraints, TRUE);
  if (constraints == NULL)
    return;
  if (!constraints->ca)
    lint_add(lint, "CA:FALSE");
  if (lint->subject == LINT_ROOT && constraints->pathlen != NULL)
    lint_add(lint, "it has a pathLenConstraint");
  if (lint->subject == LINT_ISSUING &&
      (constraints->pathlen == NULL || ASN1_INTEGER_get(constraints->pathlen) != 0))
    lint_add(lint, "the pathLenConstraint is not 0");
}

/* keyCertSign and cRLSign alone: there is no OCSP. */
void lint_ca_key_usage(Lint *lint) {
  enum { KEY_CERT_SIGN = 1 << 5, CRL_SIGN = 1 << 6 };
  const ASN1_BIT_STRING *usage =
      lint_extension(lint, NID_key_usage, ASN1_ITEM_rptr(ASN1_BIT_STRING), FALSE);
  lint_criticality(lint, NID_key_usage, TRUE);
  if (usage != NULL && lint_key_usage_bits(usage) != (KEY_CERT_SIGN | CRL_SIGN))
    lint_add(lint, "it is not keyCertSign and cRLSign alone");
}

/* A root has none, a cross certificate may have it. */
void lint_ca_extended_key_usage(Lint *lint) {
  gboolean there = X509_get_ext_by_NID(lint->certificate, NID_ext_key_usage, -1) >= 0;
  if (lint->subject == LINT_ROOT && there)
    lint_add(lint, "a root has none");
  else if (lint->subject == LINT_ISSUING || (lint->subject == LINT_CROSS && there))
    lint_email_protection_alone(lint);
}
