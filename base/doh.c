/* SPDX-License-Identifier: Apache-2.0 */
#include "base/doh.h"

#include "base/doh_message.h"

#include <curl/curl.h>
#include <string.h>

struct Doh {
  struct event_base *base;
  GBytes *ca;
  CURLM *multi;
  struct event *timer;
  struct curl_slist *header;
  GHashTable *questions; /* set of Question */
};

/* One question on its way. */
typedef struct {
  Doh *doh;
  CURL *curl; /* NULL: name was none, due says so */
  struct event *due;
  char *name;
  int type;
  GBytes *message;
  GByteArray *body;
  char why[CURL_ERROR_SIZE];
  gint64 deadline; /* g_get_monotonic_time */
  gboolean again;  /* on a connection of its own, for an older one broke */
  ResolverAnswered answered;
  gpointer user;
} Question;

static void question_free(gpointer data) {
  Question *question = data;
  if (question->curl != NULL) {
    curl_multi_remove_handle(question->doh->multi, question->curl);
    curl_easy_cleanup(question->curl);
  }
  if (question->due != NULL)
    event_free(question->due);
  g_free(question->name);
  g_clear_pointer(&question->message, g_bytes_unref);
  g_byte_array_unref(question->body);
  g_free(question);
}

/* --- what came of it
 * --------------------------------------------------------------------------------------------- */

static void fail(ResolverAnswer *answer, char *text) {
  *answer = (ResolverAnswer){
      .outcome = RESOLVER_TEMPORARY,
      .rdata = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref),
      .text = text,
  };
}

static gboolean is_message(CURL *curl) {
  const char *type = NULL;
  curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
  gsize length = strlen(DOH_MESSAGE_TYPE);
  return type != NULL && g_ascii_strncasecmp(type, DOH_MESSAGE_TYPE, length) == 0 &&
         strchr("; \t", type[length]) != NULL;
}

static void read_response(const Question *question, CURLcode result, ResolverAnswer *answer) {
  long status = 0;
  curl_easy_getinfo(question->curl, CURLINFO_RESPONSE_CODE, &status);
  if (result == CURLE_OPERATION_TIMEDOUT)
    fail(answer, g_strdup("no answer over HTTPS in time"));
  else if (result == CURLE_WRITE_ERROR)
    fail(answer, g_strdup("the answer is unusable: it is too large"));
  else if (result != CURLE_OK)
    fail(answer,
         g_strdup_printf("no answer over HTTPS: %s",
                         *question->why != '\0' ? question->why : curl_easy_strerror(result)));
  else if (status != 200)
    fail(answer, g_strdup_printf("no answer over HTTPS: status %ld", status));
  else if (!is_message(question->curl))
    fail(answer, g_strdup("the answer is unusable: it is no " DOH_MESSAGE_TYPE));
  else {
    g_autoptr(GBytes) body = g_bytes_new(question->body->data, question->body->len);
    doh_message_read(body, question->name, question->type, answer);
  }
}

static void deliver(Question *question, ResolverAnswer *answer) {
  ResolverAnswered answered = question->answered;
  gpointer user = question->user;
  g_hash_table_remove(question->doh->questions, question);
  answered(answer, user);
  doh_message_clear(answer);
}

/* The resolver may have ended a connection that was good for the question before; libcurl itself
   goes on over another one only where it had no word yet. */
static gboolean ask_again(Question *question, CURLcode result) {
  long connections = 0;
  gint64 left = (question->deadline - g_get_monotonic_time()) / 1000;
  curl_easy_getinfo(question->curl, CURLINFO_NUM_CONNECTS, &connections);
  if (result == CURLE_OK || result == CURLE_WRITE_ERROR || connections > 0 || question->again ||
      left <= 0)
    return FALSE;
  question->again = TRUE;
  g_byte_array_set_size(question->body, 0);
  *question->why = '\0';
  curl_multi_remove_handle(question->doh->multi, question->curl);
  curl_easy_setopt(question->curl, CURLOPT_FRESH_CONNECT, 1L);
  curl_easy_setopt(question->curl, CURLOPT_TIMEOUT_MS, (long)left);
  curl_multi_add_handle(question->doh->multi, question->curl);
  return TRUE;
}

/* Answers what libcurl has finished; outside of it, so that answered may ask on. */
static void take_finished(Doh *doh) {
  CURLMsg *message;
  int left = 0;
  while ((message = curl_multi_info_read(doh->multi, &left)) != NULL) {
    Question *question = NULL;
    ResolverAnswer answer;
    CURLcode result = message->data.result;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &question);
    if (ask_again(question, result))
      continue;
    read_response(question, result, &answer);
    deliver(question, &answer);
  }
}

static void on_impossible(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  ResolverAnswer answer;
  fail(&answer, g_strdup("not a domain name"));
  answer.outcome = RESOLVER_NONE;
  deliver(user, &answer);
}

/* --- libcurl on the loop
 * ----------------------------------------------------------------------------------------- */

static void act(Doh *doh, curl_socket_t socket, int flags) {
  int running = 0;
  curl_multi_socket_action(doh->multi, socket, flags, &running);
  take_finished(doh);
}

static void on_socket_ready(evutil_socket_t fd, short what, void *user) {
  act(user, fd,
      ((what & EV_READ) != 0 ? CURL_CSELECT_IN : 0) |
          ((what & EV_WRITE) != 0 ? CURL_CSELECT_OUT : 0));
}

static void on_timer(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  act(user, CURL_SOCKET_TIMEOUT, 0);
}

static int set_timer(CURLM *multi G_GNUC_UNUSED, long milliseconds, void *user) {
  Doh *doh = user;
  struct timeval wait = {milliseconds / 1000, milliseconds % 1000 * 1000};
  if (milliseconds < 0)
    evtimer_del(doh->timer);
  else
    evtimer_add(doh->timer, &wait);
  return 0;
}

/* The socket's event is what libcurl keeps for us beside it. */
static int watch(CURL *curl G_GNUC_UNUSED, curl_socket_t fd, int what, void *user, void *socket) {
  Doh *doh = user;
  struct event *event = socket;
  if (event != NULL)
    event_free(event);
  event = NULL;
  if (what != CURL_POLL_REMOVE) {
    short wanted = (short)(EV_PERSIST | ((what & CURL_POLL_IN) != 0 ? EV_READ : 0) |
                           ((what & CURL_POLL_OUT) != 0 ? EV_WRITE : 0));
    event = event_new(doh->base, fd, wanted, on_socket_ready, doh);
    event_add(event, NULL);
  }
  curl_multi_assign(doh->multi, fd, event);
  return 0;
}

/* --- asking
 * ------------------------------------------------------------------------------------------------------
 */

static size_t take_body(char *data, size_t size, size_t count, void *user) {
  Question *question = user;
  if (question->body->len + size * count > DOH_MAX_OCTETS)
    return 0;
  g_byte_array_append(question->body, (const guint8 *)data, (guint)(size * count));
  return size * count;
}

static void set_tls(CURL *curl, GBytes *ca) {
  gsize size = 0;
  const void *pem = g_bytes_get_data(ca, &size);
  struct curl_blob blob = {(void *)pem, size, CURL_BLOB_NOCOPY};
  curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
  curl_easy_setopt(curl, CURLOPT_CAPATH, NULL); /* else the system's would count beside ca */
  curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob);
}

static void set_request(Question *question, const char *url, int timeout) {
  CURL *curl = question->curl;
  gsize length = 0;
  const void *message = g_bytes_get_data(question->message, &length);
  curl_easy_setopt(curl, CURLOPT_URL, url);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
  curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
  curl_easy_setopt(curl, CURLOPT_PIPEWAIT, 1L); /* one connection for all questions */
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* whatever the environment says */
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, question->doh->header);
  curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)length);
  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, message);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, question);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, question->why);
  curl_easy_setopt(curl, CURLOPT_PRIVATE, question);
}

void doh_ask(Doh *doh, const char *url, const char *name, int type, int timeout,
             ResolverAnswered answered, gpointer user) {
  static const struct timeval now = {0, 0};
  Question *question = g_new0(Question, 1);
  question->doh = doh;
  question->name = g_strdup(name);
  question->type = type;
  question->message = doh_message_question(name, type);
  question->body = g_byte_array_new();
  question->deadline = g_get_monotonic_time() + (gint64)timeout * 1000;
  question->answered = answered;
  question->user = user;
  g_hash_table_add(doh->questions, question);
  if (question->message == NULL) {
    question->due = evtimer_new(doh->base, on_impossible, question);
    evtimer_add(question->due, &now);
    return;
  }
  question->curl = curl_easy_init();
  if (question->curl == NULL)
    g_error("libcurl gives no handle");
  set_request(question, url, timeout);
  set_tls(question->curl, doh->ca);
  curl_multi_add_handle(doh->multi, question->curl);
}

/* --- life
 * --------------------------------------------------------------------------------------------------------
 */

Doh *doh_new(struct event_base *base, GBytes *ca) {
  Doh *doh = g_new0(Doh, 1);
  doh->base = base;
  doh->ca = g_bytes_ref(ca);
  doh->questions = g_hash_table_new_full(NULL, NULL, question_free, NULL);
  doh->timer = evtimer_new(base, on_timer, doh);
  doh->header = curl_slist_append(NULL, "Content-Type: " DOH_MESSAGE_TYPE);
  doh->header = curl_slist_append(doh->header, "Accept: " DOH_MESSAGE_TYPE);
  doh->multi = curl_multi_init();
  if (doh->multi == NULL)
    g_error("libcurl gives no handle");
  /* Unbound takes ten at a time by default, and some ask for us and others. */
  curl_multi_setopt(doh->multi, CURLMOPT_MAX_HOST_CONNECTIONS, 2L);
  curl_multi_setopt(doh->multi, CURLMOPT_SOCKETFUNCTION, watch);
  curl_multi_setopt(doh->multi, CURLMOPT_SOCKETDATA, doh);
  curl_multi_setopt(doh->multi, CURLMOPT_TIMERFUNCTION, set_timer);
  curl_multi_setopt(doh->multi, CURLMOPT_TIMERDATA, doh);
  return doh;
}

void doh_free(Doh *doh) {
  if (doh == NULL)
    return;
  g_hash_table_unref(doh->questions);
  curl_multi_cleanup(doh->multi);
  curl_slist_free_all(doh->header);
  event_free(doh->timer);
  g_bytes_unref(doh->ca);
  g_free(doh);
}
