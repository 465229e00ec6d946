/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/bounce.h"

#include <string.h>

/* One bounce under judgement. */
typedef struct {
  const BounceCase *c;
  const DsnFacts *facts;
  const DsnRecipient *recipient; /* what is told of the mailbox, else of the first address */
  gboolean own;                  /* the former */
  Problem *problem;
} Judgement;

static BounceVerdict note(Judgement *j, ProblemType type, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
static BounceVerdict note(Judgement *j, ProblemType type, const char *format, ...) {
  va_list values;
  va_start(values, format);
  g_autofree char *detail = g_strdup_vprintf(format, values);
  va_end(values);
  j->problem = problem_new(type, 0, "%s", detail);
  return BOUNCE_NOTED;
}

static const char *status_of(const DsnRecipient *recipient) {
  return recipient->status != NULL ? recipient->status : "none";
}

static const char *words_of(const DsnRecipient *recipient) {
  return recipient->words != NULL ? recipient->words : "nothing more";
}

/* --- the rules, in the order in which they are asked; BOUNCE_FAILED: go on
 * --------------------------- */

static BounceVerdict rule_first(Judgement *j) {
  return j->c->decided ? BOUNCE_IGNORED : BOUNCE_FAILED;
}

static BounceVerdict rule_readable(Judgement *j) {
  return j->facts->refused == NULL
             ? BOUNCE_FAILED
             : note(j, PROBLEM_UNAUTHORIZED,
                    "A message that is no delivery report came to the sender of the challenge mail "
                    "(%s); it decides nothing.",
                    j->facts->refused);
}

static BounceVerdict rule_report(Judgement *j) {
  static const char *const others[] = {
      [DSN_NONE] = "A message that is no delivery report",
      [DSN_AUTOMATIC] = "An automatic reply (a vacation note, perhaps)",
      [DSN_RECEIPT] = "A receipt of a mail program",
  };
  return j->facts->form == DSN_REPORT || j->facts->form == DSN_TEXT
             ? BOUNCE_FAILED
             : note(j, PROBLEM_UNAUTHORIZED,
                    "%s came to the sender of the challenge mail; it decides nothing. The reply "
                    "with the response belongs to the address in From.",
                    others[j->facts->form]);
}

/* RFC 5321 section 4.5.5. A report is known by its form; words alone may be quoted by anyone. Who
   did is not told: it may be where the mailbox forwards to. */
static BounceVerdict rule_null_sender(Judgement *j) {
  return j->facts->form == DSN_REPORT || *j->c->reverse_path == '\0'
             ? BOUNCE_FAILED
             : note(j, PROBLEM_UNAUTHORIZED,
                    "A message with the words of a bounce came from a mailbox and not from a mail "
                    "server; it decides nothing.");
}

static gboolean is_own(const Judgement *j, const DsnRecipient *recipient) {
  const char *address = recipient->final != NULL ? recipient->final : recipient->original;
  g_autoptr(Mailbox) mailbox = mailbox_parse(address, NULL);
  return mailbox != NULL && mailbox_equal(mailbox, j->c->mailbox, FALSE);
}

static void find_recipient(Judgement *j) {
  const GPtrArray *recipients = j->facts->recipients;
  j->recipient = recipients->pdata[0];
  for (guint i = 0; i < recipients->len && !j->own; i++) {
    j->own = is_own(j, recipients->pdata[i]);
    if (j->own)
      j->recipient = recipients->pdata[i];
  }
}

/* RFC 3464 section 2.3.3: delivered, relayed and expanded are no failures. */
static BounceVerdict rule_undelivered(Judgement *j) {
  find_recipient(j);
  return j->recipient->action >= DSN_DELIVERED ? BOUNCE_IGNORED : BOUNCE_FAILED;
}

/* A failure at another address means that the mailbox forwards: it may keep a copy or forward to
   several, so the mail may have arrived all the same. Whoever ordered need not be its owner and is
   not told where to; the record keeps it. */
static BounceVerdict rule_own(Judgement *j) {
  return j->own ? BOUNCE_FAILED
                : note(j, PROBLEM_CONNECTION,
                       "The mailbox %s forwards the challenge mail to an address where it could "
                       "not be delivered (status %s); whether it arrived elsewhere is unknown.",
                       j->c->mailbox->address, status_of(j->recipient));
}

static BounceVerdict rule_final(Judgement *j) {
  if (j->recipient->action == DSN_DELAYED)
    return note(j, PROBLEM_CONNECTION,
                "The challenge mail to %s is delayed and the mail server tries again (status %s, "
                "it said: %s).",
                j->c->mailbox->address, status_of(j->recipient), words_of(j->recipient));
  return j->recipient->action == DSN_FAILED
             ? BOUNCE_FAILED
             : note(j, PROBLEM_CONNECTION,
                    "A delivery report on the challenge mail to %s does not say whether it failed; "
                    "it decides nothing.",
                    j->c->mailbox->address);
}

/* RFC 3463 section 3.1. A failure with a class of 4 was tried until the server gave up. */
static BounceVerdict rule_status(Judgement *j) {
  const char *status = j->recipient->status;
  if (status == NULL || *status == '2')
    return note(j, PROBLEM_CONNECTION,
                "The challenge mail to %s came back, but without a status code of a failure (it "
                "said: %s); it may not have arrived.",
                j->c->mailbox->address, words_of(j->recipient));
  j->problem = problem_new(PROBLEM_CONNECTION, 0,
                           "The challenge mail to %s came back as undeliverable (status %s, the "
                           "mail server said: %s); check the address and order anew.",
                           j->c->mailbox->address, status, words_of(j->recipient));
  return BOUNCE_FAILED;
}

static const struct {
  const char *name;
  BounceVerdict (*rule)(Judgement *j);
} rules[] = {
    {"first", rule_first},
    {"readable", rule_readable},
    {"report", rule_report},
    {"null-sender", rule_null_sender},
    {"undelivered", rule_undelivered},
    {"own", rule_own},
    {"final", rule_final},
    {"status", rule_status},
};

BounceVerdict bounce_judge(const BounceCase *c, const DsnFacts *facts, const char **rule,
                           Problem **problem) {
  Judgement j = {.c = c, .facts = facts};
  BounceVerdict verdict = BOUNCE_FAILED;
  *rule = "all";
  for (gsize i = 0; verdict == BOUNCE_FAILED && i < G_N_ELEMENTS(rules); i++) {
    verdict = rules[i].rule(&j);
    if (verdict != BOUNCE_FAILED)
      *rule = rules[i].name;
  }
  *problem = j.problem;
  return verdict;
}
