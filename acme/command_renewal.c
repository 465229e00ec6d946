/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl renewal: certificates that are to be renewed at once (RFC 9773 section 4.2). */
#include "acme/command.h"
#include "acme/record.h"
#include "store/certificate.h"

#include <string.h>

#define TEXT_MAX 1000 /* octets of an argument */

/* Shown to people by their clients (explanationURL). */
static gboolean read_why(Command *command, const char **why) {
  if (!command_text(command, "why", TEXT_MAX, why))
    return FALSE;
  if (*why == NULL)
    *why = "";
  return **why == '\0' || config_is_page(*why) ||
         command_refuse(command, "why is no https:// or http:// URL.");
}

/* --- by serial number
 * -------------------------------------------------------------------------------------- */

static gboolean ask_one(Command *command, const char *text, const char *why, GError **error) {
  g_autoptr(GBytes) serial = command_serial(text);
  if (serial == NULL)
    return command_refuse(command, "\"%s\" is no serial number in hexadecimal digits.", text);
  StoreChange asked =
      certificate_ask_renewal(command->acme->store, serial, command->now, why, error);
  if (asked == STORE_UNCHANGED)
    return command_refuse(command, "No certificate with the serial number %s was issued here.",
                          text);
  return asked == STORE_CHANGED &&
         record(command->acme, command->now, "renewal asked", (About){NULL}, error, "serial", text,
                "why", why, "uid", command->uid, NULL);
}

static gboolean ask_each(Command *command, GPtrArray *serials, const char *why, GError **error) {
  for (guint i = 0; i < serials->len; i++)
    if (!ask_one(command, serials->pdata[i], why, error))
      return FALSE;
  json_object_set_new(command->result, "serials",
                      json_incref(json_object_get(command->arguments, "serials")));
  return TRUE;
}

/* --- by time of issuance
 * ----------------------------------------------------------------------------------- */

/* A date-time of RFC 3339 in milliseconds. */
static gboolean read_time(const char *text, gint64 *time) {
  static const char form[] =
      "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?"
      "([Zz]|[+-][0-9]{2}:[0-9]{2})$";
  if (!g_regex_match_simple(form, text, G_REGEX_DOLLAR_ENDONLY, 0))
    return FALSE;
  g_autofree char *upper = g_ascii_strup(text, -1);
  g_autoptr(GDateTime) moment = g_date_time_new_from_iso8601(upper, NULL);
  if (moment == NULL)
    return FALSE;
  *time = g_date_time_to_unix(moment) * CLOCK_SECOND;
  return TRUE;
}

/* A time ahead would have certificates renewed as soon as they are issued. */
static gboolean ask_before(Command *command, const char *text, const char *why, GError **error) {
  gint64 before = 0;
  if (!read_time(text, &before))
    return command_refuse(command,
                          "issued-before is no time such as 2026-03-31T12:00:00Z (RFC 3339).");
  if (before > command->now)
    return command_refuse(command, "issued-before lies ahead.");
  Id id = acme_id(command->acme, command->now);
  g_autofree char *time = clock_rfc3339(before);
  json_object_set_new(command->result, "issued-before", json_string(time));
  return certificate_ask_renewals(command->acme->store, &id, before, command->now, why, error) &&
         record(command->acme, command->now, "renewals asked", (About){NULL}, error,
                "issued-before", time, "why", why, "uid", command->uid, NULL);
}

gboolean command_renewal_ask(Command *command, GError **error) {
  const char *before = NULL, *why = NULL;
  g_autoptr(GPtrArray) serials = command_texts(command, "serials", COMMAND_PAGE, TEXT_MAX);
  if (serials == NULL || !command_text(command, "issued-before", TEXT_MAX, &before) ||
      !read_why(command, &why))
    return FALSE;
  if ((serials->len > 0) == (before != NULL))
    return command_refuse(command, "Give either serial numbers or issued-before.");
  return before != NULL ? ask_before(command, before, why, error)
                        : ask_each(command, serials, why, error);
}
