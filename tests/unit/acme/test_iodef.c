/* SPDX-License-Identifier: Apache-2.0 */
/* Reports to domains whose CAA records forbid an order: to the domain itself and nobody else,
   seldom, and of what was found. */
#include "harness.h"

#define MAIL "ca.iodef", "mail"
#define SENDER "acme-notice@" LAB_DOMAIN

static Lab *lab_mailing(void) {
  static const char *const overrides[] = {MAIL, NULL};
  return lab_new_with(overrides);
}

/* What the DNS says: at found_at an issuemail property and iodef ones. */
typedef struct {
  ResolverOutcome outcome;
  gboolean insecure;
  const char *found_at, *issuemail;
  const char *iodef[6];
} Zone;

#define FORBIDS(at, ...)                                                                           \
  {                                                                                                \
    RESOLVER_FOUND, FALSE, at, ";", {                                                              \
      __VA_ARGS__                                                                                  \
    }                                                                                              \
  }

static void add(CaaRecordSet *set, const char *tag, const char *value) {
  GByteArray *octets = g_byte_array_new();
  const guint8 head[] = {0, (guint8)strlen(tag)};
  g_byte_array_append(octets, head, 2);
  g_byte_array_append(octets, (const guint8 *)tag, head[1]);
  g_byte_array_append(octets, (const guint8 *)value, (guint)strlen(value));
  g_ptr_array_add(set->records, g_byte_array_free_to_bytes(octets));
}

/* The CAA question that is open is answered so. */
static void answer_caa(Lab *lab, const Zone *zone) {
  g_auto(Question) question = {0};
  g_autoptr(CaaRecordSet) set = g_new0(CaaRecordSet, 1);
  set->outcome = zone->outcome;
  set->secure = !zone->insecure;
  set->found_at = g_strdup(zone->found_at);
  set->text = g_strdup("words");
  set->records = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
  add(set, "issuemail", zone->issuemail);
  for (gsize i = 0; i < G_N_ELEMENTS(zone->iodef) && zone->iodef[i] != NULL; i++)
    add(set, "iodef", zone->iodef[i]);
  lab_ask(lab, JOB_ISSUE, QUESTION_CAA, &question);
  LAB_TURN(lab, job_caa_answered(&lab->acme, &question, set, lab->answers, NULL));
}

static LabOrder *finalized(Lab *lab, LabClient *client, const char *const *addresses) {
  g_autoptr(GString) names = g_string_new(NULL);
  LabOrder *order = lab_order_of(lab, client, addresses);
  for (guint i = 0; addresses[i] != NULL; i++) {
    lab_validate(order, i);
    g_string_append_printf(names, "%semail:%s", i > 0 ? "," : "", addresses[i]);
  }
  g_autoptr(Answer) answer = lab_finalize_with(order, order->key, names->str);
  g_assert_cmpuint(answer->status, ==, 200);
  return order;
}

/* An order for an address meets this zone and is invalid. */
static LabOrder *forbidden(Lab *lab, LabClient *client, const char *address, const Zone *zone) {
  const char *const addresses[] = {address, NULL};
  LabOrder *order = finalized(lab, client, addresses);
  answer_caa(lab, zone);
  assert_status(order, order->order, "invalid");
  return order;
}

static void answer(Lab *lab, const Question *question, SenderOutcome outcome) {
  g_autoptr(GBytes) message = g_bytes_new_static("Subject: x\r\n\r\n", 14);
  const Delivery delivery = {outcome, 250, "words", message};
  LAB_TURN(lab, job_iodef_delivered(&lab->acme, question, &delivery, NULL));
}

static gint64 audited(Lab *lab, const char *kind) {
  g_autofree char *sql =
      g_strdup_printf("SELECT count(*) FROM audit WHERE kind = 'iodef report %s'", kind);
  return lab_count(lab, sql);
}

static gint compare_texts(gconstpointer a, gconstpointer b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Whom the reports that are due go to, in order of their addresses; the relay takes them. */
static char *recipients(Lab *lab) {
  g_autoptr(GPtrArray) to = g_ptr_array_new_with_free_func(g_free);
  for (;;) {
    g_auto(Question) question = {0};
    if (!lab_take(lab, JOB_IODEF, &question))
      break;
    g_assert_cmpint(question.kind, ==, QUESTION_IODEF);
    g_ptr_array_add(to, g_strdup(question.to));
    answer(lab, &question, SENDER_ACCEPTED);
  }
  g_ptr_array_sort(to, compare_texts);
  g_ptr_array_add(to, NULL);
  return g_strjoinv(" ", (char **)to->pdata);
}

static void expect(Lab *lab, const char *expected) {
  g_autofree char *to = recipients(lab);
  g_assert_cmpstr(to, ==, expected);
}

/* --- what is said --- */

static void test_off(void) {
  static const Zone zone = FORBIDS("example.org", "mailto:security@example.org");
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = forbidden(lab, client, "alice@example.org", &zone);
  expect(lab, "");
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM iodef_report"), ==, 0);
}

/* The domain is told of its own mailboxes alone; a restart and an answer that comes twice change
   nothing. */
static void test_report(void) {
  static const Zone zone = FORBIDS("example.org", "mailto:security@example.org");
  static const char *const addresses[] = {"Alice@mail.example.org", "carol@other.example",
                                          "bob@mail.example.org", NULL};
  g_autoptr(Lab) lab = lab_mailing();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = finalized(lab, client, addresses);
  gint64 refused_at = lab->clock.now;
  answer_caa(lab, &zone);
  assert_status(order, order->order, "invalid");
  lab->clock.now += CLOCK_MINUTE;
  lab_restart(lab);
  g_auto(Question) question = {0};
  lab_ask(lab, JOB_IODEF, QUESTION_IODEF, &question);
  g_assert_cmpstr(question.from, ==, SENDER);
  g_assert_cmpstr(question.to, ==, "security@example.org");
  g_assert_cmpstr(question.incident, ==, strrchr(order->order, '/') + 1);
  g_assert_cmpstr(question.domain, ==, "mail.example.org");
  g_assert_cmpstr(question.mailboxes, ==, "Alice@mail.example.org, bob@mail.example.org");
  g_assert_cmpstr(question.refusing, ==, "example.org. CAA 0 issuemail \";\"");
  g_assert_cmpint(question.refused_at, ==, refused_at);
  g_assert_cmpint(question.date, ==, lab->clock.now);
  answer(lab, &question, SENDER_ACCEPTED);
  answer(lab, &question, SENDER_ACCEPTED);
  expect(lab, "");
  g_assert_cmpint(audited(lab, "queued"), ==, 1);
  g_assert_cmpint(audited(lab, "sent"), ==, 1);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM audit WHERE kind LIKE 'iodef report %'"
                                 " AND detail LIKE '%mail.example.org%'"
                                 " AND detail LIKE '%security@example.org%'"),
                  ==, 2);
}

/* --- to whom --- */

static const struct {
  const char *name, *address;
  Zone zone;
  const char *recipients;
} places[] = {
    {"own", "alice@example.org", FORBIDS("example.org", "mailto:a@example.org"), "a@example.org"},
    {"above", "alice@x.example.org", FORBIDS("x.example.org", "mailto:a@example.org"),
     "a@example.org"},
    {"below", "alice@example.org", FORBIDS("example.org", "mailto:a@x.example.org"),
     "a@x.example.org"},
    {"climbed", "alice@x.example.org", FORBIDS("example.org", "mailto:a@example.org"),
     "a@example.org"},
    {"three", "alice@example.org",
     FORBIDS("example.org", "mailto:d@example.org", "mailto:c@example.org", "mailto:b@example.org",
             "mailto:a@example.org"),
     "a@example.org b@example.org c@example.org"},
    {"insecure",
     "alice@example.org",
     {RESOLVER_FOUND, TRUE, "example.org", "another-ca.example", {"mailto:a@example.org"}},
     "a@example.org"},
    {"malformed",
     "alice@example.org",
     {RESOLVER_FOUND, FALSE, "example.org", "%%%", {"mailto:a@example.org"}},
     "a@example.org"},
    {"one-of-ours", "alice@example.org",
     FORBIDS("example.org", "mailto:victim@example.net", "https://example.org/",
             "mailto:a@example.org"),
     "a@example.org"},
    {"elsewhere", "alice@example.org", FORBIDS("example.org", "mailto:victim@example.net"), ""},
    {"looks-like", "alice@example.org", FORBIDS("example.org", "mailto:victim@notexample.org"), ""},
    {"neighbour", "alice@one.co.uk", FORBIDS("one.co.uk", "mailto:victim@two.co.uk"), ""},
    {"suffix", "alice@one.co.uk", FORBIDS("co.uk", "mailto:victim@two.co.uk"), ""},
    {"top", "alice@example.org", FORBIDS("org", "mailto:victim@example.net"), ""},
    {"https", "alice@example.org", FORBIDS("example.org", "https://example.org/iodef"), ""},
    {"copies", "alice@example.org", FORBIDS("example.org", "mailto:a@example.org?cc=b@example.org"),
     ""},
    {"none", "alice@example.org", FORBIDS("example.org", NULL), ""},
    {"bogus",
     "alice@example.org",
     {RESOLVER_BOGUS, TRUE, "example.org", ";", {"mailto:a@example.org"}},
     ""},
};

static void test_places(void) {
  g_autoptr(Lab) lab = lab_mailing();
  g_autoptr(LabClient) client = lab_account(lab);
  for (gsize i = 0; i < G_N_ELEMENTS(places); i++) {
    g_test_message("%s", places[i].name);
    g_autoptr(LabOrder) order = forbidden(lab, client, places[i].address, &places[i].zone);
    expect(lab, places[i].recipients);
    lab->clock.now += CLOCK_DAY;
  }
}

/* Records that permit, or could not be had, are no refusal. */
static void test_no_refusal(void) {
  static const Zone zones[] = {
      {RESOLVER_FOUND, FALSE, "example.org", "ca.example.org", {"mailto:a@example.org"}},
      {RESOLVER_TEMPORARY, FALSE, "example.org", ";", {"mailto:a@example.org"}}};
  static const char *const alice[] = {"alice@example.org", NULL};
  for (gsize i = 0; i < G_N_ELEMENTS(zones); i++) {
    g_autoptr(Lab) lab = lab_mailing();
    g_autoptr(LabClient) client = lab_account(lab);
    g_autoptr(LabOrder) order = finalized(lab, client, alice);
    answer_caa(lab, &zones[i]);
    assert_status(order, order->order, "processing");
    expect(lab, "");
  }
}

/* --- how often --- */

/* One a day for the whole domain, whoever orders, whatever subdomain has the records. */
static void test_once_a_day(void) {
  static const Zone top = FORBIDS("example.org", "mailto:a@example.org"),
                    below = FORBIDS("x.example.org", "mailto:b@example.org"),
                    other = FORBIDS("example.net", "mailto:a@example.net");
  g_autoptr(Lab) lab = lab_mailing();
  g_autoptr(LabClient) client = lab_account(lab), stranger = lab_account(lab);
  g_autoptr(LabOrder) first = forbidden(lab, client, "alice@example.org", &top);
  g_autoptr(LabOrder) again = forbidden(lab, client, "alice@example.org", &top);
  g_autoptr(LabOrder) strange = forbidden(lab, stranger, "bob@x.example.org", &below);
  expect(lab, "a@example.org");
  g_autoptr(LabOrder) elsewhere = forbidden(lab, client, "alice@example.net", &other);
  expect(lab, "a@example.net");
  lab->clock.now += CLOCK_DAY - CLOCK_SECOND;
  g_autoptr(LabOrder) early = forbidden(lab, client, "alice@example.org", &top);
  expect(lab, "");
  lab->clock.now += CLOCK_SECOND;
  g_autoptr(LabOrder) late = forbidden(lab, client, "alice@example.org", &top);
  expect(lab, "a@example.org");
  g_assert_cmpint(audited(lab, "queued"), ==, 3);
}

/* [limits] iodef-reports: two a day of all domains; the next one, a day later. */
static void test_limit(void) {
  static const char *const overrides[] = {MAIL, "limits.iodef-reports", "2/86400000", NULL};
  static const Zone first = FORBIDS("example.org", "mailto:a@example.org"),
                    second = FORBIDS("example.net", "mailto:a@example.net", "mailto:b@example.net"),
                    third = FORBIDS("example.com", "mailto:a@example.com");
  g_autoptr(Lab) lab = lab_new_with(overrides);
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) one = forbidden(lab, client, "alice@example.org", &first);
  g_autoptr(LabOrder) two = forbidden(lab, client, "alice@example.net", &second);
  g_autoptr(LabOrder) three = forbidden(lab, client, "alice@example.com", &third);
  expect(lab, "a@example.net a@example.org");
  lab->clock.now += CLOCK_DAY;
  g_autoptr(LabOrder) later = forbidden(lab, client, "alice@example.com", &third);
  expect(lab, "a@example.com");
}

/* --- what becomes of it --- */

static void test_relay(void) {
  static const Zone zone = FORBIDS("example.org", "mailto:a@example.org");
  g_autoptr(Lab) lab = lab_mailing();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = forbidden(lab, client, "alice@example.org", &zone);
  for (guint i = 0; i < 3; i++) {
    g_auto(Question) question = {0};
    lab_ask(lab, JOB_IODEF, QUESTION_IODEF, &question);
    answer(lab, &question, SENDER_TEMPORARY);
    expect(lab, "");
    lab->clock.now += CLOCK_MINUTE << i;
  }
  g_auto(Question) question = {0};
  lab_ask(lab, JOB_IODEF, QUESTION_IODEF, &question);
  answer(lab, &question, SENDER_PERMANENT);
  expect(lab, "");
  g_assert_cmpint(audited(lab, "refused"), ==, 1);
}

/* Three days later it is no news. */
static void test_late(void) {
  static const Zone zone = FORBIDS("example.org", "mailto:a@example.org");
  g_autoptr(Lab) lab = lab_mailing();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = forbidden(lab, client, "alice@example.org", &zone);
  lab->clock.now += 3 * CLOCK_DAY;
  g_assert_cmpuint(lab_run(lab, JOB_IODEF), ==, 1);
}

/* It goes with its order. */
static void test_removed(void) {
  static const Zone zone = FORBIDS("example.org", "mailto:a@example.org");
  g_autoptr(Lab) lab = lab_mailing();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = forbidden(lab, client, "alice@example.org", &zone);
  lab->clock.now += 40 * CLOCK_DAY;
  lab_run(lab, JOB_PURGE);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM orders"), ==, 0);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM iodef_report"), ==, 0);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM job WHERE kind = 'iodef'"), ==, 0);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/acme/iodef/off", test_off);
  g_test_add_func("/acme/iodef/report", test_report);
  g_test_add_func("/acme/iodef/places", test_places);
  g_test_add_func("/acme/iodef/no-refusal", test_no_refusal);
  g_test_add_func("/acme/iodef/once-a-day", test_once_a_day);
  g_test_add_func("/acme/iodef/limit", test_limit);
  g_test_add_func("/acme/iodef/relay", test_relay);
  g_test_add_func("/acme/iodef/late", test_late);
  g_test_add_func("/acme/iodef/removed", test_removed);
  return g_test_run();
}
