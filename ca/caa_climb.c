/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/caa_climb.h"

#include "base/log.h"

typedef struct {
  char *domain;
  const char *at; /* into domain */
  gboolean secure;
  CaaAsk ask;
  gpointer source;
  CaaClimbed climbed;
  gpointer user;
} Climb;

static void climb_end(Climb *climb, const ResolverAnswer *found) {
  CaaRecordSet *set = g_new0(CaaRecordSet, 1);
  set->found_at = found->outcome == RESOLVER_FOUND ? g_strdup(climb->at) : NULL;
  set->outcome = found->outcome;
  set->secure = climb->secure && found->secure;
  set->ttl = found->ttl;
  set->records = g_ptr_array_ref(found->rdata);
  set->text = g_strdup(found->text);
  climb->climbed(set, climb->user);
  g_free(climb->domain);
  g_free(climb);
}

static void on_answer(const ResolverAnswer *found, gpointer user) {
  Climb *climb = user;
  const char *parent = found->outcome == RESOLVER_NONE ? caa_parent(climb->at) : NULL;
  log_debug("caa asked", "domain", climb->domain, "at", climb->at, "result", found->text, NULL);
  if (parent == NULL) {
    climb_end(climb, found);
    return;
  }
  climb->secure = climb->secure && found->secure;
  climb->at = parent;
  climb->ask(climb->source, parent, on_answer, climb);
}

void caa_climb(const char *domain, CaaAsk ask, gpointer source, CaaClimbed climbed, gpointer user) {
  Climb *climb = g_new0(Climb, 1);
  climb->domain = g_strdup(domain);
  climb->at = climb->domain;
  climb->secure = TRUE;
  climb->ask = ask;
  climb->source = source;
  climb->climbed = climbed;
  climb->user = user;
  ask(source, climb->at, on_answer, climb);
}
