/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl goes on where a relay lacks what a message needs: it sends a raw address without SMTPUTF8
   and mail without AUTH. So what both sides say is watched (smtp/dialogue.h), and the session ended
   before MAIL. The connection stays with the handle, for the next message. */
#include "smtp/sender_curl.h"
#include "base/log.h"
#include "smtp/dialogue.h"

#include <curl/curl.h>
#include <string.h>

#define REPLY_MAX 512 /* octets kept of a line */

typedef struct {
  const SenderRelay *relay;
  CURL *curl;
  Dialogue dialogue;
  char why[CURL_ERROR_SIZE];    /* libcurl's words */
  guint connections;            /* made so far */
  gint64 deadline;              /* monotonic */
  const SenderMessage *message; /* that is sent now */
  gsize offset;                 /* in it */
} Session;

/* --- what libcurl calls back
 * -------------------------------------------------------------------------------- */

static size_t give_message(char *buffer, size_t size, size_t count, void *user) {
  Session *session = user;
  gsize whole = 0;
  const char *text = g_bytes_get_data(session->message->message, &whole);
  gsize length = MIN(size * count, whole - session->offset);
  if (length > 0)
    memcpy(buffer, text + session->offset, length);
  session->offset += length;
  return length;
}

static int on_socket(void *user, curl_socket_t fd G_GNUC_UNUSED,
                     curlsocktype purpose G_GNUC_UNUSED) {
  Session *session = user;
  session->connections++;
  dialogue_connected(&session->dialogue);
  return CURL_SOCKOPT_OK;
}

static int on_said(CURL *curl G_GNUC_UNUSED, curl_infotype kind, char *data, size_t size,
                   void *user) {
  Session *session = user;
  g_autofree char *command =
      kind == CURLINFO_HEADER_OUT ? g_strndup(data, MIN(size, (gsize)REPLY_MAX)) : NULL;
  if (command != NULL)
    dialogue_say(&session->dialogue, command);
  return 0;
}

/* libcurl gives each line of the relay before it acts on it. */
static size_t on_heard(char *data, size_t size, size_t count, void *user) {
  Session *session = user;
  g_autofree char *line = g_strndup(data, MIN(size * count, (gsize)REPLY_MAX));
  g_strchomp(line);
  return dialogue_hear(&session->dialogue, line) ? size * count : 0;
}

/* --- what libcurl is told
 * ------------------------------------------------------------------------------------ */

static void set_relay(CURL *curl, const SenderRelay *relay) {
  g_autofree char *name = g_uri_escape_string(relay->ehlo, NULL, FALSE);
  g_autofree char *url =
      g_strdup_printf("%s://%s:%u/%s", relay->tls == SENDER_TLS_IMPLICIT ? "smtps" : "smtp",
                      relay->host, relay->port, name);
  long seconds = (long)relay->timeout_seconds;
  curl_easy_setopt(curl, CURLOPT_URL, url);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
  curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* whatever the environment says */
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, seconds);
  curl_easy_setopt(curl, CURLOPT_SERVER_RESPONSE_TIMEOUT, seconds);
}

/* Anchors come from relay->ca alone: without CAPATH NULL the system's would count beside them. */
static void set_tls(CURL *curl, const SenderRelay *relay) {
  static const long ways[] = {[SENDER_TLS_OFF] = CURLUSESSL_NONE,
                              [SENDER_TLS_OPPORTUNISTIC] = CURLUSESSL_TRY,
                              [SENDER_TLS_STARTTLS] = CURLUSESSL_ALL,
                              [SENDER_TLS_IMPLICIT] = CURLUSESSL_ALL};
  gboolean demanded = relay->tls >= SENDER_TLS_STARTTLS;
  curl_easy_setopt(curl, CURLOPT_USE_SSL, ways[relay->tls]);
  curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, demanded ? 1L : 0L);
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, demanded ? 2L : 0L);
  curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
  if (demanded) {
    gsize size = 0;
    const void *pem = g_bytes_get_data(relay->ca, &size);
    struct curl_blob blob = {(void *)pem, size, CURL_BLOB_NOCOPY};
    curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob);
  }
}

/* The password is safe in TLS, so the plainest ways do. */
static void set_user(CURL *curl, const SenderRelay *relay) {
  if (relay->user == NULL)
    return;
  curl_easy_setopt(curl, CURLOPT_USERNAME, relay->user);
  curl_easy_setopt(curl, CURLOPT_PASSWORD, relay->password);
  curl_easy_setopt(curl, CURLOPT_LOGIN_OPTIONS, "AUTH=PLAIN;AUTH=LOGIN");
}

static void set_callbacks(Session *session) {
  CURL *curl = session->curl;
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, session->why);
  curl_easy_setopt(curl, CURLOPT_SOCKOPTFUNCTION, on_socket);
  curl_easy_setopt(curl, CURLOPT_SOCKOPTDATA, session);
  curl_easy_setopt(curl, CURLOPT_VERBOSE, 1L); /* on_said is not called without */
  curl_easy_setopt(curl, CURLOPT_DEBUGFUNCTION, on_said);
  curl_easy_setopt(curl, CURLOPT_DEBUGDATA, session);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_heard);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, session);
  curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(curl, CURLOPT_READFUNCTION, give_message);
  curl_easy_setopt(curl, CURLOPT_READDATA, session);
}

/* --- what becomes of a message
 * ----------------------------------------------------------------------------- */

static gboolean is_tls_failure(CURLcode result) {
  static const CURLcode failures[] = {CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION,
                                      CURLE_USE_SSL_FAILED,    CURLE_SSL_CERTPROBLEM,
                                      CURLE_SSL_CIPHER,        CURLE_SSL_CACERT_BADFILE,
                                      CURLE_SSL_ISSUER_ERROR};
  for (gsize i = 0; i < G_N_ELEMENTS(failures); i++)
    if (result == failures[i])
      return TRUE;
  return FALSE;
}

/* Of the session, before TLS: what was asked for did not come about. */
static gboolean misses_tls(const Session *session, CURLcode result) {
  const Dialogue *dialogue = &session->dialogue;
  return session->relay->tls >= SENDER_TLS_STARTTLS && dialogue->step <= DIALOGUE_STARTTLS &&
         (dialogue->lack == DIALOGUE_LACKS_TLS || is_tls_failure(result) ||
          (dialogue->step == DIALOGUE_STARTTLS && result != CURLE_OPERATION_TIMEDOUT));
}

/* Why there was no answer that settles the message. */
static char *broken(const Session *session, CURLcode result) {
  long number = 0;
  curl_easy_getinfo(session->curl, CURLINFO_OS_ERRNO, &number);
  switch (result) {
  case CURLE_OPERATION_TIMEDOUT:
    return g_strdup("the relay did not answer in time");
  case CURLE_COULDNT_RESOLVE_HOST:
    return g_strdup("no address of the relay");
  case CURLE_COULDNT_CONNECT:
    return g_strdup_printf("no connection to the relay: %s", g_strerror((int)number));
  case CURLE_WRITE_ERROR:
    return g_strdup("the session with the relay broke: its answer is no SMTP");
  case CURLE_LOGIN_DENIED:
    return g_strdup("the relay takes no user name by AUTH PLAIN or LOGIN");
  default:
    return g_strdup_printf("the session with the relay broke: %s", curl_easy_strerror(result));
  }
}

static void settle_lack(SenderMessage *message, DialogueLack lack) {
  static const struct {
    SenderOutcome outcome;
    const char *words;
  } lacks[] = {
      [DIALOGUE_LACKS_TLS] = {SENDER_NO_TLS, "no TLS with the relay: it does not offer STARTTLS"},
      [DIALOGUE_LACKS_AUTH] = {SENDER_TEMPORARY,
                               "the relay takes no user name: it does not offer AUTH"},
      [DIALOGUE_LACKS_UTF8] = {SENDER_PERMANENT,
                               "the relay does not offer SMTPUTF8 (RFC 6531), which an address "
                               "beyond ASCII needs"},
  };
  sender_message_settle(message, lacks[lack].outcome, 0, lacks[lack].words);
}

/* What a relay says before MAIL is about the session and not about the message. */
static SenderOutcome outcome_of_refusal(const Session *session) {
  const Dialogue *dialogue = &session->dialogue;
  if (dialogue->step == DIALOGUE_STARTTLS)
    return SENDER_NO_TLS;
  return dialogue->code / 100 == 5 && dialogue->step >= DIALOGUE_MAIL ? SENDER_PERMANENT
                                                                      : SENDER_TEMPORARY;
}

static void settle(const Session *session, SenderMessage *message, CURLcode result) {
  const Dialogue *dialogue = &session->dialogue;
  guint class = (guint)dialogue->code / 100;
  message->unanswered = dialogue->step < DIALOGUE_MAIL ||
                        (dialogue->step == DIALOGUE_MAIL && dialogue->words == NULL);
  message->withheld = dialogue->step < DIALOGUE_MESSAGE && dialogue->words == NULL;
  if (dialogue->step == DIALOGUE_MESSAGE && class == 2 && result == CURLE_OK) {
    sender_message_settle(message, SENDER_ACCEPTED, dialogue->code, dialogue->words);
  } else if (class == 4 || class == 5) {
    sender_message_settle(message, outcome_of_refusal(session), dialogue->code, dialogue->words);
  } else if (dialogue->lack != DIALOGUE_LACKS_NOTHING) {
    settle_lack(message, dialogue->lack);
  } else if (misses_tls(session, result)) {
    g_autofree char *text =
        g_strdup_printf("no TLS with the relay: %s",
                        *session->why != '\0' ? session->why : curl_easy_strerror(result));
    sender_message_settle(message, SENDER_NO_TLS, 0, text);
  } else {
    g_autofree char *text = broken(session, result);
    sender_message_settle(message, SENDER_TEMPORARY, 0, text);
  }
}

static CURLcode send_one(Session *session, SenderMessage *message) {
  struct curl_slist *recipients = curl_slist_append(NULL, message->to);
  gsize size = g_bytes_get_size(message->message);
  session->message = message;
  session->offset = 0;
  *session->why = '\0';
  dialogue_begin(&session->dialogue);
  curl_easy_setopt(session->curl, CURLOPT_MAIL_FROM, message->from);
  curl_easy_setopt(session->curl, CURLOPT_MAIL_RCPT, recipients);
  curl_easy_setopt(session->curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)size);
  CURLcode result = curl_easy_perform(session->curl);
  settle(session, message, result);
  curl_easy_setopt(session->curl, CURLOPT_MAIL_RCPT, NULL);
  curl_slist_free_all(recipients);
  return result;
}

static void go_without_tls(Session *session, const SenderMessage *message) {
  g_autofree char *name = sender_relay_name(session->relay);
  log_info("no TLS with the relay, going on without", "relay", name, "reason", message->text, NULL);
  session->dialogue.tls = SENDER_TLS_OFF;
  curl_easy_setopt(session->curl, CURLOPT_USE_SSL, (long)CURLUSESSL_NONE);
}

/* FALSE: the session ended before an answer to MAIL. */
static gboolean send_until_answered(Session *session, SenderMessage *message) {
  guint connections = session->connections;
  CURLcode result = send_one(session, message);
  /* The relay may have closed a connection that was good for the message before. */
  if (message->unanswered && connections > 0 && session->connections == connections)
    result = send_one(session, message);
  if (is_tls_failure(result) && session->dialogue.tls == SENDER_TLS_OPPORTUNISTIC) {
    go_without_tls(session, message);
    send_one(session, message);
  }
  return !message->unanswered;
}

static gboolean is_seven_bit(GBytes *message) {
  gsize size = 0;
  const guchar *text = g_bytes_get_data(message, &size);
  for (gsize i = 0; i < size; i++)
    if (text[i] > 0x7F)
      return FALSE;
  return TRUE;
}

/* libcurl's other limits start anew with each answer, and an answer may have lines without end.
   FALSE: no message is begun any more, lest it be cut off in the middle. */
static gboolean set_time(Session *session) {
  gint64 left = session->deadline - g_get_monotonic_time();
  if (left < session->relay->timeout_seconds * G_USEC_PER_SEC)
    return FALSE;
  curl_easy_setopt(session->curl, CURLOPT_TIMEOUT_MS, (long)(left / 1000));
  return TRUE;
}

/* FALSE: the session ended before an answer to MAIL. */
static gboolean send_next(Session *session, SenderMessage *message) {
  if (!set_time(session)) {
    sender_message_settle(message, SENDER_TEMPORARY, 0, "the relay did not answer in time");
    message->unanswered = message->withheld = TRUE;
    return FALSE;
  }
  if (session->dialogue.needs_utf8 || is_seven_bit(message->message))
    return send_until_answered(session, message);
  sender_message_settle(message, SENDER_PERMANENT, 0, /* libcurl has no BODY=8BITMIME */
                        "a message that is not 7-bit cannot be sent over TLS");
  return TRUE;
}

static void set_all(Session *session) {
  session->curl = curl_easy_init();
  if (session->curl == NULL)
    g_error("libcurl gives no handle");
  set_relay(session->curl, session->relay);
  set_tls(session->curl, session->relay);
  set_user(session->curl, session->relay);
  set_callbacks(session);
}

void sender_curl_send(const SenderRelay *relay, GPtrArray *messages, gboolean utf8) {
  Session session = {.relay = relay};
  session.deadline =
      g_get_monotonic_time() + relay->timeout_seconds * SENDER_SESSION_STEPS * G_USEC_PER_SEC;
  session.dialogue.tls = relay->tls;
  session.dialogue.needs_auth = relay->user != NULL;
  session.dialogue.needs_utf8 = utf8;
  set_all(&session);
  gboolean going = TRUE;
  for (guint i = 0; i < messages->len; i++) {
    if (going)
      going = send_next(&session, messages->pdata[i]);
    else
      sender_message_copy(messages->pdata[i], messages->pdata[i - 1]);
  }
  curl_easy_cleanup(session.curl); /* says QUIT, whose answer on_heard hears */
  dialogue_clear(&session.dialogue);
}
