/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs: what has to be asked of another process next, and what its answer does. Every function runs
   inside a transaction; an answer that comes twice, or late, changes nothing. */
#ifndef SIGNET_ACME_JOB_RUN_H
#define SIGNET_ACME_JOB_RUN_H

#include "acme/acme.h"
#include "base/audit_record.h"
#include "base/perspective.h"
#include "ca/caa.h"
#include "ca/certificate.h"
#include "ca/crl.h"
#include "mime/dsn.h"
#include "mime/reply.h"
#include "smtp/sender.h"
#include "store/job.h"

typedef enum {
  QUESTION_NONE,    /* nothing to ask: the job ended or was put off */
  QUESTION_DELIVER, /* of outbound */
  QUESTION_NOTICE,  /* of outbound */
  QUESTION_IODEF,   /* of outbound */
  QUESTION_EXAMINE, /* of inbound */
  QUESTION_SORT,    /* of inbound: what the message says, without the DNS */
  QUESTION_BOUNCE,  /* of inbound */
  QUESTION_CAA,     /* of lookup */
  QUESTION_BUILD,   /* of the signer */
  QUESTION_LINT,    /* of the linter */
  QUESTION_SIGN,    /* of the signer */
  QUESTION_CRL,
  QUESTION_CHECKPOINT
} QuestionKind;

/* One question and all that it is made of; freed by question_clear. */
typedef struct Question {
  QuestionKind kind;
  Job job;
  /* Said before job_begin: whoever asks can begin the job once more in the handler that takes the
     answer; said by that handler: he is to, for the next step can follow. The job stays taken. */
  gboolean may_go_on, goes_on;
  /* CAA: what is asked at the same time, NULL for nothing. Its answer is taken behind that on CAA,
     in the same handler, when the job goes on; else it is dropped. */
  struct Question *beside;
  /* EXAMINE: whose verdict it brings; DELIVER: its mail's */
  Id challenge;
  /* DELIVER */
  char *envelope_from, *from, *reply_to, *to, *token, *message_id;
  gint64 date;
  /* NOTICE: from, to, message_id, date, and */
  char *notice, *serial, *issuer;
  gint64 not_before, not_after;
  /* IODEF: from, to, message_id, domain, date, and */
  char *incident, *mailboxes, *refusing;
  gint64 refused_at;
  /* EXAMINE, SORT, BOUNCE: octets, date (received); CAA: domain; LINT, SIGN: octets */
  GBytes *octets;
  char *domain;
  /* BUILD */
  CertificateFields fields;
  char **names;
  char *crl_url, *issuer_url;
  gint64 shard;
  GBytes *authority;       /* BUILD, SIGN, CRL: subjectKeyIdentifier of the CA whose key it takes */
  gboolean only_if_logged; /* SIGN: sign nothing, say what is signed already */
  /* CRL */
  CrlFields crl;
  AuditCheckpoint checkpoint;
} Question;

void question_clear(Question *question);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Question, question_clear)

/* Frees the job, to be begun anew at once; attempts count anew. */
gboolean job_anew(Acme *acme, const Job *job, GError **error);
/* Looks at a taken job and fills question, which is empty but for may_go_on. */
gboolean job_begin(Acme *acme, const Job *job, Question *question, GError **error);
/* Whether somebody may wait for what the answer does: a client for the verdict once it responded to
   the challenge, an order for the relay's answer once the challenge is passed. Of other kinds of
   question TRUE, and where the store cannot say. Outside of a transaction too. */
gboolean job_is_awaited(Acme *acme, const Question *question);
/* The process that was asked is gone: the job is free again soon, and this attempt does not count
   but for a message, which may be to blame. */
gboolean job_unanswered(Acme *acme, const Job *job, GError **error);

typedef struct {
  SenderOutcome outcome;
  guint code;
  const char *text;
  GBytes *message; /* as handed over; empty when it was not made */
} Delivery;

gboolean job_delivered(Acme *acme, const Question *question, const Delivery *delivery,
                       GError **error);
gboolean job_notice_delivered(Acme *acme, const Question *question, const Delivery *delivery,
                              GError **error);
gboolean job_iodef_delivered(Acme *acme, const Question *question, const Delivery *delivery,
                             GError **error);
/* answers: of PerspectiveAnswer, may be NULL; evidence: as text, for the record. */
gboolean job_examined(Acme *acme, const Question *question, const ReplyFacts *facts,
                      GPtrArray *signatures, GPtrArray *answers, const char *evidence,
                      GError **error);
gboolean job_bounce_examined(Acme *acme, const Question *question, const DsnFacts *facts,
                             const char *evidence, GError **error);
/* The same for a message of which only its challenge was asked. */
gboolean job_sorted(Acme *acme, const Question *question, const ReplyFacts *facts, GError **error);
gboolean job_caa_answered(Acme *acme, Question *question, const CaaRecordSet *set,
                          GPtrArray *answers, GError **error);
/* failure: why it could not be built, "" when it was; findings: of the lint, "" when there are
 * none. */
gboolean job_built(Acme *acme, Question *question, GBytes *tbs, const char *findings,
                   const char *failure, GError **error);
/* failure: why there is no verdict, "" when there is one. */
gboolean job_linted(Acme *acme, Question *question, const char *findings, const char *failure,
                    GError **error);
/* certificate: empty when only_if_logged was asked and it is not signed. */
gboolean job_signed(Acme *acme, const Question *question, GBytes *certificate, const char *failure,
                    GError **error);
gboolean job_crl_signed(Acme *acme, const Question *question, GBytes *crl, const char *failure,
                        GError **error);

/* spki: of the key that signed. */
gboolean job_checkpoint_signed(Acme *acme, const Question *question, GBytes *signature,
                               GBytes *spki, const char *failure, GError **error);

/* At start: frees what was taken, makes the standing jobs, names every file to be published. */
gboolean jobs_start(Acme *acme, GError **error);

/* One function a kind of job, called by job_begin; judge_job_begin for both kinds of received
   messages. */
gboolean mail_job_begin(Acme *acme, gint64 now, const Job *job, Question *question, GError **error);
gboolean judge_job_begin(Acme *acme, gint64 now, const Job *job, Question *question,
                         GError **error);
gboolean issue_job_begin(Acme *acme, gint64 now, const Job *job, Question *question,
                         GError **error);
gboolean crl_job_begin(Acme *acme, gint64 now, const Job *job, Question *question, GError **error);
gboolean sweep_job_begin(Acme *acme, gint64 now, const Job *job, Question *question,
                         GError **error);
gboolean close_job_begin(Acme *acme, gint64 now, const Job *job, Question *question,
                         GError **error);
gboolean revoke_job_begin(Acme *acme, gint64 now, const Job *job, Question *question,
                          GError **error);
gboolean purge_job_begin(Acme *acme, gint64 now, const Job *job, Question *question,
                         GError **error);
gboolean sort_job_begin(Acme *acme, gint64 now, const Job *job, Question *question, GError **error);
gboolean notice_job_begin(Acme *acme, gint64 now, const Job *job, Question *question,
                          GError **error);
gboolean iodef_job_begin(Acme *acme, gint64 now, const Job *job, Question *question,
                         GError **error);
gboolean checkpoint_job_begin(Acme *acme, gint64 now, const Job *job, Question *question,
                              GError **error);

/* Keeps what the job waits for, for a person. */
gboolean job_waits_for(Acme *acme, const Job *job, GError **error, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

/* Waits between attempts, in milliseconds: step[attempt - 1], then the last one. */
gint64 job_delay(const gint64 *steps, gsize count, gint64 attempt);

#endif
