/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "base/clock.h"

#include <limits.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define VALUE_MAX 400
#define MAX_PAIRS 16

static struct {
  const char *role;
  LogLevel level;
  LogFormat format;
  GString *held; /* lines of a process that will write more at once; NULL: each by itself */
  time_t second; /* of the last line, and its text */
  char second_text[sizeof("2026-01-31T23:59:59")];
} settings = {"signet", LOG_INFO, LOG_TEXT, NULL, -1, ""};

static const char *const level_names[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARNING] = "warning", [LOG_ERROR] = "error"};

/* A backslash is not: so \\xNN is always ours. */
static gboolean is_shown(gunichar c) {
  if (c == (gunichar)-1 || c == (gunichar)-2 || c == '\\' || !g_unichar_isprint(c))
    return FALSE;
  GUnicodeType type = g_unichar_type(c);
  return type != G_UNICODE_LINE_SEPARATOR && type != G_UNICODE_PARAGRAPH_SEPARATOR;
}

/* How much of the text, at most max, is ASCII that is shown as it is: nearly all of it. */
static gsize plain_length(const char *text, gsize max) {
  gsize length = 0;
  while (length < max && text[length] >= ' ' && text[length] <= '~' && text[length] != '\\')
    length++;
  return length;
}

void log_escape_to(GString *out, const char *text, gsize max) {
  const char *p = text;
  for (gsize left = max;; left--) {
    gsize plain = plain_length(p, left);
    g_string_append_len(out, p, (gssize)plain);
    p += plain;
    left -= plain;
    if (left == 0 || *p == '\0' || *p == '\r' || *p == '\n')
      return;
    gunichar c = g_utf8_get_char_validated(p, -1);
    if (!is_shown(c)) {
      g_string_append_printf(out, "\\x%02X", (guint)(guchar)*p);
      p++;
    } else {
      const char *next = g_utf8_next_char(p);
      g_string_append_len(out, p, next - p);
      p = next;
    }
  }
}

char *log_escape(const char *text, gsize max) {
  GString *out = g_string_sized_new(MIN(strlen(text), max));
  log_escape_to(out, text, max);
  return g_string_free(out, FALSE);
}

static gsize common_length(const char *a, const char *b) {
  gsize length = 0;
  while (a[length] != '\0' && a[length] == b[length])
    length++;
  return length;
}

char *log_hide(const char *text, const char *secret) {
  GString *out = g_string_new(NULL);
  while (*text != '\0') {
    gsize length = secret != NULL ? common_length(text, secret) : 0;
    if (length >= LOG_HIDDEN_LEAST) {
      g_string_append(out, "[hidden]");
      text += length;
    } else {
      g_string_append_c(out, *text++);
    }
  }
  return g_string_free(out, FALSE);
}

/* Quotes when a value could be taken for more than one word. */
static void append_text_value(GString *line, const char *value) {
  gboolean bare = *value != '\0' && strpbrk(value, " \"=\\") == NULL;
  if (bare) {
    g_string_append(line, value);
    return;
  }
  g_string_append_c(line, '"');
  for (const char *p = value; *p != '\0'; p++) {
    if (*p == '"')
      g_string_append_c(line, '\\');
    g_string_append_c(line, *p);
  }
  g_string_append_c(line, '"');
}

static void append_json_value(GString *line, const char *value) {
  g_string_append_c(line, '"');
  for (const char *p = value; *p != '\0'; p++) {
    if (*p == '"' || *p == '\\')
      g_string_append_c(line, '\\');
    g_string_append_c(line, *p);
  }
  g_string_append_c(line, '"');
}

/* What is shown of a value; NULL: the value as it is. */
static char *shown_value(const char *value) {
  if (value[plain_length(value, VALUE_MAX)] == '\0')
    return NULL;
  g_autofree char *one_line = g_strdelimit(g_strdup(value), "\r\n", ' ');
  return log_escape(one_line, VALUE_MAX);
}

static void append_pair(GString *line, const char *key, const char *value) {
  g_autofree char *escaped = shown_value(value);
  const char *shown = escaped != NULL ? escaped : value;
  if (settings.format == LOG_JSON) {
    g_string_append(line, line->len > 1 ? ",\"" : "\"");
    g_string_append(line, key);
    g_string_append(line, "\":");
    append_json_value(line, shown);
  } else {
    if (line->len > 0)
      g_string_append_c(line, ' ');
    g_string_append(line, key);
    g_string_append_c(line, '=');
    append_text_value(line, shown);
  }
}

/* "2026-01-31T23:59:59.999Z"; many lines fall into one second. */
static void append_time(GString *line) {
  gint64 now = g_get_real_time();
  time_t second = (time_t)(now / G_USEC_PER_SEC);
  if (second != settings.second) {
    struct tm utc;
    gmtime_r(&second, &utc);
    strftime(settings.second_text, sizeof(settings.second_text), "%Y-%m-%dT%H:%M:%S", &utc);
    settings.second = second;
  }
  int thousandths = (int)(now % G_USEC_PER_SEC / 1000);
  char fraction[] = {'.',
                     (char)('0' + thousandths / 100),
                     (char)('0' + thousandths / 10 % 10),
                     (char)('0' + thousandths % 10),
                     'Z',
                     '\0'};
  char time[sizeof("2026-01-31T23:59:59.999Z")];
  g_stpcpy(g_stpcpy(time, settings.second_text), fraction);
  append_pair(line, "time", time);
}

/* One write for whole lines, of a size that a pipe takes at once, so that the lines of several
   processes do not mix; nobody can be told of a failure. */
static void write_out(const GString *lines) {
  if (lines->len > 0 && write(STDERR_FILENO, lines->str, lines->len) < 0)
    return;
}

static void write_line(const GString *line) {
  GString *held = settings.held;
  if (held == NULL) {
    write_out(line);
    return;
  }
  if (held->len + line->len > PIPE_BUF) {
    write_out(held);
    g_string_truncate(held, 0);
  }
  g_string_append_len(held, line->str, (gssize)line->len);
}

void log_pairs(LogLevel level, const char *event, const char *const *pairs) {
  if (level < settings.level)
    return;
  g_autoptr(GString) line = g_string_sized_new(512);
  g_string_append(line, settings.format == LOG_JSON ? "{" : "");
  append_time(line);
  append_pair(line, "level", level_names[level]);
  append_pair(line, "role", settings.role);
  append_pair(line, "event", event);
  for (; pairs[0] != NULL; pairs += 2)
    append_pair(line, pairs[0], pairs[1]);
  g_string_append(line, settings.format == LOG_JSON ? "}\n" : "\n");
  write_line(line);
}

void log_hold(void) {
  settings.held = g_string_sized_new(PIPE_BUF);
}

void log_release(void) {
  g_autoptr(GString) held = g_steal_pointer(&settings.held);
  write_out(held);
}

void log_event(LogLevel level, const char *event, ...) {
  const char *pairs[2 * MAX_PAIRS + 1] = {NULL};
  guint count = 0;
  va_list values;
  va_start(values, event);
  for (const char *key = va_arg(values, const char *); key != NULL && count < 2 * MAX_PAIRS;
       key = va_arg(values, const char *)) {
    const char *value = va_arg(values, const char *);
    if (value == NULL)
      continue;
    pairs[count++] = key;
    pairs[count++] = value;
  }
  va_end(values);
  log_pairs(level, event, pairs);
}

static GLogWriterOutput glib_writer(GLogLevelFlags level, const GLogField *fields, gsize n_fields,
                                    gpointer user G_GNUC_UNUSED) {
  for (gsize i = 0; i < n_fields; i++)
    if (strcmp(fields[i].key, "MESSAGE") == 0)
      log_event(level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL) ? LOG_ERROR : LOG_WARNING,
                "library message", "text", (const char *)fields[i].value, NULL);
  return G_LOG_WRITER_HANDLED;
}

void log_init(const char *role, LogLevel level, LogFormat format) {
  settings.role = role;
  settings.level = level;
  settings.format = format;
  static gboolean led;
  if (!led)
    g_log_set_writer_func(glib_writer, NULL, NULL);
  led = TRUE;
}
