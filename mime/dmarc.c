/* SPDX-License-Identifier: Apache-2.0 */
#include "mime/dmarc.h"
#include "mime/dkim_name.h"
#include "mime/mail_records.h"
#include "mime/mime_text.h"

#include <libpsl.h>
#include <string.h>

#define PREFIX "_dmarc."

struct DmarcSearch {
  DmarcFinding finding;
  char *question; /* NULL: over */
  gboolean climbed;
};

void dmarc_finding_free(DmarcFinding *finding) {
  if (finding == NULL)
    return;
  g_free(finding->domain);
  g_free(finding->record);
  g_free(finding);
}

const char *dmarc_organisational_domain(const char *domain) {
  return psl_registrable_domain(psl_builtin(), domain);
}

/* Asks for domain next; FALSE when the name is too long for DNS. */
static gboolean ask(DmarcSearch *search, const char *domain) {
  g_autofree char *name = g_strconcat(PREFIX, domain, NULL);
  if (strlen(name) > DKIM_MAX_QUESTION_OCTETS)
    return FALSE;
  g_free(search->question);
  search->question = g_steal_pointer(&name);
  char *asked = g_strdup(domain); /* domain may point into the old one */
  g_free(search->finding.domain);
  search->finding.domain = asked;
  search->finding.outcome = RESOLVER_TEMPORARY;
  search->finding.secure = FALSE;
  return TRUE;
}

DmarcSearch *dmarc_search_new(const char *from) {
  const char *at = from != NULL ? strrchr(from, '@') : NULL;
  g_autofree char *domain = at != NULL ? dkim_name_domain(at + 1) : NULL;
  g_autoptr(DmarcSearch) search = g_new0(DmarcSearch, 1);
  return domain != NULL && ask(search, domain) ? g_steal_pointer(&search) : NULL;
}

void dmarc_search_free(DmarcSearch *search) {
  if (search == NULL)
    return;
  g_free(search->finding.domain);
  g_free(search->finding.record);
  g_free(search->question);
  g_free(search);
}

const char *dmarc_search_question(const DmarcSearch *search) {
  return search->question;
}

/* The organisational domain comes next where the domain itself has no record at all. */
static gboolean climb(DmarcSearch *search) {
  const char *above = dmarc_organisational_domain(search->finding.domain);
  if (search->climbed || above == NULL || strcmp(above, search->finding.domain) == 0)
    return FALSE;
  search->climbed = TRUE;
  return ask(search, above);
}

void dmarc_search_answer(DmarcSearch *search, ResolverOutcome outcome, const char *const *records,
                         gboolean secure) {
  guint count = 0;
  const char *record = NULL;
  for (; outcome == RESOLVER_FOUND && *records != NULL; records++)
    if (dmarc_record_is(*records) && count++ == 0)
      record = *records;
  if (outcome >= RESOLVER_NONE && count == 0 && climb(search))
    return;
  if (count == 1)
    search->finding.record = mime_text_clean(record, DMARC_MAX_RECORD_OCTETS);
  search->finding.outcome = outcome == RESOLVER_FOUND && count != 1 ? RESOLVER_NONE : outcome;
  search->finding.secure = secure && outcome >= RESOLVER_NONE;
  g_clear_pointer(&search->question, g_free);
}

const DmarcFinding *dmarc_search_finding(const DmarcSearch *search) {
  return &search->finding;
}
