/* SPDX-License-Identifier: Apache-2.0 */
/* The reader trusts nothing: the writer's process has parsed strangers' mail. */
#include "mime/dsn_recipient.h"
#include "mime/mime_text.h"

#include <string.h>

#define REFUSED_MAX_OCTETS 200
#define RECIPIENTS_TYPE "a(msmsumsmsms)"

GVariant *dsn_evidence_new(const DsnFacts *facts) {
  GVariantBuilder recipients;
  g_variant_builder_init(&recipients, G_VARIANT_TYPE(RECIPIENTS_TYPE));
  for (guint i = 0; i < facts->recipients->len; i++) {
    const DsnRecipient *r = facts->recipients->pdata[i];
    g_variant_builder_add(&recipients, "(msmsumsmsms)", r->final, r->original, (guint32)r->action,
                          r->status, r->words, r->server);
  }
  return g_variant_new("(msumsms" RECIPIENTS_TYPE ")", facts->refused, (guint32)facts->form,
                       facts->dialect, facts->message_id, &recipients);
}

static gboolean recipient_is_valid(const DsnRecipient *r) {
  return (r->final != NULL || r->original != NULL) &&
         mime_text_is_clean(r->final, DSN_MAX_ADDRESS_OCTETS) &&
         mime_text_is_clean(r->original, DSN_MAX_ADDRESS_OCTETS) &&
         (r->status == NULL || dsn_status_is_valid(r->status)) &&
         mime_text_is_clean(r->words, 4 * DSN_MAX_WORDS) &&
         (r->words == NULL || g_utf8_strlen(r->words, -1) <= DSN_MAX_WORDS) &&
         mime_text_is_clean(r->server, DSN_MAX_NAME_OCTETS);
}

static gboolean read_recipients(DsnFacts *facts, GVariant *values) {
  if (g_variant_n_children(values) > DSN_MAX_RECIPIENTS)
    return FALSE;
  for (gsize i = 0; i < g_variant_n_children(values); i++) {
    DsnRecipient *r = dsn_recipient_add(facts);
    guint32 action = 0;
    g_variant_get_child(values, i, "(msmsumsmsms)", &r->final, &r->original, &action, &r->status,
                        &r->words, &r->server);
    if (action > DSN_EXPANDED || !recipient_is_valid(r))
      return FALSE;
    r->action = (DsnAction)action;
  }
  return TRUE;
}

/* What dsn_read never says at once. */
static gboolean facts_agree(const DsnFacts *facts) {
  gboolean tells = facts->form == DSN_REPORT || facts->form == DSN_TEXT;
  return tells == (facts->recipients->len > 0) && tells == (facts->dialect != NULL) &&
         (facts->refused == NULL || facts->form == DSN_NONE);
}

DsnFacts *dsn_evidence_read(GVariant *evidence) {
  if (!g_variant_is_of_type(evidence, G_VARIANT_TYPE(DSN_EVIDENCE_TYPE)) ||
      g_variant_get_size(evidence) > DSN_EVIDENCE_MAX_OCTETS || !g_variant_is_normal_form(evidence))
    return NULL;
  g_autoptr(DsnFacts) facts = dsn_facts_new();
  g_autoptr(GVariant) recipients = NULL;
  guint32 form = 0;
  g_variant_get(evidence, "(msumsms@" RECIPIENTS_TYPE ")", &facts->refused, &form, &facts->dialect,
                &facts->message_id, &recipients);
  if (form > DSN_TEXT)
    return NULL;
  facts->form = (DsnForm)form;
  return read_recipients(facts, recipients) && facts_agree(facts) &&
                 mime_text_is_clean(facts->refused, REFUSED_MAX_OCTETS) &&
                 mime_text_is_clean(facts->dialect, DSN_MAX_NAME_OCTETS) &&
                 mime_text_is_clean(facts->message_id, DSN_MAX_MESSAGE_ID_OCTETS)
             ? g_steal_pointer(&facts)
             : NULL;
}
