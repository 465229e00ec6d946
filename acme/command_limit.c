/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl limit: other limits for one subject than those of the configuration. */
#include "acme/command.h"
#include "acme/limit.h"
#include "acme/record.h"
#include "base/mailbox.h"
#include "base/network.h"
#include "store/rate.h"

#include <string.h>

#define TEXT_MAX 1000 /* octets of an argument */

/* --- arguments
 * --------------------------------------------------------------------------------------------- */

/* The keys of the group [limits]. */
static gboolean read_name(Command *command, const char **name) {
  g_autoptr(GString) known = g_string_new(NULL);
  if (!command_needs_text(command, "name", TEXT_MAX, name))
    return FALSE;
  for (gsize i = 0; i < config_keys_count; i++) {
    if (strcmp(config_keys[i].group, "limits") != 0)
      continue;
    if (strcmp(config_keys[i].name, *name) == 0)
      return TRUE;
    g_string_append_printf(known, "%s%s", known->len > 0 ? ", " : "", config_keys[i].name);
  }
  return command_refuse(command, "There is no limit \"%s\"; there are: %s.", *name, known->str);
}

/* The network that counts for an address ("192.0.2.7", "192.0.2.7/24" -> "192.0.2.0/24"); NULL for
   one of another size, which no limit counts by. */
static char *canonical_network(const char *text) {
  g_auto(GStrv) parts = g_strsplit(text, "/", 2);
  if (!g_hostname_is_ip_address(parts[0]))
    return NULL;
  g_autofree char *network = network_of(parts[0]);
  const char *bits = strchr(network, '/');
  if (parts[1] != NULL && (bits == NULL || strcmp(bits + 1, parts[1]) != 0))
    return NULL;
  return g_steal_pointer(&network);
}

static char *canonical_address(const char *name, const char *text) {
  g_autoptr(Mailbox) mailbox = mailbox_parse(text, NULL);
  return mailbox != NULL ? limit_subject(name, mailbox) : NULL;
}

static char *canonical_id_or_domain(const char *text) {
  Id id;
  return id_from_text(text, &id) ? g_strdup(text) : mailbox_domain_to_ascii(text, NULL);
}

/* In the form in which what is limited is counted; a slip would be a limit for nobody. */
static gboolean read_subject(Command *command, const char *name, char **subject) {
  const char *text = NULL;
  if (!command_needs_text(command, "subject", TEXT_MAX, &text))
    return FALSE;
  gboolean network = strchr(text, '/') != NULL || g_hostname_is_ip_address(text);
  *subject = strchr(text, '@') != NULL ? canonical_address(name, text)
             : network                 ? canonical_network(text)
                                       : canonical_id_or_domain(text);
  return *subject != NULL ||
         command_refuse(
             command,
             "\"%s\" is no address, domain, network (/24 for IPv4, /48 for IPv6), account"
             " or key identifier.",
             text);
}

/* --- rates as text
 * ----------------------------------------------------------------------------------------- */

static char *rate_text(Rate rate) {
  if (rate.count == 0)
    return g_strdup("off");
  const ClockUnit *unit = clock_unit_of(rate.period);
  return g_strdup_printf("%" G_GINT64_FORMAT "/%" G_GINT64_FORMAT "%s", rate.count,
                         rate.period / unit->length, unit->suffix);
}

static json_t *row_of(const char *name, const char *subject, Rate rate) {
  g_autofree char *text = rate_text(rate);
  return json_pack("{s:s, s:s, s:s}", "name", name, "subject", subject, "rate", text);
}

static gboolean read_rate(Command *command, Rate *rate) {
  const char *text = NULL;
  g_autofree char *why = NULL;
  ConfigRate parsed;
  if (!command_needs_text(command, "rate", TEXT_MAX, &text))
    return FALSE;
  if (!config_rate_parse(text, &parsed, &why))
    return command_refuse(command, "%s", why);
  *rate = (Rate){parsed.count, parsed.period};
  return TRUE;
}

/* --- the commands
 * ------------------------------------------------------------------------------------------ */

gboolean command_limit_set(Command *command, GError **error) {
  const char *name = NULL;
  g_autofree char *subject = NULL;
  Rate rate;
  if (!read_name(command, &name) || !read_subject(command, name, &subject) ||
      !read_rate(command, &rate))
    return FALSE;
  g_autofree char *text = rate_text(rate);
  json_decref(command->result);
  command->result = row_of(name, subject, rate);
  return rate_override_set(command->acme->store, name, subject, rate, error) &&
         record(command->acme, command->now, "limit set", (About){NULL}, error, "name", name,
                "subject", subject, "rate", text, "uid", command->uid, NULL);
}

/* Of any name: a limit may be gone since. */
gboolean command_limit_clear(Command *command, GError **error) {
  const char *name = NULL;
  g_autofree char *subject = NULL;
  if (!command_needs_text(command, "name", TEXT_MAX, &name) ||
      !read_subject(command, name, &subject))
    return FALSE;
  StoreChange cleared = rate_override_clear(command->acme->store, name, subject, error);
  if (cleared == STORE_UNCHANGED)
    return command_refuse(command, "No limit \"%s\" is set for %s.", name, subject);
  json_object_set_new(command->result, "name", json_string(name));
  json_object_set_new(command->result, "subject", json_string(subject));
  return cleared == STORE_CHANGED &&
         record(command->acme, command->now, "limit cleared", (About){NULL}, error, "name", name,
                "subject", subject, "uid", command->uid, NULL);
}

gboolean command_limit_list(Command *command, GError **error) {
  const char *name = NULL, *subject = NULL;
  gsize octets = 0;
  if (!command_text(command, "after-name", TEXT_MAX, &name) ||
      !command_text(command, "after-subject", TEXT_MAX, &subject))
    return FALSE;
  g_autoptr(GPtrArray) overrides =
      rate_override_list(command->acme->store, name != NULL ? name : "",
                         subject != NULL ? subject : "", COMMAND_PAGE, error);
  if (overrides == NULL)
    return FALSE;
  json_t *rows = json_array();
  gboolean all = overrides->len < COMMAND_PAGE;
  for (guint i = 0; i < overrides->len; i++) {
    const RateOverride *override = overrides->pdata[i];
    if (!command_add_row(rows, &octets,
                         row_of(override->name, override->subject, override->rate))) {
      all = FALSE;
      break;
    }
  }
  json_object_set_new(command->result, "limits", rows);
  json_object_set_new(command->result, "more", json_boolean(!all));
  return TRUE;
}
