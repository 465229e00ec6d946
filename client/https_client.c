/* SPDX-License-Identifier: Apache-2.0 */
#include "client/https_client.h"

#include "base/log.h"
#include "client/failure.h"

#include <curl/curl.h>
#include <string.h>

/* RFC 8555 section 6.1: the language of what this program says itself. */
#define LANGUAGE "Accept-Language: en"

struct HttpsClient {
  CURL *curl;
  struct curl_slist *fields, *jose; /* of each request, of a POST */
  char *user_agent, *ca_file;
  gint64 deadline;
};

HttpsClient *https_client_new(const char *ca_file, gint64 deadline) {
  HttpsClient *client = g_new0(HttpsClient, 1);
  client->curl = curl_easy_init();
  g_assert(client->curl != NULL);
  client->fields = curl_slist_append(NULL, LANGUAGE);
  client->jose = curl_slist_append(NULL, LANGUAGE);
  client->jose = curl_slist_append(client->jose, "Content-Type: application/jose+json");
  client->user_agent = g_strdup_printf("signet/" SIGNET_VERSION " libcurl/%s",
                                       curl_version_info(CURLVERSION_NOW)->version);
  client->ca_file = g_strdup(ca_file);
  client->deadline = deadline;
  return client;
}

void https_client_free(HttpsClient *client) {
  if (client == NULL)
    return;
  curl_easy_cleanup(client->curl);
  curl_slist_free_all(client->fields);
  curl_slist_free_all(client->jose);
  g_free(client->user_agent);
  g_free(client->ca_file);
  g_free(client);
}

void https_answer_free(HttpsAnswer *answer) {
  if (answer == NULL)
    return;
  g_free(answer->content_type);
  g_free(answer->location);
  g_free(answer->nonce);
  g_free(answer->retry_after);
  g_byte_array_unref(answer->body);
  g_free(answer);
}

static size_t take_body(char *data, size_t size, size_t count, void *user) {
  GByteArray *body = user;
  size_t length = size * count;
  if (length > HTTPS_MAX_BODY - body->len)
    return 0;
  g_byte_array_append(body, (const guint8 *)data, (guint)length);
  return length;
}

/* Milliseconds for the next request; 0 when the deadline has passed. */
static long time_left(const HttpsClient *client) {
  gint64 left = (client->deadline - g_get_monotonic_time()) / 1000;
  return (long)CLAMP(left, 0, HTTPS_REQUEST_SECONDS * 1000);
}

static void set_common(HttpsClient *client, const char *url, GByteArray *body, char *reason) {
  CURL *curl = client->curl;
  curl_easy_reset(curl);
  curl_easy_setopt(curl, CURLOPT_URL, url);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, client->user_agent);
  curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)HTTPS_CONNECT_SECONDS);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, MAX(time_left(client), 1L));
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
  if (client->ca_file != NULL) {
    curl_easy_setopt(curl, CURLOPT_CAINFO, client->ca_file);
    curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
  }
}

static char *field(CURL *curl, const char *name) {
  struct curl_header *found = NULL;
  if (curl_easy_header(curl, name, 0, CURLH_HEADER, -1, &found) != CURLHE_OK)
    return NULL;
  return g_strdup(found->value);
}

static char *media_type(CURL *curl) {
  char *type = field(curl, "Content-Type");
  if (type == NULL)
    return NULL;
  type[strcspn(type, "; \t")] = '\0';
  for (char *p = type; *p != '\0'; p++)
    *p = g_ascii_tolower(*p);
  return type;
}

static HttpsAnswer *read_answer(CURL *curl, GByteArray *body) {
  HttpsAnswer *answer = g_new0(HttpsAnswer, 1);
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
  answer->content_type = media_type(curl);
  answer->location = field(curl, "Location");
  answer->nonce = field(curl, "Replay-Nonce");
  answer->retry_after = field(curl, "Retry-After");
  answer->body = g_byte_array_ref(body);
  return answer;
}

static HttpsAnswer *perform(HttpsClient *client, const char *url, GByteArray *body,
                            const char *reason, GError **error) {
  CURLcode code = curl_easy_perform(client->curl);
  if (code == CURLE_OK)
    return read_answer(client->curl, body);
  g_autofree char *words = log_escape(reason[0] != '\0' ? reason : curl_easy_strerror(code), 300);
  g_autofree char *where = log_escape(url, 300);
  if (code == CURLE_OPERATION_TIMEDOUT && time_left(client) == 0)
    g_set_error(error, CLIENT_ERROR, CLIENT_TIMEOUT, "the time given by --timeout is over (%s)",
                where);
  else
    g_set_error(error, CLIENT_ERROR, CLIENT_NETWORK, "%s: %s", where, words);
  return NULL;
}

static HttpsAnswer *request(HttpsClient *client, const char *url, CURLoption what, const char *jws,
                            GError **error) {
  char reason[CURL_ERROR_SIZE] = "";
  g_autoptr(GByteArray) body = g_byte_array_new();
  set_common(client, url, body, reason);
  if (jws != NULL) {
    curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, client->jose);
    curl_easy_setopt(client->curl, CURLOPT_POSTFIELDSIZE, (long)strlen(jws));
    curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, jws);
  } else {
    curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, client->fields);
    curl_easy_setopt(client->curl, what, 1L);
  }
  HttpsAnswer *answer = perform(client, url, body, reason, error);
  curl_easy_setopt(client->curl, CURLOPT_ERRORBUFFER, NULL);
  return answer;
}

HttpsAnswer *https_client_head(HttpsClient *client, const char *url, GError **error) {
  return request(client, url, CURLOPT_NOBODY, NULL, error);
}

HttpsAnswer *https_client_get(HttpsClient *client, const char *url, GError **error) {
  return request(client, url, CURLOPT_HTTPGET, NULL, error);
}

HttpsAnswer *https_client_post(HttpsClient *client, const char *url, const char *jws,
                               GError **error) {
  return request(client, url, CURLOPT_POST, jws, error);
}
