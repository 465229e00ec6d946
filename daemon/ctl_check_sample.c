/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl check sample: the random sample of a self-audit (S/MIME BR 8.7): the greater of 30
   certificates and 3 percent of those issued in the period. */
#include "base/clock.h"
#include "daemon/ctl_ask.h"
#include "daemon/ctl_audit.h"
#include "daemon/ctl_check.h"
#include "store/authorization.h"
#include "store/caa_check.h"
#include "store/challenge.h"
#include "store/message.h"

#include <stdio.h>
#include <string.h>

#define LEAST 30
#define LEAST_PERCENT 3
#define PERIOD (92 * CLOCK_DAY)
#define ROWS_AT_ONCE 500
#define CAA_SHOWN 100 /* answers of one order */

typedef struct {
  gint64 since, until;
  gint percent;
  guint32 seed;
} Plan;

static const char to_look_at[] =
    "For each certificate look at:\n"
    "  - the reply of every mailbox: its DKIM signature, From and digest (signetctl order show)\n"
    "  - the times: the reply within 24 hours of the first token part, the certificate after it\n"
    "  - the CAA answers, not older than 8 hours at the signature, and that they permit this CA\n"
    "  - the certificate by another linter than the CA's own\n"
    "  - the audit records of order and certificate (signetctl audit export)\n"
    "  - the terms that the account agreed to, and the CPS of that day\n"
    "Keep this text, the seed and what you found with the records of the self-audit.\n";

/* --- drawing
 * -----------------------------------------------------------------------------------------------
 */

/* Ids of the certificates issued in the period, in their order. NULL on failure. */
static GArray *candidates(CtlCheck *check, const Plan *plan, GError **error) {
  g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(Id));
  g_autoptr(GPtrArray) page = NULL;
  Id last = {{0}};
  do {
    g_clear_pointer(&page, g_ptr_array_unref);
    page = certificate_list(check->store, &last, ROWS_AT_ONCE, error);
    for (guint i = 0; page != NULL && i < page->len; i++) {
      const Certificate *certificate = page->pdata[i];
      last = certificate->id;
      if (certificate->der != NULL && certificate->issued_at >= plan->since &&
          certificate->issued_at < plan->until)
        g_array_append_val(ids, certificate->id);
    }
  } while (page != NULL && page->len > 0);
  return page != NULL ? g_steal_pointer(&ids) : NULL;
}

static guint sample_size(guint all, gint percent) {
  guint64 share = ((guint64)all * (guint64)percent + 99) / 100;
  return (guint)MIN((guint64)all, MAX(share, (guint64)LEAST));
}

/* The first count of ids become a random choice of them. */
static void draw(GArray *ids, guint count, guint32 seed) {
  GRand *random = g_rand_new_with_seed(seed);
  for (guint i = 0; i < count; i++) {
    guint other = (guint)g_rand_int_range(random, (gint32)i, (gint32)ids->len);
    Id kept = g_array_index(ids, Id, i);
    g_array_index(ids, Id, i) = g_array_index(ids, Id, other);
    g_array_index(ids, Id, other) = kept;
  }
  g_rand_free(random);
}

/* --- showing
 * -----------------------------------------------------------------------------------------------
 */

static gboolean show_mailbox(CtlCheck *check, const Authorization *authorization, GError **error) {
  g_autoptr(Challenge) challenge = NULL;
  StoreFind found =
      challenge_find_by_authorization(check->store, &authorization->id, &challenge, error);
  if (found == STORE_LOOKUP_FAILED)
    return FALSE;
  if (found == STORE_MISSING) {
    printf("    mailbox %s: its challenge is not there\n", authorization->address);
    return TRUE;
  }
  g_autoptr(GPtrArray) mails = message_list(check->store, &challenge->id, "out", error);
  g_autoptr(GPtrArray) replies = message_list(check->store, &challenge->id, "in", error);
  g_autofree char *at =
      challenge->validated_at != 0 ? clock_rfc3339(challenge->validated_at) : g_strdup("never");
  if (mails == NULL || replies == NULL)
    return FALSE;
  printf("    mailbox %s: validated %s; %u mails and %u replies kept\n", authorization->address, at,
         mails->len, replies->len);
  return TRUE;
}

static gboolean show_validation(CtlCheck *check, const Id *order, GError **error) {
  g_autoptr(GPtrArray) authorizations = authorization_list(check->store, order, error);
  g_autoptr(GPtrArray) checks =
      authorizations != NULL ? caa_check_list(check->store, order, CAA_SHOWN, error) : NULL;
  if (checks == NULL)
    return FALSE;
  for (guint i = 0; i < authorizations->len; i++)
    if (!show_mailbox(check, authorizations->pdata[i], error))
      return FALSE;
  for (guint i = 0; i < checks->len; i++) {
    const CaaCheck *caa = checks->pdata[i];
    g_autofree char *at = clock_rfc3339(caa->at);
    printf("    CAA of %s: %s %s\n", caa->domain, caa->verdict, at);
  }
  return TRUE;
}

static gboolean show_one(CtlCheck *check, guint number, const Id *id, GError **error) {
  char order[ID_TEXT], account[ID_TEXT];
  g_autoptr(Certificate) certificate = NULL;
  if (certificate_find(check->store, id, &certificate, error) != STORE_FOUND)
    return FALSE;
  g_autoptr(GPtrArray) faults = ctl_check_certificate(check, certificate, error);
  if (faults == NULL)
    return FALSE;
  g_autofree char *serial = ctl_check_serial(certificate->serial);
  g_autofree char *issued = clock_rfc3339(certificate->issued_at);
  g_autofree char *end = clock_rfc3339(certificate->not_after);
  printf("%u. certificate %s\n    issued %s, until %s%s; order %s, account %s\n", number, serial,
         issued, end, certificate->revoked_at != 0 ? ", revoked" : "",
         id_text(&certificate->order_id, order), id_text(&certificate->account_id, account));
  if (!show_validation(check, &certificate->order_id, error))
    return FALSE;
  if (faults->len == 0)
    printf("    octets, signature, row and lint: good\n");
  for (guint i = 0; i < faults->len; i++)
    printf("    FAULT: %s\n", (const char *)faults->pdata[i]);
  check->report.faults += faults->len;
  return TRUE;
}

static gboolean show_sample(CtlCheck *check, const Plan *plan, GError **error) {
  g_autoptr(GArray) ids = candidates(check, plan, error);
  if (ids == NULL)
    return FALSE;
  guint count = sample_size(ids->len, plan->percent);
  g_autofree char *since = clock_rfc3339(plan->since);
  g_autofree char *until = clock_rfc3339(plan->until);
  draw(ids, count, plan->seed);
  printf("Self-audit (S/MIME BR 8.7): %u of %u certificates issued from %s to before %s\n"
         "repeated by: signetctl check sample --since %s --until %s --percent %d --seed %u\n\n",
         count, ids->len, since, until, since, until, plan->percent, plan->seed);
  for (guint i = 0; i < count; i++)
    if (!show_one(check, i + 1, &g_array_index(ids, Id, i), error))
      return FALSE;
  printf("\n%s", to_look_at);
  return TRUE;
}

/* --- the command
 * ------------------------------------------------------------------------------------------- */

static gboolean read_time(const char *text, const char *option, gint64 *at) {
  if (text == NULL || clock_read_rfc3339(text, at))
    return TRUE;
  ctl_misused("--%s is no time like 2026-01-31T00:00:00Z", option);
  return FALSE;
}

static gboolean make_plan(Plan *plan, const char *since, const char *until, gint64 seed) {
  plan->until = clock_now(&clock_system) / CLOCK_SECOND * CLOCK_SECOND;
  if (!read_time(until, "until", &plan->until))
    return FALSE;
  plan->since = plan->until - PERIOD;
  if (!read_time(since, "since", &plan->since))
    return FALSE;
  if (plan->percent < LEAST_PERCENT || plan->percent > 100 || seed > G_MAXUINT32) {
    ctl_misused("--percent is from %d (S/MIME BR 8.7) to 100, --seed at most %u", LEAST_PERCENT,
                G_MAXUINT32);
    return FALSE;
  }
  plan->seed = seed >= 0 ? (guint32)seed : g_random_int();
  return TRUE;
}

int ctl_check_sample(int argc, char **argv) {
  g_autofree char *config = NULL, *since = NULL, *until = NULL;
  g_auto(GStrv) issuers = NULL;
  gint64 seed = -1;
  Plan plan = {.percent = LEAST_PERCENT};
  const GOptionEntry options[] = {
      {"config", 'c', 0, G_OPTION_ARG_FILENAME, &config,
       "Configuration of the server (" CTL_DEFAULT_CONFIG ")", "FILE"},
      {"since", 0, 0, G_OPTION_ARG_STRING, &since,
       "When the period begins: the --until of the sample before (92 days before --until)", "TIME"},
      {"until", 0, 0, G_OPTION_ARG_STRING, &until, "Where it ends, not included (now)", "TIME"},
      {"percent", 'p', 0, G_OPTION_ARG_INT, &plan.percent,
       "Share of the certificates issued, never less than 30 of them (3)", "N"},
      {"seed", 0, 0, G_OPTION_ARG_INT64, &seed, "Draws the sample of that seed again (random)",
       "N"},
      {"issuer", 'i', 0, G_OPTION_ARG_FILENAME_ARRAY, &issuers,
       "Certificate of an issuing CA that the configuration has no more; may be given again",
       "FILE"},
      G_OPTION_ENTRY_NULL};
  g_autoptr(GError) error = NULL;
  if (!ctl_options("check sample",
                   "Draws the random sample of a self-audit (S/MIME BR 8.7), and says what to look "
                   "at.",
                   options, argc, argv) ||
      !make_plan(&plan, since, until, seed))
    return CTL_USAGE;
  g_auto(CtlCheck) check = {.config = ctl_audit_config(config)};
  if (check.config == NULL)
    return CTL_USAGE;
  ctl_report_init(&check.report, FALSE);
  if (!ctl_check_open(&check, (const char *const *)issuers, &error) ||
      !show_sample(&check, &plan, &error)) {
    ctl_failed("no sample drawn", &error);
    return CTL_USAGE;
  }
  return check.report.faults == 0 ? CTL_DONE : CTL_FAILED;
}
