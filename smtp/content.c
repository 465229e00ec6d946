/* SPDX-License-Identifier: Apache-2.0 */
#include "smtp/content.h"
#include "smtp/line.h"
#include "smtp/session.h"

#define DROPPED_FACTOR 2

/* Invariant: text is empty once there is a failure. */
struct SmtpContent {
  gsize max;
  GString *text;
  gsize received;      /* octets so far, dropped ones too */
  gsize line_length;   /* octets of the line that were taken already */
  SmtpFailure failure; /* code 0: none */
};

SmtpContent *smtp_content_new(gsize max) {
  SmtpContent *content = g_new0(SmtpContent, 1);
  content->max = max;
  content->text = g_string_new(NULL);
  return content;
}

void smtp_content_free(SmtpContent *content) {
  if (content == NULL)
    return;
  g_string_free(content->text, TRUE);
  g_free(content);
}

static void fail(SmtpContent *content, int code, const char *enhanced, const char *text) {
  if (content->failure.code == 0)
    content->failure = (SmtpFailure){code, enhanced, text};
  g_string_truncate(content->text, 0);
}

static SmtpContentEvent fail_and_close(SmtpContent *content, int code, const char *enhanced,
                                       const char *text) {
  content->failure.code = 0; /* this is the worse one */
  fail(content, code, enhanced, text);
  return SMTP_CONTENT_CLOSE;
}

/* Takes length octets of a line, with or without its line end. */
static SmtpContentEvent take(SmtpContent *content, const char *text, gsize length,
                             gboolean whole_line) {
  gsize taken = length + (whole_line ? 2 : 0);
  gsize stuffed = content->line_length == 0 && taken > 0 && text[0] == '.' ? 1 : 0;
  content->received += taken - stuffed;
  content->line_length = whole_line ? 0 : content->line_length + length;
  /* The line first: else the answer would depend on how the octets came. */
  if (content->line_length > SMTP_MAX_LINE || length > SMTP_MAX_LINE)
    fail(content, 554, "5.6.0", "line too long");
  else if (content->received > content->max)
    fail(content, 552, "5.3.4", "message too large");
  if (content->failure.code == 0)
    g_string_append_len(content->text, text + stuffed, (gssize)(taken - stuffed));
  return content->received / DROPPED_FACTOR > content->max + SMTP_MAX_LINE
             ? fail_and_close(content, 552, "5.3.4", "message far too large")
             : SMTP_CONTENT_MORE;
}

SmtpContentEvent smtp_content_feed(SmtpContent *content, const char *text, gsize length,
                                   gsize *taken) {
  SmtpContentEvent event = SMTP_CONTENT_MORE;
  *taken = 0;
  while (event == SMTP_CONTENT_MORE) {
    gsize line = 0;
    const char *start = text + *taken;
    SmtpLine kind = smtp_line_scan(start, length - *taken, &line);
    gboolean whole = kind == SMTP_LINE_WHOLE;
    if (kind == SMTP_LINE_FORBIDDEN)
      return fail_and_close(content, 554, "5.6.0", "bare CR, bare LF or NUL in the message");
    if (!whole && line <= SMTP_MAX_LINE)
      return SMTP_CONTENT_MORE;
    *taken += line + (whole ? 2 : 0);
    if (whole && line == 1 && start[0] == '.' && content->line_length == 0)
      return SMTP_CONTENT_END;
    event = take(content, start, line, whole);
  }
  return event;
}

const SmtpFailure *smtp_content_failure(const SmtpContent *content) {
  return content->failure.code != 0 ? &content->failure : NULL;
}

GBytes *smtp_content_finish(SmtpContent *content, const char *received) {
  GString *text = g_steal_pointer(&content->text);
  g_free(content);
  g_string_prepend(text, received);
  return g_string_free_to_bytes(text);
}
