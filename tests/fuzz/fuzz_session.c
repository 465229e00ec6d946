/* SPDX-License-Identifier: Apache-2.0 */
/* Input: an octet that seeds the cuts, then what a client sends. Holds: the transcript does not
   depend on how the octets are cut, as long as those that must wait for an answer do; every reply
   is one line of printable ASCII; a message that is handed out has no bare CR, bare LF or NUL. */
#include "mime/raw_message.h"
#include "smtp/session.h"
#include "tests/fuzz/fuzz.h"

#define NOW G_GINT64_CONSTANT(1700000000000)

static const SmtpSessionOptions options = {
    .hostname = "mx.example.org", .max_message = 3000, .offer_starttls = TRUE};

static void take_output(SmtpSession *session, GString *transcript) {
  g_autoptr(GBytes) output = smtp_session_take_output(session);
  gsize length = 0;
  const char *text = g_bytes_get_data(output, &length);
  g_assert_true(length == 0 || (length > 2 && memcmp(text + length - 2, "\r\n", 2) == 0));
  for (gsize i = 0; i < length; i++)
    g_assert_true(g_ascii_isprint(text[i]) || (text[i] == '\r' && text[i + 1] == '\n') ||
                  (text[i] == '\n' && i > 0 && text[i - 1] == '\r'));
  if (length > 0)
    g_string_append_len(transcript, text, (gssize)length);
}

static void note_message(const SmtpSession *session, GString *transcript) {
  GBytes *message = smtp_session_message(session);
  const SmtpEnvelope *envelope = smtp_session_envelope(session);
  gsize length = 0;
  const char *text = g_bytes_get_data(message, &length);
  g_assert_false(raw_has_bare_newline(message));
  g_assert_null(memchr(text, '\0', length));
  g_assert_true(g_str_has_prefix(text, "Received: from "));
  g_assert_cmpmem(text + length - 2, 2, "\r\n", 2);
  g_assert_cmpuint(envelope->recipients->len, >, 0);
  fuzz_assert_line(envelope->from);
  fuzz_assert_line(envelope->helo);
  g_string_append_printf(transcript, "message from %s helo %s tls %d utf8 %d:\n", envelope->from,
                         envelope->helo, envelope->tls, envelope->utf8);
  g_string_append_len(transcript, text, (gssize)length);
}

static void feed(SmtpSession *session, const guint8 *data, gsize length, GString *transcript) {
  SmtpSessionEvent event = smtp_session_feed(session, data, length, NOW);
  while (event != SMTP_WANT_INPUT && event != SMTP_CLOSE) {
    take_output(session, transcript);
    if (event == SMTP_START_TLS) {
      smtp_session_tls_started(session);
    } else if (event == SMTP_ASK_RECIPIENT) {
      const char *recipient = smtp_session_recipient(session);
      fuzz_assert_line(recipient);
      g_string_append_printf(transcript, "recipient %s\n", recipient);
      if (*recipient == 'x')
        smtp_session_answer(session, 550, "5.1.1", "nobody\r\n here");
      else
        smtp_session_answer(session, 250, "2.1.5", "good");
    } else {
      note_message(session, transcript);
      smtp_session_answer(session, 250, "2.0.0", "kept");
    }
    event = smtp_session_feed(session, NULL, 0, NOW);
  }
  take_output(session, transcript);
  if (event == SMTP_CLOSE)
    g_assert_cmpuint(smtp_session_pending(session), ==, 0);
}

static gboolean begins_with(const guint8 *data, gsize size, const char *verb) {
  gsize length = strlen(verb);
  return size >= length && g_ascii_strncasecmp((const char *)data, verb, length) == 0;
}

/* The octets that a client may send at once: up to and with a line that looks as if it had to wait
   for its answer. */
static gsize turn(const guint8 *data, gsize size) {
  for (gsize start = 0; start < size;) {
    const guint8 *end = memmem(data + start, size - start, "\r\n", 2);
    if (end == NULL)
      return size;
    gsize next = (gsize)(end - data) + 2;
    static const char *const last[] = {"EHLO", "HELO", "DATA", "STARTTLS"};
    for (gsize i = 0; i < G_N_ELEMENTS(last); i++)
      if (begins_with(data + start, size - start, last[i]))
        return next;
    start = next;
  }
  return size;
}

/* One turn; cut into pieces when *seed is not 0. */
static void feed_turn(SmtpSession *session, const guint8 *data, gsize size, guint32 *seed,
                      GString *transcript) {
  while (size > 0) {
    gsize length = size;
    if (*seed != 0) {
      *seed = *seed * 1103515245u + 12345u;
      length = MIN(length, 1 + (*seed >> 16) % ((*seed & 0x100) != 0 ? 4 : 700));
    }
    feed(session, data, length, transcript);
    data += length;
    size -= length;
  }
}

static char *talk(const guint8 *data, gsize size, guint32 seed) {
  SmtpSession *session = smtp_session_new(&options, "192.0.2.1");
  GString *transcript = g_string_new(NULL);
  take_output(session, transcript);
  while (size > 0) {
    gsize length = turn(data, size);
    feed_turn(session, data, length, &seed, transcript);
    data += length;
    size -= length;
  }
  const char *refusal = smtp_session_refusal(session);
  g_string_append_printf(transcript, "closed: %s\n", refusal == NULL ? "" : refusal);
  smtp_session_free(session);
  return g_string_free(transcript, FALSE);
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size) {
  if (size == 0)
    return 0;
  g_autofree char *whole = talk(data + 1, size - 1, 0);
  g_autofree char *cut = talk(data + 1, size - 1, 1 + data[0]);
  g_assert_cmpstr(whole, ==, cut);
  return 0;
}
