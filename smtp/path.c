/* SPDX-License-Identifier: Apache-2.0 */
#include "smtp/path.h"

#include <string.h>

/* atext (RFC 5322 section 3.2.3) and the dot between atoms; non-ASCII is UTF8-non-ascii of RFC
 * 6531. */
static gboolean is_local_octet(char c) {
  return g_ascii_isalnum(c) || ((guchar)c & 0x80) != 0 ||
         (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~.", c) != NULL);
}

static gboolean is_domain_octet(char c) {
  return g_ascii_isalnum(c) || ((guchar)c & 0x80) != 0 || c == '-' || c == '.' || c == '_';
}

static gboolean is_literal_octet(char c) {
  return g_ascii_isalnum(c) || c == '.' || c == ':' || c == '-';
}

/* Length of the quoted string at the front of text, 0 when it does not end. */
static gsize quoted_length(const char *text) {
  for (gsize i = 1; text[i] != '\0'; i++) {
    if (text[i] == '"')
      return i + 1;
    if (text[i] == '\\' && text[i + 1] != '\0')
      i++;
  }
  return 0;
}

static gsize local_length(const char *text) {
  if (text[0] == '"')
    return quoted_length(text);
  gsize length = 0;
  while (is_local_octet(text[length]))
    length++;
  return length;
}

static gsize domain_length(const char *text) {
  gsize length = 0;
  if (text[0] != '[') {
    while (is_domain_octet(text[length]))
      length++;
    return length;
  }
  length = 1;
  while (is_literal_octet(text[length]))
    length++;
  return text[length] == ']' && length > 1 ? length + 1 : 0;
}

/* A dot at an end or two in a row (Dot-string and Domain have none). */
static gboolean has_empty_atom(const char *text, gsize length) {
  if (length == 0 || text[0] == '.' || text[length - 1] == '.')
    return TRUE;
  return g_strstr_len(text, (gssize)length, "..") != NULL;
}

/* Blanks and control characters beyond ASCII are no letters of an address. */
static gboolean has_bad_character(const char *text) {
  if (!g_utf8_validate(text, -1, NULL))
    return TRUE;
  for (const char *p = text; *p != '\0'; p = g_utf8_next_char(p)) {
    gunichar c = g_utf8_get_char(p);
    if (g_unichar_iscntrl(c) || (c > 0x7F && (g_unichar_isspace(c) || !g_unichar_isprint(c))))
      return TRUE;
  }
  return FALSE;
}

static const char *find_problem(const char *path, gsize local, gsize domain, gsize length) {
  if (length > SMTP_MAX_PATH)
    return "path too long";
  if (local == 0)
    return "malformed local part";
  if (local > SMTP_MAX_LOCAL)
    return "local part too long";
  if (path[0] != '"' && has_empty_atom(path, local))
    return "malformed local part";
  if (path[local] == '@' && path[local + 1] != '[' && has_empty_atom(path + local + 1, domain))
    return "malformed domain";
  if (path[local] == '@' && domain == 0)
    return "malformed address literal";
  return NULL;
}

char *smtp_path_take(const char **text, const char **problem) {
  const char *path = *text + 1;
  *problem = NULL;
  if (**text != '<')
    *problem = "path without angle brackets";
  else if (*path == '@')
    *problem = "source routes are not accepted";
  if (*problem != NULL)
    return NULL;
  if (*path == '>') {
    *text = path + 1;
    return g_strdup("");
  }
  gsize local = local_length(path);
  gboolean alone = path[local] != '@';
  gsize domain = alone ? 0 : domain_length(path + local + 1);
  gsize length = alone ? local : local + 1 + domain;
  *problem = find_problem(path, local, domain, length);
  if (*problem == NULL &&
      (path[length] != '>' || (path[length + 1] != '\0' && path[length + 1] != ' ')))
    *problem = "malformed path";
  if (*problem != NULL)
    return NULL;
  g_autofree char *taken = g_strndup(path, length);
  if (has_bad_character(taken)) {
    *problem = "control character, blank or malformed UTF-8 in the path";
    return NULL;
  }
  *text = path + length + 1;
  return g_steal_pointer(&taken);
}

/* size-value = 1*20DIGIT (RFC 1870 section 3) */
static gboolean parse_size(const char *value, SmtpMailParameters *parameters) {
  if (value == NULL || strlen(value) > 20 || strspn(value, "0123456789") != strlen(value))
    return FALSE;
  parameters->size = g_ascii_strtoull(value, NULL, 10); /* saturates */
  return *value != '\0';
}

static gboolean parse_body(const char *value, SmtpMailParameters *parameters) {
  parameters->body = TRUE;
  return value != NULL &&
         (g_ascii_strcasecmp(value, "7BIT") == 0 || g_ascii_strcasecmp(value, "8BITMIME") == 0);
}

static gboolean parse_utf8(const char *value, SmtpMailParameters *parameters) {
  parameters->utf8 = TRUE;
  return value == NULL;
}

typedef struct {
  const char *name;
  gboolean (*parse)(const char *value, SmtpMailParameters *parameters);
} Parameter;

static const Parameter known[] = {
    {.name = "SIZE", .parse = parse_size},
    {.name = "BODY", .parse = parse_body},
    {.name = "SMTPUTF8", .parse = parse_utf8},
};

/* esmtp-param = esmtp-keyword ["=" esmtp-value]; seen: bits of known[]. */
static SmtpParametersResult parse_one(char *word, SmtpMailParameters *parameters, guint *seen) {
  char *value = strchr(word, '=');
  if (value != NULL)
    *value++ = '\0';
  for (guint i = 0; i < G_N_ELEMENTS(known); i++) {
    if (g_ascii_strcasecmp(word, known[i].name) != 0)
      continue;
    if ((*seen & 1U << i) != 0 || !known[i].parse(value, parameters))
      return SMTP_PARAMETERS_MALFORMED;
    *seen |= 1U << i;
    return SMTP_PARAMETERS_GOOD;
  }
  return SMTP_PARAMETERS_UNKNOWN;
}

SmtpParametersResult smtp_mail_parameters_parse(const char *text, SmtpMailParameters *parameters) {
  *parameters = (SmtpMailParameters){0};
  guint seen = 0;
  g_auto(GStrv) words = g_strsplit(text, " ", -1);
  for (char **word = words; *word != NULL; word++) {
    if (**word == '\0')
      continue;
    SmtpParametersResult result = parse_one(*word, parameters, &seen);
    if (result != SMTP_PARAMETERS_GOOD)
      return result;
  }
  return SMTP_PARAMETERS_GOOD;
}
