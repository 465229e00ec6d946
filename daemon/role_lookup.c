/* SPDX-License-Identifier: Apache-2.0 */
/* lookup: CAA questions, climbing (RFC 8659 section 3). Knows no answer that would be right. */
#include "base/log.h"
#include "ca/caa.h"
#include "daemon/resolver_options.h"
#include "daemon/role.h"

#define TYPE_CAA 257

/* One climb from a domain to the top; the role's state is its Resolver. */
typedef struct {
  RoleProcess *process;
  guint generation; /* of the core that asked */
  guint64 id;
  char *domain;
  const char *at; /* into domain */
  gboolean secure;
  int timeout;
} Climb;

static void climb_free(Climb *climb) {
  g_free(climb->domain);
  g_free(climb);
}

static void answer(Climb *climb, const ResolverAnswer *found) {
  GVariantBuilder records;
  g_variant_builder_init(&records, G_VARIANT_TYPE("aay"));
  for (guint i = 0; i < found->rdata->len; i++)
    g_variant_builder_add_value(&records, message_from_octets(found->rdata->pdata[i]));
  role_answer(climb->process, climb->generation, MESSAGE_CAA_ANSWER, climb->id,
              g_variant_new("(ubxmsaays)", (guint32)found->outcome, climb->secure && found->secure,
                            found->ttl, found->outcome == RESOLVER_FOUND ? climb->at : NULL,
                            &records, found->text));
  climb_free(climb);
}

static void on_answer(const ResolverAnswer *found, gpointer user) {
  Climb *climb = user;
  const char *parent = found->outcome == RESOLVER_NONE ? caa_parent(climb->at) : NULL;
  log_debug("caa asked", "domain", climb->domain, "at", climb->at, "result", found->text, NULL);
  if (parent == NULL) {
    answer(climb, found);
    return;
  }
  climb->secure = climb->secure && found->secure;
  climb->at = parent;
  resolver_ask(climb->process->state, parent, TYPE_CAA, climb->timeout, on_answer, climb);
}

static void on_core_says(Channel *channel G_GNUC_UNUSED, guint kind G_GNUC_UNUSED, guint64 id,
                         GVariant *body, int fd G_GNUC_UNUSED, gpointer user) {
  RoleProcess *process = user;
  Climb *climb = g_new0(Climb, 1);
  climb->process = process;
  climb->generation = process->core_generation;
  climb->id = id;
  climb->domain = g_variant_dup_string(body, NULL);
  climb->at = climb->domain;
  climb->secure = TRUE;
  climb->timeout = (int)config_number(process->config, "dns.timeout");
  resolver_ask(process->state, climb->at, TYPE_CAA, climb->timeout, on_answer, climb);
}

static gboolean start(RoleProcess *process, GError **error) {
  process->state = resolver_from_config(process, error);
  return process->state != NULL;
}

const RoleTable role_lookup = {.role = ROLE_LOOKUP, .start = start, .received = on_core_says};
