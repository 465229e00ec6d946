/* SPDX-License-Identifier: Apache-2.0 */
#include "mime/dkim_name.h"
#include "base/mailbox.h"
#include "mime/dkim_tags.h"

#include <string.h>

#define LABEL_MAX_OCTETS 63

/* A domain of two labels that a selector is put before, since one label alone is no domain. */
#define ANY_DOMAIN ".example.org"

char *dkim_name_domain(const char *domain) {
  return mailbox_domain_to_ascii(domain, NULL);
}

/* Selectors are DNS labels that people choose: "_" occurs, though sub-domain has none. */
static gboolean label_is_valid(const char *label) {
  gsize length = strlen(label);
  if (length == 0 || length > LABEL_MAX_OCTETS || label[0] == '-' || label[length - 1] == '-')
    return FALSE;
  for (const char *p = label; *p != '\0'; p++)
    if (!g_ascii_isalnum(*p) && *p != '-' && *p != '_')
      return FALSE;
  return TRUE;
}

static char *u_selector(const char *selector) {
  g_autofree char *name = g_strconcat(selector, ANY_DOMAIN, NULL);
  g_autofree char *ascii = mailbox_domain_to_ascii(name, NULL);
  if (ascii == NULL)
    return NULL;
  return g_strndup(ascii, strlen(ascii) - strlen(ANY_DOMAIN));
}

char *dkim_name_selector(const char *selector) {
  if (strlen(selector) > DKIM_MAX_QUESTION_OCTETS)
    return NULL;
  if (!g_str_is_ascii(selector))
    return u_selector(selector);
  g_auto(GStrv) labels = g_strsplit(selector, ".", -1);
  if (*labels == NULL)
    return NULL;
  for (char **label = labels; *label != NULL; label++)
    if (!label_is_valid(*label))
      return NULL;
  return g_ascii_strdown(selector, -1);
}

char *dkim_name_question(const char *selector, const char *domain) {
  g_autofree char *name = g_strconcat(selector, "._domainkey.", domain, NULL);
  return strlen(name) <= DKIM_MAX_QUESTION_OCTETS ? g_steal_pointer(&name) : NULL;
}

char *dkim_name_identity(const char *identity) {
  g_autofree char *text = dkim_tag_squeeze(identity);
  const char *at = strrchr(text, '@');
  if (at == NULL || at[1] == '\0')
    return NULL;
  return g_str_is_ascii(at + 1) ? g_ascii_strdown(at + 1, -1) : dkim_name_domain(at + 1);
}

gboolean dkim_name_is_within(const char *name, const char *domain) {
  gsize length = strlen(name), tail = strlen(domain);
  if (length < tail || strcmp(name + length - tail, domain) != 0)
    return FALSE;
  return length == tail || (length > tail + 1 && name[length - tail - 1] == '.');
}
