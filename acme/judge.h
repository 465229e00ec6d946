/* SPDX-License-Identifier: Apache-2.0 */
/* Judging a reply rule by rule (RFC 8823 section 3.2): one function a rule, a plain list of them.
 * No store. */
#ifndef SIGNET_ACME_JUDGE_H
#define SIGNET_ACME_JUDGE_H

#include "acme/problem.h"
#include "base/mailbox.h"
#include "mime/reply.h"

/* What a reply is held against. */
typedef struct {
  const char *token1;
  const Mailbox *mailbox;       /* the identifier */
  const guint8 *digest;         /* REPLY_DIGEST_OCTETS: the expected one */
  GPtrArray *former_digests;    /* of GBytes: those of keys that the account had meanwhile; NULL */
  gint64 received_at, deadline; /* milliseconds */
  gboolean decided;             /* the challenge has its verdict already */
  gboolean strict_fields;       /* DKIM h= must hold all twelve names of RFC 8823 */
  gboolean exact_case;          /* of the local part */
} JudgeCase;

typedef enum {
  JUDGE_IGNORED, /* proves nothing about the challenge: no trace but in the log */
  JUDGE_NOTED,   /* names the token but breaks a rule: a note, no status changes */
  JUDGE_AGAIN,   /* a key could not be had: to be examined again */
  JUDGE_WRONG,   /* authenticated, with another digest: the one chance is spent */
  JUDGE_PASSED
} JudgeVerdict;

/* The settings in a case as they are kept with a verdict; the caller frees the text. And back;
   FALSE when it is none. */
char *judge_settings_text(gboolean strict_fields, gboolean exact_case);
gboolean judge_settings_read(JudgeCase *c, const char *text);

/* rule: name of the rule that decided, static; problem: for the client, NULL when IGNORED or
 * PASSED. */
JudgeVerdict judge_reply(const JudgeCase *c, const ReplyFacts *facts, GPtrArray *signatures,
                         const char **rule, Problem **problem);

/* SHA-256 (token1 token2 "." thumbprint), what the block of a right reply holds. */
void judge_expected_digest(const char *token1, const char *token2, const char *thumbprint,
                           guint8 digest[REPLY_DIGEST_OCTETS]);

#endif
