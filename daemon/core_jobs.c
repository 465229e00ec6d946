/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs handed out to the other roles as questions, and their answers. */
#include "acme/checkpoint_job.h"
#include "acme/issuing_ca.h"
#include "acme/record.h"
#include "base/log.h"
#include "daemon/core.h"

#include <stdlib.h>

#define MAX_OPEN 64 /* questions open at one process */
#define BATCH 64    /* jobs of one kind taken in one turn, but for those that are long */
#define BROKEN_JOB_DELAY CLOCK_MINUTE
#define UNREADABLE_WAIT CLOCK_SECOND /* until the store is asked again for what is due */

/* --- questions as messages
 * -------------------------------------------------------------------------------- */

static GVariant *deliver_body(const Question *q) {
  const guint32 attempts = (guint32)q->job.attempts;
  const NormalFormPart parts[] = {
      normal_form_text(q->envelope_from), normal_form_text(q->from),
      normal_form_text(q->reply_to),      normal_form_text(q->to),
      normal_form_text(q->token),         normal_form_text(q->message_id),
      NORMAL_FORM_NUMBER(q->date),        NORMAL_FORM_NUMBER(attempts),
  };
  return message_join(MESSAGE_DELIVER, parts);
}

static GVariant *notice_body(const Question *q) {
  return g_variant_new("(ssssssxxxu)", q->notice, q->from, q->to, q->message_id, q->serial,
                       q->issuer, q->not_before, q->not_after, q->date, (guint32)q->job.attempts);
}

static GVariant *iodef_body(const Question *q) {
  return g_variant_new("(sssssssxxu)", q->from, q->to, q->message_id, q->incident, q->domain,
                       q->mailboxes, q->refusing, q->refused_at, q->date, (guint32)q->job.attempts);
}

static GVariant *examination(const Question *q, guint8 ask) {
  const NormalFormPart parts[] = {normal_form_octets(q->octets), NORMAL_FORM_NUMBER(q->date),
                                  NORMAL_FORM_NUMBER(ask)};
  return message_join(MESSAGE_EXAMINE, parts);
}

static GVariant *examine_body(const Question *q) {
  return examination(q, 1);
}

/* Anybody may send there: no question in the DNS before a challenge is found. */
static GVariant *sort_body(const Question *q) {
  return examination(q, 0);
}

static GVariant *bounce_body(const Question *q) {
  return message_from_octets(q->octets);
}

static GVariant *caa_body(const Question *q) {
  return g_variant_new_string(q->domain);
}

static GVariant *build_body(const Question *q) {
  const CertificateFields *f = &q->fields;
  const guint8 sign = f->sign ? 1 : 0, encrypt = f->encrypt ? 1 : 0;
  const guint8 non_repudiation = f->non_repudiation ? 1 : 0;
  const guint32 profile = f->profile;
  g_autoptr(GBytes) names = normal_form_texts(f->names, g_strv_length((char **)f->names));
  const NormalFormPart parts[] = {
      normal_form_octets(q->authority),
      normal_form_octets(f->serial),
      normal_form_octets(f->spki),
      normal_form_octets(names),
      NORMAL_FORM_NUMBER(f->not_before),
      NORMAL_FORM_NUMBER(f->not_after),
      NORMAL_FORM_NUMBER(sign),
      NORMAL_FORM_NUMBER(encrypt),
      NORMAL_FORM_NUMBER(non_repudiation),
      NORMAL_FORM_NUMBER(profile),
      normal_form_text(f->crl_url),
      normal_form_text(f->issuer_url),
  };
  return message_join(MESSAGE_BUILD, parts);
}

static GVariant *sign_body(const Question *q) {
  const guint8 only_if_logged = q->only_if_logged ? 1 : 0;
  const NormalFormPart parts[] = {normal_form_octets(q->authority), normal_form_octets(q->octets),
                                  NORMAL_FORM_NUMBER(only_if_logged)};
  return message_join(MESSAGE_SIGN, parts);
}

static GVariant *lint_body(const Question *q) {
  return message_from_octets(q->octets);
}

static GVariant *crl_body(const Question *q) {
  GVariantBuilder entries;
  g_variant_builder_init(&entries, G_VARIANT_TYPE("a(ayxi)"));
  for (guint i = 0; i < q->crl.entries->len; i++) {
    const CrlEntry *entry = q->crl.entries->pdata[i];
    g_variant_builder_add(&entries, "(@ayxi)", message_from_octets(entry->serial),
                          entry->revoked_at, (gint32)entry->reason);
  }
  return g_variant_new("(@ayxxxsa(ayxi))", message_from_octets(q->authority), q->crl.number,
                       q->crl.this_update, q->crl.next_update, q->crl.url != NULL ? q->crl.url : "",
                       &entries);
}

static GVariant *checkpoint_body(const Question *q) {
  const AuditCheckpoint *c = &q->checkpoint;
  g_autoptr(GBytes) chain = g_bytes_new(&c->chain, ID_OCTETS);
  g_autoptr(GBytes) hash = g_bytes_new(c->hash, AUDIT_HASH_OCTETS);
  return g_variant_new("(@ayx@ayxx)", message_from_octets(chain), c->number,
                       message_from_octets(hash), c->at, c->previous);
}

/* --- answers
 * ---------------------------------------------------------------------------------------------- */

static const char *const outcomes[SENDER_OUTCOMES] = {[SENDER_ACCEPTED] = "accepted",
                                                      [SENDER_TEMPORARY] = "refused for now",
                                                      [SENDER_UNREACHED] = "not reached",
                                                      [SENDER_NO_TLS] = "without TLS",
                                                      [SENDER_PERMANENT] = "refused"};

static const char *mail_name(QuestionKind kind) {
  return kind == QUESTION_DELIVER ? "challenge" : kind == QUESTION_NOTICE ? "notice" : "iodef";
}

static gboolean take_outcome(Core *core, CoreItem *item,
                             gboolean (*take)(Acme *, const Question *, const Delivery *,
                                              GError **),
                             GError **error) {
  NormalFormPart parts[4];
  message_split(item->body, parts);
  guint32 outcome = normal_form_to_uint32(&parts[0]);
  Delivery delivery = {.code = normal_form_to_uint32(&parts[1]),
                       .text = normal_form_to_text(&parts[2])};
  if (outcome >= SENDER_OUTCOMES)
    role_die_of_nonsense(ROLE_OUTBOUND, "an unknown outcome");
  g_autoptr(GBytes) message = message_part(item->body, &parts[3]);
  delivery.outcome = (SenderOutcome)outcome;
  metrics_add(core->acme.metrics, METRIC_MAILS, 1, mail_name(item->question->kind),
              outcomes[outcome], NULL);
  delivery.message = message;
  return take(&core->acme, item->question, &delivery, error);
}

static gboolean take_delivered(Core *core, CoreItem *item, GError **error) {
  return take_outcome(core, item, job_delivered, error);
}

static gboolean take_notice_delivered(Core *core, CoreItem *item, GError **error) {
  return take_outcome(core, item, job_notice_delivered, error);
}

static gboolean take_iodef_delivered(Core *core, CoreItem *item, GError **error) {
  return take_outcome(core, item, job_iodef_delivered, error);
}

static gboolean take_evidence(Core *core, CoreItem *item, GError **error) {
  g_autoptr(ReplyFacts) facts = NULL;
  g_autoptr(GPtrArray) signatures = NULL;
  g_autoptr(GVariant) evidence = g_variant_get_child_value(item->body, 0);
  g_autoptr(GVariant) others = g_variant_get_child_value(item->body, 1);
  g_autoptr(GPtrArray) answers = perspective_answers_read(others);
  /* The message is durable and would come again: it is set aside, whoever is to blame. */
  if (answers == NULL || !reply_evidence_read(evidence, &facts, &signatures, NULL)) {
    log_error("nonsense received", "from", role_names[ROLE_INBOUND], "reason",
              "evidence that cannot be", NULL);
    facts = g_new0(ReplyFacts, 1);
    facts->refused = g_strdup("it could not be examined");
    facts->token = g_strdup("");
    signatures = g_ptr_array_new();
  }
  if (item->question->job.kind == JOB_SORT)
    return job_sorted(&core->acme, item->question, facts, error);
  g_autofree char *text = normal_form_print(evidence);
  return job_examined(&core->acme, item->question, facts, signatures, answers, text, error);
}

static gboolean take_bounce_evidence(Core *core, CoreItem *item, GError **error) {
  g_autoptr(DsnFacts) facts = dsn_evidence_read(item->body);
  if (facts == NULL) { /* as for a reply */
    log_error("nonsense received", "from", role_names[ROLE_INBOUND], "reason",
              "evidence that cannot be", NULL);
    facts = dsn_facts_new();
    facts->refused = g_strdup("it could not be examined");
  }
  g_autofree char *text = normal_form_print(item->body);
  return job_bounce_examined(&core->acme, item->question, facts, text, error);
}

static gboolean take_caa(Core *core, CoreItem *item, GError **error) {
  NormalFormPart parts[7];
  g_autoptr(CaaRecordSet) set = g_new0(CaaRecordSet, 1);
  g_autoptr(GVariant) others = g_variant_get_child_value(item->body, 6);
  message_split(item->body, parts);
  guint32 outcome = normal_form_to_uint32(&parts[0]);
  g_autoptr(GPtrArray) answers = perspective_answers_read(others);
  if (outcome > RESOLVER_FOUND || answers == NULL)
    role_die_of_nonsense(ROLE_LOOKUP, "an unknown outcome");
  set->outcome = (ResolverOutcome)outcome;
  set->secure = normal_form_to_boolean(&parts[1]);
  set->ttl = normal_form_to_int64(&parts[2]);
  set->found_at = g_strdup(normal_form_to_text(&parts[3]));
  set->text = g_strdup(normal_form_to_text(&parts[5]));
  set->records = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
  g_autoptr(GArray) records = normal_form_items("aay", parts[4]);
  for (guint i = 0; i < records->len; i++)
    g_ptr_array_add(set->records,
                    message_part(item->body, &g_array_index(records, NormalFormPart, i)));
  return job_caa_answered(&core->acme, item->question, set, answers, error);
}

static gboolean take_built(Core *core, CoreItem *item, GError **error) {
  NormalFormPart parts[3];
  message_split(item->body, parts);
  g_autoptr(GBytes) tbs = message_part(item->body, &parts[0]);
  return job_built(&core->acme, item->question, tbs, normal_form_to_text(&parts[1]),
                   normal_form_to_text(&parts[2]), error);
}

static gboolean take_linted(Core *core, CoreItem *item, GError **error) {
  const char *findings = NULL, *failure = NULL;
  g_variant_get(item->body, "(&s&s)", &findings, &failure);
  return job_linted(&core->acme, item->question, findings, failure, error);
}

static gboolean take_signed(Core *core, CoreItem *item, GError **error) {
  NormalFormPart parts[2];
  message_split(item->body, parts);
  g_autoptr(GBytes) certificate = message_part(item->body, &parts[0]);
  return job_signed(&core->acme, item->question, certificate, normal_form_to_text(&parts[1]),
                    error);
}

static gboolean take_crl(Core *core, CoreItem *item, GError **error) {
  g_autoptr(GVariant) octets = NULL;
  const char *failure = NULL;
  g_variant_get(item->body, "(@ay&s)", &octets, &failure);
  g_autoptr(GBytes) crl = message_octets(octets);
  return job_crl_signed(&core->acme, item->question, crl, failure, error);
}

static gboolean take_checkpoint(Core *core, CoreItem *item, GError **error) {
  g_autoptr(GVariant) octets = NULL, key = NULL;
  const char *failure = NULL;
  g_variant_get(item->body, "(@ay@ay&s)", &octets, &key, &failure);
  g_autoptr(GBytes) signature = message_octets(octets);
  g_autoptr(GBytes) spki = message_octets(key);
  return job_checkpoint_signed(&core->acme, item->question, signature, spki, failure, error);
}

/* --- one row a kind of question
 * --------------------------------------------------------------------------- */

static const struct {
  const char *step; /* what it is called among metrics */
  Role role;
  guint kind;
  GVariant *(*body)(const Question *question);
  gboolean (*take)(Core *core, CoreItem *item, GError **error);
} asking[] = {
    [QUESTION_DELIVER] = {"mail", ROLE_OUTBOUND, MESSAGE_DELIVER, deliver_body, take_delivered},
    [QUESTION_NOTICE] = {"notice", ROLE_OUTBOUND, MESSAGE_NOTICE, notice_body,
                         take_notice_delivered},
    [QUESTION_IODEF] = {"iodef", ROLE_OUTBOUND, MESSAGE_IODEF, iodef_body, take_iodef_delivered},
    [QUESTION_EXAMINE] = {"examine", ROLE_INBOUND, MESSAGE_EXAMINE, examine_body, take_evidence},
    [QUESTION_SORT] = {"sort", ROLE_INBOUND, MESSAGE_EXAMINE, sort_body, take_evidence},
    [QUESTION_BOUNCE] = {"bounce", ROLE_INBOUND, MESSAGE_EXAMINE_BOUNCE, bounce_body,
                         take_bounce_evidence},
    [QUESTION_CAA] = {"caa", ROLE_LOOKUP, MESSAGE_CAA, caa_body, take_caa},
    [QUESTION_BUILD] = {"build", ROLE_SIGNER, MESSAGE_BUILD, build_body, take_built},
    [QUESTION_LINT] = {"lint", ROLE_LINTER, MESSAGE_LINT, lint_body, take_linted},
    [QUESTION_SIGN] = {"sign", ROLE_SIGNER, MESSAGE_SIGN, sign_body, take_signed},
    [QUESTION_CRL] = {"crl", ROLE_SIGNER, MESSAGE_SIGN_CRL, crl_body, take_crl},
    [QUESTION_CHECKPOINT] = {"checkpoint", ROLE_SIGNER, MESSAGE_CHECKPOINT, checkpoint_body,
                             take_checkpoint},
};

void core_measure_step(Core *core, const Question *question, gint64 asked_at, gboolean answered) {
  const char *step = asking[question->kind].step;
  double seconds = (double)(g_get_monotonic_time() - asked_at) / G_USEC_PER_SEC;
  if (answered)
    metrics_observe(core->acme.metrics, METRIC_STEP_SECONDS, seconds, step, NULL);
  else
    metrics_add(core->acme.metrics, METRIC_STEPS_LOST, 1, step, NULL);
}

/* --- handing out
 * ------------------------------------------------------------------------------------------ */

/* The roles that a kind of job may need: it is taken only while they can be asked. */
static const RoleSet needed[JOB_KINDS] = {
    [JOB_MAIL] = ROLE_BIT(ROLE_OUTBOUND),
    [JOB_NOTICE] = ROLE_BIT(ROLE_OUTBOUND),
    [JOB_IODEF] = ROLE_BIT(ROLE_OUTBOUND),
    [JOB_JUDGE] = ROLE_BIT(ROLE_INBOUND),
    [JOB_BOUNCE] = ROLE_BIT(ROLE_INBOUND),
    [JOB_SORT] = ROLE_BIT(ROLE_INBOUND),
    [JOB_ISSUE] = ROLE_BIT(ROLE_LOOKUP) | ROLE_BIT(ROLE_SIGNER),
    [JOB_CRL] = ROLE_BIT(ROLE_SIGNER),
    [JOB_CHECKPOINT] = ROLE_BIT(ROLE_SIGNER),
};

/* The channel to a role that has the fewest open questions; NULL when none may be asked now. */
static Channel *core_channel(Core *core, Role role) {
  Channel *best = NULL;
  for (guint i = 0; i < core->channels->len; i++) {
    Channel *channel = core->channels->pdata[i];
    if (channel_peer(channel) == role && channel_open_questions(channel) < MAX_OPEN &&
        (best == NULL || channel_open_questions(channel) < channel_open_questions(best)))
      best = channel;
  }
  return best;
}

static gboolean can_ask(Core *core, JobKind kind) {
  RoleSet roles = needed[kind];
  if (kind == JOB_ISSUE && *config_text(core->acme.config, "ca.linter") != '\0')
    roles |= ROLE_BIT(ROLE_LINTER);
  for (guint role = 0; role < ROLE_COUNT; role++)
    if ((roles & ROLE_BIT(role)) != 0 && core_channel(core, (Role)role) == NULL)
      return FALSE;
  return TRUE;
}

static void ask(Core *core, Question *question) {
  Question *beside = question->beside;
  core_ask(core, core_channel(core, asking[question->kind].role), asking[question->kind].kind,
           asking[question->kind].body(question), question);
  if (beside == NULL)
    return;
  core_ask_beside(core, core_channel(core, asking[beside->kind].role), asking[beside->kind].kind,
                  asking[beside->kind].body(beside));
}

/* The question of a taken job, if it has one, leaves with the commit. */
static gboolean begin(Core *core, const Job *job, GError **error) {
  Question *question = g_new0(Question, 1);
  question->may_go_on = TRUE;
  gboolean begun = job_begin(&core->acme, job, question, error);
  if (begun && question->kind != QUESTION_NONE) {
    ask(core, question);
  } else {
    question_clear(question);
    g_free(question);
  }
  return begun;
}

static gboolean begin_job(Core *core, const Job *job, GError **error) {
  g_autoptr(GError) failure = NULL;
  guint published = core->acme.publications->len;
  guint events = core->acme.events != NULL ? core->acme.events->len : 0;
  if (!store_handler_begin(core->acme.store, error))
    return FALSE;
  gboolean keep = begin(core, job, &failure);
  if (core_must_run_again(failure, error) || !store_handler_end(core->acme.store, keep, error))
    return FALSE;
  if (keep)
    return TRUE;
  g_ptr_array_set_size(core->acme.publications, (gint)published);
  record_undo(&core->acme, events);
  log_error("job cannot begin", "job", job_names[job->kind], "reason",
            failure != NULL ? failure->message : "what it is about is missing", NULL);
  return job_again(core->acme.store, job, clock_now(core->acme.clock) + BROKEN_JOB_DELAY, TRUE,
                   error);
}

gboolean core_ask_checkpoint(Core *core, GError **error) {
  Channel *channel = core_channel(core, ROLE_SIGNER);
  Question *question = g_new0(Question, 1);
  question->job.kind = JOB_CHECKPOINT;
  gboolean good = checkpoint_ask(&core->acme, clock_now(core->acme.clock), question, error);
  core->stop_covered = good && question->kind != QUESTION_CHECKPOINT;
  core->stop_open = good && channel != NULL && !core->stop_covered;
  if (core->stop_open)
    core_ask(core, channel, MESSAGE_CHECKPOINT, checkpoint_body(question), question);
  else
    g_free(question);
  return good;
}

/* A revocation list may have 20,000 entries: requests come in between two. */
static guint batch_of(JobKind kind) {
  return kind == JOB_CRL ? 1 : BATCH;
}

static gint64 lease_of(const Core *core) {
  return core->shared != NULL ? CORE_SHARED_LEASE : CORE_LEASE;
}

/* Takes those of a kind that are due, from limit downwards. */
static gboolean hand_out(Core *core, JobKind kind, gint64 now, guint *limit, GError **error) {
  g_autoptr(GArray) jobs = g_array_new(FALSE, FALSE, sizeof(Job));
  guint most = MIN(*limit, batch_of(kind));
  if (most == 0 || !can_ask(core, kind))
    return TRUE;
  if (!job_take(core->acme.store, kind, now, now + lease_of(core), most, jobs, error))
    return FALSE;
  *limit -= jobs->len;
  for (guint i = 0; i < jobs->len; i++)
    if (!begin_job(core, &g_array_index(jobs, Job, i), error))
      return FALSE;
  return TRUE;
}

gboolean core_hand_out_jobs(Core *core, guint limit, gint64 *next, GError **error) {
  gint64 due[JOB_KINDS], now = clock_now(core->acme.clock);
  guint left = limit;
  *next = G_MAXINT64;
  core->held_up = FALSE;
  if (!job_next_all(core->acme.store, now, due, error))
    return FALSE;
  for (guint kind = 0; kind < JOB_KINDS; kind++) {
    if (due[kind] <= now && !hand_out(core, (JobKind)kind, now, &left, error))
      return FALSE;
    if (can_ask(core, (JobKind)kind))
      *next = MIN(*next, due[kind] <= now ? G_MAXINT64 : due[kind]);
    else if (due[kind] <= now)
      core->held_up = TRUE;
  }
  if (left == 0)
    *next = now;
  return TRUE;
}

gint64 core_next_job(Core *core) {
  gint64 due[JOB_KINDS], first = G_MAXINT64, now = clock_now(core->acme.clock);
  if (!job_next_all(core->acme.store, now, due, NULL))
    return UNREADABLE_WAIT;
  for (guint kind = 0; kind < JOB_KINDS; kind++)
    if (can_ask(core, (JobKind)kind))
      first = MIN(first, due[kind]);
  return first == G_MAXINT64 ? -1 : CLAMP(first - now, 0, CLOCK_HOUR);
}

/* --- taking answers
 * ---------------------------------------------------------------------------------------------- */

/* The checkpoint over the stop alone is asked without a taken job. */
static gboolean is_of_stop(const Question *question) {
  return question->job.attempts == 0;
}

/* Another core may have taken the job when this one was not heard of for long, or it was never
   taken or is free again, where a commit was in doubt; then what was found out is of no use. */
static StoreFind is_held(Core *core, const Question *question, GError **error) {
  if (core->shared == NULL || is_of_stop(question))
    return STORE_FOUND;
  StoreFind held = job_held(core->acme.store, &question->job, error);
  if (held == STORE_MISSING)
    log_warning("answer dropped", "job", job_names[question->job.kind], "reason",
                "the job is not this core's any more", NULL);
  return held;
}

/* The job stays taken and goes on, or is begun anew when somebody cannot be asked now. */
static gboolean go_on(Core *core, const Job *job, GError **error) {
  return can_ask(core, job->kind) ? begin(core, job, error) : job_anew(&core->acme, job, error);
}

static gboolean take_answers(Core *core, CoreItem *item, GError **error) {
  Question *question = item->question, *beside = question->beside;
  question->goes_on = FALSE; /* the handler may be run again */
  if (!asking[question->kind].take(core, item, error))
    return FALSE;
  if (question->goes_on && beside != NULL && item->beside != NULL) {
    CoreItem other = {.body = item->beside, .question = beside};
    beside->goes_on = FALSE;
    if (!asking[beside->kind].take(core, &other, error))
      return FALSE;
    question = beside;
  }
  return !question->goes_on || go_on(core, &question->job, error);
}

static gboolean run_answer(Core *core, CoreItem *item, GError **error) {
  if (is_of_stop(item->question))
    core->stop_open = FALSE;
  StoreFind held = is_held(core, item->question, error);
  if (held != STORE_FOUND)
    return held == STORE_MISSING;
  return item->body != NULL ? take_answers(core, item, error)
                            : job_unanswered(&core->acme, &item->question->job, error);
}

/* The handler's own work is undone: the job is put off, in what is left of the turn. */
static void answer_failed(Core *core, CoreItem *item) {
  g_autoptr(GError) error = NULL;
  if (!job_again(core->acme.store, &item->question->job,
                 clock_now(core->acme.clock) + BROKEN_JOB_DELAY, TRUE, &error))
    log_error("job not put off", "job", job_names[item->question->job.kind], "reason",
              error->message, NULL);
}

CoreItem *core_answer_item(Question *question, GVariant *body, GVariant *beside) {
  CoreItem *item = g_new0(CoreItem, 1);
  item->run = run_answer;
  item->failed = answer_failed;
  item->kind = asking[question->kind].kind;
  item->body = body;
  item->beside = beside;
  item->question = question;
  return item;
}
