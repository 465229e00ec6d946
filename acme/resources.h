/* SPDX-License-Identifier: Apache-2.0 */
/* The handlers behind the routes, one file a resource. Each fills call->response and returns NULL,
   or returns what was wrong. */
#ifndef SIGNET_ACME_RESOURCES_H
#define SIGNET_ACME_RESOURCES_H

#include "acme/acme.h"
#include "store/authorization.h"
#include "store/challenge.h"
#include "store/order.h"

Problem *directory_get(Call *call);           /* RFC 8555 section 7.1.1 */
Problem *nonce_post(Call *call);              /* 7.2, by POST-as-GET */
Problem *account_new(Call *call);             /* 7.3 */
Problem *account_post(Call *call);            /* 7.3.2, 7.3.6 */
Problem *account_orders(Call *call);          /* 7.1.2.1 */
Problem *key_change_post(Call *call);         /* 7.3.5 */
Problem *authorization_new_post(Call *call);  /* 7.4.1 */
Problem *order_new(Call *call);               /* 7.4 */
Problem *order_post(Call *call);              /* 7.4 */
Problem *order_finalize_post(Call *call);     /* 7.4 */
Problem *authorization_post(Call *call);      /* 7.5 */
Problem *challenge_post(Call *call);          /* 7.5.1 */
Problem *certificate_post(Call *call);        /* 7.4.2 */
Problem *certificate_revoke_post(Call *call); /* 7.6 */
Problem *renewal_info_get(Call *call);        /* RFC 9773 section 4 */

/* Answers with an order or authorization as it is now; order_show: as it was just read or made. */
Problem *order_answer(Call *call, const Id *id, guint status);
Problem *order_show(Call *call, const Order *order, guint status);
Problem *authorization_answer(Call *call, const Id *id, guint status);
/* The caller's order of the path; settled, so that what time ended is shown as ended. */
Problem *order_load(Call *call, Order **order);

/* Answers with the account object. */
void account_answer(Call *call, const Account *account, guint status);
/* The same, as it is in the store now. */
Problem *account_answer_now(Call *call, const Id *id, guint status);
/* The policy of account keys; badPublicKey when key breaks it or is known to be compromised. */
Problem *account_check_key(const Call *call, const Jwk *key);

/* The JSON form of an object, a new reference; NULL with error. */
json_t *challenge_json(Acme *acme, const Challenge *challenge, GError **error);

/* Adds Retry-After while the challenge is undecided: soon when a reply is being judged, later when
   a person has to write one. */
gboolean challenge_retry_after(Call *call, const Challenge *challenge, GError **error);

/* The refusal for an object that is not there or not the caller's: the same for both. */
Problem *resource_missing(void);
/* The refusal for a payload where only POST-as-GET is taken. */
Problem *resource_post_as_get_only(const Call *call);

#endif
