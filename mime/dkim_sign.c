/* SPDX-License-Identifier: Apache-2.0 */
#include "mime/dkim.h"
#include "mime/dkim_key.h"
#include "mime/dkim_name.h"
#include "mime/dkim_tags.h"

#include <string.h>

#define MAX_LINE 78
#define SIGNATURE_LINE 70 /* octets of b= in one line */

/* Byte for byte what every known client parses: one looks for the first six names, neither
   unfolding nor lower-casing. Names of absent fields are listed too, so that adding one breaks the
   signature. */
#define SIGNED_FIELDS                                                                              \
  "from:auto-submitted:date:message-id:subject:to:\r\n"                                            \
  "\tsender:reply-to:cc:in-reply-to:references:content-type:\r\n"                                  \
  "\tcontent-transfer-encoding"

#define SIGNED_FIELDS_COUNT 13

struct DkimSigner {
  char *domain;
  char *selector;
  char *question;
  char **names; /* of SIGNED_FIELDS */
  EVP_PKEY *key;
  EVP_PKEY_CTX *context; /* of dkim_key_context */
};

G_DEFINE_QUARK(signet - dkim - error, dkim_error)

static gpointer fail(GError **error, DkimError code, const char *why) {
  g_set_error_literal(error, DKIM_ERROR, code, why);
  return NULL;
}

void dkim_signer_free(DkimSigner *signer) {
  if (signer == NULL)
    return;
  EVP_PKEY_CTX_free(signer->context);
  EVP_PKEY_free(signer->key);
  g_free(signer->domain);
  g_free(signer->selector);
  g_free(signer->question);
  g_strfreev(signer->names);
  g_free(signer);
}

DkimSigner *dkim_signer_new(const char *domain, const char *selector, EVP_PKEY *key,
                            GError **error) {
  if (dkim_key_algorithm(key) == NULL)
    return fail(error, DKIM_ERROR_KEY, "the key is neither RSA nor Ed25519");
  const char *weakness = dkim_key_weakness(key);
  if (weakness != NULL)
    return fail(error, DKIM_ERROR_KEY, weakness);
  g_autoptr(DkimSigner) signer = g_new0(DkimSigner, 1);
  signer->domain = dkim_name_domain(domain);
  if (signer->domain == NULL)
    return fail(error, DKIM_ERROR_KEY, "the domain is no domain name");
  signer->selector = dkim_name_selector(selector);
  if (signer->selector == NULL)
    return fail(error, DKIM_ERROR_KEY, "the selector is no name");
  signer->question = dkim_name_question(signer->selector, signer->domain);
  if (signer->question == NULL)
    return fail(error, DKIM_ERROR_KEY, "selector and domain are together too long for DNS");
  if (EVP_PKEY_up_ref(key) != 1)
    return fail(error, DKIM_ERROR_KEY, "the key cannot be kept");
  signer->key = key;
  signer->names = dkim_tag_list(SIGNED_FIELDS, SIGNED_FIELDS_COUNT);
  signer->context = dkim_key_context(key, EVP_PKEY_sign_init);
  return g_steal_pointer(&signer);
}

const char *dkim_signer_question(const DkimSigner *signer) {
  return signer->question;
}

/* A tag after the ones in text: in the same line while that has room. */
static void add_tag(GString *text, gsize *line, const char *name, const char *value) {
  gsize length = strlen(name) + 1 + strlen(value) + 1; /* and the ";" after it */
  if (text->len - *line + 2 + length > MAX_LINE) {
    g_string_append(text, ";\r\n\t");
    *line = text->len - 1;
  } else {
    g_string_append(text, "; ");
  }
  g_string_append(text, name);
  g_string_append_c(text, '=');
  g_string_append(text, value);
}

/* The field up to "b=", which gets its value last. h= stands before bh=, since some look for "h="
 * alone. */
static GString *unsigned_field(const DkimSigner *signer, const char *body_hash, gint64 now) {
  g_autofree char *time = g_strdup_printf("%" G_GINT64_FORMAT, now / 1000);
  GString *text = g_string_new("DKIM-Signature: v=1");
  gsize line = 0;
  add_tag(text, &line, "a", dkim_key_algorithm(signer->key));
  add_tag(text, &line, "c", "relaxed/relaxed");
  add_tag(text, &line, "d", signer->domain);
  add_tag(text, &line, "s", signer->selector);
  add_tag(text, &line, "t", time);
  g_string_append(text, ";\r\n\th=" SIGNED_FIELDS ";\r\n\tbh=");
  g_string_append(text, body_hash);
  g_string_append(text, ";\r\n\tb=");
  return text;
}

/* Why the message is not one to sign, or NULL: RFC 6376 section 5.3 (line ends), 5.4 (From), and no
   field twice, since a signature covers only the lowest. */
static const char *refuse_message(const RawMessage *message, char *const *names) {
  if (raw_has_bare_newline(message->bytes))
    return "the message has a bare CR or LF";
  if (raw_message_first(message, "from") == NULL)
    return "the message has no From field";
  for (; *names != NULL; names++)
    if (raw_message_count(message, *names) > 1)
      return "the message has a field twice that is signed once";
  return NULL;
}

static void append_folded(GString *text, GBytes *signature) {
  gsize length = 0;
  const guint8 *data = g_bytes_get_data(signature, &length);
  g_autofree char *base64 = g_base64_encode(data, length);
  for (gsize i = 0, all = strlen(base64); i < all; i += SIGNATURE_LINE) {
    g_string_append(text, i == 0 ? "" : "\r\n\t");
    g_string_append_len(text, base64 + i, (gssize)MIN(all - i, SIGNATURE_LINE));
  }
  g_string_append(text, "\r\n");
}

char *dkim_sign(const DkimSigner *signer, GBytes *bytes, gint64 now, GError **error) {
  const char *why = NULL;
  guint8 hash[DKIM_HASH_OCTETS];
  g_autoptr(RawMessage) message = raw_message_new(bytes, &why);
  if (message == NULL)
    return fail(error, DKIM_ERROR_MESSAGE, why);
  why = refuse_message(message, signer->names);
  if (why != NULL)
    return fail(error, DKIM_ERROR_MESSAGE, why);
  dkim_hash_body(message, DKIM_CANON_RELAXED, hash);
  g_autofree char *body_hash = g_base64_encode(hash, sizeof hash);
  g_autoptr(GString) text = unsigned_field(signer, body_hash, now);
  dkim_hash_header(message, signer->names, NULL, text->str, DKIM_CANON_RELAXED, hash);
  g_autoptr(GBytes) signature = dkim_key_sign(signer->key, signer->context, hash);
  if (signature == NULL)
    return fail(error, DKIM_ERROR_KEY, "the key does not sign");
  append_folded(text, signature);
  return g_strdup(text->str);
}

const char *dkim_record_weakness(const char *record, EVP_PKEY *key) {
  const char *why = NULL;
  g_autoptr(DkimKey) published = dkim_key_read(record, dkim_key_algorithm(key), &why);
  if (published == NULL)
    return why;
  return EVP_PKEY_eq(published->key, key) == 1 ? NULL
                                               : "it holds another key than the one that signs";
}
