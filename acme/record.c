/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/record.h"
#include "acme/measure.h"
#include "base/log.h"
#include "store/audit.h"
#include "store/authorization.h"

#include <string.h>

#define MAX_PAIRS 16
#define VALUE_MAX 1000 /* characters of a value in the audit log */

/* Key, value, key, value ..., NULL; ids stand first. */
typedef struct {
  const char *pairs[2 * MAX_PAIRS + 1];
  guint count, ids; /* entries of pairs */
  char texts[6][ID_TEXT];
  guint texts_used;
} Line;

static void add_pair(Line *line, const char *key, const char *value) {
  g_assert(line->count < 2 * MAX_PAIRS);
  line->pairs[line->count++] = key;
  line->pairs[line->count++] = value;
}

static void add_id(Line *line, const char *key, const Id *id) {
  if (id != NULL)
    add_pair(line, key, id_text(id, line->texts[line->texts_used++]));
  line->ids = line->count;
}

/* "order/ID challenge/ID": what an audit record is about. */
static char *subject_text(const Line *line) {
  GString *text = g_string_sized_new(256);
  for (guint i = 0; i < line->ids; i += 2) {
    g_string_append(text, i > 0 ? " " : "");
    g_string_append(text, line->pairs[i]);
    g_string_append_c(text, '/');
    g_string_append(text, line->pairs[i + 1]);
  }
  return g_string_free(text, FALSE);
}

static char *detail_text(const Line *line) {
  GString *text = g_string_sized_new(256);
  for (guint i = line->ids; i < line->count; i += 2) {
    g_string_append(text, i > line->ids ? " " : "");
    g_string_append(text, line->pairs[i]);
    g_string_append(text, "=\"");
    log_escape_to(text, line->pairs[i + 1], VALUE_MAX);
    g_string_append_c(text, '"');
  }
  return g_string_free(text, FALSE);
}

static Owner *owner_place(Acme *acme, const Id *id) {
  guint place = (guint)id->octets[ID_OCTETS - 2] << 8 | id->octets[ID_OCTETS - 1];
  return &acme->owners[place % ACME_OWNERS];
}

void record_belongs(Acme *acme, const Id *id, const Id *order, const Id *account) {
  *owner_place(acme, id) = (Owner){.id = *id, .order = *order, .account = *account};
}

/* The order and account of what the record is about, or what they were found to be before. */
static StoreFind find_owner(Acme *acme, const About *about, Owner *owner, gboolean *has_order,
                            GError **error) {
  const Id *id = about->challenge != NULL       ? about->challenge
                 : about->authorization != NULL ? about->authorization
                                                : about->order;
  if (id == NULL)
    return STORE_MISSING;
  Owner *kept = owner_place(acme, id);
  *has_order = id_equal(&kept->id, id);
  if (*has_order) {
    *owner = *kept;
    return STORE_FOUND;
  }
  StoreFind found =
      authorization_find_owner(acme->store, about->challenge, about->authorization, about->order,
                               has_order, &owner->order, &owner->account, error);
  owner->id = *id;
  if (found == STORE_FOUND && *has_order) /* one made beforehand will get its order yet */
    *kept = *owner;
  return found;
}

static gboolean add_ids(Acme *acme, Line *line, About about, GError **error) {
  Owner owner;
  gboolean has_order = FALSE;
  StoreFind found = find_owner(acme, &about, &owner, &has_order, error);
  if (found == STORE_LOOKUP_FAILED)
    return FALSE;
  add_id(line, "account", found == STORE_FOUND ? &owner.account : about.account);
  add_id(line, "order", has_order ? &owner.order : about.order);
  add_id(line, "authorization", about.authorization);
  add_id(line, "challenge", about.challenge);
  add_id(line, "message", about.message);
  add_id(line, "certificate", about.certificate);
  return TRUE;
}

/* In one block: an event's texts stand behind the pointers to them. */
static void remember(Acme *acme, const char *kind, const Line *line) {
  gsize size = strlen(kind) + 1;
  for (guint i = 0; i < line->count; i++)
    size += strlen(line->pairs[i]) + 1;
  char **event = g_malloc((line->count + 2) * sizeof(char *) + size);
  char *to = (char *)(event + line->count + 2);
  event[0] = to;
  to = g_stpcpy(to, kind) + 1;
  for (guint i = 0; i < line->count; i++) {
    event[i + 1] = to;
    to = g_stpcpy(to, line->pairs[i]) + 1;
  }
  event[line->count + 1] = NULL;
  if (acme->events == NULL)
    acme->events = g_ptr_array_new_with_free_func(g_free);
  g_ptr_array_add(acme->events, event);
}

/* An authorization that an order claimed is free again. */
static void forget_owners(Acme *acme) {
  memset(acme->owners, 0, sizeof(acme->owners));
}

void record_undo(Acme *acme, guint from) {
  gboolean recorded = FALSE;
  for (guint i = acme->events != NULL ? acme->events->len : 0; i > from; i--) {
    char **event = acme->events->pdata[i - 1];
    if (strcmp(event[0], MEASURE_REFUSAL) == 0)
      continue;
    g_ptr_array_remove_index(acme->events, i - 1);
    recorded = TRUE;
  }
  if (recorded)
    forget_owners(acme);
}

void record_settle(Acme *acme, gboolean keep) {
  if (acme->events == NULL || acme->events->len == 0)
    return;
  if (!keep)
    forget_owners(acme);
  log_hold();
  for (guint i = 0; keep && i < acme->events->len; i++) {
    char **event = acme->events->pdata[i];
    log_pairs(LOG_INFO, event[0], (const char *const *)event + 1);
    measure_event(acme, (const char *const *)event);
  }
  log_release();
  g_ptr_array_set_size(acme->events, 0);
}

static void add_values(Line *line, va_list values) {
  for (const char *key = va_arg(values, const char *); key != NULL;
       key = va_arg(values, const char *)) {
    const char *value = va_arg(values, const char *);
    if (value != NULL)
      add_pair(line, key, value);
  }
}

void record_refusal(Acme *acme, ...) {
  Line line = {.count = 0};
  va_list values;
  va_start(values, acme);
  add_values(&line, values);
  va_end(values);
  remember(acme, MEASURE_REFUSAL, &line);
}

gboolean record(Acme *acme, gint64 now, const char *kind, About about, GError **error, ...) {
  Line line = {.count = 0};
  if (!add_ids(acme, &line, about, error))
    return FALSE;
  va_list values;
  va_start(values, error);
  add_values(&line, values);
  va_end(values);
  g_autofree char *subject = subject_text(&line);
  g_autofree char *detail = detail_text(&line);
  remember(acme, kind, &line);
  return audit_append(acme->store, now, kind, subject, detail, error);
}
