/* SPDX-License-Identifier: Apache-2.0 */
/* newOrder (RFC 8555 section 7.4; RFC 9773 section 5; draft-ietf-acme-profiles): everything is
   checked and every limit spent before the first object exists. */
#include "acme/account_right.h"
#include "acme/authorization_new.h"
#include "acme/issuance.h"
#include "acme/limit.h"
#include "acme/profile.h"
#include "acme/record.h"
#include "acme/renewal.h"
#include "acme/resources.h"
#include "acme/state.h"
#include "acme/validity.h"
#include "store/audit.h"
#include "store/lock.h"

#include <string.h>

/* What the client asks for. */
typedef struct {
  GPtrArray *mailboxes;         /* of OrderedMailbox */
  GPtrArray *beforehand;        /* of Authorization: for each mailbox the one to claim, or NULL */
  const char *profile;          /* NULL: none */
  Certificate *replaced;        /* NULL: none */
  gint64 not_before, not_after; /* 0: not given */
} Wish;

static void wish_clear(Wish *wish) {
  g_clear_pointer(&wish->mailboxes, g_ptr_array_unref);
  g_clear_pointer(&wish->beforehand, g_ptr_array_unref);
  g_clear_pointer(&wish->replaced, certificate_row_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Wish, wish_clear)

static Problem *read_identifiers(Call *call, Wish *wish) {
  gboolean dns_too = config_is(call->acme->config, "acme.dns-identifier-compat", "on");
  Problem *problem =
      identifiers_read(json_object_get(call->payload, "identifiers"), dns_too, &wish->mailboxes);
  return problem != NULL ? problem : account_may_authorize(call, wish->mailboxes);
}

static Problem *read_profile(Call *call, Wish *wish) {
  json_t *given = json_object_get(call->payload, "profile");
  const char *name = given != NULL ? json_string_value(given)
                                   : config_text(call->acme->config, "acme.default-profile");
  Profile profile;
  if (name == NULL)
    return problem_new(PROBLEM_MALFORMED, 0, "profile must be a text.");
  wish->profile = given == NULL && *name == '\0' ? NULL : name;
  if (!profile_find(call->acme, wish->profile, &profile))
    return problem_new(PROBLEM_INVALID_PROFILE, 0,
                       "There is no profile \"%s\"; the directory lists those that there are.",
                       name);
  Problem *problem = account_may_use_profile(call, wish->profile);
  return problem != NULL ? problem
                         : validity_read(call, profile.days, &wish->not_before, &wish->not_after);
}

/* An order that time ended holds its certificate no more, also where no sweep has come to it yet.
 */
static Problem *settle_replacing(Call *call, const Certificate *replaced) {
  g_autoptr(GError) error = NULL;
  g_autoptr(Order) holder = NULL;
  gboolean changed = FALSE;
  StoreFind found = order_find_replacing(call->acme->store, &replaced->id, &holder, &error);
  return found == STORE_MISSING ||
                 (found == STORE_FOUND &&
                  state_settle_order(call->acme, call->now, holder, &changed, &error))
             ? NULL
             : problem_internal(&error);
}

static Problem *read_replaces(Call *call, Wish *wish) {
  json_t *replaces = json_object_get(call->payload, "replaces");
  if (replaces == NULL)
    return NULL;
  if (!json_is_string(replaces))
    return problem_new(PROBLEM_MALFORMED, 0,
                       "replaces must be a certificate's identifier, a text.");
  Problem *problem =
      renewal_read_replaces(call, json_string_value(replaces), wish->mailboxes, &wish->replaced);
  return problem != NULL ? problem : settle_replacing(call, wish->replaced);
}

static StoreFind find_free(Call *call, const OrderedMailbox *ordered, Authorization **found,
                           GError **error) {
  return authorization_find_free(call->acme->store, &call->account->id, ordered->type,
                                 ordered->identifier, ordered->mailbox->canonical, call->now, found,
                                 error);
}

/* *found is NULL when there is none. One whose challenge is overdue fails here, where no sweep has
   come to it yet, and the next is looked at. */
static gboolean find_one(Call *call, const OrderedMailbox *ordered, Authorization **found,
                         GError **error) {
  for (;;) {
    g_autoptr(Authorization) seen = NULL, settled = NULL;
    g_autoptr(Challenge) challenge = NULL;
    StoreFind exists = find_free(call, ordered, &seen, error);
    if (exists != STORE_FOUND)
      return exists == STORE_MISSING;
    if (!store_lock_authorization(call->acme->store, &seen->id, error) ||
        challenge_find_by_authorization(call->acme->store, &seen->id, &challenge, error) !=
            STORE_FOUND ||
        !state_settle_challenge(call->acme, call->now, challenge, NULL, error) ||
        authorization_find(call->acme->store, &seen->id, &settled, error) != STORE_FOUND)
      return FALSE;
    if (!settled->claimed && strcmp(seen->status, settled->status) == 0) {
      *found = g_steal_pointer(&settled);
      return TRUE;
    }
  }
}

/* Authorizations made beforehand are taken first; each serves one order. */
static Problem *find_beforehand(Call *call, Wish *wish) {
  g_autoptr(GError) error = NULL;
  wish->beforehand = g_ptr_array_new_with_free_func((GDestroyNotify)authorization_free);
  for (guint i = 0; i < wish->mailboxes->len; i++) {
    Authorization *found = NULL;
    if (!find_one(call, wish->mailboxes->pdata[i], &found, &error))
      return problem_internal(&error);
    g_ptr_array_add(wish->beforehand, found);
  }
  return NULL;
}

static Problem *next_problem(gpointer user, const OrderedMailbox *ordered G_GNUC_UNUSED) {
  Problem ***next = user;
  return *(*next)++;
}

static Problem *spend_limits(Call *call, const Wish *wish) {
  Problem *problems[IDENTIFIERS_MAX] = {NULL}, **next = problems;
  g_autoptr(GPtrArray) mailed = g_ptr_array_new();
  Problem *problem = wish->replaced == NULL ? limit_new_order(call) : NULL;
  for (guint i = 0; i < wish->mailboxes->len; i++) {
    const OrderedMailbox *ordered = wish->mailboxes->pdata[i];
    g_ptr_array_add(mailed, wish->beforehand->pdata[i] == NULL ? ordered->mailbox : NULL);
  }
  limit_challenge_mails(call, mailed, problems);
  return problem_longer(problem, identifiers_check(wish->mailboxes, next_problem, &next));
}

/* --- the objects
 * ---------------------------------------------------------------------------------------- */

static Order *describe(Call *call, const Wish *wish) {
  Order *order = g_rc_box_new0(Order);
  order->id = acme_id(call->acme, call->now);
  order->account_id = call->account->id;
  order->status = g_strdup("pending");
  order->created_at = call->now;
  order->expires_at = call->now + config_number(call->acme->config, "acme.order-lifetime");
  order->profile = g_strdup(wish->profile);
  order->not_before = wish->not_before;
  order->not_after = wish->not_after;
  order->renewal = wish->replaced != NULL;
  if (order->renewal)
    order->replaces = wish->replaced->id;
  for (guint i = 0; i < wish->beforehand->len; i++) {
    const Authorization *claimed = wish->beforehand->pdata[i];
    if (claimed != NULL)
      order->expires_at = MIN(order->expires_at, claimed->expires_at);
  }
  return order;
}

static gboolean claim(Call *call, const Authorization *authorization, const Order *order,
                      gint64 position, GError **error) {
  return authorization_claim(call->acme->store, &authorization->id, &order->id, position, error) ==
             STORE_CHANGED &&
         record(call->acme, call->now, "authorization claimed",
                (About){.authorization = &authorization->id}, error, NULL);
}

static gboolean add_authorizations(Call *call, const Wish *wish, const Order *order,
                                   GError **error) {
  for (guint i = 0; i < wish->mailboxes->len; i++) {
    const Authorization *beforehand = wish->beforehand->pdata[i];
    if (beforehand != NULL) {
      if (!claim(call, beforehand, order, i, error))
        return FALSE;
      continue;
    }
    g_autoptr(Authorization) made = authorization_make(call, wish->mailboxes->pdata[i], &order->id,
                                                       i, order->expires_at, error);
    if (made == NULL)
      return FALSE;
  }
  return TRUE;
}

static guint count_beforehand(const Wish *wish) {
  guint count = 0;
  for (guint i = 0; i < wish->beforehand->len; i++)
    count += wish->beforehand->pdata[i] != NULL;
  return count;
}

/* Then the order may be ready at once: an authorization that is made with it is not valid yet. */
static gboolean all_beforehand(const Wish *wish) {
  return count_beforehand(wish) == wish->beforehand->len;
}

static Problem *create(Call *call, const Wish *wish) {
  g_autoptr(GError) error = NULL;
  g_autoptr(Order) order = describe(call, wish);
  StoreChange inserted = order_insert(call->acme->store, order, &error);
  if (inserted == STORE_UNCHANGED)
    return renewal_already_replaced();
  record_belongs(call->acme, &order->id, &order->id, &order->account_id);
  if (count_beforehand(wish) == 0)
    audit_keep(call->acme->store, &order->id);
  if (inserted == STORE_FAILED ||
      !record(call->acme, call->now, "order created", (About){.order = &order->id}, &error,
              "profile", order->profile, NULL) ||
      !add_authorizations(call, wish, order, &error) ||
      (all_beforehand(wish) && !state_order_authorized(call->acme, call->now, &order->id, &error)))
    return problem_internal(&error);
  return all_beforehand(wish) ? order_answer(call, &order->id, 201) : order_show(call, order, 201);
}

Problem *order_new(Call *call) {
  g_auto(Wish) wish = {0};
  Problem *problem = issuance_refuse(call);
  if (problem == NULL)
    problem = account_hold(call);
  if (problem == NULL)
    problem = read_identifiers(call, &wish);
  if (problem == NULL)
    problem = read_profile(call, &wish);
  if (problem == NULL)
    problem = read_replaces(call, &wish);
  if (problem == NULL)
    problem = find_beforehand(call, &wish);
  if (problem == NULL)
    problem = spend_limits(call, &wish);
  return problem != NULL ? problem : create(call, &wish);
}
