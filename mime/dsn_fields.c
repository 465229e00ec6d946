/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delivery-status-content = per-message-fields 1*( CRLF per-recipient-fields )    (RFC 3464
 * section 2.1) typed value             = type ";" *text
 *
 * Read leniently, as servers write it: between the fields of the message and of recipients the
 * empty line may be missing.
 */
#include "mime/dsn_recipient.h"
#include "mime/mime_text.h"

#include <string.h>

typedef struct {
  DsnFacts *facts;
  DsnRecipient *recipient; /* whose fields are read; NULL: none yet */
  gboolean full;
} Reader;

/* --- values
 * -----------------------------------------------------------------------------------------------
 */

static const char *after_type(const char *value) {
  const char *semicolon = strchr(value, ';');
  const char *rest = semicolon == NULL ? value : semicolon + 1;
  return rest + strspn(rest, " \t");
}

/* RFC 6533 section 3: EmbeddedUnicodeChar = "\x{" HEXPOINT "}". What is none stays as it is. */
static char *decode_utf8_type(const char *text) {
  GString *out = g_string_new(NULL);
  while (*text != '\0') {
    char *end = NULL;
    gboolean embedded = g_str_has_prefix(text, "\\x{") && g_ascii_isxdigit(text[3]);
    guint64 point = embedded ? g_ascii_strtoull(text + 3, &end, 16) : 0;
    if (embedded && *end == '}' && point > 0 && point <= G_MAXUINT32 &&
        g_unichar_validate((gunichar)point)) {
      g_string_append_unichar(out, (gunichar)point);
      text = end + 1;
    } else {
      g_string_append_c(out, *text++);
    }
  }
  return g_string_free(out, FALSE);
}

/* The address without type, angle brackets and what follows it; NULL when nothing is left. */
static char *address_of(const char *value) {
  const char *start = after_type(value);
  start += *start == '<' ? 1 : 0;
  g_autofree char *word = g_strndup(start, strcspn(start, " \t>"));
  g_autofree char *address =
      g_ascii_strncasecmp(value, "utf-8", 5) == 0 ? decode_utf8_type(word) : g_strdup(word);
  return *address == '\0' || strlen(address) > DSN_MAX_ADDRESS_OCTETS
             ? NULL
             : mime_text_clean(address, DSN_MAX_ADDRESS_OCTETS);
}

static DsnAction action_of(const char *value) {
  static const char *const names[] = {[DSN_FAILED] = "failed",
                                      [DSN_DELAYED] = "delayed",
                                      [DSN_DELIVERED] = "delivered",
                                      [DSN_RELAYED] = "relayed",
                                      [DSN_EXPANDED] = "expanded"};
  g_autofree char *word = g_strndup(value, strcspn(value, " \t;("));
  for (guint i = DSN_FAILED; i < G_N_ELEMENTS(names); i++)
    if (g_ascii_strcasecmp(word, names[i]) == 0)
      return (DsnAction)i;
  return DSN_ACTION_UNKNOWN;
}

/* --- fields: the first of a name counts
 * -----------------------------------------------------------------------------------------------
 */

static void take_final(DsnRecipient *recipient, const char *value) {
  if (recipient->final == NULL)
    recipient->final = address_of(value);
}

/* The same local part, at that domain or a host in it. */
static gboolean is_at_own_host(const char *address, const char *mailbox) {
  const char *domain = strrchr(mailbox, '@');
  const char *host = strrchr(address, '@');
  if (domain == NULL || host == NULL || host - address != domain - mailbox ||
      g_ascii_strncasecmp(address, mailbox, (gsize)(domain - mailbox)) != 0)
    return FALSE;
  gsize above = strlen(host + 1), own = strlen(domain + 1);
  const char *end = above < own ? NULL : host + 1 + above - own;
  return end != NULL && g_ascii_strcasecmp(end, domain + 1) == 0 &&
         (end == host + 1 || end[-1] == '.');
}

/* Sendmail names in Final-Recipient the address that it was given, and here the one that failed. */
static void take_actual(DsnRecipient *recipient, const char *value) {
  g_autofree char *address = address_of(value);
  if (address == NULL || recipient->final == NULL || is_at_own_host(address, recipient->final))
    return;
  g_free(recipient->final);
  recipient->final = g_steal_pointer(&address);
}

static void take_original(DsnRecipient *recipient, const char *value) {
  if (recipient->original == NULL)
    recipient->original = address_of(value);
}

static void take_action(DsnRecipient *recipient, const char *value) {
  if (recipient->action == DSN_ACTION_UNKNOWN)
    recipient->action = action_of(value);
}

static void take_status(DsnRecipient *recipient, const char *value) {
  if (recipient->status == NULL)
    recipient->status = dsn_status_find(value);
}

static void take_words(DsnRecipient *recipient, const char *value) {
  if (recipient->words == NULL)
    recipient->words = dsn_words(after_type(value));
}

static void take_server(DsnRecipient *recipient, const char *value) {
  if (recipient->server == NULL)
    recipient->server = mime_text_clean(after_type(value), DSN_MAX_NAME_OCTETS);
}

static const struct {
  const char *name;
  void (*take)(DsnRecipient *recipient, const char *value);
} fields[] = {
    {"Final-Recipient", take_final},
    {"Original-Recipient", take_original},
    {"X-Actual-Recipient", take_actual},
    {"Action", take_action},
    {"Status", take_status},
    {"Diagnostic-Code", take_words},
    {"Remote-MTA", take_server},
};

/* A second Final-Recipient without an empty line before it begins another recipient. */
static DsnRecipient *recipient_for(Reader *reader, gboolean is_final) {
  gboolean other = is_final && reader->recipient != NULL && reader->recipient->final != NULL;
  if ((reader->recipient == NULL || other) && !reader->full) {
    reader->recipient = dsn_recipient_add(reader->facts);
    reader->full = reader->recipient == NULL;
  }
  return reader->full ? NULL : reader->recipient;
}

static void take_field(Reader *reader, const char *line) {
  const char *colon = strchr(line, ':');
  gsize length = colon == NULL ? 0 : (gsize)(colon - line);
  for (guint i = 0; i < G_N_ELEMENTS(fields); i++) {
    if (length != strlen(fields[i].name) || g_ascii_strncasecmp(line, fields[i].name, length) != 0)
      continue;
    DsnRecipient *recipient = recipient_for(reader, fields[i].take == take_final);
    if (recipient != NULL)
      fields[i].take(recipient, colon + 1 + strspn(colon + 1, " \t"));
  }
}

/* --- the part
 * -----------------------------------------------------------------------------------------------
 */

static void end_field(Reader *reader, GString *field) {
  take_field(reader, field->str);
  g_string_truncate(field, 0);
}

static void read_lines(Reader *reader, char *const *lines) {
  g_autoptr(GString) field = g_string_new(NULL);
  for (; *lines != NULL; lines++) {
    g_autofree char *line = g_strchomp(g_strdup(*lines));
    if (*line == ' ' || *line == '\t') {
      g_string_append_printf(field, " %s", line + strspn(line, " \t"));
      continue;
    }
    end_field(reader, field);
    if (*line == '\0')
      reader->recipient = NULL;
    g_string_assign(field, line);
  }
  end_field(reader, field);
}

/* Groups without an address were per-message fields or an empty line too many. */
static void settle(DsnFacts *facts) {
  for (guint i = facts->recipients->len; i-- > 0;) {
    DsnRecipient *recipient = facts->recipients->pdata[i];
    if (recipient->final == NULL && recipient->original == NULL)
      g_ptr_array_remove_index(facts->recipients, i);
    else if (recipient->status == NULL && recipient->words != NULL)
      recipient->status = dsn_status_find(recipient->words);
  }
}

gboolean dsn_fields_read(DsnFacts *facts, const char *text) {
  Reader reader = {facts, NULL, FALSE};
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  read_lines(&reader, lines);
  settle(facts);
  return facts->recipients->len > 0;
}
