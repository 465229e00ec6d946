/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct {
  const char *text;
  gsize max;
  const char *escaped;
} escapes[] = {
    {"plain", 100, "plain"},
    {"", 100, ""},
    {"plain", 3, "pla"},
    {"plain", 0, ""},
    {"pl\\ain", 100, "pl\\x5Cain"},
    {"pl\tain", 3, "pl\\x09"},
    {"pl\tain", 4, "pl\\x09a"},
    {"one\r\ntwo", 100, "one"},
    {"one\ntwo", 100, "one"},
    {"\x1b[31mred", 100, "\\x1B[31mred"},
    {"a\tb\x7f\x01", 100, "a\\x09b\\x7F\\x01"},
    {"\u00e9\u4e2d", 100, "\u00e9\u4e2d"},
    {"\u00e9\u4e2d", 1, "\u00e9"},
    {"\xff\xc3", 100, "\\xFF\\xC3"},
    {"\xc0\xaf", 100, "\\xC0\\xAF"},
    {"\xc2\x85", 100, "\\xC2\\x85"},
    {"\u202e", 100, "\\xE2\\x80\\xAE"},
};

static void test_escape(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(escapes); i++) {
    g_autofree char *escaped = log_escape(escapes[i].text, escapes[i].max);
    g_assert_cmpstr(escaped, ==, escapes[i].escaped);
  }
}

/* Standard error led into a file while a test writes its lines. */
typedef struct {
  FILE *file;
  int saved;
} Capture;

static Capture capture_begin(void) {
  Capture capture = {tmpfile(), dup(STDERR_FILENO)};
  g_assert_nonnull(capture.file);
  g_assert_cmpint(dup2(fileno(capture.file), STDERR_FILENO), ==, STDERR_FILENO);
  return capture;
}

static char *capture_end(Capture capture) {
  dup2(capture.saved, STDERR_FILENO);
  close(capture.saved);
  rewind(capture.file);
  char *text = g_malloc0(8192);
  gsize length = fread(text, 1, 8191, capture.file);
  text[length] = '\0';
  fclose(capture.file);
  return text;
}

static void assert_ends(const char *text, const char *suffix) {
  if (!g_str_has_suffix(text, suffix))
    g_error("%s does not end in %s", text, suffix);
}

static void test_hide(void) {
  static const struct {
    const char *text, *secret, *shown;
  } table[] = {
      {"550 no: ACME: AQIDBAUGBwgJ, sorry", "AQIDBAUGBwgJ", "550 no: ACME: [hidden], sorry"},
      {"AQIDBAUGBwgJAQIDBAUGBwgJ", "AQIDBAUGBwgJ", "[hidden][hidden]"},
      {"AQAQIDBAUGBwgJ", "AQIDBAUGBwgJ", "AQ[hidden]"},
      {"cut: AQIDBAUG", "AQIDBAUGBwgJ", "cut: [hidden]"},
      {"cut: AQIDBAU", "AQIDBAUGBwgJ", "cut: AQIDBAU"},
      {"AQIDBAUGBwgJ", NULL, "AQIDBAUGBwgJ"},
      {"", "AQIDBAUGBwgJ", ""},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
    g_autofree char *shown = log_hide(table[i].text, table[i].secret);
    g_assert_cmpstr(shown, ==, table[i].shown);
  }
}

static void test_text(void) {
  log_init("core", LOG_INFO, LOG_TEXT);
  Capture capture = capture_begin();
  log_debug("not seen", NULL);
  log_info("order ready", "id", "abc", "reason", NULL, "words", "two words", "empty", "", NULL);
  g_autofree char *text = capture_end(capture);
  assert_ends(
      text, " level=info role=core event=\"order ready\" id=abc words=\"two words\" empty=\"\"\n");
  g_assert_true(g_regex_match_simple(
      "^time=\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z level", text, 0, 0));
}

/* The milliseconds that a new line says. */
static gint64 logged_at(void) {
  Capture capture = capture_begin();
  log_info("x", NULL);
  g_autofree char *text = capture_end(capture);
  g_autofree char *time = g_strndup(text + strlen("time="), strlen("2026-01-31T23:59:59.999Z"));
  g_autoptr(GDateTime) read = g_date_time_new_from_iso8601(time, NULL);
  g_assert_nonnull(read);
  return g_date_time_to_unix(read) * 1000 + g_date_time_get_microsecond(read) / 1000;
}

/* Until the next second at least. */
static void test_time(void) {
  log_init("core", LOG_INFO, LOG_TEXT);
  gint64 first = g_get_real_time() / 1000, before = first, said = 0;
  do {
    said = logged_at();
    gint64 after = g_get_real_time() / 1000;
    g_assert_cmpint(said, >=, before);
    g_assert_cmpint(said, <=, after);
    before = after;
  } while (said / 1000 == first / 1000);
}

/* A peer's text stays one value on one line. */
static void test_hostile_text(void) {
  log_init("core", LOG_INFO, LOG_TEXT);
  Capture capture = capture_begin();
  log_info("mail", "from", "x\ntime=1 level=error event=fake", "q", "a\" b=\"c", "bin", "\xff\x01",
           NULL);
  g_autofree char *text = capture_end(capture);
  assert_ends(text,
              " from=\"x time=1 level=error event=fake\" q=\"a\\\" b=\\\"c\" bin=\"\\xFF\\x01\"\n");
  g_assert_cmpstr(strchr(text, '\n'), ==, "\n");
}

static void test_json(void) {
  log_init("edge", LOG_DEBUG, LOG_JSON);
  Capture capture = capture_begin();
  log_debug("hello", "path", "/a \"b\" \\ c", "bin", "\x02\xff", NULL);
  g_autofree char *text = capture_end(capture);
  assert_ends(text, ",\"level\":\"debug\",\"role\":\"edge\",\"event\":\"hello\","
                    "\"path\":\"/a \\\"b\\\" \\\\x5C c\",\"bin\":\"\\\\x02\\\\xFF\"}\n");
  g_assert_true(g_str_has_prefix(text, "{\"time\":\""));
}

static void test_long_value(void) {
  log_init("edge", LOG_INFO, LOG_TEXT);
  g_autofree char *value = g_strnfill(5000, 'v');
  g_autofree char *kept = g_strnfill(400, 'v');
  g_autofree char *suffix = g_strconcat(" value=", kept, "\n", NULL);
  Capture capture = capture_begin();
  log_info("long", "value", value, NULL);
  g_autofree char *text = capture_end(capture);
  assert_ends(text, suffix);
}

static void test_glib(void) {
  if (g_test_subprocess()) {
    log_init("core", LOG_INFO, LOG_TEXT);
    g_message("from a library");
    return;
  }
  g_test_trap_subprocess(NULL, 0, 0);
  g_test_trap_assert_passed();
  g_test_trap_assert_stderr("*event=\"library message\" text=\"from a library\"*");
}

/* Held lines leave whole and in their order, also when they are more than leave at once. */
static void test_held(void) {
  g_autofree char *long_value = g_strnfill(390, 'x');
  Capture capture = capture_begin();
  log_hold();
  log_info("first", NULL);
  g_assert_cmpint(lseek(STDERR_FILENO, 0, SEEK_CUR), ==, 0);
  for (int i = 0; i < 12; i++)
    log_info("more", "value", long_value, NULL);
  off_t early = lseek(STDERR_FILENO, 0, SEEK_CUR);
  log_release();
  log_info("last", NULL);
  g_autofree char *text = capture_end(capture);
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  g_assert_cmpint(early, >, 0);
  g_assert_cmpint(early, <=, 4096);
  g_assert_cmpint(text[early - 1], ==, '\n');
  g_assert_cmpuint(g_strv_length(lines), ==, 15);
  g_assert_nonnull(strstr(lines[0], "event=first"));
  g_assert_nonnull(strstr(lines[12], "event=more"));
  g_assert_nonnull(strstr(lines[13], "event=last"));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/log/escape", test_escape);
  g_test_add_func("/log/hide", test_hide);
  g_test_add_func("/log/text", test_text);
  g_test_add_func("/log/time", test_time);
  g_test_add_func("/log/hostile-text", test_hostile_text);
  g_test_add_func("/log/json", test_json);
  g_test_add_func("/log/long-value", test_long_value);
  g_test_add_func("/log/held", test_held);
  g_test_add_func("/log/glib", test_glib);
  return g_test_run();
}
