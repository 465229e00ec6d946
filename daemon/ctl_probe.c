/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/ctl_probe.h"
#include "base/config.h"
#include "base/log.h"
#include "base/network.h"
#include "daemon/ctl.h"
#include "daemon/sockets.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WORDS_MAX 300 /* characters of an answer that are shown */
#define ANSWER_MAX 4096

/* --- where
 * -------------------------------------------------------------------------------------------------
 */

/* Host and port to connect to; a socket at [::] takes IPv4 too. */
static gboolean reach(const char *address, char **host, guint16 *port) {
  if (!config_split_peer(address, host, port))
    return FALSE;
  if (strcmp(*host, "0.0.0.0") == 0 || strcmp(*host, "::") == 0) {
    g_free(*host);
    *host = g_strdup("127.0.0.1");
  }
  return TRUE;
}

static gboolean is_proxy(const char *const *proxies, const char *host) {
  const char *why = NULL;
  Network network;
  for (; proxies != NULL && *proxies != NULL; proxies++)
    if (network_parse(*proxies, &network, &why) && network_contains(&network, host))
      return TRUE;
  return FALSE;
}

/* A blocking connection whose steps are bounded in time; -1 and why. */
static int connect_to(const char *address, GError **error) {
  const struct timeval patience = {PROBE_SECONDS, 0};
  g_autoptr(GSocketClient) client = g_socket_client_new();
  g_autoptr(GSocketConnection) connection = NULL;
  g_autofree char *host = NULL;
  guint16 port = 0;
  int fd = -1;
  if (*address == '/') {
    fd = sockets_connect_to(address);
    if (fd < 0)
      ctl_fail(error, "%s", g_strerror(errno));
  } else if (reach(address, &host, &port)) {
    g_socket_client_set_timeout(client, PROBE_SECONDS);
    g_socket_client_set_enable_proxy(client, FALSE);
    connection = g_socket_client_connect_to_host(client, host, port, NULL, error);
    if (connection != NULL)
      fd = fcntl(g_socket_get_fd(g_socket_connection_get_socket(connection)), F_DUPFD_CLOEXEC, 0);
  } else {
    ctl_fail(error, "\"%s\" is no address with a port", address);
  }
  if (fd >= 0) {
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  }
  return fd;
}

/* --- HTTP
 * --------------------------------------------------------------------------------------------------
 */

/* The PROXY header (version 2, LOCAL) of a connection that is the proxy's own. */
static gboolean send_proxy_header(int fd) {
  static const char local[16] = "\r\n\r\n\0\r\nQUIT\n\x20\0\0";
  return send(fd, local, sizeof(local), MSG_NOSIGNAL) == (ssize_t)sizeof(local);
}

/* Begins TLS; the certificate is not looked at. */
static SSL *begin_tls(SSL_CTX *context, int fd, const char *host) {
  SSL *tls = SSL_new(context);
  SSL_set_fd(tls, fd);
  if (!g_hostname_is_ip_address(host))
    SSL_set_tlsext_host_name(tls, host);
  if (SSL_connect(tls) == 1)
    return tls;
  SSL_free(tls);
  return NULL;
}

static gboolean exchange(SSL *tls, int fd, const char *request, char *answer, int size) {
  int length = (int)strlen(request), got = 0;
  if (tls != NULL ? SSL_write(tls, request, length) != length
                  : send(fd, request, (gsize)length, MSG_NOSIGNAL) != length)
    return FALSE;
  while (got < size) {
    int more = tls != NULL ? SSL_read(tls, answer + got, size - got)
                           : (int)recv(fd, answer + got, (gsize)(size - got), 0);
    if (more <= 0)
      return FALSE;
    got += more;
  }
  return TRUE;
}

#define STATUS_LINE "HTTP/1.1 200"

static gboolean ask_web(GUri *uri, int fd, GError **error) {
  char answer[sizeof(STATUS_LINE)] = "";
  gboolean https = strcmp(g_uri_get_scheme(uri), "https") == 0;
  const char *path = g_uri_get_path(uri), *host = g_uri_get_host(uri);
  g_autofree char *request =
      g_strdup_printf("GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, host);
  SSL_CTX *context = https ? SSL_CTX_new(TLS_client_method()) : NULL;
  SSL *tls = https ? begin_tls(context, fd, host) : NULL;
  gboolean begun = !https || tls != NULL;
  gboolean answered = begun && exchange(tls, fd, request, answer, (int)sizeof(answer) - 1);
  SSL_free(tls);
  SSL_CTX_free(context);
  if (!answered)
    return ctl_fail(error, begun ? "no answer in HTTP" : "no TLS");
  return strcmp(answer, STATUS_LINE) == 0 || g_str_has_suffix(answer, " 404") ||
         ctl_fail(error, "answers %s", answer);
}

gboolean probe_web(const char *url, const char *address, const char *const *proxies,
                   GError **error) {
  g_autofree char *host = NULL;
  guint16 port = 0;
  g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_NONE, error);
  int fd = uri != NULL ? connect_to(address, error) : -1;
  if (fd < 0)
    return FALSE;
  signal(SIGPIPE, SIG_IGN); /* of TLS */
  gboolean good =
      (reach(address, &host, &port) && is_proxy(proxies, host) && !send_proxy_header(fd))
          ? ctl_fail(error, "no connection")
          : ask_web(uri, fd, error);
  close(fd);
  return good;
}

/* --- a greeting
 * ---------------------------------------------------------------------------------------------- */

gboolean probe_greeting(const char *address, GError **error) {
  static const char quit[] = "QUIT\r\n";
  char greeting[4];
  int fd = connect_to(address, error);
  if (fd < 0)
    return FALSE;
  gboolean greeted = recv(fd, greeting, sizeof(greeting), MSG_WAITALL) == sizeof(greeting) &&
                     memcmp(greeting, "220", 3) == 0;
  if (greeted && send(fd, quit, strlen(quit), MSG_NOSIGNAL) < 0)
    greeted = FALSE;
  close(fd);
  return greeted || ctl_fail(error, "no greeting of a mail server");
}

/* --- a relay
 * -------------------------------------------------------------------------------------------------
 */

static gboolean wait_for(CURL *curl, short events) {
  curl_socket_t fd = -1;
  if (curl_easy_getinfo(curl, CURLINFO_ACTIVESOCKET, &fd) != CURLE_OK || fd < 0)
    return FALSE;
  struct pollfd one = {.fd = fd, .events = events};
  return poll(&one, 1, PROBE_SECONDS * 1000) > 0;
}

/* Whether the last line of an answer is there: "250 ..." (RFC 5321 section 4.2.1). */
static gboolean is_whole(const GString *answer) {
  if (answer->len < 5 || answer->str[answer->len - 1] != '\n')
    return FALSE;
  g_autofree char *before = g_strndup(answer->str, answer->len - 1);
  const char *line = strrchr(before, '\n');
  line = line != NULL ? line + 1 : before;
  return strlen(line) >= 3 && line[3] != '-';
}

/* The reply code to a command; 0: none. words is set anew to all that was said. */
static int say(CURL *curl, const char *line, char **words) {
  g_autoptr(GString) answer = g_string_new(NULL);
  char piece[512];
  size_t count = 0;
  CURLcode result = curl_easy_send(curl, line, strlen(line), &count);
  while (!is_whole(answer) && answer->len < ANSWER_MAX &&
         (result == CURLE_OK || (result == CURLE_AGAIN && wait_for(curl, POLLIN)))) {
    result = curl_easy_recv(curl, piece, sizeof(piece), &count);
    if (result == CURLE_OK && count == 0)
      break;
    if (result == CURLE_OK)
      g_string_append_len(answer, piece, (gssize)count);
  }
  int code = is_whole(answer) ? atoi(answer->str) : 0;
  g_free(*words);
  *words =
      code != 0 ? log_escape(g_strstrip(answer->str), WORDS_MAX) : g_strdup("no answer in time");
  return code;
}

static ProbeOutcome ask(CURL *curl, const char *from, const char *to, char **words) {
  g_autofree char *mail = g_strdup_printf("MAIL FROM:<%s>\r\n", from);
  g_autofree char *rcpt = g_strdup_printf("RCPT TO:<%s>\r\n", to);
  g_autofree char *quiet = NULL;
  int code = say(curl, mail, words);
  if (code / 100 == 2)
    code = say(curl, rcpt, words);
  if (code != 0)
    say(curl, "RSET\r\n", &quiet);
  return code / 100 == 2   ? PROBE_TAKES
         : code / 100 == 4 ? PROBE_LATER
         : code == 0       ? PROBE_UNREACHED
                           : PROBE_REFUSES;
}

static size_t drop(char *data G_GNUC_UNUSED, size_t size, size_t count, void *user G_GNUC_UNUSED) {
  return size * count;
}

static void set_tls(CURL *curl, const ProbeRelay *relay) {
  gboolean demanded = strcmp(relay->tls, "starttls") == 0 || strcmp(relay->tls, "implicit") == 0;
  if (strcmp(relay->tls, "opportunistic") == 0)
    curl_easy_setopt(curl, CURLOPT_USE_SSL, (long)CURLUSESSL_TRY);
  if (demanded)
    curl_easy_setopt(curl, CURLOPT_USE_SSL, (long)CURLUSESSL_ALL);
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, demanded ? 1L : 0L);
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, demanded ? 2L : 0L);
  curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
  if (demanded) {
    curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(curl, CURLOPT_CAINFO, relay->ca);
  }
  if (demanded && *relay->user != '\0') {
    curl_easy_setopt(curl, CURLOPT_USERNAME, relay->user);
    curl_easy_setopt(curl, CURLOPT_PASSWORD, relay->password);
  }
}

ProbeOutcome probe_relay(const ProbeRelay *relay, const char *from, const char *to, char **words) {
  char why[CURL_ERROR_SIZE];
  g_autofree char *url =
      g_strdup_printf("%s://%s/%s", strcmp(relay->tls, "implicit") == 0 ? "smtps" : "smtp",
                      relay->peer, strchr(from, '@') + 1);
  CURL *curl = curl_easy_init();
  *words = NULL;
  *why = '\0';
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* whatever the environment says */
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)PROBE_SECONDS);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop);
  curl_easy_setopt(curl, CURLOPT_URL, url);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
  curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L);
  set_tls(curl, relay);
  CURLcode result = curl_easy_perform(curl);
  ProbeOutcome outcome = PROBE_UNREACHED;
  if (result == CURLE_OK)
    outcome = ask(curl, from, to, words);
  else
    *words = log_escape(*why != '\0' ? why : curl_easy_strerror(result), WORDS_MAX);
  curl_easy_cleanup(curl);
  return outcome;
}
