/* SPDX-License-Identifier: Apache-2.0 */
/* The further perspectives, asked in a role. */
#ifndef SIGNET_DAEMON_PERSPECTIVES_H
#define SIGNET_DAEMON_PERSPECTIVES_H

#include "base/doh.h"
#include "base/perspective.h"
#include "daemon/role.h"

typedef struct Perspectives Perspectives;

/* As the configuration has them; FALSE with error when the file of CAs cannot be read. */
Perspectives *perspectives_from_config(RoleProcess *process, GError **error);
/* 0: there is nobody to ask. */
guint perspectives_count(const Perspectives *perspectives);

/* Questions that are asked together, of all perspectives. */
typedef struct Round Round;

/* answers is of PERSPECTIVE_ANSWERS_TYPE, and belongs to the callee. */
typedef void (*RoundDone)(GVariant *answers, gpointer user);

Round *round_new(Perspectives *perspectives, RoundDone done, gpointer user);
/* Each perspective climbs for itself (RFC 8659 section 3). */
void round_ask_caa(Round *round, const char *domain);
void round_ask(Round *round, int type, const char *name);
/* Adds what the server's own resolver said. */
void round_add(Round *round, int type, const char *name, const ResolverAnswer *found);
/* Nothing more is asked: done is called once all answers are there, perhaps at once. */
void round_close(Round *round);

#endif
