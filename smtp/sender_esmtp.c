/* SPDX-License-Identifier: Apache-2.0 */
/* Plain SMTP with libesmtp, for relays on this host or a trusted network. No STARTTLS and no AUTH
   are asked for: what libesmtp does there is not fit for use (docs/dependencies.md). */
#include <stddef.h> /* libesmtp.h needs it */

#include "smtp/sender_esmtp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libesmtp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DESCRIPTORS 1024 /* among which a session's socket is looked for */

#define PIECE 2048 /* least octets of a message that libesmtp is given at once */

#define REPLY_MAX 512 /* octets kept of a line of the relay */

/* One message inside a session. */
typedef struct {
  struct Session *session;
  SenderMessage *message;
  smtp_message_t handle;
  smtp_recipient_t recipient;
  gsize offset;
  gboolean eight_bit;
  gboolean begun; /* the relay said 354 and libesmtp began to read the message */
} Delivery;

/* One session. Invariant: refusal is the first 4xx or 5xx before MAIL, NULL from MAIL on. */
typedef struct Session {
  const SenderRelay *relay;
  GPtrArray *deliveries; /* of Delivery */
  struct sockaddr_storage address;
  socklen_t address_length;
  int free_descriptor; /* was the lowest free one when the relay was found */
  int socket;          /* libesmtp's; -1: not known */
  gint64 deadline;
  gint64 last_heard;
  gboolean too_slow;
  gboolean eight_bit_missing;
  gboolean transacting;
  GString *line;
  char *refusal;
} Session;

static Session *session_new(const SenderRelay *relay) {
  Session *session = g_new0(Session, 1);
  session->relay = relay;
  session->deliveries = g_ptr_array_new_with_free_func(g_free);
  session->line = g_string_new(NULL);
  session->socket = -1;
  return session;
}

static void session_free(Session *session) {
  g_ptr_array_unref(session->deliveries);
  g_string_free(session->line, TRUE);
  g_free(session->refusal);
  g_free(session);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Session, session_free)

/* Finding the relay. libesmtp's connect() has no time limit, so the way is tried first on a socket
 * of our own. */

typedef struct addrinfo AddressList;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AddressList, freeaddrinfo)

static int poll_until(int fd, short events, gint64 deadline) {
  struct pollfd entry = {.fd = fd, .events = events};
  for (;;) {
    gint64 left = MAX(0, (deadline - g_get_monotonic_time()) / 1000);
    int ready = poll(&entry, 1, (int)left);
    if (ready >= 0 || errno != EINTR)
      return ready;
  }
}

/* 0, or the errno value of what went wrong. */
static int finish_connect(int fd, gint64 deadline) {
  int ready = poll_until(fd, POLLOUT, deadline);
  if (ready <= 0)
    return ready == 0 ? ETIMEDOUT : errno;
  int problem = 0;
  socklen_t length = sizeof problem;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &length) == 0 ? problem : errno;
}

static int try_address(Session *session, const struct addrinfo *address) {
  int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return errno;
  gint64 deadline = g_get_monotonic_time() + session->relay->timeout_seconds * G_USEC_PER_SEC;
  int problem = connect(fd, address->ai_addr, address->ai_addrlen) == 0 ? 0 : errno;
  if (problem == EINPROGRESS)
    problem = finish_connect(fd, deadline);
  close(fd);
  if (problem == 0) {
    memcpy(&session->address, address->ai_addr, address->ai_addrlen);
    session->address_length = address->ai_addrlen;
    session->free_descriptor = fd;
  }
  return problem;
}

/* NULL when an address answers, otherwise what is wrong. */
static char *find_relay(Session *session) {
  const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
  g_autofree char *port = g_strdup_printf("%u", session->relay->port);
  g_autoptr(AddressList) list = NULL;
  int status = getaddrinfo(session->relay->host, port, &hints, &list);
  if (status != 0)
    return g_strdup_printf("no address of the relay: %s", gai_strerror(status));
  int problem = 0;
  for (const struct addrinfo *address = list; address != NULL; address = address->ai_next) {
    problem = try_address(session, address);
    if (problem == 0)
      return NULL;
  }
  return g_strdup_printf("no connection to the relay: %s", g_strerror(problem));
}

/* What libesmtp is told. It takes the first colon for the port's, so that an IPv6 address goes by
 * its name. */
static char *server_name(const Session *session) {
  char host[INET_ADDRSTRLEN];
  const struct sockaddr_in *v4 = (const void *)&session->address;
  if (v4->sin_family == AF_INET && inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host) != NULL)
    return g_strdup_printf("%s:%u", host, session->relay->port);
  return g_strdup_printf("%s:%u", session->relay->host, session->relay->port);
}

/* What libesmtp calls back */

/* libesmtp's time limits start anew with each octet. Past the session's deadline its socket is
   shut, which it takes for a dropped connection. */
static void check_deadline(Session *session) {
  session->last_heard = g_get_monotonic_time();
  if (session->last_heard < session->deadline || session->too_slow)
    return;
  session->too_slow = TRUE;
  if (session->socket >= 0)
    shutdown(session->socket, SHUT_RDWR);
}

static gboolean leads_to_relay(const Session *session, int fd) {
  struct sockaddr_storage peer = {0};
  socklen_t length = sizeof peer;
  return getpeername(fd, (struct sockaddr *)&peer, &length) == 0 &&
         length == session->address_length && memcmp(&peer, &session->address, length) == 0;
}

/* libesmtp does not tell its socket. The kernel gives the lowest free descriptor, which is the one
   that the way was tried with, unless another one became free meanwhile. */
static void find_socket(Session *session) {
  session->socket =
      leads_to_relay(session, session->free_descriptor) ? session->free_descriptor : -1;
  for (int fd = 0; session->socket < 0 && fd < DESCRIPTORS; fd++)
    if (leads_to_relay(session, fd))
      session->socket = fd;
}

/* libesmtp writes a message piece by piece: the last would wait for the acknowledgement of the one
   before it, which the relay delays. */
static void send_at_once(const Session *session) {
  int on = 1;
  if (session->socket >= 0)
    setsockopt(session->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* libesmtp writes a message in pieces of 2048 octets. As long as it is being read they gather in
   the kernel, and not each one wakes the relay; what is left goes when the message has been read.
 */
static void hold_pieces(const Session *session, int on) {
  if (session->socket >= 0)
    setsockopt(session->socket, IPPROTO_TCP, TCP_CORK, &on, sizeof on);
}

static void on_event(smtp_session_t handle G_GNUC_UNUSED, int event, void *arg, ...) {
  Session *session = arg;
  if (event == SMTP_EV_CONNECT) {
    find_socket(session);
    send_at_once(session);
  } else if (event == SMTP_EV_EXTNA_8BITMIME)
    session->eight_bit_missing = TRUE;
}

static void take_reply_line(Session *session) {
  const char *line = session->line->str;
  if (session->refusal == NULL && (line[0] == '4' || line[0] == '5'))
    session->refusal = g_strdup(line);
  g_string_truncate(session->line, 0);
}

/* Keeps why the relay refused the session: libesmtp tells that nowhere else. */
static void on_traffic(const char *octets, int length, int writing, void *arg) {
  Session *session = arg;
  check_deadline(session);
  if (writing != 0 && length >= 4 && strncmp(octets, "MAIL", 4) == 0) {
    session->transacting = TRUE;
    g_clear_pointer(&session->refusal, g_free);
  }
  for (int i = 0; writing == 0 && !session->transacting && i < length; i++) {
    if (octets[i] == '\n')
      take_reply_line(session);
    else if (octets[i] != '\0' && session->line->len < REPLY_MAX)
      g_string_append_c(session->line, octets[i]);
  }
}

/* Whole lines, about as much as libesmtp writes at once. */
static gsize piece_of(const char *text, gsize size) {
  const char *end = size > PIECE ? memchr(text + PIECE - 1, '\n', size - PIECE + 1) : NULL;
  return end != NULL ? (gsize)(end + 1 - text) : size;
}

/* len is NULL when the message is to be read from its beginning. */
static const char *on_read_message(void **context G_GNUC_UNUSED, int *len, void *arg) {
  Delivery *delivery = arg;
  if (len == NULL) {
    delivery->begun = TRUE;
    delivery->offset = 0;
    hold_pieces(delivery->session, 1);
    return NULL;
  }
  gsize size = 0;
  const char *text = g_bytes_get_data(delivery->message->message, &size);
  const char *rest = text + delivery->offset;
  check_deadline(delivery->session);
  *len = (int)piece_of(rest, size - delivery->offset);
  delivery->offset += (gsize)*len;
  if (*len == 0)
    hold_pieces(delivery->session, 0);
  return rest;
}

/* Building the session */

static gboolean is_eight_bit(GBytes *message) {
  gsize size = 0;
  const guchar *text = g_bytes_get_data(message, &size);
  for (gsize i = 0; i < size; i++)
    if (text[i] > 0x7F)
      return TRUE;
  return FALSE;
}

static void add_delivery(smtp_session_t handle, Delivery *delivery) {
  SenderMessage *message = delivery->message;
  delivery->eight_bit = is_eight_bit(message->message);
  delivery->handle = smtp_add_message(handle);
  smtp_set_reverse_path(delivery->handle, *message->from == '\0' ? NULL : message->from);
  delivery->recipient = smtp_add_recipient(delivery->handle, message->to);
  smtp_set_messagecb(delivery->handle, on_read_message, delivery);
  smtp_size_set_estimate(delivery->handle, g_bytes_get_size(message->message));
  if (delivery->eight_bit)
    smtp_8bitmime_set_body(delivery->handle, E8bitmime_8BITMIME);
}

static void set_timeouts(smtp_session_t handle, guint seconds) {
  static const int steps[] = {Timeout_GREETING, Timeout_ENVELOPE, Timeout_DATA, Timeout_TRANSFER,
                              Timeout_DATA2};
  for (guint i = 0; i < G_N_ELEMENTS(steps); i++)
    smtp_set_timeout(handle, steps[i] | Timeout_OVERRIDE_RFC2822_MINIMUM, (long)seconds * 1000);
}

static smtp_session_t build(Session *session) {
  const SenderRelay *relay = session->relay;
  g_autofree char *server = server_name(session);
  smtp_session_t handle = smtp_create_session();
  smtp_set_server(handle, server);
  smtp_set_hostname(handle, relay->ehlo);
  set_timeouts(handle, relay->timeout_seconds);
  smtp_set_eventcb(handle, on_event, session);
  smtp_set_monitorcb(handle, on_traffic, session, 0);
  session->last_heard = g_get_monotonic_time();
  session->deadline =
      session->last_heard + relay->timeout_seconds * SENDER_SESSION_STEPS * G_USEC_PER_SEC;
  for (guint i = 0; i < session->deliveries->len; i++)
    add_delivery(handle, session->deliveries->pdata[i]);
  return handle;
}

/* Reading the outcome. A status without text was cut off in the middle and is none. */

static SenderOutcome outcome_of(int code) {
  return code / 100 == 2 ? SENDER_ACCEPTED : code / 100 == 5 ? SENDER_PERMANENT : SENDER_TEMPORARY;
}

static void settle_with(SenderMessage *message, SenderOutcome outcome,
                        const smtp_status_t *status) {
  if (status->enh_class == 0) {
    sender_message_settle(message, outcome, status->code, status->text);
    return;
  }
  g_autofree char *text = g_strdup_printf("%d.%d.%d %s", status->enh_class, status->enh_subject,
                                          status->enh_detail, status->text);
  sender_message_settle(message, outcome, status->code, text);
}

/* TRUE when this step has been answered and the answer is not 2xx. */
static gboolean settle_refused(SenderMessage *message, const smtp_status_t *status) {
  if (status->text == NULL || outcome_of(status->code) == SENDER_ACCEPTED)
    return FALSE;
  settle_with(message, outcome_of(status->code), status);
  return TRUE;
}

/* Why a message was not answered: of the session, not of the message. */
static void settle_broken(const Session *session, const Delivery *delivery) {
  SenderMessage *message = delivery->message;
  gint64 limit = session->relay->timeout_seconds * G_USEC_PER_SEC;
  char words[200] = "";
  message->unanswered = smtp_reverse_path_status(delivery->handle)->text == NULL;
  message->withheld = !delivery->begun;
  if (session->eight_bit_missing)
    sender_message_settle(message, delivery->eight_bit ? SENDER_PERMANENT : SENDER_TEMPORARY, 0,
                          "the relay does not take 8-bit messages");
  else if (session->refusal != NULL)
    sender_message_settle(message, SENDER_TEMPORARY,
                          (int)g_ascii_strtoll(session->refusal, NULL, 10),
                          session->refusal + MIN(strlen(session->refusal), 4));
  else if (session->too_slow || g_get_monotonic_time() - session->last_heard >= limit)
    sender_message_settle(message, SENDER_TEMPORARY, 0, "the relay did not answer in time");
  else {
    g_autofree char *text = g_strdup_printf("the session with the relay broke: %s",
                                            smtp_strerror(smtp_errno(), words, sizeof words));
    sender_message_settle(message, SENDER_TEMPORARY, 0, text);
  }
}

/* A 2xx to DATA itself is a lie: only begun tells it from the answer to the message. */
static void settle(const Session *session, const Delivery *delivery) {
  const smtp_status_t *recipient = smtp_recipient_status(delivery->recipient);
  const smtp_status_t *transfer = smtp_message_transfer_status(delivery->handle);
  if (settle_refused(delivery->message, smtp_reverse_path_status(delivery->handle)) ||
      settle_refused(delivery->message, recipient))
    return;
  gboolean answered = transfer->text != NULL && transfer->code / 100 != 3;
  if (answered && settle_refused(delivery->message, transfer))
    return;
  if (answered && delivery->begun && recipient->text != NULL)
    settle_with(delivery->message, SENDER_ACCEPTED, transfer);
  else
    settle_broken(session, delivery);
}

static void run(Session *session) {
  const struct sigaction ignore = {.sa_handler = SIG_IGN};
  struct sigaction before;
  sigaction(SIGPIPE, &ignore, &before);
  smtp_session_t handle = build(session);
  smtp_start_session(handle);
  for (guint i = 0; i < session->deliveries->len; i++)
    settle(session, session->deliveries->pdata[i]);
  smtp_destroy_session(handle);
  sigaction(SIGPIPE, &before, NULL);
}

static void add_message(Session *session, SenderMessage *message) {
  Delivery *delivery = g_new0(Delivery, 1);
  delivery->session = session;
  delivery->message = message;
  g_ptr_array_add(session->deliveries, delivery);
}

void sender_esmtp_send(const SenderRelay *relay, GPtrArray *messages) {
  g_autoptr(Session) session = session_new(relay);
  for (guint i = 0; i < messages->len; i++)
    add_message(session, messages->pdata[i]);
  g_autofree char *problem = find_relay(session);
  if (problem == NULL) {
    run(session);
    return;
  }
  for (guint i = 0; i < messages->len; i++) {
    SenderMessage *message = messages->pdata[i];
    sender_message_settle(message, SENDER_TEMPORARY, 0, problem);
    message->unanswered = message->withheld = TRUE;
  }
}
