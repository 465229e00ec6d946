/* SPDX-License-Identifier: Apache-2.0 */
/* Network perspectives: resolvers that the operator runs elsewhere, asked what was asked here, so
   that a lie told to one place alone is noticed (S/MIME BR 4.2.2.2; ca-rules 13). */
#ifndef SIGNET_BASE_PERSPECTIVE_H
#define SIGNET_BASE_PERSPECTIVE_H

#include "base/config.h"
#include "base/resolver.h"

#define PERSPECTIVE_MAX 16
#define PERSPECTIVE_PRIMARY "primary" /* the server's own resolver */

typedef struct {
  char *name; /* 1 to 64 of a-z, 0-9, "-" */
  char *url;  /* https */
} Perspective;

/* Reads "NAME URL" as it stands in the configuration; NULL with *why, static text. */
Perspective *perspective_parse(const char *text, const char **why);
void perspective_free(Perspective *perspective);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Perspective, perspective_free)

/* Those of the configuration, which was checked; of Perspective. */
GPtrArray *perspective_list(const Config *config);
/* How many of count must agree: as configured, or else all but one, from six on all but two (TLS BR
   3.2.2.9), but at least one. 0 when count is 0. */
guint perspective_quorum(const Config *config, guint count);
guint perspective_least_quorum(guint count);

/* What one perspective answered to one question. */
typedef struct {
  int type;          /* RESOLVER_CAA, RESOLVER_TXT or RESOLVER_MX */
  char *question;    /* the name asked for */
  char *perspective; /* its name, or PERSPECTIVE_PRIMARY */
  gint64 at;         /* when the answer came, milliseconds */
  ResolverOutcome outcome;
  gboolean secure; /* of a further perspective: as it says itself */
  char *found_at;  /* CAA: the name that has the records; NULL: none */
  GPtrArray *data; /* of GBytes: the records' wire data */
  char *text;      /* why, for a person */
} PerspectiveAnswer;

void perspective_answer_free(PerspectiveAnswer *answer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PerspectiveAnswer, perspective_answer_free)

/* Answers as a value that another process can be given, and back. */
#define PERSPECTIVE_ANSWER_TYPE "(ussxubmsaays)"
#define PERSPECTIVE_ANSWERS_TYPE "a" PERSPECTIVE_ANSWER_TYPE

/* A new (floating) value. */
GVariant *perspective_answer_pack(const PerspectiveAnswer *answer);
/* Of PerspectiveAnswer; NULL when a member has a value that cannot be. */
GPtrArray *perspective_answers_read(GVariant *answers);

#endif
