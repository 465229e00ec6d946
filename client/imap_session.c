/* SPDX-License-Identifier: Apache-2.0 */
#include "client/imap_session.h"

#include "base/log.h"
#include "client/failure.h"
#include "client/imap_reader.h"

#include <curl/curl.h>
#include <poll.h>
#include <string.h>

#define CONNECT_SECONDS 30
#define IDLE_SECONDS                                                                               \
  (9 * 60) /* RFC 2177: within 29 minutes; what stands between forgets sooner                      \
            */
#define NOOP_SECONDS 5
#define WORDS_MAX 300

struct ImapSession {
  CURL *curl;
  ImapReader *reader;
  char *server; /* for messages */
  guint tags;
  guint32 validity, next_uid;
  gboolean can_idle, idling, news;
  gint64 idle_until; /* monotonic microseconds */
};

/* What an untagged answer to a command is for; TRUE when it was taken. */
typedef void (*TakeAnswer)(ImapSession *session, const ImapAnswer *answer, gpointer user);

static gboolean fail(const ImapSession *session, const char *words, GError **error) {
  g_autofree char *shown = log_escape(words, WORDS_MAX);
  g_set_error(error, CLIENT_ERROR, CLIENT_NETWORK, "the IMAP server %s: %s", session->server,
              shown);
  return FALSE;
}

/* --- octets -------------------------------------------------------------------------------------
 */

/* FALSE when nothing came in time. */
static gboolean wait_socket(const ImapSession *session, short events, gint64 milliseconds) {
  curl_socket_t fd = CURL_SOCKET_BAD;
  curl_easy_getinfo(session->curl, CURLINFO_ACTIVESOCKET, &fd);
  struct pollfd waiting = {.fd = fd, .events = events};
  return poll(&waiting, 1, (int)CLAMP(milliseconds, 0, G_MAXINT)) > 0;
}

static gboolean send_text(ImapSession *session, const char *text, GError **error) {
  gsize left = strlen(text);
  gint64 until = g_get_monotonic_time() + IMAP_SECONDS * G_USEC_PER_SEC;
  while (left > 0) {
    size_t put = 0;
    CURLcode code = curl_easy_send(session->curl, text, left, &put);
    if (code == CURLE_AGAIN && g_get_monotonic_time() < until)
      wait_socket(session, POLLOUT, 1000);
    else if (code != CURLE_OK)
      return fail(session, curl_easy_strerror(code), error);
    text += put;
    left -= put;
  }
  return TRUE;
}

/* The next answer; NULL without error when none came within milliseconds. */
static ImapAnswer *next_answer(ImapSession *session, gint64 milliseconds, GError **error) {
  gint64 until = g_get_monotonic_time() + milliseconds * 1000;
  for (;;) {
    ImapAnswer *answer = NULL;
    ImapReaderResult result = imap_reader_next(session->reader, &answer);
    if (result == IMAP_READER_ANSWER)
      return answer;
    if (result == IMAP_READER_BROKEN) {
      fail(session, "its answer is too long or none", error);
      return NULL;
    }
    char buffer[16384];
    size_t got = 0;
    CURLcode code = curl_easy_recv(session->curl, buffer, sizeof buffer, &got);
    if (code == CURLE_OK && got > 0) {
      imap_reader_feed(session->reader, buffer, got);
      continue;
    }
    if (code != CURLE_AGAIN) {
      fail(session, code == CURLE_OK ? "it closed the connection" : curl_easy_strerror(code),
           error);
      return NULL;
    }
    gint64 left = (until - g_get_monotonic_time()) / 1000;
    if (left <= 0 || !wait_socket(session, POLLIN, left))
      return NULL;
  }
}

/* --- commands -----------------------------------------------------------------------------------
 */

static void take_untagged(ImapSession *session, const ImapAnswer *answer) {
  guint32 number = 0;
  if (imap_answer_number(answer->text, "EXISTS", &number))
    session->news = TRUE;
  if (imap_answer_code(answer->text, "UIDVALIDITY", &number))
    session->validity = number;
  if (imap_answer_code(answer->text, "UIDNEXT", &number))
    session->next_uid = number;
  if (imap_answer_offers(answer->text, "IDLE"))
    session->can_idle = TRUE;
}

/* Reads up to the tagged answer. */
static gboolean finish(ImapSession *session, const char *tag, TakeAnswer take, gpointer user,
                       GError **error) {
  g_autofree char *start = g_strconcat(tag, " ", NULL);
  gint64 until = g_get_monotonic_time() + IMAP_SECONDS * G_USEC_PER_SEC;
  for (;;) {
    gint64 left = MAX(until - g_get_monotonic_time(), 0) / 1000;
    g_autoptr(GError) reason = NULL;
    g_autoptr(ImapAnswer) answer = next_answer(session, left, &reason);
    if (reason != NULL) {
      g_propagate_error(error, g_steal_pointer(&reason));
      return FALSE;
    }
    if (answer == NULL || left == 0)
      return fail(session, "it does not answer", error);
    if (g_str_has_prefix(answer->text, start))
      return g_ascii_strncasecmp(answer->text + strlen(start), "OK", 2) == 0 ||
             fail(session, answer->text + strlen(start), error);
    if (g_ascii_strncasecmp(answer->text, "* BYE", 5) == 0)
      return fail(session, answer->text + 2, error);
    take_untagged(session, answer);
    if (take != NULL)
      take(session, answer, user);
  }
}

static gboolean begin(ImapSession *session, const char *command, char **tag, GError **error) {
  *tag = g_strdup_printf("S%u", ++session->tags);
  g_autofree char *line = g_strconcat(*tag, " ", command, "\r\n", NULL);
  return send_text(session, line, error);
}

static gboolean end_idle(ImapSession *session, GError **error) {
  if (!session->idling)
    return TRUE;
  session->idling = FALSE;
  g_autofree char *tag = g_strdup_printf("S%u", session->tags);
  return send_text(session, "DONE\r\n", error) && finish(session, tag, NULL, NULL, error);
}

static gboolean command(ImapSession *session, const char *text, TakeAnswer take, gpointer user,
                        GError **error) {
  g_autofree char *tag = NULL;
  return end_idle(session, error) && begin(session, text, &tag, error) &&
         finish(session, tag, take, user, error);
}

/* --- a session ----------------------------------------------------------------------------------
 */

static CURL *make_handle(const MailServer *server, char *reason) {
  CURL *curl = curl_easy_init();
  g_assert(curl != NULL);
  g_autofree char *url = g_strdup_printf(
      "%s://%s/", server->tls == MAIL_TLS_IMPLICIT ? "imaps" : "imap", server->server);
  curl_easy_setopt(curl, CURLOPT_URL, url);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "imap,imaps");
  curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
  curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
  mail_server_secure(curl, server);
  return curl;
}

static gboolean open_folder(ImapSession *session, const char *folder, GError **error) {
  g_autofree char *quoted = imap_quote(folder);
  if (quoted == NULL)
    return fail(session, "--imap-folder is ASCII, a name beyond it in modified UTF-7", error);
  g_autofree char *text = g_strconcat("EXAMINE ", quoted, NULL);
  if (!command(session, "CAPABILITY", NULL, NULL, error) ||
      !command(session, text, NULL, NULL, error))
    return FALSE;
  if (session->validity == 0 || session->next_uid == 0)
    return fail(session, "it does not say UIDVALIDITY and UIDNEXT", error);
  session->news = FALSE;
  return TRUE;
}

ImapSession *imap_session_new(const MailServer *server, const char *folder, GError **error) {
  char reason[CURL_ERROR_SIZE] = "";
  g_autoptr(ImapSession) session = g_new0(ImapSession, 1);
  session->server = g_strdup(server->server);
  session->reader = imap_reader_new();
  session->curl = make_handle(server, reason);
  CURLcode code = curl_easy_perform(session->curl);
  curl_easy_setopt(session->curl, CURLOPT_ERRORBUFFER, NULL);
  if (code != CURLE_OK) {
    fail(session, reason[0] != '\0' ? reason : curl_easy_strerror(code), error);
    return NULL;
  }
  return open_folder(session, folder, error) ? g_steal_pointer(&session) : NULL;
}

void imap_session_free(ImapSession *session) {
  if (session == NULL)
    return;
  curl_easy_cleanup(session->curl);
  imap_reader_free(session->reader);
  g_free(session->server);
  g_free(session);
}

guint32 imap_session_validity(const ImapSession *session) {
  return session->validity;
}

guint32 imap_session_next_uid(const ImapSession *session) {
  return session->next_uid;
}

/* --- messages -----------------------------------------------------------------------------------
 */

/* "N:*" is also the last message when that is below N. */
typedef struct {
  guint32 from;
  GArray *found;
} Search;

static void take_search(ImapSession *session, const ImapAnswer *answer, gpointer user) {
  Search *search = user;
  (void)session;
  g_autoptr(GArray) numbers = imap_answer_search(answer->text);
  for (guint i = 0; numbers != NULL && i < numbers->len; i++)
    if (g_array_index(numbers, guint32, i) >= search->from)
      g_array_append_val(search->found, g_array_index(numbers, guint32, i));
}

GArray *imap_session_search(ImapSession *session, guint32 from, GError **error) {
  g_autofree char *text = g_strdup_printf("UID SEARCH UID %u:*", from);
  Search search = {from, g_array_new(FALSE, FALSE, sizeof(guint32))};
  session->news = FALSE;
  if (command(session, text, take_search, &search, error))
    return search.found;
  g_array_unref(search.found);
  return NULL;
}

static void take_message(ImapSession *session, const ImapAnswer *answer, gpointer user) {
  GBytes **message = user;
  guint32 number = 0;
  (void)session;
  if (!imap_answer_number(answer->text, "FETCH", &number) || answer->literal == NULL)
    return;
  g_clear_pointer(message, g_bytes_unref);
  *message = g_bytes_ref(answer->literal);
}

GBytes *imap_session_fetch(ImapSession *session, guint32 uid, gsize max, GError **error) {
  g_autofree char *text =
      g_strdup_printf("UID FETCH %u BODY.PEEK[]<0.%" G_GSIZE_FORMAT ">", uid, max);
  GBytes *message = NULL;
  if (command(session, text, take_message, &message, error))
    return message;
  g_clear_pointer(&message, g_bytes_unref);
  return NULL;
}

/* --- waiting ------------------------------------------------------------------------------------
 */

static gboolean start_idle(ImapSession *session, GError **error) {
  g_autofree char *tag = NULL;
  if (!begin(session, "IDLE", &tag, error))
    return FALSE;
  session->idling = TRUE;
  session->idle_until = g_get_monotonic_time() + IDLE_SECONDS * G_USEC_PER_SEC;
  return TRUE;
}

/* The "+ " that begins it is an answer like others here: what counts is news. */
static gboolean wait_idling(ImapSession *session, gint64 until, GError **error) {
  while (!session->news && g_get_monotonic_time() < MIN(until, session->idle_until)) {
    g_autoptr(GError) reason = NULL;
    gint64 left = (MIN(until, session->idle_until) - g_get_monotonic_time()) / 1000;
    g_autoptr(ImapAnswer) answer = next_answer(session, MAX(left, 1), &reason);
    if (reason != NULL) {
      g_propagate_error(error, g_steal_pointer(&reason));
      return FALSE;
    }
    if (answer == NULL)
      continue;
    if (answer->text[0] != '*' && answer->text[0] != '+')
      return fail(session, answer->text, error);
    if (g_ascii_strncasecmp(answer->text, "* BYE", 5) == 0)
      return fail(session, answer->text + 2, error);
    take_untagged(session, answer);
  }
  return session->news || g_get_monotonic_time() < session->idle_until ? TRUE
                                                                       : end_idle(session, error);
}

static gboolean wait_asking(ImapSession *session, gint64 until, GError **error) {
  while (!session->news) {
    gint64 left = until - g_get_monotonic_time();
    if (left <= 0)
      return TRUE;
    g_usleep((gulong)MIN(left, NOOP_SECONDS * G_USEC_PER_SEC));
    if (!command(session, "NOOP", NULL, NULL, error))
      return FALSE;
  }
  return TRUE;
}

gboolean imap_session_wait(ImapSession *session, gint64 milliseconds, gboolean *news,
                           GError **error) {
  gint64 until = g_get_monotonic_time() + milliseconds * 1000;
  gboolean good = TRUE;
  if (!session->can_idle)
    good = wait_asking(session, until, error);
  else if (session->idling || session->news || start_idle(session, error))
    good = wait_idling(session, until, error);
  else
    good = FALSE;
  *news = session->news;
  return good;
}
