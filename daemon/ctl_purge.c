/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl purge show: what the server will remove, by rule, before it does. Asks no server: reads
   the store beside one that goes on. */
#include "base/clock.h"
#include "daemon/ctl_ask.h"
#include "daemon/ctl_audit.h"
#include "daemon/store_place.h"
#include "store/purge.h"

#include <stdio.h>

/* One rule: its name, the configuration key that says how long, its sum in the preview. */
static const struct {
  const char *name, *what, *key;
  gsize sum;
} rules[] = {
    {"failed-orders", "failed orders, with their mails and replies", "store.keep-failed",
     G_STRUCT_OFFSET(PurgePreview, failed)},
    {"free-authorizations", "expired authorizations without order", "store.keep-failed",
     G_STRUCT_OFFSET(PurgePreview, free)},
    {"certificates", "ended certificates, with all that led to them", "ca.retention",
     G_STRUCT_OFFSET(PurgePreview, ended)},
    {"limit-counters", "counters of limits that are full again", NULL,
     G_STRUCT_OFFSET(PurgePreview, rates)},
};

static gint64 bound_of(const Config *config, const char *key, gint64 until) {
  return key != NULL ? until - config_number(config, key) : until;
}

static void print_rule(gsize rule, const PurgeSum *sum, const char *before) {
  g_autofree char *first = clock_rfc3339(sum->first), *last = clock_rfc3339(sum->last);
  printf("%s: %" G_GINT64_FORMAT, rules[rule].what, sum->count);
  if (sum->count > 0)
    printf(", ended %s to %s", first, last);
  if (rules[rule].key != NULL)
    printf(" (ended before %s, by %s)", before, rules[rule].key);
  printf("\n");
}

static json_t *describe(const PurgeSum *sum, const char *before) {
  json_t *object = json_pack("{s:I, s:s}", "count", (json_int_t)sum->count, "before", before);
  if (sum->count > 0) {
    g_autofree char *first = clock_rfc3339(sum->first), *last = clock_rfc3339(sum->last);
    json_object_set_new(object, "first", json_string(first));
    json_object_set_new(object, "last", json_string(last));
  }
  return object;
}

static void print(const Config *config, const PurgePreview *preview, gint64 until, gboolean json) {
  json_t *document = json_object();
  g_autofree char *at = clock_rfc3339(until);
  if (!json)
    printf("Removed until %s, of what is in the store now:\n", at);
  for (gsize i = 0; i < G_N_ELEMENTS(rules); i++) {
    const PurgeSum *sum = (const void *)((const char *)preview + rules[i].sum);
    g_autofree char *before = clock_rfc3339(bound_of(config, rules[i].key, until));
    if (json)
      json_object_set_new(document, rules[i].name, describe(sum, before));
    else
      print_rule(i, sum, before);
  }
  if (json)
    ctl_print_json(document);
  else
    printf("Audit records are never removed.\n");
  json_decref(document);
}

static int show(const Config *config, gint64 until, gboolean json) {
  g_autoptr(GError) error = NULL;
  PurgePreview preview;
  StorePlace place = store_place_read(config);
  g_autoptr(Store) store = store_open_reader(&place, &error);
  if (store == NULL ||
      !purge_preview(store, bound_of(config, "store.keep-failed", until),
                     bound_of(config, "ca.retention", until), until, &preview, &error))
    return ctl_failed("the store cannot be read", &error);
  print(config, &preview, until, json);
  return CTL_DONE;
}

int ctl_purge_show(int argc, char **argv) {
  g_autofree char *path = NULL, *until = NULL;
  gboolean json = FALSE;
  gint64 at = clock_now(&clock_system);
  const GOptionEntry options[] = {
      {"config", 'c', 0, G_OPTION_ARG_FILENAME, &path,
       "Configuration of the server (" CTL_DEFAULT_CONFIG ")", "FILE"},
      {"until", 0, 0, G_OPTION_ARG_STRING, &until,
       "What will be removed up to that time (RFC 3339; now)", "TIME"},
      {"json", 'j', 0, G_OPTION_ARG_NONE, &json, "Print the answer as JSON", NULL},
      G_OPTION_ENTRY_NULL};
  if (!ctl_options("purge show",
                   "Tells what the server removes now, or until a time, by the configuration as "
                   "it is in the file: how much and how old. Removes nothing.",
                   options, argc, argv))
    return CTL_USAGE;
  if (until != NULL && !clock_read_rfc3339(until, &at))
    return ctl_misused("--until: \"%s\" is no time as 2026-03-01T00:00:00Z", until);
  g_autoptr(Config) config = ctl_audit_config(path);
  return config != NULL ? show(config, at, json) : CTL_USAGE;
}
