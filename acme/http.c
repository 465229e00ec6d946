/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/http.h"

#include <stdlib.h>
#include <string.h>

Response *response_new(void) {
  Response *response = g_new0(Response, 1);
  response->headers = g_ptr_array_new_full(HTTP_USUAL_HEADERS, g_free);
  return response;
}

void response_free(Response *response) {
  if (response == NULL)
    return;
  g_ptr_array_unref(response->headers);
  g_clear_pointer(&response->body, g_bytes_unref);
  g_free(response);
}

void response_header(Response *response, const char *name, const char *format, ...) {
  va_list values;
  va_start(values, format);
  g_ptr_array_add(response->headers, g_strdup(name));
  g_ptr_array_add(response->headers, g_strdup_vprintf(format, values));
  va_end(values);
}

const char *response_find_header(const Response *response, const char *name) {
  for (guint i = 0; i < response->headers->len; i += 2)
    if (strcmp(response->headers->pdata[i], name) == 0)
      return response->headers->pdata[i + 1];
  return NULL;
}

void response_json(Response *response, guint status, const char *content_type, json_t *document) {
  char *text = json_dumps(document, JSON_INDENT(2));
  json_decref(document);
  g_clear_pointer(&response->body, g_bytes_unref);
  response->status = status;
  response->body = g_bytes_new(text, strlen(text));
  free(text);
  response_header(response, "Content-Type", "%s", content_type);
}
