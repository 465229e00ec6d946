/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/limit.h"
#include "base/network.h"
#include "store/rate.h"

#include <string.h>

static char *period_text(gint64 period) {
  const ClockUnit *unit = clock_unit_of(period);
  gint64 count = period / unit->length;
  return count == 1 ? g_strdup(unit->name)
                    : g_strdup_printf("%" G_GINT64_FORMAT " %ss", count, unit->name);
}

/* name is there for good. */
static Problem *refuse(const Call *call, const char *name, const char *subject, Rate rate,
                       gint64 again_at) {
  gint64 seconds = MAX(1, (again_at - call->now + CLOCK_SECOND - 1) / CLOCK_SECOND);
  g_autofree char *period = period_text(rate.period);
  g_autofree char *time = clock_rfc3339(again_at + CLOCK_SECOND - 1); /* which are cut off */
  g_autofree char *wait = g_strdup_printf("%" G_GINT64_FORMAT, seconds);
  Problem *problem = problem_new(PROBLEM_RATE_LIMITED, 0,
                                 "The limit %s (%" G_GINT64_FORMAT
                                 " per %s) is reached for %s; try again after %s.",
                                 name, rate.count, period, subject, time);
  problem_set_header(problem, "Retry-After", wait);
  problem->limit = name;
  return problem;
}

/* account: whose own budget it is; NULL: the subject's one budget. */
static char *budget_of(const char *subject, const Id *account) {
  char text[ID_TEXT];
  return account != NULL ? g_strconcat(subject, " ", id_text(account, text), NULL)
                         : g_strdup(subject);
}

static gboolean find_rate(Acme *acme, const char *name, const char *subject, Rate *rate,
                          GError **error) {
  g_autofree char *key = g_strconcat("limits.", name, NULL);
  ConfigRate configured = config_rate(acme->config, key);
  *rate = (Rate){configured.count, configured.period};
  return rate_override_find(acme->store, name, subject, rate, error);
}

static Problem *spend_budget(Call *call, const char *name, const char *subject,
                             const char *budget) {
  g_autoptr(GError) error = NULL;
  Rate rate;
  gint64 again_at = 0;
  if (!find_rate(call->acme, name, subject, &rate, &error))
    return problem_internal(&error);
  StoreChange spent =
      rate_spend(call->acme->store, name, budget, rate, call->now, &again_at, &error);
  if (spent == STORE_FAILED)
    return problem_internal(&error);
  return spent == STORE_CHANGED ? NULL : refuse(call, name, subject, rate, again_at);
}

static Problem *spend(Call *call, const char *name, const char *subject) {
  return spend_budget(call, name, subject, subject);
}

/* --- of several mailboxes
 * --------------------------------------------------------------------------------- */

/* One share that is to be spent, and where a refusal of it goes. */
typedef struct {
  const char *name;
  char *subject, *budget;
  Problem **problem;
} Expense;

static void expense_free(gpointer data) {
  Expense *expense = data;
  g_free(expense->subject);
  g_free(expense->budget);
  g_free(expense);
}

static GPtrArray *expenses_new(void) {
  return g_ptr_array_new_with_free_func(expense_free);
}

static void expenses_add(GPtrArray *expenses, const char *name, const char *subject,
                         const Id *account, Problem **problem) {
  Expense *expense = g_new0(Expense, 1);
  *expense = (Expense){name, g_strdup(subject), budget_of(subject, account), problem};
  g_ptr_array_add(expenses, expense);
}

static gint expense_compare(gconstpointer one, gconstpointer other) {
  const Expense *a = *(Expense *const *)one, *b = *(Expense *const *)other;
  int names = strcmp(a->name, b->name);
  return names != 0 ? names : strcmp(a->budget, b->budget);
}

/* Each locks its row for other writers to the end of the transaction. Clients name the same
   mailboxes in any order; the rows are taken in one, so that none waits for another in a ring. */
static void spend_all(Call *call, GPtrArray *expenses) {
  g_ptr_array_sort(expenses, expense_compare);
  for (guint i = 0; i < expenses->len; i++) {
    const Expense *one = expenses->pdata[i];
    *one->problem =
        problem_longer(*one->problem, spend_budget(call, one->name, one->subject, one->budget));
  }
}

/* --- the limits
 * ------------------------------------------------------------------------------------------- */

Problem *limit_new_account(Call *call) {
  g_autofree char *network = network_of(call->request->peer);
  return spend(call, "accounts-per-network", network);
}

Problem *limit_change(Call *call) {
  char account[ID_TEXT];
  return spend(call, "changes-per-account", id_text(&call->account->id, account));
}

Problem *limit_new_order(Call *call) {
  g_autofree char *network = network_of(call->request->peer);
  char account[ID_TEXT], key[ID_TEXT];
  Problem *problem = spend(call, "orders-per-account", id_text(&call->account->id, account));
  problem = problem_longer(problem, spend(call, "orders-per-network", network));
  if (call->account->bound)
    problem = problem_longer(problem, spend(call, "orders-per-external-account",
                                            id_text(&call->account->external_key_id, key)));
  return problem;
}

/* Whether the account has shown that the mailbox is its own, or an operator vouches for it. */
static gboolean is_trusted(Call *call, const Mailbox *mailbox, gboolean *trusted, GError **error) {
  StoreFind served =
      call->account->bound
          ? STORE_FOUND
          : authorization_served(call->acme->store, &call->account->id, mailbox->canonical, error);
  *trusted = served == STORE_FOUND;
  return served != STORE_LOOKUP_FAILED;
}

/* Mails are counted without tags: a new one for each mail would be no limit. */
char *limit_subject(const char *name, const Mailbox *mailbox) {
  return g_str_has_prefix(name, "mails-") ? mailbox_without_tag(mailbox)
                                          : g_strdup(mailbox->canonical);
}

static void expect_mail(GPtrArray *expenses, const char *name, const Mailbox *mailbox,
                        const Id *account, Problem **problem) {
  g_autofree char *subject = limit_subject(name, mailbox);
  expenses_add(expenses, name, subject, account, problem);
}

static gboolean expect_challenge_mail(Call *call, GPtrArray *expenses, const Mailbox *mailbox,
                                      Problem **problem, GError **error) {
  gboolean trusted = FALSE;
  if (!is_trusted(call, mailbox, &trusted, error))
    return FALSE;
  const Id *own = trusted ? &call->account->id : NULL;
  char account[ID_TEXT];
  if (!trusted) {
    expenses_add(expenses, "mails-per-account", id_text(&call->account->id, account), NULL,
                 problem);
    expect_mail(expenses, "mails-per-mailbox-account", mailbox, &call->account->id, problem);
  }
  expect_mail(expenses, "mails-per-mailbox-hour", mailbox, own, problem);
  expect_mail(expenses, "mails-per-mailbox-day", mailbox, own, problem);
  expenses_add(expenses, "mails-per-domain", mailbox->domain, own, problem);
  return TRUE;
}

void limit_challenge_mails(Call *call, GPtrArray *mailboxes, Problem **problems) {
  g_autoptr(GPtrArray) expenses = expenses_new();
  for (guint i = 0; i < mailboxes->len; i++) {
    g_autoptr(GError) error = NULL;
    const Mailbox *mailbox = mailboxes->pdata[i];
    if (mailbox != NULL && !expect_challenge_mail(call, expenses, mailbox, &problems[i], &error))
      problems[i] = problem_internal(&error);
  }
  spend_all(call, expenses);
}

Problem *limit_challenge_mail(Call *call, Mailbox *mailbox) {
  Problem *problem = NULL;
  g_autoptr(GPtrArray) mailboxes = g_ptr_array_new();
  g_ptr_array_add(mailboxes, mailbox);
  limit_challenge_mails(call, mailboxes, &problem);
  return problem;
}

gboolean limit_mail_leaves(Call *call, const Authorization *authorization, gint64 deadline,
                           gint64 *at, GError **error) {
  static const char limit[] = "mails-per-mailbox-hour";
  gboolean trusted = FALSE;
  Rate rate;
  g_autoptr(Mailbox) mailbox = mailbox_parse(authorization->address, error);
  if (mailbox == NULL || !is_trusted(call, mailbox, &trusted, error))
    return FALSE;
  g_autofree char *subject = limit_subject(limit, mailbox);
  g_autofree char *budget = budget_of(subject, trusted ? &call->account->id : NULL);
  return find_rate(call->acme, limit, subject, &rate, error) &&
         rate_reserve(call->acme->store, "mails-leaving", budget, rate, *at, MAX(0, deadline - *at),
                      at, error) != STORE_FAILED;
}

Problem *limit_finalization(Call *call) {
  char account[ID_TEXT];
  return spend(call, "finalizations-per-account", id_text(&call->account->id, account));
}

Problem *limit_certificate(Call *call, GPtrArray *authorizations) {
  Problem *problem = NULL;
  g_autoptr(GPtrArray) expenses = expenses_new();
  for (guint i = 0; i < authorizations->len; i++)
    expenses_add(expenses, "certificates-per-mailbox",
                 ((Authorization *)authorizations->pdata[i])->canonical, NULL, &problem);
  spend_all(call, expenses);
  return problem;
}

StoreChange limit_iodef_domain(Acme *acme, gint64 now, const char *domain, GError **error) {
  static const Rate one = {1, CLOCK_DAY};
  gint64 again_at = 0;
  return rate_spend(acme->store, "iodef-reports-domain", domain, one, now, &again_at, error);
}

/* The subject is the domain that the mails come from. */
StoreChange limit_iodef_report(Acme *acme, gint64 now, GError **error) {
  static const char limit[] = "iodef-reports";
  const char *subject = config_text(acme->config, "mail.domain");
  gint64 again_at = 0;
  Rate rate;
  return find_rate(acme, limit, subject, &rate, error)
             ? rate_spend(acme->store, limit, subject, rate, now, &again_at, error)
             : STORE_FAILED;
}
