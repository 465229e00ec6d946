/* SPDX-License-Identifier: Apache-2.0 */
/* The evidence of a certificate (ca-rules 6 and 11): bound to the audit log when it is issued,
   unchanged by what comes later, written to a file and read again. */
#include "acme/evidence.h"
#include "acme/evidence_check.h"
#include "acme/evidence_row.h"
#include "ca/certificate_read.h"
#include "store/audit.h"
#include "tests/unit/acme/harness.h"

/* One certificate on its way through a file. */
typedef struct {
  Lab *lab;
  LabClient *client;
  LabOrder *order;
  Certificate *certificate;
} Case;

static void set_up_validated(Case *c) {
  c->lab = lab_new();
  c->client = lab_account(c->lab);
  c->order = lab_order(c->lab, c->client);
  c->lab->clock.now += 5 * CLOCK_SECOND;
  g_assert_cmpuint(lab_send_mails(c->lab), ==, 1);
  lab_validate(c->order, 0);
}

static void issue(Case *c) {
  lab_issue(c->order);
  g_autoptr(GBytes) leaf = lab_leaf(c->order), serial = certificate_serial_of(leaf);
  g_assert_cmpint(certificate_find_by_serial(c->lab->acme.store, serial, &c->certificate, NULL), ==,
                  STORE_FOUND);
}

static void set_up(Case *c) {
  set_up_validated(c);
  issue(c);
}

static void tear_down(Case *c) {
  certificate_row_free(c->certificate);
  lab_order_free(c->order);
  lab_client_free(c->client);
  lab_free(c->lab);
}

/* Each line is JSON in the one form that jansson gives it. */
static void add_line(const char *line, gpointer user) {
  json_t *parsed = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
  char *again = json_dumps(parsed, JSON_COMPACT);
  g_assert_cmpstr(again, ==, line);
  free(again);
  json_decref(parsed);
  g_string_append_printf(user, "%s\n", line);
}

/* The digest that the audit record "issued" names. */
static char *issued(Case *c) {
  g_autofree char *detail =
      lab_column(c->lab, "SELECT detail FROM audit WHERE kind = ?1", "issued");
  const char *named = strstr(detail, "evidence-sha256=\"");
  g_assert_nonnull(named);
  return g_strndup(named + strlen("evidence-sha256=\""), 64);
}

static void assert_bound(Case *c) {
  g_autofree char *named = issued(c);
  GString *lines = g_string_new(NULL);
  g_assert_true(evidence_lines(c->lab->acme.store, &c->certificate->id, add_line, lines, NULL));
  g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, lines->str, -1);
  g_assert_cmpstr(digest, ==, named);
  g_string_free(lines, TRUE);
}

/* What happens after the certificate is issued changes nothing of it. */
static void test_bound(void) {
  static const char *const later[] = {
      "UPDATE account SET terms = 'https://ca.test/terms/9', terms_agreed_at = 9, contact = '[1]',"
      " jwk = '{}', status = 'deactivated'",
      "UPDATE authz SET status = 'deactivated', expires_at = 1",
      "UPDATE challenge SET notes = 7, mails = 9, bounces = 3, relay_text = 'late', sent_at = 5",
      "UPDATE orders SET status = 'valid', error = '{}', expires_at = 1",
      "UPDATE certificate SET revoked_at = 7, reason = 1, renew_at = 5, renew_why = 'page',"
      " ending_seen = 1",
      "INSERT INTO message (id, raw_id, challenge_id, direction, at, verdict)"
      " SELECT x'01', raw_id, challenge_id, 'in', at, 'noted' FROM message WHERE direction = 'in'",
      "INSERT INTO caa_check (order_id, domain, at, verdict, secure, explanation, records)"
      " SELECT order_id, domain, at + 86400000, verdict, secure, '', '' FROM caa_check"};
  Case c = {0};
  set_up(&c);
  assert_bound(&c);
  for (gsize i = 0; i < G_N_ELEMENTS(later); i++) {
    lab_sql(c.lab, later[i]);
    assert_bound(&c);
  }
  g_autoptr(GError) error = NULL;
  g_assert_true(audit_append(c.lab->acme.store, 9, "terms agreed", "account/x", "", &error));
  assert_bound(&c);
  tear_down(&c);
}

static void note_order(Case *c) {
  g_autofree char *subject = g_strconcat("account/", strrchr(c->client->kid, '/') + 1, " order/",
                                         strrchr(c->order->order, '/') + 1, NULL);
  lab_begin(c->lab);
  g_assert_true(audit_append(c->lab->acme.store, 9, "order status", subject, "", NULL));
}

static void undo_handler(Case *c) {
  note_order(c);
  lab_commit(c->lab, FALSE);
}

static void undo_turn(Case *c) {
  note_order(c);
  store_rollback(c->lab->acme.store);
}

static void note_much(Case *c) {
  for (guint i = 0; i < 60; i++) {
    note_order(c);
    lab_commit(c->lab, TRUE);
  }
}

static void restart(Case *c) {
  lab_stop(c->lab);
  lab_start(c->lab);
}

/* As many orders as there are places for what is kept, and more. */
static void order_much(Case *c) {
  lab_begin(c->lab);
  for (guint i = 0; i < 65536; i++) {
    Id id = {{0}};
    id.octets[ID_OCTETS - 2] = (guint8)(i >> 8);
    id.octets[ID_OCTETS - 1] = (guint8)i;
    audit_keep(c->lab->acme.store, &id);
  }
  lab_commit(c->lab, TRUE);
}

/* The order's records are kept from its beginning; or are not, and are read. */
static void test_bound_in_any_way(void) {
  static void (*const ways[])(Case * c) = {undo_handler, undo_turn, note_much, restart, order_much};
  for (gsize i = 0; i < G_N_ELEMENTS(ways); i++) {
    Case c = {0};
    set_up_validated(&c);
    ways[i](&c);
    issue(&c);
    assert_bound(&c);
    tear_down(&c);
  }
}

/* An authorization made beforehand has records from before its order. */
static void test_bound_beforehand(void) {
  static const char *const mailboxes[] = {"Alice@example.org", NULL};
  Case c = {.lab = lab_new()};
  c.client = lab_account(c.lab);
  g_autoptr(LabOrder) made = lab_authorize(c.lab, c.client, mailboxes[0]);
  lab_validate(made, 0);
  c.order = lab_order_unread(c.lab, c.client, mailboxes);
  issue(&c);
  assert_bound(&c);
  tear_down(&c);
}

/* A change of anything that led to it shows. */
static void test_changes_show(void) {
  static const char *const changes[] = {
      "UPDATE certificate SET facts = replace(facts, 'on', 'off')",
      "UPDATE certificate SET linter_findings = 'none'",
      "UPDATE orders SET finalized_at = finalized_at - 1",
      "UPDATE authz SET identifier = 'x'",
      "UPDATE challenge SET token1 = 'x'",
      "UPDATE message SET judged_with = 'fields=all case=any' WHERE direction = 'in'",
      "UPDATE message SET peer = '192.0.2.1' WHERE direction = 'in'",
      "UPDATE raw SET octets = x'00'",
      "DELETE FROM message WHERE direction = 'out'",
      "UPDATE caa_check SET rdata = '00'",
      "UPDATE audit SET hash = x'00' WHERE kind = 'mail sent'",
      "INSERT INTO perspective_answer (subject, at, question, perspective, url, outcome, secure,"
      " records, reason) SELECT id, 1, '', '', '', '', 0, '', '' FROM orders"};
  for (gsize i = 0; i < G_N_ELEMENTS(changes); i++) {
    Case c = {0};
    set_up(&c);
    g_autofree char *named = issued(&c);
    lab_begin(c.lab);
    lab_sql(c.lab, changes[i]);
    GString *lines = g_string_new(NULL);
    g_assert_true(evidence_lines(c.lab->acme.store, &c.certificate->id, add_line, lines, NULL));
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, lines->str, -1);
    if (strcmp(digest, named) == 0)
      g_error("not seen: %s", changes[i]);
    g_string_free(lines, TRUE);
    store_rollback(c.lab->acme.store);
    tear_down(&c);
  }
}

/* Texts with what JSON escapes and what it does not; the first and the last number. */
static void test_values(void) {
  Case c = {0};
  set_up(&c);
  lab_begin(c.lab);
  lab_sql(c.lab, "UPDATE challenge SET token1 = '\"a\"b\\\\c/\\', message_id = '\x7f',"
                 " mail_sender = 'ж\"\n\\', envelope_from = '', created_at = 0,"
                 " responded_at = -9223372036854775808, passed_at = 9223372036854775807");
  GString *lines = g_string_new(NULL);
  g_assert_true(evidence_lines(c.lab->acme.store, &c.certificate->id, add_line, lines, NULL));
  g_assert_nonnull(strstr(lines->str, ",\"token1\":\"\\\"a\\\"b\\\\\\\\c/\\\\\","));
  g_assert_nonnull(strstr(lines->str, ",\"message_id\":\"\x7f\","));
  g_assert_nonnull(strstr(lines->str, ",\"mail_sender\":\"ж\\\"\\n\\\\\","));
  g_assert_nonnull(strstr(lines->str, ",\"envelope_from\":\"\","));
  g_assert_nonnull(strstr(lines->str, ",\"created_at\":0,\"deadline\":"));
  g_assert_nonnull(strstr(lines->str, ",\"responded_at\":-9223372036854775808,"));
  g_assert_nonnull(strstr(lines->str, ",\"passed_at\":9223372036854775807,"));
  g_string_free(lines, TRUE);
  store_rollback(c.lab->acme.store);
  tear_down(&c);
}

/* --- the file --- */

static char *write_file(Case *c) {
  g_autoptr(GPtrArray) issuers = g_ptr_array_new(), keys = g_ptr_array_new();
  g_autoptr(GError) error = NULL;
  char *text = NULL;
  size_t size = 0;
  gboolean covered = TRUE;
  FILE *out = open_memstream(&text, &size);
  g_ptr_array_add(issuers, c->lab->acme.issuer);
  g_assert_true(
      evidence_write(c->lab->acme.store, c->certificate, issuers, keys, out, &covered, &error));
  fclose(out);
  g_assert_false(covered); /* nobody signs checkpoints here */
  char *copy = g_strndup(text, size);
  free(text);
  return copy;
}

static Evidence *read_text(const char *text) {
  FILE *in = fmemopen((void *)text, strlen(text), "r");
  Evidence *evidence = evidence_read(in, NULL);
  fclose(in);
  g_assert_nonnull(evidence);
  return evidence;
}

static void assert_fault(GPtrArray *lines, const char *words) {
  g_ptr_array_add(lines, NULL);
  g_autofree char *text = g_strjoinv("\n", (char **)lines->pdata);
  g_autoptr(Evidence) evidence = read_text(text);
  gboolean found = FALSE;
  for (guint i = 0; i < evidence->faults->len; i++)
    found = found || strstr(evidence->faults->pdata[i], words) != NULL;
  if (!found)
    g_error("no fault \"%s\" in:\n%s", words, text);
}

static void test_file(void) {
  static const char *const kinds[] = {"certificate", "account", "order", "authorization",
                                      "challenge",   "message", "caa",   "audit"};
  Case c = {0};
  set_up(&c);
  g_autofree char *text = write_file(&c), *named = issued(&c);
  g_autoptr(Evidence) evidence = read_text(text);
  if (evidence->faults->len > 0)
    g_error("%s", (char *)evidence->faults->pdata[0]);
  for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++)
    g_assert_nonnull(evidence_row(evidence, kinds[i]));
  g_assert_cmpuint(evidence->issuers->len, ==, 1);
  g_assert_cmpuint(evidence->log->len, >, 10);
  g_assert_cmpstr(evidence->digest, ==, named);
  g_autoptr(GBytes) der = evidence_octets(evidence_row(evidence, "certificate"), "der");
  g_assert_true(g_bytes_equal(der, c.certificate->der));
  tear_down(&c);
}

/* Lines of a file with one of them changed; of text that belongs to whole. */
static GPtrArray *lines_of(char **whole) {
  GPtrArray *lines = g_ptr_array_new();
  for (char **line = whole; *line != NULL; line++)
    g_ptr_array_add(lines, *line);
  return lines;
}

static void test_file_faults(void) {
  Case c = {0};
  set_up(&c);
  g_autofree char *text = write_file(&c);
  g_auto(GStrv) whole = g_strsplit(text, "\n", -1);
  guint last = g_strv_length(whole) - 2; /* the end; behind it nothing */
  const struct {
    guint at;
    const char *line, *words; /* NULL: without the line */
  } cases[] = {
      {0, NULL, "stands where the file should say what it is"},
      {0, "{\"signet-evidence\":2,\"serial\":\"00\"}", "another format"},
      {1, NULL, "another number of lines"},
      {2, whole[3], "another digest than when it was made"},
      {last, NULL, "it was cut"},
      {last, whole[1], "it was cut"},
      {last, "{\"end\":\"x\",\"lines\":1,\"sha256\":\"\"}", "is the end of another kind"},
      {last - 1, whole[0], "the file begins twice"},
      {last - 1, whole[1], "stands in the wrong place"},
      {1, whole[last], "stands behind the end"},
      {1, "{\"evidence\":\"order\",\"evidence\":\"x\"}", "is no line of such a file"},
      {1, "{\"evidence\": \"order\"}", "is not written as this program writes it"},
      {1, "{\"other\":1}", "is of no kind that is known"},
      {1, "{\"issuer\":1}", "is there twice, or holds nothing"},
      {1, "{\"hidden\":1}", "is of no kind that is known"},
      {1, "[]", "is no line of such a file"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(GPtrArray) lines = lines_of(whole);
    if (cases[i].line != NULL)
      lines->pdata[cases[i].at] = (gpointer)cases[i].line;
    else
      g_ptr_array_remove_index(lines, cases[i].at);
    assert_fault(lines, cases[i].words);
  }
  g_autofree char *cut = g_strndup(text, strlen(text) - 1);
  g_autoptr(Evidence) evidence = read_text(cut);
  g_assert_cmpuint(evidence->faults->len, ==, 1);
  g_assert_nonnull(strstr(evidence->faults->pdata[0], "has no end"));
  tear_down(&c);
}

/* --- several writers --- */

/* The next core that works on the store, with a chain of its own. */
static void change_owner(Case *c, const char *owner) {
  lab_stop(c->lab);
  c->lab->place.owner = owner;
  lab_start(c->lab);
}

/* Two cores have a part in it, the one that issues with lower numbers than the other. */
static void set_up_by_two(Case *c) {
  c->lab = lab_new();
  for (guint i = 0; i < 30; i++)
    lab_client_free(lab_account(c->lab));
  c->client = lab_account(c->lab);
  c->order = lab_order(c->lab, c->client);
  c->lab->clock.now += 5 * CLOCK_SECOND;
  g_assert_cmpuint(lab_send_mails(c->lab), ==, 1);
  lab_validate(c->order, 0);
  change_owner(c, "node/1");
  issue(c);
}

static void note_later(Case *c) {
  const char *account = strrchr(c->client->kid, '/') + 1;
  g_autofree char *subject = g_strconcat("account/", account, NULL);
  lab_begin(c->lab);
  g_assert_true(
      audit_append(c->lab->acme.store, c->lab->clock.now, "terms agreed", subject, "", NULL));
  lab_commit(c->lab, TRUE);
}

/* What other cores record later is not in it, whatever its number. */
static void test_bound_by_two(void) {
  static const char *const owners[] = {"node/1", "node/0", "node/2"};
  Case c = {0};
  set_up_by_two(&c);
  assert_bound(&c);
  for (gsize i = 0; i < G_N_ELEMENTS(owners); i++) {
    change_owner(&c, owners[i]);
    note_later(&c);
    assert_bound(&c);
  }
  tear_down(&c);
}

typedef struct {
  gboolean bound, steps;
} Found;

static void on_result(const char *check, gboolean good, const char *words G_GNUC_UNUSED,
                      gpointer user) {
  Found *found = user;
  if (strcmp(check, "evidence") == 0)
    found->bound = good;
  if (strcmp(check, "steps") == 0)
    found->steps = good;
}

static Found check_lines(GPtrArray *lines) {
  const EvidenceTrust trust = {NULL, NULL};
  Found found = {FALSE, FALSE};
  g_ptr_array_add(lines, NULL);
  g_autofree char *text = g_strjoinv("\n", (char **)lines->pdata);
  g_autoptr(Evidence) evidence = read_text(text);
  evidence_check(evidence, &trust, on_result, &found);
  return found;
}

/* Line of the log about a kind of record, from a line on. */
static guint find_line(char **lines, const char *kind, guint at) {
  g_autofree char *member = g_strdup_printf("\"kind\":\"%s\"", kind);
  for (; lines[at] != NULL; at++)
    if (strstr(lines[at], member) != NULL)
      return at;
  g_error("no %s", kind);
}

/* Records of both chains verify; one that is left out, or of another number, is missed. */
static void test_file_of_two(void) {
  static const char *const kinds[] = {"mail sent", "challenge valid", "signing"};
  Case c = {0};
  set_up_by_two(&c);
  note_later(&c);
  g_autofree char *text = write_file(&c);
  g_auto(GStrv) whole = g_strsplit(text, "\n", -1);
  g_autoptr(GPtrArray) same = lines_of(whole);
  Found found = check_lines(same);
  g_assert_true(found.bound && found.steps);
  for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
    g_autoptr(GPtrArray) lines = lines_of(whole);
    g_ptr_array_remove_index(lines, find_line(whole, kinds[i], 0));
    g_assert_false(check_lines(lines).bound);
  }
  tear_down(&c);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/acme/evidence/bound", test_bound);
  g_test_add_func("/acme/evidence/bound-in-any-way", test_bound_in_any_way);
  g_test_add_func("/acme/evidence/bound-beforehand", test_bound_beforehand);
  g_test_add_func("/acme/evidence/changes-show", test_changes_show);
  g_test_add_func("/acme/evidence/values", test_values);
  g_test_add_func("/acme/evidence/file", test_file);
  g_test_add_func("/acme/evidence/file-faults", test_file_faults);
  if (database_server() != NULL) {
    g_test_add_func("/acme/evidence/bound-by-two", test_bound_by_two);
    g_test_add_func("/acme/evidence/file-of-two", test_file_of_two);
  }
  return g_test_run();
}
