/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/command.h"
#include "acme/jws.h"
#include "base/hex.h"

#include <stdlib.h>
#include <string.h>

#define SERIAL_MAX 20  /* octets, RFC 5280 section 4.1.2.2, and one for the sign */
#define NAME_SHOWN 100 /* octets of a name that there is not */

static const struct {
  const char *name;
  gboolean (*run)(Command *command, GError **error);
  const char *arguments[5]; /* that it takes, NULL-terminated */
} commands[] = {
    {"certificate revoke", command_certificate_revoke, {"serials", "reason"}},
    {"certificate revoke-all",
     command_certificate_revoke_all,
     {"key", "address", "domain", "reason"}},
    {"certificate revoked", command_certificate_revoked, {"run"}},
    {"eab add", command_eab_add, {"note", "identifiers", "profiles"}},
    {"eab list", command_eab_list, {"after"}},
    {"eab revoke", command_eab_revoke, {"kid"}},
    {"health", command_health, {NULL}},
    {"issuance show", command_issuance_show, {NULL}},
    {"issuance start", command_issuance_start, {NULL}},
    {"issuance stop", command_issuance_stop, {"reason"}},
    {"key block", command_key_block, {"key", "why"}},
    {"key list", command_key_list, {"after"}},
    {"limit set", command_limit_set, {"name", "subject", "rate"}},
    {"limit clear", command_limit_clear, {"name", "subject"}},
    {"limit list", command_limit_list, {"after-name", "after-subject"}},
    {"mail ingest", command_mail_ingest, {"recipient", "from", "message"}},
    {"metrics", command_metrics, {NULL}},
    {"order list", command_order_list, {"status", "address", "before"}},
    {"order show", command_order_show, {"order"}},
    {"renewal ask", command_renewal_ask, {"serials", "issued-before", "why"}},
    {"status", command_status, {NULL}},
    {"store enter", command_store_enter, {"certificates", "times"}},
    {"store settle", command_store_settle, {NULL}},
    {"store show", command_store_show, {NULL}},
};

gboolean command_refuse(Command *command, const char *format, ...) {
  va_list values;
  va_start(values, format);
  command->why = g_strdup_vprintf(format, values);
  va_end(values);
  return FALSE;
}

/* --- arguments
 * --------------------------------------------------------------------------------------------- */

static gboolean check_text(Command *command, const char *name, gsize max, const char *text) {
  if (text == NULL)
    return command_refuse(command, "%s is no text.", name);
  if (strlen(text) > max)
    return command_refuse(command, "%s is longer than %" G_GSIZE_FORMAT " octets.", name, max);
  for (const char *p = text; *p != '\0'; p = g_utf8_next_char(p))
    if (g_unichar_iscntrl(g_utf8_get_char(p)))
      return command_refuse(command, "%s has a control character.", name);
  return TRUE;
}

gboolean command_text(Command *command, const char *name, gsize max, const char **text) {
  const json_t *value = json_object_get(command->arguments, name);
  *text = json_string_value(value);
  return value == NULL || check_text(command, name, max, *text);
}

gboolean command_needs_text(Command *command, const char *name, gsize max, const char **text) {
  if (!command_text(command, name, max, text))
    return FALSE;
  return (*text != NULL && **text != '\0') || command_refuse(command, "%s is missing.", name);
}

GPtrArray *command_texts(Command *command, const char *name, guint count, gsize max) {
  json_t *list = json_object_get(command->arguments, name), *entry = NULL;
  g_autoptr(GPtrArray) texts = g_ptr_array_new();
  size_t i = 0;
  if (list != NULL && !json_is_array(list)) {
    command_refuse(command, "%s is no list.", name);
    return NULL;
  }
  if (json_array_size(list) > count) {
    command_refuse(command, "%s has more than %u entries.", name, count);
    return NULL;
  }
  json_array_foreach(list, i, entry) {
    if (!check_text(command, name, max, json_string_value(entry)))
      return NULL;
    g_ptr_array_add(texts, (gpointer)json_string_value(entry));
  }
  return g_steal_pointer(&texts);
}

/* A misspelt argument must not be passed over: it may have been a restriction. */
static gboolean check_arguments(Command *command, const char *const *taken) {
  const char *name = NULL;
  json_t *value = NULL;
  if (!json_is_object(command->arguments))
    return command_refuse(command, "The arguments are no JSON object, or one is there twice.");
  json_object_foreach(command->arguments, name, value) {
    if (!g_strv_contains(taken, name))
      return command_refuse(command, "The command takes no argument of that name.");
  }
  return TRUE;
}

/* --- results
 * -----------------------------------------------------------------------------------------------
 */

void command_set_time(json_t *object, const char *member, gint64 at) {
  if (at == 0)
    return;
  g_autofree char *text = clock_rfc3339(at);
  json_object_set_new(object, member, json_string(text));
}

gboolean command_add_row(json_t *page, gsize *octets, json_t *row) {
  gsize size = json_dumpb(row, NULL, 0, JSON_COMPACT) + 1;
  if (*octets + size > COMMAND_PAGE_OCTETS && json_array_size(page) > 0) {
    json_decref(row);
    return FALSE;
  }
  *octets += size;
  json_array_append_new(page, row);
  return TRUE;
}

static char *dump(const json_t *value) {
  char *dumped = json_dumps(value, JSON_COMPACT);
  char *text = g_strdup(dumped);
  free(dumped);
  return text;
}

GBytes *command_serial(const char *text) {
  g_autoptr(GBytes) octets = hex_decode(text, SERIAL_MAX);
  gsize length = 0, zeros = 0;
  const guint8 *data = octets != NULL ? g_bytes_get_data(octets, &length) : NULL;
  while (zeros < length && data[zeros] == 0)
    zeros++;
  return zeros < length ? g_bytes_new_from_bytes(octets, zeros, length - zeros) : NULL;
}

/* --- running one
 * ------------------------------------------------------------------------------------------- */

static gboolean run(Command *command, const char *name, GError **error) {
  for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
    if (strcmp(commands[i].name, name) == 0)
      return check_arguments(command, commands[i].arguments) && commands[i].run(command, error);
  return command_refuse(command, "This server knows no command \"%.*s\".", NAME_SHOWN, name);
}

static CommandOutcome finish(Command *command, gboolean done, char **answer) {
  *answer = done ? dump(command->result) : g_strdup(command->why);
  if (*answer == NULL)
    return COMMAND_FAILED;
  if (strlen(*answer) <= COMMAND_ANSWER_OCTETS)
    return done ? COMMAND_DONE : COMMAND_REFUSED;
  g_free(*answer);
  *answer = g_strdup("The answer would be too long.");
  return COMMAND_REFUSED;
}

CommandOutcome command_run(Acme *acme, guint uid, const char *name, const char *arguments,
                           char **answer, GError **error) {
  g_autofree char *uid_text = g_strdup_printf("%u", uid);
  Command command = {.acme = acme,
                     .now = clock_now(acme->clock),
                     .uid = uid_text,
                     .arguments = jws_parse_json(arguments, strlen(arguments)),
                     .result = json_object()};
  CommandOutcome outcome = finish(&command, run(&command, name, error), answer);
  json_decref(command.arguments);
  json_decref(command.result);
  g_free(command.why);
  return outcome;
}
