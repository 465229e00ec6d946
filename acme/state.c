/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/state.h"
#include "acme/challenge_mail_job.h"
#include "acme/evidence.h"
#include "acme/identifier.h"
#include "acme/record.h"
#include "base/log.h"
#include "store/lock.h"

#include <string.h>

/* Moves an authorization and records it. */
static gboolean move_authorization(Acme *acme, gint64 now, const Id *id, const char *to,
                                   GError **error) {
  StoreChange moved = authorization_move(acme->store, id, "pending", to, error);
  return moved == STORE_UNCHANGED ||
         (moved == STORE_CHANGED &&
          record(acme, now, "authorization status", (About){.authorization = id}, error, "status",
                 to, NULL));
}

/* Of no order: also a valid one ends. */
static gboolean expire_authorization(Acme *acme, gint64 now, const Id *id, GError **error) {
  StoreChange moved = authorization_move(acme->store, id, "valid", "expired", error);
  return moved == STORE_UNCHANGED
             ? move_authorization(acme, now, id, "expired", error)
             : moved == STORE_CHANGED &&
                   record(acme, now, "authorization status", (About){.authorization = id}, error,
                          "status", "expired", NULL);
}

static gboolean move_order(Acme *acme, gint64 now, const Id *id, const char *from, const char *to,
                           const Problem *problem, GError **error) {
  g_autofree char *text = problem != NULL ? problem_text(problem) : NULL;
  StoreChange moved = order_move(acme->store, id, from, to, text, error);
  return moved == STORE_UNCHANGED ||
         (moved == STORE_CHANGED &&
          record(acme, now, "order status", (About){.order = id}, error, "status", to, "problem",
                 problem != NULL ? problem_type_name(problem->type) : NULL, "reason",
                 problem != NULL ? problem->detail : NULL, NULL));
}

gboolean state_order_authorized(Acme *acme, gint64 now, const Id *order_id, GError **error) {
  g_autoptr(GPtrArray) all = authorization_list(acme->store, order_id, error);
  if (all == NULL)
    return FALSE;
  for (guint i = 0; i < all->len; i++)
    if (strcmp(((Authorization *)all->pdata[i])->status, "valid") != 0)
      return TRUE;
  return move_order(acme, now, order_id, "pending", "ready", NULL, error);
}

static gboolean load(Acme *acme, const Id *challenge_id, Challenge **challenge,
                     Authorization **authorization, GError **error) {
  return challenge_find(acme->store, challenge_id, challenge, error) == STORE_FOUND &&
         authorization_find(acme->store, &(*challenge)->authz_id, authorization, error) ==
             STORE_FOUND;
}

/* An order may have claimed it just now. */
gboolean state_hold_authorization(Acme *acme, Authorization **authorization, GError **error) {
  if (!store_is_shared(acme->store))
    return TRUE;
  g_autoptr(Authorization) before = g_steal_pointer(authorization);
  if ((before->claimed && !store_lock_order(acme->store, &before->order_id, error)) ||
      !store_lock_authorization(acme->store, &before->id, error) ||
      authorization_find(acme->store, &before->id, authorization, error) != STORE_FOUND)
    return FALSE;
  return before->claimed || !(*authorization)->claimed ||
         store_lock_order(acme->store, &(*authorization)->order_id, error);
}

gboolean state_hold_challenge(Acme *acme, const Id *id, GError **error) {
  g_autoptr(Challenge) challenge = NULL;
  g_autoptr(Authorization) authorization = NULL;
  return !store_is_shared(acme->store) || (load(acme, id, &challenge, &authorization, error) &&
                                           state_hold_authorization(acme, &authorization, error));
}

gboolean state_challenge_is_open(const Challenge *challenge, const Authorization *authorization,
                                 gint64 now) {
  gboolean undecided =
      strcmp(challenge->status, "pending") == 0 || strcmp(challenge->status, "processing") == 0;
  return undecided && challenge->passed_at == 0 && strcmp(authorization->status, "pending") == 0 &&
         authorization->expires_at > now;
}

/* processing and passed -> valid, with what follows. */
static gboolean validate_if_both(Acme *acme, gint64 now, const Id *challenge,
                                 const Authorization *authorization, GError **error) {
  StoreChange valid = challenge_validate(acme->store, challenge, now, error);
  if (valid != STORE_CHANGED)
    return valid == STORE_UNCHANGED;
  return record(acme, now, "challenge valid", (About){.challenge = challenge}, error, "address",
                authorization->address, "method", EVIDENCE_METHOD, "requirements",
                EVIDENCE_REQUIREMENTS, NULL) &&
         move_authorization(acme, now, &authorization->id, "valid", error) &&
         (!authorization->claimed ||
          state_order_authorized(acme, now, &authorization->order_id, error));
}

gboolean state_challenge_responded(Acme *acme, gint64 now, const Id *challenge,
                                   const Authorization *authorization, GError **error) {
  StoreChange responded = challenge_respond(acme->store, challenge, now, error);
  if (responded != STORE_CHANGED)
    return responded == STORE_UNCHANGED;
  return record(acme, now, "challenge processing", (About){.challenge = challenge}, error, NULL) &&
         validate_if_both(acme, now, challenge, authorization, error);
}

gboolean state_challenge_passed(Acme *acme, gint64 now, const Id *challenge,
                                const Authorization *authorization, GError **error) {
  StoreChange passed = challenge_pass(acme->store, challenge, now, error);
  if (passed != STORE_CHANGED)
    return passed == STORE_UNCHANGED;
  return validate_if_both(acme, now, challenge, authorization, error);
}

/* The order's error names the identifier whose challenge failed. */
static Problem *order_problem(const Authorization *authorization, const Problem *cause) {
  Problem *problem =
      problem_new(cause->type, cause->status, "%s: %s", authorization->identifier, cause->detail);
  json_t *sub = problem_json(cause);
  json_object_del(sub, "subproblems");
  json_object_set_new(sub, "identifier",
                      identifier_json(authorization->type, authorization->identifier));
  problem_set(problem, "subproblems", json_pack("[o]", sub));
  return problem;
}

gboolean state_challenge_failed(Acme *acme, gint64 now, const Id *challenge_id,
                                const Problem *problem, GError **error) {
  g_autoptr(Challenge) challenge = NULL;
  g_autoptr(Authorization) authorization = NULL;
  g_autofree char *text = problem_text(problem);
  StoreChange failed = challenge_fail(acme->store, challenge_id, text, error);
  if (failed != STORE_CHANGED)
    return failed == STORE_UNCHANGED;
  if (!load(acme, challenge_id, &challenge, &authorization, error))
    return FALSE;
  g_autoptr(Problem) outer = order_problem(authorization, problem);
  return record(acme, now, "challenge invalid", (About){.challenge = challenge_id}, error,
                "problem", problem_type_name(problem->type), "reason", problem->detail, NULL) &&
         move_authorization(acme, now, &authorization->id, "invalid", error) &&
         (!authorization->claimed ||
          move_order(acme, now, &authorization->order_id, "pending", "invalid", outer, error));
}

static gboolean record_note(Acme *acme, gint64 now, const Id *challenge, const char *rule,
                            const Problem *problem, GError **error) {
  return record(acme, now, "challenge note", (About){.challenge = challenge}, error, "rule", rule,
                "problem", problem_type_name(problem->type), "reason", problem->detail, NULL);
}

gboolean state_challenge_noted(Acme *acme, gint64 now, const Id *challenge, const char *rule,
                               const Problem *problem, GError **error) {
  g_autofree char *text = problem_text(problem);
  return challenge_note(acme->store, challenge, now, rule, text, error) &&
         record_note(acme, now, challenge, rule, problem, error);
}

gboolean state_challenge_noted_again(Acme *acme, gint64 now, const Id *challenge, const char *rule,
                                     const Problem *problem, GError **error) {
  g_autofree char *text = problem_text(problem);
  StoreChange noted = challenge_note_again(acme->store, challenge, now, rule, text, error);
  return noted == STORE_UNCHANGED ||
         (noted == STORE_CHANGED && record_note(acme, now, challenge, rule, problem, error));
}

gboolean state_authorization_deactivated(Acme *acme, gint64 now, const Authorization *authorization,
                                         GError **error) {
  g_autoptr(Problem) problem =
      problem_new(PROBLEM_UNAUTHORIZED, 0, "The authorization for %s was deactivated; order anew.",
                  authorization->identifier);
  const char *from = authorization->status;
  if (strcmp(from, "pending") != 0 && strcmp(from, "valid") != 0)
    return TRUE;
  return authorization_move(acme->store, &authorization->id, from, "deactivated", error) ==
             STORE_CHANGED &&
         record(acme, now, "authorization status", (About){.authorization = &authorization->id},
                error, "status", "deactivated", NULL) &&
         (!authorization->claimed ||
          (move_order(acme, now, &authorization->order_id, "pending", "invalid", problem, error) &&
           move_order(acme, now, &authorization->order_id, "ready", "invalid", problem, error)));
}

StoreChange state_order_finalized(Acme *acme, const Order *order, GError **error) {
  StoreChange done = order_finalize(acme->store, order, error);
  if (done == STORE_CHANGED &&
      !record(acme, order->finalized_at, "order status", (About){.order = &order->id}, error,
              "status", "processing", NULL))
    return STORE_FAILED;
  return done;
}

gboolean state_order_delayed(Acme *acme, gint64 now, const Id *order, const Problem *problem,
                             GError **error) {
  g_autofree char *text = problem != NULL ? problem_text(problem) : NULL;
  StoreChange set = order_set_delay(acme->store, order, text, error);
  return set == STORE_UNCHANGED ||
         (set == STORE_CHANGED &&
          (problem == NULL ||
           record(acme, now, "order delayed", (About){.order = order}, error, "problem",
                  problem_type_name(problem->type), "reason", problem->detail, NULL)));
}

gboolean state_order_failed(Acme *acme, gint64 now, const Id *order, const Problem *problem,
                            GError **error) {
  return move_order(acme, now, order, "processing", "invalid", problem, error);
}

gboolean state_order_issued(Acme *acme, gint64 now, const Id *order, GError **error) {
  return move_order(acme, now, order, "processing", "valid", NULL, error);
}

/* --- what time ends
 * ---------------------------------------------------------------------------------- */

/* Of a challenge whose last note is on a reply that no key could be had for: *problem says so. */
static gboolean key_missed(Acme *acme, const Id *challenge, Problem **problem, GError **error) {
  g_autoptr(GPtrArray) notes = challenge_notes(acme->store, challenge, error);
  if (notes == NULL)
    return FALSE;
  const Note *last = notes->len > 0 ? notes->pdata[notes->len - 1] : NULL;
  json_t *note = last != NULL ? json_loads(last->problem, 0, NULL) : NULL;
  const char *type = json_string_value(json_object_get(note, "type"));
  const char *detail = json_string_value(json_object_get(note, "detail"));
  if (type != NULL && detail != NULL && g_str_has_suffix(type, problem_type_name(PROBLEM_DNS)))
    *problem = problem_new(PROBLEM_DNS, 0,
                           "The time for a reply is over. %s See to the DNS of its domain and "
                           "order anew.",
                           detail);
  json_decref(note);
  return TRUE;
}

/* Looked at once more when no message can come between. */
static gboolean is_overdue(Acme *acme, gint64 now, const Id *id, gboolean *overdue,
                           GError **error) {
  g_autoptr(Challenge) challenge = NULL;
  if (!state_hold_challenge(acme, id, error) ||
      challenge_find(acme->store, id, &challenge, error) != STORE_FOUND)
    return FALSE;
  gboolean open =
      strcmp(challenge->status, "pending") == 0 || strcmp(challenge->status, "processing") == 0;
  *overdue = open && challenge->passed_at == 0 && challenge->deadline <= now;
  if (!*overdue)
    return TRUE;
  StoreFind unjudged = challenge_has_unjudged(acme->store, id, error);
  *overdue = unjudged == STORE_MISSING;
  return unjudged != STORE_LOOKUP_FAILED;
}

static gboolean fail_overdue(Acme *acme, gint64 now, const Id *id, GError **error) {
  g_autoptr(Challenge) challenge = NULL;
  g_autoptr(Authorization) authorization = NULL;
  g_autoptr(Problem) problem = NULL;
  gboolean overdue = FALSE;
  if (!is_overdue(acme, now, id, &overdue, error))
    return FALSE;
  if (!overdue)
    return TRUE;
  if (!load(acme, id, &challenge, &authorization, error) ||
      !challenge_mail_missed(acme, challenge, authorization, &problem, error))
    return FALSE;
  if (problem == NULL && !key_missed(acme, id, &problem, error))
    return FALSE;
  if (problem == NULL)
    problem = problem_new(PROBLEM_INCORRECT_RESPONSE, 0,
                          "No reply that passes was received in time; order anew.");
  return state_challenge_failed(acme, now, id, problem, error);
}

gboolean state_settle_challenge(Acme *acme, gint64 now, const Challenge *challenge,
                                gboolean *changed, GError **error) {
  gboolean over = challenge->deadline <= now;
  if (changed != NULL)
    *changed = over;
  return !over || fail_overdue(acme, now, &challenge->id, error);
}

/* An order that will not be finished; its pending authorizations end with it. */
static gboolean end_order(Acme *acme, gint64 now, const Id *id, const char *authorizations_to,
                          const Problem *problem, GError **error) {
  g_autoptr(Order) order = NULL;
  if (!store_lock_order(acme->store, id, error) ||
      order_find(acme->store, id, &order, error) != STORE_FOUND)
    return FALSE;
  if (strcmp(order->status, "pending") != 0 && strcmp(order->status, "ready") != 0)
    return TRUE; /* finalized meanwhile, or over */
  g_autoptr(GPtrArray) all = authorization_list(acme->store, id, error);
  if (all == NULL)
    return FALSE;
  for (guint i = 0; i < all->len; i++)
    if (!move_authorization(acme, now, &((Authorization *)all->pdata[i])->id, authorizations_to,
                            error))
      return FALSE;
  return move_order(acme, now, id, "pending", "invalid", problem, error) &&
         move_order(acme, now, id, "ready", "invalid", problem, error);
}

gboolean state_order_given_up(Acme *acme, gint64 now, const Id *order, const Problem *problem,
                              GError **error) {
  return end_order(acme, now, order, "deactivated", problem, error) &&
         state_order_failed(acme, now, order, problem, error);
}

static gboolean expire_order(Acme *acme, gint64 now, const Id *id, GError **error) {
  g_autoptr(Problem) problem =
      problem_new(PROBLEM_MALFORMED, 0, "The order expired before it was finalized; order anew.");
  return end_order(acme, now, id, "expired", problem, error);
}

gboolean state_close_account(Acme *acme, gint64 now, const Id *account, guint limit, gboolean *more,
                             GError **error) {
  g_autoptr(GArray) orders = g_array_new(FALSE, FALSE, sizeof(Id));
  g_autoptr(GArray) free_ones = g_array_new(FALSE, FALSE, sizeof(Id));
  g_autoptr(Problem) problem = problem_new(PROBLEM_UNAUTHORIZED, 0, "The account is deactivated.");
  gboolean good = order_list_open(acme->store, account, limit, orders, error) &&
                  authorization_list_free(acme->store, account, now, limit, free_ones, error);
  for (guint i = 0; good && i < orders->len; i++)
    good = end_order(acme, now, &g_array_index(orders, Id, i), "deactivated", problem, error);
  for (guint i = 0; good && i < free_ones->len; i++) {
    g_autoptr(Authorization) authorization = NULL;
    good = store_lock_authorization(acme->store, &g_array_index(free_ones, Id, i), error) &&
           authorization_find(acme->store, &g_array_index(free_ones, Id, i), &authorization,
                              error) == STORE_FOUND &&
           state_authorization_deactivated(acme, now, authorization, error);
  }
  *more = orders->len == limit || free_ones->len == limit;
  return good;
}

gboolean state_settle_order(Acme *acme, gint64 now, const Order *order, gboolean *changed,
                            GError **error) {
  gboolean open = strcmp(order->status, "pending") == 0 || strcmp(order->status, "ready") == 0;
  *changed = open && order->expires_at <= now;
  return !*changed || expire_order(acme, now, &order->id, error);
}

static gboolean sweep_orders(Acme *acme, gint64 now, const char *status, guint limit,
                             GError **error) {
  g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(Id));
  gboolean good = order_list_expired(acme->store, status, now, limit, ids, error);
  for (guint i = 0; good && i < ids->len; i++)
    good = expire_order(acme, now, &g_array_index(ids, Id, i), error);
  return good;
}

static gboolean sweep_free(Acme *acme, gint64 now, guint limit, GError **error) {
  g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(Id));
  gboolean good = authorization_list_free(acme->store, NULL, now, limit, ids, error);
  for (guint i = 0; good && i < ids->len; i++)
    good = expire_authorization(acme, now, &g_array_index(ids, Id, i), error);
  return good;
}

gboolean state_sweep(Acme *acme, gint64 now, guint limit, GError **error) {
  g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(Id));
  gboolean good = challenge_list_overdue(acme->store, now, limit, ids, error);
  for (guint i = 0; good && i < ids->len; i++)
    good = fail_overdue(acme, now, &g_array_index(ids, Id, i), error);
  return good && sweep_orders(acme, now, "pending", limit, error) &&
         sweep_orders(acme, now, "ready", limit, error) && sweep_free(acme, now, limit, error);
}
