/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/caa.h"

#include "ca/caa_iodef.h"
#include "ca/caa_value.h"

#include <string.h>

#define CRITICAL 0x80

/* RFC 8659 section 4.1: one property. */
typedef struct {
  guint8 flags;
  const char *tag;
  gsize tag_length;
  const char *value;
  gsize value_length;
} Property;

void caa_record_set_free(CaaRecordSet *set) {
  if (set == NULL)
    return;
  g_free(set->found_at);
  g_clear_pointer(&set->records, g_ptr_array_unref);
  g_free(set->text);
  g_free(set);
}

const char *caa_parent(const char *domain) {
  const char *dot = strchr(domain, '.');
  return dot != NULL && dot[1] != '\0' ? dot + 1 : NULL;
}

static gboolean read_property(GBytes *record, Property *property) {
  gsize length;
  const guint8 *octets = g_bytes_get_data(record, &length);
  if (length < 2 || octets[1] < 1 || octets[1] > length - 2)
    return FALSE;
  property->flags = octets[0];
  property->tag = (const char *)octets + 2;
  property->tag_length = octets[1];
  property->value = property->tag + property->tag_length;
  property->value_length = length - 2 - property->tag_length;
  for (gsize i = 0; i < property->tag_length; i++)
    if (!g_ascii_isalnum(property->tag[i]))
      return FALSE;
  return TRUE;
}

static gboolean has_tag(const Property *property, const char *tag) {
  return property->tag_length == strlen(tag) &&
         g_ascii_strncasecmp(property->tag, tag, property->tag_length) == 0;
}

/* Tags that are understood: all but issuemail say nothing about mail. */
static gboolean is_known(const Property *property) {
  static const char *const known[] = {"issuemail", "issue",        "issuewild",   "iodef",
                                      "issuevmc",  "contactemail", "contactphone"};
  for (gsize i = 0; i < G_N_ELEMENTS(known); i++)
    if (has_tag(property, known[i]))
      return TRUE;
  return FALSE;
}

/* RFC 8657: a parameter given twice can never be satisfied. Parameters that are not ours to define
   are ignored (RFC 8659 section 4.2: their meaning is the issuer's alone). */
static const char *judge_parameters(const CaaValue *value, const CaaRequest *request) {
  guint accounts = 0, methods = 0;
  for (guint i = 0; i < value->parameters->len; i++) {
    const CaaParameter *parameter = value->parameters->pdata[i];
    if (strcmp(parameter->tag, "accounturi") == 0) {
      if (++accounts > 1 || g_strcmp0(parameter->value, request->account_url) != 0)
        return "its accounturi is not this account's";
    } else if (strcmp(parameter->tag, "validationmethods") == 0) {
      if (++methods > 1 || !caa_value_lists(parameter->value, request->method))
        return "its validationmethods do not include this one";
    }
  }
  return NULL;
}

/* NULL when the property permits the request, else why it does not. */
static const char *judge_property(const Property *property, const CaaRequest *request) {
  g_autoptr(CaaValue) value = caa_value_parse(property->value, property->value_length);
  if (value == NULL)
    return "its value is malformed and names nobody";
  if (*value->issuer == '\0')
    return "it permits nobody";
  if (!g_strv_contains(request->identities, value->issuer))
    return "it names another CA";
  return judge_parameters(value, request);
}

static const char *place(const CaaRecordSet *set) {
  return set->found_at != NULL ? set->found_at : "an unknown place";
}

static char *explain(const CaaRecordSet *set, GBytes *record, const char *why) {
  g_autofree char *text = caa_record_text(record);
  return g_strdup_printf("CAA at %s: %s: %s", place(set), text, why);
}

/* What decides about a record set that is there. */
typedef struct {
  CaaVerdict verdict;
  GBytes *record; /* of the set; NULL: no issuemail property */
  const char *why;
} Decision;

/* What cannot be read might forbid; what is critical and not understood does (RFC 8659
 * section 4.1). */
static gboolean is_forbidden_outright(const CaaRecordSet *set, Decision *decision) {
  for (guint i = 0; i < set->records->len; i++) {
    Property property;
    const char *why = NULL;
    if (!read_property(set->records->pdata[i], &property))
      why = "the record is malformed";
    else if ((property.flags & CRITICAL) != 0 && !is_known(&property))
      why = "it is critical and not understood";
    if (why != NULL) {
      *decision = (Decision){CAA_FORBIDDEN, set->records->pdata[i], why};
      return TRUE;
    }
  }
  return FALSE;
}

static Decision decide(const CaaRecordSet *set, const CaaRequest *request) {
  Decision decision = {CAA_PERMITTED, NULL, NULL};
  if (is_forbidden_outright(set, &decision))
    return decision;
  for (guint i = 0; i < set->records->len; i++) {
    Property property;
    GBytes *record = set->records->pdata[i];
    if (!read_property(record, &property) || !has_tag(&property, "issuemail"))
      continue;
    const char *why = judge_property(&property, request);
    if (why == NULL)
      return (Decision){CAA_PERMITTED, record, "permitted"};
    if (decision.record == NULL)
      decision = (Decision){CAA_FORBIDDEN, record, why};
  }
  return decision;
}

static CaaVerdict judge_records(const CaaRecordSet *set, const CaaRequest *request,
                                char **explanation) {
  Decision decision = decide(set, request);
  *explanation = decision.record != NULL
                     ? explain(set, decision.record, decision.why)
                     : g_strdup_printf("CAA at %s: no issuemail property", place(set));
  return decision.verdict;
}

CaaVerdict caa_judge(const CaaRecordSet *set, const CaaRequest *request, char **explanation) {
  g_autofree char *unused = NULL;
  char **text = explanation != NULL ? explanation : &unused;
  switch (set->outcome) {
  case RESOLVER_NONE:
    *text = g_strdup("no CAA records");
    return CAA_PERMITTED;
  case RESOLVER_FOUND:
    return judge_records(set, request, text);
  case RESOLVER_BOGUS:
    *text =
        g_strdup_printf("CAA: DNSSEC validation failed: %s", set->text != NULL ? set->text : "");
    return CAA_FORBIDDEN;
  case RESOLVER_TEMPORARY:
  default:
    *text = g_strdup_printf("CAA: no answer: %s", set->text != NULL ? set->text : "");
    return CAA_TRY_AGAIN;
  }
}

char *caa_refusing_record(const CaaRecordSet *set, const CaaRequest *request) {
  if (set->outcome != RESOLVER_FOUND || set->found_at == NULL)
    return NULL;
  Decision decision = decide(set, request);
  if (decision.verdict != CAA_FORBIDDEN)
    return NULL;
  g_autofree char *text = caa_record_text(decision.record);
  return g_strdup_printf("%s. CAA %s", set->found_at, text);
}

static gint compare_mailboxes(gconstpointer a, gconstpointer b) {
  const Mailbox *const *left = a, *const *right = b;
  return strcmp((*left)->canonical, (*right)->canonical);
}

static gboolean is_same_mailbox(gconstpointer a, gconstpointer b) {
  return mailbox_equal(a, b, FALSE);
}

GPtrArray *caa_report_mailboxes(const CaaRecordSet *set) {
  GPtrArray *mailboxes = g_ptr_array_new_with_free_func((GDestroyNotify)mailbox_free);
  for (guint i = 0; i < set->records->len; i++) {
    Property property;
    if (!read_property(set->records->pdata[i], &property) || !has_tag(&property, "iodef"))
      continue;
    g_autoptr(Mailbox) mailbox = caa_iodef_mailbox(property.value, property.value_length);
    if (mailbox != NULL &&
        !g_ptr_array_find_with_equal_func(mailboxes, mailbox, is_same_mailbox, NULL))
      g_ptr_array_add(mailboxes, g_steal_pointer(&mailbox));
  }
  g_ptr_array_sort(mailboxes, compare_mailboxes);
  return mailboxes;
}

/* RFC 3597 section 5. */
static char *generic_text(GBytes *record) {
  gsize length;
  const guint8 *octets = g_bytes_get_data(record, &length);
  GString *text = g_string_new(NULL);
  g_string_append_printf(text, "\\# %" G_GSIZE_FORMAT, length);
  for (gsize i = 0; i < length; i++)
    g_string_append_printf(text, "%s%02x", i == 0 ? " " : "", octets[i]);
  return g_string_free(text, FALSE);
}

char *caa_record_text(GBytes *record) {
  Property property;
  if (!read_property(record, &property))
    return generic_text(record);
  GString *text = g_string_new(NULL);
  g_string_append_printf(text, "%u %.*s \"", property.flags, (int)property.tag_length,
                         property.tag);
  for (gsize i = 0; i < property.value_length; i++) {
    guchar c = (guchar)property.value[i];
    if (c == '"' || c == '\\')
      g_string_append_printf(text, "\\%c", c);
    else if (g_ascii_isprint((char)c))
      g_string_append_c(text, (char)c);
    else
      g_string_append_printf(text, "\\%03u", c);
  }
  g_string_append_c(text, '"');
  return g_string_free(text, FALSE);
}
