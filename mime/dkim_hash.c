/* SPDX-License-Identifier: Apache-2.0 */
#include "mime/dkim_hash.h"

#include <openssl/evp.h>
#include <string.h>

/* Nothing but want of memory makes SHA-256 fail. */
static void sha256(const GString *text, guint8 hash[DKIM_HASH_OCTETS]) {
  if (EVP_Digest(text->str, text->len, hash, NULL, EVP_sha256(), NULL) != 1)
    g_error("SHA-256 failed");
}

void dkim_hash_body(const RawMessage *message, DkimCanon canon, guint8 hash[DKIM_HASH_OCTETS]) {
  GString *text = g_string_sized_new(message->body_length + 2);
  dkim_canon_body(text, message->body, message->body_length, canon);
  sha256(text, hash);
  g_string_free(text, TRUE);
}

/* Section 5.4.2: the last field of that name that was not taken yet, counted from the bottom;
   nothing when there are no more. */
static const RawField *take_field(const RawMessage *message, gboolean *taken, const char *name) {
  for (guint i = message->fields->len; i-- > 0;) {
    const RawField *field = raw_message_field(message, i);
    if (taken[i] || !raw_field_is(field, name))
      continue;
    taken[i] = TRUE;
    return field;
  }
  return NULL;
}

void dkim_hash_header(const RawMessage *message, char *const *names, const RawField *own,
                      const char *signature, DkimCanon canon, guint8 hash[DKIM_HASH_OCTETS]) {
  GString *text = g_string_new(NULL);
  g_autofree gboolean *taken = g_new0(gboolean, message->fields->len + 1);
  for (guint i = 0; i < message->fields->len; i++)
    taken[i] = own != NULL && raw_message_field(message, i)->text == own->text;
  for (; *names != NULL; names++) {
    const RawField *field = take_field(message, taken, *names);
    if (field != NULL)
      dkim_canon_field(text, field->text, field->length, canon);
  }
  dkim_canon_field(text, signature, strlen(signature), canon);
  g_string_truncate(text, text->len - 2); /* section 3.7 step 2: no CRLF after the last */
  sha256(text, hash);
  g_string_free(text, TRUE);
}
