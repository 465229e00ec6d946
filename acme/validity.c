/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/validity.h"
#include "base/log.h"
#include "ca/certificate.h"

/* A life that the issuing CA's end makes shorter is of so many days at least. */
#define LEAST_DAYS 30

static Problem *read_time(const json_t *payload, const char *member, gint64 *time) {
  json_t *given = json_object_get(payload, member);
  *time = 0;
  if (given == NULL ||
      (json_is_string(given) && clock_read_rfc3339(json_string_value(given), time) && *time > 0))
    return NULL;
  return problem_new(PROBLEM_MALFORMED, 0, "%s must be a date and time of RFC 3339, after 1970.",
                     member);
}

/* What is wrong with a notBefore, or with a notAfter; NULL: nothing. */
static const char *fault_of_begin(const Acme *acme, gint64 now, gint64 not_before) {
  if (not_before < now - VALIDITY_MAX_SHIFT || not_before > now + VALIDITY_MAX_SHIFT)
    return "notBefore must be within 48 hours of now";
  return not_before < issuer_not_before(acme->issuer)
             ? "notBefore must not be before that of the issuing CA"
             : NULL;
}

static const char *fault_of_end(const Acme *acme, gint64 days, gint64 now, gint64 not_before,
                                gint64 not_after) {
  if (not_after <= not_before || not_after <= now)
    return "notAfter must be after notBefore and now";
  if (not_after > certificate_not_after(not_before, (guint)days))
    return "notAfter is too late for the life of a certificate of this profile";
  return not_after > issuer_not_after(acme->issuer) ? "notAfter must not be after that of the "
                                                      "issuing CA"
                                                    : NULL;
}

/* The end of the usual life, in whole days that the issuing CA sees (ca-rules 20); 0 when hardly
   any are left. */
static gint64 usual_not_after(const Acme *acme, gint64 days, gint64 not_before) {
  gint64 left = (issuer_not_after(acme->issuer) - not_before + CLOCK_SECOND) / CLOCK_DAY;
  return left < MIN(days, LEAST_DAYS) ? 0
                                      : certificate_not_after(not_before, (guint)MIN(days, left));
}

/* Fills in what was not asked for. why: what is wrong with what was; NULL: nothing. */
static Validity complete(const Acme *acme, gint64 days, gint64 now, gint64 *not_before,
                         gint64 *not_after, const char **why) {
  const gboolean asked = *not_before != 0 || *not_after != 0;
  gint64 backdate = config_number(acme->config, "ca.backdate");
  if (*not_before == 0)
    *not_before = MAX(now - backdate, issuer_not_before(acme->issuer));
  *not_before -= *not_before % CLOCK_SECOND;
  *why = asked ? fault_of_begin(acme, now, *not_before) : NULL;
  if (*why == NULL && *not_after == 0)
    *not_after = usual_not_after(acme, days, *not_before);
  if (*why == NULL && *not_after == 0) {
    g_autofree char *end = clock_rfc3339(issuer_not_after(acme->issuer));
    log_error("issuing CA ends too soon for certificates", "not-after", end, NULL);
    return VALIDITY_ISSUER_ENDS;
  }
  if (*why == NULL && asked)
    *why = fault_of_end(acme, days, now, *not_before, *not_after);
  return *why == NULL ? VALIDITY_GOOD : VALIDITY_IMPOSSIBLE;
}

Problem *validity_read(Call *call, gint64 days, gint64 *not_before, gint64 *not_after) {
  Problem *problem = read_time(call->payload, "notBefore", not_before);
  if (problem == NULL)
    problem = read_time(call->payload, "notAfter", not_after);
  if (problem != NULL)
    return problem;
  gint64 begin = *not_before, end = *not_after;
  const char *why = NULL;
  if (complete(call->acme, days, call->now, &begin, &end, &why) == VALIDITY_ISSUER_ENDS)
    return problem_new(PROBLEM_SERVER_INTERNAL, 0,
                       "The end of this server's issuing CA is too near for a certificate of the "
                       "usual validity; its operator has to put another one in place.");
  if (why == NULL)
    return NULL;
  return problem_new(PROBLEM_MALFORMED, 0,
                     "%s (certificates live at most %" G_GINT64_FORMAT
                     " days); leave notBefore and notAfter out for the usual validity.",
                     why, days);
}

Validity validity_of(const Acme *acme, const Order *order, gint64 days, gint64 now,
                     gint64 *not_before, gint64 *not_after) {
  const char *why = NULL;
  *not_before = order->not_before;
  *not_after = order->not_after;
  return complete(acme, days, now, not_before, not_after, &why);
}
