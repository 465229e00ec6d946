/* SPDX-License-Identifier: Apache-2.0 */
/* The issuance path, step by step (ca-rules 34): CAA, to-be-signed octets with lint verdict,
   signature, certificate. CAA's permission and the octets are committed before a signature is asked
   for. A restart finds the order where it was. */
#include "acme/issue_job.h"
#include "acme/account_right.h"
#include "acme/crl_job.h"
#include "acme/evidence.h"
#include "acme/issuance.h"
#include "acme/issue_caa.h"
#include "acme/issuing_ca.h"
#include "acme/notice_job.h"
#include "acme/profile.h"
#include "acme/record.h"
#include "acme/revocation.h"
#include "acme/state.h"
#include "acme/validity.h"
#include "base/base64url.h"
#include "base/log.h"
#include "base/sha256.h"
#include "ca/certificate_read.h"
#include "store/certificate.h"
#include "store/challenge.h"
#include "store/crl_shard.h"
#include "store/external_account_key.h"
#include "store/lock.h"
#include "store/node.h"

#include <string.h>

#define HELD_RETRY (5 * CLOCK_SECOND)
#define LINTER_ATTEMPTS 5
#define NODE_SILENCE CLOCK_MINUTE /* after which a node is taken for dead */

static const gint64 signer_retry_steps[] = {CLOCK_SECOND, 10 * CLOCK_SECOND, CLOCK_MINUTE,
                                            5 * CLOCK_MINUTE};

gboolean issue_next_step(Acme *acme, Question *question, GError **error) {
  question->goes_on = question->may_go_on && question->job.attempts == 1;
  return question->goes_on || job_anew(acme, &question->job, error);
}

/* What the signer may have signed though its answer never came. */
static StoreFind find_at_signer(Acme *acme, const Id *order, Certificate **certificate,
                                GError **error) {
  StoreFind found = certificate_find_by_order(acme->store, order, certificate, error);
  gboolean asked =
      found == STORE_FOUND && (*certificate)->der == NULL && *(*certificate)->findings == '\0';
  return found == STORE_FOUND && !asked ? STORE_MISSING : found;
}

gboolean issue_fail_order(Acme *acme, gint64 now, const Job *job, const Problem *problem,
                          GError **error) {
  g_autoptr(Certificate) certificate = NULL;
  StoreFind found = find_at_signer(acme, &job->subject, &certificate, error);
  return found != STORE_LOOKUP_FAILED &&
         state_order_failed(acme, now, &job->subject, problem, error) &&
         (found == STORE_FOUND ? job_anew(acme, job, error) : job_done(acme->store, job, error));
}

static char **names_of(GPtrArray *authorizations) {
  char **names = g_new0(char *, authorizations->len + 1);
  for (guint i = 0; i < authorizations->len; i++)
    names[i] = g_strdup(((Authorization *)authorizations->pdata[i])->address);
  return names;
}

/* Why a certificate as ordered cannot be made now; NULL: it can. */
static Problem *choose_validity(const Acme *acme, gint64 now, const Order *order,
                                gint64 *not_before, gint64 *not_after) {
  Profile profile;
  if (!profile_find(acme, order->profile, &profile))
    return problem_new(PROBLEM_INVALID_PROFILE, 0,
                       "The profile \"%s\" of this order is not served any more; order anew.",
                       order->profile);
  Validity validity = validity_of(acme, order, profile.days, now, not_before, not_after);
  if (validity == VALIDITY_ISSUER_ENDS)
    return problem_new(PROBLEM_SERVER_INTERNAL, 0,
                       "While the order waited the end of this server's issuing CA came too near "
                       "for it; its operator has to put another one in place.");
  return validity == VALIDITY_GOOD
             ? NULL
             : problem_new(PROBLEM_MALFORMED, 0,
                           "The order waited too long for the notBefore or notAfter that it asks "
                           "for; order anew.");
}

static gboolean fill_build(Acme *acme, gint64 now, const Order *order, GPtrArray *authorizations,
                           gint64 not_before, gint64 not_after, Question *question,
                           GError **error) {
  guint8 random[CERTIFICATE_SERIAL_OCTETS + 2];
  gboolean opened = FALSE;
  question->names = names_of(authorizations);
  question->authority = issuing_ca_current(acme);
  g_autofree char *file = issuing_ca_file(acme, question->authority, error);
  if (file == NULL ||
      !crl_shard_take(acme->store, question->authority, &question->shard, &opened, error))
    return FALSE;
  if (opened && !crl_opened(acme, now, question->shard, error))
    return FALSE;
  acme->random(random, sizeof(random));
  question->kind = QUESTION_BUILD;
  question->crl_url = crl_url(acme, question->shard);
  question->issuer_url = g_strconcat(config_text(acme->config, "publish.url"), file, NULL);
  question->fields = (CertificateFields){
      .serial = certificate_serial(random),
      .spki = g_bytes_ref(order->spki),
      .names = (const char *const *)question->names,
      .not_before = not_before,
      .not_after = not_after,
      .sign = (order->usage & ORDER_USAGE_SIGN) != 0,
      .encrypt = (order->usage & ORDER_USAGE_ENCRYPT) != 0,
      .non_repudiation = (order->usage & ORDER_USAGE_NON_REPUDIATION) != 0,
      .profile =
          config_is(acme->config, "ca.profile", "strict") ? PROFILE_STRICT : PROFILE_MULTIPURPOSE,
      .crl_url = question->crl_url,
      .issuer_url = question->issuer_url,
  };
  return TRUE;
}

static gboolean ask_build(Acme *acme, gint64 now, const Job *job, const Order *order,
                          GPtrArray *authorizations, Question *question, GError **error) {
  gint64 not_before = 0, not_after = 0;
  g_autoptr(Problem) problem = choose_validity(acme, now, order, &not_before, &not_after);
  return problem != NULL
             ? issue_fail_order(acme, now, job, problem, error)
             : fill_build(acme, now, order, authorizations, not_before, not_after, question, error);
}

/* A reply may be judged before the relay's answer, with which the mail that it answers is kept.
   That one belongs to what the certificate stands on (ca-rules 6). */
static gboolean build_when_kept(Acme *acme, gint64 now, const Job *job, const Order *order,
                                GPtrArray *authorizations, Question *question, GError **error) {
  StoreFind leaving = challenge_mail_is_leaving(acme->store, &order->id, now, error);
  if (leaving == STORE_MISSING)
    return ask_build(acme, now, job, order, authorizations, question, error);
  return leaving == STORE_FOUND &&
         job_waits_for(acme, job, error, "the relay's answer about a mail of the order") &&
         job_again(acme->store, job, now + CLOCK_SECOND, FALSE, error);
}

/* Whether nothing but one answer on CAA stands between the order and what is to be signed. */
static gboolean lacks_caa_alone(Acme *acme, gint64 now, const Order *order,
                                GPtrArray *authorizations, gboolean *alone, GError **error) {
  const Authorization *first = authorizations->pdata[0];
  *alone = TRUE;
  for (guint i = 1; i < authorizations->len; i++)
    *alone =
        *alone && strcmp(((Authorization *)authorizations->pdata[i])->domain, first->domain) == 0;
  StoreFind leaving = challenge_mail_is_leaving(acme->store, &order->id, now, error);
  *alone = *alone && leaving == STORE_MISSING;
  return leaving != STORE_LOOKUP_FAILED;
}

/* It is built while CAA is asked about. What is built is kept, and may be signed, only when CAA
   permits (ca-rules 9). */
static gboolean build_beside(Acme *acme, gint64 now, const Job *job, const Order *order,
                             GPtrArray *authorizations, Question *question, GError **error) {
  gint64 not_before = 0, not_after = 0;
  gboolean alone = FALSE;
  if (!question->may_go_on || job->attempts > 1)
    return TRUE;
  if (!lacks_caa_alone(acme, now, order, authorizations, &alone, error))
    return FALSE;
  g_autoptr(Problem) problem = choose_validity(acme, now, order, &not_before, &not_after);
  if (!alone || problem != NULL)
    return TRUE;
  question->beside = g_new0(Question, 1);
  question->beside->job = *job;
  question->beside->may_go_on = TRUE;
  return fill_build(acme, now, order, authorizations, not_before, not_after, question->beside,
                    error);
}

static gboolean must_lint(const Acme *acme, const Certificate *certificate) {
  return *config_text(acme->config, "ca.linter") != '\0' && certificate->linter_findings == NULL;
}

/* The question is about these octets, of that CA. */
static gboolean name_octets(Acme *acme, const Certificate *certificate, Question *question,
                            GError **error) {
  question->octets = g_bytes_ref(certificate->tbs);
  return crl_shard_issuer(acme->store, certificate->shard, &question->authority, error) ==
         STORE_FOUND;
}

/* --- whose signer
 * -----------------------------------------------------------------------------------------

   Each node has a signer, and each signer a log of its own: only the one that was asked knows
   whether it has signed. */

static gboolean is_elsewhere(const Acme *acme, const Certificate *certificate) {
  return acme->node != NULL && certificate->asked != NULL &&
         strcmp(certificate->asked, acme->node) != 0;
}

static gboolean is_alive(Acme *acme, gint64 now, const char *node, gboolean *alive,
                         GError **error) {
  gint64 seen = 0;
  if (!node_last_seen(acme->store, node, &seen, error))
    return FALSE;
  *alive = now - seen < NODE_SILENCE;
  return TRUE;
}

static gboolean leave_to(Acme *acme, gint64 now, const Job *job, const char *node, gint64 wait,
                         GError **error) {
  return job_waits_for(acme, job, error, "the signer of the node %s", node) &&
         job_again(acme->store, job, now + wait, FALSE, error);
}

/* A node that is not heard of any more may have signed: what it signed, if so, never left it, and
   the same octets are signed here once more. Both are one certificate to whoever trusts the CA,
   under one serial number, by whose revocation both end; one alone is ever kept or given out. */
static gboolean take_over(Acme *acme, gint64 now, const Certificate *certificate, GError **error) {
  char *const from = certificate->asked;
  if (certificate_set_asked(acme->store, &certificate->id, acme->node, error) == STORE_FAILED)
    return FALSE;
  return from == NULL || strcmp(from, acme->node) == 0 ||
         record(acme, now, "signing at another node",
                (About){.order = &certificate->order_id, .certificate = &certificate->id}, error,
                "from", from, "node", acme->node, NULL);
}

/* Who is asked to sign is in the store before the question leaves. */
static gboolean choose_signer(Acme *acme, gint64 now, const Job *job,
                              const Certificate *certificate, Question *question, GError **error) {
  gboolean alive = FALSE;
  if (acme->node == NULL)
    return TRUE;
  if (is_elsewhere(acme, certificate) && !is_alive(acme, now, certificate->asked, &alive, error))
    return FALSE;
  if (!alive)
    return take_over(acme, now, certificate, error);
  question->kind = QUESTION_NONE;
  return leave_to(acme, now, job, certificate->asked, CLOCK_SECOND, error);
}

/* Decides the step: the first one whose result is not in the store. */
static gboolean choose_step(Acme *acme, gint64 now, const Job *job, const Order *order,
                            GPtrArray *authorizations, Question *question, GError **error) {
  g_autoptr(Certificate) certificate = NULL;
  StoreFind found = certificate_find_by_order(acme->store, &order->id, &certificate, error);
  if (found == STORE_LOOKUP_FAILED)
    return FALSE;
  if (found == STORE_FOUND && certificate->der != NULL)
    return state_order_issued(acme, now, &order->id, error) && job_done(acme->store, job, error);
  if (!issue_caa_stale(acme, now, order, &question->domain, error))
    return FALSE;
  if (question->domain != NULL) {
    question->kind = QUESTION_CAA;
    return found == STORE_FOUND ||
           build_beside(acme, now, job, order, authorizations, question, error);
  }
  if (found == STORE_MISSING)
    return build_when_kept(acme, now, job, order, authorizations, question, error);
  question->kind = must_lint(acme, certificate) ? QUESTION_LINT : QUESTION_SIGN;
  return (question->kind == QUESTION_LINT ||
          choose_signer(acme, now, job, certificate, question, error)) &&
         name_octets(acme, certificate, question, error);
}

/* The order is over; what it left at the signer is not. */
static gboolean ask_logged(Acme *acme, gint64 now, const Job *job, Question *question,
                           GError **error) {
  g_autoptr(Certificate) certificate = NULL;
  StoreFind found = find_at_signer(acme, &job->subject, &certificate, error);
  if (found != STORE_FOUND)
    return found == STORE_MISSING && job_done(acme->store, job, error);
  if (is_elsewhere(acme, certificate)) {
    gboolean alive = FALSE;
    return is_alive(acme, now, certificate->asked, &alive, error) &&
           leave_to(acme, now, job, certificate->asked, alive ? CLOCK_SECOND : CLOCK_MINUTE, error);
  }
  question->kind = QUESTION_SIGN;
  question->only_if_logged = TRUE;
  return name_octets(acme, certificate, question, error);
}

/* Whether the operator took back the external account that the account is bound to. */
static gboolean external_revoked(Acme *acme, const Account *account, gboolean *revoked,
                                 GError **error) {
  g_autoptr(ExternalAccountKey) key = NULL;
  *revoked = FALSE;
  if (!account->bound)
    return TRUE;
  if (external_account_key_find(acme->store, &account->external_key_id, &key, error) != STORE_FOUND)
    return FALSE;
  *revoked = key->revoked_at != 0;
  return TRUE;
}

/* Why the order may not go on: what it stands on can be taken back until the signature. NULL with
   error when the store fails, NULL without when it may. */
static Problem *withdrawn(Acme *acme, const Order *order, GPtrArray *authorizations,
                          GError **error) {
  g_autoptr(Account) account = NULL;
  g_autoptr(GBytes) digest = key_digest(order->spki);
  gboolean revoked = FALSE;
  StoreFind blocked = key_blocked(acme->store, digest, error);
  if (blocked == STORE_LOOKUP_FAILED ||
      account_find(acme->store, &order->account_id, &account, error) != STORE_FOUND ||
      !external_revoked(acme, account, &revoked, error))
    return NULL;
  if (blocked == STORE_FOUND)
    return problem_new(PROBLEM_BAD_CSR, 0,
                       "The request's key is known to be compromised; make a new one.");
  if (revoked)
    return problem_new(PROBLEM_UNAUTHORIZED, 0,
                       "The external account that this account is bound to was revoked; ask the "
                       "operator of this server.");
  if (strcmp(account->status, "valid") != 0)
    return problem_new(PROBLEM_UNAUTHORIZED, 0, "The account of the order is %s.", account->status);
  for (guint i = 0; i < authorizations->len; i++) {
    const Authorization *authorization = authorizations->pdata[i];
    if (strcmp(authorization->status, "valid") != 0)
      return problem_new(PROBLEM_UNAUTHORIZED, 0, "The authorization for %s is %s.",
                         authorization->identifier, authorization->status);
  }
  return NULL;
}

/* Tried again and again: said once. */
static gboolean hold(Acme *acme, gint64 now, const Job *job, const char *why, GError **error) {
  char order[ID_TEXT];
  g_autofree char *waits_for = g_strdup_printf("issuance, which is held: %s", why);
  StoreChange explained = job_explain(acme->store, job->kind, &job->subject, waits_for, error);
  if (explained == STORE_CHANGED)
    log_warning("order held", "order", id_text(&job->subject, order), "reason", why, NULL);
  return explained != STORE_FAILED && job_again(acme->store, job, now + HELD_RETRY, FALSE, error);
}

gboolean issue_job_begin(Acme *acme, gint64 now, const Job *job, Question *question,
                         GError **error) {
  g_autoptr(Order) order = NULL;
  g_autofree char *held = NULL;
  if (!store_lock_order(acme->store, &job->subject, error) ||
      order_find(acme->store, &job->subject, &order, error) != STORE_FOUND ||
      !issuance_held(acme, now, &held, error))
    return FALSE;
  if (strcmp(order->status, "processing") != 0)
    return ask_logged(acme, now, job, question, error);
  if (held != NULL)
    return hold(acme, now, job, held, error);
  GError *failure = NULL;
  g_autoptr(GPtrArray) authorizations = authorization_list(acme->store, &order->id, error);
  if (authorizations == NULL)
    return FALSE;
  g_autoptr(Problem) problem = withdrawn(acme, order, authorizations, &failure);
  if (failure != NULL) {
    g_propagate_error(error, failure);
    return FALSE;
  }
  return problem != NULL ? issue_fail_order(acme, now, job, problem, error)
                         : choose_step(acme, now, job, order, authorizations, question, error);
}

/* --- build and sign
 * ------------------------------------------------------------------------------------- */

static gboolean keep_tbs(Acme *acme, gint64 now, const Order *order, const Question *question,
                         GBytes *tbs, const char *findings, GError **error) {
  const CertificateFields *fields = &question->fields;
  g_autoptr(Certificate) certificate = g_rc_box_new0(Certificate);
  g_autofree char *serial =
      base64url_encode(g_bytes_get_data(fields->serial, NULL), g_bytes_get_size(fields->serial));
  certificate->id = acme_id(acme, now);
  certificate->order_id = order->id;
  certificate->account_id = order->account_id;
  certificate->serial = g_bytes_ref(fields->serial);
  certificate->shard = question->shard;
  certificate->not_before = fields->not_before;
  certificate->not_after = fields->not_after;
  certificate->key_digest = key_digest(order->spki);
  certificate->tbs = g_bytes_ref(tbs);
  certificate->findings = g_strdup(findings);
  certificate->signing_at = now;
  certificate->facts = evidence_facts(acme, order, question->shard, error);
  if (certificate->facts == NULL)
    return FALSE;
  g_autofree char *digest = sha256_hex(tbs);
  StoreChange kept = certificate_insert(acme->store, certificate, error);
  return kept == STORE_UNCHANGED ||
         (kept == STORE_CHANGED &&
          record(acme, now,
                 *findings != '\0'              ? "lint refused"
                 : must_lint(acme, certificate) ? "built"
                                                : "signing",
                 (About){.order = &order->id, .certificate = &certificate->id}, error, "serial",
                 serial, "tbs-sha256", digest, "findings", *findings == '\0' ? NULL : findings,
                 NULL));
}

gboolean job_built(Acme *acme, Question *question, GBytes *tbs, const char *findings,
                   const char *failure, GError **error) {
  gint64 now = clock_now(acme->clock);
  const Job *job = &question->job;
  g_autoptr(Order) order = NULL;
  if (!store_lock_order(acme->store, &job->subject, error) ||
      order_find(acme->store, &job->subject, &order, error) != STORE_FOUND)
    return FALSE;
  g_autoptr(Certificate) kept = NULL;
  StoreFind found = certificate_find_by_order(acme->store, &order->id, &kept, error);
  if (found == STORE_LOOKUP_FAILED)
    return FALSE;
  if (found == STORE_FOUND || strcmp(order->status, "processing") != 0)
    return issue_next_step(acme, question, error); /* late: what is to be signed is decided */
  StoreFind account = STORE_LOOKUP_FAILED;
  if (account_hold_key(acme, order->spki, error))
    account = account_of_key(acme, order->spki, error);
  if (account == STORE_LOOKUP_FAILED)
    return FALSE;
  g_autoptr(Problem) problem = NULL;
  if (account == STORE_FOUND) /* made since finalize */
    problem = problem_new(PROBLEM_BAD_CSR, 0,
                          "The request's key is an account's key; certificates need another.");
  else if (*failure != '\0')
    problem = problem_new(PROBLEM_SERVER_INTERNAL, 0,
                          "The certificate cannot be made; tell the operator of this server: %s.",
                          failure);
  else if (*findings != '\0')
    problem = problem_new(
        PROBLEM_SERVER_INTERNAL, 0,
        "The certificate would break the profile; tell the operator of this server: %s.", findings);
  if (account == STORE_MISSING && *failure == '\0' &&
      !keep_tbs(acme, now, order, question, tbs, findings, error))
    return FALSE;
  return problem != NULL ? issue_fail_order(acme, now, job, problem, error)
                         : issue_next_step(acme, question, error);
}

/* Nothing is signed without a verdict: asked again, and in the end the order is given up. */
static gboolean no_verdict(Acme *acme, gint64 now, const Job *job, const char *failure,
                           GError **error) {
  char order[ID_TEXT];
  log_error("no verdict of the outside linter", "order", id_text(&job->subject, order), "reason",
            failure, NULL);
  if (job->attempts < LINTER_ATTEMPTS)
    return job_waits_for(acme, job, error, "the outside linter: %s", failure) &&
           job_again(
               acme->store, job,
               now + job_delay(signer_retry_steps, G_N_ELEMENTS(signer_retry_steps), job->attempts),
               TRUE, error);
  g_autoptr(Problem) problem = problem_new(
      PROBLEM_SERVER_INTERNAL, 0,
      "The outside linter of this server gave no verdict on the certificate, so that it is not "
      "signed; tell the operator, and order anew later: %s.",
      failure);
  return issue_fail_order(acme, now, job, problem, error);
}

gboolean job_linted(Acme *acme, Question *question, const char *findings, const char *failure,
                    GError **error) {
  gint64 now = clock_now(acme->clock);
  const Job *job = &question->job;
  g_autoptr(Order) order = NULL;
  g_autoptr(Certificate) certificate = NULL;
  if (order_find(acme->store, &job->subject, &order, error) != STORE_FOUND ||
      certificate_find_by_order(acme->store, &job->subject, &certificate, error) != STORE_FOUND)
    return FALSE;
  if (certificate->linter_findings != NULL || strcmp(order->status, "processing") != 0)
    return issue_next_step(acme, question, error); /* late: it is decided */
  if (*failure != '\0')
    return no_verdict(acme, now, job, failure, error);
  if (certificate_set_linted(acme->store, &certificate->id, findings, error) == STORE_FAILED ||
      !record(acme, now, *findings == '\0' ? "signing" : "lint refused",
              (About){.order = &order->id, .certificate = &certificate->id}, error, "linter",
              *findings == '\0' ? "nothing found" : findings, NULL))
    return FALSE;
  if (*findings == '\0')
    return issue_next_step(acme, question, error);
  g_autoptr(Problem) problem = problem_new(PROBLEM_SERVER_INTERNAL, 0,
                                           "The outside linter of this server refuses the "
                                           "certificate; tell the operator: %s.",
                                           findings);
  return issue_fail_order(acme, now, job, problem, error);
}

/* With the digest of all that led to it, before the order's state changes further. */
static gboolean record_issued(Acme *acme, gint64 now, const Certificate *certificate, GBytes *der,
                              GError **error) {
  g_autofree char *digest = sha256_hex(der);
  g_autofree char *evidence = evidence_digest(acme->store, certificate, error);
  return evidence != NULL &&
         record(acme, now, "issued",
                (About){.order = &certificate->order_id, .certificate = &certificate->id}, error,
                "sha256", digest, "evidence-sha256", evidence, NULL);
}

/* Of an order that failed meanwhile nobody gets the certificate: it is revoked at once, with
   keyCompromise where that is why. */
static gboolean take_issued(Acme *acme, gint64 now, const Order *order,
                            const Certificate *certificate, GError **error) {
  if (!revocation_enter_blocked(acme, now, certificate, error))
    return FALSE;
  return strcmp(order->status, "invalid") == 0
             ? revocation_enter(acme, now, certificate, REVOCATION_CESSATION, "failed order",
                                error) != STORE_FAILED
             : notice_issued(acme, now, certificate, error);
}

gboolean job_signed(Acme *acme, const Question *question, GBytes *der, const char *failure,
                    GError **error) {
  gint64 now = clock_now(acme->clock);
  const Job *job = &question->job;
  g_autoptr(Certificate) certificate = NULL;
  g_autoptr(Order) about = NULL;
  char order[ID_TEXT];
  if (order_find(acme->store, &job->subject, &about, error) != STORE_FOUND ||
      certificate_find_by_order(acme->store, &job->subject, &certificate, error) != STORE_FOUND)
    return FALSE;
  if (question->only_if_logged && *failure == '\0' && g_bytes_get_size(der) == 0)
    return job_done(acme->store, job, error);
  if (*failure == '\0' && !certificate_is_made_of(der, certificate->tbs))
    failure = "it answered with another certificate";
  if (*failure != '\0') {
    log_error("not signed", "order", id_text(&job->subject, order), "reason", failure, NULL);
    return certificate_set_asked(acme->store, &certificate->id, NULL, error) != STORE_FAILED &&
           job_waits_for(acme, job, error, "the signer: %s", failure) &&
           job_again(
               acme->store, job,
               now + job_delay(signer_retry_steps, G_N_ELEMENTS(signer_retry_steps), job->attempts),
               TRUE, error);
  }
  if (!store_lock_key(acme->store, certificate->key_digest, error))
    return FALSE;
  StoreChange set = certificate_set_der(acme->store, &certificate->id, der, now, error);
  return set != STORE_FAILED &&
         (set == STORE_UNCHANGED || (record_issued(acme, now, certificate, der, error) &&
                                     take_issued(acme, now, about, certificate, error))) &&
         state_order_issued(acme, now, &job->subject, error) && job_done(acme->store, job, error);
}
