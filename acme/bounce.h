/* SPDX-License-Identifier: Apache-2.0 */
/* Judging a message to the reverse-path of a challenge mail (interop.md 22 and 23): one function a
 * rule, a plain list of them. No store. */
#ifndef SIGNET_ACME_BOUNCE_H
#define SIGNET_ACME_BOUNCE_H

#include "acme/problem.h"
#include "base/mailbox.h"
#include "mime/dsn.h"

/* What a bounce is held against. That it came to the tagged reverse-path shows that its sender
   knows how the mail was sent: whoever judges has seen to that. */
typedef struct {
  const Mailbox *mailbox;   /* the identifier */
  const char *reverse_path; /* of the bounce itself; "" is the null one */
  gboolean decided;         /* the challenge has its verdict already */
} BounceCase;

typedef enum {
  BOUNCE_IGNORED, /* no trace but in the record */
  BOUNCE_NOTED,   /* a note, no status changes */
  BOUNCE_FAILED   /* the mail did not reach the mailbox and never will */
} BounceVerdict;

/* rule: name of the rule that decided, static; problem: for the client, NULL when IGNORED. */
BounceVerdict bounce_judge(const BounceCase *c, const DsnFacts *facts, const char **rule,
                           Problem **problem);

#endif
