/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/history.h"
#include "base/clock.h"

#include <string.h>

#define WEEKS_AHEAD 53
#define WEEK (7 * CLOCK_DAY)
#define TICK 4096 /* rows between two looks at the time */

enum { ISSUED, FAILED, OPEN };
enum { IN_USE, REVOKED };

/* --- columns of time
 * ------------------------------------------------------------------------------------- */

/* So that there are few enough columns for a narrow screen. */
static gint64 step_of(gint64 span) {
  return span <= 2 * CLOCK_DAY     ? CLOCK_HOUR
         : span <= 62 * CLOCK_DAY  ? CLOCK_DAY
         : span <= 430 * CLOCK_DAY ? WEEK
                                   : 4 * WEEK;
}

static char *column_name(gint64 at, gint64 step) {
  g_autofree char *text = clock_rfc3339(at);
  return step < CLOCK_DAY ? g_strdup_printf("%.10s %.5s", text, text + 11)
                          : g_strndup(text, strlen("2026-01-31"));
}

static void add_columns(HtmlColumns *columns, gint64 from, gint64 until, gint64 step) {
  for (gint64 at = from; at < until; at += step) {
    g_autofree char *name = column_name(at, step);
    html_columns_add(columns, name);
  }
}

static gint64 column_of(const History *history, gint64 at) {
  return (at - history->span.from) / history->step;
}

/* --- the spans of waiting
 * -------------------------------------------------------------------------------- */

static const struct {
  gint64 under;
  const char *name;
} waits[] = {
    {CLOCK_SECOND, "under 1 second"},   {10 * CLOCK_SECOND, "1 to 10 seconds"},
    {CLOCK_MINUTE, "10 to 60 seconds"}, {10 * CLOCK_MINUTE, "1 to 10 minutes"},
    {CLOCK_HOUR, "10 to 60 minutes"},   {6 * CLOCK_HOUR, "1 to 6 hours"},
    {G_MAXINT64, "6 hours or longer"},
};

static const char *const delay_titles[DELAYS] = {
    [DELAY_RELAY] = "From the request for a challenge mail until a relay took it",
    [DELAY_REPLY] = "From the mail's leaving until the reply",
    [DELAY_VERDICT] = "From the reply until it was found right"};

static void count_wait(History *history, HistoryDelay delay, gint64 from, gint64 until) {
  gint64 wait = MAX(0, until - from);
  guint i = 0;
  if (from == 0 || until == 0)
    return;
  while (wait >= waits[i].under)
    i++;
  html_bars_count(history->delays[delay], waits[i].name, 1);
  g_array_append_val(history->times[delay], wait);
}

/* --- reading
 * ---------------------------------------------------------------------------------------------- */

History *history_new(gint64 from, gint64 until, gint64 now) {
  static const char *const orders[] = {"issued", "failed", "open", NULL};
  static const char *const revoked[] = {"revoked", NULL};
  static const char *const ends[] = {"in use", "revoked", NULL};
  History *history = g_new0(History, 1);
  history->step = step_of(until - from);
  gint64 whole = MIN(history->step, CLOCK_DAY);
  history->span = (StatisticsSpan){from - from % whole, until};
  history->now = now;
  history->orders = html_columns_new("Orders by the time they were made", orders);
  history->revoked = html_columns_new("Certificates revoked", revoked);
  history->ends = html_columns_new("Certificates by the week they end", ends);
  add_columns(history->orders, history->span.from, until, history->step);
  add_columns(history->revoked, history->span.from, until, history->step);
  add_columns(history->ends, now, now + WEEKS_AHEAD * WEEK, WEEK);
  history->failures = html_bars_new("Orders that failed, by reason", "reason", FALSE);
  history->replies =
      html_bars_new("Replies that were not taken, by the rule they broke", "rule", FALSE);
  history->reasons = html_bars_new("Revocations by reason", "reason", FALSE);
  for (guint i = 0; i < DELAYS; i++) {
    history->delays[i] = html_bars_new(delay_titles[i], "time", TRUE);
    history->times[i] = g_array_new(FALSE, FALSE, sizeof(gint64));
    for (gsize wait = 0; wait < G_N_ELEMENTS(waits); wait++)
      html_bars_count(history->delays[i], waits[wait].name, 0);
  }
  return history;
}

void history_free(History *history) {
  html_columns_free(history->orders);
  html_columns_free(history->revoked);
  html_columns_free(history->ends);
  html_bars_free(history->failures);
  html_bars_free(history->replies);
  html_bars_free(history->reasons);
  for (guint i = 0; i < DELAYS; i++) {
    html_bars_free(history->delays[i]);
    g_array_unref(history->times[i]);
  }
  g_free(history);
}

static void tick(History *history) {
  if (++history->rows % TICK == 0 && history->progress != NULL)
    history->progress(history->part, history->rows);
}

static void see_order(History *history, guint series, const StatisticsRow *row) {
  tick(history);
  html_columns_count(history->orders, series, column_of(history, row->at), 1);
}

static void see_issued(const StatisticsRow *row, gpointer user) {
  see_order(user, ISSUED, row);
}

static void see_open(const StatisticsRow *row, gpointer user) {
  see_order(user, OPEN, row);
}

/* A reason in words: what the problem's text has, or its type. */
static const struct {
  const char *part, *words;
} reasons[] = {
    {"was received in time", "no right reply came in time"},
    {"expired before it was finalized", "expired before the client finalized it"},
    {"error:incorrectResponse\"", "a reply with another digest"},
    {"error:connection\"", "the challenge mail could not be delivered"},
    {"error:caa\"", "CAA records forbid it"},
    {"error:dns\"", "the DNS gave no answer"},
    {"error:unauthorized\"", "account or authorization was deactivated"},
    {"error:badCSR\"", "the certificate request does not fit"},
    {"error:serverInternal\"", "a failure of this server"},
};

static const char *reason_of(const char *problem) {
  for (gsize i = 0; problem != NULL && i < G_N_ELEMENTS(reasons); i++)
    if (strstr(problem, reasons[i].part) != NULL)
      return reasons[i].words;
  return "other";
}

static void see_failure(const StatisticsRow *row, gpointer user) {
  History *history = user;
  see_order(history, FAILED, row);
  html_bars_count(history->failures, reason_of(row->what), 1);
}

static void see_reply(const StatisticsRow *row, gpointer user) {
  History *history = user;
  tick(history);
  if (strcmp(row->what, "passed") != 0 && row->detail != NULL)
    html_bars_count(history->replies, row->detail, 1);
}

static const char *revocation_reason(gint64 reason) {
  static const char *const names[] = {
      "unspecified",   "keyCompromise",        "cACompromise",    "affiliationChanged",
      "superseded",    "cessationOfOperation", "certificateHold", "",
      "removeFromCRL", "privilegeWithdrawn"};
  return reason >= 0 && reason < (gint64)G_N_ELEMENTS(names) ? names[reason] : "other";
}

static void see_revocation(const StatisticsRow *row, gpointer user) {
  History *history = user;
  tick(history);
  html_columns_count(history->revoked, 0, column_of(history, row->at), 1);
  html_bars_count(history->reasons, revocation_reason(row->number), 1);
}

static void see_end(const StatisticsRow *row, gpointer user) {
  History *history = user;
  tick(history);
  html_columns_count(history->ends, IN_USE, (row->at - history->now) / WEEK, 1);
}

static void see_end_revoked(const StatisticsRow *row, gpointer user) {
  History *history = user;
  tick(history);
  html_columns_count(history->ends, IN_USE, (row->at - history->now) / WEEK, -1);
  html_columns_count(history->ends, REVOKED, (row->at - history->now) / WEEK, 1);
}

static void see_delay(const StatisticsDelay *delay, gpointer user) {
  History *history = user;
  tick(history);
  count_wait(history, DELAY_RELAY, delay->queued, delay->sent);
  count_wait(history, DELAY_REPLY, delay->sent, delay->received);
  count_wait(history, DELAY_VERDICT, delay->received, delay->passed);
}

static void begin(History *history, const char *part) {
  history->part = part;
  history->rows = 0;
}

static gboolean read_orders(History *history, Store *store, GError **error) {
  static const char *const unfinished[] = {"pending", "ready", "processing"};
  begin(history, "orders");
  for (gsize i = 0; i < G_N_ELEMENTS(unfinished); i++)
    if (!statistics_orders(store, &history->span, unfinished[i], see_open, history, error))
      return FALSE;
  return statistics_orders(store, &history->span, "valid", see_issued, history, error) &&
         statistics_failures(store, &history->span, see_failure, history, error);
}

static gboolean read_mails(History *history, Store *store, GError **error) {
  begin(history, "mails");
  return statistics_replies(store, &history->span, see_reply, history, error) &&
         statistics_delays(store, &history->span, see_delay, history, error);
}

static gboolean read_certificates(History *history, Store *store, GError **error) {
  StatisticsSpan ahead = {history->now, history->now + WEEKS_AHEAD * WEEK};
  begin(history, "certificates");
  return statistics_revocations(store, &history->span, see_revocation, history, error) &&
         statistics_ends(store, &ahead, see_end, history, error) &&
         statistics_ends_revoked(store, &ahead, see_end_revoked, history, error);
}

gboolean history_read(History *history, Store *store, GError **error) {
  return read_orders(history, store, error) && read_mails(history, store, error) &&
         read_certificates(history, store, error);
}

/* --- the page
 * -------------------------------------------------------------------------------------------- */

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
    "'unsafe-inline'\">\n<title>Signet: what happened</title>\n<style>\n"
    ":root{color-scheme:light dark;--page:#fff;--text:#1c2430;--soft:#566070;--line:#d5dae1;"
    "--tile:#f4f6f8;--s0:#2869b8;--s1:#c4471c;--s2:#98a2b0}\n"
    "@media(prefers-color-scheme:dark){:root{--page:#14181e;--text:#e6e9ee;--soft:#9aa5b4;"
    "--line:#333c48;--tile:#1d232b;--s0:#6aa5ec;--s1:#f08a5d;--s2:#6b7787}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;padding:1rem;max-width:62rem;background:var(--page);color:var(--text);"
    "font:16px/1.45 system-ui,sans-serif;overflow-wrap:anywhere}\n"
    "h1{font-size:1.6rem;margin:.5rem 0 .2rem}h2{font-size:1.2rem;margin:2.2rem 0 .4rem;"
    "border-top:1px solid var(--line);padding-top:1rem}h3{font-size:1rem;margin:1.4rem 0 .2rem}\n"
    "p{margin:.3rem 0 .8rem}.soft,.none,footer{color:var(--soft)}\n"
    ".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.5rem,1fr));gap:.6rem;"
    "margin:1rem 0;padding:0;list-style:none}.tiles li{background:var(--tile);border-radius:.4rem;"
    "padding:.6rem .8rem}.tiles b{display:block;font-size:1.5rem;font-variant-numeric:tabular-nums}"
    "\nfigure{margin:0}svg{display:block}.s0{fill:var(--s0)}.s1{fill:var(--s1)}.s2{fill:var(--s2)}"
    "\n"
    ".columns{width:100%;height:11rem;border-bottom:1px solid var(--soft);background:"
    "linear-gradient(var(--line),var(--line)) 0 0/100% 1px no-repeat,"
    "linear-gradient(var(--line),var(--line)) 0 50%/100% 1px no-repeat}\n"
    ".most,.axis{color:var(--soft);font-size:.8rem;font-variant-numeric:tabular-nums}"
    ".axis{display:flex;justify-content:space-between;gap:.5rem}\n"
    ".legend{display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;list-style:none;padding:0;margin:.3rem 0}"
    ".legend li{display:flex;align-items:center;gap:.4rem}.legend svg{width:.8rem;height:.8rem}\n"
    ".bars{list-style:none;padding:0;margin:.5rem 0}.bars li{display:grid;grid-template-columns:"
    "minmax(0,15rem) minmax(0,1fr) 4.5rem;gap:0 .8rem;align-items:center;padding:.15rem 0}"
    ".bars svg{width:100%;height:1rem}.bars b{text-align:right;font-variant-numeric:tabular-nums}\n"
    "@media(max-width:34rem){.bars li{grid-template-columns:minmax(0,1fr) 4.5rem}"
    ".bars b{grid-area:1/2}.bars svg{grid-column:1/3;height:.7rem}}\n"
    "details{margin:.6rem 0}summary{cursor:pointer;color:var(--soft)}.table{overflow-x:auto}"
    "table{border-collapse:collapse;margin:.5rem 0;font-size:.9rem}th{font-weight:400;text-align:"
    "left}td{text-align:right;font-variant-numeric:tabular-nums}th,td{padding:.15rem .8rem .15rem "
    "0;border-bottom:1px solid var(--line)}\n"
    "</style>\n</head>\n<body>\n";

static gint by_time(gconstpointer a, gconstpointer b) {
  gint64 one = *(const gint64 *)a, other = *(const gint64 *)b;
  return one < other ? -1 : one > other;
}

static char *wait_text(gint64 wait) {
  if (wait < 10 * CLOCK_SECOND)
    return g_strdup_printf("%.1f s", (double)wait / CLOCK_SECOND);
  if (wait < 2 * CLOCK_MINUTE)
    return g_strdup_printf("%" G_GINT64_FORMAT " s", wait / CLOCK_SECOND);
  if (wait < 2 * CLOCK_HOUR)
    return g_strdup_printf("%" G_GINT64_FORMAT " min", wait / CLOCK_MINUTE);
  return g_strdup_printf("%.1f h", (double)wait / CLOCK_HOUR);
}

/* What a part in hundred of the waits is at most; "–" when there are none. The caller frees it. */
static char *percentile(const GArray *times, guint part) {
  return times->len == 0 ? g_strdup("–")
                         : wait_text(g_array_index(
                               times, gint64, (guint)((guint64)(times->len - 1) * part / 100)));
}

static void add_tile(GString *page, const char *name, const char *value) {
  g_string_append_printf(page, "<li><b>%s</b>%s</li>\n", value, name);
}

static void add_count_tile(GString *page, const char *name, gint64 count) {
  g_autofree char *value = g_strdup_printf("%" G_GINT64_FORMAT, count);
  add_tile(page, name, value);
}

static gint64 ends_within(const History *history, guint weeks) {
  gint64 sum = 0;
  for (guint i = 0; i < weeks; i++)
    sum += g_array_index(history->ends->counts[IN_USE], gint64, i);
  return sum;
}

static void write_tiles(GString *page, const History *history) {
  gint64 issued = html_columns_sum(history->orders, ISSUED);
  gint64 failed = html_columns_sum(history->orders, FAILED);
  g_autofree char *share =
      issued + failed > 0
          ? g_strdup_printf("%.1f %%", 100 * (double)issued / (double)(issued + failed))
          : g_strdup("–");
  g_autofree char *reply = percentile(history->times[DELAY_REPLY], 50);
  g_string_append(page, "<ul class=\"tiles\">\n");
  add_count_tile(page, "certificates issued", issued);
  add_count_tile(page, "orders failed", failed);
  add_tile(page, "of both were issued", share);
  add_count_tile(page, "certificates revoked", html_columns_sum(history->revoked, 0));
  add_tile(page, "until half of the replies came", reply);
  add_count_tile(page, "end within four weeks", ends_within(history, 4));
  g_string_append(page, "</ul>\n");
}

static void write_head(GString *page, const History *history, const char *url) {
  g_autofree char *from = clock_rfc3339(history->span.from);
  g_autofree char *until = clock_rfc3339(history->span.until);
  g_string_append(page, head);
  g_string_append(page, "<h1>Signet: what happened</h1>\n<p class=\"soft\">");
  html_text(page, url);
  g_string_append_printf(page, "<br>%.10s %.5s to %.10s %.5s UTC</p>\n", from, from + 11, until,
                         until + 11);
}

static void write_delay(GString *page, History *history, HistoryDelay delay) {
  GArray *times = history->times[delay];
  g_autofree char *half = percentile(times, 50), *most = percentile(times, 95);
  g_string_append_printf(page,
                         "<h3>%s</h3>\n<p class=\"soft\">Half within %s, 95 %% within %s.</p>\n",
                         delay_titles[delay], half, most);
  html_bars_write(page, history->delays[delay], "No replies were found right.");
}

static void write_mails(GString *page, History *history) {
  g_string_append(page, "<h2>How long mails take</h2>\n<p class=\"soft\">Of challenges that were "
                        "answered rightly.</p>\n");
  for (guint i = 0; i < DELAYS; i++)
    write_delay(page, history, (HistoryDelay)i);
}

static void write_failures(GString *page, const History *history) {
  g_string_append(page, "<h2>Why orders failed</h2>\n");
  html_bars_write(page, history->failures, "No order failed.");
  g_string_append(page, "<h3>Replies that were not taken, by the rule they broke</h3>\n");
  html_bars_write(page, history->replies, "Every reply was taken.");
}

static void write_revocations(GString *page, const History *history) {
  g_string_append(page, "<h2>Revocations</h2>\n");
  html_columns_write(page, history->revoked);
  g_string_append(page, "<h3>By reason</h3>\n");
  html_bars_write(page, history->reasons, "No certificate was revoked.");
}

char *history_page(History *history, const char *url) {
  GString *page = g_string_new(NULL);
  g_autofree char *made = clock_rfc3339(history->now);
  for (guint i = 0; i < DELAYS; i++)
    g_array_sort(history->times[i], by_time);
  write_head(page, history, url);
  write_tiles(page, history);
  g_string_append(page, "<h2>Orders, by the time they were made</h2>\n");
  html_columns_write(page, history->orders);
  write_failures(page, history);
  write_mails(page, history);
  g_string_append(page, "<h2>Certificates that end, by week</h2>\n");
  html_columns_write(page, history->ends);
  write_revocations(page, history);
  g_string_append_printf(page,
                         "<footer><p>Made %s by signetctl %s. Orders that issued nothing are "
                         "removed from the store after a time ([store] keep-failed), and are not "
                         "counted then.</p></footer>\n</body>\n</html>\n",
                         made, SIGNET_VERSION);
  return g_string_free(page, FALSE);
}
