/* SPDX-License-Identifier: Apache-2.0 */
#include "mime/challenge_trust.h"

#include "base/mailbox.h"
#include "mime/dkim.h"
#include "mime/raw_message.h"

#include <string.h>

#define MAX_FIELD 16384 /* octets of an Authentication-Results field that is read */

static const char *const demanded[] = {"from",
                                       "sender",
                                       "reply-to",
                                       "to",
                                       "cc",
                                       "subject",
                                       "date",
                                       "in-reply-to",
                                       "references",
                                       "message-id",
                                       "auto-submitted",
                                       "content-type",
                                       "content-transfer-encoding"};

static gboolean covers_all(const DkimSignature *signature) {
  for (gsize i = 0; i < G_N_ELEMENTS(demanded); i++)
    if (!dkim_signature_covers(signature, demanded[i], 1))
      return FALSE;
  return TRUE;
}

static const char *find_signature(GBytes *message, const char *domain, gint64 now) {
  g_autoptr(DkimCheck) check = dkim_check_new(message, now);
  const char *why = "it has no DKIM signature of its domain";
  for (guint i = 0; i < dkim_check_count(check); i++) {
    const DkimSignature *signature = dkim_check_signature(check, i);
    if (g_strcmp0(signature->domain, domain) != 0)
      continue;
    if (signature->result != DKIM_UNUSABLE && covers_all(signature))
      return NULL;
    why = signature->result == DKIM_UNUSABLE
              ? "its DKIM signature counts for nothing: expired, for a part, weak or malformed"
              : "its DKIM signature does not cover all that RFC 8823 demands";
  }
  return why;
}

/* --- Authentication-Results ---------------------------------------------------------------------
 */

/* value without comments and quotation marks (RFC 5322 section 3.2); what would divide it and
   stands in quotation marks is "?". The caller frees it. */
static char *without_comments(const char *value) {
  GString *text = g_string_new(NULL);
  guint depth = 0;
  gboolean quoted = FALSE;
  for (const char *at = value; *at != '\0'; at++) {
    if (*at == '\\' && at[1] != '\0') {
      at++;
      if (depth == 0)
        g_string_append_c(text, *at);
      continue;
    }
    if (*at == '"' && depth == 0)
      quoted = !quoted;
    else if (*at == '(' && !quoted)
      depth++;
    else if (*at == ')' && depth > 0)
      depth--;
    else if (depth == 0)
      g_string_append_c(text, quoted && strchr("; \t=", *at) != NULL ? '?' : *at);
  }
  return g_string_free(text, FALSE);
}

/* The value when word is "NAME=value"; NULL when it is not. */
static const char *value_of(const char *word, const char *name) {
  gsize length = strlen(name);
  return g_ascii_strncasecmp(word, name, length) == 0 && word[length] == '=' ? word + length + 1
                                                                             : NULL;
}

static const char *property(char **words, const char *name) {
  const char *value = NULL;
  for (; *words != NULL && value == NULL; words++)
    value = value_of(*words, name);
  return value;
}

/* What a text says of the DKIM signature of a domain. */
typedef enum { SAYS_NOTHING, SAYS_NO, SAYS_PASS } Said;

/* resinfo = "dkim=pass" ... "header.d=" domain, or "header.i=" an identity of it. */
static Said said_by_result(const char *result, const char *domain) {
  g_autofree char *copy = g_strstrip(g_strdup(result));
  g_auto(GStrv) words = g_strsplit_set(copy, " \t", -1);
  const char *verdict = words[0] != NULL ? value_of(words[0], "dkim") : NULL;
  const char *signer = property(words, "header.d"), *identity = property(words, "header.i");
  const char *at = identity != NULL ? strrchr(identity, '@') : NULL;
  if (verdict == NULL)
    return SAYS_NOTHING;
  const char *named = signer != NULL ? signer : at != NULL ? at + 1 : "";
  return g_ascii_strcasecmp(verdict, "pass") == 0 && g_ascii_strcasecmp(named, domain) == 0
             ? SAYS_PASS
             : SAYS_NO;
}

/* Whether the field is the server's: its name, perhaps with a version, in front of the first ";".
 */
static gboolean is_by(const char *start, const char *authserv_id) {
  g_auto(GStrv) words = g_strsplit_set(start, " \t", -1);
  for (char **word = words; *word != NULL; word++)
    if ((*word)[0] != '\0')
      return g_ascii_strcasecmp(*word, authserv_id) == 0;
  return FALSE;
}

static Said said_by_field(const RawField *field, const char *authserv_id, const char *domain) {
  if (!raw_field_is(field, "Authentication-Results") || field->length > MAX_FIELD)
    return SAYS_NOTHING;
  g_autofree char *value = raw_field_value(field);
  g_autofree char *text = without_comments(value);
  g_auto(GStrv) parts = g_strsplit(text, ";", -1);
  Said said = SAYS_NOTHING;
  if (parts[0] == NULL || !is_by(parts[0], authserv_id))
    return SAYS_NOTHING;
  for (char **part = parts + 1; *part != NULL; part++)
    said = MAX(said, said_by_result(*part, domain));
  return said;
}

/* The topmost field of the server that speaks of DKIM decides: what stands below was there before.
 */
static const char *find_result(GBytes *message, const char *authserv_id, const char *domain) {
  const char *why = NULL;
  Said said = SAYS_NOTHING;
  g_autoptr(RawMessage) raw = raw_message_new(message, &why);
  for (guint i = 0; raw != NULL && i < raw->fields->len && said == SAYS_NOTHING; i++)
    said = said_by_field(raw_message_field(raw, i), authserv_id, domain);
  return said == SAYS_PASS
             ? NULL
             : "the mail server named by --authserv-id did not find its DKIM signature good";
}

const char *challenge_distrust(GBytes *message, const char *from, const char *authserv_id,
                               gint64 now) {
  g_autoptr(Mailbox) sender = mailbox_parse(from, NULL);
  if (sender == NULL)
    return "it has no sender";
  const char *why = find_signature(message, sender->domain, now);
  return why != NULL || authserv_id == NULL ? why
                                            : find_result(message, authserv_id, sender->domain);
}
