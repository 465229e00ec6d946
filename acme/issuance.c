/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/issuance.h"
#include "store/audit.h"
#include "store/issuance_stop.h"

#define CLOCK_BACK_LIMIT (5 * CLOCK_MINUTE)
#define STOPPED_RETRY_SECONDS "300"

gboolean issuance_held(Acme *acme, gint64 now, char **why, GError **error) {
  g_autoptr(IssuanceStop) stop = NULL;
  gint64 last = 0;
  *why = NULL;
  if (issuance_stop_find(acme->store, &stop, error) == STORE_LOOKUP_FAILED ||
      !audit_last_time(acme->store, &last, error))
    return FALSE;
  if (stop != NULL)
    *why = g_strdup_printf("the operator has stopped issuance: %s", stop->reason);
  else if (now < last - CLOCK_BACK_LIMIT) /* it would make certificates of the past */
    *why = g_strdup("the clock is more than 5 minutes behind the latest audit record");
  return TRUE;
}

Problem *issuance_refuse(Call *call) {
  g_autoptr(GError) error = NULL;
  g_autoptr(IssuanceStop) stop = NULL;
  StoreFind found = issuance_stop_find(call->acme->store, &stop, &error);
  if (found == STORE_LOOKUP_FAILED)
    return problem_internal(&error);
  if (found == STORE_MISSING)
    return NULL;
  Problem *problem = problem_new(PROBLEM_SERVER_INTERNAL, 503,
                                 "The operator has stopped issuance: %s. Try again later; what is "
                                 "valid or ready stays so until it expires.",
                                 stop->reason);
  problem_set_header(problem, "Retry-After", STOPPED_RETRY_SECONDS);
  return problem;
}
