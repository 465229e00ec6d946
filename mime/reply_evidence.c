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
#define SIGNATURES_TYPE "a" SIGNATURE_TYPE
#define DMARC_TYPE "(sumsb)"

static GBytes *facts_new(const ReplyFacts *facts) {
  const guint32 block = facts->block;
  const guint8 is_report = facts->is_report ? 1 : 0;
  const NormalFormPart parts[] = {
      normal_form_maybe_text(facts->refused),
      NORMAL_FORM_NUMBER(facts->from_fields),
      NORMAL_FORM_NUMBER(facts->from_mailboxes),
      normal_form_maybe_text(facts->from),
      NORMAL_FORM_NUMBER(facts->subject_fields),
      normal_form_text(facts->token),
      NORMAL_FORM_NUMBER(facts->content_type_fields),
      NORMAL_FORM_NUMBER(facts->transfer_encoding_fields),
      normal_form_maybe_text(facts->list_field),
      NORMAL_FORM_NUMBER(is_report),
      NORMAL_FORM_NUMBER(block),
      {.data = facts->digest, .size = block == REPLY_BLOCK_ONE ? REPLY_DIGEST_OCTETS : 0},
      normal_form_maybe_text(facts->message_id),
  };
  return normal_form_tuple(FACTS_TYPE, parts);
}

static GBytes *signature_new(const DkimSignature *signature) {
  const guint32 result = signature->result;
  const guint8 secure = signature->key_secure ? 1 : 0;
  g_autoptr(GBytes) fields =
      normal_form_texts((const char *const *)signature->fields, g_strv_length(signature->fields));
  const NormalFormPart parts[] = {
      NORMAL_FORM_NUMBER(result),
      normal_form_maybe_text(signature->reason),
      normal_form_maybe_text(signature->domain),
      normal_form_maybe_text(signature->selector),
      normal_form_maybe_text(signature->algorithm),
      normal_form_octets(fields),
      normal_form_maybe_text(signature->question),
      normal_form_maybe_text(signature->key_record),
      NORMAL_FORM_NUMBER(secure),
      NORMAL_FORM_NUMBER(signature->expires),
      NORMAL_FORM_NUMBER(signature->created),
  };
  return normal_form_tuple(SIGNATURE_TYPE, parts);
}

static GBytes *signatures_new(const DkimCheck *check) {
  g_autoptr(GPtrArray) values = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
  NormalFormPart items[DKIM_MAX_SIGNATURES];
  for (guint i = 0; i < dkim_check_count(check); i++) {
    g_ptr_array_add(values, signature_new(dkim_check_signature(check, i)));
    items[i] = normal_form_octets(values->pdata[i]);
  }
  return normal_form_array(SIGNATURES_TYPE, items, values->len);
}

static GBytes *dmarc_new(const DmarcFinding *dmarc) {
  const guint32 outcome = dmarc->outcome;
  const guint8 secure = dmarc->secure ? 1 : 0;
  const NormalFormPart parts[] = {normal_form_text(dmarc->domain), NORMAL_FORM_NUMBER(outcome),
                                  normal_form_maybe_text(dmarc->record),
                                  NORMAL_FORM_NUMBER(secure)};
  return normal_form_tuple(DMARC_TYPE, parts);
}

GVariant *reply_evidence_new(const ReplyFacts *facts, const DkimCheck *check,
                             const DmarcFinding *dmarc) {
  g_autoptr(GBytes) of_facts = facts_new(facts);
  g_autoptr(GBytes) signatures = signatures_new(check);
  g_autoptr(GBytes) of_dmarc = dmarc != NULL ? dmarc_new(dmarc) : NULL;
  NormalFormPart parts[] = {normal_form_octets(of_facts), normal_form_octets(signatures), {NULL}};
  if (of_dmarc != NULL)
    parts[2] = normal_form_maybe(of_dmarc);
  return normal_form_join(REPLY_EVIDENCE_TYPE, parts);
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

static gboolean take_digest(ReplyFacts *facts, guint32 block, const NormalFormPart *digest) {
  gsize wanted = block == REPLY_BLOCK_ONE ? REPLY_DIGEST_OCTETS : 0;
  if (block > REPLY_BLOCK_ONE || digest->size != wanted)
    return FALSE;
  facts->block = (ReplyBlock)block;
  if (wanted > 0)
    memcpy(facts->digest, digest->data, wanted);
  return TRUE;
}

static char *copy_text(const NormalFormPart *part) {
  return g_strdup(normal_form_to_text(part));
}

static ReplyFacts *facts_read(NormalFormPart value) {
  g_autoptr(ReplyFacts) facts = g_new0(ReplyFacts, 1);
  NormalFormPart parts[13];
  normal_form_split(FACTS_TYPE, value, parts);
  facts->refused = copy_text(&parts[0]);
  facts->from_fields = normal_form_to_uint32(&parts[1]);
  facts->from_mailboxes = normal_form_to_uint32(&parts[2]);
  facts->from = copy_text(&parts[3]);
  facts->subject_fields = normal_form_to_uint32(&parts[4]);
  facts->token = copy_text(&parts[5]);
  facts->content_type_fields = normal_form_to_uint32(&parts[6]);
  facts->transfer_encoding_fields = normal_form_to_uint32(&parts[7]);
  facts->list_field = copy_text(&parts[8]);
  facts->is_report = normal_form_to_boolean(&parts[9]);
  facts->message_id = copy_text(&parts[12]);
  if (!take_digest(facts, normal_form_to_uint32(&parts[10]), &parts[11]) ||
      !facts_texts_are_valid(facts) || !facts_counts_are_valid(facts) || !facts_agree(facts))
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

static DkimSignature *signature_read(NormalFormPart value) {
  g_autoptr(DkimSignature) signature = g_new0(DkimSignature, 1);
  NormalFormPart parts[11];
  normal_form_split(SIGNATURE_TYPE, value, parts);
  guint32 result = normal_form_to_uint32(&parts[0]);
  signature->reason = copy_text(&parts[1]);
  signature->domain = copy_text(&parts[2]);
  signature->selector = copy_text(&parts[3]);
  signature->algorithm = copy_text(&parts[4]);
  g_autofree const char **fields = normal_form_to_texts(&parts[5]);
  signature->fields = g_strdupv((char **)fields);
  signature->question = copy_text(&parts[6]);
  signature->key_record = copy_text(&parts[7]);
  signature->key_secure = normal_form_to_boolean(&parts[8]);
  signature->expires = normal_form_to_int64(&parts[9]);
  signature->created = normal_form_to_int64(&parts[10]);
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

static GPtrArray *signatures_read(NormalFormPart values) {
  g_autoptr(GArray) items = normal_form_items(SIGNATURES_TYPE, values);
  if (items->len > DKIM_MAX_SIGNATURES)
    return NULL;
  g_autoptr(GPtrArray) signatures = g_ptr_array_new_with_free_func(free_signature);
  for (guint i = 0; i < items->len; i++) {
    DkimSignature *signature = signature_read(g_array_index(items, NormalFormPart, i));
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
static gboolean dmarc_read(NormalFormPart maybe, const ReplyFacts *facts, DmarcFinding **dmarc) {
  if (maybe.size == 0)
    return TRUE;
  g_autoptr(DmarcFinding) read = g_new0(DmarcFinding, 1);
  NormalFormPart parts[4];
  normal_form_split(DMARC_TYPE, normal_form_of_maybe(maybe), parts);
  guint32 outcome = normal_form_to_uint32(&parts[1]);
  read->domain = copy_text(&parts[0]);
  read->record = copy_text(&parts[2]);
  read->secure = normal_form_to_boolean(&parts[3]);
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
  NormalFormPart parts[3];
  normal_form_split(REPLY_EVIDENCE_TYPE, normal_form_of(evidence), parts);
  g_autoptr(ReplyFacts) read = facts_read(parts[0]);
  g_autoptr(GPtrArray) list = read == NULL ? NULL : signatures_read(parts[1]);
  g_autoptr(DmarcFinding) finding = NULL;
  if (list == NULL || !dmarc_read(parts[2], read, &finding))
    return FALSE;
  *facts = g_steal_pointer(&read);
  *signatures = g_steal_pointer(&list);
  if (dmarc != NULL)
    *dmarc = g_steal_pointer(&finding);
  return TRUE;
}
