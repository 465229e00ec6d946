/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mailbox.h"

#include <idn2.h>
#include <string.h>

#define DOMAIN_MAX_OCTETS 253
#define LABEL_MAX_OCTETS 63

G_DEFINE_QUARK(signet - mailbox - error, mailbox_error)

static gboolean refuse(GError **error, const char *why) {
  g_set_error_literal(error, MAILBOX_ERROR, MAILBOX_ERROR_SYNTAX, why);
  return FALSE;
}

/* A GLib string from a libidn2 one, which has its own allocator. */
static char *take_idn2(char *text) {
  char *copy = g_strdup(text);
  idn2_free(text);
  return copy;
}

static gboolean is_ldh(char c) {
  return g_ascii_isalnum(c) || c == '-';
}

static gboolean ascii_octets_are_ldh(const char *label) {
  for (const char *p = label; *p != '\0'; p++)
    if ((guchar)*p < 0x80 && !is_ldh(*p))
      return FALSE;
  return TRUE;
}

/* Simple lower case, whatever the locale. */
static char *lower_nfc(const char *label) {
  GString *lower = g_string_new(NULL);
  for (const char *p = label; *p != '\0'; p = g_utf8_next_char(p))
    g_string_append_unichar(lower, g_unichar_tolower(g_utf8_get_char(p)));
  char *normal = g_utf8_normalize(lower->str, -1, G_NORMALIZE_NFC);
  g_string_free(lower, TRUE);
  return normal;
}

/* The A-label of a U-label (capitals allowed), or NULL. libidn2 maps before it looks (full-width
   letters, soft hyphens, ligatures), so only a label that comes back as it went in is one. */
static char *u_label_to_a_label(const char *label) {
  g_autofree char *lower = lower_nfc(label);
  guint8 *found = NULL;
  if (lower == NULL || !ascii_octets_are_ldh(lower) ||
      idn2_lookup_u8((const guint8 *)label, &found, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT) !=
          IDN2_OK)
    return NULL;
  g_autofree char *a_label = take_idn2((char *)found);
  char *back = NULL;
  if (!g_str_has_prefix(a_label, "xn--") || idn2_to_unicode_8z8z(a_label, &back, 0) != IDN2_OK)
    return NULL;
  g_autofree char *u_label = take_idn2(back);
  return strcmp(u_label, lower) == 0 ? g_steal_pointer(&a_label) : NULL;
}

static gboolean is_a_label(const char *label) {
  char *found = NULL;
  if (idn2_to_unicode_8z8z(label, &found, 0) != IDN2_OK)
    return FALSE;
  g_autofree char *u_label = take_idn2(found);
  g_autofree char *again = u_label_to_a_label(u_label);
  return again != NULL && strcmp(again, label) == 0;
}

/* One label in lower-case ASCII; NULL with an error. */
static char *label_to_ascii(const char *label, GError **error) {
  gsize length = strlen(label);
  g_autofree char *ascii = NULL;
  if (length == 0)
    return refuse(error, "the domain has an empty label"), NULL;
  if (!ascii_octets_are_ldh(label))
    return refuse(error, "the domain has a character that host names cannot have"), NULL;
  if (label[0] == '-' || label[length - 1] == '-')
    return refuse(error, "a label of the domain begins or ends with a hyphen"), NULL;
  ascii = g_str_is_ascii(label) ? g_ascii_strdown(label, -1) : u_label_to_a_label(label);
  if (ascii == NULL)
    return refuse(error, "a label of the domain is not a valid internationalised label"), NULL;
  if (strlen(ascii) > LABEL_MAX_OCTETS)
    return refuse(error, "a label of the domain is longer than 63 octets"), NULL;
  /* RFC 5890 section 2.3.1: hyphens in the third and fourth place are reserved. */
  if (strlen(ascii) >= 4 && ascii[2] == '-' && ascii[3] == '-' && !is_a_label(ascii))
    return refuse(error, "a label of the domain is reserved or not a valid A-label"), NULL;
  return g_steal_pointer(&ascii);
}

static gboolean is_number(const char *label) {
  return label[strspn(label, "0123456789")] == '\0';
}

static char *domain_to_ascii(const char *domain, GError **error) {
  g_auto(GStrv) labels = g_strsplit(domain, ".", -1);
  guint count = g_strv_length(labels);
  for (guint i = 0; i < count; i++) {
    char *ascii = label_to_ascii(labels[i], error);
    if (ascii == NULL)
      return NULL;
    g_free(labels[i]);
    labels[i] = ascii;
  }
  if (count < 2)
    return refuse(error, "the domain has fewer than two labels"), NULL;
  if (is_number(labels[count - 1]))
    return refuse(error, "the domain is not a name but a number"), NULL;
  g_autofree char *ascii = g_strjoinv(".", labels);
  if (strlen(ascii) > DOMAIN_MAX_OCTETS)
    return refuse(error, "the domain is longer than 253 octets"), NULL;
  return g_steal_pointer(&ascii);
}

/* The joiners of Indic and Arabic script, which IDNA allows in some places of a U-label (RFC 5892
   appendix A.1 and A.2) and libidn2 looks after. */
static gboolean is_joiner(gunichar c) {
  return c == 0x200C || c == 0x200D;
}

/* Why the character may stand nowhere in an address; NULL when it may. */
static const char *refuse_character(gunichar c) {
  switch (g_unichar_type(c)) {
  case G_UNICODE_SPACE_SEPARATOR:
    return "it has a blank";
  case G_UNICODE_CONTROL:
  case G_UNICODE_FORMAT:
  case G_UNICODE_LINE_SEPARATOR:
  case G_UNICODE_PARAGRAPH_SEPARATOR:
    return "it has a control character";
  case G_UNICODE_UNASSIGNED:
  case G_UNICODE_PRIVATE_USE:
    return "it has a character without a meaning";
  default:
    return NULL;
  }
}

static gboolean check_characters(const char *text, gboolean joiners, GError **error) {
  if (!g_utf8_validate(text, -1, NULL))
    return refuse(error, "it is not UTF-8");
  for (const char *p = text; *p != '\0'; p = g_utf8_next_char(p)) {
    gunichar c = g_utf8_get_char(p);
    const char *why = joiners && is_joiner(c) ? NULL : refuse_character(c);
    if (why != NULL)
      return refuse(error, why);
  }
  return TRUE;
}

char *mailbox_domain_to_ascii(const char *domain, GError **error) {
  /* Before any work: a label of n characters costs n squared in Punycode. */
  if (strlen(domain) > DOMAIN_MAX_OCTETS)
    return refuse(error, "the domain is longer than 253 octets"), NULL;
  if (!check_characters(domain, TRUE, error))
    return NULL;
  return domain_to_ascii(domain, error);
}

/* RFC 5322 section 3.2.3 atext with RFC 6531 section 3.3 UTF8-non-ascii. */
static gboolean is_atext(char c) {
  return (guchar)c >= 0x80 || g_ascii_isalnum(c) || strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL;
}

/* dot-atom = 1*atext *("." 1*atext) */
static gboolean check_dot_atom(const char *local, GError **error) {
  if (*local == '\0')
    return refuse(error, "there is nothing before the @");
  if (strlen(local) > MAILBOX_MAX_LOCAL_OCTETS)
    return refuse(error, "the part before the @ is longer than 64 octets");
  if (*local == '"')
    return refuse(error, "quoted local parts are not accepted");
  if (*local == '@')
    return refuse(error, "source routes are not accepted");
  for (const char *p = local; *p != '\0'; p++) {
    if (*p == '.' && (p == local || p[1] == '.' || p[1] == '\0'))
      return refuse(error, "the part before the @ has a dot at an end or two in a row");
    if (*p != '.' && !is_atext(*p))
      return refuse(error, "the part before the @ has a character that needs quoting");
  }
  return TRUE;
}

/* What shows nothing and yet is neither control nor format character: the rest of Unicode's
   Default_Ignorable_Code_Point, and the empty Braille pattern. */
static gboolean is_invisible(gunichar c) {
  static const struct {
    gunichar first, last;
  } ranges[] = {
      {0x034F, 0x034F}, {0x115F, 0x1160}, {0x17B4, 0x17B5}, {0x180B, 0x180F},   {0x2800, 0x2800},
      {0x3164, 0x3164}, {0xFE00, 0xFE0F}, {0xFFA0, 0xFFA0}, {0xE0100, 0xE01EF},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(ranges); i++)
    if (c >= ranges[i].first && c <= ranges[i].last)
      return TRUE;
  return FALSE;
}

/* What some readers take for the @ (U+FE6B, U+FF20): they see another address. */
static gboolean looks_like_at(gunichar c) {
  return c == 0xFE6B || c == 0xFF20;
}

/* RFC 2047 section 2: encoded-word = "=?" charset "?" encoding "?" encoded-text "?=". Section 5
   wants none in an address, and yet some readers decode it there, to any address at all. */
static gboolean has_encoded_word(const char *local) {
  const char *start = strstr(local, "=?");
  return start != NULL && strstr(start + 2, "?=") != NULL;
}

/* A local part beyond ASCII is compared octet by octet: what would give it a twin that looks the
   same is refused. */
static gboolean check_unicode(const char *local, GError **error) {
  for (const char *p = local; *p != '\0'; p = g_utf8_next_char(p)) {
    if (is_invisible(g_utf8_get_char(p)))
      return refuse(error, "the part before the @ has an invisible character");
    if (looks_like_at(g_utf8_get_char(p)))
      return refuse(error, "the part before the @ has a character that looks like an @");
  }
  /* It would combine with the "<" before it. */
  if (g_unichar_ismark(g_utf8_get_char(local)))
    return refuse(error, "the part before the @ begins with a combining mark");
  g_autofree char *normal = g_utf8_normalize(local, -1, G_NORMALIZE_NFC);
  if (normal == NULL || strcmp(normal, local) != 0)
    return refuse(error, "the part before the @ is not in Unicode normalization form C");
  return TRUE;
}

static gboolean check_local(const char *local, GError **error) {
  return check_characters(local, FALSE, error) && check_dot_atom(local, error) &&
         check_unicode(local, error) &&
         (!has_encoded_word(local) ||
          refuse(error, "the part before the @ looks like an encoded word"));
}

static Mailbox *parse(const char *text, GError **error) {
  if (strlen(text) > MAILBOX_MAX_OCTETS)
    return refuse(error, "it is longer than 254 octets"), NULL;
  if (!check_characters(text, TRUE, error))
    return NULL;
  const char *at = strrchr(text, '@');
  if (at == NULL)
    return refuse(error, "there is no @"), NULL;
  if (at[1] == '[')
    return refuse(error, "address literals are not accepted"), NULL;
  g_autoptr(Mailbox) mailbox = g_new0(Mailbox, 1);
  mailbox->local = g_strndup(text, (gsize)(at - text));
  if (!check_local(mailbox->local, error))
    return NULL;
  mailbox->domain = domain_to_ascii(at + 1, error);
  if (mailbox->domain == NULL)
    return NULL;
  g_autofree char *lower = g_ascii_strdown(mailbox->local, -1);
  mailbox->text = g_strdup(text);
  mailbox->address = g_strconcat(mailbox->local, "@", mailbox->domain, NULL);
  mailbox->canonical = g_strconcat(lower, "@", mailbox->domain, NULL);
  mailbox->ascii = g_str_is_ascii(mailbox->local);
  if (strlen(mailbox->address) > MAILBOX_MAX_OCTETS)
    return refuse(error, "it is longer than 254 octets"), NULL;
  return g_steal_pointer(&mailbox);
}

Mailbox *mailbox_parse(const char *text, GError **error) {
  Mailbox *mailbox = parse(text, error);
  if (mailbox == NULL)
    g_prefix_error(error, "not an address: ");
  return mailbox;
}

gboolean mailbox_equal(const Mailbox *a, const Mailbox *b, gboolean exact) {
  return strcmp(exact ? a->address : a->canonical, exact ? b->address : b->canonical) == 0;
}

char *mailbox_without_tag(const Mailbox *mailbox) {
  gsize length = strcspn(mailbox->canonical, "+@");
  if (length == 0)
    return g_strdup(mailbox->canonical);
  return g_strdup_printf("%.*s@%s", (int)length, mailbox->canonical, mailbox->domain);
}

Mailbox *mailbox_copy(const Mailbox *mailbox) {
  Mailbox *copy = g_new0(Mailbox, 1);
  copy->text = g_strdup(mailbox->text);
  copy->local = g_strdup(mailbox->local);
  copy->domain = g_strdup(mailbox->domain);
  copy->address = g_strdup(mailbox->address);
  copy->canonical = g_strdup(mailbox->canonical);
  copy->ascii = mailbox->ascii;
  return copy;
}

void mailbox_free(Mailbox *mailbox) {
  if (mailbox == NULL)
    return;
  g_free(mailbox->text);
  g_free(mailbox->local);
  g_free(mailbox->domain);
  g_free(mailbox->address);
  g_free(mailbox->canonical);
  g_free(mailbox);
}
