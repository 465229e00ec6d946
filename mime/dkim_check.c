/* SPDX-License-Identifier: Apache-2.0 */
/* Checking (RFC 6376 section 6.1). Only hashes are kept: the message may go before the keys come.
 */
#include "mime/dkim.h"
#include "mime/dkim_keys.h"
#include "mime/dkim_reading.h"

#include <string.h>

struct DkimCheck {
  GPtrArray *readings; /* of DkimReading */
  DkimKeys *keys;      /* NULL: every key is read anew */
};

typedef struct {
  gboolean known[DKIM_CANON_COUNT];
  guint8 hash[DKIM_CANON_COUNT][DKIM_HASH_OCTETS];
} BodyHashes;

static void free_reading(gpointer data) {
  dkim_reading_free(data);
}

void dkim_check_free(DkimCheck *check) {
  if (check == NULL)
    return;
  g_ptr_array_unref(check->readings);
  g_free(check);
}

void dkim_check_use(DkimCheck *check, DkimKeys *keys) {
  check->keys = keys;
}

static const guint8 *body_hash(BodyHashes *hashes, const RawMessage *message, DkimCanon canon) {
  if (!hashes->known[canon])
    dkim_hash_body(message, canon, hashes->hash[canon]);
  hashes->known[canon] = TRUE;
  return hashes->hash[canon];
}

/* What needs no key: both hashes. */
static void compute(DkimReading *reading, const RawMessage *message, const RawField *field,
                    BodyHashes *hashes) {
  const guint8 *body = body_hash(hashes, message, reading->body_canon);
  if (memcmp(g_bytes_get_data(reading->body_hash, NULL), body, DKIM_HASH_OCTETS) != 0) {
    g_clear_pointer(&reading->signature->question, g_free);
    dkim_reading_decide(reading, DKIM_FAIL, "the body was changed after it was signed");
    return;
  }
  dkim_hash_header(message, reading->signature->fields, field, reading->unsigned_text,
                   reading->header_canon, reading->header_hash);
}

static void add_signatures(DkimCheck *check, const RawMessage *message, gint64 now) {
  BodyHashes hashes = {0};
  for (guint i = 0; i < message->fields->len && check->readings->len < DKIM_MAX_SIGNATURES; i++) {
    const RawField *field = raw_message_field(message, i);
    if (!raw_field_is(field, "dkim-signature"))
      continue;
    DkimReading *reading = dkim_reading_new(field, now / 1000);
    g_ptr_array_add(check->readings, reading);
    if (reading->signature->result == DKIM_PENDING)
      compute(reading, message, field, &hashes);
  }
}

DkimCheck *dkim_check_new(GBytes *bytes, gint64 now) {
  const char *why = NULL;
  DkimCheck *check = g_new0(DkimCheck, 1);
  check->readings = g_ptr_array_new_with_free_func(free_reading);
  g_autoptr(RawMessage) message = raw_message_new(bytes, &why);
  if (message == NULL) {
    static const RawField none = {"DKIM-Signature:\r\n", 17, 14, 14};
    DkimReading *reading = dkim_reading_new(&none, 0);
    dkim_reading_decide(reading, DKIM_UNUSABLE, why);
    g_ptr_array_add(check->readings, reading);
  } else {
    add_signatures(check, message, now);
  }
  return check;
}

guint dkim_check_count(const DkimCheck *check) {
  return check->readings->len;
}

const DkimSignature *dkim_check_signature(const DkimCheck *check, guint i) {
  g_return_val_if_fail(i < check->readings->len, NULL);
  const DkimReading *reading = check->readings->pdata[i];
  return reading->signature;
}

void dkim_check_narrow(DkimCheck *check, const char *domain) {
  for (guint i = 0; i < check->readings->len; i++) {
    DkimReading *reading = check->readings->pdata[i];
    DkimSignature *signature = reading->signature;
    if (signature->result != DKIM_PENDING || g_strcmp0(signature->domain, domain) == 0)
      continue;
    g_clear_pointer(&signature->question, g_free);
    dkim_reading_decide(reading, DKIM_UNUSABLE,
                        "the key was not asked for: d= is not the domain of From");
  }
}

/* White space stays white space, so that the record says the same (RFC 6376 section 3.2). */
static gunichar clean_character(gunichar c) {
  if (c == '\t' || c == '\r' || c == '\n')
    return ' ';
  return g_unichar_iscntrl(c) ? '?' : c;
}

/* Octets at its beginning that stay as they are: nearly all. */
static gsize clean_length(const char *text) {
  gsize length = 0;
  while (text[length] >= ' ' && text[length] <= '~')
    length++;
  return length;
}

char *dkim_record_clean(const char *record) {
  g_autofree char *start = g_strndup(record, DKIM_MAX_RECORD_OCTETS);
  g_autofree char *valid = g_utf8_make_valid(start, -1);
  GString *clean = g_string_new(NULL);
  for (const char *p = valid; *p != '\0'; p = g_utf8_next_char(p)) {
    gsize plain = clean_length(p);
    g_string_append_len(clean, p, (gssize)MIN(plain, DKIM_MAX_RECORD_OCTETS - clean->len));
    p += plain;
    gunichar c = g_utf8_get_char(p);
    if (c == 0 || clean->len + (gsize)g_unichar_to_utf8(c, NULL) > DKIM_MAX_RECORD_OCTETS)
      break;
    g_string_append_unichar(clean, clean_character(c));
  }
  return g_string_free(clean, FALSE);
}

static void apply_record(const DkimCheck *check, DkimReading *reading, const char *record) {
  DkimSignature *signature = reading->signature;
  const char *why = NULL;
  g_autoptr(DkimKey) own =
      check->keys == NULL ? dkim_key_read(record, signature->algorithm, &why) : NULL;
  const DkimKey *key =
      check->keys != NULL ? dkim_keys_read(check->keys, record, signature->algorithm, &why) : own;
  if (key != NULL && key->strict && reading->identity != NULL &&
      strcmp(reading->identity, signature->domain) != 0)
    why = "the key is not for subdomains (t=s) and i= is one";
  if (why != NULL)
    dkim_reading_decide(reading, DKIM_UNUSABLE, why);
  else if (!dkim_key_verify(key, reading->header_hash, reading->value))
    dkim_reading_decide(reading, DKIM_FAIL, "the signature does not fit the header and the key");
  else
    dkim_reading_decide(reading, DKIM_PASS, NULL);
}

static void apply_records(const DkimCheck *check, DkimReading *reading, const char *const *records,
                          gboolean secure) {
  DkimSignature *signature = reading->signature;
  guint count = records == NULL ? 0 : g_strv_length((char **)records);
  if (count != 1) {
    dkim_reading_decide(reading, DKIM_UNUSABLE,
                        count == 0 ? "there is no key record" : "there are several key records");
    return;
  }
  g_free(signature->key_record);
  signature->key_record = dkim_record_clean(records[0]);
  signature->key_secure = secure;
  apply_record(check, reading, records[0]);
}

void dkim_check_key(DkimCheck *check, guint i, DkimKeyOutcome outcome, const char *const *records,
                    gboolean secure) {
  g_return_if_fail(i < check->readings->len);
  DkimReading *reading = check->readings->pdata[i];
  if (reading->signature->result != DKIM_PENDING && reading->signature->result != DKIM_TEMPORARY)
    return;
  switch (outcome) {
  case DKIM_KEY_FOUND:
    apply_records(check, reading, records, secure);
    break;
  case DKIM_KEY_NONE:
    dkim_reading_decide(reading, DKIM_UNUSABLE, "there is no key record");
    break;
  case DKIM_KEY_BOGUS:
    dkim_reading_decide(reading, DKIM_UNUSABLE, "DNSSEC says that the key record is forged");
    break;
  case DKIM_KEY_TEMPORARY:
    dkim_reading_decide(reading, DKIM_TEMPORARY, "the key could not be had from DNS for now");
    break;
  default:
    break;
  }
}
