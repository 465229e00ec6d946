/* SPDX-License-Identifier: Apache-2.0 */
/* When certificates are renewed (RFC 9773), with a clock of the test's own, and what is kept of
   them between runs. */
#include "client/failure.h"
#include "client/output.h"
#include "client/renewal_info.h"
#include "client/renewal_list.h"
#include "client/renewal_plan.h"

#include <glib/gstdio.h>
#include <string.h>

#define HOUR ((gint64)3600)
#define DAY (24 * HOUR)
#define START ((gint64)1800000000)

/* --- the window ---------------------------------------------------------------------------------
 */

static const RenewalSubject subject = {"id", START, START + 90 * DAY};

static void test_window(void) {
  RenewalState state = {0};
  g_assert_true(renewal_time_suggest(&state, START + DAY, START + 2 * DAY, 7200, START));
  gint64 chosen = renewal_time_chosen(&state, &subject);
  g_assert_cmpint(chosen, >=, START + DAY);
  g_assert_cmpint(chosen, <, START + 2 * DAY);
  g_assert_cmpint(renewal_time_chosen(&state, &subject), ==, chosen);
  g_assert_cmpint(renewal_time_due(&state, &subject, 0, 0), ==, chosen);
  const RenewalSubject other = {"other", subject.from, subject.to};
  g_assert_cmpint(renewal_time_chosen(&state, &other), !=, chosen);
  g_assert_false(renewal_time_asks(&state, &subject, START + 7199));
  g_assert_true(renewal_time_asks(&state, &subject, START + 7200));
  /* An answer of no use is none: what was known holds. */
  g_assert_false(renewal_time_suggest(&state, START + 5, START + 5, 60, START));
  g_assert_cmpint(renewal_time_chosen(&state, &subject), ==, chosen);
  g_assert_false(renewal_time_asks(&state, &subject, START + 6 * HOUR - 1));
  g_assert_true(renewal_time_asks(&state, &subject, START + 6 * HOUR));
  /* Section 4.2: never of one that has expired. */
  g_assert_false(renewal_time_asks(&state, &subject, subject.to));
}

static void test_retry_after(void) {
  static const struct {
    gint64 given, followed;
  } cases[] = {{1, 60}, {60, 60}, {3600, 3600}, {86400, 86400}, {999999, 86400}, {0, 21600}};
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    RenewalState state = {0};
    g_assert_true(renewal_time_suggest(&state, START, START + 1, cases[i].given, START));
    g_assert_cmpint(state.ask_at, ==, START + cases[i].followed);
  }
}

/* Uniformly: each tenth of the window has its tenth of a thousand certificates. */
static void test_uniform(void) {
  guint tenths[10] = {0};
  RenewalState state = {.start = START, .end = START + 1000000};
  for (guint i = 0; i < 1000; i++) {
    g_autofree char *identifier = g_strdup_printf("certificate %u", i);
    const RenewalSubject one = {identifier, START - DAY, START + 90 * DAY};
    tenths[(renewal_time_chosen(&state, &one) - START) / 100000]++;
  }
  for (guint i = 0; i < G_N_ELEMENTS(tenths); i++) {
    g_assert_cmpuint(tenths[i], >, 60);
    g_assert_cmpuint(tenths[i], <, 140);
  }
}

static void test_lifetime(void) {
  const RenewalState none = {0};
  gint64 chosen = renewal_time_chosen(&none, &subject);
  g_assert_cmpint(chosen, >=, START + 60 * DAY);
  g_assert_cmpint(chosen, <, START + 60 * DAY + 90 * DAY / 12);
  /* A window behind the certificate's end is none. */
  const RenewalState late = {.start = subject.to, .end = subject.to + DAY};
  g_assert_cmpint(renewal_time_chosen(&late, &subject), ==, chosen);
}

static void test_failures(void) {
  RenewalState state = {.start = START, .end = START + 1};
  gint64 pauses[] = {1, 2, 4, 8, 16, 24, 24};
  for (gsize i = 0; i < G_N_ELEMENTS(pauses); i++) {
    renewal_time_failed(&state, 0, START + 10 * DAY);
    g_assert_cmpint(renewal_time_due(&state, &subject, 0, 0), ==,
                    START + 10 * DAY + pauses[i] * HOUR);
  }
  /* Sooner near the end, but never more often than each hour. */
  state.failed_at = subject.to - 8 * HOUR;
  g_assert_cmpint(renewal_time_due(&state, &subject, 0, 0), ==, subject.to - 6 * HOUR);
  state.failed_at = subject.to - HOUR;
  g_assert_cmpint(renewal_time_due(&state, &subject, 0, 0), ==, subject.to);
  /* A server that says so is asked later, within a day. */
  static const gint64 asked[][2] = {{60, HOUR}, {3 * HOUR, 3 * HOUR}, {90 * DAY, DAY}};
  for (gsize i = 0; i < G_N_ELEMENTS(asked); i++) {
    RenewalState refused = {.start = START, .end = START + 1};
    renewal_time_failed(&refused, asked[i][0], START);
    g_assert_cmpint(renewal_time_due(&refused, &subject, 0, 0), ==, START + asked[i][1]);
  }
  for (guint i = 0; i < 100; i++)
    renewal_time_failed(&state, 0, START);
  g_assert_cmpint(renewal_time_due(&state, &subject, 0, 0), ==, START + DAY);
}

/* Section 4.2 step 5: what comes before the next run does is for this one, but failures wait. */
static void test_interval(void) {
  RenewalState state = {.start = START + DAY, .end = START + DAY + 1};
  g_assert_cmpint(renewal_time_due(&state, &subject, START, DAY), ==, START + DAY);
  g_assert_cmpint(renewal_time_due(&state, &subject, START + 1, DAY), ==, START + 1);
  g_assert_cmpint(renewal_time_due(&state, &subject, START + 2 * DAY, DAY), ==, START + DAY);
  renewal_time_failed(&state, 0, START);
  g_assert_cmpint(renewal_time_due(&state, &subject, START + 1, DAY), ==, START + HOUR);
}

/* A clock that was years ahead for one run keeps no certificate from being renewed. */
static void test_wrong_clock(void) {
  RenewalState state = {.start = START, .end = START + 1};
  renewal_time_failed(&state, 0, START + 400 * DAY);
  renewal_time_no_answer(&state, START + 400 * DAY);
  renewal_time_mind_clock(&state, START + DAY);
  g_assert_cmpint(renewal_time_due(&state, &subject, START + DAY, 0), ==, START);
  g_assert_true(renewal_time_asks(&state, &subject, START + DAY));
  /* What was right stays. */
  renewal_time_failed(&state, 0, START + DAY);
  g_assert_true(renewal_time_suggest(&state, START, START + 1, DAY, START + DAY));
  const RenewalState before = state;
  renewal_time_mind_clock(&state, START + DAY);
  g_assert_true(memcmp(&state, &before, sizeof state) == 0);
}

/* --- many at once -------------------------------------------------------------------------------
 */

#define MANY 400

/* A list that was requested in one hour. */
static GPtrArray *make_many(void) {
  GPtrArray *many = renewal_list_new();
  for (guint i = 0; i < MANY; i++) {
    Renewal *renewal = g_new0(Renewal, 1);
    renewal->name = g_strdup_printf("user%u@example.org", i);
    renewal->record = renewal_record_new(g_new0(RequestOptions, 1));
    renewal->chain = sk_X509_new_null(); /* there is one */
    renewal->identifier = g_strdup_printf("aki.%u", i);
    renewal->subject = (RenewalSubject){renewal->identifier, START, START + 90 * DAY};
    g_ptr_array_add(many, renewal);
  }
  return many;
}

typedef struct {
  guint most, total, runs; /* renewals of the fullest run, of all; runs that renewed any */
  gint64 last;             /* the last renewal */
} Load;

/* What a timer's runs of each hour renew; when a window is given the server suggests it. */
static Load run_hours(gint64 window, gint64 length) {
  Load load = {0};
  g_autoptr(GPtrArray) many = make_many();
  for (guint i = 0; window > 0 && i < many->len; i++)
    renewal_time_suggest(&((Renewal *)g_ptr_array_index(many, i))->record->state, window,
                         window + length, HOUR, START);
  for (gint64 now = START; now < START + 90 * DAY; now += HOUR) {
    for (guint i = 0; i < many->len; i++) {
      Renewal *renewal = g_ptr_array_index(many, i);
      renewal->due = renewal_time_due(&renewal->record->state, &renewal->subject, 0, 0);
    }
    g_autoptr(GPtrArray) due = renewal_plan_choose(many, now, renewal_time_most(MANY));
    for (guint i = 0; i < due->len; i++) {
      g_assert_cmpint(((Renewal *)g_ptr_array_index(due, i))->due, <=, now);
      g_ptr_array_remove(many, g_ptr_array_index(due, i));
    }
    load.most = MAX(load.most, due->len);
    load.total += due->len;
    load.runs += due->len > 0;
    load.last = due->len > 0 ? now : load.last;
  }
  return load;
}

static void test_staggered(void) {
  Load lifetime = run_hours(0, 0);
  g_assert_cmpuint(lifetime.total, ==, MANY);
  g_assert_cmpuint(lifetime.most, <=, 12); /* 400 in the 180 hours of the window */
  g_assert_cmpuint(lifetime.runs, >, 120);
  Load window = run_hours(START + 10 * DAY, 2 * DAY);
  g_assert_cmpuint(window.total, ==, MANY);
  g_assert_cmpuint(window.most, <, 25); /* 8 an hour on average */
  g_assert_cmpint(window.last, <=, START + 12 * DAY + HOUR);
  /* All at once, as before a mass revocation: in twelve runs. */
  Load hurry = run_hours(START - 2, 1);
  g_assert_cmpuint(hurry.total, ==, MANY);
  g_assert_cmpuint(hurry.most, ==, 34);
  g_assert_cmpuint(hurry.runs, ==, 12);
  g_assert_cmpuint(renewal_time_most(3), ==, 20);
}

/* Who ends first goes first; what is broken or not due does not go. */
static void test_order(void) {
  g_autoptr(GPtrArray) many = make_many();
  for (guint i = 0; i < 5; i++) {
    Renewal *renewal = g_ptr_array_index(many, i);
    renewal->due = START;
    renewal->subject.to = START + (10 - (gint64)i) * DAY;
  }
  for (guint i = 5; i < many->len; i++)
    ((Renewal *)g_ptr_array_index(many, i))->due = START + 2;
  Renewal *broken = g_ptr_array_index(many, 4), *none = g_ptr_array_index(many, 3);
  broken->fault = g_error_new_literal(CLIENT_ERROR, CLIENT_LOCAL, "broken");
  g_clear_pointer(&none->chain, certificate_stack_free);
  g_autoptr(GPtrArray) due = renewal_plan_choose(many, START + 1, 100);
  g_assert_cmpuint(due->len, ==, 4);
  for (guint i = 0; i < 3; i++)
    g_assert_true(g_ptr_array_index(due, i) == g_ptr_array_index(many, 2 - i));
  g_assert_true(g_ptr_array_index(due, 3) == none);
}

/* --- what the server says -----------------------------------------------------------------------
 */

static const struct {
  const char *text;
  gboolean good;
} answers[] = {
    {"{\"suggestedWindow\":{\"start\":\"2026-01-02T04:00:00Z\",\"end\":\"2026-01-03T04:00:00Z\"},"
     "\"explanationURL\":\"https://ca.example/why\"}",
     TRUE},
    {"{\"suggestedWindow\":{\"start\":\"2026-01-02T04:00:00+02:00\","
     "\"end\":\"2026-01-03T04:00:00.5Z\"}}",
     TRUE},
    {"{\"suggestedWindow\":{\"start\":\"2026-01-03T04:00:00Z\",\"end\":\"2026-01-03T04:00:00Z\"}}",
     FALSE},
    {"{\"suggestedWindow\":{\"start\":\"2026-01-04T04:00:00Z\",\"end\":\"2026-01-03T04:00:00Z\"}}",
     FALSE},
    {"{\"suggestedWindow\":{\"start\":\"soon\",\"end\":\"2026-01-03T04:00:00Z\"}}", FALSE},
    {"{\"suggestedWindow\":{\"start\":1,\"end\":2}}", FALSE},
    {"{\"suggestedWindow\":[]}", FALSE},
    {"{}", FALSE},
};

static void test_info(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(answers); i++) {
    g_autoptr(json_t) json = json_loads(answers[i].text, 0, NULL);
    g_autoptr(RenewalInfo) info = renewal_info_read(json);
    g_assert_true((info != NULL) == answers[i].good);
    if (i == 0) {
      g_assert_cmpint(info->end - info->start, ==, DAY);
      g_assert_cmpstr(info->explanation, ==, "https://ca.example/why");
    }
  }
  g_assert_null(renewal_info_read(NULL));
}

/* The certificate of RFC 9773, appendix A. */
static const char example[] = "-----BEGIN CERTIFICATE-----\n"
                              "MIIBQzCB66ADAgECAgUAh2VDITAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwpFeGFt\n"
                              "cGxlIENBMCIYDzAwMDEwMTAxMDAwMDAwWhgPMDAwMTAxMDEwMDAwMDBaMBYxFDAS\n"
                              "BgNVBAMTC2V4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeBZu\n"
                              "7cbpAYNXZLbbh8rNIzuOoqOOtmxA1v7cRm//AwyMwWxyHz4zfwmBhcSrf47NUAFf\n"
                              "qzLQ2PPQxdTXREYEnKMjMCEwHwYDVR0jBBgwFoAUaYhba4dGQEHhs3uEe6CuLN4B\n"
                              "yNQwCgYIKoZIzj0EAwIDRwAwRAIge09+S5TZAlw5tgtiVvuERV6cT4mfutXIlwTb\n"
                              "+FYN/8oCIClDsqBklhB9KAelFiYt9+6FDj3z4KGVelYM5MdsO3pK\n"
                              "-----END CERTIFICATE-----\n";

static void test_identifier(void) {
  g_autoptr(CertificateStack) chain = certificate_chain_read(example, strlen(example), NULL);
  g_autofree char *identifier = certificate_chain_renewal_id(chain);
  g_autofree char *serial = certificate_chain_serial(chain);
  g_assert_cmpstr(identifier, ==, "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE");
  g_assert_cmpstr(serial, ==, "87654321");
}

/* --- what is kept -------------------------------------------------------------------------------
 */

static char *folder;

static RequestOptions *parse(const char *line) {
  g_autoptr(GError) error = NULL;
  g_auto(GStrv) arguments = g_strsplit(line, " ", -1);
  RequestOptions *options = request_options_parse(arguments, &error);
  g_assert_no_error(error);
  return options;
}

static RenewalRecord *load(const char *name, const RequestOptions *given) {
  g_autoptr(GError) error = NULL;
  RenewalRecord *record = renewal_record_load(folder, name, given, &error);
  g_assert_no_error(error);
  return record;
}

static RenewalRecord *save_record(const char *more) {
  g_autoptr(GError) error = NULL;
  g_autofree char *line = g_strdup_printf(
      "request ann@example.org bob@example.org --directory https://ca.example/d --out %s "
      "--contact a@example.org --contact b@example.org --agree-tos --ca-file roots.pem "
      "--mail maildir --maildir /m --smtp h:25 --hook true --usage encrypt%s",
      folder, more);
  RenewalRecord *record = renewal_record_new(parse(line));
  renewal_record_turn_to(record, "aki.serial");
  renewal_time_suggest(&record->state, START + DAY, START + 2 * DAY, HOUR, START);
  renewal_time_failed(&record->state, 7, START + 5);
  record->failure = g_strdup("no such\nuser = [x]");
  record->order = g_strdup("https://ca.example/order/1");
  g_assert_true(renewal_record_save(record, &error));
  g_assert_no_error(error);
  return record;
}

static gboolean same_state(const RenewalState *a, const RenewalState *b) {
  return a->start == b->start && a->end == b->end && a->ask_at == b->ask_at &&
         a->failures == b->failures && a->failed_at == b->failed_at && a->refused == b->refused;
}

static void test_record(void) {
  g_autoptr(RenewalRecord) saved = save_record("");
  g_autoptr(RenewalRecord) record = load("ann", NULL);
  const RequestOptions *o = record->options;
  g_assert_true(g_strv_equal((const char *const *)o->addresses,
                             (const char *const *)saved->options->addresses));
  g_assert_cmpstr(o->prove.directory, ==, "https://ca.example/d");
  g_assert_cmpint((int)g_strv_length(o->prove.contacts), ==, 2);
  g_assert_cmpint(o->prove.mail, ==, PROVE_MAIL_MAILDIR);
  g_assert_cmpint(o->usage, ==, CERTIFICATE_USAGE_ENCRYPT);
  g_assert_true(g_path_is_absolute(o->prove.ca_file));
  g_assert_false(o->prove.agree); /* to terms that come later nobody has agreed */
  g_assert_cmpstr(o->hook, ==, "true");
  g_assert_true(same_state(&record->state, &saved->state));
  g_assert_cmpstr(record->failure, ==, saved->failure);
  g_assert_cmpstr(record->order, ==, saved->order);
  g_autofree char *path = g_build_filename(folder, "ann.renewal", NULL);
  GStatBuf status;
  g_assert_cmpint(g_stat(path, &status), ==, 0);
  g_assert_cmpuint(status.st_mode & 07777, ==, 0600);
  /* Another certificate: nothing that was said of the former counts, and the hook is due. */
  renewal_record_turn_to(record, "aki.serial");
  g_assert_cmpuint(record->state.failures, ==, 1);
  renewal_record_turn_to(record, "aki.other");
  g_assert_true(record->state.failures == 0 && record->state.end == 0 && record->order == NULL);
  g_assert_true(record->hook_due);
}

static void test_given(void) {
  g_autoptr(RenewalRecord) saved = save_record("");
  g_autoptr(RequestOptions) given = g_new0(RequestOptions, 1);
  given->prove.smtp = g_strdup("other.example:25");
  given->prove.directory = g_strdup("https://other.example/d");
  g_autoptr(RenewalRecord) record = load("ann", given);
  g_assert_cmpstr(record->options->prove.smtp, ==, "other.example:25");
  g_assert_cmpstr(record->options->prove.directory, ==, "https://other.example/d");
  g_assert_cmpstr(record->options->prove.maildir, ==, "/m");
  /* For this run: they are not kept. What a person has written into the file is. */
  g_key_file_set_comment(record->file, "request", "smtp", " mine", NULL);
  renewal_time_failed(&record->state, 0, START);
  g_assert_true(renewal_record_save(record, NULL));
  g_autoptr(RenewalRecord) again = load("ann", NULL);
  g_autofree char *comment = g_key_file_get_comment(again->file, "request", "smtp", NULL);
  g_assert_cmpstr(again->options->prove.smtp, ==, "h:25");
  g_assert_cmpuint(again->state.failures, ==, record->state.failures);
  g_assert_cmpstr(g_strstrip(comment), ==, "mine");
}

static void test_bad_record(void) {
  static const struct {
    const char *text;
    int code;
  } cases[] = {{"nothing", CLIENT_LOCAL},
               {"[request]\naddresses=ann@example.org;\n", CLIENT_USAGE},
               {"[request]\ndirectory=https://ca.example/d\n", CLIENT_USAGE},
               {"[request]\ndirectory=https://ca.example/d\naddresses=ann;\n", CLIENT_USAGE},
               {"[request]\ndirectory=https://ca.example/d\naddresses=a@b.example;\nmail=x\n",
                CLIENT_USAGE}};
  g_autofree char *path = g_build_filename(folder, "bad.renewal", NULL);
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(GError) error = NULL;
    g_assert_true(g_file_set_contents(path, cases[i].text, -1, NULL));
    g_assert_null(renewal_record_load(folder, "bad", NULL, &error));
    g_assert_error(error, CLIENT_ERROR, cases[i].code);
    g_assert_nonnull(strstr(error->message, "bad.renewal"));
  }
  /* In a folder it is one that needs attention, beside those that do not. */
  g_autoptr(RenewalRecord) saved = save_record(" --name zoe");
  g_autoptr(GPtrArray) all = renewal_plan_folder(folder, NULL, NULL);
  g_assert_cmpuint(all->len, >=, 2);
  for (guint i = 0; i < all->len; i++) {
    const Renewal *renewal = g_ptr_array_index(all, i);
    g_assert_true((renewal->fault != NULL) == (strcmp(renewal->name, "bad") == 0));
  }
  g_unlink(path);
}

/* A hook is a command: not by somebody else's hand. */
static void test_others_may_write(void) {
  g_autoptr(RenewalRecord) saved = save_record(" --name shared");
  g_autofree char *path = g_build_filename(folder, "shared.renewal", NULL);
  static const guint modes[] = {0620, 0602, 0666};
  for (gsize i = 0; i < G_N_ELEMENTS(modes); i++) {
    g_autoptr(GError) error = NULL;
    g_assert_cmpint(g_chmod(path, modes[i]), ==, 0);
    g_assert_null(renewal_record_load(folder, "shared", NULL, &error));
    g_assert_error(error, CLIENT_ERROR, CLIENT_LOCAL);
    g_assert_nonnull(strstr(error->message, "chmod go-w"));
  }
  g_assert_cmpint(g_chmod(path, 0644), ==, 0);
  g_autoptr(RenewalRecord) record = load("shared", NULL);
  g_assert_nonnull(record);
}

/* --- a list -------------------------------------------------------------------------------------
 */

static GPtrArray *read_list(const char *text, gssize length, GError **error) {
  g_autofree char *path = g_build_filename(folder, "list", NULL);
  g_assert_true(g_file_set_contents(path, text, length, NULL));
  return renewal_list_read(path, error);
}

static void test_list(void) {
  g_autoptr(GPtrArray) entries =
      read_list("# all of us\n\nAnn@example.org\r\nbob@example.org, info@example.org\t# two\n"
                "a/b@example.org",
                -1, NULL);
  g_assert_cmpuint(entries->len, ==, 3);
  const RenewalEntry *first = g_ptr_array_index(entries, 0), *two = g_ptr_array_index(entries, 1),
                     *last = g_ptr_array_index(entries, 2);
  g_assert_cmpstr(first->addresses[0], ==, "Ann@example.org");
  g_assert_cmpstr(first->name, ==, "ann@example.org");
  g_assert_cmpstr(two->addresses[1], ==, "info@example.org");
  g_assert_null(two->addresses[2]);
  g_assert_cmpstr(last->name, ==, "a_b@example.org");
}

static void remove_folder(const char *path) {
  g_autoptr(GDir) entries = g_dir_open(path, 0, NULL);
  for (const char *name = NULL; entries != NULL && (name = g_dir_read_name(entries)) != NULL;) {
    g_autofree char *entry = g_build_filename(path, name, NULL);
    g_unlink(entry);
  }
  g_rmdir(path);
}

/* In the order of the files' names; another state when one of them changes. */
static void test_list_folder(void) {
  g_autofree char *path = g_build_filename(folder, "lists", NULL);
  static const struct {
    const char *name, *text;
  } files[] = {{"b", "bob@example.org\n"},
               {"a", "ann@example.org"},
               {"empty", ""},
               {".c", "\xff"},
               {"b~", "\xff"}};
  g_assert_cmpint(g_mkdir(path, 0700), ==, 0);
  for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
    g_autofree char *file = g_build_filename(path, files[i].name, NULL);
    g_assert_true(g_file_set_contents(file, files[i].text, -1, NULL));
  }
  g_autoptr(GPtrArray) entries = renewal_list_read(path, NULL);
  g_assert_cmpuint(entries->len, ==, 2);
  g_assert_cmpstr(((const RenewalEntry *)g_ptr_array_index(entries, 0))->name, ==,
                  "ann@example.org");
  g_autofree char *before = renewal_list_state(path);
  g_autofree char *same = renewal_list_state(path);
  g_autofree char *file = g_build_filename(path, "empty", NULL);
  g_assert_cmpstr(before, ==, same);
  g_assert_true(g_file_set_contents(file, "ann@example.org eve@example.org\n", -1, NULL));
  g_autofree char *after = renewal_list_state(path);
  g_assert_cmpstr(before, !=, after);
  g_autofree char *below = g_build_filename(path, "folder", NULL);
  g_assert_cmpint(g_mkdir(below, 0700), ==, 0);
  g_autoptr(GPtrArray) more = renewal_list_read(path, NULL);
  g_assert_cmpuint(more->len, ==, 4);
  g_assert_nonnull(((const RenewalEntry *)g_ptr_array_index(more, 2))->fault); /* ann twice */
  g_assert_cmpstr(((const RenewalEntry *)g_ptr_array_index(more, 3))->name, ==, "the list");
  g_assert_nonnull(strstr(((const RenewalEntry *)g_ptr_array_index(more, 3))->fault, below));
  g_rmdir(below);
  remove_folder(path);
}

/* What is wrong stops no other line, and says where it is. */
static void test_bad_list(void) {
  static const struct {
    const char *text;
    gssize length;
    const char *where, *words;
  } cases[] = {
      {"ann@example.org\nANN@example.org bob@example.org\neve@example.org", -1, "line 2",
       "ANN@example.org begins another line too"},
      {"ann@example.org\n\xff@example.org\neve@example.org", -1, "line 2", "not UTF-8"},
      {"\xef\xbb\xbf"
       "ann@example.org\nbob@example\0.org\neve@example.org\n",
       52, "line 2", "not UTF-8"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(GPtrArray) entries = read_list(cases[i].text, cases[i].length, NULL);
    g_assert_cmpuint(entries->len, ==, 3);
    const RenewalEntry *first = g_ptr_array_index(entries, 0), *bad = g_ptr_array_index(entries, 1),
                       *last = g_ptr_array_index(entries, 2);
    g_assert_cmpstr(first->name, ==, "ann@example.org");
    g_assert_null(first->fault);
    g_assert_cmpstr(bad->fault, ==, cases[i].words);
    g_assert_true(g_str_has_suffix(bad->name, cases[i].where));
    g_assert_cmpstr(last->addresses[0], ==, "eve@example.org");
  }
  g_autoptr(GError) error = NULL;
  g_assert_null(renewal_list_read("/nowhere", &error));
  g_assert_error(error, CLIENT_ERROR, CLIENT_LOCAL);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  output_set_quiet(TRUE);
  folder = g_dir_make_tmp("signet-renewal-XXXXXX", NULL);
  g_test_add_func("/renewal/window", test_window);
  g_test_add_func("/renewal/retry_after", test_retry_after);
  g_test_add_func("/renewal/uniform", test_uniform);
  g_test_add_func("/renewal/lifetime", test_lifetime);
  g_test_add_func("/renewal/failures", test_failures);
  g_test_add_func("/renewal/interval", test_interval);
  g_test_add_func("/renewal/wrong_clock", test_wrong_clock);
  g_test_add_func("/renewal/staggered", test_staggered);
  g_test_add_func("/renewal/order", test_order);
  g_test_add_func("/renewal/info", test_info);
  g_test_add_func("/renewal/identifier", test_identifier);
  g_test_add_func("/renewal/record", test_record);
  g_test_add_func("/renewal/given", test_given);
  g_test_add_func("/renewal/bad_record", test_bad_record);
  g_test_add_func("/renewal/others_may_write", test_others_may_write);
  g_test_add_func("/renewal/list", test_list);
  g_test_add_func("/renewal/list_folder", test_list_folder);
  g_test_add_func("/renewal/bad_list", test_bad_list);
  int result = g_test_run();
  remove_folder(folder);
  g_free(folder);
  return result;
}
