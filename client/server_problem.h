/* SPDX-License-Identifier: Apache-2.0 */
/* Problem documents (RFC 9457, RFC 8555 section 6.7), read for a person. */
#ifndef SIGNET_CLIENT_SERVER_PROBLEM_H
#define SIGNET_CLIENT_SERVER_PROBLEM_H

#include <glib.h>
#include <jansson.h>

#define SERVER_PROBLEM_URN "urn:ietf:params:acme:error:"
#define SERVER_PROBLEM_MAX_SUBPROBLEMS 20 /* that are shown */

/* Whether problem's type is urn:ietf:params:acme:error:NAME. */
gboolean server_problem_is(const json_t *problem, const char *name);

/* "type: detail", then a line for each subproblem with its identifier; escaped. The caller frees
   it. Never NULL, whatever problem is. */
char *server_problem_text(const json_t *problem);

#endif
