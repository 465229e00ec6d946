/* SPDX-License-Identifier: Apache-2.0 */
#include "client/proof.h"

#include "base/log.h"
#include "base/mailbox.h"
#include "client/failure.h"

static gboolean same_mailbox(const char *a, const char *b) {
  g_autoptr(Mailbox) first = mailbox_parse(a, NULL);
  g_autoptr(Mailbox) second = mailbox_parse(b, NULL);
  return first != NULL && second != NULL && mailbox_equal(first, second, FALSE);
}

static gboolean check(const ServerAuthorization *authorization, const char *address,
                      GError **error) {
  if (authorization->status == SERVER_INVALID)
    g_set_error(
        error, CLIENT_ERROR, CLIENT_REFUSED, "%s: the authorization is invalid\n  %s", address,
        authorization->problem != NULL ? authorization->problem : "the server gave no reason");
  else if (authorization->status != SERVER_VALID && authorization->challenge == NULL)
    g_set_error(error, CLIENT_ERROR, CLIENT_REFUSED,
                "%s: the server offers no email-reply-00 challenge", address);
  else
    return TRUE;
  return FALSE;
}

static const char *find_ordered(const char *identifier, const char *const *addresses) {
  while (*addresses != NULL && !same_mailbox(*addresses, identifier))
    addresses++;
  return *addresses;
}

Proof *proof_new(const char *url, const ServerAuthorization *authorization,
                 const char *const *addresses, GError **error) {
  const char *address = find_ordered(authorization->identifier, addresses);
  if (address == NULL) {
    g_autofree char *shown = log_escape(authorization->identifier, 300);
    g_set_error(error, CLIENT_ERROR, CLIENT_NETWORK,
                "the server asks for a proof that was not ordered: %s", shown);
    return NULL;
  }
  if (!check(authorization, address, error))
    return NULL;
  Proof *proof = g_new0(Proof, 1);
  proof->address = g_strdup(address);
  proof->authorization = g_strdup(url);
  proof->challenge = g_strdup(authorization->challenge);
  proof->from = g_strdup(authorization->from);
  proof->token = g_strdup(authorization->token);
  proof->valid = authorization->status == SERVER_VALID;
  return proof;
}

void proof_free(Proof *proof) {
  if (proof == NULL)
    return;
  g_free(proof->address);
  g_free(proof->authorization);
  g_free(proof->challenge);
  g_free(proof->from);
  g_free(proof->token);
  g_free(proof->note);
  g_free(proof);
}

static void free_proof(gpointer proof) {
  proof_free(proof);
}

GPtrArray *proof_list_new(void) {
  return g_ptr_array_new_with_free_func(free_proof);
}

Proof *proof_match(const GPtrArray *proofs, const ReceivedChallenge *mail, const char **why) {
  *why = "it is for an address that is not to be proven";
  for (guint i = 0; i < proofs->len; i++) {
    Proof *proof = g_ptr_array_index(proofs, i);
    if (mail->to == NULL || !same_mailbox(mail->to, proof->address))
      continue;
    *why = "it is not from the address that the challenge names";
    if (mail->from == NULL || proof->from == NULL || !same_mailbox(mail->from, proof->from))
      continue;
    *why = "it was answered before";
    if (!proof->replied && !proof->valid)
      return proof;
  }
  return NULL;
}

Proof *proof_awaited(const GPtrArray *proofs) {
  for (guint i = 0; i < proofs->len; i++) {
    Proof *proof = g_ptr_array_index(proofs, i);
    if (!proof->replied && !proof->valid)
      return proof;
  }
  return NULL;
}

gboolean proof_all_valid(const GPtrArray *proofs) {
  for (guint i = 0; i < proofs->len; i++)
    if (!((const Proof *)g_ptr_array_index(proofs, i))->valid)
      return FALSE;
  return TRUE;
}
