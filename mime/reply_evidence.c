/* SPDX-License-Identifier: Apache-2.0 */
/* The reader trusts nothing: the writer's process has parsed strangers' mail. */
#include "base/mailbox.h"
#include "base/normal_form.h"
#include "mime/dkim_name.h"
#include "mime/mime_text.h"
#include "mime/reply.h"

#include <string.h>

#define REFUSED_MAX_OCTETS 200

/* --- writing --- */

#define FACTS_TYPE "(msuumsusuumsbuayms)"
#define SIGNATURE_TYPE "(umsmsmsmsasmsmsbxx)"
#define NUMBER(value)                                                                              \
  { .data = &(value), .size = sizeof(value) }

static GVariant *facts_new(const ReplyFacts *facts) {
  const guint32 block = facts->block;
  const guint8 is_report = facts->is_report ? 1 : 0;
  const NormalFormPart parts[] = {
      normal_form_maybe_text(facts->refused),
      NUMBER(facts->from_fields),
      NUMBER(facts->from_mailboxes),
      normal_form_maybe_text(facts->from),
      NUMBER(facts->subject_fields),
      normal_form_text(facts->token),
      NUMBER(facts->content_type_fields),
      NUMBER(facts->transfer_encoding_fields),
      normal_form_maybe_text(facts->list_field),
      NUMBER(is_report),
      NUMBER(block),
      {.data = facts->digest, .size = block == REPLY_BLOCK_ONE ? REPLY_DIGEST_OCTETS : 0},
      normal_form_maybe_text(facts->message_id),
  };
  return normal_form_join(G_VARIANT_TYPE(FACTS_TYPE), parts);
}

static GVariant *signature_new(const DkimSignature *signature) {
  const guint32 result = signature->result;
  const guint8 secure = signature->key_secure ? 1 : 0;
  g_autoptr(GVariant) fields = g_variant_ref_sink(
      normal_form_texts((const char *const *)signature->fields, g_strv_length(signature->fields)));
  const NormalFormPart parts[] = {
      NUMBER(result),
      normal_form_maybe_text(signature->reason),
      normal_form_maybe_text(signature->domain),
      normal_form_maybe_text(signature->selector),
      normal_form_maybe_text(signature->algorithm),
      normal_form_of(fields),
      normal_form_maybe_text(signature->question),
      normal_form_maybe_text(signature->key_record),
      NUMBER(secure),
      NUMBER(signature->expires),
      NUMBER(signature->created),
  };
  return normal_form_join(G_VARIANT_TYPE(SIGNATURE_TYPE), parts);
}

/* Nothing when no record was asked for. */
static GVariant *dmarc_new(const DmarcFinding *dmarc) {
  GVariant *value = dmarc == NULL ? NULL
                                  : g_variant_new("(sumsb)", dmarc->domain, (guint32)dmarc->outcome,
                                                  dmarc->record, dmarc->secure);
  return g_variant_new_maybe(G_VARIANT_TYPE("(sumsb)"), value);
}

GVariant *reply_evidence_new(const ReplyFacts *facts, const DkimCheck *check,
                             const DmarcFinding *dmarc) {
  GVariant *values[DKIM_MAX_SIGNATURES];
  for (guint i = 0; i < dkim_check_count(check); i++)
    values[i] = signature_new(dkim_check_signature(check, i));
  g_autoptr(GVariant) of_facts = g_variant_ref_sink(facts_new(facts));
  g_autoptr(GVariant) signatures = g_variant_ref_sink(
      g_variant_new_array(G_VARIANT_TYPE(SIGNATURE_TYPE), values, dkim_check_count(check)));
  g_autoptr(GVariant) of_dmarc = g_variant_ref_sink(dmarc_new(dmarc));
  const NormalFormPart parts[] = {normal_form_of(of_facts), normal_form_of(signatures),
                                  normal_form_of(of_dmarc)};
  return normal_form_join(G_VARIANT_TYPE(REPLY_EVIDENCE_TYPE), parts);
}

/* --- reading --- */

/* Text in printable ASCII without blanks. */
static gboolean word_is_valid(const char *text, gsize max) {
  if (text == NULL)
    return TRUE;
  for (const char *p = text; *p != '\0'; p++)
    if (*p <= ' ' || *p >= 127)
      return FALSE;
  return strlen(text) <= max;
}

static gboolean facts_texts_are_valid(const ReplyFacts *facts) {
  return mime_text_is_clean(facts->refused, REFUSED_MAX_OCTETS) &&
         mime_text_is_clean(facts->from, REPLY_MAX_ADDRESS_OCTETS) &&
         mime_text_is_clean(facts->token, REPLY_MAX_TOKEN_OCTETS) &&
         word_is_valid(facts->list_field, REPLY_MAX_NAME_OCTETS) &&
         mime_text_is_clean(facts->message_id, REPLY_MAX_MESSAGE_ID_OCTETS);
}

static gboolean facts_counts_are_valid(const ReplyFacts *facts) {
  return facts->from_fields <= REPLY_MAX_FIELDS && facts->subject_fields <= REPLY_MAX_FIELDS &&
         facts->content_type_fields <= REPLY_MAX_FIELDS &&
         facts->transfer_encoding_fields <= REPLY_MAX_FIELDS &&
         facts->from_mailboxes <= REPLY_MAX_MAILBOXES;
}

/* What reply_read never says at once. */
static gboolean facts_agree(const ReplyFacts *facts) {
  if (facts->refused != NULL && facts->block != REPLY_BLOCK_NONE)
    return FALSE;
  if (facts->from != NULL && (facts->from_mailboxes != 1 || facts->from_fields == 0))
    return FALSE;
  if (*facts->token != '\0' && facts->subject_fields == 0)
    return FALSE;
  return facts->block == REPLY_BLOCK_NONE ||
         (facts->content_type_fields <= 1 && facts->transfer_encoding_fields <= 1);
}

static gboolean take_digest(ReplyFacts *facts, guint32 block, GVariant *digest) {
  gsize length = 0;
  const guint8 *octets = g_variant_get_fixed_array(digest, &length, 1);
  if (block > REPLY_BLOCK_ONE || length != (block == REPLY_BLOCK_ONE ? REPLY_DIGEST_OCTETS : 0))
    return FALSE;
  facts->block = (ReplyBlock)block;
  if (length > 0)
    memcpy(facts->digest, octets, length);
  return TRUE;
}

static ReplyFacts *facts_read(GVariant *value) {
  g_autoptr(ReplyFacts) facts = g_new0(ReplyFacts, 1);
  g_autoptr(GVariant) digest = NULL;
  guint32 block = 0;
  g_variant_get(value, "(msuumsusuumsbu@ayms)", &facts->refused, &facts->from_fields,
                &facts->from_mailboxes, &facts->from, &facts->subject_fields, &facts->token,
                &facts->content_type_fields, &facts->transfer_encoding_fields, &facts->list_field,
                &facts->is_report, &block, &digest, &facts->message_id);
  if (!take_digest(facts, block, digest) || !facts_texts_are_valid(facts) ||
      !facts_counts_are_valid(facts) || !facts_agree(facts))
    return NULL;
  return g_steal_pointer(&facts);
}

static gboolean names_are_valid(char *const *names) {
  guint count = 0;
  for (; *names != NULL; names++)
    if (++count > DKIM_MAX_NAMES || **names == '\0' ||
        !word_is_valid(*names, DKIM_MAX_NAME_OCTETS) || strchr(*names, ':') != NULL)
      return FALSE;
  return TRUE;
}

/* d= and s= as a check gives them out: A-labels in lower case. */
static gboolean domain_is_valid(const char *domain) {
  g_autofree char *ascii = domain == NULL ? NULL : dkim_name_domain(domain);
  return domain == NULL || g_strcmp0(ascii, domain) == 0;
}

static gboolean selector_is_valid(const char *selector) {
  g_autofree char *ascii = selector == NULL ? NULL : dkim_name_selector(selector);
  return selector == NULL || g_strcmp0(ascii, selector) == 0;
}

static gboolean signature_texts_are_valid(const DkimSignature *signature) {
  return mime_text_is_clean(signature->reason, DKIM_MAX_REASON_OCTETS) &&
         domain_is_valid(signature->domain) && selector_is_valid(signature->selector) &&
         mime_text_is_clean(signature->algorithm, DKIM_MAX_ALGORITHM_OCTETS) &&
         names_are_valid(signature->fields) &&
         word_is_valid(signature->question, DKIM_MAX_QUESTION_OCTETS) &&
         mime_text_is_clean(signature->key_record, DKIM_MAX_RECORD_OCTETS);
}

/* What a check never says at once. */
static gboolean signature_agrees(const DkimSignature *signature) {
  if ((signature->result == DKIM_PASS) != (signature->reason == NULL))
    return FALSE;
  if (signature->expires < 0 || signature->created < 0)
    return FALSE;
  if (signature->result != DKIM_PASS)
    return TRUE;
  return signature->domain != NULL && signature->selector != NULL && signature->algorithm != NULL &&
         signature->question != NULL && signature->key_record != NULL &&
         dkim_signature_covers(signature, "from", 1);
}

static DkimSignature *signature_read(GVariant *value) {
  g_autoptr(DkimSignature) signature = g_new0(DkimSignature, 1);
  guint32 result = 0;
  g_variant_get(value, "(umsmsmsms^asmsmsbxx)", &result, &signature->reason, &signature->domain,
                &signature->selector, &signature->algorithm, &signature->fields,
                &signature->question, &signature->key_record, &signature->key_secure,
                &signature->expires, &signature->created);
  if (result > DKIM_TEMPORARY)
    return NULL;
  signature->result = (DkimResult)result;
  if (!signature_texts_are_valid(signature) || !signature_agrees(signature))
    return NULL;
  return g_steal_pointer(&signature);
}

static void free_signature(gpointer data) {
  dkim_signature_free(data);
}

static GPtrArray *signatures_read(GVariant *values) {
  if (g_variant_n_children(values) > DKIM_MAX_SIGNATURES)
    return NULL;
  g_autoptr(GPtrArray) signatures = g_ptr_array_new_with_free_func(free_signature);
  for (gsize i = 0; i < g_variant_n_children(values); i++) {
    g_autoptr(GVariant) value = g_variant_get_child_value(values, i);
    DkimSignature *signature = signature_read(value);
    if (signature == NULL)
      return NULL;
    g_ptr_array_add(signatures, signature);
  }
  return g_steal_pointer(&signatures);
}

/* The domain is From's or above it. */
static gboolean dmarc_is_of(const DmarcFinding *dmarc, const ReplyFacts *facts) {
  const char *at = facts->from != NULL ? strrchr(facts->from, '@') : NULL;
  g_autofree char *domain = at != NULL ? dkim_name_domain(at + 1) : NULL;
  return domain != NULL && domain_is_valid(dmarc->domain) &&
         dkim_name_is_within(domain, dmarc->domain);
}

/* What a search never says at once. */
static gboolean dmarc_agrees(const DmarcFinding *dmarc) {
  return (dmarc->record != NULL) == (dmarc->outcome == RESOLVER_FOUND) &&
         (!dmarc->secure || dmarc->outcome >= RESOLVER_NONE);
}

/* *dmarc stays NULL where there is nothing. */
static gboolean dmarc_read(GVariant *maybe, const ReplyFacts *facts, DmarcFinding **dmarc) {
  g_autoptr(GVariant) value = g_variant_get_maybe(maybe);
  if (value == NULL)
    return TRUE;
  g_autoptr(DmarcFinding) read = g_new0(DmarcFinding, 1);
  guint32 outcome = 0;
  g_variant_get(value, "(sumsb)", &read->domain, &outcome, &read->record, &read->secure);
  read->outcome = (ResolverOutcome)outcome;
  if (outcome > RESOLVER_FOUND || !mime_text_is_clean(read->record, DMARC_MAX_RECORD_OCTETS) ||
      !dmarc_is_of(read, facts) || !dmarc_agrees(read))
    return FALSE;
  *dmarc = g_steal_pointer(&read);
  return TRUE;
}

gboolean reply_evidence_read(GVariant *evidence, ReplyFacts **facts, GPtrArray **signatures,
                             DmarcFinding **dmarc) {
  *facts = NULL;
  *signatures = NULL;
  if (dmarc != NULL)
    *dmarc = NULL;
  if (!g_variant_is_of_type(evidence, G_VARIANT_TYPE(REPLY_EVIDENCE_TYPE)) ||
      g_variant_get_size(evidence) > REPLY_EVIDENCE_MAX_OCTETS ||
      !g_variant_is_normal_form(evidence))
    return FALSE;
  g_autoptr(GVariant) first = g_variant_get_child_value(evidence, 0);
  g_autoptr(GVariant) second = g_variant_get_child_value(evidence, 1);
  g_autoptr(GVariant) third = g_variant_get_child_value(evidence, 2);
  g_autoptr(ReplyFacts) read = facts_read(first);
  g_autoptr(GPtrArray) list = read == NULL ? NULL : signatures_read(second);
  g_autoptr(DmarcFinding) finding = NULL;
  if (list == NULL || !dmarc_read(third, read, &finding))
    return FALSE;
  *facts = g_steal_pointer(&read);
  *signatures = g_steal_pointer(&list);
  if (dmarc != NULL)
    *dmarc = g_steal_pointer(&finding);
  return TRUE;
}
