/* SPDX-License-Identifier: Apache-2.0 */
/* Limits through requests (security.md 10): each is reached, says so and ends when it says;
   strangers lock nobody out; revocation has none. */
#include "tests/unit/acme/harness.h"

#include "acme/command.h"
#include "acme/renewal.h"
#include "ca/certificate_read.h"
#include "store/rate.h"

#define PER_HOUR(count) count "/3600000" /* as a process is given it */
#define PER_DAY(count) count "/86400000"

/* --- requests --- */

static LabClient *bound_account(Lab *lab) {
  return lab_account_bound(lab, "[]", "[]");
}

/* The one external account key that there is. */
static char *find_kid(Lab *lab) {
  char text[ID_TEXT];
  Id id;
  SqlQuery query = sql_query(lab->acme.store, "SELECT id FROM external_account_key", "");
  g_assert_true(sql_row(&query) && sql_id(&query, 0, &id));
  g_assert_true(sql_end(&query, NULL));
  return g_strdup(id_text(&id, text));
}

static Answer *new_account(Lab *lab) {
  g_autoptr(LabClient) client = lab_client_of(lab_key("P-256"));
  return lab_send(lab, client, TRUE, "/new-account", "{}");
}

static Answer *change_contact(Lab *lab, LabClient *client) {
  return lab_post(lab, client, client->kid, "{\"contact\":[\"mailto:alice@example.org\"]}");
}

static Answer *new_order_of(Lab *lab, LabClient *client, const char *const *addresses) {
  g_autofree char *payload = lab_identifiers(addresses);
  return lab_send(lab, client, FALSE, "/new-order", payload);
}

static Answer *new_order(Lab *lab, LabClient *client, const char *address) {
  const char *const addresses[] = {address, NULL};
  return new_order_of(lab, client, addresses);
}

static Answer *new_authorization(Lab *lab, LabClient *client, const char *address) {
  json_t *payload = json_pack("{s:{s:s, s:s}}", "identifier", "type", "email", "value", address);
  g_autofree char *text = lab_dump(payload);
  json_decref(payload);
  return lab_send(lab, client, FALSE, "/new-authz", text);
}

static Answer *new_renewal(Lab *lab, LabClient *client, GBytes *leaf) {
  g_autoptr(GBytes) serial = certificate_serial_of(leaf);
  g_autoptr(GBytes) authority = certificate_authority(leaf);
  g_autofree char *replaced = renewal_identifier(authority, serial);
  json_t *payload = json_pack("{s:[{s:s, s:s}], s:s}", "identifiers", "type", "email", "value",
                              "alice@example.org", "replaces", replaced);
  g_autofree char *text = lab_dump(payload);
  json_decref(payload);
  return lab_send(lab, client, FALSE, "/new-order", text);
}

/* answer is taken by both. */
static void gives(Answer *answer, guint status) {
  g_autoptr(Answer) own = answer;
  if (own->status != status)
    g_error("%u, not %u: %s", own->status, status, own->text);
}

/* Refused by the limit; how many seconds to wait. */
static int is_limited(Answer *answer, const char *limit) {
  g_autoptr(Answer) own = answer;
  g_autofree char *begin = g_strdup_printf("The limit %s (", limit);
  if (own->status != 429 || !g_str_has_prefix(lab_text(own, "detail"), begin))
    g_error("not refused by %s: %s", limit, own->text);
  assert_problem(own, 429, "rateLimited");
  g_assert_cmpint(own->retry_after, >, 0);
  return own->retry_after;
}

/* What an operator asks. */
static void command(Lab *lab, const char *name, const char *limit, const char *subject,
                    const char *rate) {
  g_autofree char *text = NULL;
  json_t *arguments = json_pack("{s:s, s:s}", "name", limit, "subject", subject);
  if (rate != NULL)
    json_object_set_new(arguments, "rate", json_string(rate));
  g_autofree char *dumped = lab_dump(arguments);
  json_decref(arguments);
  lab_begin(lab);
  g_assert_cmpint(command_run(&lab->acme, 0, name, dumped, &text, NULL), ==, COMMAND_DONE);
  lab_commit(lab, TRUE);
}

/* The limits as they are when the configuration names none; and more: name, rate, ..., NULL. */
static Lab *lab_of_defaults(const char *const *more) {
  g_autoptr(GPtrArray) pairs = g_ptr_array_new_with_free_func(g_free);
  for (gsize i = 0; i < config_keys_count; i++) {
    const ConfigKey *key = &config_keys[i];
    ConfigRate rate;
    if (key->type != CONFIG_RATE)
      continue;
    g_assert_true(config_rate_parse(key->preset, &rate, NULL));
    g_ptr_array_add(pairs, g_strdup_printf("%s.%s", key->group, key->name));
    g_ptr_array_add(
        pairs, g_strdup_printf("%" G_GINT64_FORMAT "/%" G_GINT64_FORMAT, rate.count, rate.period));
  }
  for (; more != NULL && *more != NULL; more++)
    g_ptr_array_add(pairs, g_strdup(*more));
  g_ptr_array_add(pairs, NULL);
  return lab_new_with((const char *const *)pairs->pdata);
}

/* Everything that a request may write but its own budgets. */
static char *objects(Lab *lab) {
  return lab_column(lab,
                    "SELECT (SELECT count(*) FROM account) || ' ' || (SELECT count(*) FROM orders)"
                    " || ' ' || (SELECT count(*) FROM authz) || ' ' || (SELECT count(*) FROM job)"
                    " || ' ' || (SELECT count(*) FROM challenge) || ' ' ||"
                    " (SELECT count(*) FROM audit) || ' ' ||"
                    " (SELECT count(*) FROM orders WHERE status = 'processing') || ?1",
                    "");
}

static char *budgets(Lab *lab) {
  return lab_column(lab,
                    "SELECT group_concat(entry) || ?1 FROM (SELECT name || ' ' || subject || ' ' ||"
                    " full_at AS entry FROM rate ORDER BY name, subject) entries",
                    "");
}

/* --- each limit, reached --- */

#define STRANGERS 4

typedef struct {
  Lab *lab;
  LabClient *client;
  char *kid;                       /* that client's account is bound to; NULL: none */
  LabClient *strangers[STRANGERS]; /* with accounts; NULL where the row needs none */
  GPtrArray *orders;               /* of LabOrder: of client, for one address, ready */
  guint next_stranger, next_order, addresses;
} Scene;

static char *fresh_address(Scene *scene) {
  return g_strdup_printf("fresh%u@example.org", scene->addresses++);
}

static Answer *send_account(Scene *scene) {
  return new_account(scene->lab);
}

static Answer *send_update(Scene *scene) {
  return change_contact(scene->lab, scene->client);
}

/* To a key that the client has from then on. */
static Answer *send_key_change(Scene *scene) {
  LabClient *client = scene->client;
  EVP_PKEY *key = lab_key("P-256");
  json_t *header = json_pack("{s:s, s:o, s:s}", "alg", "ES256", "jwk", lab_jwk(key), "url",
                             LAB_URL "/key-change");
  json_t *change = json_pack("{s:s, s:O}", "account", client->kid, "oldKey", client->jwk);
  g_autofree char *header_text = lab_dump(header), *change_text = lab_dump(change);
  g_autofree char *protected = lab_encode(header_text), *payload = lab_encode(change_text);
  g_autofree char *input = g_strconcat(protected, ".", payload, NULL);
  g_autoptr(GBytes) signature = lab_sign(key, input);
  g_autoptr(GBytes) inner = lab_flattened(protected, payload, signature);
  g_autofree char *inner_text = g_strndup(g_bytes_get_data(inner, NULL), g_bytes_get_size(inner));
  Answer *answer = lab_send(scene->lab, client, FALSE, "/key-change", inner_text);
  json_decref(header);
  json_decref(change);
  if (answer->status != 200) {
    EVP_PKEY_free(key);
    return answer;
  }
  EVP_PKEY_free(client->key);
  json_decref(client->jwk);
  client->key = key;
  client->jwk = lab_jwk(key);
  return answer;
}

static Answer *send_order(Scene *scene) {
  g_autofree char *address = fresh_address(scene);
  return new_order(scene->lab, scene->client, address);
}

static Answer *send_authorization(Scene *scene) {
  g_autofree char *address = fresh_address(scene);
  return new_authorization(scene->lab, scene->client, address);
}

static Answer *send_order_again(Scene *scene) {
  return new_order(scene->lab, scene->client, "Alice@Example.org");
}

static Answer *send_authorization_again(Scene *scene) {
  return new_authorization(scene->lab, scene->client, "Alice@Example.org");
}

static Answer *send_stranger(Scene *scene) {
  return new_order(scene->lab, scene->strangers[scene->next_stranger++ % STRANGERS],
                   "Alice@Example.org");
}

/* Refused whatever the limit says, and yet an attempt. */
static Answer *send_bad_csr(Scene *scene) {
  LabOrder *order = scene->orders->pdata[0];
  return lab_finalize_with(order, order->key, "email:bob@example.org");
}

static Answer *send_csr(Scene *scene) {
  Answer *answer = lab_finalize(scene->orders->pdata[scene->next_order]);
  if (answer->status == 200)
    scene->next_order++;
  return answer;
}

typedef enum { OF_NETWORK, OF_ACCOUNT, OF_KEY, OF_MAILBOX, OF_DOMAIN } Subject;

/* The rates are of two: both are taken at once, the next a period later. status: of what is
   taken. */
static const struct {
  const char *limit;
  Subject subject;
  Answer *(*send)(Scene *scene);
  guint status;
  const char *rate, *told;
  gboolean bound;
  guint orders;
} rows[] = {
    {"accounts-per-network", OF_NETWORK, send_account, 201, PER_HOUR("2"), "2 per hour", FALSE, 0},
    {"changes-per-account", OF_ACCOUNT, send_update, 200, PER_HOUR("2"), "2 per hour", FALSE, 0},
    {"changes-per-account", OF_ACCOUNT, send_key_change, 200, PER_HOUR("2"), "2 per hour", FALSE,
     0},
    {"orders-per-account", OF_ACCOUNT, send_order, 201, PER_HOUR("2"), "2 per hour", FALSE, 0},
    {"orders-per-account", OF_ACCOUNT, send_authorization, 201, "2/5400000", "2 per 90 minutes",
     FALSE, 0},
    {"orders-per-network", OF_NETWORK, send_order, 201, PER_HOUR("2"), "2 per hour", FALSE, 0},
    {"orders-per-network", OF_NETWORK, send_authorization, 201, "2/45000", "2 per 45 seconds",
     FALSE, 0},
    {"orders-per-external-account", OF_KEY, send_order, 201, PER_HOUR("2"), "2 per hour", TRUE, 0},
    {"orders-per-external-account", OF_KEY, send_authorization, 201, PER_DAY("2"), "2 per day",
     TRUE, 0},
    {"mails-per-mailbox-hour", OF_MAILBOX, send_stranger, 201, PER_HOUR("2"), "2 per hour", FALSE,
     0},
    {"mails-per-mailbox-hour", OF_MAILBOX, send_authorization_again, 201, PER_HOUR("2"),
     "2 per hour", FALSE, 0},
    {"mails-per-mailbox-hour", OF_MAILBOX, send_order_again, 201, PER_HOUR("2"), "2 per hour", TRUE,
     0},
    {"mails-per-mailbox-day", OF_MAILBOX, send_stranger, 201, PER_DAY("2"), "2 per day", FALSE, 0},
    {"mails-per-mailbox-day", OF_MAILBOX, send_authorization_again, 201, PER_DAY("2"), "2 per day",
     FALSE, 0},
    {"mails-per-mailbox-account", OF_MAILBOX, send_order_again, 201, PER_HOUR("2"), "2 per hour",
     FALSE, 0},
    {"mails-per-mailbox-account", OF_MAILBOX, send_authorization_again, 201, PER_DAY("2"),
     "2 per day", FALSE, 0},
    {"mails-per-account", OF_ACCOUNT, send_order, 201, PER_HOUR("2"), "2 per hour", FALSE, 0},
    {"mails-per-account", OF_ACCOUNT, send_authorization_again, 201, PER_HOUR("2"), "2 per hour",
     FALSE, 0},
    {"mails-per-domain", OF_DOMAIN, send_order, 201, PER_HOUR("2"), "2 per hour", FALSE, 0},
    {"mails-per-domain", OF_DOMAIN, send_authorization, 201, "2/7200000", "2 per 2 hours", FALSE,
     0},
    {"mails-per-domain", OF_DOMAIN, send_order, 201, PER_HOUR("2"), "2 per hour", TRUE, 0},
    {"finalizations-per-account", OF_ACCOUNT, send_bad_csr, 400, PER_HOUR("2"), "2 per hour", FALSE,
     1},
    {"finalizations-per-account", OF_ACCOUNT, send_csr, 200, PER_HOUR("2"), "2 per hour", FALSE, 4},
    {"certificates-per-mailbox", OF_MAILBOX, send_csr, 200, "2/172800000", "2 per 2 days", FALSE,
     4},
};

static void scene_open(Scene *scene, gsize row) {
  g_autofree char *key = g_strconcat("limits.", rows[row].limit, NULL);
  const char *const overrides[] = {key, rows[row].rate, NULL};
  scene->lab = lab_new_with(overrides);
  scene->client = NULL;
  if (rows[row].send != send_account)
    scene->client = rows[row].bound ? bound_account(scene->lab) : lab_account(scene->lab);
  scene->kid = rows[row].bound ? find_kid(scene->lab) : NULL;
  for (gsize i = 0; rows[row].send == send_stranger && i < STRANGERS; i++)
    scene->strangers[i] = lab_account(scene->lab);
  scene->orders = g_ptr_array_new_with_free_func((GDestroyNotify)lab_order_free);
  for (guint i = 0; i < rows[row].orders; i++)
    g_ptr_array_add(scene->orders, lab_ready(scene->lab, scene->client));
}

static void scene_clear(Scene *scene) {
  g_clear_pointer(&scene->client, lab_client_free);
  for (gsize i = 0; i < STRANGERS; i++)
    g_clear_pointer(&scene->strangers[i], lab_client_free);
  g_ptr_array_unref(scene->orders);
  g_free(scene->kid);
  lab_free(scene->lab);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Scene, scene_clear)

static const char *subject_of(const Scene *scene, gsize row) {
  switch (rows[row].subject) {
  case OF_NETWORK:
    return "192.0.2.0/24";
  case OF_ACCOUNT:
    return strrchr(scene->client->kid, '/') + 1;
  case OF_KEY:
    return scene->kid;
  case OF_MAILBOX:
    return "alice@example.org";
  default:
    return "example.org";
  }
}

static void taken(Scene *scene, gsize row) {
  gives(rows[row].send(scene), rows[row].status);
}

/* Names limit, rate, subject and the time when it ends, which Retry-After says too; nothing is
   written or spent. */
static void refused(Scene *scene, gsize row, gint64 wait) {
  g_autofree char *before = objects(scene->lab), *spent = budgets(scene->lab);
  g_autoptr(Answer) answer = rows[row].send(scene);
  g_autofree char *after = objects(scene->lab), *spent_after = budgets(scene->lab);
  g_autofree char *time = clock_rfc3339(scene->lab->clock.now + wait * CLOCK_SECOND);
  g_autofree char *detail =
      g_strdup_printf("The limit %s (%s) is reached for %s; try again after %s.", rows[row].limit,
                      rows[row].told, subject_of(scene, row), time);
  g_assert_cmpuint(answer->status, ==, 429);
  assert_problem(answer, 429, "rateLimited");
  g_assert_cmpstr(lab_text(answer, "detail"), ==, detail);
  g_assert_null(json_object_get(answer->json, "subproblems"));
  g_assert_cmpint(answer->retry_after, ==, wait);
  g_assert_cmpstr(after, ==, before);
  g_assert_cmpstr(spent_after, ==, spent);
}

static void test_reached(gconstpointer data) {
  gsize row = GPOINTER_TO_SIZE(data);
  g_auto(Scene) scene = {0};
  gint64 wait = g_ascii_strtoll(strchr(rows[row].rate, '/') + 1, NULL, 10) / CLOCK_SECOND;
  scene_open(&scene, row);
  const char *subject = subject_of(&scene, row);
  taken(&scene, row);
  taken(&scene, row);
  refused(&scene, row, wait);
  command(scene.lab, "limit set", rows[row].limit, subject, "off");
  taken(&scene, row);
  command(scene.lab, "limit clear", rows[row].limit, subject, NULL);
  refused(&scene, row, wait);
  scene.lab->clock.now += (wait - 1) * CLOCK_SECOND;
  refused(&scene, row, 1);
  scene.lab->clock.now += CLOCK_SECOND;
  taken(&scene, row);
}

/* Each limit of the configuration has a row, but for that of mails that no request asks for: that
   one is reached in test_iodef.c. */
static void test_complete(void) {
  guint count = 0;
  for (gsize i = 0; i < config_keys_count; i++) {
    gboolean found = strcmp(config_keys[i].name, "iodef-reports") == 0;
    if (strcmp(config_keys[i].group, "limits") != 0)
      continue;
    for (gsize j = 0; j < G_N_ELEMENTS(rows); j++)
      found = found || strcmp(rows[j].limit, config_keys[i].name) == 0;
    if (!found)
      g_error("no row for %s", config_keys[i].name);
    count++;
  }
  g_assert_cmpuint(count, ==, 13);
}

/* Parts of a second are never promised too early. */
static void test_parts_of_a_second(void) {
  static const char *const overrides[] = {"limits.orders-per-account", "1/1500", NULL};
  g_autoptr(Lab) lab = lab_new_with(overrides);
  g_autoptr(LabClient) client = lab_account(lab);
  lab->clock.now += 750;
  gives(new_order(lab, client, "alice@example.org"), 201);
  g_autoptr(Answer) answer = new_order(lab, client, "bob@example.org");
  g_assert_cmpint(answer->retry_after, ==, 2);
  g_assert_nonnull(strstr(lab_text(answer, "detail"), "(1 per 1500 milliseconds)"));
  g_assert_nonnull(strstr(lab_text(answer, "detail"), "after 2026-03-01T00:00:03Z."));
  lab->clock.now += 1499;
  is_limited(new_order(lab, client, "bob@example.org"), "orders-per-account");
  lab->clock.now += 1;
  gives(new_order(lab, client, "bob@example.org"), 201);
}

/* --- overrides --- */

/* Also a tighter one, for that subject alone. */
static void test_override(void) {
  g_autoptr(Lab) lab = lab_of_defaults(NULL);
  g_autoptr(LabClient) client = lab_account(lab);
  command(lab, "limit set", "mails-per-mailbox-account", "Alice@EXAMPLE.org", "1/1h");
  command(lab, "limit set", "mails-per-mailbox-account", "bob@example.org", "5/1h");
  gives(new_order(lab, client, "alice@example.org"), 201);
  is_limited(new_order(lab, client, "alice@example.org"), "mails-per-mailbox-account");
  for (guint i = 0; i < 3; i++)
    gives(new_order(lab, client, "bob@example.org"), 201);
  is_limited(new_order(lab, client, "bob@example.org"), "mails-per-mailbox-account");
  for (guint i = 0; i < 2; i++)
    gives(new_order(lab, client, "carol@example.org"), 201);
  is_limited(new_order(lab, client, "carol@example.org"), "mails-per-mailbox-account");
}

/* Mails are counted without tags, certificates with them. */
static void test_override_tagged(void) {
  g_autoptr(Lab) lab = lab_of_defaults(NULL);
  g_autoptr(LabClient) client = lab_account(lab);
  command(lab, "limit set", "mails-per-mailbox-account", "Alice+Tag@example.org", "3/1h");
  command(lab, "limit set", "certificates-per-mailbox", "Alice+Tag@example.org", "3/1h");
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM rate_override WHERE name || subject IN"
                                 " ('mails-per-mailbox-accountalice@example.org',"
                                 " 'certificates-per-mailboxalice+tag@example.org')"),
                  ==, 2);
  for (guint i = 0; i < 2; i++)
    gives(new_order(lab, client, "alice+1@example.org"), 201);
  is_limited(new_order(lab, client, "alice+2@example.org"), "mails-per-mailbox-account");
  lab->clock.now += 30 * CLOCK_MINUTE;
  gives(new_order(lab, client, "alice@example.org"), 201);
  command(lab, "limit clear", "mails-per-mailbox-account", "alice+9@example.org", NULL);
}

/* --- several identifiers --- */

/* What the first identifier spent is given back when the second is refused. */
static void test_given_back(void) {
  static const char *const overrides[] = {"limits.mails-per-mailbox-hour", PER_HOUR("1"), NULL};
  static const char *const both[] = {"alice@example.org", "bob@example.org", NULL};
  g_autoptr(Lab) lab = lab_new_with(overrides);
  g_autoptr(LabClient) client = lab_account(lab);
  gives(new_order(lab, client, "bob@example.org"), 201);
  g_autofree char *before = objects(lab), *spent = budgets(lab);
  for (guint i = 0; i < 3; i++)
    is_limited(new_order_of(lab, client, both), "mails-per-mailbox-hour");
  g_autofree char *after = objects(lab), *spent_after = budgets(lab);
  g_assert_cmpstr(after, ==, before);
  g_assert_cmpstr(spent_after, ==, spent);
  gives(new_order(lab, client, "alice@example.org"), 201);
}

/* Each refused identifier is named; Retry-After is of the one that takes longest. */
static void test_subproblems(void) {
  static const char *const overrides[] = {"limits.mails-per-mailbox-hour", PER_HOUR("1"), NULL};
  static const char *const three[] = {"alice@example.org", "bob@example.org", "carol@example.org",
                                      NULL};
  g_autoptr(Lab) lab = lab_new_with(overrides);
  g_autoptr(LabClient) client = lab_account(lab);
  gives(new_order(lab, client, "alice@example.org"), 201);
  lab->clock.now += 10 * CLOCK_MINUTE;
  gives(new_order(lab, client, "carol@example.org"), 201);
  g_autoptr(Answer) answer = new_order_of(lab, client, three);
  assert_problem(answer, 429, "rateLimited");
  g_assert_cmpint(answer->retry_after, ==, 3600);
  json_t *list = json_object_get(answer->json, "subproblems");
  g_assert_cmpuint(json_array_size(list), ==, 2);
  for (gsize i = 0; i < 2; i++) {
    json_t *sub = json_array_get(list, i);
    json_t *identifier = json_object_get(sub, "identifier");
    g_assert_cmpstr(json_string_value(json_object_get(sub, "type")), ==, LAB_URN "rateLimited");
    g_assert_cmpstr(json_string_value(json_object_get(identifier, "value")), ==, three[2 * i]);
    g_assert_nonnull(strstr(json_string_value(json_object_get(sub, "detail")), three[2 * i]));
  }
  lab->clock.now += 50 * CLOCK_MINUTE;
  g_autoptr(Answer) later = new_order_of(lab, client, three);
  g_assert_cmpint(later->retry_after, ==, 600);
  lab->clock.now += 10 * CLOCK_MINUTE;
  gives(new_order_of(lab, client, three), 201);
}

/* Where several limits stand before a request, it is told when the last of them lets it pass (RFC
   8555 section 6.6). */
static void test_several(void) {
  static const char *const overrides[] = {"limits.orders-per-account",
                                          PER_HOUR("1"),
                                          "limits.mails-per-mailbox-hour",
                                          PER_HOUR("1"),
                                          "limits.mails-per-mailbox-day",
                                          PER_DAY("1"),
                                          NULL};
  g_autoptr(Lab) lab = lab_new_with(overrides);
  g_autoptr(LabClient) client = lab_account(lab);
  gives(new_order(lab, client, "alice@example.org"), 201);
  lab->clock.now += CLOCK_MINUTE;
  g_assert_cmpint(is_limited(new_order(lab, client, "alice@example.org"), "mails-per-mailbox-day"),
                  ==, 86400 - 60);
  g_assert_cmpint(
      is_limited(new_authorization(lab, client, "alice@example.org"), "mails-per-mailbox-day"), ==,
      86400 - 60);
  g_assert_cmpint(is_limited(new_order(lab, client, "bob@example.org"), "orders-per-account"), ==,
                  3600 - 60);
  lab->clock.now += CLOCK_DAY - CLOCK_MINUTE; /* nothing of what was refused was spent */
  gives(new_order(lab, client, "alice@example.org"), 201);
}

static void test_several_at_finalize(void) {
  static const char *const overrides[] = {"limits.finalizations-per-account", PER_HOUR("1"),
                                          "limits.certificates-per-mailbox", PER_DAY("1"), NULL};
  g_autoptr(Lab) lab = lab_new_with(overrides);
  g_autoptr(LabClient) client = lab_account(lab);
  g_autoptr(LabOrder) first = lab_ready(lab, client), second = lab_ready(lab, client);
  lab_issue(first);
  g_assert_cmpint(is_limited(lab_finalize(second), "certificates-per-mailbox"), ==, 86400);
}

/* All identifiers of an order count for their domain, and an authorization that was made beforehand
   spends nothing once more. */
static void test_counted_once(void) {
  static const char *const overrides[] = {"limits.mails-per-domain", PER_HOUR("4"), NULL};
  static const char *const two[] = {"alice@example.org", "bob@example.org", NULL};
  static const char *const four[] = {"a@example.org", "b@example.org", "c@example.org",
                                     "d@example.net", NULL};
  g_autoptr(Lab) lab = lab_new_with(overrides);
  g_autoptr(LabClient) client = lab_account(lab);
  gives(new_authorization(lab, client, "alice@example.org"), 201);
  gives(new_authorization(lab, client, "bob@example.org"), 201);
  gives(new_order_of(lab, client, two), 201); /* both beforehand */
  is_limited(new_order_of(lab, client, four), "mails-per-domain");
  gives(new_order_of(lab, client, four + 2), 201);
  is_limited(new_order(lab, client, "e@example.org"), "mails-per-domain");
}

/* --- strangers and the owner --- */

/* Never more than count in any period. */
static void never_more(const GArray *times, guint count, gint64 period) {
  for (guint i = count; i < times->len; i++)
    g_assert_cmpint(g_array_index(times, gint64, i) - g_array_index(times, gint64, i - count), >=,
                    period);
}

/* Each tries once, another one first each time; how many are served. */
static guint try_all(Lab *lab, LabClient *const *strangers, GArray *const *times, guint first) {
  guint count = 0;
  for (guint i = 0; i < STRANGERS; i++) {
    guint stranger = (first + i) % STRANGERS;
    g_autoptr(Answer) answer = new_order(lab, strangers[stranger], "alice@example.org");
    if (answer->status != 201)
      continue;
    g_array_append_val(times[stranger], lab->clock.now);
    g_array_append_val(times[STRANGERS], lab->clock.now);
    count++;
  }
  return count;
}

/* Strangers order for the mailbox for more than a day, and leave nothing of its budget: how many
   mails they get. */
static void besiege(Lab *lab, LabClient *const *strangers) {
  GArray *times[STRANGERS + 1]; /* of each, of all */
  guint round = 0;
  for (gsize i = 0; i <= STRANGERS; i++)
    times[i] = g_array_new(FALSE, FALSE, sizeof(gint64));
  for (; round < 27 * 3; round++) {
    try_all(lab, strangers, times, round);
    lab->clock.now += 20 * CLOCK_MINUTE;
  }
  while (try_all(lab, strangers, times, round) > 0)
    round++;
  never_more(times[STRANGERS], 5, CLOCK_HOUR);
  never_more(times[STRANGERS], 20, CLOCK_DAY);
  g_assert_cmpuint(times[STRANGERS]->len, >=, 20);
  for (gsize i = 0; i < STRANGERS; i++)
    never_more(times[i], 2, CLOCK_HOUR);
  for (gsize i = 0; i <= STRANGERS; i++)
    g_array_unref(times[i]);
}

/* The share of an account of its own, which is limited too. */
static void has_own(Lab *lab, LabClient *client) {
  for (guint i = 0; i < 3; i++)
    gives(new_order(lab, client, "Alice@example.org"), 201);
  g_assert_cmpint(is_limited(new_order(lab, client, "alice@example.org"), "mails-per-mailbox-hour"),
                  ==, 1200);
}

static void test_besieged(void) {
  g_autoptr(Lab) lab = lab_of_defaults(NULL);
  g_autoptr(LabClient) owner = lab_account(lab);
  g_autoptr(LabClient) bound = bound_account(lab);
  LabClient *strangers[STRANGERS];
  g_autoptr(LabOrder) order = lab_ready(lab, owner);
  lab_issue(order);
  for (gsize i = 0; i < STRANGERS; i++)
    strangers[i] = lab_account(lab);
  lab->clock.now += 2 * CLOCK_DAY;
  besiege(lab, strangers);
  gives(new_order(lab, strangers[0], "bob@example.org"), 201);
  has_own(lab, owner);
  has_own(lab, bound);
  for (gsize i = 0; i < STRANGERS; i++)
    lab_client_free(strangers[i]);
}

/* Sends what is due, minute by minute, and notes when. */
static void send_for(Lab *lab, gint64 time, GArray *times) {
  for (gint64 end = lab->clock.now + time; lab->clock.now < end; lab->clock.now += CLOCK_MINUTE)
    for (guint sent = lab_send_mails(lab); sent > 0; sent--)
      g_array_append_val(times, lab->clock.now);
}

/* The first authorization of an order is read, which asks for its mail; answer is taken. */
static void ask_for_mail(Lab *lab, LabClient *client, Answer *answer) {
  g_autoptr(Answer) order = answer;
  json_t *urls = json_object_get(order->json, "authorizations");
  g_assert_cmpuint(order->status, ==, 201);
  gives(lab_post(lab, client, json_string_value(json_array_get(urls, 0)), NULL), 200);
}

/* Mails that were ordered over a day and asked for at once leave as they would have one by one;
   who has a budget of his own does not wait. */
static void test_stored_up(void) {
  g_autoptr(Lab) lab = lab_of_defaults(NULL);
  g_autoptr(LabClient) bound = bound_account(lab), stranger = lab_account(lab);
  g_autoptr(GPtrArray) stored = g_ptr_array_new();
  g_autoptr(GArray) times = g_array_new(FALSE, FALSE, sizeof(gint64));
  for (guint i = 0; i < 12; i++) {
    Answer *answer =
        new_order(lab, stranger, i % 2 == 0 ? "alice@example.org" : "alice+x@example.org");
    g_ptr_array_add(stored, answer);
    lab->clock.now += CLOCK_HOUR;
  }
  for (guint i = 0; i < stored->len; i++)
    ask_for_mail(lab, stranger, stored->pdata[i]);
  ask_for_mail(lab, bound, new_order(lab, bound, "alice@example.org"));
  ask_for_mail(lab, stranger, new_order(lab, stranger, "bob@example.org"));
  lab->clock.now += 5 * CLOCK_SECOND;
  g_assert_cmpuint(lab_send_mails(lab), ==, 3 + 1 + 1);
  for (guint i = 0; i < 3; i++)
    g_array_append_val(times, lab->clock.now);
  send_for(lab, 5 * CLOCK_HOUR, times);
  g_assert_cmpuint(times->len, ==, 12);
  never_more(times, 5, CLOCK_HOUR);
}

/* The budget of a mailbox is all accounts', that of an account in it two an hour. */
static void test_shared(void) {
  g_autoptr(Lab) lab = lab_of_defaults(NULL);
  g_autoptr(LabClient) first = lab_account(lab), second = lab_account(lab),
                       third = lab_account(lab);
  gives(new_order(lab, first, "alice@example.org"), 201);
  gives(new_order(lab, first, "alice@example.org"), 201);
  g_assert_cmpint(
      is_limited(new_order(lab, first, "alice@example.org"), "mails-per-mailbox-account"), ==,
      3600);
  gives(new_order(lab, second, "alice@example.org"), 201);
  g_assert_cmpint(is_limited(new_order(lab, second, "alice@example.org"), "mails-per-mailbox-hour"),
                  ==, 1200);
  g_assert_cmpint(is_limited(new_order(lab, third, "alice@example.org"), "mails-per-mailbox-hour"),
                  ==, 1200);
  gives(new_order(lab, third, "bob@example.org"), 201);
}

/* A certificate is trust for its mailbox alone, not for its domain. */
static void test_trusted_for_one(void) {
  static const char *const overrides[] = {"limits.mails-per-domain", PER_DAY("1"), NULL};
  g_autoptr(Lab) lab = lab_new_with(overrides);
  g_autoptr(LabClient) owner = lab_account(lab), stranger = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, owner);
  g_autoptr(LabClient) bound = bound_account(lab);
  is_limited(new_order(lab, owner, "alice@example.org"), "mails-per-domain");
  lab_issue(order);
  is_limited(new_order(lab, stranger, "bob@example.org"), "mails-per-domain");
  is_limited(new_order(lab, owner, "bob@example.org"), "mails-per-domain");
  gives(new_order(lab, owner, "ALICE@example.org"), 201);
  gives(new_order(lab, bound, "bob@example.org"), 201);
}

/* --- what counts as one --- */

static const struct {
  const char *first, *second;
  gboolean one;
} mailboxes[] = {
    {"alice@example.org", "ALICE@example.org", TRUE},
    {"alice@example.org", "alice@EXAMPLE.org", TRUE},
    {"alice@b\xc3\xbc"
     "cher.example",
     "alice@xn--bcher-kva.example", TRUE},
    {"alice@b\xc3\xbc"
     "cher.example",
     "Alice@B\xc3\x9c"
     "CHER.example",
     TRUE},
    {"alice@example.org", "Alice+tag@example.org", TRUE},
    {"alice+1@example.org", "alice+2+3@example.org", TRUE},
    {"alice+@example.org", "alice@example.org", TRUE},
    {"+alice@example.org", "+bob@example.org", FALSE},
    {"alice+tag@example.org", "bob+tag@example.org", FALSE},
    {"alice@example.org", "alice@mail.example.org", FALSE},
    {"alice@example.org", "al.ice@example.org", FALSE},
    {"alice@example.org", "alice2@example.org", FALSE},
    {"j\xc3\xb6rg@example.org", "jorg@example.org", FALSE},
};

static void test_mailboxes(void) {
  static const char *const overrides[] = {"limits.mails-per-mailbox-hour", PER_HOUR("1"), NULL};
  for (gsize i = 0; i < G_N_ELEMENTS(mailboxes); i++) {
    g_autoptr(Lab) lab = lab_new_with(overrides);
    g_autoptr(LabClient) first = lab_account(lab), second = lab_account(lab);
    g_test_message("%s %s", mailboxes[i].first, mailboxes[i].second);
    gives(new_order(lab, first, mailboxes[i].first), 201);
    g_autoptr(Answer) answer = new_order(lab, second, mailboxes[i].second);
    g_assert_cmpuint(answer->status, ==, mailboxes[i].one ? 429 : 201);
  }
}

static const struct {
  const char *first, *second;
  gboolean one;
} networks[] = {
    {"192.0.2.1", "192.0.2.1", TRUE},
    {"192.0.2.1", "192.0.2.254", TRUE},
    {"192.0.2.1", "::ffff:192.0.2.9", TRUE},
    {"192.0.2.1", "192.0.3.1", FALSE},
    {"2001:db8::1", "2001:db8:0:ffff:ffff:ffff:ffff:ffff", TRUE},
    {"2001:db8::1", "2001:db8:1::1", FALSE},
};

static void test_networks(void) {
  static const char *const overrides[] = {"limits.accounts-per-network", PER_HOUR("1"),
                                          "limits.orders-per-network", PER_HOUR("1"), NULL};
  for (gsize i = 0; i < G_N_ELEMENTS(networks); i++) {
    g_autoptr(Lab) lab = lab_new_with(overrides);
    guint second = networks[i].one ? 429 : 201;
    g_test_message("%s %s", networks[i].first, networks[i].second);
    lab->peer = networks[i].first;
    g_autoptr(LabClient) client = lab_account(lab);
    gives(new_order(lab, client, "alice@example.org"), 201);
    lab->peer = networks[i].second;
    gives(new_account(lab), second);
    gives(new_order(lab, client, "bob@example.org"), second);
  }
}

/* --- renewals --- */

/* Renewals (RFC 9773 section 5) need no share of orders, but of mails. */
static void test_renewals(void) {
  static const char *const overrides[] = {"limits.orders-per-account",
                                          PER_DAY("2"),
                                          "limits.orders-per-network",
                                          PER_DAY("2"),
                                          "limits.mails-per-mailbox-hour",
                                          PER_HOUR("1"),
                                          NULL};
  g_autoptr(Lab) lab = lab_new_with(overrides);
  g_autoptr(LabClient) owner = lab_account(lab);
  g_autoptr(LabOrder) order = lab_ready(lab, owner);
  lab_issue(order);
  g_autoptr(GBytes) leaf = lab_leaf(order);
  gives(new_order(lab, owner, "alice@example.org"), 201);
  is_limited(new_order(lab, owner, "alice@example.org"), "orders-per-account");
  is_limited(new_renewal(lab, owner, leaf), "mails-per-mailbox-hour");
  lab->clock.now += CLOCK_HOUR;
  is_limited(new_order(lab, owner, "alice@example.org"), "orders-per-account");
  gives(new_renewal(lab, owner, leaf), 201);
  gives(new_renewal(lab, owner, leaf), 429); /* one mail an hour */
  lab->clock.now += CLOCK_HOUR;
  gives(new_renewal(lab, owner, leaf), 409); /* it is replaced */
  g_autofree char *spent = budgets(lab);
  gives(new_renewal(lab, owner, leaf), 409);
  g_autofree char *spent_after = budgets(lab);
  g_assert_cmpstr(spent, ==, spent_after);
}

/* --- revocation has no limit --- */

/* By the account and by the key. */
static void revoke_both(Lab *lab, LabClient *owner, LabOrder *first, LabOrder *second) {
  g_autoptr(GBytes) first_leaf = lab_leaf(first), second_leaf = lab_leaf(second);
  EVP_PKEY_up_ref(second->key);
  g_autoptr(LabClient) holder = lab_client_of(second->key);
  gives(lab_revoke(lab, owner, FALSE, first_leaf, NULL), 200);
  gives(lab_revoke(lab, holder, TRUE, second_leaf, NULL), 200);
  g_assert_cmpint(lab_count(lab, "SELECT count(*) FROM certificate WHERE revoked_at IS NOT NULL"),
                  ==, 2);
}

static void break_limits(Lab *lab, const char *table) {
  g_autofree char *sql = g_strdup_printf("DROP TABLE %s", table);
  lab_sql(lab, sql);
}

static void reach_limits(Lab *lab, LabClient *owner) {
  command(lab, "limit set", "accounts-per-network", lab->peer, "1/365d");
  command(lab, "limit set", "orders-per-network", lab->peer, "1/365d");
  command(lab, "limit set", "finalizations-per-account", strrchr(owner->kid, '/') + 1, "1/365d");
  command(lab, "limit set", "changes-per-account", strrchr(owner->kid, '/') + 1, "1/365d");
  gives(change_contact(lab, owner), 200);
}

/* table: that is gone; NULL: every limit is reached. */
static void test_revocation(gconstpointer table) {
  g_autoptr(Lab) lab = lab_of_defaults(NULL);
  g_autoptr(LabClient) owner = lab_account(lab);
  g_autoptr(LabOrder) first = lab_ready(lab, owner);
  lab_issue(first);
  g_autoptr(LabOrder) second = lab_ready(lab, owner);
  lab_issue(second);
  g_autoptr(LabOrder) ready = lab_ready(lab, owner);
  guint status = table != NULL ? 500 : 429;
  if (table != NULL)
    break_limits(lab, table);
  else
    reach_limits(lab, owner);
  g_autofree char *before = objects(lab);
  gives(new_account(lab), status);
  gives(new_order(lab, owner, "bob@example.org"), status);
  gives(new_authorization(lab, owner, "bob@example.org"), status);
  gives(lab_finalize(ready), status);
  gives(change_contact(lab, owner), status);
  g_autofree char *after = objects(lab);
  g_assert_cmpstr(after, ==, before);
  revoke_both(lab, owner, first, second);
  gives(lab_post(lab, owner, owner->kid, "{\"status\":\"deactivated\"}"), 200);
}

static void add_reached_tests(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *path = g_strdup_printf("/acme/limit/reached/%u-%s", (guint)i, rows[i].limit);
    g_test_add_data_func(path, GSIZE_TO_POINTER(i), test_reached);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  add_reached_tests();
  g_test_add_func("/acme/limit/complete", test_complete);
  g_test_add_func("/acme/limit/parts-of-a-second", test_parts_of_a_second);
  g_test_add_func("/acme/limit/override", test_override);
  g_test_add_func("/acme/limit/override-tagged", test_override_tagged);
  g_test_add_func("/acme/limit/given-back", test_given_back);
  g_test_add_func("/acme/limit/subproblems", test_subproblems);
  g_test_add_func("/acme/limit/several", test_several);
  g_test_add_func("/acme/limit/several-at-finalize", test_several_at_finalize);
  g_test_add_func("/acme/limit/counted-once", test_counted_once);
  g_test_add_func("/acme/limit/shared", test_shared);
  g_test_add_func("/acme/limit/besieged", test_besieged);
  g_test_add_func("/acme/limit/stored-up", test_stored_up);
  g_test_add_func("/acme/limit/trusted-for-one", test_trusted_for_one);
  g_test_add_func("/acme/limit/mailboxes", test_mailboxes);
  g_test_add_func("/acme/limit/networks", test_networks);
  g_test_add_func("/acme/limit/renewals", test_renewals);
  g_test_add_data_func("/acme/limit/revocation/reached", NULL, test_revocation);
  g_test_add_data_func("/acme/limit/revocation/no-budgets", "rate", test_revocation);
  g_test_add_data_func("/acme/limit/revocation/no-overrides", "rate_override", test_revocation);
  return g_test_run();
}
