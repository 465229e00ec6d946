/* SPDX-License-Identifier: Apache-2.0 */
/* Which path leads to which handler, and who may call it. */
#ifndef SIGNET_ACME_ROUTE_H
#define SIGNET_ACME_ROUTE_H

#include "acme/acme.h"

typedef enum {
  ROUTE_GET,     /* GET and HEAD, no signature */
  ROUTE_OPEN,    /* the same, and POST-as-GET signed by an account (RFC 8555 section 6.3) */
  ROUTE_EDGE,    /* the same, but GET and HEAD are answered by the edge itself */
  ROUTE_KEY,     /* POST signed by the key that it carries */
  ROUTE_ACCOUNT, /* POST signed by an account */
  ROUTE_EITHER
} RouteAccess;

typedef struct {
  /* The path, or what stands before and after its id; a "*" at the end stands for anything without
     "/", but not for nothing. */
  const char *prefix, *suffix;
  gboolean has_id;
  RouteAccess access;
  Problem *(*handle)(Call *call);
} Route;

extern const Route routes[];
extern const gsize routes_count;

/* The route of a path below the base URL, with the id in it; NULL when there is none. */
const Route *route_find(const char *path, Id *id, const char **tail);
/* The methods that a route takes, as in the field Allow (RFC 9110 section 10.2.1). */
const char *route_methods(const Route *route);
/* id and what "*" stands for (a part of path, NULL without) are set. */
gboolean route_match(const Route *route, const char *path, Id *id, const char **tail);

#endif
