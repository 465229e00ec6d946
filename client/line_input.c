/* SPDX-License-Identifier: Apache-2.0 */
#include "client/line_input.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

struct LineInput {
  int fd;
  gboolean ended;
  GString *pending; /* read, not yet given out */
};

LineInput *line_input_new(int fd) {
  LineInput *input = g_new0(LineInput, 1);
  input->fd = fd;
  input->pending = g_string_new(NULL);
  return input;
}

void line_input_free(LineInput *input) {
  if (input == NULL)
    return;
  g_string_free(input->pending, TRUE);
  g_free(input);
}

static char *take(LineInput *input, gsize length, gsize with_end) {
  if (length > 0 && input->pending->str[length - 1] == '\r')
    length--;
  char *line = g_strndup(input->pending->str, length);
  g_string_erase(input->pending, 0, (gssize)with_end);
  return line;
}

static char *take_line(LineInput *input) {
  const char *end = memchr(input->pending->str, '\n', input->pending->len);
  if (end != NULL) {
    gsize length = (gsize)(end - input->pending->str);
    return take(input, length, length + 1);
  }
  if (input->pending->len >= LINE_INPUT_MAX || (input->ended && input->pending->len > 0))
    return take(input, input->pending->len, input->pending->len);
  return NULL;
}

/* FALSE when nothing came in time. */
static gboolean read_more(LineInput *input, gint64 milliseconds) {
  struct pollfd waiting = {.fd = input->fd, .events = POLLIN};
  if (poll(&waiting, 1, (int)CLAMP(milliseconds, 0, G_MAXINT)) <= 0)
    return FALSE;
  char buffer[4096];
  ssize_t got = read(input->fd, buffer, sizeof buffer);
  if (got > 0)
    g_string_append_len(input->pending, buffer, got);
  else if (got == 0 || (errno != EINTR && errno != EAGAIN))
    input->ended = TRUE;
  return TRUE;
}

LineInputResult line_input_next(LineInput *input, gint64 milliseconds, char **line) {
  gint64 until = g_get_monotonic_time() + milliseconds * 1000;
  for (;;) {
    *line = take_line(input);
    if (*line != NULL)
      return LINE_INPUT_LINE;
    if (input->ended)
      return LINE_INPUT_END;
    gint64 left = (until - g_get_monotonic_time()) / 1000;
    if (!read_more(input, left))
      return LINE_INPUT_NOTHING;
  }
}
