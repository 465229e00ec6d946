/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/perspective_judge.h"

#include "mime/dkim.h"
#include "store/perspective_answer.h"

#include <string.h>

/* The first answer of a perspective to a question; NULL: it gave none. */
static const PerspectiveAnswer *answer_of(GPtrArray *answers, const Perspective *perspective,
                                          int type, const char *question) {
  for (guint i = 0; answers != NULL && i < answers->len; i++) {
    const PerspectiveAnswer *answer = answers->pdata[i];
    if (answer->type == type && strcmp(answer->perspective, perspective->name) == 0 &&
        strcmp(answer->question, question) == 0)
      return answer;
  }
  return NULL;
}

static void add_words(GString *text, const Perspective *perspective, const char *words) {
  g_string_append_printf(text, "%s%s: %s", text->len > 0 ? "; " : "", perspective->name, words);
}

/* --- CAA
 * ---------------------------------------------------------------------------------------------------------
 */

static CaaVerdict judge_one(const CaaRequest *request, const PerspectiveAnswer *answer,
                            char **explanation) {
  if (answer == NULL) {
    *explanation = g_strdup("not asked");
    return CAA_TRY_AGAIN;
  }
  CaaRecordSet set = {
      .found_at = answer->found_at,
      .outcome = answer->outcome,
      .secure = answer->secure,
      .records = answer->data,
      .text = answer->text,
  };
  return caa_judge(&set, request, explanation);
}

CaaVerdict perspective_judge_caa(const Config *config, const CaaRequest *request,
                                 const char *domain, GPtrArray *answers, char **explanation) {
  g_autoptr(GPtrArray) list = perspective_list(config);
  g_autoptr(GString) others = g_string_new(NULL);
  guint quorum = perspective_quorum(config, list->len), counts[] = {0, 0, 0};
  *explanation = NULL;
  if (list->len == 0)
    return CAA_PERMITTED;
  for (guint i = 0; i < list->len; i++) {
    g_autofree char *why = NULL;
    const PerspectiveAnswer *answer = answer_of(answers, list->pdata[i], RESOLVER_CAA, domain);
    CaaVerdict verdict = judge_one(request, answer, &why);
    counts[verdict]++;
    if (verdict != CAA_PERMITTED)
      add_words(others, list->pdata[i], why);
  }
  gboolean enough = counts[CAA_PERMITTED] >= quorum;
  *explanation = g_strdup_printf("%s%u of %u network perspectives permit it, %u must%s%s",
                                 enough ? "" : "only ", counts[CAA_PERMITTED], list->len, quorum,
                                 others->len > 0 ? ": " : "", others->str);
  if (enough)
    return CAA_PERMITTED;
  return counts[CAA_PERMITTED] + counts[CAA_TRY_AGAIN] >= quorum ? CAA_TRY_AGAIN : CAA_FORBIDDEN;
}

/* --- DKIM keys
 * ---------------------------------------------------------------------------------------------------
 */

/* NULL when the perspective sees the signature's key. */
static const char *key_fault(const DkimSignature *signature, const PerspectiveAnswer *answer) {
  if (answer == NULL)
    return "not asked";
  if (answer->outcome != RESOLVER_FOUND)
    return answer->text;
  g_autofree char *text = answer->data->len == 1 ? resolver_txt(answer->data->pdata[0]) : NULL;
  g_autofree char *record = text != NULL ? dkim_record_clean(text) : NULL;
  return g_strcmp0(record, signature->key_record) == 0 ? NULL : "another key record";
}

static void judge_key(DkimSignature *signature, GPtrArray *list, guint quorum, GPtrArray *answers,
                      GString *summary) {
  g_autoptr(GString) others = g_string_new(NULL);
  guint same = 0;
  for (guint i = 0; i < list->len; i++) {
    const char *fault =
        key_fault(signature, answer_of(answers, list->pdata[i], RESOLVER_TXT, signature->question));
    if (fault == NULL)
      same++;
    else
      add_words(others, list->pdata[i], fault);
  }
  if (list->len > 0)
    g_string_append_printf(
        summary, "%s%s: %u of %u network perspectives see its key record, %u must",
        summary->len > 0 ? "; " : "", signature->question, same, list->len, quorum);
  if (same >= quorum)
    return;
  signature->result = DKIM_TEMPORARY;
  signature->reason =
      g_strdup_printf("only %u of %u network perspectives see its key record, %u must: %s", same,
                      list->len, quorum, others->str);
}

char *perspective_judge_keys(const Config *config, GPtrArray *signatures, GPtrArray *answers) {
  g_autoptr(GPtrArray) list = perspective_list(config);
  g_autoptr(GString) summary = g_string_new(NULL);
  for (guint i = 0; i < signatures->len; i++) {
    DkimSignature *signature = signatures->pdata[i];
    if (signature->result == DKIM_PASS)
      judge_key(signature, list, perspective_quorum(config, list->len), answers, summary);
  }
  return summary->len > 0 ? g_strdup(summary->str) : NULL;
}

/* --- records
 * -----------------------------------------------------------------------------------------------------
 */

static char *mx_text(GBytes *data) {
  guint preference = 0;
  g_autofree char *host = resolver_mx(data, &preference);
  return host != NULL ? g_strdup_printf("%u %s", preference, host) : g_strdup("malformed");
}

static char *txt_text(GBytes *data) {
  g_autofree char *text = resolver_txt(data);
  return text != NULL ? dkim_record_clean(text) : g_strdup("malformed");
}

static char *record_text(int type, GBytes *data) {
  return type == RESOLVER_CAA  ? caa_record_text(data)
         : type == RESOLVER_MX ? mx_text(data)
                               : txt_text(data);
}

static char *records_text(const PerspectiveAnswer *answer) {
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < answer->data->len; i++) {
    g_autofree char *record = record_text(answer->type, answer->data->pdata[i]);
    g_string_append_printf(text, "%s%s", i > 0 ? "; " : "", record);
  }
  return g_string_free(text, FALSE);
}

static const char *url_of(GPtrArray *list, const char *name) {
  for (guint i = 0; i < list->len; i++) {
    const Perspective *perspective = list->pdata[i];
    if (strcmp(perspective->name, name) == 0)
      return perspective->url;
  }
  return "";
}

static gboolean record_one(Acme *acme, const Id *subject, GPtrArray *list,
                           const PerspectiveAnswer *answer, GError **error) {
  static const char *const outcomes[] = {[RESOLVER_TEMPORARY] = "failed",
                                         [RESOLVER_BOGUS] = "bogus",
                                         [RESOLVER_NONE] = "none",
                                         [RESOLVER_FOUND] = "found"};
  const char *type = answer->type == RESOLVER_CAA  ? "CAA"
                     : answer->type == RESOLVER_MX ? "MX"
                                                   : "TXT";
  g_autofree char *question = g_strdup_printf("%s %s", type, answer->question);
  g_autofree char *records = records_text(answer);
  g_autofree char *place =
      answer->found_at != NULL ? g_strdup_printf("found at %s", answer->found_at) : NULL;
  PerspectiveRow row = {
      .subject = *subject,
      .at = answer->at,
      .question = question,
      .perspective = answer->perspective,
      .url = url_of(list, answer->perspective),
      .outcome = outcomes[answer->outcome],
      .secure = answer->secure,
      .records = records,
      .reason = place != NULL ? place : answer->text,
  };
  return perspective_row_insert(acme->store, &row, error);
}

gboolean perspective_record(Acme *acme, const Id *subject, GPtrArray *answers, GError **error) {
  g_autoptr(GPtrArray) list = perspective_list(acme->config);
  for (guint i = 0; answers != NULL && i < answers->len; i++)
    if (!record_one(acme, subject, list, answers->pdata[i], error))
      return FALSE;
  return TRUE;
}
