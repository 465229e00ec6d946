/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/evidence_subject.h"

#include "acme/evidence_row.h"
#include "acme/jwk.h"
#include "base/clock.h"
#include "ca/audit_key.h"
#include "ca/certificate_read.h"

#include <string.h>

void evidence_say(EvidenceCheck *check, const char *name, gboolean good, const char *words) {
  check->failed += good ? 0 : 1;
  check->result(name, good, words, check->user);
}

void evidence_conclude(EvidenceCheck *check, const char *name, char *fault, char *found) {
  evidence_say(check, name, fault == NULL, fault != NULL ? fault : found != NULL ? found : "");
  g_free(fault);
  g_free(found);
}

/* --- the file
 * ---------------------------------------------------------------------------------------------- */

static void check_file(EvidenceCheck *check) {
  const Evidence *evidence = check->evidence;
  g_autofree char *words = g_strdup_printf("%u lines, their digest fits", evidence->lines->len);
  for (guint i = 0; i < evidence->faults->len; i++)
    evidence_say(check, "file", FALSE, evidence->faults->pdata[i]);
  if (evidence->faults->len == 0)
    evidence_say(check, "file", TRUE, words);
}

/* --- account
 * -----------------------------------------------------------------------------------------------
 */

static char *account_fault(const EvidenceCheck *check, char **found) {
  g_autofree char *why = NULL;
  const char *text = evidence_text(check->facts, "account-key");
  g_autoptr(Jwk) key = jwk_parse_text(text, &why);
  const char *thumbprint =
      json_string_value(json_array_get(json_object_get(check->facts, "thumbprints"), 0));
  const char *terms = evidence_text(check->facts, "terms");
  if (key == NULL)
    return g_strdup_printf("its key cannot be read: %s", why);
  if (g_strcmp0(key->thumbprint_text, thumbprint) != 0)
    return g_strdup("its key has another thumbprint");
  if (strcmp(evidence_text(evidence_row(check->evidence, "order"), "account_id"),
             evidence_text(evidence_row(check->evidence, "account"), "id")) != 0)
    return g_strdup("the order is of another account");
  g_autofree char *at = clock_rfc3339(evidence_number(check->facts, "terms-agreed-at"));
  g_autofree char *agreed = *terms != '\0' ? g_strdup_printf("agreed to %s at %s", terms, at)
                                           : g_strdup("no terms were asked for");
  *found = g_strdup_printf("%s, key with the thumbprint %s, %s",
                           evidence_text(check->facts, "account"), thumbprint, agreed);
  return NULL;
}

/* --- mailboxes
 * --------------------------------------------------------------------------------------------- */

static void check_mailbox(EvidenceCheck *check, const EvidenceMailbox *mailbox) {
  static const struct {
    const char *what;
    char *(*fault)(const EvidenceMailbox *mailbox, char **found);
  } parts[] = {{"challenge mail", evidence_mail_fault},
               {"reply", evidence_reply_fault},
               {"verdict", evidence_verdict_fault},
               {"times", evidence_times_fault}};
  for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
    g_autofree char *name = g_strdup_printf("%s of %s", parts[i].what,
                                            evidence_text(mailbox->authorization, "address"));
    char *found = NULL, *fault = parts[i].fault(mailbox, &found);
    evidence_conclude(check, name, fault, found);
  }
}

static void find_mailboxes(EvidenceCheck *check) {
  const Evidence *evidence = check->evidence;
  const json_t *authorization = NULL;
  guint at = 0;
  while ((authorization = evidence_next(evidence, "authorization", NULL, NULL, &at)) != NULL) {
    EvidenceMailbox *mailbox = g_new0(EvidenceMailbox, 1);
    guint challenges = 0, mails = 0, replies = 0;
    mailbox->authorization = authorization;
    mailbox->facts = check->facts;
    mailbox->challenge = evidence_next(evidence, "challenge", "authz_id",
                                       evidence_text(authorization, "id"), &challenges);
    const char *id = evidence_text(mailbox->challenge, "id");
    const json_t *message = NULL;
    while ((message = evidence_next(evidence, "message", "challenge_id", id, &mails)) != NULL)
      if (strcmp(evidence_text(message, "direction"), "out") == 0 && mailbox->mail == NULL)
        mailbox->mail = message;
    while ((message = evidence_next(evidence, "message", "challenge_id", id, &replies)) != NULL)
      if (strcmp(evidence_text(message, "direction"), "in") == 0 && mailbox->reply == NULL)
        mailbox->reply = message;
    g_ptr_array_add(check->mailboxes, mailbox);
  }
}

static void check_mailboxes(EvidenceCheck *check) {
  if (check->mailboxes->len == 0)
    evidence_say(check, "mailboxes", FALSE, "there are none");
  for (guint i = 0; i < check->mailboxes->len; i++)
    check_mailbox(check, check->mailboxes->pdata[i]);
}

/* --- CAA
 * ---------------------------------------------------------------------------------------------------
 */

static void check_caa(EvidenceCheck *check) {
  g_autoptr(GPtrArray) done = g_ptr_array_new();
  if (strcmp(evidence_text(check->facts, "caa"), "off") == 0) {
    evidence_say(check, "CAA", TRUE, "the CA did not ask: CAA was switched off in its settings");
    return;
  }
  for (guint i = 0; i < check->mailboxes->len; i++) {
    const EvidenceMailbox *mailbox = check->mailboxes->pdata[i];
    const char *domain = evidence_text(mailbox->authorization, "domain");
    if (g_ptr_array_find_with_equal_func(done, domain, g_str_equal, NULL))
      continue;
    char *found = NULL, *fault = evidence_caa_fault(check, domain, &found);
    g_autofree char *name = g_strdup_printf("CAA of %s", domain);
    g_ptr_array_add(done, (char *)domain);
    evidence_conclude(check, name, fault, found);
  }
}

/* --- all
 * ---------------------------------------------------------------------------------------------------
 */

typedef char *(*Fault)(const EvidenceCheck *check, char **found);

static void check_one(EvidenceCheck *check, const char *name, Fault fault) {
  char *found = NULL, *wrong = fault(check, &found);
  evidence_conclude(check, name, wrong, found);
}

/* Only what is written as this program writes it: nothing in the file can change unseen. */
static GPtrArray *read_issuers(const EvidenceCheck *check) {
  GPtrArray *issuers = g_ptr_array_new_with_free_func((GDestroyNotify)issuer_free);
  for (guint i = 0; i < check->evidence->issuers->len; i++) {
    const char *text = check->evidence->issuers->pdata[i];
    g_autoptr(GBytes) pem = g_bytes_new_static(text, strlen(text));
    g_autoptr(Issuer) issuer = issuer_new(pem, NULL, NULL, NULL);
    g_autofree char *again = issuer != NULL ? issuer_pem(issuer) : NULL;
    if (g_strcmp0(again, text) == 0)
      g_ptr_array_add(issuers, g_steal_pointer(&issuer));
  }
  return issuers;
}

static GPtrArray *read_keys(const EvidenceCheck *check) {
  GPtrArray *keys = g_ptr_array_new_with_free_func((GDestroyNotify)EVP_PKEY_free);
  for (guint i = 0; i < check->evidence->keys->len; i++) {
    const char *text = check->evidence->keys->pdata[i];
    g_autoptr(GBytes) pem = g_bytes_new_static(text, strlen(text));
    EVP_PKEY *key = audit_key_read_public(pem, NULL);
    g_autofree char *again = key != NULL ? audit_key_text(key) : NULL;
    if (key != NULL && strcmp(again, text) == 0)
      g_ptr_array_add(keys, key);
    else
      EVP_PKEY_free(key);
  }
  return keys;
}

static GPtrArray *given(GPtrArray *list, GPtrArray *read) {
  if (list == NULL)
    return read;
  g_ptr_array_unref(read);
  return g_ptr_array_ref(list);
}

guint evidence_check(const Evidence *evidence, const EvidenceTrust *trust, EvidenceResult result,
                     gpointer user) {
  EvidenceCheck check = {.evidence = evidence, .trust = trust, .result = result, .user = user};
  check.issuers = given(trust->issuers, read_issuers(&check));
  check.keys = given(trust->keys, read_keys(&check));
  check.mailboxes = g_ptr_array_new_with_free_func(g_free);
  check.facts = json_loads(evidence_text(evidence_row(evidence, "certificate"), "facts"), 0, NULL);
  check.records = g_hash_table_new(g_str_hash, g_str_equal);
  check.shown = g_ptr_array_new();
  find_mailboxes(&check);
  check_file(&check);
  evidence_check_log(&check);
  check_one(&check, "evidence", evidence_digest_fault);
  check_one(&check, "steps", evidence_steps_fault);
  check_one(&check, "account", account_fault);
  check_mailboxes(&check);
  check_one(&check, "request", evidence_request_fault);
  check_caa(&check);
  check_one(&check, "lint", evidence_lint_fault);
  evidence_check_certificate(&check);
  check_one(&check, "issuer", evidence_issuer_fault);
  check_one(&check, "order", evidence_order_fault);
  g_ptr_array_unref(check.issuers);
  g_ptr_array_unref(check.keys);
  g_ptr_array_unref(check.mailboxes);
  g_ptr_array_unref(check.shown);
  g_hash_table_unref(check.records);
  json_decref(check.facts);
  return check.failed;
}
