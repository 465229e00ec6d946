/* SPDX-License-Identifier: Apache-2.0 */
#include "mime/mail_records.h"
#include "mime/dkim_tags.h"

#include <gio/gio.h>
#include <string.h>

#define SPF_VERSION "v=spf1"
#define DMARC_VERSION "DMARC1"
#define MAX_LOOKUPS 10 /* mechanisms that ask the DNS (RFC 7208 section 4.6.4) */

/* --- SPF
 * ------------------------------------------------------------------------------------------- */

gboolean spf_record_is(const char *text) {
  gsize length = strlen(SPF_VERSION);
  return g_ascii_strncasecmp(text, SPF_VERSION, length) == 0 &&
         (text[length] == ' ' || text[length] == '\0');
}

/* "address" or "address/bits", address of the family. */
static gboolean is_network(const char *text, GSocketFamily family) {
  g_auto(GStrv) parts = g_strsplit(text, "/", 2);
  g_autoptr(GInetAddress) address = g_inet_address_new_from_string(parts[0]);
  guint64 bits = 0;
  return address != NULL && g_inet_address_get_family(address) == family &&
         (parts[1] == NULL ||
          g_ascii_string_to_unsigned(parts[1], 10, 0, family == G_SOCKET_FAMILY_IPV4 ? 32 : 128,
                                     &bits, NULL));
}

static gboolean is_ip4(const char *argument) {
  return *argument == ':' && is_network(argument + 1, G_SOCKET_FAMILY_IPV4);
}

static gboolean is_ip6(const char *argument) {
  return *argument == ':' && is_network(argument + 1, G_SOCKET_FAMILY_IPV6);
}

static gboolean is_nothing(const char *argument) {
  return *argument == '\0';
}

static gboolean is_domain(const char *argument) {
  return *argument == ':' && argument[1] != '\0' && argument[1] != '/';
}

/* [":" domain] ["/" bits] ["//" bits] */
static gboolean is_domain_or_bits(const char *argument) {
  const char *bits = strchr(argument, '/');
  return (*argument == '\0' || *argument == '/' || is_domain(argument)) &&
         (bits == NULL || strspn(bits, "/0123456789") == strlen(bits));
}

static const struct {
  const char *name;
  gboolean (*takes)(const char *argument);
  gboolean looks_up;
} mechanisms[] = {
    {"all", is_nothing, FALSE},       {"include", is_domain, TRUE},
    {"a", is_domain_or_bits, TRUE},   {"mx", is_domain_or_bits, TRUE},
    {"ptr", is_domain_or_bits, TRUE}, {"ip4", is_ip4, FALSE},
    {"ip6", is_ip6, FALSE},           {"exists", is_domain, TRUE},
};

/* What the terms read so far amount to. */
typedef struct {
  guint lookups;
  gboolean permits; /* somebody */
  gboolean ended;   /* by all */
} Spf;

static gboolean is_modifier(const char *term) {
  gsize name = strcspn(term, "=");
  return term[name] == '=' && name > 0 && g_ascii_isalpha(*term) && strcspn(term, ":/") > name;
}

static char *read_modifier(const char *term, Spf *spf) {
  if (g_ascii_strncasecmp(term, "redirect=", 9) != 0)
    return NULL;
  spf->lookups++;
  spf->permits = TRUE;
  return term[9] != '\0' ? NULL : g_strdup("redirect= names no domain");
}

static char *read_mechanism(const char *term, Spf *spf) {
  char qualifier = strchr("+-~?", *term) != NULL ? *term++ : '+';
  gsize length = strcspn(term, ":/");
  for (gsize i = 0; i < G_N_ELEMENTS(mechanisms); i++) {
    if (strlen(mechanisms[i].name) != length ||
        g_ascii_strncasecmp(term, mechanisms[i].name, length) != 0)
      continue;
    gboolean all = i == 0;
    if (!mechanisms[i].takes(term + length))
      return g_strdup_printf("\"%s\" is malformed", term);
    if (all && qualifier == '+')
      return g_strdup("it lets everybody send in your name (+all)");
    spf->lookups += mechanisms[i].looks_up ? 1 : 0;
    spf->permits = spf->permits || (!all && !spf->ended && qualifier == '+');
    spf->ended = spf->ended || all;
    return NULL;
  }
  return g_strdup_printf("\"%s\" is no mechanism of SPF", term);
}

char *spf_record_weakness(const char *text) {
  Spf spf = {0};
  if (!spf_record_is(text))
    return g_strdup("it does not begin with " SPF_VERSION);
  g_auto(GStrv) terms = g_strsplit(text + strlen(SPF_VERSION), " ", -1);
  for (char **term = terms; *term != NULL; term++) {
    char *why = **term == '\0'       ? NULL
                : is_modifier(*term) ? read_modifier(*term, &spf)
                                     : read_mechanism(*term, &spf);
    if (why != NULL)
      return why;
  }
  if (spf.lookups > MAX_LOOKUPS)
    return g_strdup("it asks the DNS more than 10 times");
  return spf.permits ? NULL : g_strdup("it lets nobody send");
}

/* --- DMARC
 * ----------------------------------------------------------------------------------------- */

gboolean dmarc_record_is(const char *text) {
  g_autoptr(DkimTags) tags = dkim_tags_parse(text, strlen(text));
  const DkimTag *first = tags != NULL ? dkim_tags_first(tags) : NULL;
  return tags != NULL ? first != NULL && strcmp(first->name, "v") == 0 &&
                            strcmp(first->value, DMARC_VERSION) == 0
                      : g_str_has_prefix(text, "v=" DMARC_VERSION);
}

static const struct {
  const char *name;
  const char *words[4]; /* NULL-terminated */
} dmarc_words[] = {
    {"p", {"none", "quarantine", "reject"}},
    {"sp", {"none", "quarantine", "reject"}},
    {"adkim", {"r", "s"}},
    {"aspf", {"r", "s"}},
};

char *dmarc_record_weakness(const char *text) {
  g_autoptr(DkimTags) tags = dkim_tags_parse(text, strlen(text));
  if (tags == NULL)
    return g_strdup("it is no list of tags");
  if (!dmarc_record_is(text))
    return g_strdup("it does not begin with v=" DMARC_VERSION);
  if (dkim_tags_find(tags, "p") == NULL)
    return g_strdup("it has no policy (p=)");
  for (gsize i = 0; i < G_N_ELEMENTS(dmarc_words); i++) {
    const char *value = dkim_tags_value(tags, dmarc_words[i].name);
    g_autofree char *lower = value != NULL ? g_ascii_strdown(value, -1) : NULL;
    if (lower != NULL && !g_strv_contains(dmarc_words[i].words, lower))
      return g_strdup_printf("%s= is not one of the words it takes", dmarc_words[i].name);
  }
  return NULL;
}
