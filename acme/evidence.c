/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/evidence.h"

#include "acme/issuing_ca.h"
#include "base/base64url.h"
#include "base/sha256.h"
#include "ca/certificate_read.h"
#include "store/authorization.h"
#include "store/evidence.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

/* --- what can change later
 * ---------------------------------------------------------------------------------- */

/* The account's keys since its first challenge for the order: replies may be made for any of them.
 */
static json_t *thumbprints(Acme *acme, const Order *order, const Account *account, GError **error) {
  /* An authorization may be older than its order; former keys are few. */
  g_autoptr(GPtrArray) former = account_former_keys(acme->store, &order->account_id, 0, error);
  if (former == NULL)
    return NULL;
  json_t *list = json_array();
  g_ptr_array_insert(former, 0, g_bytes_ref(account->thumbprint));
  for (guint i = 0; i < former->len; i++) {
    gsize size = 0;
    const void *data = g_bytes_get_data(former->pdata[i], &size);
    g_autofree char *text = base64url_encode(data, size);
    json_array_append_new(list, json_string(text));
  }
  return list;
}

static json_t *identities(const Acme *acme) {
  json_t *list = json_array();
  for (const char *const *name = config_list(acme->config, "ca.caa-identities");
       name != NULL && *name != NULL; name++)
    json_array_append_new(list, json_string(*name));
  return list;
}

static char *issuer_digest(const Acme *acme, gint64 shard, GError **error) {
  IssuingCa ca;
  StoreFind found = issuing_ca_of_shard(acme, shard, &ca, error);
  if (found == STORE_LOOKUP_FAILED)
    return NULL;
  g_autoptr(GBytes) der = issuer_der(found == STORE_FOUND ? ca.issuer : acme->issuer);
  return sha256_hex(der);
}

char *evidence_facts(Acme *acme, const Order *order, gint64 shard, GError **error) {
  g_autoptr(Account) account = NULL;
  if (account_find(acme->store, &order->account_id, &account, error) != STORE_FOUND)
    return NULL;
  g_autofree char *issuer = issuer_digest(acme, shard, error);
  json_t *keys = issuer != NULL ? thumbprints(acme, order, account, error) : NULL;
  if (keys == NULL)
    return NULL;
  g_autofree char *url = acme_url(acme, "account", &order->account_id, "");
  json_t *facts =
      json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:s, s:o, s:s, s:s}", "program",
                "Signet " SIGNET_VERSION, "requirements", EVIDENCE_REQUIREMENTS, "method",
                EVIDENCE_METHOD, "account", url, "account-key", account->jwk, "thumbprints", keys,
                "caa", config_text(acme->config, "ca.caa"), "caa-identities", identities(acme),
                "profile", config_text(acme->config, "ca.profile"), "issuer-sha256", issuer);
  if (account->terms != NULL) {
    json_object_set_new(facts, "terms", json_string(account->terms));
    json_object_set_new(facts, "terms-agreed-at", json_integer(account->terms_agreed_at));
  }
  char *text = json_dumps(facts, JSON_COMPACT);
  char *copy = g_strdup(text);
  free(text);
  json_decref(facts);
  return copy;
}

/* --- lines
 * --------------------------------------------------------------------------------------------------
 */

#define LINE_OCTETS 8192 /* few lines are longer */

typedef struct {
  EvidenceLine line;
  gpointer user;
  GString *text; /* of the line that is being written */
} Lines;

/* Whether each character of the text stands for itself in JSON, or does behind a backslash. */
static gboolean is_plain(const char *text, gsize size) {
  for (gsize i = 0; i < size; i++)
    if (text[i] < ' ' || text[i] > '~')
      return FALSE;
  return TRUE;
}

static void append_plain(GString *line, const char *text, gsize size) {
  const char *end = text + size;
  g_string_append_c(line, '"');
  while (text < end) {
    const char *from = text;
    while (text < end && *text != '"' && *text != '\\')
      text++;
    g_string_append_len(line, from, text - from);
    if (text < end) {
      g_string_append_c(line, '\\');
      g_string_append_c(line, *text++);
    }
  }
  g_string_append_c(line, '"');
}

/* FALSE: it is no UTF-8. */
static gboolean append_text(GString *line, const char *text, gsize size) {
  if (is_plain(text, size)) {
    append_plain(line, text, size);
    return TRUE;
  }
  json_t *value = json_stringn(text, size);
  if (value == NULL)
    return FALSE;
  char *dumped = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
  g_string_append(line, dumped);
  free(dumped);
  json_decref(value);
  return TRUE;
}

static void append_base64(GString *line, const guint8 *octets, gsize size) {
  gsize before = line->len, length = (size + 2) / 3 * 4;
  g_string_set_size(line, before + length); /* with a NUL behind it, which OpenSSL writes too */
  EVP_EncodeBlock((guint8 *)line->str + before, octets, (int)size);
}

static void append_octets(GString *line, const EvidenceValue *value) {
  Id id;
  char buffer[ID_TEXT];
  if (value->type == EVIDENCE_OCTETS && value->size == ID_OCTETS) {
    memcpy(id.octets, value->data, ID_OCTETS);
    g_string_append_c(line, '"');
    g_string_append(line, id_text(&id, buffer));
    g_string_append_c(line, '"');
    return;
  }
  g_string_append(line, "{\"base64\":\"");
  append_base64(line, value->data, value->size);
  g_string_append(line, "\"}");
}

static void append_number(GString *line, gint64 number) {
  char digits[24], *end = digits + sizeof(digits), *begin = end;
  guint64 left = number < 0 ? -(guint64)number : (guint64)number;
  do
    *--begin = (char)('0' + left % 10);
  while ((left /= 10) > 0);
  if (number < 0)
    *--begin = '-';
  g_string_append_len(line, begin, end - begin);
}

static void append_value(GString *line, const EvidenceValue *value) {
  if (value->type == EVIDENCE_NUMBER)
    append_number(line, value->number);
  else if (value->type != EVIDENCE_TEXT || !append_text(line, value->data, value->size))
    append_octets(line, value);
}

/* "{" and the first member. */
static GString *begin_line(const Lines *lines, const char *kind) {
  g_string_assign(lines->text, "{\"evidence\":\"");
  g_string_append(lines->text, kind);
  g_string_append_c(lines->text, '"');
  return lines->text;
}

static void end_line(const Lines *lines) {
  g_string_append_c(lines->text, '}');
  lines->line(lines->text->str, lines->user);
}

static void append_name(GString *line, const char *name) {
  g_string_append(line, ",\"");
  g_string_append(line, name);
  g_string_append(line, "\":");
}

/* Written here: octets and names of columns need no look at each of their characters, and most of a
   line is octets. */
static void on_row(const char *kind, const EvidenceValue *values, guint count, gpointer user) {
  const Lines *lines = user;
  GString *line = begin_line(lines, kind);
  for (guint i = 0; i < count; i++) { /* none is named "evidence" */
    append_name(line, values[i].name);
    append_value(line, &values[i]);
  }
  end_line(lines);
}

static void put_record(const Lines *lines, const AuditRow *row) {
  GString *line = begin_line(lines, "audit");
  append_name(line, "number");
  append_number(line, row->record.number);
  append_name(line, "hash");
  g_autofree char *hash =
      row->hash != NULL ? audit_hex(g_bytes_get_data(row->hash, NULL), g_bytes_get_size(row->hash))
                        : g_strdup("");
  append_plain(line, hash, strlen(hash));
  end_line(lines);
}

static void put_records(const Lines *lines, const GPtrArray *records) {
  for (guint i = 0; i < records->len; i++)
    put_record(lines, records->pdata[i]);
}

gboolean evidence_lines(Store *store, const Id *certificate, EvidenceLine line, gpointer user,
                        GError **error) {
  g_autoptr(GString) text = g_string_sized_new(LINE_OCTETS);
  const Lines lines = {line, user, text};
  if (!evidence_rows(store, certificate, on_row, (gpointer)&lines, error))
    return FALSE;
  g_autoptr(GPtrArray) records = evidence_records(store, certificate, error);
  if (records == NULL || !evidence_records_until_issued(store, certificate, records, error))
    return FALSE;
  put_records(&lines, records);
  return TRUE;
}

static void add_line(const char *line, gpointer user) {
  sha256_add(user, line, strlen(line));
  sha256_add(user, "\n", 1);
}

char *evidence_digest(Store *store, const Certificate *certificate, GError **error) {
  g_autoptr(Sha256) sum = sha256_new();
  g_autoptr(GString) text = g_string_sized_new(LINE_OCTETS);
  const Lines lines = {add_line, sum, text};
  if (!evidence_rows(store, &certificate->id, on_row, (gpointer)&lines, error))
    return NULL;
  g_autoptr(GPtrArray) records = evidence_records_now(store, certificate, error);
  if (records == NULL)
    return NULL;
  put_records(&lines, records);
  return sha256_end_hex(sum);
}
