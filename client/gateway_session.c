/* SPDX-License-Identifier: Apache-2.0 */
#include "client/gateway_session.h"

#include <string.h>

#define NAME "signet-gateway"
#define GONE "the mail server behind the gateway does not answer"

typedef enum {
  STATE_COMMAND, /* the client's turn */
  STATE_ANSWER,  /* the server's turn */
  STATE_HOLD,    /* a message comes and is held until it is known what it is */
  STATE_ASK,     /* it is there */
  STATE_PASS,    /* what comes goes straight to the server */
  STATE_DROP,    /* the server refused the message that comes */
  STATE_END
} State;

/* What the server's next answer is to. */
typedef enum {
  TO_CONNECT,
  TO_EHLO,
  TO_MAIL,
  TO_RCPT,
  TO_RSET,
  TO_QUIT,
  TO_OTHER, /* nothing is done but to pass it on */
  TO_DATA,  /* of a message that is held: it goes on with 354 */
  TO_MESSAGE,
  TO_TAKEN, /* RSET after a message that is kept */
  ANSWERS
} AnswerTo;

/* Where the octets of a message are, as to its end CRLF "." CRLF. */
typedef enum { AT_TEXT, AT_CR, AT_LINE, AT_DOT, AT_DOT_CR } Place;

struct GatewaySession {
  State state;
  AnswerTo awaited;
  gboolean lmtp;
  guint recipients; /* that the server took in this transaction */
  GString *from_client, *from_server, *to_client, *to_server;
  GString *held; /* a message as it came, perhaps with its end */
  Place place;
  gboolean ended; /* its end is there */
  char *refusal;  /* the server's answer to DATA; NULL */
};

static void await(GatewaySession *session, AnswerTo what) {
  session->awaited = what;
  session->state = STATE_ANSWER;
}

static void end(GatewaySession *session, const char *words) {
  if (words != NULL)
    g_string_append_printf(session->to_client, "421 4.3.0 " NAME " %s\r\n", words);
  session->state = STATE_END;
}

/* --- the client's commands ----------------------------------------------------------------------
 */

typedef struct {
  const char *verb;
  AnswerTo answer;
} Command;

/* All that a mail server says beside EHLO, LHLO and DATA: passed on as it is. */
static const Command commands[] = {
    {"HELO", TO_RSET}, {"MAIL", TO_MAIL},  {"RCPT", TO_RCPT},  {"RSET", TO_RSET},
    {"QUIT", TO_QUIT}, {"NOOP", TO_OTHER}, {"VRFY", TO_OTHER}, {"XFORWARD", TO_OTHER},
};

static gboolean is_verb(const char *line, gsize length, const char *verb) {
  gsize size = strlen(verb);
  return length >= size && g_ascii_strncasecmp(line, verb, size) == 0 &&
         (length == size || strchr(" \r\n", line[size]) != NULL);
}

static void pass_command(GatewaySession *session, const char *line, gsize length, AnswerTo answer) {
  g_string_append_len(session->to_server, line, (gssize)length);
  await(session, answer);
}

/* The server behind speaks SMTP, whatever the client does. */
static void greet(GatewaySession *session, const char *line, gsize length, gboolean lmtp) {
  session->lmtp = lmtp;
  g_string_append(session->to_server, "EHLO");
  g_string_append_len(session->to_server, line + 4, (gssize)length - 4);
  await(session, TO_EHLO);
}

/* Without a recipient it is for the server to say so. */
static void begin_message(GatewaySession *session, const char *line, gsize length) {
  if (session->recipients == 0) {
    pass_command(session, line, length, TO_OTHER);
    return;
  }
  g_string_truncate(session->held, 0);
  session->place = AT_LINE;
  session->ended = FALSE;
  session->state = STATE_HOLD;
  g_string_append(session->to_client, "354 go on, end with a dot alone on a line\r\n");
}

static void run_command(GatewaySession *session, const char *line, gsize length) {
  if (memchr(line, '\0', length) != NULL) {
    g_string_append(session->to_client, "500 5.5.2 a NUL in a command\r\n");
    return;
  }
  if (is_verb(line, length, "EHLO") || is_verb(line, length, "LHLO")) {
    greet(session, line, length, is_verb(line, length, "LHLO"));
    return;
  }
  if (is_verb(line, length, "DATA")) {
    begin_message(session, line, length);
    return;
  }
  for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
    if (is_verb(line, length, commands[i].verb)) {
      pass_command(session, line, length, commands[i].answer);
      return;
    }
  g_string_append(session->to_client, "502 5.5.1 command not known here\r\n");
}

static gboolean step_command(GatewaySession *session) {
  GString *input = session->from_client;
  const char *newline = memchr(input->str, '\n', input->len);
  gsize length = newline != NULL ? (gsize)(newline - input->str) + 1 : input->len;
  if (length > GATEWAY_MAX_LINE) {
    end(session, "command too long");
    return TRUE;
  }
  if (newline == NULL)
    return FALSE;
  g_autofree char *line = g_strndup(input->str, length);
  g_string_erase(input, 0, (gssize)length);
  run_command(session, line, length);
  return TRUE;
}

/* --- a message ----------------------------------------------------------------------------------
 */

/* The places that an octet leads to; the end of a message is said by find_end. */
static Place next_place(Place place, char octet) {
  if (octet == '\r')
    return place == AT_DOT ? AT_DOT_CR : AT_CR;
  if (octet == '\n')
    return AT_LINE;
  return place == AT_LINE && octet == '.' ? AT_DOT : AT_TEXT;
}

/* Octets up to the end of the message or of what is there. FALSE: up to a bare LF, which no mail
   server sends, and of which two could think differently whether it ends a line. */
static gboolean find_end(GatewaySession *session, gsize *length) {
  const GString *input = session->from_client;
  for (*length = 0; *length < input->len && !session->ended; (*length)++) {
    char octet = input->str[*length];
    if (octet == '\n' && session->place != AT_CR && session->place != AT_DOT_CR)
      return FALSE;
    session->ended = octet == '\n' && session->place == AT_DOT_CR;
    session->place = next_place(session->place, octet);
  }
  return TRUE;
}

/* Moves octets of the message to target (NULL: nowhere). FALSE when there are none. */
static gboolean move(GatewaySession *session, GString *target) {
  gsize length = 0;
  if (session->from_client->len == 0)
    return FALSE;
  gboolean good = find_end(session, &length);
  if (target != NULL)
    g_string_append_len(target, session->from_client->str, (gssize)length);
  g_string_erase(session->from_client, 0, (gssize)length);
  if (!good)
    end(session, "a bare LF in a message");
  return good;
}

static void pass_message(GatewaySession *session) {
  g_string_append(session->to_server, "DATA\r\n");
  await(session, TO_DATA);
}

static gboolean step_hold(GatewaySession *session) {
  if (!move(session, session->held))
    return FALSE;
  if (session->ended && session->held->len <= GATEWAY_MAX_HELD)
    session->state = STATE_ASK;
  else if (session->held->len > GATEWAY_MAX_HELD)
    pass_message(session);
  return TRUE;
}

/* To the client, once, in LMTP once for each recipient (RFC 2033 section 4.2). */
static void answer_message(GatewaySession *session, const char *text) {
  guint times = session->lmtp ? session->recipients : 1;
  for (guint i = 0; i < times; i++)
    g_string_append(session->to_client, text);
  session->recipients = 0;
  session->state = STATE_COMMAND;
}

static gboolean step_pass(GatewaySession *session) {
  if (!move(session, session->to_server))
    return FALSE;
  if (session->ended)
    await(session, TO_MESSAGE);
  return TRUE;
}

static gboolean step_drop(GatewaySession *session) {
  if (!session->ended && !move(session, NULL))
    return FALSE;
  if (!session->ended)
    return TRUE;
  g_autofree char *refusal = g_steal_pointer(&session->refusal);
  answer_message(session, refusal);
  return TRUE;
}

/* --- the server's answers -----------------------------------------------------------------------
 */

static void answer_other(GatewaySession *session, const char *text) {
  g_string_append(session->to_client, text);
  session->state = STATE_COMMAND;
}

static void answer_connect(GatewaySession *session, const char *text) {
  if (text[0] != '2') {
    answer_other(session, text);
    session->state = STATE_END;
    return;
  }
  answer_other(session, "220 " NAME " ESMTP\r\n");
}

/* What goes through here as it is. */
static gboolean is_extension(const char *line) {
  static const char *const known[] = {
      "SIZE", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES", "XFORWARD"};
  for (gsize i = 0; i < G_N_ELEMENTS(known); i++)
    if (is_verb(line, strlen(line), known[i]))
      return TRUE;
  return FALSE;
}

static void answer_ehlo(GatewaySession *session, const char *text) {
  session->recipients = 0;
  if (text[0] != '2') {
    answer_other(session, text);
    return;
  }
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  g_autoptr(GPtrArray) kept = g_ptr_array_new();
  for (char **line = lines + 1; lines[0] != NULL && *line != NULL; line++)
    if (strlen(*line) > 4 && is_extension(*line + 4))
      g_ptr_array_add(kept, g_strchomp(*line + 4));
  g_string_append_printf(session->to_client, "250%c" NAME "\r\n", kept->len > 0 ? '-' : ' ');
  for (guint i = 0; i < kept->len; i++)
    g_string_append_printf(session->to_client, "250%c%s\r\n", i + 1 < kept->len ? '-' : ' ',
                           (const char *)g_ptr_array_index(kept, i));
  session->state = STATE_COMMAND;
}

static void answer_fresh(GatewaySession *session, const char *text) {
  session->recipients = 0;
  answer_other(session, text);
}

static void answer_rcpt(GatewaySession *session, const char *text) {
  session->recipients += text[0] == '2' ? 1 : 0;
  answer_other(session, text);
}

static void answer_quit(GatewaySession *session, const char *text) {
  answer_other(session, text);
  session->state = STATE_END;
}

static void answer_data(GatewaySession *session, const char *text) {
  if (text[0] != '3') {
    session->refusal = g_strdup(text);
    session->state = STATE_DROP;
    return;
  }
  g_string_append_len(session->to_server, session->held->str, (gssize)session->held->len);
  g_string_truncate(session->held, 0);
  if (session->ended)
    await(session, TO_MESSAGE);
  else
    session->state = STATE_PASS;
}

static void answer_taken(GatewaySession *session, const char *text) {
  (void)text;
  answer_message(session, "250 2.0.0 the challenge is answered by the gateway\r\n");
}

static void (*const answers[ANSWERS])(GatewaySession *, const char *) = {
    [TO_CONNECT] = answer_connect, [TO_EHLO] = answer_ehlo,  [TO_MAIL] = answer_fresh,
    [TO_RCPT] = answer_rcpt,       [TO_RSET] = answer_fresh, [TO_QUIT] = answer_quit,
    [TO_OTHER] = answer_other,     [TO_DATA] = answer_data,  [TO_MESSAGE] = answer_message,
    [TO_TAKEN] = answer_taken,
};

/* The octets of the next whole answer; 0: it is not there yet. */
static gsize answer_length(const GString *input) {
  gsize start = 0;
  for (;;) {
    const char *newline = memchr(input->str + start, '\n', input->len - start);
    if (newline == NULL)
      return 0;
    gsize line = (gsize)(newline - input->str) + 1 - start;
    gboolean more = line > 4 && input->str[start + 3] == '-';
    start += line;
    if (!more)
      return start;
  }
}

static gboolean step_answer(GatewaySession *session) {
  GString *input = session->from_server;
  gsize length = answer_length(input);
  if (length > GATEWAY_MAX_ANSWER || (length == 0 && input->len > GATEWAY_MAX_ANSWER)) {
    end(session, "the mail server behind the gateway speaks no SMTP");
    return TRUE;
  }
  if (length == 0)
    return FALSE;
  g_autofree char *text = g_strndup(input->str, length);
  g_string_erase(input, 0, (gssize)length);
  answers[session->awaited](session, text);
  return TRUE;
}

/* --- the engine ---------------------------------------------------------------------------------
 */

static gboolean (*const steps[])(GatewaySession *) = {
    [STATE_COMMAND] = step_command,
    [STATE_ANSWER] = step_answer,
    [STATE_HOLD] = step_hold,
    [STATE_ASK] = NULL,
    [STATE_PASS] = step_pass,
    [STATE_DROP] = step_drop,
    [STATE_END] = NULL,
};

static GatewayEvent go_on(GatewaySession *session) {
  while (steps[session->state] != NULL && steps[session->state](session))
    ;
  if (session->state == STATE_ASK)
    return GATEWAY_ASKS;
  return session->state == STATE_END ? GATEWAY_ENDS : GATEWAY_GOES_ON;
}

GatewayEvent gateway_session_from_client(GatewaySession *session, const void *data, gsize length) {
  if (length > 0)
    g_string_append_len(session->from_client, data, (gssize)length);
  return go_on(session);
}

GatewayEvent gateway_session_from_server(GatewaySession *session, const void *data, gsize length) {
  if (length > 0)
    g_string_append_len(session->from_server, data, (gssize)length);
  return go_on(session);
}

GatewayEvent gateway_session_server_gone(GatewaySession *session) {
  if (session->state != STATE_END)
    end(session, GONE);
  return GATEWAY_ENDS;
}

GBytes *gateway_session_message(const GatewaySession *session) {
  GString *text = g_string_sized_new(session->held->len);
  const char *at = session->held->str, *stop = at + session->held->len - strlen(".\r\n");
  while (at < stop) {
    const char *newline = memchr(at, '\n', (gsize)(stop - at));
    const char *next = newline != NULL ? newline + 1 : stop;
    if (*at == '.')
      at++;
    g_string_append_len(text, at, next - at);
    at = next;
  }
  return g_string_free_to_bytes(text);
}

GatewayEvent gateway_session_answer(GatewaySession *session, gboolean kept) {
  g_return_val_if_fail(session->state == STATE_ASK, GATEWAY_ENDS);
  if (kept) {
    g_string_append(session->to_server, "RSET\r\n");
    await(session, TO_TAKEN);
  } else {
    pass_message(session);
  }
  return go_on(session);
}

static GBytes *take(GString **text) {
  GBytes *octets = g_string_free_to_bytes(*text);
  *text = g_string_new(NULL);
  return octets;
}

GBytes *gateway_session_to_client(GatewaySession *session) {
  return take(&session->to_client);
}

GBytes *gateway_session_to_server(GatewaySession *session) {
  return take(&session->to_server);
}

gsize gateway_session_pending(const GatewaySession *session) {
  return session->from_client->len;
}

GatewaySession *gateway_session_new(void) {
  GatewaySession *session = g_new0(GatewaySession, 1);
  session->from_client = g_string_new(NULL);
  session->from_server = g_string_new(NULL);
  session->to_client = g_string_new(NULL);
  session->to_server = g_string_new(NULL);
  session->held = g_string_new(NULL);
  await(session, TO_CONNECT);
  return session;
}

void gateway_session_free(GatewaySession *session) {
  if (session == NULL)
    return;
  GString *const texts[] = {session->from_client, session->from_server, session->to_client,
                            session->to_server, session->held};
  for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
    g_string_free(texts[i], TRUE);
  g_free(session->refusal);
  g_free(session);
}
