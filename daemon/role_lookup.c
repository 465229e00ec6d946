/* SPDX-License-Identifier: Apache-2.0 */
/* lookup: CAA questions (ca/caa_climb.h). Knows no answer that would be right. */
#include "ca/caa_climb.h"
#include "daemon/resolver_options.h"
#include "daemon/role.h"

/* A question of core; the role's state is its Resolver. */
typedef struct {
  RoleProcess *process;
  guint generation; /* of the core that asked */
  guint64 id;
} Lookup;

static void ask_resolver(gpointer source, const char *name, ResolverAnswered answered,
                         gpointer user) {
  RoleProcess *process = source;
  resolver_ask(process->state, name, RESOLVER_CAA,
               (int)config_number(process->config, "dns.timeout"), answered, user);
}

static void on_climbed(CaaRecordSet *found, gpointer user) {
  g_autofree Lookup *lookup = user;
  g_autoptr(CaaRecordSet) set = found;
  GVariantBuilder records;
  g_variant_builder_init(&records, G_VARIANT_TYPE("aay"));
  for (guint i = 0; i < set->records->len; i++)
    g_variant_builder_add_value(&records, message_from_octets(set->records->pdata[i]));
  role_answer(lookup->process, lookup->generation, MESSAGE_CAA_ANSWER, lookup->id,
              g_variant_new("(ubxmsaays)", (guint32)set->outcome, set->secure, set->ttl,
                            set->found_at, &records, set->text));
}

static void on_core_says(Channel *channel G_GNUC_UNUSED, guint kind G_GNUC_UNUSED, guint64 id,
                         GVariant *body, int fd G_GNUC_UNUSED, gpointer user) {
  RoleProcess *process = user;
  Lookup *lookup = g_new0(Lookup, 1);
  *lookup = (Lookup){process, process->core_generation, id};
  caa_climb(g_variant_get_string(body, NULL), ask_resolver, process, on_climbed, lookup);
}

static gboolean start(RoleProcess *process, GError **error) {
  process->state = resolver_from_config(process, error);
  return process->state != NULL;
}

const RoleTable role_lookup = {.role = ROLE_LOOKUP, .start = start, .received = on_core_says};
