/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/perspectives.h"

#include "base/clock.h"
#include "ca/caa_climb.h"

#define ATTEMPTS 2 /* a failure is often a connection that grew old */

struct Perspectives {
  GPtrArray *list; /* of Perspective */
  Doh *doh;        /* NULL when there are none */
  int timeout;
};

struct Round {
  Perspectives *perspectives;
  GVariantBuilder answers;
  guint open; /* answers to come, and one until round_close */
  RoundDone done;
  gpointer user;
};

/* One question of a round to one perspective. */
typedef struct {
  Round *round;
  const Perspective *perspective;
  int type;
  char *name;
} Asked;

/* One name on its way to one perspective. */
typedef struct {
  const Asked *asked;
  char *name;
  guint attempts;
  ResolverAnswered answered;
  gpointer user;
} Attempt;

Perspectives *perspectives_from_config(RoleProcess *process, GError **error) {
  Perspectives *perspectives = g_new0(Perspectives, 1);
  GError *failure = NULL;
  perspectives->list = perspective_list(process->config);
  perspectives->timeout = (int)config_number(process->config, "dns.timeout");
  g_autoptr(GBytes) ca = role_read_file(process, "dns-perspectives-ca", &failure);
  if (failure != NULL) {
    g_propagate_error(error, failure);
    return NULL;
  }
  if (ca != NULL && perspectives->list->len > 0)
    perspectives->doh = doh_new(process->base, ca);
  return perspectives;
}

guint perspectives_count(const Perspectives *perspectives) {
  return perspectives->doh != NULL ? perspectives->list->len : 0;
}

Round *round_new(Perspectives *perspectives, RoundDone done, gpointer user) {
  Round *round = g_new0(Round, 1);
  round->perspectives = perspectives;
  round->open = 1;
  round->done = done;
  round->user = user;
  g_variant_builder_init(&round->answers, G_VARIANT_TYPE(PERSPECTIVE_ANSWERS_TYPE));
  return round;
}

void round_close(Round *round) {
  if (--round->open > 0)
    return;
  RoundDone done = round->done;
  gpointer user = round->user;
  GVariant *answers = g_variant_ref_sink(g_variant_builder_end(&round->answers));
  g_free(round);
  done(answers, user);
}

static void add_answer(Round *round, int type, const char *name, const char *perspective,
                       const CaaRecordSet *found) {
  PerspectiveAnswer answer = {
      .type = type,
      .question = (char *)name,
      .perspective = (char *)perspective,
      .at = clock_now(&clock_system),
      .outcome = found->outcome,
      .secure = found->secure,
      .found_at = found->found_at,
      .data = found->records,
      .text = found->text,
  };
  g_variant_builder_add_value(&round->answers, perspective_answer_pack(&answer));
}

void round_add(Round *round, int type, const char *name, const ResolverAnswer *found) {
  CaaRecordSet set = {.outcome = found->outcome,
                      .secure = found->secure,
                      .records = found->rdata,
                      .text = (char *)found->text};
  add_answer(round, type, name, PERSPECTIVE_PRIMARY, &set);
}

static void asked_end(Asked *asked, const CaaRecordSet *found) {
  Round *round = asked->round;
  add_answer(round, asked->type, asked->name, asked->perspective->name, found);
  g_free(asked->name);
  g_free(asked);
  round_close(round);
}

/* --- asking
 * ------------------------------------------------------------------------------------------------------
 */

static void ask_once(Attempt *attempt);

static void on_attempt(const ResolverAnswer *found, gpointer user) {
  Attempt *attempt = user;
  if (found->outcome == RESOLVER_TEMPORARY && ++attempt->attempts < ATTEMPTS) {
    ask_once(attempt);
    return;
  }
  ResolverAnswered answered = attempt->answered;
  gpointer asker = attempt->user;
  g_free(attempt->name);
  g_free(attempt);
  answered(found, asker);
}

static void ask_once(Attempt *attempt) {
  const Perspectives *perspectives = attempt->asked->round->perspectives;
  doh_ask(perspectives->doh, attempt->asked->perspective->url, attempt->name, attempt->asked->type,
          perspectives->timeout, on_attempt, attempt);
}

static void ask(gpointer source, const char *name, ResolverAnswered answered, gpointer user) {
  Attempt *attempt = g_new0(Attempt, 1);
  *attempt = (Attempt){source, g_strdup(name), 0, answered, user};
  ask_once(attempt);
}

static Asked *asked_new(Round *round, guint i, int type, const char *name) {
  Asked *asked = g_new0(Asked, 1);
  *asked = (Asked){round, round->perspectives->list->pdata[i], type, g_strdup(name)};
  round->open++;
  return asked;
}

static void on_climbed(CaaRecordSet *found, gpointer user) {
  g_autoptr(CaaRecordSet) set = found;
  asked_end(user, set);
}

void round_ask_caa(Round *round, const char *domain) {
  for (guint i = 0; i < perspectives_count(round->perspectives); i++) {
    Asked *asked = asked_new(round, i, RESOLVER_CAA, domain);
    caa_climb(domain, ask, asked, on_climbed, asked);
  }
}

static void on_answer(const ResolverAnswer *found, gpointer user) {
  CaaRecordSet set = {.outcome = found->outcome,
                      .secure = found->secure,
                      .records = found->rdata,
                      .text = (char *)found->text};
  asked_end(user, &set);
}

void round_ask(Round *round, int type, const char *name) {
  for (guint i = 0; i < perspectives_count(round->perspectives); i++) {
    Asked *asked = asked_new(round, i, type, name);
    ask(asked, name, on_answer, asked);
  }
}
