/* SPDX-License-Identifier: Apache-2.0 */
#include "mime/dkim_reading.h"
#include "mime/dkim_name.h"
#include "mime/dkim_tags.h"

#include <string.h>

void dkim_signature_free(DkimSignature *signature) {
  if (signature == NULL)
    return;
  g_free(signature->reason);
  g_free(signature->domain);
  g_free(signature->selector);
  g_free(signature->algorithm);
  g_strfreev(signature->fields);
  g_free(signature->question);
  g_free(signature->key_record);
  g_free(signature);
}

gboolean dkim_signature_covers(const DkimSignature *signature, const char *name, guint times) {
  guint found = 0;
  for (char **field = signature->fields; *field != NULL; field++)
    found += strcmp(*field, name) == 0 ? 1 : 0;
  return found >= times;
}

void dkim_reading_free(DkimReading *reading) {
  if (reading == NULL)
    return;
  dkim_signature_free(reading->signature);
  g_free(reading->identity);
  g_free(reading->unsigned_text);
  g_clear_pointer(&reading->value, g_bytes_unref);
  g_clear_pointer(&reading->body_hash, g_bytes_unref);
  g_free(reading);
}

void dkim_reading_decide(DkimReading *reading, DkimResult result, const char *reason) {
  reading->signature->result = result;
  g_free(reading->signature->reason);
  reading->signature->reason = g_strdup(reason);
}

/* --- one function a tag: why it makes the signature unusable (static text), or NULL --- */

typedef const char *ReadTag(DkimReading *reading, const DkimTags *tags);

static const char *read_version(DkimReading *reading G_GNUC_UNUSED, const DkimTags *tags) {
  const char *value = dkim_tags_value(tags, "v");
  if (value == NULL)
    return "v= is missing";
  return strcmp(value, "1") == 0 ? NULL : "it is of another version (v=)";
}

static const char *read_domain(DkimReading *reading, const DkimTags *tags) {
  const char *value = dkim_tags_value(tags, "d");
  if (value == NULL)
    return "d= is missing";
  reading->signature->domain = dkim_name_domain(value);
  return reading->signature->domain != NULL ? NULL : "d= is no domain name";
}

static const char *read_selector(DkimReading *reading, const DkimTags *tags) {
  const char *value = dkim_tags_value(tags, "s");
  if (value == NULL)
    return "s= is missing";
  reading->signature->selector = dkim_name_selector(value);
  return reading->signature->selector != NULL ? NULL : "s= is no name";
}

/* RFC 8301 section 3.1: rsa-sha1 must not be used. */
static const char *read_algorithm(DkimReading *reading, const DkimTags *tags) {
  const char *value = dkim_tags_value(tags, "a");
  if (value == NULL)
    return "a= is missing";
  if (strlen(value) > DKIM_MAX_ALGORITHM_OCTETS || strpbrk(value, " \t\r\n") != NULL)
    return "a= is malformed";
  reading->signature->algorithm = g_strdup(value);
  if (strcmp(value, "rsa-sha1") == 0)
    return "its algorithm rsa-sha1 is broken";
  if (strcmp(value, "rsa-sha256") != 0 && strcmp(value, "ed25519-sha256") != 0)
    return "its algorithm (a=) is unknown";
  return NULL;
}

static const char *read_canon(DkimReading *reading, const DkimTags *tags) {
  return dkim_canon_read(dkim_tags_value(tags, "c"), &reading->header_canon, &reading->body_canon)
             ? NULL
             : "its canonical form (c=) is unknown";
}

static gboolean name_is_valid(const char *name) {
  gsize length = strlen(name);
  for (gsize i = 0; i < length; i++)
    if (name[i] <= ' ' || name[i] >= 127)
      return FALSE;
  return length <= DKIM_MAX_NAME_OCTETS;
}

static const char *read_fields(DkimReading *reading, const DkimTags *tags) {
  const char *value = dkim_tags_value(tags, "h");
  if (value == NULL)
    return "h= is missing";
  g_autofree char *lower = g_ascii_strdown(value, -1);
  g_auto(GStrv) names = dkim_tag_list(lower, DKIM_MAX_NAMES);
  if (names == NULL)
    return "h= is malformed";
  for (char **name = names; *name != NULL; name++)
    if (!name_is_valid(*name))
      return "h= is malformed";
  if (!g_strv_contains((const char *const *)names, "from"))
    return "it does not cover From (h=)";
  g_strfreev(reading->signature->fields);
  reading->signature->fields = g_steal_pointer(&names);
  return NULL;
}

static const char *read_identity(DkimReading *reading, const DkimTags *tags) {
  const char *value = dkim_tags_value(tags, "i");
  if (value == NULL)
    return NULL;
  reading->identity = dkim_name_identity(value);
  if (reading->identity == NULL)
    return "i= is malformed";
  return dkim_name_is_within(reading->identity, reading->signature->domain) ? NULL
                                                                            : "i= is not within d=";
}

/* What l= leaves out could hold anything (RFC 6376 section 8.2). */
static const char *read_length(DkimReading *reading G_GNUC_UNUSED, const DkimTags *tags) {
  return dkim_tags_find(tags, "l") == NULL ? NULL : "it covers only a part of the body (l=)";
}

static const char *read_query(DkimReading *reading G_GNUC_UNUSED, const DkimTags *tags) {
  const char *value = dkim_tags_value(tags, "q");
  if (value == NULL)
    return NULL;
  g_auto(GStrv) methods = dkim_tag_list(value, DKIM_MAX_TAGS);
  return methods != NULL && g_strv_contains((const char *const *)methods, "dns/txt")
             ? NULL
             : "its way to the key (q=) is unknown";
}

static const char *read_times(DkimReading *reading, const DkimTags *tags) {
  DkimSignature *signature = reading->signature;
  const char *created = dkim_tags_value(tags, "t"), *expires = dkim_tags_value(tags, "x");
  if (created != NULL && !dkim_tag_number(created, &signature->created))
    return "t= is malformed";
  if (expires != NULL && !dkim_tag_number(expires, &signature->expires))
    return "x= is malformed";
  if (created != NULL && expires != NULL && signature->expires <= signature->created)
    return "x= is not after t=";
  return expires != NULL && reading->now > signature->expires ? "it has expired (x=)" : NULL;
}

static const char *read_body_hash(DkimReading *reading, const DkimTags *tags) {
  const char *value = dkim_tags_value(tags, "bh");
  if (value == NULL)
    return "bh= is missing";
  reading->body_hash = dkim_tag_base64(value);
  return reading->body_hash != NULL && g_bytes_get_size(reading->body_hash) == DKIM_HASH_OCTETS
             ? NULL
             : "bh= is malformed";
}

static const char *read_value(DkimReading *reading, const DkimTags *tags) {
  const char *value = dkim_tags_value(tags, "b");
  if (value == NULL)
    return "b= is missing";
  reading->value = dkim_tag_base64(value);
  return reading->value != NULL ? NULL : "b= is malformed";
}

/* d= before i=; what identifies the signature comes first, so that a refusal can name it. */
static ReadTag *const read_tags[] = {
    read_domain,   read_selector, read_algorithm, read_fields, read_version,   read_canon,
    read_identity, read_length,   read_query,     read_times,  read_body_hash, read_value,
};

/* Section 3.7 step 2: the value of b= goes with all blanks around it. */
static char *without_value(const RawField *field, gsize start, const DkimTag *tag) {
  GString *text = g_string_new_len(field->text, (gssize)(start + tag->start));
  gsize after = start + tag->end;
  g_string_append_len(text, field->text + after, (gssize)(field->length - after));
  return g_string_free(text, FALSE);
}

static const char *read_all(DkimReading *reading, const RawField *field) {
  gsize start = field->colon + 1;
  if (field->length > DKIM_MAX_FIELD_OCTETS)
    return "the field is too long";
  g_autoptr(DkimTags) tags = dkim_tags_parse(field->text + start, field->length - start - 2);
  if (tags == NULL)
    return "the field is no list of tags, or has one twice";
  const char *why = NULL;
  for (guint i = 0; i < G_N_ELEMENTS(read_tags); i++) {
    const char *reason = read_tags[i](reading, tags);
    if (why == NULL)
      why = reason;
    if (reading->signature->domain == NULL)
      return why;
  }
  if (why != NULL)
    return why;
  reading->unsigned_text = without_value(field, start, dkim_tags_find(tags, "b"));
  reading->signature->question =
      dkim_name_question(reading->signature->selector, reading->signature->domain);
  return reading->signature->question != NULL ? NULL : "s= and d= are together too long for DNS";
}

DkimReading *dkim_reading_new(const RawField *field, gint64 now) {
  DkimReading *reading = g_new0(DkimReading, 1);
  reading->signature = g_new0(DkimSignature, 1);
  reading->signature->fields = g_new0(char *, 1);
  reading->now = now;
  const char *why = read_all(reading, field);
  if (why != NULL)
    g_clear_pointer(&reading->signature->question, g_free);
  dkim_reading_decide(reading, why == NULL ? DKIM_PENDING : DKIM_UNUSABLE,
                      why == NULL ? "its key is still to be asked for" : why);
  return reading;
}
