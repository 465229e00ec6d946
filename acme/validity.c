/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/validity.h"
#include "ca/certificate.h"

static Problem *read_time(const json_t *payload, const char *member, gint64 *time) {
  json_t *given = json_object_get(payload, member);
  *time = 0;
  if (given == NULL ||
      (json_is_string(given) && clock_read_rfc3339(json_string_value(given), time) && *time > 0))
    return NULL;
  return problem_new(PROBLEM_MALFORMED, 0, "%s must be a date and time of RFC 3339, after 1970.",
                     member);
}

/* What is wrong with a validity; NULL: nothing. */
static const char *fault(const Acme *acme, gint64 days, gint64 now, gint64 not_before,
                         gint64 not_after) {
  if (not_before < now - VALIDITY_MAX_SHIFT || not_before > now + VALIDITY_MAX_SHIFT)
    return "notBefore must be within 48 hours of now";
  if (not_before < issuer_not_before(acme->issuer))
    return "notBefore must not be before that of the issuing CA";
  if (not_after <= not_before || not_after <= now)
    return "notAfter must be after notBefore and now";
  if (not_after > certificate_not_after(not_before, (guint)days))
    return "notAfter is too late for the life of a certificate of this profile";
  return not_after > issuer_not_after(acme->issuer) ? "notAfter must not be after that of the "
                                                      "issuing CA"
                                                    : NULL;
}

static void complete(const Acme *acme, gint64 days, gint64 now, gint64 *not_before,
                     gint64 *not_after) {
  gint64 backdate = config_number(acme->config, "ca.backdate");
  if (*not_before == 0)
    *not_before = MAX(now - backdate, issuer_not_before(acme->issuer));
  *not_before -= *not_before % CLOCK_SECOND;
  if (*not_after == 0)
    *not_after = certificate_not_after(*not_before, (guint)days);
}

Problem *validity_read(Call *call, gint64 days, gint64 *not_before, gint64 *not_after) {
  Problem *problem = read_time(call->payload, "notBefore", not_before);
  if (problem == NULL)
    problem = read_time(call->payload, "notAfter", not_after);
  if (problem != NULL || (*not_before == 0 && *not_after == 0))
    return problem;
  gint64 begin = *not_before, end = *not_after;
  complete(call->acme, days, call->now, &begin, &end);
  const char *why = fault(call->acme, days, call->now, begin, end);
  if (why == NULL)
    return NULL;
  return problem_new(PROBLEM_MALFORMED, 0,
                     "%s (certificates live at most %" G_GINT64_FORMAT
                     " days); leave notBefore and notAfter out for the usual validity.",
                     why, days);
}

gboolean validity_of(const Acme *acme, const Order *order, gint64 days, gint64 now,
                     gint64 *not_before, gint64 *not_after) {
  *not_before = order->not_before;
  *not_after = order->not_after;
  complete(acme, days, now, not_before, not_after);
  return (order->not_before == 0 && order->not_after == 0) ||
         fault(acme, days, now, *not_before, *not_after) == NULL;
}
