/* SPDX-License-Identifier: Apache-2.0 */
/* lookup: CAA questions (ca/caa_climb.h), asked again of the further perspectives once the resolver
   here has an answer. Knows no answer that would be right. */
#include "ca/caa_climb.h"
#include "daemon/perspectives.h"
#include "daemon/resolver_options.h"
#include "daemon/role.h"

typedef struct {
  Resolver *resolver;
  Perspectives *perspectives;
} LookupRole;

/* A question of core. */
typedef struct {
  RoleProcess *process;
  guint generation; /* of the core that asked */
  guint64 id;
  char *domain;
  CaaRecordSet *found; /* here */
} Lookup;

static void lookup_free(Lookup *lookup) {
  caa_record_set_free(lookup->found);
  g_free(lookup->domain);
  g_free(lookup);
}

static void ask_resolver(gpointer source, const char *name, ResolverAnswered answered,
                         gpointer user) {
  RoleProcess *process = source;
  LookupRole *role = process->state;
  resolver_ask(role->resolver, name, RESOLVER_CAA,
               (int)config_number(process->config, "dns.timeout"), answered, user);
}

static void on_perspectives(GVariant *value, gpointer user) {
  g_autoptr(GVariant) answers = value;
  Lookup *lookup = user;
  const CaaRecordSet *set = lookup->found;
  const guint32 outcome = set->outcome;
  const guint8 secure = set->secure ? 1 : 0;
  g_autofree NormalFormPart *items = g_new(NormalFormPart, set->records->len);
  for (guint i = 0; i < set->records->len; i++)
    items[i] = normal_form_octets(set->records->pdata[i]);
  g_autoptr(GBytes) records = normal_form_array("aay", items, set->records->len);
  const NormalFormPart parts[] = {
      NORMAL_FORM_NUMBER(outcome),  NORMAL_FORM_NUMBER(secure),
      NORMAL_FORM_NUMBER(set->ttl), normal_form_maybe_text(set->found_at),
      normal_form_octets(records),  normal_form_text(set->text),
      normal_form_of(answers)};
  role_answer(lookup->process, lookup->generation, MESSAGE_CAA_ANSWER, lookup->id,
              message_join(MESSAGE_CAA_ANSWER, parts));
  lookup_free(lookup);
}

static void on_climbed(CaaRecordSet *found, gpointer user) {
  Lookup *lookup = user;
  LookupRole *role = lookup->process->state;
  lookup->found = found;
  Round *round = round_new(role->perspectives, on_perspectives, lookup);
  if (found->outcome >= RESOLVER_NONE)
    round_ask_caa(round, lookup->domain);
  round_close(round);
}

static void on_core_says(Channel *channel G_GNUC_UNUSED, guint kind G_GNUC_UNUSED, guint64 id,
                         GVariant *body, int fd G_GNUC_UNUSED, gpointer user) {
  RoleProcess *process = user;
  Lookup *lookup = g_new0(Lookup, 1);
  lookup->process = process;
  lookup->generation = process->core_generation;
  lookup->id = id;
  lookup->domain = g_variant_dup_string(body, NULL);
  caa_climb(lookup->domain, ask_resolver, process, on_climbed, lookup);
}

static gboolean start(RoleProcess *process, GError **error) {
  LookupRole *role = process->state = g_new0(LookupRole, 1);
  role->resolver = resolver_from_config(process, error);
  role->perspectives = role->resolver != NULL ? perspectives_from_config(process, error) : NULL;
  return role->perspectives != NULL;
}

const RoleTable role_lookup = {.role = ROLE_LOOKUP, .start = start, .received = on_core_says};
