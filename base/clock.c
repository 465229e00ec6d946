/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

static gint64 system_now(const Clock *clock G_GNUC_UNUSED) {
  return g_get_real_time() / 1000;
}

const Clock clock_system = {system_now};

char *clock_rfc3339(gint64 milliseconds) {
  g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(milliseconds / 1000);
  return g_date_time_format(time, "%Y-%m-%dT%H:%M:%SZ");
}

gboolean clock_read_rfc3339(const char *text, gint64 *milliseconds) {
  static const char form[] = "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:([0-5][0-9]|60)"
                             "(\\.[0-9]{1,9})?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$";
  if (!g_regex_match_simple(form, text, G_REGEX_DOLLAR_ENDONLY, 0))
    return FALSE;
  g_autofree char *upper = g_ascii_strup(text, -1);
  g_autoptr(GDateTime) time = g_date_time_new_from_iso8601(upper, NULL);
  if (time == NULL)
    return FALSE;
  *milliseconds = g_date_time_to_unix(time) * CLOCK_SECOND;
  return TRUE;
}

char *clock_rfc5322(gint64 milliseconds) {
  static const char *const days[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
  static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(milliseconds / 1000);
  return g_strdup_printf(
      "%s, %d %s %d %02d:%02d:%02d +0000", days[g_date_time_get_day_of_week(time) - 1],
      g_date_time_get_day_of_month(time), months[g_date_time_get_month(time) - 1],
      g_date_time_get_year(time), g_date_time_get_hour(time), g_date_time_get_minute(time),
      g_date_time_get_second(time));
}

const ClockUnit *clock_unit_of(gint64 period) {
  static const ClockUnit units[] = {{CLOCK_DAY, "d", "day"},
                                    {CLOCK_HOUR, "h", "hour"},
                                    {CLOCK_MINUTE, "m", "minute"},
                                    {CLOCK_SECOND, "s", "second"},
                                    {1, "ms", "millisecond"}};
  gsize i = 0;
  while (i + 1 < G_N_ELEMENTS(units) && period % units[i].length != 0)
    i++;
  return &units[i];
}
