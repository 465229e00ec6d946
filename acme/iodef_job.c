/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/iodef_job.h"
#include "acme/job_run.h"
#include "acme/limit.h"
#include "acme/notice_job.h"
#include "acme/record.h"
#include "base/log.h"
#include "mime/dmarc.h"
#include "mime/refusal_mail.h"
#include "store/iodef_report.h"

#include <string.h>

#define MESSAGE_ID_LENGTH 26
#define MAX_RECIPIENTS 3                 /* of one report */
#define REPORT_LIFE (3 * CLOCK_DAY)      /* later it is no news */
#define MAX_MAILBOXES REFUSAL_MAX_OCTETS /* the mailboxes asked for, in octets */

static gboolean wanted(const Acme *acme) {
  return config_is(acme->config, "ca.iodef", "mail");
}

/* Whoever has a zone may write any address into it. */
static gboolean is_at_home(const Mailbox *mailbox, const char *home) {
  return g_strcmp0(dmarc_organisational_domain(mailbox->domain), home) == 0;
}

/* The mailboxes at home that the set names; of Mailbox. */
static GPtrArray *recipients_of(const CaaRecordSet *set, const char *home) {
  GPtrArray *recipients = caa_report_mailboxes(set);
  for (guint i = 0; i < recipients->len;) {
    if (home != NULL && i < MAX_RECIPIENTS && is_at_home(recipients->pdata[i], home))
      i++;
    else
      g_ptr_array_remove_index(recipients, i);
  }
  return recipients;
}

/* Those of the order at this domain and no other; NULL on failure. */
static char *mailboxes_at(Acme *acme, const Id *order, const char *domain, GError **error) {
  g_autoptr(GPtrArray) all = authorization_list(acme->store, order, error);
  g_autoptr(GString) text = g_string_new(NULL);
  for (guint i = 0; all != NULL && i < all->len; i++) {
    const Authorization *one = all->pdata[i];
    if (strcmp(one->domain, domain) == 0 && text->len + strlen(one->address) + 2 <= MAX_MAILBOXES)
      g_string_append_printf(text, "%s%s", text->len > 0 ? ", " : "", one->address);
  }
  return all != NULL ? g_strdup(text->str) : NULL;
}

static gboolean queue(Acme *acme, gint64 now, IodefReport *report, GError **error) {
  g_autofree char *word = acme_random_word(acme, MESSAGE_ID_LENGTH);
  g_autofree char *message_id =
      g_strdup_printf("<%s@%s>", word, config_text(acme->config, "mail.domain"));
  report->id = acme_id(acme, now);
  report->message_id = message_id;
  StoreChange added = iodef_report_insert(acme->store, report, error);
  if (added != STORE_CHANGED)
    return added == STORE_UNCHANGED;
  return job_add(acme->store, JOB_IODEF, &report->id, now, error) &&
         record(acme, now, "iodef report queued", (About){.order = &report->order_id}, error,
                "domain", report->domain, "to", report->recipient, NULL);
}

/* The day of the domain, and then one of the server's share for each mail. */
static gboolean queue_all(Acme *acme, gint64 now, const char *home, GPtrArray *recipients,
                          IodefReport *report, GError **error) {
  StoreChange spent = limit_iodef_domain(acme, now, home, error);
  for (guint i = 0; spent == STORE_CHANGED && i < recipients->len; i++) {
    report->recipient = ((Mailbox *)recipients->pdata[i])->address;
    spent = limit_iodef_report(acme, now, error);
    if (spent == STORE_CHANGED && !queue(acme, now, report, error))
      return FALSE;
  }
  if (spent == STORE_UNCHANGED)
    log_info("iodef report left out", "domain", report->domain, "reason", "a limit is reached",
             NULL);
  return spent != STORE_FAILED;
}

gboolean iodef_refused(Acme *acme, gint64 now, const Order *order, const char *domain,
                       const CaaRecordSet *set, const CaaRequest *request, GError **error) {
  g_autofree char *refusing = wanted(acme) ? caa_refusing_record(set, request) : NULL;
  if (refusing == NULL)
    return TRUE;
  const char *home = dmarc_organisational_domain(set->found_at);
  g_autoptr(GPtrArray) recipients = recipients_of(set, home);
  if (recipients->len == 0)
    return TRUE;
  g_autofree char *mailboxes = mailboxes_at(acme, &order->id, domain, error);
  if (mailboxes == NULL)
    return FALSE;
  g_autofree char *shown = g_strndup(refusing, REFUSAL_MAX_OCTETS); /* it is ASCII */
  IodefReport report = {.order_id = order->id,
                        .domain = (char *)domain,
                        .mailboxes = mailboxes,
                        .record = shown,
                        .created_at = now};
  return queue_all(acme, now, home, recipients, &report, error);
}

/* --- the job
 * ----------------------------------------------------------------------------------- */

static gboolean is_due(const Acme *acme, gint64 now, const IodefReport *report) {
  return report->sent_at == 0 && wanted(acme) && now < report->created_at + REPORT_LIFE;
}

gboolean iodef_job_begin(Acme *acme, gint64 now, const Job *job, Question *question,
                         GError **error) {
  g_autoptr(IodefReport) report = NULL;
  char incident[ID_TEXT];
  if (iodef_report_find(acme->store, &job->subject, &report, error) != STORE_FOUND)
    return FALSE;
  if (!is_due(acme, now, report))
    return job_done(acme->store, job, error);
  question->kind = QUESTION_IODEF;
  question->from = notice_sender(acme);
  question->to = g_strdup(report->recipient);
  question->message_id = g_strdup(report->message_id);
  question->incident = g_strdup(id_text(&report->order_id, incident));
  question->domain = g_strdup(report->domain);
  question->mailboxes = g_strdup(report->mailboxes);
  question->refusing = g_strdup(report->record);
  question->refused_at = report->created_at;
  question->date = now;
  return TRUE;
}

static gboolean record_end(Acme *acme, const char *kind, const IodefReport *report,
                           const Delivery *delivery, GError **error) {
  return record(acme, clock_now(acme->clock), kind, (About){.order = &report->order_id}, error,
                "domain", report->domain, "to", report->recipient, "relay", delivery->text, NULL);
}

gboolean job_iodef_delivered(Acme *acme, const Question *question, const Delivery *delivery,
                             GError **error) {
  gint64 now = clock_now(acme->clock);
  const Job *job = &question->job;
  g_autoptr(IodefReport) report = NULL;
  if (iodef_report_find(acme->store, &job->subject, &report, error) != STORE_FOUND)
    return FALSE;
  if (report->sent_at != 0) /* an answer that comes twice changes nothing */
    return job_done(acme->store, job, error);
  if (delivery->outcome == SENDER_ACCEPTED)
    return iodef_report_set_sent(acme->store, &job->subject, now, error) == STORE_CHANGED &&
           record_end(acme, "iodef report sent", report, delivery, error) &&
           job_done(acme->store, job, error);
  if (delivery->outcome == SENDER_PERMANENT)
    return record_end(acme, "iodef report refused", report, delivery, error) &&
           job_done(acme->store, job, error);
  return job_again(acme->store, job, now + notice_delay(job->attempts), TRUE, error);
}
