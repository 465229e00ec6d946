/* SPDX-License-Identifier: Apache-2.0 */
#include "client/mail_submission.h"

#include "base/config.h"
#include "base/log.h"
#include "client/failure.h"

#include <curl/curl.h>
#include <string.h>

#define WORDS_MAX 300

typedef struct {
  const guint8 *data;
  gsize left;
  gboolean needs_utf8;     /* an address is not ASCII (RFC 6531) */
  gboolean offered_utf8;   /* in the answer to the EHLO that counts */
  guint ehlo;              /* which 2xx of the server answers that one */
  guint answers;           /* 2xx so far */
  char refusal[WORDS_MAX]; /* the server's last 4xx or 5xx line; QUIT is answered after it */
} Upload;

static size_t give_message(char *buffer, size_t size, size_t count, void *user) {
  Upload *upload = user;
  gsize length = MIN(size * count, upload->left);
  if (length > 0)
    memcpy(buffer, upload->data, length);
  upload->data += length;
  upload->left -= length;
  return length;
}

/* libcurl gives each line before it acts on it, and sends an address beyond ASCII raw to a server
   that did not offer SMTPUTF8: 0, which ends the session, keeps it from that. */
static size_t take_line(char *data, size_t size, size_t count, void *user) {
  Upload *upload = user;
  gsize length = size * count;
  g_autofree char *line = g_strndup(data, length);
  g_strchomp(line);
  if (line[0] == '4' || line[0] == '5')
    g_strlcpy(upload->refusal, line, sizeof upload->refusal);
  if (upload->answers == upload->ehlo - 1 && strlen(line) > 4 &&
      g_ascii_strncasecmp(line + 4, "SMTPUTF8", 8) == 0)
    upload->offered_utf8 = TRUE;
  gboolean answered = line[0] == '2' && strlen(line) >= 3 && line[3] != '-';
  if (answered && ++upload->answers == upload->ehlo && upload->needs_utf8 && !upload->offered_utf8)
    return 0;
  return length;
}

gboolean mail_server_is_local(const char *server) {
  g_autofree char *host = NULL;
  guint16 port = 0;
  if (!config_split_peer(server, &host, &port))
    return FALSE;
  return g_ascii_strcasecmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 ||
         g_str_has_prefix(host, "127.");
}

/* The path is the EHLO name: the sender's domain, which is a full name where the machine's may not
 * be. */
static char *server_url(const MailServer *server, const char *from) {
  const char *at = strrchr(from, '@');
  return g_strdup_printf("%s://%s/%s", server->tls == MAIL_TLS_IMPLICIT ? "smtps" : "smtp",
                         server->server, at != NULL ? at + 1 : "localhost");
}

void mail_server_secure(CURL *curl, const MailServer *server) {
  curl_easy_setopt(curl, CURLOPT_USE_SSL,
                   server->tls == MAIL_TLS_NONE ? (long)CURLUSESSL_NONE : (long)CURLUSESSL_ALL);
  curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
  if (server->ca_file != NULL) {
    curl_easy_setopt(curl, CURLOPT_CAINFO, server->ca_file);
    curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
  }
  if (server->user != NULL) {
    curl_easy_setopt(curl, CURLOPT_USERNAME, server->user);
    curl_easy_setopt(curl, CURLOPT_PASSWORD, server->password);
  }
}

static void set_message(CURL *curl, Upload *upload) {
  curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(curl, CURLOPT_READFUNCTION, give_message);
  curl_easy_setopt(curl, CURLOPT_READDATA, upload);
  curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)upload->left);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_line);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, upload);
}

static void set_common(CURL *curl, const char *url, const char *from, struct curl_slist *recipients,
                       char *reason) {
  curl_easy_setopt(curl, CURLOPT_URL, url);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 15L);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)MAIL_SUBMISSION_SECONDS);
  curl_easy_setopt(curl, CURLOPT_MAIL_FROM, from);
  curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, recipients);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
}

static const char *words_of_failure(const Upload *upload, const char *reason) {
  if (upload->refusal[0] != '\0')
    return upload->refusal;
  if (upload->answers >= upload->ehlo && upload->needs_utf8 && !upload->offered_utf8)
    return "it does not take addresses that are not ASCII (no SMTPUTF8)";
  return reason;
}

static void set_failure(const MailServer *server, const Upload *upload, const char *reason,
                        GError **error) {
  g_autofree char *words = log_escape(words_of_failure(upload, reason), WORDS_MAX);
  g_set_error(error, CLIENT_ERROR, CLIENT_NETWORK,
              "the mail server %s did not take the response: %s", server->server, words);
}

/* One session. *temporary: whether a further try makes sense. */
static gboolean send_once(const MailServer *server, const char *from, const char *to, Upload upload,
                          gboolean *temporary, GError **error) {
  char reason[CURL_ERROR_SIZE] = "";
  CURL *curl = curl_easy_init();
  g_assert(curl != NULL);
  g_autofree char *url = server_url(server, from);
  struct curl_slist *recipients = curl_slist_append(NULL, to);
  set_common(curl, url, from, recipients, reason);
  mail_server_secure(curl, server);
  set_message(curl, &upload);
  CURLcode result = curl_easy_perform(curl);
  if (result != CURLE_OK)
    set_failure(server, &upload, reason[0] != '\0' ? reason : curl_easy_strerror(result), error);
  *temporary = result == CURLE_COULDNT_CONNECT || result == CURLE_OPERATION_TIMEDOUT ||
               upload.refusal[0] == '4';
  curl_easy_cleanup(curl);
  curl_slist_free_all(recipients);
  return result == CURLE_OK;
}

gboolean mail_submission_send(const MailServer *server, const char *from, const char *to,
                              GBytes *message, GError **error) {
  /* Greeting, EHLO; with STARTTLS its answer and EHLO again. */
  Upload upload = {.needs_utf8 = !g_str_is_ascii(from) || !g_str_is_ascii(to),
                   .ehlo = server->tls == MAIL_TLS_STARTTLS ? 4 : 2};
  upload.data = g_bytes_get_data(message, &upload.left);
  for (guint tries = 1;; tries++) {
    g_autoptr(GError) reason = NULL;
    gboolean temporary = FALSE;
    if (send_once(server, from, to, upload, &temporary, &reason))
      return TRUE;
    if (!temporary || tries == MAIL_SUBMISSION_TRIES) {
      g_propagate_error(error, g_steal_pointer(&reason));
      return FALSE;
    }
    g_usleep(MAIL_SUBMISSION_PAUSE_SECONDS * G_USEC_PER_SEC);
  }
}
