/* SPDX-License-Identifier: Apache-2.0 */
#include "base/channel.h"
#include "base/normal_form.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE 65536
#define MAX_WAITING_FDS 16
#define MAX_JOINED 64 /* frames in one system call */

/* A frame is a header and a body of `length` octets, a serialised GVariant of the kind's type. */
typedef struct {
  guint32 length;
  guint32 kind;
  guint64 id;
} Header;
G_STATIC_ASSERT(sizeof(Header) == 16);

/* octets: header and body, aligned for both. */
typedef struct {
  GList link;
  int fd;
  gsize size;
  _Alignas(max_align_t) guint8 octets[];
} Outgoing;

typedef struct {
  guint64 id;
  ChannelAnswered answered;
  gpointer user;
  guint kind; /* of the question */
} OpenQuestion;

struct Channel {
  int fd;
  const ChannelCatalogue *catalogue;
  Role own, peer;
  ChannelReceived received;
  ChannelClosed closed;
  gpointer user;
  struct event *readable, *writable;
  GByteArray *input;
  GQueue fds;      /* received and not yet taken, in order */
  GQueue outgoing; /* of Outgoing */
  gsize sent;      /* octets of the first outgoing frame */
  guint64 next_id;
  GHashTable *open; /* id -> OpenQuestion: asked by us */
  GHashTable *owed; /* id -> kind: asked by the peer */
  GPtrArray *types; /* a value of each message's type: GLib forgets what it knows of a type with the
                       last value of it */
  gboolean in_callback, free_later;
  gboolean ended; /* the owner is about to hear it */
};

/* --- the socket
 * ---------------------------------------------------------------------------------------- */

static void drop_first(Channel *channel) {
  Outgoing *frame = g_queue_pop_head_link(&channel->outgoing)->data;
  if (frame->fd >= 0)
    close(frame->fd);
  g_free(frame);
}

/* The outgoing frames up to one with a descriptor, which goes with the first octet of its own. */
static guint join_frames(Channel *channel, struct iovec parts[MAX_JOINED]) {
  guint count = 0;
  for (const GList *link = channel->outgoing.head; link != NULL && count < MAX_JOINED;
       link = link->next) {
    Outgoing *frame = link->data;
    gsize sent = count == 0 ? channel->sent : 0;
    if (count > 0 && frame->fd >= 0)
      break;
    parts[count++] = (struct iovec){frame->octets + sent, frame->size - sent};
  }
  return count;
}

/* FALSE: the socket takes no more now. A peer that left is seen by the reader. */
static gboolean send_some(Channel *channel) {
  const Outgoing *first = g_queue_peek_head(&channel->outgoing);
  struct iovec parts[MAX_JOINED];
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = join_frames(channel, parts)};
  char control[CMSG_SPACE(sizeof(int))];
  if (first->fd >= 0 && channel->sent == 0) {
    memset(control, 0, sizeof(control));
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &first->fd, sizeof(int));
  }
  ssize_t sent = sendmsg(channel->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent <= 0)
    return FALSE;
  channel->sent += (gsize)sent;
  while (!g_queue_is_empty(&channel->outgoing)) {
    const Outgoing *frame = g_queue_peek_head(&channel->outgoing);
    if (channel->sent < frame->size)
      return channel->sent == 0;
    channel->sent -= frame->size;
    drop_first(channel);
  }
  return TRUE;
}

/* Sends what can be sent now; the loop comes here again for the rest. */
static void send_now(Channel *channel) {
  while (!g_queue_is_empty(&channel->outgoing) && send_some(channel))
    ;
}

static void on_writable(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  Channel *channel = user;
  send_now(channel);
  if (g_queue_is_empty(&channel->outgoing))
    event_del(channel->writable);
  else
    event_add(channel->writable, NULL);
}

static void destroy(Channel *channel) {
  send_now(channel);
  event_free(channel->readable);
  event_free(channel->writable);
  close(channel->fd);
  g_byte_array_unref(channel->input);
  for (gpointer fd = g_queue_pop_head(&channel->fds); fd != NULL;
       fd = g_queue_pop_head(&channel->fds))
    close(GPOINTER_TO_INT(fd) - 1);
  while (!g_queue_is_empty(&channel->outgoing))
    drop_first(channel);
  g_hash_table_unref(channel->open);
  g_hash_table_unref(channel->owed);
  g_ptr_array_unref(channel->types);
  g_free(channel);
}

void channel_free(Channel *channel) {
  if (channel == NULL)
    return;
  if (channel->in_callback) {
    channel->free_later = TRUE;
    event_del(channel->readable);
    event_del(channel->writable);
  } else {
    destroy(channel);
  }
}

/* The end: every open question hears of it, then the owner. */
static void end(Channel *channel, const char *nonsense) {
  channel->in_callback = channel->ended = TRUE;
  GHashTableIter iter;
  gpointer question = NULL;
  /* An answer may lead to another question, which is refused: it would never be answered. */
  g_autoptr(GHashTable) open = g_steal_pointer(&channel->open);
  channel->open = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
  g_hash_table_iter_init(&iter, open);
  while (g_hash_table_iter_next(&iter, NULL, &question))
    ((OpenQuestion *)question)->answered(NULL, ((OpenQuestion *)question)->user);
  if (!channel->free_later)
    channel->closed(channel, nonsense, channel->user);
  destroy(channel);
}

void channel_end(Channel *channel) {
  end(channel, NULL);
}

/* --- receiving
 * --------------------------------------------------------------------------------------- */

/* What is wrong with a header from this peer; NULL when it may be believed so far. */
static const char *header_nonsense(Channel *channel, const Header *header) {
  if (header->kind == 0 || header->kind >= channel->catalogue->count)
    return "a message of unknown kind";
  const ChannelKind *kind = &channel->catalogue->kinds[header->kind];
  if (header->length > CHANNEL_MAX_FRAME)
    return "a message that is too large";
  if ((kind->from & ROLE_BIT(channel->peer)) == 0 || (kind->to & ROLE_BIT(channel->own)) == 0)
    return "a message that this role may not send";
  const OpenQuestion *open = g_hash_table_lookup(channel->open, &header->id);
  if (kind->answer_to != 0 && (open == NULL || open->kind != kind->answer_to))
    return "an answer to no question";
  if (kind->question && g_hash_table_contains(channel->owed, &header->id))
    return "a question with an id in use";
  if (kind->question && g_hash_table_size(channel->owed) >= CHANNEL_MAX_OPEN)
    return "too many questions at once";
  if (kind->carries_fd && g_queue_is_empty(&channel->fds))
    return "a message without its descriptor";
  return NULL;
}

/* What stands in a catalogue is a type: GLib need not look at it for each frame. */
static const GVariantType *type_of(const ChannelKind *kind) {
  return (const GVariantType *)kind->type;
}

/* Hands one whole frame on. Returns what was nonsense about it, or NULL. */
static const char *handle_frame(Channel *channel, const Header *header, const guint8 *octets) {
  const ChannelKind *kind = &channel->catalogue->kinds[header->kind];
  g_autoptr(GBytes) copy = g_bytes_new(octets, header->length);
  if (!normal_form_holds(kind->type, g_bytes_get_data(copy, NULL), header->length))
    return "a body that is not of its type";
  /* In normal form: GLib need not look again at each text that is read from it. */
  g_autoptr(GVariant) body =
      g_variant_ref_sink(g_variant_new_from_bytes(type_of(kind), copy, TRUE));
  if (kind->answer_to != 0) {
    OpenQuestion question = *(OpenQuestion *)g_hash_table_lookup(channel->open, &header->id);
    g_hash_table_remove(channel->open, &header->id);
    question.answered(body, question.user);
    return NULL;
  }
  if (kind->question)
    g_hash_table_insert(channel->owed, g_memdup2(&header->id, sizeof(header->id)),
                        GUINT_TO_POINTER(header->kind));
  int fd = kind->carries_fd ? GPOINTER_TO_INT(g_queue_pop_head(&channel->fds)) - 1 : -1;
  channel->received(channel, header->kind, header->id, body, fd, channel->user);
  return NULL;
}

/* Hands on the whole frames at the beginning of data. */
static const char *handle_frames(Channel *channel, const guint8 *data, gsize size, gsize *used) {
  const char *nonsense = NULL;
  *used = 0;
  while (nonsense == NULL && !channel->free_later && size - *used >= sizeof(Header)) {
    Header header;
    memcpy(&header, data + *used, sizeof(header));
    nonsense = header_nonsense(channel, &header);
    if (nonsense != NULL || size - *used < sizeof(header) + header.length)
      break;
    nonsense = handle_frame(channel, &header, data + *used + sizeof(header));
    *used += sizeof(header) + header.length;
  }
  return nonsense;
}

/* What came behind what waits for its rest. */
static const char *handle_input(Channel *channel, const guint8 *data, gsize size) {
  gsize used = 0;
  const char *nonsense = NULL;
  if (channel->input->len == 0) {
    nonsense = handle_frames(channel, data, size, &used);
    g_byte_array_append(channel->input, data + used, (guint)(size - used));
  } else {
    g_byte_array_append(channel->input, data, (guint)size);
    nonsense = handle_frames(channel, channel->input->data, channel->input->len, &used);
    g_byte_array_remove_range(channel->input, 0, (guint)used);
  }
  return nonsense;
}

static void take_fds(Channel *channel, struct msghdr *message) {
  for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control != NULL;
       control = CMSG_NXTHDR(message, control)) {
    if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
      continue;
    gsize count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (gsize i = 0; i < count; i++) {
      int fd = -1;
      memcpy(&fd, CMSG_DATA(control) + i * sizeof(int), sizeof(int));
      if (g_queue_get_length(&channel->fds) < MAX_WAITING_FDS)
        g_queue_push_tail(&channel->fds, GINT_TO_POINTER(fd + 1));
      else
        close(fd);
    }
  }
}

static void on_readable(evutil_socket_t fd, short what G_GNUC_UNUSED, void *user) {
  Channel *channel = user;
  guint8 buffer[READ_SIZE];
  char control[CMSG_SPACE(sizeof(int) * MAX_WAITING_FDS)];
  struct iovec part = {buffer, sizeof(buffer)};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
  ssize_t length = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (length < 0 && (errno == EAGAIN || errno == EINTR))
    return;
  if (length <= 0) {
    end(channel, NULL);
    return;
  }
  take_fds(channel, &message);
  channel->in_callback = TRUE;
  const char *nonsense = handle_input(channel, buffer, (gsize)length);
  channel->in_callback = FALSE;
  if (nonsense == NULL && channel->input->len == 0 && !g_queue_is_empty(&channel->fds))
    nonsense = "a descriptor without its message";
  if (channel->free_later)
    destroy(channel);
  else if (nonsense != NULL)
    end(channel, nonsense);
}

/* --- sending
 * ----------------------------------------------------------------------------------------- */

void channel_flush(Channel *channel, int timeout) {
  struct pollfd wait = {channel->fd, POLLOUT, 0};
  while (!g_queue_is_empty(&channel->outgoing))
    if (!send_some(channel) && poll(&wait, 1, timeout) <= 0)
      return;
    else if ((wait.revents & (POLLERR | POLLHUP)) != 0)
      return;
}

static void queue_frame(Channel *channel, guint kind, guint64 id, GVariant *body, int fd) {
  g_autoptr(GVariant) sunk = g_variant_ref_sink(body);
  const ChannelKind *entry = &channel->catalogue->kinds[kind];
  gsize size = g_variant_get_size(sunk);
  if (!g_variant_is_of_type(sunk, type_of(entry)) || size > CHANNEL_MAX_FRAME)
    g_error("message %s to %s does not fit the catalogue", entry->name, role_names[channel->peer]);
  Outgoing *frame = g_malloc(sizeof(Outgoing) + sizeof(Header) + size);
  *frame = (Outgoing){.link.data = frame, .fd = fd, .size = sizeof(Header) + size};
  *(Header *)frame->octets = (Header){(guint32)size, kind, id};
  g_variant_store(sunk, frame->octets + sizeof(Header));
  g_queue_push_tail_link(&channel->outgoing, &frame->link);
  if (!channel->free_later)
    event_active(channel->writable, EV_WRITE, 1);
}

void channel_send(Channel *channel, guint kind, GVariant *body, int fd) {
  queue_frame(channel, kind, 0, body, fd);
}

gboolean channel_ask(Channel *channel, guint kind, GVariant *body, ChannelAnswered answered,
                     gpointer user) {
  if (channel->ended || g_hash_table_size(channel->open) >= CHANNEL_MAX_OPEN) {
    g_variant_unref(g_variant_ref_sink(body));
    return FALSE;
  }
  guint64 id = ++channel->next_id;
  OpenQuestion *question = g_new0(OpenQuestion, 1);
  *question = (OpenQuestion){id, answered, user, kind};
  g_hash_table_insert(channel->open, &question->id, question);
  queue_frame(channel, kind, id, body, -1);
  return TRUE;
}

void channel_answer(Channel *channel, guint kind, guint64 id, GVariant *body) {
  g_hash_table_remove(channel->owed, &id);
  queue_frame(channel, kind, id, body, -1);
}

guint channel_open_questions(const Channel *channel) {
  return g_hash_table_size(channel->open);
}

guint channel_owed_answers(const Channel *channel) {
  return g_hash_table_size(channel->owed) + g_queue_get_length((GQueue *)&channel->outgoing);
}

Role channel_peer(const Channel *channel) {
  return channel->peer;
}

/* Of the messages that may pass between these two. */
static GPtrArray *types_between(const ChannelCatalogue *catalogue, Role own, Role peer) {
  GPtrArray *types = g_ptr_array_new_with_free_func((GDestroyNotify)g_variant_unref);
  guint both = ROLE_BIT(own) | ROLE_BIT(peer);
  for (guint i = 1; i < catalogue->count; i++) {
    const ChannelKind *kind = &catalogue->kinds[i];
    if ((kind->from & both) != 0 && (kind->to & both) != 0)
      g_ptr_array_add(types, g_variant_ref_sink(g_variant_new_from_data(
                                 G_VARIANT_TYPE(kind->type), NULL, 0, FALSE, NULL, NULL)));
  }
  return types;
}

Channel *channel_new(struct event_base *base, int fd, const ChannelCatalogue *catalogue, Role own,
                     Role peer, ChannelReceived received, ChannelClosed closed, gpointer user) {
  Channel *channel = g_new0(Channel, 1);
  channel->fd = fd;
  channel->catalogue = catalogue;
  channel->own = own;
  channel->peer = peer;
  channel->received = received;
  channel->closed = closed;
  channel->user = user;
  channel->input = g_byte_array_new();
  g_queue_init(&channel->fds);
  g_queue_init(&channel->outgoing);
  channel->open = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
  channel->owed = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
  channel->types = types_between(catalogue, own, peer);
  channel->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, channel);
  channel->writable = event_new(base, fd, EV_WRITE | EV_PERSIST, on_writable, channel);
  event_add(channel->readable, NULL);
  return channel;
}
