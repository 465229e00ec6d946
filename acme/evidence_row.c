/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/evidence_row.h"

#include <string.h>

const char *evidence_text(const json_t *row, const char *name) {
  const char *text = json_string_value(json_object_get(row, name));
  return text != NULL ? text : "";
}

gint64 evidence_number(const json_t *row, const char *name) {
  return json_integer_value(json_object_get(row, name));
}

GBytes *evidence_octets(const json_t *row, const char *name) {
  const char *text = evidence_text(json_object_get(row, name), "base64");
  gsize size = 0;
  guchar *octets = g_base64_decode(text, &size);
  return g_bytes_new_take(octets, size);
}

const json_t *evidence_next(const Evidence *evidence, const char *kind, const char *member,
                            const char *text, guint *at) {
  while (*at < evidence->rows->len) {
    const json_t *row = evidence->rows->pdata[(*at)++];
    if (strcmp(evidence_text(row, "evidence"), kind) == 0 &&
        (member == NULL || strcmp(evidence_text(row, member), text) == 0))
      return row;
  }
  return NULL;
}

const json_t *evidence_row(const Evidence *evidence, const char *kind) {
  guint at = 0;
  return evidence_next(evidence, kind, NULL, NULL, &at);
}
