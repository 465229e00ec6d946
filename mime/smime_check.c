/* SPDX-License-Identifier: Apache-2.0 */
#include "mime/smime_check.h"
#include "mime/mime_part.h"
#include "mime/mime_split.h"
#include "mime/smime_types.h"

#include <openssl/err.h>
#include <string.h>

#define MAX_FIELD_OCTETS 8192

/* Fields that must be protected, one bit each in Check.seen. */
static const char *const needed[] = {"from", "to", "subject"};
#define ALL_NEEDED ((1u << G_N_ELEMENTS(needed)) - 1)

typedef struct {
  const RawMessage *outer;
  GBytes *content; /* the signed octets */
  CMS_ContentInfo *cms;
  guint seen;
} Check;

static void check_clear(Check *check) {
  g_clear_pointer(&check->content, g_bytes_unref);
  CMS_ContentInfo_free(check->cms);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Check, check_clear)

/* --- the protected header
 * ---------------------------------------------------------------------- */

/* One protected field: the message has it once, in the same words. */
static gboolean agrees(Check *check, const char *name, const char *value) {
  if (raw_message_count(check->outer, name) != 1)
    return FALSE;
  g_autofree char *outer_value = raw_field_value(raw_message_first(check->outer, name));
  g_autofree char *outer = smime_relaxed(outer_value), *inner = smime_relaxed(value);
  for (guint i = 0; i < G_N_ELEMENTS(needed); i++)
    if (g_ascii_strcasecmp(name, needed[i]) == 0)
      check->seen |= 1u << i;
  return strcmp(outer, inner) == 0;
}

static gboolean copies_agree(Check *check, const RawMessage *part) {
  for (guint i = 0; i < part->fields->len; i++) {
    const RawField *field = raw_message_field(part, i);
    g_autofree char *name = g_strndup(field->text, field->name_length);
    g_autofree char *value = raw_field_value(field);
    if (g_ascii_strncasecmp(name, "content-", 8) == 0 ||
        g_ascii_strcasecmp(name, "mime-version") == 0)
      continue;
    if (!agrees(check, name, value))
      return FALSE;
  }
  return TRUE;
}

static gboolean is_type(const RawMessage *part, const char *type) {
  const RawField *field = raw_message_first(part, "content-type");
  g_autofree char *value = field != NULL ? raw_field_value(field) : g_strdup("");
  gsize length = strlen(type);
  return g_ascii_strncasecmp(value, type, length) == 0 &&
         (value[length] == '\0' || strchr("; \t", value[length]) != NULL);
}

/* The copies stand in the header of the signed part, or in that of the message that it holds. */
static const char *check_copies(Check *check) {
  static const char *const disagree = "its signed header is not that of the message";
  const char *why = NULL;
  g_autoptr(RawMessage) part = raw_message_new(check->content, &why);
  if (part == NULL)
    return "its signed part cannot be read";
  if (!is_type(part, "message/rfc822"))
    return copies_agree(check, part) ? NULL : disagree;
  g_autoptr(GBytes) octets = g_bytes_new(part->body, part->body_length);
  g_autoptr(RawMessage) inner = raw_message_new(octets, &why);
  return inner != NULL && copies_agree(check, inner) ? NULL : disagree;
}

/* --- SecureHeaderFields
 * ------------------------------------------------------------------------ */

/* Steps over one element of DER with this tag; *value is its content. */
static gboolean der_take(const guint8 **at, const guint8 *end, int tag, const guint8 **value,
                         gsize *length) {
  long size = 0;
  int found = 0, class = 0;
  const guint8 *p = *at;
  int head = ASN1_get_object(&p, &size, &found, &class, end - *at);
  if ((head & 0x80) != 0 || (head & 1) != 0 || class != V_ASN1_UNIVERSAL || found != tag)
    return FALSE;
  *value = p;
  *length = (gsize)size;
  *at = p + size;
  return TRUE;
}

static gboolean take_text(const guint8 **at, const guint8 *end, int tag, char **text) {
  const guint8 *value = NULL;
  gsize length = 0;
  if (!der_take(at, end, tag, &value, &length) || memchr(value, '\0', length) != NULL)
    return FALSE;
  *text = g_strndup((const char *)value, length);
  return TRUE;
}

static gboolean take_field(Check *check, const guint8 **at, const guint8 *end) {
  const guint8 *pair = NULL;
  gsize length = 0;
  g_autofree char *name = NULL, *value = NULL;
  if (!der_take(at, end, V_ASN1_SEQUENCE, &pair, &length))
    return FALSE;
  const guint8 *pair_end = pair + length;
  return take_text(&pair, pair_end, V_ASN1_VISIBLESTRING, &name) &&
         take_text(&pair, pair_end, V_ASN1_UTF8STRING, &value) && agrees(check, name, value);
}

static gboolean fields_agree(Check *check, const guint8 *der, gsize size) {
  const guint8 *end = der + size, *set = NULL, *value = NULL, *fields = NULL;
  gsize length = 0, fields_length = 0;
  if (!der_take(&der, end, V_ASN1_SET, &set, &length) || der != end)
    return FALSE;
  const guint8 *set_end = set + length;
  if (!der_take(&set, set_end, V_ASN1_ENUMERATED, &value, &length) ||
      !der_take(&set, set_end, V_ASN1_SEQUENCE, &fields, &fields_length))
    return FALSE;
  const guint8 *fields_end = fields + fields_length;
  while (fields < fields_end)
    if (!take_field(check, &fields, fields_end))
      return FALSE;
  return TRUE;
}

static const char *check_attribute(Check *check, CMS_SignerInfo *info) {
  g_autoptr(ASN1_OBJECT) object = OBJ_txt2obj(SMIME_SECURE_HEADER_FIELDS, 1);
  int index = CMS_signed_get_attr_by_OBJ(info, object, -1);
  if (index < 0)
    return NULL;
  const ASN1_STRING *value =
      X509_ATTRIBUTE_get0_data(CMS_signed_get_attr(info, index), 0, V_ASN1_SET, NULL);
  if (value == NULL || CMS_signed_get_attr_by_OBJ(info, object, index) >= 0 ||
      !fields_agree(check, ASN1_STRING_get0_data(value), (gsize)ASN1_STRING_length(value)))
    return "the header fields in its signature are not those of the message";
  return NULL;
}

/* --- the signature
 * ----------------------------------------------------------------------------- */

static X509_STORE *store_of(GBytes *roots, gint64 now) {
  X509_STORE *store = X509_STORE_new();
  X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(store), (time_t)(now / 1000));
  g_autoptr(X509Stack) chain = roots != NULL ? smime_read_chain(roots) : NULL;
  for (int i = 0; i < sk_X509_num(chain); i++)
    X509_STORE_add_cert(store, sk_X509_value(chain, i));
  return store;
}

static const char *check_signer(const Check *check, X509 *certificate) {
  g_autofree char *mailbox = smime_mailbox(certificate);
  g_autofree char *from =
      raw_message_count(check->outer, "from") == 1
          ? mime_text_mailbox(raw_message_first(check->outer, "from"), MAX_FIELD_OCTETS)
          : NULL;
  const char *why = smime_refuse_use(certificate);
  if (why != NULL)
    return why;
  return mailbox != NULL && from != NULL && g_ascii_strcasecmp(mailbox, from) == 0
             ? NULL
             : "its signer's certificate does not name the address in From";
}

/* Not a plain BIO in memory: of those CMS_verify of OpenSSL 3.0 makes one more, which it loses when
   it knows no digest of the signature. */
static BIO *octets_of(GBytes *content) {
  BIO *memory = BIO_new_mem_buf(g_bytes_get_data(content, NULL), (int)g_bytes_get_size(content));
  return BIO_push(BIO_new(BIO_f_null()), memory);
}

static const char *check_signature(Check *check, GBytes *roots, gint64 now) {
  g_autoptr(BIO) octets = octets_of(check->content);
  g_autoptr(X509_STORE) store = store_of(roots, now);
  STACK_OF(CMS_SignerInfo) *infos = CMS_get0_SignerInfos(check->cms);
  unsigned flags = CMS_BINARY | (roots == NULL ? CMS_NO_SIGNER_CERT_VERIFY : 0);
  if (infos == NULL || sk_CMS_SignerInfo_num(infos) != 1)
    return "it does not have exactly one signer";
  if (CMS_verify(check->cms, NULL, store, octets, NULL, flags) != 1)
    return roots == NULL ? "its S/MIME signature is wrong"
                         : "its S/MIME signature is wrong, or its signer is not trusted";
  CMS_SignerInfo *info = sk_CMS_SignerInfo_value(infos, 0);
  X509 *certificate = NULL;
  CMS_SignerInfo_get0_algs(info, NULL, &certificate, NULL, NULL);
  const char *why = certificate != NULL ? check_signer(check, certificate) : "it has no signer";
  return why != NULL ? why : check_attribute(check, info);
}

/* --- the message
 * ------------------------------------------------------------------------------- */

static gboolean take_signature(Check *check, const char *text, gsize length) {
  const char *why = NULL;
  g_auto(MimePart) part = {0};
  g_autoptr(GBytes) octets = g_bytes_new(text, length);
  g_autoptr(RawMessage) raw = raw_message_new(octets, &why);
  if (raw == NULL || !mime_part_read(&part, raw, &why) ||
      part.encoding == GMIME_CONTENT_ENCODING_DEFAULT)
    return FALSE;
  g_autoptr(GByteArray) der = mime_part_decode(&part, raw);
  if (der == NULL)
    return FALSE;
  const guint8 *at = der->data;
  check->cms = d2i_CMS_ContentInfo(NULL, &at, (long)der->len);
  return check->cms != NULL && at == der->data + der->len;
}

/* The two parts of multipart/signed; the line end before a delimiter belongs to the delimiter. */
static const char *take_parts(Check *check, const MimePart *whole) {
  MimeSplit split;
  const char *first = NULL, *second = NULL, *third = NULL;
  gsize first_length = 0, length = 0;
  if (whole->boundary == NULL)
    return "its parts cannot be told apart";
  mime_split_start(&split, check->outer->body, check->outer->body_length, whole->boundary);
  if (!mime_split_next(&split, &first, &first_length) || first_length < 2 ||
      !mime_split_next(&split, &second, &length) || !take_signature(check, second, length) ||
      mime_split_next(&split, &third, &length))
    return "it is not a part and its signature";
  check->content = g_bytes_new(first, first_length - 2);
  return NULL;
}

static gboolean is_smime(const RawMessage *message) {
  const RawField *field = raw_message_first(message, "content-type");
  if (field == NULL || !is_type(message, "multipart/signed"))
    return FALSE;
  g_autofree char *value = raw_field_value(field);
  g_autofree char *lower = g_ascii_strdown(value, -1);
  return strstr(lower, "pkcs7-signature") != NULL;
}

SmimeVerdict smime_check(GBytes *message, GBytes *roots, gint64 now, const char **why) {
  g_auto(MimePart) whole = {0};
  g_auto(Check) check = {0};
  *why = NULL;
  g_autoptr(RawMessage) outer = raw_message_new(message, why);
  if (outer == NULL)
    return SMIME_BAD;
  if (!is_smime(outer))
    return SMIME_UNSIGNED;
  check.outer = outer;
  if (mime_part_read(&whole, outer, why))
    *why = take_parts(&check, &whole);
  if (*why == NULL)
    *why = check_signature(&check, roots, now);
  if (*why == NULL)
    *why = check_copies(&check);
  if (*why == NULL && check.seen != ALL_NEEDED)
    *why = "its signature does not protect From, To and Subject";
  ERR_clear_error();
  return *why == NULL ? SMIME_GOOD : SMIME_BAD;
}
