/* SPDX-License-Identifier: Apache-2.0 */
/* The challenge mail: token-part1 is made once and its job is durable (RFC 8823 section 3 step 4).
 */
#ifndef SIGNET_ACME_CHALLENGE_MAIL_JOB_H
#define SIGNET_ACME_CHALLENGE_MAIL_JOB_H

#include "acme/acme.h"
#include "store/authorization.h"
#include "store/challenge.h"

/* Makes token-part1 and the job of the mail to the caller's mailbox if that has not been done and
   the authorization, whose challenge it is, is pending. */
gboolean challenge_mail_trigger(Call *call, const Authorization *authorization,
                                const Challenge *challenge, GError **error);

/* When time is over: a problem in *problem if the mail never left, NULL if nobody replied to it. */
gboolean challenge_mail_missed(Acme *acme, const Challenge *challenge,
                               const Authorization *authorization, Problem **problem,
                               GError **error);

/* What stands in To: the identifier verbatim, as clients compare it. Where U-labels are all in it
   that is not ASCII, A-labels stand for them: such a mail needs no SMTPUTF8. */
const char *challenge_mail_to(const Authorization *authorization);

#endif
