/* SPDX-License-Identifier: Apache-2.0 */
/* The rules about certificatePolicies (ca-rules 18a, 21). */
#include "ca/extension.h"
#include "ca/lint_rules.h"
#include "ca/openssl_auto.h"

#include <string.h>

static char *policy_oid(const POLICYINFO *policy) {
  char text[80];
  OBJ_obj2txt(text, sizeof text, policy->policyid, 1);
  return g_strdup(text);
}

static gboolean is_issued_under(const char *oid) {
  return strcmp(oid, POLICY_STRICT) == 0 || strcmp(oid, POLICY_MULTIPURPOSE) == 0;
}

/* Exactly one, strict or multipurpose. */
void lint_policies(Lint *lint) {
  const CERTIFICATEPOLICIES *policies =
      lint_extension(lint, NID_certificate_policies, ASN1_ITEM_rptr(CERTIFICATEPOLICIES), FALSE);
  lint_criticality(lint, NID_certificate_policies, FALSE);
  if (policies == NULL)
    return;
  if (sk_POLICYINFO_num(policies) != 1) {
    lint_add(lint, "%d policies", sk_POLICYINFO_num(policies));
    return;
  }
  g_autofree char *oid = policy_oid(sk_POLICYINFO_value(policies, 0));
  if (!is_issued_under(oid))
    lint_add(lint, "the policy %s", oid);
}

/* None: then nothing that a qualifier may not say is said. */
void lint_policy_qualifiers(Lint *lint) {
  const CERTIFICATEPOLICIES *policies =
      lint_extension(lint, NID_certificate_policies, ASN1_ITEM_rptr(CERTIFICATEPOLICIES), TRUE);
  for (int i = 0; i < sk_POLICYINFO_num(policies); i++)
    if (sk_POLICYINFO_value(policies, i)->qualifiers != NULL)
      lint_add(lint, "it has qualifiers");
}

/* The issuing CA's certificate names the policy, anyPolicy, or none at all. */
void lint_policy_issuer(Lint *lint) {
  const CERTIFICATEPOLICIES *policies =
      lint_extension(lint, NID_certificate_policies, ASN1_ITEM_rptr(CERTIFICATEPOLICIES), TRUE);
  g_autoptr(CERTIFICATEPOLICIES) issuer =
      X509_get_ext_d2i(lint->issuer->certificate, NID_certificate_policies, NULL, NULL);
  if (policies == NULL || sk_POLICYINFO_num(policies) == 0 || issuer == NULL)
    return;
  const ASN1_OBJECT *policy = sk_POLICYINFO_value(policies, 0)->policyid;
  for (int i = 0; i < sk_POLICYINFO_num(issuer); i++) {
    const ASN1_OBJECT *allowed = sk_POLICYINFO_value(issuer, i)->policyid;
    if (OBJ_cmp(allowed, policy) == 0 || OBJ_obj2nid(allowed) == NID_any_policy)
      return;
  }
  lint_add(lint, "the policy is not one of the CA certificate's");
}

/* The policies that Signet issues under, each once, without qualifiers; never anyPolicy. */
void lint_ca_policies(Lint *lint) {
  const CERTIFICATEPOLICIES *policies =
      lint_extension(lint, NID_certificate_policies, ASN1_ITEM_rptr(CERTIFICATEPOLICIES), FALSE);
  g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  lint_criticality(lint, NID_certificate_policies, FALSE);
  if (policies == NULL)
    return;
  if (sk_POLICYINFO_num(policies) == 0)
    lint_add(lint, "no policy");
  for (int i = 0; i < sk_POLICYINFO_num(policies); i++) {
    char *oid = policy_oid(sk_POLICYINFO_value(policies, i));
    if (!is_issued_under(oid))
      lint_add(lint, "the policy %s", oid);
    if (!g_hash_table_add(seen, oid))
      lint_add(lint, "a policy stands there twice");
  }
  lint_policy_qualifiers(lint);
}

void lint_root_policies(Lint *lint) {
  if (X509_get_ext_by_NID(lint->certificate, NID_certificate_policies, -1) >= 0)
    lint_add(lint, "a root has none");
}
