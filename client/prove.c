/* SPDX-License-Identifier: Apache-2.0 */
#include "client/prove.h"

#include "base/clock.h"
#include "base/log.h"
#include "client/failure.h"
#include "client/output.h"
#include "client/reply_digest.h"
#include "mime/challenge_trust.h"
#include "mime/smime_check.h"

#define POLL_PRESET_SECONDS 5 /* after the response */
#define POLL_AT_ONCE_SECONDS 1
#define POLL_FAILURES 10          /* in a row that are borne */
#define POLL_UNREPLIED_SECONDS 10 /* before it: the server may tell of a bounce */

static void plan_poll(Proof *proof, gint64 wait) {
  gint64 preset = proof->replied ? POLL_PRESET_SECONDS : POLL_UNREPLIED_SECONDS;
  proof->poll_at = g_get_monotonic_time() + (wait > 0 ? wait : preset) * G_USEC_PER_SEC;
}

/* --- mail ---------------------------------------------------------------------------------------
 */

static gboolean post_challenge(const Prove *prove, Proof *proof, GError **error) {
  g_autoptr(json_t) empty = json_object();
  g_autoptr(AcmeAnswer) answer = acme_client_post(prove->acme, proof->challenge, empty, error);
  if (answer == NULL)
    return FALSE;
  /* No wish of the server's: it has the reply already, more likely than not. */
  plan_poll(proof, answer->wait > 0 ? answer->wait : POLL_AT_ONCE_SECONDS);
  output_step("waiting", "for the server to judge the response of %s", proof->address);
  return TRUE;
}

static gboolean respond(const Prove *prove, Proof *proof, const ReceivedChallenge *mail,
                        GError **error) {
  g_autofree char *digest = reply_digest(mail->token, proof->token, prove->thumbprint);
  if (!prove->way->kind->reply(prove->way, proof, mail, digest, error))
    return FALSE;
  proof->replied = TRUE;
  return post_challenge(prove, proof, error);
}

/* Why a mail is not answered for the sake of its signatures, or NULL (RFC 8823 section 3.1 item 6).
   A wrong one is worse than none: somebody changed the mail. An S/MIME signature under the roots
   that were given is enough. A person who reads the mail sees to that elsewhere. */
static const char *refuse_signature(const Prove *prove, const ReceivedChallenge *mail) {
  const char *why = NULL;
  gint64 now = clock_now(&clock_system);
  if (mail->message == NULL)
    return NULL;
  SmimeVerdict verdict = smime_check(mail->message, prove->roots, now, &why);
  if (why != NULL)
    return why;
  if (verdict == SMIME_UNSIGNED && prove->roots != NULL)
    return "it has no S/MIME signature";
  return prove->roots != NULL && prove->authserv_id == NULL
             ? NULL
             : challenge_distrust(mail->message, mail->from, prove->authserv_id, now);
}

static void settle(const Prove *prove, gboolean answered) {
  if (prove->way->kind->settle != NULL)
    prove->way->kind->settle(prove->way, answered);
}

static gboolean take_mail(const Prove *prove, gint64 milliseconds, GError **error) {
  ReceivedChallenge *received = NULL;
  if (!prove->way->kind->receive(prove->way, prove->proofs, milliseconds, &received, error))
    return FALSE;
  g_autoptr(ReceivedChallenge) mail = received;
  if (mail == NULL)
    return TRUE;
  const char *why = NULL;
  Proof *proof = proof_match(prove->proofs, mail, &why);
  g_autofree char *from = log_escape(mail->from != NULL ? mail->from : "nobody", 300);
  const char *refused = proof != NULL ? refuse_signature(prove, mail) : NULL;
  settle(prove, proof != NULL && refused == NULL);
  if (proof != NULL && refused == NULL) {
    output_step("mail", "for %s from %s", proof->address, from);
    return respond(prove, proof, mail, error);
  }
  output_step("ignored", "a challenge mail from %s: %s", from, refused != NULL ? refused : why);
  return TRUE;
}

/* --- polling ------------------------------------------------------------------------------------
 */

static void show_note(Proof *proof, const char *problem) {
  if (problem == NULL || g_strcmp0(problem, proof->note) == 0)
    return;
  g_free(proof->note);
  proof->note = g_strdup(problem);
  output_step("note", "%s, not decided yet: %s", proof->address, problem);
}

static gboolean judge(Proof *proof, const ServerAuthorization *authorization, GError **error) {
  if (authorization->status == SERVER_INVALID) {
    g_set_error(error, CLIENT_ERROR, CLIENT_REFUSED, "%s was not proven\n  %s", proof->address,
                authorization->problem != NULL ? authorization->problem
                                               : "the server gave no reason");
    return FALSE;
  }
  show_note(proof, authorization->problem);
  proof->valid = authorization->status == SERVER_VALID;
  if (proof->valid)
    output_step("proven", "%s", proof->address);
  return TRUE;
}

/* A server that is away for a while, as at its restart, ends no run that may wait for a person
 * anyway. */
static gboolean bear_failure(Proof *proof, GError *reason, GError **error) {
  if (!g_error_matches(reason, CLIENT_ERROR, CLIENT_NETWORK) || ++proof->failures > POLL_FAILURES) {
    g_propagate_error(error, reason);
    return FALSE;
  }
  show_note(proof, reason->message);
  g_error_free(reason);
  plan_poll(proof, 0);
  return TRUE;
}

static gboolean poll_proof(const Prove *prove, Proof *proof, GError **error) {
  GError *reason = NULL;
  g_autoptr(AcmeAnswer) answer = acme_client_post(prove->acme, proof->authorization, NULL, &reason);
  g_autoptr(ServerAuthorization) authorization =
      answer != NULL ? server_authorization_read(answer->json, &reason) : NULL;
  if (authorization == NULL)
    return bear_failure(proof, reason, error);
  proof->failures = 0;
  plan_poll(proof, answer->wait);
  return judge(proof, authorization, error);
}

static gboolean poll_due(const Prove *prove, GError **error) {
  for (guint i = 0; i < prove->proofs->len; i++) {
    Proof *proof = g_ptr_array_index(prove->proofs, i);
    if (!proof->valid && proof->poll_at <= g_get_monotonic_time() &&
        !poll_proof(prove, proof, error))
      return FALSE;
  }
  return TRUE;
}

/* Milliseconds to the next poll or the deadline; 0 when the deadline has passed. */
static gint64 time_to_wait(const Prove *prove) {
  gint64 next = prove->deadline;
  for (guint i = 0; i < prove->proofs->len; i++) {
    const Proof *proof = g_ptr_array_index(prove->proofs, i);
    if (!proof->valid)
      next = MIN(next, proof->poll_at);
  }
  gint64 now = g_get_monotonic_time();
  return now >= prove->deadline ? 0 : MAX(next - now, 1000) / 1000;
}

static void announce(const Prove *prove) {
  for (guint i = 0; i < prove->proofs->len; i++) {
    Proof *proof = g_ptr_array_index(prove->proofs, i);
    if (proof->valid)
      continue;
    plan_poll(proof, 0);
    g_autofree char *from = log_escape(proof->from, 300);
    output_step("mail", "awaited for %s from %s", proof->address, from);
  }
}

gboolean prove_all(const Prove *prove, GError **error) {
  announce(prove);
  while (!proof_all_valid(prove->proofs)) {
    gint64 wait = time_to_wait(prove);
    if (wait == 0) {
      const Proof *proof = proof_awaited(prove->proofs);
      g_set_error(error, CLIENT_ERROR, CLIENT_TIMEOUT, "the time given by --timeout is over%s%s",
                  proof != NULL ? "; no challenge mail came for "
                                : ", the response is not judged yet",
                  proof != NULL ? proof->address : "");
      return FALSE;
    }
    if (!take_mail(prove, wait, error) || !poll_due(prove, error))
      return FALSE;
  }
  return TRUE;
}
