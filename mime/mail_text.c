/* SPDX-License-Identifier: Apache-2.0 */
#include "mime/mail_text.h"
#include "mime/mail_text_files.h"

#include <string.h>

#define SHOWN "    " /* begins a line that is shown set off */

G_DEFINE_QUARK(signet - mail - text - error, mail_text_error)

#define BIT(place) (1u << (place))
#define OF_CERTIFICATE                                                                             \
  (BIT(MAIL_PLACE_ADDRESS) | BIT(MAIL_PLACE_SERVICE) | BIT(MAIL_PLACE_SERIAL) |                    \
   BIT(MAIL_PLACE_UNTIL))

static const struct {
  const char *name;
  gboolean single;      /* one line */
  guint needed, beside; /* places that must be there, that may be there too */
} sections[MAIL_TEXT_SECTIONS] = {
    [MAIL_TEXT_BELOW] = {"below", TRUE, 0, 0},
    [MAIL_TEXT_CHALLENGE] = {"challenge", FALSE, BIT(MAIL_PLACE_ADDRESS) | BIT(MAIL_PLACE_SERVICE),
                             0},
    [MAIL_TEXT_ISSUANCE_SUBJECT] = {"issuance-subject", TRUE, 0, 0},
    [MAIL_TEXT_ISSUANCE] = {"issuance", FALSE, OF_CERTIFICATE,
                            BIT(MAIL_PLACE_ISSUER) | BIT(MAIL_PLACE_FROM)},
    [MAIL_TEXT_EXPIRY_SUBJECT] = {"expiry-subject", TRUE, 0, 0},
    [MAIL_TEXT_EXPIRY] = {"expiry", FALSE, OF_CERTIFICATE,
                          BIT(MAIL_PLACE_ISSUER) | BIT(MAIL_PLACE_FROM)},
    [MAIL_TEXT_REFUSAL_SUBJECT] = {"refusal-subject", TRUE, 0, 0},
    [MAIL_TEXT_REFUSAL] = {"refusal", FALSE,
                           BIT(MAIL_PLACE_SERVICE) | BIT(MAIL_PLACE_DOMAIN) |
                               BIT(MAIL_PLACE_RECORD) | BIT(MAIL_PLACE_TIME) |
                               BIT(MAIL_PLACE_INCIDENT),
                           BIT(MAIL_PLACE_ADDRESS)},
};

static const char *const places_names[MAIL_PLACES] = {
    [MAIL_PLACE_SERVICE] = "{service}", [MAIL_PLACE_ADDRESS] = "{address}",
    [MAIL_PLACE_SERIAL] = "{serial}",   [MAIL_PLACE_ISSUER] = "{issuer}",
    [MAIL_PLACE_FROM] = "{from}",       [MAIL_PLACE_UNTIL] = "{until}",
    [MAIL_PLACE_DOMAIN] = "{domain}",   [MAIL_PLACE_RECORD] = "{record}",
    [MAIL_PLACE_TIME] = "{time}",       [MAIL_PLACE_INCIDENT] = "{incident}",
};

struct MailText {
  char *language;
  char **sections[MAIL_TEXT_SECTIONS]; /* lines, without blank ones at both ends */
  char **escaped[MAIL_TEXT_SECTIONS];  /* the same for HTML; escaping leaves places as they are */
};

void mail_text_free(MailText *text) {
  if (text == NULL)
    return;
  g_free(text->language);
  for (guint i = 0; i < MAIL_TEXT_SECTIONS; i++) {
    g_strfreev(text->sections[i]);
    g_strfreev(text->escaped[i]);
  }
  g_free(text);
}

gboolean mail_text_is_language(const char *text) {
  return g_regex_match_simple("^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}$", text, G_REGEX_DOLLAR_ENDONLY,
                              0);
}

GBytes *mail_text_built_in(const char *language) {
  for (const MailTextFile *file = mail_text_files; file->language != NULL; file++)
    if (strcmp(file->language, language) == 0)
      return g_bytes_new_static(file->octets, file->length);
  return NULL;
}

/* --- reading
 * ----------------------------------------------------------------------------------- */

/* One file that is being read. */
typedef struct {
  MailText *text;
  GPtrArray *lines; /* of the section that is open */
  guint section;    /* MAIL_TEXT_SECTIONS: none yet */
  guint number;     /* of the line */
  guint places[MAIL_TEXT_SECTIONS];
} Reading;

static gboolean fail(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
static gboolean fail(GError **error, const char *format, ...) {
  va_list values;
  va_start(values, format);
  g_propagate_error(error,
                    g_error_new_valist(MAIL_TEXT_ERROR, MAIL_TEXT_ERROR_FILE, format, values));
  va_end(values);
  return FALSE;
}

#define QUOTED 20 /* characters of a line in an error */

/* The beginning of text; the caller frees it. */
static char *quoted(const char *text) {
  return g_utf8_substring(text, 0, MIN(QUOTED, g_utf8_strlen(text, -1)));
}

static MailPlace place_at(const char *brace, gsize *length) {
  guint place = 0;
  while (place < MAIL_PLACES && !g_str_has_prefix(brace, places_names[place]))
    place++;
  *length = place < MAIL_PLACES ? strlen(places_names[place]) : 0;
  return (MailPlace)place;
}

static gboolean note_places(Reading *reading, const char *line, GError **error) {
  guint found = 0;
  gsize length = 0;
  for (const char *brace = strpbrk(line, "{}"); brace != NULL;
       brace = strpbrk(brace + length, "{}"), found++) {
    MailPlace place = place_at(brace, &length);
    guint known = sections[reading->section].needed | sections[reading->section].beside;
    if (place == MAIL_PLACES || (known & BIT(place)) == 0) {
      g_autofree char *shown = quoted(brace);
      return fail(error, "line %u: \"%s\" is no place of section \"%s\"", reading->number, shown,
                  sections[reading->section].name);
    }
    reading->places[reading->section] |= BIT(place);
  }
  return found <= MAIL_TEXT_MAX_PLACES ||
         fail(error, "line %u: more than %d places", reading->number, MAIL_TEXT_MAX_PLACES);
}

/* Why a line cannot stand in a mail, or NULL. "From " at the beginning is changed on the way by
   some programs, which breaks the signature; some clients take a block in the body for the token.
 */
static const char *refuse_line(const char *line) {
  if (g_utf8_strlen(line, -1) > MAIL_TEXT_MAX_LINE)
    return "longer than 76 characters";
  for (const char *p = line; *p != '\0'; p = g_utf8_next_char(p))
    if (g_unichar_iscntrl(g_utf8_get_char(p)))
      return "a control character";
  if (g_str_has_prefix(line, "From ") || g_str_has_prefix(line, "."))
    return "begins with \"From \" or a dot";
  g_autofree char *upper = g_ascii_strup(line, -1);
  if (strstr(upper, "BEGIN ACME") != NULL || strstr(upper, "END ACME") != NULL)
    return "a mark of an ACME block";
  return NULL;
}

static gboolean close_section(Reading *reading, GError **error) {
  if (reading->section == MAIL_TEXT_SECTIONS)
    return TRUE;
  GPtrArray *lines = reading->lines;
  while (lines->len > 0 && *(const char *)lines->pdata[0] == '\0')
    g_ptr_array_remove_index(lines, 0);
  while (lines->len > 0 && *(const char *)lines->pdata[lines->len - 1] == '\0')
    g_ptr_array_remove_index(lines, lines->len - 1);
  const char *name = sections[reading->section].name;
  if (lines->len == 0)
    return fail(error, "section \"%s\" is empty", name);
  if (sections[reading->section].single && lines->len > 1)
    return fail(error, "section \"%s\" must be one line", name);
  guint missing = sections[reading->section].needed & ~reading->places[reading->section];
  for (guint place = 0; place < MAIL_PLACES; place++)
    if ((missing & BIT(place)) != 0)
      return fail(error, "section \"%s\" lacks %s", name, places_names[place]);
  char **escaped = reading->text->escaped[reading->section] = g_new0(char *, lines->len + 1);
  for (guint i = 0; i < lines->len; i++)
    escaped[i] = g_markup_escape_text(lines->pdata[i], -1);
  g_ptr_array_add(lines, NULL);
  reading->text->sections[reading->section] = (char **)g_ptr_array_steal(lines, NULL);
  return TRUE;
}

static gboolean open_section(Reading *reading, const char *name, GError **error) {
  if (!close_section(reading, error))
    return FALSE;
  guint section = 0;
  while (section < MAIL_TEXT_SECTIONS && strcmp(sections[section].name, name) != 0)
    section++;
  if (section == MAIL_TEXT_SECTIONS) {
    g_autofree char *shown = quoted(name);
    return fail(error, "line %u: there is no section \"%s\"", reading->number, shown);
  }
  if (reading->text->sections[section] != NULL)
    return fail(error, "line %u: section \"%s\" is there twice", reading->number, name);
  reading->section = section;
  return TRUE;
}

static gboolean take_line(Reading *reading, const char *line, GError **error) {
  if (*line == '#')
    return TRUE;
  if (g_str_has_prefix(line, "= "))
    return open_section(reading, line + 2, error);
  if (reading->section == MAIL_TEXT_SECTIONS)
    return *line == '\0' || fail(error, "line %u: stands in no section", reading->number);
  const char *why = refuse_line(line);
  if (why != NULL)
    return fail(error, "line %u: %s", reading->number, why);
  g_ptr_array_add(reading->lines, g_strdup(line));
  return note_places(reading, line, error);
}

static gboolean read_lines(Reading *reading, char **lines, GError **error) {
  for (; *lines != NULL; lines++) {
    reading->number++;
    if (!take_line(reading, g_strchomp(*lines), error))
      return FALSE;
  }
  if (!close_section(reading, error))
    return FALSE;
  for (guint i = 0; i < MAIL_TEXT_SECTIONS; i++)
    if (reading->text->sections[i] == NULL)
      return fail(error, "section \"%s\" is missing", sections[i].name);
  return TRUE;
}

MailText *mail_text_read(const char *language, GBytes *file, GError **error) {
  gsize length = 0;
  const char *octets = g_bytes_get_data(file, &length);
  if (length > MAIL_TEXT_MAX_OCTETS || !g_utf8_validate(octets, (gssize)length, NULL))
    return fail(error, "larger than 64 KiB, or no UTF-8"), NULL;
  g_autofree char *content = g_strndup(length > 0 ? octets : "", length);
  g_auto(GStrv) lines = g_strsplit(content, "\n", -1);
  g_autoptr(MailText) text = g_new0(MailText, 1);
  text->language = g_strdup(language);
  Reading reading = {
      .text = text, .lines = g_ptr_array_new_with_free_func(g_free), .section = MAIL_TEXT_SECTIONS};
  gboolean good = read_lines(&reading, lines, error);
  g_ptr_array_unref(reading.lines);
  return good ? g_steal_pointer(&text) : NULL;
}

/* --- filling in
 * -------------------------------------------------------------------------------- */

/* A line, its places filled in; escaped says whether they are for HTML, as the line is then. */
static void append_line(GString *out, const char *line, const char *const *places,
                        gboolean escaped) {
  gsize length = 0;
  for (;;) {
    gsize span = strcspn(line, "{");
    g_string_append_len(out, line, (gssize)span);
    if (line[span] == '\0')
      return;
    const char *value = places[place_at(line + span, &length)];
    g_autofree char *safe = escaped && value != NULL ? g_markup_escape_text(value, -1) : NULL;
    if (value != NULL)
      g_string_append(out, escaped ? safe : value);
    line += span + length;
  }
}

char *mail_text_plain(const MailText *text, MailTextSection section, const char *const *places) {
  GString *out = g_string_new(NULL);
  for (char *const *line = text->sections[section]; *line != NULL; line++) {
    append_line(out, *line, places, FALSE);
    if (!sections[section].single)
      g_string_append_c(out, '\n');
  }
  return g_string_free(out, FALSE);
}

/* A paragraph of lines up to a blank one. */
static char *const *append_paragraph(GString *out, char *const *line, const char *const *places) {
  gboolean shown = g_str_has_prefix(*line, SHOWN);
  g_string_append(out, shown ? "<p style=\"margin-left:2em\"><b>" : "<p>");
  for (gboolean first = TRUE; *line != NULL && **line != '\0'; line++, first = FALSE) {
    if (!first)
      g_string_append(out, shown ? "<br>\n" : "\n");
    append_line(out, shown ? *line + strspn(*line, " ") : *line, places, TRUE);
  }
  g_string_append(out, shown ? "</b></p>\n" : "</p>\n");
  return line;
}

char *mail_text_html(const MailText *text, MailTextSection section, const char *const *places) {
  GString *out = g_string_new(NULL);
  g_string_append_printf(out, "<div lang=\"%s\">\n", text->language);
  char *const *line = text->escaped[section];
  while (*line != NULL) {
    if (**line == '\0')
      line++;
    else
      line = append_paragraph(out, line, places);
  }
  g_string_append(out, "</div>\n");
  return g_string_free(out, FALSE);
}
