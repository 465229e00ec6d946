/* SPDX-License-Identifier: Apache-2.0 */
/* Evidence from the request to the certificate, checked again. */
#include "acme/evidence_row.h"
#include "acme/evidence_subject.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/mailbox.h"
#include "ca/caa.h"
#include "ca/certificate_check.h"
#include "ca/certificate_read.h"
#include "ca/csr.h"
#include "ca/key.h"
#include "ca/lint.h"

#include <string.h>

#define CAA_MAX_AGE (8 * CLOCK_HOUR) /* S/MIME BR 4.2.2.1 */
#define CAA_MAX_RECORD 65535

/* --- request
 * -----------------------------------------------------------------------------------------------
 */

static CsrNames csr_names(const EvidenceCheck *check) {
  guint at = 0;
  return evidence_next(check->evidence, "authorization", "type", "dns", &at) != NULL
             ? CSR_NAMES_MAIL_AND_DNS
             : CSR_NAMES_MAIL;
}

static GPtrArray *addresses(const EvidenceCheck *check) {
  GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)mailbox_free);
  for (guint i = 0; i < check->mailboxes->len; i++) {
    const EvidenceMailbox *mailbox = check->mailboxes->pdata[i];
    Mailbox *parsed = mailbox_parse(evidence_text(mailbox->authorization, "address"), NULL);
    if (parsed != NULL)
      g_ptr_array_add(list, parsed);
  }
  return list;
}

char *evidence_request_fault(const EvidenceCheck *check, char **found) {
  g_autoptr(GError) error = NULL;
  const json_t *order = evidence_row(check->evidence, "order");
  g_autoptr(GBytes) der = evidence_octets(order, "csr"), spki = evidence_octets(order, "spki");
  g_autoptr(GBytes) expected =
      evidence_octets(evidence_row(check->evidence, "certificate"), "key_digest");
  g_autoptr(Csr) csr = csr_parse(der, csr_names(check), &error);
  g_autoptr(GPtrArray) wanted = addresses(check);
  if (csr == NULL || !csr_matches(csr, wanted, &error))
    return g_strdup(error->message);
  g_autoptr(GBytes) digest = key_digest(csr->spki);
  if (!g_bytes_equal(csr->spki, spki) || !g_bytes_equal(digest, expected))
    return g_strdup("its key is another than the certificate's");
  *found = g_strdup_printf("its signature verifies; its %u mailboxes are the order's",
                           csr->mailboxes->len);
  return NULL;
}

/* --- CAA
 * ---------------------------------------------------------------------------------------------------
 */

/* Of the row that was the last to permit. */
static const json_t *permitting(const EvidenceCheck *check, const char *domain) {
  const json_t *last = NULL, *next = NULL;
  guint at = 0;
  while ((next = evidence_next(check->evidence, "caa", "domain", domain, &at)) != NULL)
    if (strcmp(evidence_text(next, "verdict"), "permitted") == 0)
      last = next;
  return last;
}

static CaaRecordSet *record_set(const json_t *caa) {
  g_autoptr(CaaRecordSet) set = g_new0(CaaRecordSet, 1);
  g_auto(GStrv) words = g_strsplit(evidence_text(caa, "rdata"), " ", -1);
  const char *found_at = evidence_text(caa, "found_at");
  set->found_at = *found_at != '\0' ? g_strdup(found_at) : NULL;
  set->outcome = *found_at != '\0' ? RESOLVER_FOUND : RESOLVER_NONE;
  set->secure = evidence_number(caa, "secure") != 0;
  set->records = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
  for (char **word = words; *word != NULL; word++) {
    if (**word == '\0')
      continue;
    GBytes *record = hex_decode(*word, CAA_MAX_RECORD);
    if (record == NULL)
      return NULL;
    g_ptr_array_add(set->records, record);
  }
  return g_steal_pointer(&set);
}

static char *records_text(const CaaRecordSet *set) {
  g_autoptr(GString) text = g_string_new(NULL);
  for (guint i = 0; i < set->records->len; i++) {
    g_autofree char *record = caa_record_text(set->records->pdata[i]);
    g_string_append_printf(text, "%s%s", i > 0 ? "; " : "", record);
  }
  return g_strdup(text->str);
}

static CaaVerdict judge_caa(const EvidenceCheck *check, const CaaRecordSet *set,
                            char **explanation) {
  const json_t *names = json_object_get(check->facts, "caa-identities");
  g_autoptr(GPtrArray) identities = g_ptr_array_new();
  for (gsize i = 0; i < json_array_size(names); i++)
    if (json_is_string(json_array_get(names, i)))
      g_ptr_array_add(identities, (char *)json_string_value(json_array_get(names, i)));
  g_ptr_array_add(identities, NULL);
  CaaRequest request = {(const char *const *)identities->pdata,
                        evidence_text(check->facts, "account"), "email-reply-00"};
  return caa_judge(set, &request, explanation);
}

char *evidence_caa_fault(const EvidenceCheck *check, const char *domain, char **found) {
  g_autofree char *explanation = NULL;
  const json_t *caa = permitting(check, domain);
  const json_t *order = evidence_row(check->evidence, "order"),
               *certificate = evidence_row(check->evidence, "certificate");
  gint64 at = evidence_number(caa, "at");
  if (caa == NULL)
    return g_strdup("it was not looked up, or did not permit");
  if (at < evidence_number(order, "finalized_at") ||
      evidence_number(certificate, "issued_at") - at > CAA_MAX_AGE)
    return g_strdup("it was not looked up between the request and the signature, 8 hours before it "
                    "at most");
  g_autoptr(CaaRecordSet) set = record_set(caa);
  g_autofree char *text = set != NULL ? records_text(set) : NULL;
  if (g_strcmp0(text, evidence_text(caa, "records")) != 0)
    return g_strdup("its records are others as text and as octets");
  if (judge_caa(check, set, &explanation) != CAA_PERMITTED)
    return g_steal_pointer(&explanation);
  g_autofree char *time = clock_rfc3339(at);
  *found =
      g_strdup_printf("asked %s, %s; %s", time,
                      set->secure ? "validated by DNSSEC" : "not signed by DNSSEC", explanation);
  return NULL;
}

/* --- certificate
 * ------------------------------------------------------------------------------------------- */

char *evidence_issuer_fault(const EvidenceCheck *check, char **found) {
  g_autoptr(GBytes) der = evidence_octets(evidence_row(check->evidence, "certificate"), "der");
  const Issuer *issuer = certificate_issuer_of(der, check->issuers);
  if (issuer == NULL)
    return g_strdup(
        check->issuers->len > 0
            ? "the certificate's signature does not verify under any issuer that is known"
            : "no issuer's certificate is known (--issuer)");
  g_autoptr(GBytes) octets = issuer_der(issuer);
  g_autofree char *digest = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, octets);
  if (strcmp(digest, evidence_text(check->facts, "issuer-sha256")) != 0)
    return g_strdup("the issuer's certificate is another than the one that was in use");
  *found = g_strdup_printf(
      "the certificate is signed by it; it is %s",
      check->trust->issuers != NULL ? "the one given" : "the one in the file, which is not proven");
  return NULL;
}

void evidence_check_certificate(EvidenceCheck *check) {
  const json_t *certificate = evidence_row(check->evidence, "certificate");
  g_autoptr(GBytes) der = evidence_octets(certificate, "der"),
                    tbs = evidence_octets(certificate, "tbs"),
                    serial = evidence_octets(certificate, "serial"),
                    key = evidence_octets(certificate, "key_digest");
  g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
  for (guint i = 0; i < check->mailboxes->len; i++)
    g_strv_builder_add(
        builder,
        evidence_text(((EvidenceMailbox *)check->mailboxes->pdata[i])->authorization, "address"));
  g_auto(GStrv) names = g_strv_builder_end(builder);
  const CertificateClaim claim = {.der = der,
                                  .tbs = tbs,
                                  .serial = serial,
                                  .key_digest = key,
                                  .not_before = evidence_number(certificate, "not_before"),
                                  .not_after = evidence_number(certificate, "not_after"),
                                  .names = (const char *const *)names};
  g_autoptr(GPtrArray) faults = certificate_check_unlinted(&claim, check->issuers);
  g_autofree char *name = hex_encode(serial);
  g_autofree char *words = g_strdup_printf(
      "number %s; made of the octets that were recorded; its mailboxes are those validated", name);
  for (guint i = 0; i < faults->len; i++)
    evidence_say(check, "certificate", FALSE, faults->pdata[i]);
  if (g_strcmp0(name, check->evidence->serial) != 0)
    evidence_say(check, "certificate", FALSE, "it has another number than the file says");
  else if (faults->len == 0)
    evidence_say(check, "certificate", TRUE, words);
}

char *evidence_lint_fault(const EvidenceCheck *check, char **found) {
  const json_t *certificate = evidence_row(check->evidence, "certificate");
  g_autoptr(GBytes) der = evidence_octets(certificate, "der"),
                    tbs = evidence_octets(certificate, "tbs");
  const Issuer *issuer = certificate_issuer_of(der, check->issuers);
  if (json_object_get(certificate, "findings") == NULL ||
      *evidence_text(certificate, "findings") != '\0')
    return g_strdup_printf("it had found, before the signature: %s",
                           evidence_text(certificate, "findings"));
  if (*evidence_text(certificate, "linter_findings") != '\0')
    return g_strdup_printf("the outside linter had found, before the signature: %s",
                           evidence_text(certificate, "linter_findings"));
  if (issuer == NULL)
    return g_strdup("it needs the issuer");
  g_autoptr(GPtrArray) findings = lint_tbs(tbs, issuer);
  g_autofree char *summary = lint_summary(findings);
  *found = findings->len == 0
               ? g_strdup("it had found nothing before the signature, and finds nothing today")
               : g_strdup_printf("it had found nothing before the signature; the rules of this "
                                 "program find: %s",
                                 summary);
  return NULL;
}

char *evidence_order_fault(const EvidenceCheck *check, char **found) {
  const json_t *order = evidence_row(check->evidence, "order"),
               *certificate = evidence_row(check->evidence, "certificate");
  gint64 finalized = evidence_number(order, "finalized_at"),
         signing = evidence_number(certificate, "signing_at"),
         issued = evidence_number(certificate, "issued_at");
  if (strcmp(evidence_text(order, "id"), evidence_text(certificate, "order_id")) != 0)
    return g_strdup("the certificate is of another order");
  for (guint i = 0; i < check->mailboxes->len; i++) {
    const EvidenceMailbox *mailbox = check->mailboxes->pdata[i];
    if (evidence_number(mailbox->challenge, "validated_at") > finalized)
      return g_strdup_printf("%s was validated after the request",
                             evidence_text(mailbox->authorization, "address"));
  }
  if (finalized > signing || signing > issued || finalized == 0)
    return g_strdup("request, octets and certificate were not made one after the other");
  g_autofree char *request = clock_rfc3339(finalized), *octets = clock_rfc3339(signing),
                  *end = clock_rfc3339(issued);
  *found = g_strdup_printf("request %s, octets recorded %s, certificate %s", request, octets, end);
  return NULL;
}
