/* SPDX-License-Identifier: Apache-2.0 */
/* Whether enough network perspectives say what the server's own resolver said, and the record of
   their answers (ca-rules 13). */
#ifndef SIGNET_ACME_PERSPECTIVE_JUDGE_H
#define SIGNET_ACME_PERSPECTIVE_JUDGE_H

#include "acme/acme.h"
#include "base/perspective.h"
#include "ca/caa.h"

/* Of the answers to the CAA question for domain, as many as must be permissions (S/MIME BR 4.2.2.1:
   each judged by itself, whether or not the records are the same): CAA_PERMITTED. CAA_FORBIDDEN:
   too many forbid; CAA_TRY_AGAIN: it hangs on those that failed. Without perspectives
   CAA_PERMITTED. *explanation (the caller frees it) names count and perspectives; NULL without any.
 */
CaaVerdict perspective_judge_caa(const Config *config, const CaaRequest *request,
                                 const char *domain, GPtrArray *answers, char **explanation);

/* A good signature (of DkimSignature) whose key too few perspectives see becomes DKIM_TEMPORARY: it
   proves nothing yet. How many see each key, for the record; NULL: there was none to see, or no
   perspective; the caller frees it. */
char *perspective_judge_keys(const Config *config, GPtrArray *signatures, GPtrArray *answers);

/* Keeps the answers with an order or a received message. */
gboolean perspective_record(Acme *acme, const Id *subject, GPtrArray *answers, GError **error);

#endif
