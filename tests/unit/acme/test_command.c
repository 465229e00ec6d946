/* SPDX-License-Identifier: Apache-2.0 */
/* What operators ask: external account keys, limits, orders, renewals. */
#include "acme/command.h"
#include "base/hex.h"
#include "base/role.h"
#include "ca/key.h"
#include "harness.h"
#include "store/certificate.h"
#include "store/external_account_key.h"
#include "store/rate.h"

#define UID 1234

typedef struct {
  CommandOutcome outcome;
  json_t *json; /* NULL unless it is done */
  char *text;
} Said;

static void said_free(Said *said) {
  json_decref(said->json);
  g_free(said->text);
  g_free(said);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Said, said_free)

/* Runs a command as core's turns do: undone unless it is done. */
static Said *ask(Lab *lab, const char *name, const char *arguments) {
  g_autoptr(GError) error = NULL;
  Said *said = g_new0(Said, 1);
  lab_begin(lab);
  said->outcome = command_run(&lab->acme, UID, name, arguments, &said->text, &error);
  lab_commit(lab, said->outcome == COMMAND_DONE);
  g_assert_no_error(error);
  if (said->outcome == COMMAND_DONE)
    said->json = json_loads(said->text, 0, NULL);
  return said;
}

static Said *done(Lab *lab, const char *name, const char *arguments) {
  Said *said = ask(lab, name, arguments);
  if (said->outcome != COMMAND_DONE)
    g_error("%s %s: %s", name, arguments, said->text);
  return said;
}

static void refused(Lab *lab, const char *name, const char *arguments, const char *why) {
  g_autoptr(Said) said = ask(lab, name, arguments);
  if (said->outcome != COMMAND_REFUSED || strstr(said->text, why) == NULL)
    g_error("%s %s: %d %s, not %s", name, arguments, (int)said->outcome, said->text, why);
}

static const char *member(const json_t *object, const char *name) {
  return json_string_value(json_object_get(object, name));
}

static json_t *row(const Said *said, const char *list, gsize i) {
  return json_array_get(json_object_get(said->json, list), i);
}

static gsize rows(const Said *said, const char *list) {
  return json_array_size(json_object_get(said->json, list));
}

static char *last_audit(Lab *lab) {
  SqlQuery query = sql_query(
      lab->acme.store, "SELECT kind || ' ' || detail FROM audit ORDER BY number DESC LIMIT 1", "");
  g_assert_true(sql_row(&query));
  char *text = sql_text(&query, 0);
  g_assert_true(sql_end(&query, NULL));
  return text;
}

static void audited(Lab *lab, const char *pattern) {
  g_autofree char *text = last_audit(lab);
  if (!g_pattern_match_simple(pattern, text))
    g_error("audit record %s is not like %s", text, pattern);
}

#define TEN "1234567890"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static const struct {
  const char *name, *arguments, *why;
} bad[] = {
    {"", "{}", "knows no command"},
    {"eab", "{}", "knows no command"},
    {"eab add ", "{}", "knows no command"},
    {HUNDRED HUNDRED, "{}", "knows no command"},
    {"eab add", "", "no JSON object"},
    {"eab add", "[]", "no JSON object"},
    {"eab add", "{", "no JSON object"},
    {"eab add", "{\"note\":\"a\",\"note\":\"b\"}", "no JSON object"},
    {"eab add", "{\"identifier\":[\"example.org\"]}", "no argument of that name"},
    {"eab add", "{\"note\":1}", "note is no text"},
    {"eab add", "{\"note\":null}", "note is no text"},
    {"eab add", "{\"note\":\"a\\nb\"}", "control character"},
    {"eab add", "{\"note\":\"a\\u0085b\"}", "control character"},
    {"eab add", "{\"note\":\"" HUNDRED HUNDRED "1\"}", "longer than 200 octets"},
    {"eab add", "{\"identifiers\":\"example.org\"}", "identifiers is no list"},
    {"eab add", "{\"identifiers\":{\"a\":1}}", "identifiers is no list"},
    {"eab add", "{\"identifiers\":[\"example.org\",7]}", "identifiers is no text"},
    {"eab add", "{\"identifiers\":[\"localhost\"]}", "is no domain and no address"},
    {"eab add", "{\"identifiers\":[\"\"]}", "is no domain and no address"},
    {"eab add", "{\"identifiers\":[\"*.example.org\"]}", "is no domain and no address"},
    {"eab add", "{\"identifiers\":[\"a b@example.org\"]}", "is no domain and no address"},
    {"eab add", "{\"profiles\":[\"\"]}", "There is no profile"},
    {"eab add", "{\"profiles\":[\"Smime\"]}", "There is no profile \"Smime\""},
    {"eab add", "{\"profiles\":[\"smime\",\"own-1\"]}", "There is no profile \"own-1\""},
    {"eab list", "{\"after\":\"x\"}", "no key identifier"},
    {"eab revoke", "{}", "kid is missing"},
    {"eab revoke", "{\"kid\":\"\"}", "kid is missing"},
    {"eab revoke", "{\"kid\":\"x\"}", "no key identifier"},
    {"eab revoke", "{\"kid\":\"AAAAAAAAAAAAAAAAAAAAAA\"}", "no key of this identifier"},
    {"limit set", "{}", "name is missing"},
    {"limit set", "{\"name\":\"orders\",\"subject\":\"a@b.org\",\"rate\":\"1/1h\"}",
     "there are: accounts-per-network, "},
    {"limit set", "{\"name\":\"mails-per-domain\"}", "subject is missing"},
    {"limit set", "{\"name\":\"mails-per-domain\",\"subject\":\"b.org\"}", "rate is missing"},
    {"limit set", "{\"name\":\"mails-per-domain\",\"subject\":\"b.org\",\"rate\":\"0/1h\"}",
     "nor a rate such as"},
    {"limit set", "{\"name\":\"mails-per-domain\",\"subject\":\"b.org\",\"rate\":\"5\"}",
     "nor a rate such as"},
    {"limit set", "{\"name\":\"mails-per-domain\",\"subject\":\"b\",\"rate\":\"5/1h\"}",
     "is no address, domain"},
    {"limit set", "{\"name\":\"mails-per-domain\",\"subject\":\"@b.org\",\"rate\":\"5/1h\"}",
     "is no address, domain"},
    {"limit set", "{\"name\":\"mails-per-domain\",\"subject\":\"192.0.2.1/32\",\"rate\":\"5/1h\"}",
     "is no address, domain"},
    {"limit set", "{\"name\":\"mails-per-domain\",\"subject\":\"192.0.2.0/23\",\"rate\":\"5/1h\"}",
     "is no address, domain"},
    {"limit set", "{\"name\":\"mails-per-domain\",\"subject\":\"::/129\",\"rate\":\"5/1h\"}",
     "is no address, domain"},
    {"limit set", "{\"name\":\"mails-per-domain\",\"subject\":\"example.org/8\",\"rate\":\"off\"}",
     "is no address, domain"},
    {"limit clear", "{\"name\":\"mails-per-domain\"}", "subject is missing"},
    {"limit clear", "{\"name\":\"mails-per-domain\",\"subject\":\"b.org\"}",
     "No limit \"mails-per-domain\" is set for b.org"},
    {"renewal ask", "{}", "Give either"},
    {"renewal ask", "{\"serials\":[]}", "Give either"},
    {"renewal ask", "{\"serials\":[\"01\"],\"issued-before\":\"2026-01-01T00:00:00Z\"}",
     "Give either"},
    {"renewal ask", "{\"serials\":[\"01\"]}", "No certificate with the serial number 01"},
    {"renewal ask", "{\"serials\":[\"\"]}", "no serial number"},
    {"renewal ask", "{\"serials\":[\"00\"]}", "no serial number"},
    {"renewal ask", "{\"serials\":[\"0x12\"]}", "no serial number"},
    {"renewal ask", "{\"serials\":[\"12:\"]}", "no serial number"},
    {"renewal ask", "{\"serials\":[\"1:2\"]}", "no serial number"},
    {"renewal ask", "{\"serials\":[\"12:3\"]}", "no serial number"},
    {"renewal ask", "{\"serials\":[\":12\"]}", "no serial number"},
    {"renewal ask", "{\"serials\":[\"" TEN TEN TEN TEN "12\"]}", "no serial number"},
    {"renewal ask", "{\"issued-before\":\"yesterday\"}", "RFC 3339"},
    {"renewal ask", "{\"issued-before\":\"2026-01-01\"}", "RFC 3339"},
    {"renewal ask", "{\"issued-before\":\"2026-01-01T00:00:00\"}", "RFC 3339"},
    {"renewal ask", "{\"issued-before\":\"2026-13-01T00:00:00Z\"}", "RFC 3339"},
    {"renewal ask", "{\"issued-before\":\"2026-03-01T00:00:01Z\"}", "lies ahead"},
    {"renewal ask", "{\"issued-before\":\"2026-01-01T00:00:00Z\",\"why\":\"ftp://x/\"}", "why is"},
    {"renewal ask", "{\"issued-before\":\"2026-01-01T00:00:00Z\",\"why\":\"https:\"}", "why is"},
    {"renewal ask", "{\"issued-before\":\"2026-01-01T00:00:00Z\",\"why\":\"https://a/\\\"\"}",
     "why is"},
    {"order show", "{}", "order is missing"},
    {"order show", "{\"order\":\"x\"}", "no order of this server"},
    {"order show", "{\"order\":\"https://elsewhere.example/order/AAECAwQFBgcICQoLDA0ODw\"}",
     "no order of this server"},
    {"order show", "{\"order\":\"AAECAwQFBgcICQoLDA0ODw\"}", "no order of this identifier"},
    {"order list", "{\"status\":\"expired\"}", "no status \"expired\""},
    {"order list", "{\"address\":\"example.org\"}", "is no address"},
    {"order list", "{\"before\":\"x\"}", "no order of this server"},
};

static void test_refused(void) {
  g_autoptr(Lab) lab = lab_new();
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
    refused(lab, bad[i].name, bad[i].arguments, bad[i].why);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM audit WHERE detail LIKE '%uid%'"), ==, 0);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM external_account_key"), ==, 0);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM rate_override"), ==, 0);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM renewal"), ==, 0);
  g_autoptr(Said) key = done(lab, "eab add", "{}");
}

/* The key is as stored, and only in the answer. */
static void test_eab_add(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(Said) said = done(
      lab, "eab add",
      "{\"note\":\"Sales \\u00e4\",\"identifiers\":[\"B\\u00fccher.Example\",\"Ann@Example.ORG\","
      "\"ann@example.org\"],\"profiles\":[\"smime\",\"smime\",\"smime-sign\"]}");
  g_autoptr(ExternalAccountKey) key = NULL;
  Id id;
  g_assert_cmpuint(json_object_size(said->json), ==, 2);
  g_assert_true(id_from_text(member(said->json, "kid"), &id));
  g_autoptr(GBytes) mac = base64url_decode(member(said->json, "key"));
  g_assert_cmpuint(g_bytes_get_size(mac), ==, 32);
  g_assert_cmpint(external_account_key_find(lab->acme.store, &id, &key, NULL), ==, STORE_FOUND);
  g_assert_true(g_bytes_equal(mac, key->mac_key));
  g_assert_cmpstr(key->note, ==, "Sales \xc3\xa4");
  g_assert_cmpstr(key->identifiers, ==, "[\"xn--bcher-kva.example\",\"ann@example.org\"]");
  g_assert_cmpstr(key->profiles, ==, "[\"smime\",\"smime-sign\"]");
  g_assert_cmpint(key->created_at, ==, LAB_NOW);
  audited(lab, "external account key made kid=*note=*identifiers=*ann@example.org*"
               "profiles=*smime-sign*uid=\"1234\"");
  g_autofree char *record = last_audit(lab);
  g_assert_null(strstr(record, member(said->json, "key")));
  g_autoptr(Said) list = done(lab, "eab list", "{}");
  g_assert_null(strstr(list->text, member(said->json, "key")));
  g_autoptr(Said) other = done(lab, "eab add", "{}");
  g_assert_cmpstr(member(other->json, "key"), !=, member(said->json, "key"));
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM external_account_key WHERE identifiers = ''"
                                 " AND profiles = '' AND note = ''"),
                  ==, 1);
}

static void test_eab_life(void) {
  g_autoptr(Lab) lab = lab_new();
  static const Id account = {{9}};
  Id id;
  char text[ID_TEXT];
  g_autoptr(Said) said = done(lab, "eab add", "{\"identifiers\":[\"example.org\"]}");
  const char *kid = member(said->json, "kid");
  g_assert_true(id_from_text(kid, &id));
  g_autofree char *this = g_strdup_printf("{\"kid\":\"%s\"}", kid);
  g_autoptr(Said) fresh = done(lab, "eab list", "{}");
  g_assert_cmpuint(rows(fresh, "keys"), ==, 1);
  g_assert_false(json_is_true(json_object_get(fresh->json, "more")));
  g_assert_cmpstr(member(row(fresh, "keys", 0), "kid"), ==, kid);
  g_assert_cmpstr(member(row(fresh, "keys", 0), "made"), ==, "2026-03-01T00:00:00Z");
  g_assert_null(json_object_get(row(fresh, "keys", 0), "account"));
  g_assert_null(json_object_get(row(fresh, "keys", 0), "revoked"));
  lab_begin(lab);
  g_assert_cmpint(external_account_key_bind(lab->acme.store, &id, &account, NULL), ==,
                  STORE_CHANGED);
  lab_commit(lab, TRUE);
  lab->clock.now += CLOCK_HOUR;
  g_autoptr(Said) revoked = done(lab, "eab revoke", this);
  audited(lab, "external account key revoked kid=*uid=\"1234\"");
  refused(lab, "eab revoke", this, "revoked already");
  g_autoptr(Said) list = done(lab, "eab list", "{}");
  g_autofree char *url = g_strdup_printf("%s/account/%s", LAB_URL, id_text(&account, text));
  g_assert_cmpstr(member(row(list, "keys", 0), "account"), ==, url);
  g_assert_cmpstr(member(row(list, "keys", 0), "revoked"), ==, "2026-03-01T01:00:00Z");
}

/* Every key is on exactly one page, and no page is too long for a message. */
static void walk_pages(Lab *lab, guint wanted, gsize most) {
  g_autofree char *arguments = g_strdup("{}");
  g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (gboolean more = TRUE; more;) {
    g_autoptr(Said) page = done(lab, "eab list", arguments);
    gsize count = rows(page, "keys");
    g_assert_cmpuint(count, <=, most);
    g_assert_cmpuint(strlen(page->text), <=, COMMAND_ANSWER_OCTETS);
    for (gsize i = 0; i < count; i++)
      g_assert_true(g_hash_table_add(seen, g_strdup(member(row(page, "keys", i), "kid"))));
    more = json_is_true(json_object_get(page->json, "more"));
    g_assert_true(!more || count > 0);
    g_free(arguments);
    arguments = count == 0 ? NULL
                           : g_strdup_printf("{\"after\":\"%s\"}",
                                             member(row(page, "keys", count - 1), "kid"));
  }
  g_assert_cmpuint(g_hash_table_size(seen), ==, wanted);
}

static void add_keys(Lab *lab, guint count, const char *identifiers) {
  g_autoptr(GBytes) mac = g_bytes_new("secret", 6);
  lab_begin(lab);
  for (guint i = 0; i < count; i++) {
    ExternalAccountKey key = {.id = acme_id(&lab->acme, lab->clock.now + i),
                              .mac_key = mac,
                              .note = (char *)"",
                              .identifiers = (char *)identifiers,
                              .profiles = (char *)""};
    g_assert_true(external_account_key_insert(lab->acme.store, &key, NULL));
  }
  lab_commit(lab, TRUE);
}

static void test_eab_pages(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(Said) first = done(lab, "eab add", "{}");
  add_keys(lab, COMMAND_PAGE - 1, "");
  walk_pages(lab, COMMAND_PAGE, COMMAND_PAGE);
  add_keys(lab, COMMAND_PAGE, "");
  walk_pages(lab, 2 * COMMAND_PAGE, COMMAND_PAGE);
  g_autoptr(GString) long_list = g_string_new("[\"" HUNDRED HUNDRED "\"");
  for (guint i = 0; i < 99; i++)
    g_string_append(long_list, ",\"" HUNDRED HUNDRED "\"");
  g_string_append(long_list, "]");
  add_keys(lab, 100, long_list->str);
  walk_pages(lab, 2 * COMMAND_PAGE + 100, COMMAND_PAGE);
}

/* A key that begins with a hyphen would be an option to many a client. */
static void test_eab_hyphen(void) {
  g_autoptr(Lab) lab = lab_new();
  for (guint i = 0; i < 1000; i++) {
    g_autoptr(Said) made = done(lab, "eab add", "{}");
    g_assert_cmpint(json_string_value(json_object_get(made->json, "key"))[0], !=, '-');
  }
}

static const struct {
  const char *given, *kept;
} subjects[] = {
    {"Ann@Example.org", "ann@example.org"},
    {"B\xc3\xbc"
     "cher.Example",
     "xn--bcher-kva.example"},
    {"192.0.2.77/24", "192.0.2.0/24"},
    {"198.51.100.77", "198.51.100.0/24"},
    {"::ffff:203.0.113.1", "203.0.113.0/24"},
    {"2001:DB8:0:1:ffff::1/48", "2001:db8::/48"},
    {"AAECAwQFBgcICQoLDA0ODw", "AAECAwQFBgcICQoLDA0ODw"},
};

static const struct {
  const char *given, *kept;
} rates[] = {{"5/1h", "5/1h"},    {"5/60m", "5/1h"},        {"7/90m", "7/90m"},
             {"20/24h", "20/1d"}, {"1/1500ms", "1/1500ms"}, {"1000000/365d", "1000000/365d"},
             {"off", "off"}};

static void test_limits(void) {
  g_autoptr(Lab) lab = lab_new();
  for (gsize i = 0; i < G_N_ELEMENTS(subjects); i++) {
    const char *rate = rates[i].given;
    g_autofree char *arguments =
        g_strdup_printf("{\"name\":\"mails-per-domain\",\"subject\":\"%s\",\"rate\":\"%s\"}",
                        subjects[i].given, rate);
    g_autoptr(Said) set = done(lab, "limit set", arguments);
    g_assert_cmpstr(member(set->json, "subject"), ==, subjects[i].kept);
    g_assert_cmpstr(member(set->json, "rate"), ==, rates[i].kept);
  }
  audited(lab, "limit set name=\"mails-per-domain\" subject=\"AAEC*rate=\"off\" uid=\"1234\"");
  Rate rate = {-1, -1};
  g_assert_true(
      rate_override_find(lab->acme.store, "mails-per-domain", "ann@example.org", &rate, NULL));
  g_assert_cmpint(rate.count, ==, 5);
  g_assert_cmpint(rate.period, ==, CLOCK_HOUR);
  g_autoptr(Said) again =
      done(lab, "limit set",
           "{\"name\":\"mails-per-domain\",\"subject\":\"ann@example.org\",\"rate\":\"6/1h\"}");
  g_autoptr(Said) list = done(lab, "limit list", "{}");
  g_assert_cmpuint(rows(list, "limits"), ==, G_N_ELEMENTS(subjects));
  g_assert_cmpstr(member(row(list, "limits", 5), "subject"), ==, "ann@example.org");
  g_assert_cmpstr(member(row(list, "limits", 5), "rate"), ==, "6/1h");
  g_autoptr(Said) clear =
      done(lab, "limit clear", "{\"name\":\"mails-per-domain\",\"subject\":\"ANN@example.org\"}");
  audited(lab, "limit cleared name=* subject=\"ann@example.org\" uid=\"1234\"");
  refused(lab, "limit clear", "{\"name\":\"mails-per-domain\",\"subject\":\"ann@example.org\"}",
          "No limit");
}

static void test_limit_pages(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(Said) first = done(lab, "eab add", "{}");
  lab_sql(lab, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1100)"
               " INSERT INTO rate_override SELECT CASE i % 2 WHEN 0 THEN 'a' ELSE 'b' END,"
               " 'd' || i || '.example', 1, 1000 FROM n");
  g_autofree char *arguments = g_strdup("{}");
  gsize total = 0;
  for (gboolean more = TRUE; more;) {
    g_autoptr(Said) page = done(lab, "limit list", arguments);
    gsize count = rows(page, "limits");
    g_assert_cmpuint(count, <=, COMMAND_PAGE);
    total += count;
    more = json_is_true(json_object_get(page->json, "more"));
    const json_t *last = row(page, "limits", count - 1);
    g_free(arguments);
    arguments = g_strdup_printf("{\"after-name\":\"%s\",\"after-subject\":\"%s\"}",
                                member(last, "name"), member(last, "subject"));
  }
  g_assert_cmpuint(total, ==, 1100);
}

/* Two certificates, one of them not signed yet. */
static void add_certificates(Lab *lab) {
  lab_sql(lab, "INSERT INTO account (id, status, thumbprint, jwk, contact, created_at)"
               " VALUES (x'01', 'valid', x'01', '', '[]', 0);"
               "INSERT INTO orders (id, account_id, status, created_at, expires_at)"
               " VALUES (x'01', x'01', 'valid', 0, 0), (x'02', x'01', 'processing', 0, 0);"
               "INSERT INTO certificate (id, order_id, account_id, serial, shard, not_before,"
               " not_after, key_digest, tbs, findings, signing_at, der, issued_at) VALUES"
               " (x'01', x'01', x'01', x'0a0b', 0, 0, 0, x'', x'', '', 0, x'30', 5),"
               " (x'02', x'02', x'01', x'0c0d', 0, 0, 0, x'', x'', '', 0, NULL, NULL);");
}

static void test_renewal_by_serial(void) {
  static const char *const forms[] = {"0A0B", "0a:0B", "a0b", "00:0a:0b"};
  g_autoptr(Lab) lab = lab_new();
  add_certificates(lab);
  for (gsize i = 0; i < G_N_ELEMENTS(forms); i++) {
    g_autofree char *arguments = g_strdup_printf(
        "{\"serials\":[\"%s\"],\"why\":\"https://example.org/why%u\"}", forms[i], (guint)i);
    g_autofree char *sql = g_strdup_printf("SELECT renew_at FROM certificate WHERE serial = x'0a0b'"
                                           " AND renew_why = 'https://example.org/why%u'",
                                           (guint)i);
    g_autoptr(Said) asked = done(lab, "renewal ask", arguments);
    g_assert_cmpint(lab_count(lab, sql), ==, LAB_NOW);
    audited(lab, "renewal asked serial=*why=\"https://example.org/why?\" uid=\"1234\"");
  }
  refused(lab, "renewal ask", "{\"serials\":[\"0c0d\"]}", "No certificate");
  lab->clock.now += CLOCK_HOUR;
  refused(lab, "renewal ask", "{\"serials\":[\"0a0b\",\"0c0d\"]}", "No certificate");
  g_assert_cmpint(lab_count(lab, "SELECT max(renew_at) FROM certificate"), ==, LAB_NOW);
}

static void test_renewal_by_time(void) {
  static const char *const times[] = {"2026-03-01T00:00:00Z", "2026-03-01t01:00:00+01:00",
                                      "2026-02-28T23:59:59.999Z"};
  g_autoptr(Lab) lab = lab_new();
  for (gsize i = 0; i < G_N_ELEMENTS(times); i++) {
    g_autofree char *arguments = g_strdup_printf("{\"issued-before\":\"%s\"}", times[i]);
    g_autoptr(Said) asked = done(lab, "renewal ask", arguments);
    g_assert_cmpstr(member(asked->json, "issued-before"), ==,
                    i < 2 ? "2026-03-01T00:00:00Z" : "2026-02-28T23:59:59Z");
  }
  audited(lab, "renewals asked issued-before=\"2026-02-28T23:59:59Z\" why=\"\" uid=\"1234\"");
  gint64 at = 0;
  g_autofree char *why = NULL;
  g_assert_cmpint(
      certificate_renewal_asked(lab->acme.store, LAB_NOW - CLOCK_SECOND, &at, &why, NULL), ==,
      STORE_FOUND);
  g_assert_cmpint(certificate_renewal_asked(lab->acme.store, LAB_NOW, &at, &why, NULL), ==,
                  STORE_MISSING);
}

/* --- orders --- */

/* The answer, in which no token-part1 ever stands. */
static Said *show(LabOrder *order) {
  g_autofree char *arguments = g_strdup_printf("{\"order\":\"%s\"}", order->order);
  Said *said = done(order->lab, "order show", arguments);
  SqlQuery query = sql_query(order->lab->acme.store,
                             "SELECT token1 FROM challenge WHERE token1 IS NOT NULL", "");
  while (sql_row(&query)) {
    g_autofree char *token = sql_text(&query, 0);
    g_assert_null(strstr(said->text, token));
  }
  g_assert_true(sql_end(&query, NULL));
  return said;
}

static json_t *at(const json_t *object, const char *name) {
  json_t *value = json_object_get(object, name);
  g_assert_nonnull(value);
  return value;
}

static json_t *challenge_in(const Said *said, gsize i) {
  return at(row(said, "authorizations", i), "challenge");
}

#define assert_member(object, name, expected)                                                      \
  g_assert_cmpstr(json_string_value(json_object_get(object, name)), ==, expected)

static gint64 number(const json_t *object, const char *name) {
  return json_integer_value(at(object, name));
}

/* Nothing has happened; then the mail is queued, put off, taken. */
static void test_order_mail(void) {
  static const char *const names[] = {"Alice@example.org", "bob@example.org", NULL};
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order_unread(lab, client, names);
  g_autoptr(Said) fresh = show(order);
  json_t *shown = at(fresh->json, "order"), *mail = at(challenge_in(fresh, 1), "mail");
  assert_member(shown, "url", order->order);
  assert_member(shown, "status", "pending");
  assert_member(shown, "created", "2026-03-01T00:00:00Z");
  assert_member(shown, "expires", "2026-03-04T00:00:00Z");
  assert_member(at(fresh->json, "account"), "url", client->kid);
  assert_member(at(fresh->json, "account"), "status", "valid");
  g_assert_cmpuint(rows(fresh, "authorizations"), ==, 2);
  assert_member(row(fresh, "authorizations", 0), "identifier", "Alice@example.org");
  assert_member(row(fresh, "authorizations", 1), "url", order->authorizations->pdata[1]);
  assert_member(challenge_in(fresh, 0), "status", "pending");
  assert_member(challenge_in(fresh, 0), "deadline", "2026-03-02T00:00:00Z");
  g_assert_cmpuint(json_object_size(mail), ==, 0);
  lab_order_read(order);
  g_autoptr(Said) queued = show(order);
  mail = at(challenge_in(queued, 0), "mail");
  assert_member(mail, "queued", "2026-03-01T00:00:00Z");
  assert_member(mail, "due", "2026-03-01T00:00:05Z");
  g_assert_cmpint(number(mail, "attempts"), ==, 0);
  assert_member(at(challenge_in(queued, 1), "mail"), "due", "2026-03-01T00:00:10Z");
  lab->clock.now += 5 * CLOCK_SECOND;
  g_auto(Question) first = {0}, second = {0};
  g_assert_null(json_object_get(mail, "waits-for"));
  lab_ask(lab, JOB_MAIL, QUESTION_DELIVER, &first);
  g_autoptr(Said) asked = show(order);
  assert_member(at(challenge_in(asked, 0), "mail"), "waits-for", "the relay");
  lab_delivered(lab, &first, SENDER_TEMPORARY, 450, "4.2.0 greylisted");
  g_autoptr(Said) late = show(order);
  mail = at(challenge_in(late, 0), "mail");
  assert_member(mail, "due", "2026-03-01T00:01:05Z");
  assert_member(mail, "waits-for", "the relay: 450 4.2.0 greylisted");
  assert_member(mail, "relay", "450 4.2.0 greylisted");
  g_assert_cmpint(number(mail, "attempts"), ==, 1);
  json_t *note = json_array_get(at(challenge_in(late, 0), "notes"), 0);
  assert_member(note, "rule", "relay");
  assert_member(note, "problem", "connection");
  assert_member(note, "at", "2026-03-01T00:00:05Z");
  g_assert_nonnull(strstr(member(note, "text"), "4.2.0 greylisted"));
  lab->clock.now += CLOCK_MINUTE;
  while (lab_take(lab, JOB_MAIL, &second) && strcmp(second.to, "Alice@example.org") != 0)
    question_clear(&second);
  lab_delivered(lab, &second, SENDER_ACCEPTED, 250, "2.0.0 queued as 7");
  g_autoptr(Said) sent = show(order);
  mail = at(challenge_in(sent, 0), "mail");
  assert_member(mail, "sent", "2026-03-01T00:01:05Z");
  assert_member(mail, "relay", "2.0.0 queued as 7");
  g_assert_null(json_object_get(mail, "due"));
  g_assert_cmpuint(json_array_size(at(challenge_in(sent, 0), "replies")), ==, 0);
}

/* Refused replies with their rule, a client that has not POSTed, the reply that passes, CAA, the
   certificate. */
static void test_order_replies(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client);
  lab->clock.now += 5 * CLOCK_SECOND;
  g_assert_cmpuint(lab_send_mails(lab), ==, 1);
  LabReply reply = lab_right_reply(order, 0);
  reply.is_unsigned = TRUE;
  lab_give_reply(order, 0, &reply);
  lab_reply_clear(&reply);
  lab->clock.now += CLOCK_SECOND;
  g_assert_cmpuint(lab_mail_in(order, 0), ==, 250);
  g_autoptr(Said) refused_one = show(order);
  json_t *challenge = challenge_in(refused_one, 0), *given = at(challenge, "replies");
  assert_member(challenge, "status", "pending");
  g_assert_null(json_object_get(challenge, "responded"));
  g_assert_cmpint(number(challenge, "notes-taken"), ==, 1);
  assert_member(json_array_get(at(challenge, "notes"), 0), "rule", "dkim");
  g_assert_cmpuint(json_array_size(given), ==, 2);
  assert_member(json_array_get(given, 0), "peer", "192.0.2.2");
  assert_member(json_array_get(given, 0), "helo", "mx.example.org");
  assert_member(json_array_get(given, 0), "verdict", "noted");
  assert_member(json_array_get(given, 0), "rule", "dkim");
  g_assert_nonnull(member(json_array_get(given, 0), "reason"));
  g_assert_null(json_object_get(json_array_get(given, 1), "verdict"));
  assert_member(json_array_get(given, 1), "due", "2026-03-01T00:00:06Z");
  g_auto(Question) question = {0};
  lab_ask(lab, JOB_JUDGE, QUESTION_EXAMINE, &question);
  LabReply right = lab_right_reply(order, 0);
  lab_examined(lab, &question, &right);
  lab_reply_clear(&right);
  lab->clock.now += CLOCK_MINUTE;
  g_autoptr(Answer) answer = lab_challenge(order, 0, "{}");
  lab_issue(order);
  g_autoptr(Said) valid = show(order);
  challenge = challenge_in(valid, 0);
  assert_member(at(valid->json, "order"), "status", "valid");
  assert_member(at(valid->json, "order"), "finalized", "2026-03-01T00:01:06Z");
  assert_member(challenge, "passed", "2026-03-01T00:00:06Z");
  assert_member(challenge, "responded", "2026-03-01T00:01:06Z");
  assert_member(challenge, "validated", "2026-03-01T00:01:06Z");
  assert_member(json_array_get(at(challenge, "replies"), 1), "verdict", "passed");
  assert_member(row(valid, "caa", 0), "domain", "example.org");
  assert_member(row(valid, "caa", 0), "verdict", "permitted");
  assert_member(row(valid, "caa", 0), "reason", "no CAA records");
  g_autofree char *serial =
      lab_column(lab, "SELECT hex(serial) FROM certificate WHERE ?1 = ''", "");
  assert_member(at(valid->json, "certificate"), "serial", serial);
  assert_member(at(valid->json, "certificate"), "issued", "2026-03-01T00:01:06Z");
  g_assert_null(json_object_get(at(valid->json, "certificate"), "revoked"));
}

/* A fast client: the reply is there before the relay's answer to the mail. */
static void test_order_decided_first(void) {
  static const struct {
    SenderOutcome outcome;
    guint code;
    const char *said, *shown, *sent; /* shown NULL: it is not heard at all */
  } table[] = {
      {SENDER_ACCEPTED, 250, "2.0.0 queued", "2.0.0 queued", "2026-03-01T00:00:06Z"},
      {SENDER_TEMPORARY, 451, "4.3.0 busy", "451 4.3.0 busy", NULL},
      {SENDER_PERMANENT, 550, "5.1.1 unknown", "550 5.1.1 unknown", NULL},
      {SENDER_UNREACHED, 0, NULL, NULL, NULL},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
    g_autoptr(Lab) lab = lab_new();
    g_autoptr(LabClient) client = lab_account(lab);
    g_autoptr(LabOrder) order = lab_order(lab, client);
    g_auto(Question) question = {0}, again = {0};
    lab->clock.now += 5 * CLOCK_SECOND;
    lab_ask(lab, JOB_MAIL, QUESTION_DELIVER, &question);
    lab_validate(order, 0);
    lab->clock.now += CLOCK_SECOND;
    if (table[i].said != NULL)
      lab_delivered(lab, &question, table[i].outcome, table[i].code, table[i].said);
    else
      LAB_TURN(lab, job_unanswered(&lab->acme, &question.job, NULL));
    lab->clock.now += CLOCK_MINUTE;
    g_assert_cmpint(lab_take(lab, JOB_MAIL, &again), ==, table[i].said == NULL);
    g_assert_cmpint(again.kind, ==, QUESTION_NONE); /* no second mail */
    g_autoptr(Said) said = show(order);
    const json_t *challenge = challenge_in(said, 0), *mail = at(challenge, "mail");
    assert_member(challenge, "status", "valid");
    assert_member(mail, "relay", table[i].shown);
    assert_member(mail, "sent", table[i].sent);
    g_assert_null(json_object_get(mail, "due"));
    g_assert_cmpint(number(challenge, "notes-taken"), ==, 0);
    g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM audit WHERE kind = 'mail not sent'"), ==,
                    table[i].sent == NULL);
  }
}

/* Why an order failed stands in it and in the challenge. */
static void test_order_failed(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_order(lab, client);
  g_auto(Question) question = {0};
  lab->clock.now += 5 * CLOCK_SECOND;
  lab_ask(lab, JOB_MAIL, QUESTION_DELIVER, &question);
  lab_delivered(lab, &question, SENDER_PERMANENT, 550, "5.1.1 no such user");
  g_autoptr(Said) said = show(order);
  const json_t *error = at(challenge_in(said, 0), "error");
  assert_member(at(said->json, "order"), "status", "invalid");
  assert_member(row(said, "authorizations", 0), "status", "invalid");
  assert_member(error, "problem", "connection");
  g_assert_nonnull(strstr(member(error, "text"), "5.1.1 no such user"));
  g_assert_nonnull(strstr(member(at(at(said->json, "order"), "error"), "text"), "5.1.1 no such"));
  g_autofree char *id = g_path_get_basename(order->order);
  g_autofree char *arguments = g_strdup_printf("{\"order\":\"%s\"}", id);
  g_autoptr(Said) by_id = done(lab, "order show", arguments);
  g_assert_cmpstr(by_id->text, ==, said->text);
}

/* What the order waits for, as shown. */
static char *waits_for(LabOrder *order) {
  g_autoptr(Said) said = show(order);
  return g_strdup(json_string_value(json_object_get(at(said->json, "order"), "waits-for")));
}

#define assert_waits_for(order, expected)                                                          \
  do {                                                                                             \
    g_autofree char *waiting = waits_for(order);                                                   \
    g_assert_cmpstr(waiting, ==, expected);                                                        \
  } while (0)

/* An order in processing: the clock, the DNS, the signer. */
static void test_order_waits(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  g_auto(Question) caa = {0}, build = {0};
  gint64 before = lab->clock.now;
  lab->clock.now -= CLOCK_HOUR;
  g_autoptr(Answer) finalized = lab_finalize(order);
  for (guint i = 0; i < 2; i++) {
    g_auto(Question) held = {0};
    g_assert_true(lab_take(lab, JOB_ISSUE, &held));
    assert_waits_for(order, "issuance, which is held: the clock is more than 5 minutes behind the "
                            "latest audit record");
    lab->clock.now += CLOCK_MINUTE;
  }
  lab->clock.now = before + CLOCK_MINUTE;
  lab_ask(lab, JOB_ISSUE, QUESTION_CAA, &caa);
  assert_waits_for(order, "CAA records (DNS)");
  lab_caa(lab, &caa, RESOLVER_TEMPORARY, NULL);
  g_autofree char *dns = waits_for(order);
  g_assert_true(g_str_has_prefix(dns, "the CAA records of example.org (DNS): "));
  lab->clock.now += CLOCK_MINUTE;
  lab_answer_caa(lab, RESOLVER_NONE, NULL);
  lab_ask(lab, JOB_ISSUE, QUESTION_BUILD, &build);
  assert_waits_for(order, "the signer");
}

/* A mail above the hourly limit leaves later. */
static void test_order_capped(void) {
  static const char *const limits[] = {"limits.mails-per-mailbox-hour", "1/3600000", NULL};
  static const char *const names[] = {"alice@example.org", NULL};
  g_autoptr(Lab) lab = lab_new_with(limits);
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) first = lab_order_unread(lab, client, names);
  lab->clock.now += CLOCK_HOUR;
  g_autoptr(LabOrder) second = lab_order_unread(lab, client, names);
  lab_order_read(first);
  lab_order_read(second);
  g_autoptr(Said) at_once = show(first), later = show(second);
  g_assert_null(json_object_get(at(challenge_in(at_once, 0), "mail"), "waits-for"));
  json_t *mail = at(challenge_in(later, 0), "mail");
  assert_member(mail, "waits-for", "the limit mails-per-mailbox-hour");
  assert_member(mail, "due", "2026-03-01T02:00:05Z");
}

static void add_orders(Lab *lab, guint count) {
  g_autofree char *sql = g_strdup_printf(
      "INSERT INTO account (id, status, thumbprint, jwk, contact, created_at)"
      " VALUES (x'01', 'valid', x'01', '', '[]', 0);"
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %u)"
      " INSERT INTO orders (id, account_id, status, created_at, expires_at)"
      " SELECT CAST(printf('%%016d', i) AS BLOB), x'01', CASE i %% 3 WHEN 0 THEN 'valid' ELSE "
      "'invalid'"
      " END, i, 0 FROM n;"
      "INSERT INTO authz (id, order_id, account_id, position, type, identifier, address, canonical,"
      " domain, status, expires_at) SELECT id, id, x'01', 0, 'email', 'Ann@user.test',"
      " 'Ann@user.test', CASE created_at %% 2 WHEN 0 THEN 'ann@user.test' ELSE 'x@user.test' END,"
      " 'user.test', 'valid', 0 FROM orders",
      count);
  lab_sql(lab, sql);
}

/* Pages of a list until its end; filters as JSON members, each with a comma behind. How many
   orders. */
static guint walk_orders(Lab *lab, const char *filters) {
  g_autofree char *previous = g_strdup("\"before\":\"_____________________w\"");
  g_autofree char *last = NULL;
  guint total = 0;
  for (gboolean more = TRUE; more;) {
    g_autofree char *arguments = g_strdup_printf("{%s%s}", filters, previous);
    g_autoptr(Said) page = done(lab, "order list", arguments);
    gsize count = rows(page, "orders");
    g_assert_cmpuint(count, <=, COMMAND_PAGE);
    for (gsize i = 0; i < count; i++) {
      const char *created = member(row(page, "orders", i), "created");
      g_assert_true(last == NULL || strcmp(created, last) <= 0);
      g_free(last);
      last = g_strdup(created);
    }
    total += (guint)count;
    more = json_is_true(json_object_get(page->json, "more"));
    g_free(previous);
    previous = g_strdup_printf("\"before\":\"%s\"",
                               count == 0 ? "" : member(row(page, "orders", count - 1), "id"));
  }
  return total;
}

static void test_order_list(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(Said) key = done(lab, "eab add", "{}");
  add_orders(lab, 1200);
  g_autoptr(Said) first = done(lab, "order list", "{}");
  g_assert_cmpuint(rows(first, "orders"), ==, COMMAND_PAGE);
  assert_member(row(first, "orders", 0), "created", "1970-01-01T00:00:01Z"); /* the 1200th */
  assert_member(row(first, "orders", 0), "status", "valid");
  g_assert_cmpstr(json_string_value(json_array_get(at(row(first, "orders", 0), "addresses"), 0)),
                  ==, "Ann@user.test");
  g_assert_cmpuint(walk_orders(lab, ""), ==, 1200);
  g_assert_cmpuint(walk_orders(lab, "\"status\":\"valid\","), ==, 400);
  g_assert_cmpuint(walk_orders(lab, "\"status\":\"ready\","), ==, 0);
  g_assert_cmpuint(walk_orders(lab, "\"address\":\"ANN@User.Test\","), ==, 600);
  g_assert_cmpuint(walk_orders(lab, "\"address\":\"ann@user.test\",\"status\":\"valid\","), ==,
                   200);
}

/* The switch holds an order wherever it stands, over restarts; what revokes goes on. */
static void test_issuance(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) issued = lab_ready(lab, client);
  lab_issue(issued);
  g_autoptr(GBytes) leaf = lab_leaf(issued);
  g_autoptr(LabOrder) ready = lab_ready(lab, client);
  g_autoptr(LabOrder) processing = lab_ready(lab, client);
  g_autoptr(Answer) finalized = lab_finalize(processing);
  lab_answer_caa(lab, RESOLVER_NONE, NULL);
  lab_answer_build(lab); /* the signature is next */
  refused(lab, "issuance start", "{}", "not stopped");
  refused(lab, "issuance stop", "{}", "reason is missing");
  g_autoptr(Said) stopped = done(lab, "issuance stop", "{\"reason\":\"an audit\"}");
  refused(lab, "issuance stop", "{\"reason\":\"another\"}", "stopped already");
  lab_restart(lab);
  g_auto(Question) held = {0}, goes_on = {0};
  g_assert_true(lab_take(lab, JOB_ISSUE, &held));
  g_assert_cmpint(held.kind, ==, QUESTION_NONE);
  g_autoptr(Answer) late = lab_finalize(ready);
  assert_problem(late, 503, "serverInternal");
  g_assert_nonnull(strstr(lab_text(late, "detail"), "an audit"));
  g_assert_cmpint(late->retry_after, ==, 300);
  g_autoptr(Answer) fresh =
      lab_send(lab, client, FALSE, "/new-order",
               "{\"identifiers\":[{\"type\":\"email\",\"value\":\"bob@user.test\"}]}");
  assert_problem(fresh, 503, "serverInternal");
  g_autoptr(Answer) revoked = lab_revoke(lab, client, FALSE, leaf, NULL);
  g_assert_cmpuint(revoked->status, ==, 200);
  g_assert_cmpuint(lab_sign_crl(lab), >, 0);
  g_autoptr(Said) shown = done(lab, "issuance show", "{}");
  assert_member(shown->json, "why", "the operator has stopped issuance: an audit");
  assert_member(shown->json, "uid", "1234");
  g_autoptr(Said) started = done(lab, "issuance start", "{}");
  lab->clock.now += 5 * CLOCK_SECOND;
  g_assert_true(lab_take(lab, JOB_ISSUE, &goes_on));
  g_assert_cmpint(goes_on.kind, ==, QUESTION_SIGN);
  lab_signed(lab, &goes_on);
  lab_issue(ready);
  g_autoptr(Said) after = done(lab, "issuance show", "{}");
  g_assert_true(json_is_false(json_object_get(after->json, "held")));
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM audit WHERE kind IN"
                                 " ('issuance stopped', 'issuance started')"),
                  ==, 2);
}

/* --- health and status --- */

static GVariant *roles_of(guint signer) {
  GVariantBuilder builder;
  g_variant_builder_init(&builder, G_VARIANT_TYPE(ACME_ROLES_TYPE));
  g_variant_builder_add(&builder, "(uuuxu)", ROLE_EDGE, 1, 40, CLOCK_SECOND, 0);
  g_variant_builder_add(&builder, "(uuuxu)", ROLE_SIGNER, 0, signer, 2 * CLOCK_SECOND, 3);
  g_variant_builder_add(&builder, "(uuuxu)", ROLE_COUNT, 0, 0, (gint64)0, 0); /* of later ones */
  return g_variant_ref_sink(g_variant_builder_end(&builder));
}

static void test_health(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(Said) untold = done(lab, "health", "{}");
  g_assert_cmpuint(rows(untold, "missing"), ==, 0);
  g_autoptr(GVariant) all = roles_of(41), some = roles_of(0);
  lab->acme.roles = all;
  g_autoptr(Said) good = done(lab, "health", "{}");
  g_assert_cmpuint(rows(good, "missing"), ==, 0);
  lab->acme.roles = some;
  g_autoptr(Said) ill = done(lab, "health", "{}");
  g_assert_cmpuint(rows(ill, "missing"), ==, 1);
  assert_member(row(ill, "missing", 0), "role", "signer");
  refused(lab, "health", "{\"role\":\"core\"}", "no argument of that name");
  lab->acme.roles = NULL;
}

static json_int_t number_at(const json_t *object, const char *name) {
  return json_integer_value(json_object_get(object, name));
}

static void test_status(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(GVariant) roles = roles_of(41);
  lab->acme.roles = roles;
  g_autoptr(Said) early = done(lab, "status", "{}");
  g_assert_cmpstr(member(at(early->json, "issuance"), "last"), ==, NULL);
  g_assert_true(json_is_false(at(at(early->json, "issuance"), "held")));
  g_assert_cmpuint(rows(early, "roles"), ==, 2);
  assert_member(row(early, "roles", 1), "since", "1970-01-01T00:00:02Z");
  g_assert_cmpint(number_at(row(early, "roles", 1), "restarts"), ==, 3);
  g_autoptr(LabOrder) issued = lab_ready(lab, client);
  lab_issue(issued);
  lab_sign_crl(lab);
  g_autofree char *now = clock_rfc3339(lab->clock.now);
  g_autoptr(Said) stopped = done(lab, "issuance stop", "{\"reason\":\"an audit\"}");
  lab_sql(lab, "DELETE FROM job WHERE kind = 'mail'");
  lab_sql(lab, "INSERT INTO job (kind, subject, due_at, attempts, taken_until, version)"
               " VALUES ('mail', x'01', 5000, 0, 0, 1), ('mail', x'02', 7000, 0, 0, 1)");
  g_autoptr(Said) late = done(lab, "status", "{}");
  assert_member(at(late->json, "issuance"), "last", now);
  assert_member(at(late->json, "issuance"), "why", "the operator has stopped issuance: an audit");
  assert_member(row(late, "jobs", 0), "kind", "mail");
  assert_member(row(late, "jobs", 0), "oldest", "1970-01-01T00:00:05Z");
  g_assert_cmpint(number_at(row(late, "jobs", 0), "count"), ==, 2);
  g_assert_cmpint(number_at(at(late->json, "lists"), "count"), ==, 1);
  assert_member(at(late->json, "lists"), "oldest", now);
  g_assert_cmpint(number_at(at(late->json, "lists"), "overdue"), ==, 0);
  lab->clock.now += 7 * CLOCK_HOUR;
  g_autoptr(Said) overdue = done(lab, "status", "{}");
  g_assert_cmpint(number_at(at(overdue->json, "lists"), "overdue"), ==, 1);
  lab->acme.roles = NULL;
}

/* --- revocation --- */

static char *serial_of(Lab *lab, guint i) {
  g_autofree char *number = g_strdup_printf("%u", i);
  return lab_column(lab,
                    "SELECT hex(serial) FROM certificate ORDER BY id LIMIT 1"
                    " OFFSET CAST(?1 AS INTEGER)",
                    number);
}

static void issue_for(Lab *lab, LabClient *client, const char *address) {
  const char *const addresses[] = {address, NULL};
  g_autofree char *name = g_strconcat("email:", address, NULL);
  g_autoptr(LabOrder) order = lab_order_of(lab, client, addresses);
  lab_validate(order, 0);
  g_autoptr(Answer) answer = lab_finalize_with(order, order->key, name);
  g_assert_cmpstr(lab_text(answer, "status"), ==, "processing");
  lab_answer_caa(lab, RESOLVER_NONE, NULL);
  lab_answer_build(lab);
  lab_answer_sign(lab);
  lab->clock.now += CLOCK_SECOND;
}

static gint64 revoked(Lab *lab, int reason) {
  g_autofree char *sql = g_strdup_printf(
      "SELECT count(*) FROM certificate WHERE revoked_at > 0 AND reason = %d", reason);
  return lab_count(lab, sql);
}

static void test_revoke_serials(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  for (guint i = 0; i < 3; i++)
    issue_for(lab, client, "ann@user.test");
  g_autofree char *first = serial_of(lab, 0), *second = serial_of(lab, 1),
                  *third = serial_of(lab, 2);
  g_autofree char *unknown =
      g_strdup_printf("{\"serials\":[\"%s\",\"0A\"],\"reason\":\"superseded\"}", first);
  refused(lab, "certificate revoke", unknown, "No certificate with the serial number 0A");
  g_assert_cmpint(revoked(lab, 4), ==, 0); /* all or none */
  refused(lab, "certificate revoke", "{\"serials\":[\"0G\"],\"reason\":\"superseded\"}",
          "no serial number");
  refused(lab, "certificate revoke", "{\"serials\":[],\"reason\":\"superseded\"}", "missing");
  refused(lab, "certificate revoke", "{\"serials\":[\"0A\"],\"reason\":\"certificateHold\"}",
          "there are: unspecified, keyCompromise");
  g_autofree char *two =
      g_strdup_printf("{\"serials\":[\"%s\",\"%s\"],\"reason\":\"superseded\"}", first, second);
  g_autoptr(Said) done_two = done(lab, "certificate revoke", two);
  g_assert_cmpint(json_integer_value(json_object_get(done_two->json, "revoked")), ==, 2);
  g_autofree char *all =
      g_strdup_printf("{\"serials\":[\"%s\",\"%s\"],\"reason\":\"keyCompromise\"}", second, third);
  g_autoptr(Said) again = done(lab, "certificate revoke", all);
  g_assert_cmpint(json_integer_value(json_object_get(again->json, "revoked")), ==, 1);
  g_assert_cmpint(json_integer_value(json_object_get(again->json, "already")), ==, 1);
  g_assert_cmpint(revoked(lab, 4), ==, 2);
  g_assert_cmpint(revoked(lab, 1), ==, 1);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM audit WHERE kind = 'certificate revoked'"
                                 " AND detail LIKE '%by=\"operator 1234\"%'"),
                  ==, 3);
  g_autoptr(Said) keys = done(lab, "key list", "{}");
  g_assert_cmpuint(rows(keys, "keys"), ==, 2); /* the second one's too: it may be compromised */
  g_assert_cmpuint(lab_sign_crl(lab), ==, 3);
}

/* Runs a revocation of many to its end, a restart after each batch. */
static gint64 run_of(Lab *lab, const char *arguments) {
  g_autoptr(Said) begun = done(lab, "certificate revoke-all", arguments);
  g_autofree char *run = g_strdup_printf("{\"run\":\"%s\"}", member(begun->json, "run"));
  g_autoptr(Said) open = done(lab, "certificate revoked", run);
  g_assert_null(json_object_get(open->json, "done"));
  lab->clock.now += CLOCK_MINUTE; /* what others are about to commit comes first */
  for (;;) {
    g_auto(Question) question = {0};
    lab_ask(lab, JOB_REVOKE, QUESTION_NONE, &question);
    lab_restart(lab);
    g_autoptr(Said) now = done(lab, "certificate revoked", run);
    if (json_object_get(now->json, "done") != NULL)
      return json_integer_value(json_object_get(now->json, "revoked"));
  }
}

static void test_revoke_all(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  issue_for(lab, client, "Ann@user.test");
  issue_for(lab, client, "bob@user.test");
  issue_for(lab, client, "bob@sub.user.test");
  /* 250 orders more of the domain, with certificates of another key. */
  lab_sql(lab,
          "CREATE TEMP TABLE more AS WITH RECURSIVE n(i) AS"
          " (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 250)"
          " SELECT CAST(printf('%016d', i) AS BLOB) AS id FROM n;"
          "INSERT INTO orders (id, account_id, status, created_at, expires_at)"
          " SELECT m.id, (SELECT id FROM account), 'valid', 0, 0 FROM more m;"
          "INSERT INTO authz (id, order_id, account_id, position, type, identifier, address,"
          " canonical, domain, status, expires_at) SELECT m.id, m.id, (SELECT id FROM account),"
          " 0, 'email', 'c@user.test', 'c@user.test', 'c@user.test', 'user.test', 'valid', 0"
          " FROM more m;"
          "INSERT INTO certificate (id, order_id, account_id, serial, shard, not_before,"
          " not_after, key_digest, tbs, findings, signing_at, der, issued_at)"
          " SELECT m.id, m.id, c.account_id, m.id, c.shard, c.not_before, c.not_after,"
          " zeroblob(32), x'', '', 0, x'30', 5 FROM more m, (SELECT * FROM certificate LIMIT 1) c");
  refused(lab, "certificate revoke-all", "{\"reason\":\"superseded\"}", "one of key, address");
  refused(lab, "certificate revoke-all",
          "{\"reason\":\"superseded\",\"domain\":\"a.test\",\"address\":\"a@a.test\"}",
          "one of key, address");
  refused(lab, "certificate revoke-all", "{\"reason\":\"superseded\",\"key\":\"00\"}",
          "no SHA-256");
  refused(lab, "certificate revoke-all", "{\"reason\":\"superseded\",\"domain\":\"-\"}",
          "no domain");
  refused(lab, "certificate revoke-all", "{\"reason\":\"superseded\",\"address\":\"a\"}",
          "no address");
  refused(lab, "certificate revoked", "{\"run\":\"x\"}", "no revocation");
  g_assert_cmpint(run_of(lab, "{\"reason\":\"affiliationChanged\",\"address\":\"ANN@user.test\"}"),
                  ==, 1);
  g_assert_cmpint(run_of(lab, "{\"reason\":\"superseded\",\"domain\":\"User.Test\"}"), ==, 251);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM certificate WHERE revoked_at IS NULL"), ==,
                  1); /* that of the domain below */
  g_autofree char *digest = lab_column(
      lab, "SELECT hex(key_digest) FROM certificate WHERE revoked_at IS NULL AND ?1 = ''", "");
  g_autofree char *key = g_strdup_printf("{\"reason\":\"keyCompromise\",\"key\":\"%s\"}", digest);
  g_assert_cmpint(run_of(lab, key), ==, 1);
  g_autofree char *block = g_strdup_printf("{\"why\":\"again\",\"key\":\"%s\"}", digest);
  refused(lab, "key block", block, "blocked already");
  g_assert_cmpint(revoked(lab, 3), ==, 1);
  g_assert_cmpint(revoked(lab, 4), ==, 251);
  g_assert_cmpint(revoked(lab, 1), ==, 1);
}

/* A blocked key: no certificate for it, and those that there are stay. */
static void test_key_block(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, client);
  g_autofree char *pages = NULL;
  issue_for(lab, client, "bob@user.test");
  int length = i2d_PUBKEY(order->key, NULL);
  guint8 *der = NULL;
  i2d_PUBKEY(order->key, &der);
  g_autoptr(GBytes) spki = g_bytes_new(der, (gsize)length);
  OPENSSL_free(der);
  g_autoptr(GBytes) octets = key_digest(spki);
  g_autofree char *digest = hex_encode(octets);
  g_autofree char *arguments = g_strdup_printf("{\"why\":\"published\",\"key\":\"%s\"}", digest);
  g_autoptr(Said) blocked = done(lab, "key block", arguments);
  g_assert_cmpint(json_integer_value(json_object_get(blocked->json, "certificates")), ==, 0);
  g_autoptr(Answer) answer = lab_finalize(order);
  assert_problem(answer, 400, "badCSR");
  refused(lab, "key block", "{\"key\":\"00\",\"why\":\"x\"}", "no SHA-256");
  g_autofree char *used = lab_column(
      lab, "SELECT hex(key_digest) FROM certificate WHERE revoked_at IS NULL AND ?1 = ''", "");
  g_autofree char *second = g_strdup_printf("{\"why\":\"x\",\"key\":\"%s\"}", used);
  g_autoptr(Said) of_use = done(lab, "key block", second);
  g_assert_cmpint(json_integer_value(json_object_get(of_use->json, "certificates")), ==, 1);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM certificate WHERE revoked_at > 0"), ==, 0);
  lab_sql(lab, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600)"
               " INSERT INTO blocked_key SELECT CAST(printf('%032d', i) AS BLOB), 0, '' FROM n");
  g_autoptr(Said) first = done(lab, "key list", "{}");
  g_assert_cmpuint(rows(first, "keys"), ==, COMMAND_PAGE);
  pages =
      g_strdup_printf("{\"after\":\"%s\"}", member(row(first, "keys", COMMAND_PAGE - 1), "key"));
  g_autoptr(Said) rest = done(lab, "key list", pages);
  g_assert_cmpuint(rows(rest, "keys"), ==, 102);
  g_assert_true(json_is_false(json_object_get(rest->json, "more")));
}

/* A store that fails is no refusal: the command fails, or the commit where that is what tells. */
static void test_failed(void) {
  g_autoptr(Lab) lab = lab_new();
  g_autoptr(Said) first = done(lab, "eab add", "{}");
  g_autoptr(GError) error = NULL;
  g_autofree char *answer = NULL;
  lab_sql(lab, "ALTER TABLE external_account_key RENAME TO elsewhere");
  lab_begin(lab);
  CommandOutcome outcome = command_run(&lab->acme, UID, "eab add", "{}", &answer, &error);
  g_assert_cmpint(outcome, !=, COMMAND_REFUSED);
  gboolean done = outcome != COMMAND_FAILED;
  g_assert_cmpint(answer != NULL, ==, done);
  gboolean kept = store_handler_end(lab->acme.store, done, NULL) &&
                  store_commit(lab->acme.store, done ? &error : NULL);
  record_settle(&lab->acme, FALSE);
  g_assert_false(done && kept);
  g_assert_error(error, STORE_ERROR, STORE_ERROR_FAILED);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/acme/command/refused", test_refused);
  g_test_add_func("/acme/command/eab-add", test_eab_add);
  g_test_add_func("/acme/command/eab-life", test_eab_life);
  g_test_add_func("/acme/command/eab-pages", test_eab_pages);
  g_test_add_func("/acme/command/eab-hyphen", test_eab_hyphen);
  g_test_add_func("/acme/command/issuance", test_issuance);
  g_test_add_func("/acme/command/health", test_health);
  g_test_add_func("/acme/command/status", test_status);
  g_test_add_func("/acme/command/limits", test_limits);
  g_test_add_func("/acme/command/limit-pages", test_limit_pages);
  g_test_add_func("/acme/command/renewal-by-serial", test_renewal_by_serial);
  g_test_add_func("/acme/command/renewal-by-time", test_renewal_by_time);
  g_test_add_func("/acme/command/order-mail", test_order_mail);
  g_test_add_func("/acme/command/order-replies", test_order_replies);
  g_test_add_func("/acme/command/order-decided-first", test_order_decided_first);
  g_test_add_func("/acme/command/order-failed", test_order_failed);
  g_test_add_func("/acme/command/order-waits", test_order_waits);
  g_test_add_func("/acme/command/order-capped", test_order_capped);
  g_test_add_func("/acme/command/order-list", test_order_list);
  g_test_add_func("/acme/command/revoke-serials", test_revoke_serials);
  g_test_add_func("/acme/command/revoke-all", test_revoke_all);
  g_test_add_func("/acme/command/key-block", test_key_block);
  g_test_add_func("/acme/command/failed", test_failed);
  return g_test_run();
}
