/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/authorization_new.h"
#include "acme/account_right.h"
#include "acme/challenge_mail_job.h"
#include "acme/limit.h"
#include "acme/record.h"
#include "acme/resources.h"
#include "acme/sort_job.h"

/* A multiple of 3: joined as text or as octets the token parts give the same. */
#define TOKEN_OCTETS 24

static Authorization *describe(Call *call, const OrderedMailbox *ordered, const Id *order,
                               gint64 position, gint64 expires_at) {
  Authorization *authorization = g_rc_box_new0(Authorization);
  authorization->id = acme_id(call->acme, call->now);
  authorization->claimed = order != NULL;
  if (order != NULL)
    authorization->order_id = *order;
  authorization->account_id = call->account->id;
  authorization->position = position;
  authorization->type = g_strdup(ordered->type);
  authorization->identifier = g_strdup(ordered->identifier);
  authorization->address = g_strdup(ordered->mailbox->address);
  authorization->canonical = g_strdup(ordered->mailbox->canonical);
  authorization->domain = g_strdup(ordered->mailbox->domain);
  authorization->status = g_strdup("pending");
  authorization->expires_at = expires_at;
  return authorization;
}

static Challenge *make_challenge(Call *call, const Id *authorization) {
  Acme *acme = call->acme;
  Challenge *challenge = g_rc_box_new0(Challenge);
  g_autofree char *tag = acme_tag(acme, call->now);
  challenge->id = acme_id(acme, call->now);
  challenge->authz_id = *authorization;
  challenge->status = g_strdup("pending");
  challenge->token2 = acme_random_token(acme, TOKEN_OCTETS);
  challenge->mail_from =
      g_strdup_printf("acme-challenge+%s@%s", tag, config_text(acme->config, "mail.domain"));
  challenge->mail_sender = sort_is_signed(acme) ? sort_address(acme) : NULL;
  challenge->created_at = call->now;
  challenge->deadline = call->now + config_number(acme->config, "mail.challenge-lifetime");
  return challenge;
}

Authorization *authorization_make(Call *call, const OrderedMailbox *ordered, const Id *order,
                                  gint64 position, gint64 expires_at, GError **error) {
  g_autoptr(Authorization) made = describe(call, ordered, order, position, expires_at);
  g_autoptr(Challenge) challenge = make_challenge(call, &made->id);
  if (order != NULL) {
    record_belongs(call->acme, &made->id, order, &made->account_id);
    record_belongs(call->acme, &challenge->id, order, &made->account_id);
  }
  return authorization_insert(call->acme->store, made, error) &&
                 challenge_insert(call->acme->store, challenge, error) &&
                 record(call->acme, call->now, "authorization created",
                        (About){.authorization = &made->id, .challenge = &challenge->id}, error,
                        "address", made->address, NULL)
             ? g_steal_pointer(&made)
             : NULL;
}

/* --- newAuthz
 * ------------------------------------------------------------------------------------------- */

static Problem *read_identifier(Call *call, GPtrArray **mailboxes) {
  json_t *identifier = json_object_get(call->payload, "identifier");
  gboolean dns_too = config_is(call->acme->config, "acme.dns-identifier-compat", "on");
  if (!json_is_object(identifier))
    return problem_new(PROBLEM_MALFORMED, 0, "newAuthz needs an identifier.");
  json_t *list = json_pack("[O]", identifier);
  Problem *problem = identifiers_read(list, dns_too, mailboxes);
  json_decref(list);
  return problem;
}

/* RFC 8555 section 7.4.1: no certificates for that identifier. */
static Problem *unwilling(Problem *problem) {
  if (problem->type == PROBLEM_REJECTED_IDENTIFIER ||
      problem->type == PROBLEM_UNSUPPORTED_IDENTIFIER)
    problem->status = 403;
  return problem;
}

/* The client has the object already, so its mail may go out (RFC 8823 section 3). */
static Problem *create(Call *call, const OrderedMailbox *ordered) {
  g_autoptr(GError) error = NULL;
  gint64 expires_at = call->now + config_number(call->acme->config, "acme.order-lifetime");
  g_autoptr(Authorization) made = authorization_make(call, ordered, NULL, 0, expires_at, &error);
  g_autoptr(Challenge) challenge = NULL;
  if (made == NULL ||
      challenge_find_by_authorization(call->acme->store, &made->id, &challenge, &error) !=
          STORE_FOUND ||
      !challenge_mail_trigger(call, made, challenge, &error))
    return problem_internal(&error);
  return authorization_answer(call, &made->id, 201);
}

Problem *authorization_new_post(Call *call) {
  g_autoptr(GPtrArray) mailboxes = NULL;
  Problem *problem = read_identifier(call, &mailboxes);
  if (problem == NULL)
    problem = account_hold(call);
  if (problem == NULL)
    problem = account_may_authorize(call, mailboxes);
  if (problem != NULL)
    return unwilling(problem);
  const OrderedMailbox *ordered = mailboxes->pdata[0];
  problem = problem_longer(limit_new_order(call), limit_challenge_mail(call, ordered->mailbox));
  return problem != NULL ? problem : create(call, ordered);
}
