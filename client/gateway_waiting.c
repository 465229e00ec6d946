/* SPDX-License-Identifier: Apache-2.0 */
#include "client/gateway_waiting.h"

#include "base/log.h"
#include "base/mailbox.h"
#include "client/gateway_frame.h"
#include "client/listen_socket.h"
#include "mime/challenge_mail.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <glib/gstdio.h>
#include <string.h>

struct GatewayWaiting {
  struct event_base *base;
  struct evconnlistener *listener;
  char *path;
  GatewayStatus status;
  gpointer user;
  GHashTable *waiters; /* of Waiter */
  guint32 last;        /* number of a waiter or question */
  GatewayCounts counts;
  guint64 told;   /* others, when the log was told */
  gint64 told_at; /* monotonic microseconds; 0: never */
};

/* Who is connected. */
typedef struct {
  GatewayWaiting *waiting;
  guint32 number; /* who came later has a greater one */
  struct bufferevent *stream;
  GByteArray *input;
  GHashTable *addresses; /* canonical forms; empty: it awaits nothing */
  GHashTable *questions; /* number -> GatewayQuestion */
} Waiter;

/* Invariant: among its waiter's questions. verdict is NULL once it was cancelled. */
struct GatewayQuestion {
  Waiter *waiter;
  guint32 number;
  GBytes *message;
  char *mailbox; /* in its To */
  GatewayVerdict verdict;
  gpointer user;
  struct event *timer;
};

/* --- questions ----------------------------------------------------------------------------------
 */

/* The first to await mail for mailbox of those that came after number; NULL. */
static Waiter *find_waiter(const GatewayWaiting *waiting, const char *mailbox, guint32 number) {
  GHashTableIter each;
  gpointer key = NULL;
  Waiter *found = NULL;
  g_hash_table_iter_init(&each, waiting->waiters);
  while (g_hash_table_iter_next(&each, &key, NULL)) {
    Waiter *waiter = key;
    if (waiter->number > number && (found == NULL || waiter->number < found->number) &&
        g_hash_table_contains(waiter->addresses, mailbox))
      found = waiter;
  }
  return found;
}

static void end_question(GatewayQuestion *question, gboolean kept) {
  GatewayCounts *counts = &question->waiter->waiting->counts;
  GatewayVerdict verdict = question->verdict;
  gpointer user = question->user;
  *(kept ? &counts->kept : &counts->others) += 1;
  event_free(question->timer);
  g_bytes_unref(question->message);
  g_free(question->mailbox);
  g_free(question);
  if (verdict != NULL)
    verdict(kept, user);
}

static void put(GatewayQuestion *question, Waiter *waiter);

/* Several may await mail for one mailbox, each that of its own challenge: they are asked in turn.
 */
static void settle(GatewayQuestion *question, gboolean kept) {
  Waiter *asked = question->waiter;
  g_hash_table_remove(asked->questions, GUINT_TO_POINTER(question->number));
  Waiter *next = kept || question->verdict == NULL
                     ? NULL
                     : find_waiter(asked->waiting, question->mailbox, asked->number);
  if (next != NULL)
    put(question, next);
  else
    end_question(question, kept);
}

static void on_too_late(evutil_socket_t fd, short what, void *user) {
  (void)fd, (void)what;
  settle(user, FALSE);
}

void gateway_question_cancel(GatewayQuestion *question) {
  question->verdict = NULL;
}

static void send_frames(Waiter *waiter, GByteArray *frames) {
  bufferevent_write(waiter->stream, frames->data, frames->len);
  g_byte_array_unref(frames);
}

static void put(GatewayQuestion *question, Waiter *waiter) {
  const struct timeval time = {.tv_sec = GATEWAY_ASK_SECONDS};
  question->waiter = waiter;
  event_add(question->timer, &time);
  g_hash_table_insert(waiter->questions, GUINT_TO_POINTER(question->number), question);
  GByteArray *frames = g_byte_array_new();
  gateway_frame_put_numbered(frames, GATEWAY_FRAME_MESSAGE, question->number, question->message);
  send_frames(waiter, frames);
}

/* Takes mailbox. */
static GatewayQuestion *ask(Waiter *waiter, GBytes *message, char *mailbox, GatewayVerdict verdict,
                            gpointer user) {
  GatewayQuestion *question = g_new0(GatewayQuestion, 1);
  question->number = ++waiter->waiting->last;
  question->message = g_bytes_ref(message);
  question->mailbox = mailbox;
  question->verdict = verdict;
  question->user = user;
  question->timer = evtimer_new(waiter->waiting->base, on_too_late, question);
  put(question, waiter);
  return question;
}

/* --- whose a message is -------------------------------------------------------------------------
 */

/* The header with the empty line behind it; NULL when it is too long. */
static GBytes *header_of(GBytes *message) {
  gsize size = 0;
  const char *data = g_bytes_get_data(message, &size);
  const char *end = memmem(data, MIN(size, GATEWAY_MAX_HEADER), "\r\n\r\n", 4);
  return end != NULL ? g_bytes_new_from_bytes(message, 0, (gsize)(end - data) + 4) : NULL;
}

/* The canonical form of the mailbox in To of a message that looks like a challenge; NULL when it
   does not. */
static char *challenged(GBytes *message) {
  g_autoptr(GBytes) header = header_of(message);
  g_autoptr(ReceivedChallenge) challenge =
      header != NULL ? received_challenge_read(header, NULL) : NULL;
  g_autoptr(Mailbox) mailbox = challenge != NULL ? mailbox_parse(challenge->to, NULL) : NULL;
  return mailbox != NULL ? g_strdup(mailbox->canonical) : NULL;
}

/* A flood of them costs a line a minute. */
static void tell(GatewayWaiting *waiting) {
  gint64 now = g_get_monotonic_time();
  if (waiting->counts.others == waiting->told ||
      (waiting->told_at != 0 && now - waiting->told_at < GATEWAY_TELL_SECONDS * G_USEC_PER_SEC))
    return;
  g_autofree char *count =
      g_strdup_printf("%" G_GUINT64_FORMAT, waiting->counts.others - waiting->told);
  log_warning("challenges passed on that nobody here awaits", "count", count, NULL);
  waiting->told = waiting->counts.others;
  waiting->told_at = now;
}

GatewayQuestion *gateway_waiting_ask(GatewayWaiting *waiting, GBytes *message,
                                     GatewayVerdict verdict, gpointer user) {
  g_autofree char *mailbox = challenged(message);
  Waiter *waiter = mailbox != NULL ? find_waiter(waiting, mailbox, 0) : NULL;
  tell(waiting);
  if (waiter != NULL)
    return ask(waiter, message, g_steal_pointer(&mailbox), verdict, user);
  waiting->counts.others += mailbox != NULL ? 1 : 0;
  verdict(FALSE, user);
  return NULL;
}

GatewayCounts gateway_waiting_counts(const GatewayWaiting *waiting) {
  GHashTableIter each;
  gpointer waiter = NULL;
  GatewayCounts counts = waiting->counts;
  g_hash_table_iter_init(&each, waiting->waiters);
  while (g_hash_table_iter_next(&each, &waiter, NULL))
    counts.awaiting += g_hash_table_size(((Waiter *)waiter)->addresses) > 0 ? 1 : 0;
  return counts;
}

/* --- those who are connected --------------------------------------------------------------------
 */

static void waiter_free(gpointer user) {
  Waiter *waiter = user;
  g_autoptr(GList) open = g_hash_table_get_values(waiter->questions);
  for (GList *at = open; at != NULL; at = at->next)
    settle(at->data, FALSE);
  bufferevent_free(waiter->stream);
  g_byte_array_unref(waiter->input);
  g_hash_table_unref(waiter->addresses);
  g_hash_table_unref(waiter->questions);
  g_free(waiter);
}

static void drop(Waiter *waiter) {
  GHashTable *waiters = waiter->waiting->waiters;
  g_hash_table_remove(waiters, waiter);
  waiter_free(waiter);
}

static void take_addresses(Waiter *waiter, const GatewayFrame *frame) {
  gsize size = 0;
  const char *data = g_bytes_get_data(frame->body, &size);
  g_autofree char *text = g_strndup(data, size);
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  g_hash_table_remove_all(waiter->addresses);
  for (char **line = lines; *line != NULL; line++) {
    g_autoptr(Mailbox) mailbox = mailbox_parse(*line, NULL);
    if (mailbox != NULL)
      g_hash_table_add(waiter->addresses, g_strdup(mailbox->canonical));
  }
  GByteArray *frames = g_byte_array_new();
  gateway_frame_put(frames, GATEWAY_FRAME_READY, NULL, 0);
  send_frames(waiter, frames);
}

/* Of a question that came to its end meanwhile nothing is said. */
static void take_verdict(Waiter *waiter, const GatewayFrame *frame) {
  guint32 number = 0;
  if (!gateway_frame_number(frame, &number))
    return;
  GatewayQuestion *question = g_hash_table_lookup(waiter->questions, GUINT_TO_POINTER(number));
  if (question != NULL)
    settle(question, frame->kind == GATEWAY_FRAME_KEEP);
}

static void tell_status(Waiter *waiter) {
  GatewayWaiting *waiting = waiter->waiting;
  GatewayCounts counts = gateway_waiting_counts(waiting);
  g_autofree char *text = waiting->status(waiting->user);
  g_autofree char *whole = g_strdup_printf(
      "%schallenges answered: %" G_GUINT64_FORMAT "\nchallenges passed on, awaited by nobody: "
      "%" G_GUINT64_FORMAT "\nrenewals that await mail now: %u\n",
      text, counts.kept, counts.others, counts.awaiting);
  GByteArray *frames = g_byte_array_new();
  gateway_frame_put(frames, GATEWAY_FRAME_STATUS, whole, strlen(whole));
  send_frames(waiter, frames);
}

static void take_frame(Waiter *waiter, const GatewayFrame *frame) {
  if (frame->kind == GATEWAY_FRAME_AWAIT)
    take_addresses(waiter, frame);
  else if (frame->kind == GATEWAY_FRAME_STATUS)
    tell_status(waiter);
  else
    take_verdict(waiter, frame);
}

static void on_read(struct bufferevent *stream, void *user) {
  Waiter *waiter = user;
  struct evbuffer *input = bufferevent_get_input(stream);
  gsize length = evbuffer_get_length(input);
  g_byte_array_append(waiter->input, evbuffer_pullup(input, -1), (guint)length);
  evbuffer_drain(input, length);
  for (;;) {
    g_auto(GatewayFrame) frame = {0};
    GatewayFrameResult result = gateway_frame_take(waiter->input, &frame);
    if (result == GATEWAY_FRAME_BROKEN)
      drop(waiter);
    if (result != GATEWAY_FRAME_THERE)
      return;
    take_frame(waiter, &frame);
  }
}

static void on_event(struct bufferevent *stream, short what, void *user) {
  (void)stream, (void)what;
  drop(user);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                      int length, void *user) {
  GatewayWaiting *waiting = user;
  (void)listener, (void)address, (void)length;
  Waiter *waiter = g_new0(Waiter, 1);
  waiter->waiting = waiting;
  waiter->number = ++waiting->last;
  waiter->stream = bufferevent_socket_new(waiting->base, fd, BEV_OPT_CLOSE_ON_FREE);
  waiter->input = g_byte_array_new();
  waiter->addresses = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  waiter->questions = g_hash_table_new(NULL, NULL);
  g_hash_table_add(waiting->waiters, waiter);
  bufferevent_setcb(waiter->stream, on_read, NULL, on_event, waiter);
  bufferevent_enable(waiter->stream, EV_READ | EV_WRITE);
}

GatewayWaiting *gateway_waiting_new(struct event_base *base, const char *path, GatewayStatus status,
                                    gpointer user, GError **error) {
  int fd = listen_socket_open_path(path, 0600, error);
  if (fd < 0)
    return NULL;
  GatewayWaiting *waiting = g_new0(GatewayWaiting, 1);
  waiting->base = base;
  waiting->path = g_strdup(path);
  waiting->status = status;
  waiting->user = user;
  waiting->waiters = g_hash_table_new(NULL, NULL);
  waiting->listener = evconnlistener_new(base, on_accept, waiting,
                                         LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
  return waiting;
}

void gateway_waiting_free(GatewayWaiting *waiting) {
  if (waiting == NULL)
    return;
  evconnlistener_free(waiting->listener);
  g_unlink(waiting->path);
  /* One by one: what one has not decided goes to the next. */
  g_autoptr(GList) waiters = g_hash_table_get_keys(waiting->waiters);
  for (GList *at = waiters; at != NULL; at = at->next)
    drop(at->data);
  g_hash_table_unref(waiting->waiters);
  g_free(waiting->path);
  g_free(waiting);
}
