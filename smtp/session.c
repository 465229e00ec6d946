/* SPDX-License-Identifier: Apache-2.0 */
#include "smtp/session.h"
#include "base/clock.h"
#include "smtp/content.h"
#include "smtp/line.h"
#include "smtp/path.h"

#include <string.h>

#define TEXT_MAX                                                                                   \
  400 /* octets of an owner's text in a reply line of 512 (RFC 5321 section 4.5.3.1.5) */
#define HELO_MAX 255 /* RFC 5321 section 4.5.3.1.2 */

typedef enum {
  STATE_NEW,   /* before EHLO; again after STARTTLS */
  STATE_READY, /* no transaction */
  STATE_MAIL,  /* MAIL was accepted */
  STATE_RCPT,  /* and at least one RCPT */
  STATE_DATA,  /* between 354 and the end of the message */
  STATE_ASK_RCPT,
  STATE_ASK_MESSAGE,
  STATE_TLS, /* between the 220 to STARTTLS and the end of the handshake */
  STATE_CLOSED
} State;

#define IN(state) (1U << (state))
#define AFTER_HELO (IN(STATE_READY) | IN(STATE_MAIL) | IN(STATE_RCPT))
#define COMMANDS (IN(STATE_NEW) | AFTER_HELO)

/* Where each state may lead. */
static const guint transitions[] = {
    [STATE_NEW] = IN(STATE_READY) | IN(STATE_CLOSED),
    [STATE_READY] = IN(STATE_READY) | IN(STATE_MAIL) | IN(STATE_TLS) | IN(STATE_CLOSED),
    [STATE_MAIL] = IN(STATE_ASK_RCPT) | IN(STATE_READY) | IN(STATE_TLS) | IN(STATE_CLOSED),
    [STATE_RCPT] =
        IN(STATE_ASK_RCPT) | IN(STATE_DATA) | IN(STATE_READY) | IN(STATE_TLS) | IN(STATE_CLOSED),
    [STATE_DATA] = IN(STATE_ASK_MESSAGE) | IN(STATE_READY) | IN(STATE_CLOSED),
    [STATE_ASK_RCPT] = IN(STATE_MAIL) | IN(STATE_RCPT) | IN(STATE_CLOSED),
    [STATE_ASK_MESSAGE] = IN(STATE_ASK_MESSAGE) | IN(STATE_READY) | IN(STATE_CLOSED),
    [STATE_TLS] = IN(STATE_NEW) | IN(STATE_CLOSED),
    [STATE_CLOSED] = IN(STATE_CLOSED),
};

static const SmtpSessionEvent events[] = {
    [STATE_NEW] = SMTP_WANT_INPUT,
    [STATE_READY] = SMTP_WANT_INPUT,
    [STATE_MAIL] = SMTP_WANT_INPUT,
    [STATE_RCPT] = SMTP_WANT_INPUT,
    [STATE_DATA] = SMTP_WANT_INPUT,
    [STATE_ASK_RCPT] = SMTP_ASK_RECIPIENT,
    [STATE_ASK_MESSAGE] = SMTP_ASK_MESSAGE,
    [STATE_TLS] = SMTP_START_TLS,
    [STATE_CLOSED] = SMTP_CLOSE,
};

/* Invariant: envelope is there from STATE_MAIL to the end of the transaction; content in
   STATE_DATA only; recipient and message only while their question is open; in LMTP single, with
   the recipient that is asked about, while message is there. */
struct SmtpSession {
  char *hostname;
  char *peer;
  gsize max_message;
  gboolean offer_starttls;
  void (*replied)(int code, gpointer user);
  gpointer user;
  gboolean lmtp;
  State state;
  gint64 now;
  gboolean banner_taken;
  gboolean tls;
  gboolean esmtp; /* EHLO or LHLO, not HELO */
  char *helo;
  guint errors;
  GString *input;
  gsize start; /* octets of input already handled */
  GString *output;
  SmtpEnvelope *envelope, *single;
  guint answered;             /* recipients whose answer behind the message was given */
  gboolean recipient_refused; /* in this transaction */
  char *recipient;
  SmtpContent *content;
  GBytes *message;
  const char *refusal;
};

void smtp_envelope_free(SmtpEnvelope *envelope) {
  g_free(envelope->peer);
  g_free(envelope->helo);
  g_free(envelope->from);
  g_ptr_array_unref(envelope->recipients);
  g_free(envelope);
}

static void enter(SmtpSession *session, State state) {
  g_return_if_fail((transitions[session->state] & IN(state)) != 0);
  session->state = state;
}

static void count_reply(const SmtpSession *session, int code) {
  if (session->replied != NULL)
    session->replied(code, session->user);
}

/* enhanced is NULL where RFC 2034 section 4 has none. */
static void reply(SmtpSession *session, int code, const char *enhanced, const char *text) {
  g_string_append_printf(session->output, "%d %s%s%s\r\n", code, enhanced == NULL ? "" : enhanced,
                         enhanced == NULL ? "" : " ", text);
  count_reply(session, code);
}

/* Ends the session: what is left of the input is never looked at. */
static void close_session(SmtpSession *session, const char *refusal) {
  session->refusal = refusal;
  g_string_truncate(session->input, 0);
  session->start = 0;
  enter(session, STATE_CLOSED);
}

static void refuse_and_close(SmtpSession *session, int code, const char *enhanced,
                             const char *refusal) {
  reply(session, code, enhanced, refusal);
  close_session(session, refusal);
}

/* An MTA that delivers by LMTP hands on the errors of others. */
static void count_error(SmtpSession *session) {
  if (!session->lmtp && ++session->errors >= SMTP_MAX_ERRORS)
    refuse_and_close(session, 421, "4.7.0", "too many refused commands");
}

static void refuse(SmtpSession *session, int code, const char *enhanced, const char *text) {
  reply(session, code, enhanced, text);
  count_error(session);
}

static void end_transaction(SmtpSession *session) {
  g_clear_pointer(&session->envelope, smtp_envelope_free);
  g_clear_pointer(&session->single, smtp_envelope_free);
  g_clear_pointer(&session->recipient, g_free);
  g_clear_pointer(&session->message, g_bytes_unref);
  g_clear_pointer(&session->content, smtp_content_free);
  session->recipient_refused = FALSE;
}

/* EHLO and HELO (RFC 5321 section 4.1.1.1), LHLO (RFC 2033 section 4.1) */

static gboolean is_helo_name(const char *name) {
  if (*name == '\0' || strlen(name) > HELO_MAX)
    return FALSE;
  for (const char *p = name; *p != '\0'; p++)
    if (!g_ascii_isgraph(*p))
      return FALSE;
  return TRUE;
}

static gboolean greet(SmtpSession *session, const char *name, gboolean esmtp) {
  if (!is_helo_name(name)) {
    refuse(session, 501, "5.5.4", "a host name or address literal must follow");
    return FALSE;
  }
  end_transaction(session);
  g_free(session->helo);
  session->helo = g_strdup(name);
  session->esmtp = esmtp;
  enter(session, STATE_READY);
  return TRUE;
}

static void run_ehlo(SmtpSession *session, const char *argument) {
  if (!greet(session, argument, TRUE))
    return;
  g_string_append_printf(session->output,
                         "250-%s\r\n250-PIPELINING\r\n250-SIZE %" G_GSIZE_FORMAT
                         "\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n",
                         session->hostname, session->max_message);
  if (session->offer_starttls && !session->tls)
    g_string_append(session->output, "250-STARTTLS\r\n");
  g_string_append(session->output, "250 ENHANCEDSTATUSCODES\r\n");
  count_reply(session, 250);
}

static void run_helo(SmtpSession *session, const char *argument) {
  if (greet(session, argument, FALSE))
    reply(session, 250, NULL, session->hostname);
}

/* MAIL and RCPT (RFC 5321 sections 4.1.1.2 and 4.1.1.3) */

/* Moves behind "FROM:" or "TO:" and blanks, which some clients put there. NULL when it is not
 * there. */
static const char *skip_keyword(const char *argument, const char *keyword) {
  gsize length = strlen(keyword);
  if (g_ascii_strncasecmp(argument, keyword, length) != 0)
    return NULL;
  return argument + length + strspn(argument + length, " ");
}

/* The path behind keyword; NULL when refused. *rest: what follows it. */
static char *take_path(SmtpSession *session, const char *argument, const char *keyword,
                       const char *enhanced, const char **rest) {
  const char *problem = "syntax: MAIL FROM:<address> or RCPT TO:<address>";
  char *path = NULL;
  *rest = skip_keyword(argument, keyword);
  if (*rest != NULL)
    path = smtp_path_take(rest, &problem);
  if (path == NULL)
    refuse(session, 501, enhanced, problem);
  return path;
}

/* Without SMTPUTF8 an address is ASCII; code: 550 to MAIL, 553 to RCPT (RFC 6531 section 3.5). */
static gboolean check_ascii(SmtpSession *session, const char *path, gboolean utf8, int code) {
  if (utf8 || g_str_is_ascii(path))
    return TRUE;
  refuse(session, code, "5.6.7", "a non-ASCII address needs SMTPUTF8");
  return FALSE;
}

static gboolean check_mail_parameters(SmtpSession *session, const char *text,
                                      SmtpMailParameters *parameters) {
  SmtpParametersResult result = smtp_mail_parameters_parse(text, parameters);
  gboolean unannounced = !session->esmtp && strspn(text, " ") != strlen(text);
  if (result == SMTP_PARAMETERS_UNKNOWN || unannounced)
    refuse(session, 555, "5.5.4", "parameter not known");
  else if (result == SMTP_PARAMETERS_MALFORMED)
    refuse(session, 501, "5.5.4", "malformed parameter");
  else if (parameters->size > session->max_message)
    refuse(session, 552, "5.3.4", "message too large");
  else
    return TRUE;
  return FALSE;
}

static SmtpEnvelope *envelope_new(const SmtpSession *session, const char *from, gboolean utf8) {
  SmtpEnvelope *envelope = g_new0(SmtpEnvelope, 1);
  envelope->peer = g_strdup(session->peer);
  envelope->helo = g_strdup(session->helo);
  envelope->from = g_strdup(from);
  envelope->recipients = g_ptr_array_new_with_free_func(g_free);
  envelope->tls = session->tls;
  envelope->utf8 = utf8;
  return envelope;
}

static void run_mail(SmtpSession *session, const char *argument) {
  const char *rest = NULL;
  g_autofree char *from = take_path(session, argument, "FROM:", "5.1.7", &rest);
  SmtpMailParameters parameters;
  if (from == NULL || !check_mail_parameters(session, rest, &parameters) ||
      !check_ascii(session, from, parameters.utf8, 550))
    return;
  if (*from != '\0' && strrchr(from, '@') == NULL) {
    refuse(session, 501, "5.1.7", "the address has no domain");
    return;
  }
  session->envelope = envelope_new(session, from, parameters.utf8);
  enter(session, STATE_MAIL);
  reply(session, 250, "2.1.0", "sender noted");
}

static gboolean is_forward_path(const char *path) {
  return strrchr(path, '@') != NULL || g_ascii_strcasecmp(path, "postmaster") == 0;
}

static void run_rcpt(SmtpSession *session, const char *argument) {
  const char *rest = NULL;
  g_autofree char *path = take_path(session, argument, "TO:", "5.1.3", &rest);
  if (path == NULL || !check_ascii(session, path, session->envelope->utf8, 553))
    return;
  if (!is_forward_path(path))
    refuse(session, 501, "5.1.3", "the address has no domain");
  else if (strspn(rest, " ") != strlen(rest))
    refuse(session, 555, "5.5.4", "parameter not known");
  else if (session->envelope->recipients->len >= SMTP_MAX_RECIPIENTS)
    refuse(session, 452, "4.5.3", "too many recipients");
  else {
    session->recipient = g_steal_pointer(&path);
    enter(session, STATE_ASK_RCPT);
  }
}

/* DATA (RFC 5321 section 4.1.1.4) */

/* Extended-Domain has letters, digits, hyphens and dots; what else a client calls itself must not
 * shape a field. */
static char *helo_for_field(const char *helo) {
  char *name = g_strdup(helo);
  for (char *p = name; *p != '\0'; p++)
    if (!g_ascii_isalnum(*p) && strchr("-.:_[]", *p) == NULL)
      *p = '_';
  return name;
}

static char *peer_for_field(const char *peer) {
  if (strcmp(peer, SMTP_LOCAL_PEER) == 0)
    return g_strdup(peer);
  return g_strdup_printf("[%s%s]", strchr(peer, ':') != NULL ? "IPv6:" : "", peer);
}

/* The names are those of RFC 3848 and RFC 6531 section 4.3. */
static const char *protocol_name(const SmtpSession *session) {
  if (session->lmtp)
    return session->envelope->utf8 ? "UTF8LMTP" : "LMTP";
  return session->envelope->utf8 ? "UTF8SMTP" : session->esmtp ? "ESMTP" : "SMTP";
}

/* RFC 5321 section 4.4. */
static char *received_field(const SmtpSession *session) {
  const SmtpEnvelope *envelope = session->envelope;
  g_autofree char *helo = helo_for_field(envelope->helo);
  g_autofree char *peer = peer_for_field(envelope->peer);
  g_autofree char *date = clock_rfc5322(session->now);
  return g_strdup_printf("Received: from %s (%s)\r\n\tby %s with %s%s;\r\n\t%s\r\n", helo, peer,
                         session->hostname, protocol_name(session),
                         session->tls && session->esmtp ? "S" : "", date);
}

static void run_data(SmtpSession *session, const char *argument G_GNUC_UNUSED) {
  if (session->state != STATE_RCPT) {
    gboolean said = session->recipient_refused && !session->lmtp; /* RFC 2033 section 4.2 */
    refuse(session, said ? 554 : 503, "5.5.1", "no recipient was accepted");
    return;
  }
  session->content = smtp_content_new(session->max_message);
  enter(session, STATE_DATA);
  reply(session, 354, NULL, "send the message, end with a dot alone on a line");
}

/* The others */

static void run_starttls(SmtpSession *session, const char *argument G_GNUC_UNUSED) {
  if (session->tls)
    refuse(session, 503, "5.5.1", "TLS is on already");
  else if (!session->offer_starttls)
    refuse(session, 502, "5.5.1", "TLS is not offered");
  else {
    reply(session, 220, "2.0.0", "ready for TLS");
    end_transaction(session);
    enter(session, STATE_TLS);
  }
}

static void run_rset(SmtpSession *session, const char *argument G_GNUC_UNUSED) {
  end_transaction(session);
  if (session->state != STATE_NEW)
    enter(session, STATE_READY);
  reply(session, 250, "2.0.0", "reset");
}

static void run_noop(SmtpSession *session, const char *argument G_GNUC_UNUSED) {
  reply(session, 250, "2.0.0", "here");
}

static void run_vrfy(SmtpSession *session, const char *argument G_GNUC_UNUSED) {
  reply(session, 252, "2.5.0", "send mail and see");
}

static void run_help(SmtpSession *session, const char *argument G_GNUC_UNUSED) {
  reply(session, 214, "2.0.0", "see RFC 5321; this host takes replies to challenge mails only");
}

static void run_quit(SmtpSession *session, const char *argument G_GNUC_UNUSED) {
  reply(session, 221, "2.0.0", "goodbye");
  close_session(session, NULL);
}

/* HTTP and other protocols that a browser or a proxy can be made to speak to this port. */
static void run_foreign(SmtpSession *session, const char *argument G_GNUC_UNUSED) {
  refuse_and_close(session, 554, "5.5.2", "this is not a web server");
}

typedef enum { OF_BOTH, OF_SMTP, OF_LMTP } Protocol;

typedef struct {
  const char *name;
  guint states;
  Protocol protocol;
  gboolean last; /* must be answered before the client sends more (RFC 2920 section 3.1) */
  gboolean bare; /* takes no argument */
  void (*run)(SmtpSession *session, const char *argument);
} Command;

static const Command commands[] = {
    {.name = "EHLO", .states = COMMANDS, .protocol = OF_SMTP, .last = TRUE, .run = run_ehlo},
    {.name = "HELO", .states = COMMANDS, .protocol = OF_SMTP, .last = TRUE, .run = run_helo},
    {.name = "LHLO", .states = COMMANDS, .protocol = OF_LMTP, .last = TRUE, .run = run_ehlo},
    {.name = "MAIL", .states = IN(STATE_READY), .run = run_mail},
    {.name = "RCPT", .states = IN(STATE_MAIL) | IN(STATE_RCPT), .run = run_rcpt},
    {.name = "DATA",
     .states = IN(STATE_MAIL) | IN(STATE_RCPT),
     .last = TRUE,
     .bare = TRUE,
     .run = run_data},
    {.name = "RSET", .states = COMMANDS, .bare = TRUE, .run = run_rset},
    {.name = "NOOP", .states = COMMANDS, .run = run_noop},
    {.name = "VRFY", .states = COMMANDS, .run = run_vrfy},
    {.name = "HELP", .states = COMMANDS, .run = run_help},
    {.name = "QUIT", .states = COMMANDS, .bare = TRUE, .run = run_quit},
    {.name = "STARTTLS", .states = AFTER_HELO, .last = TRUE, .bare = TRUE, .run = run_starttls},
    {.name = "GET", .states = COMMANDS, .run = run_foreign},
    {.name = "HEAD", .states = COMMANDS, .run = run_foreign},
    {.name = "POST", .states = COMMANDS, .run = run_foreign},
    {.name = "PUT", .states = COMMANDS, .run = run_foreign},
    {.name = "PATCH", .states = COMMANDS, .run = run_foreign},
    {.name = "DELETE", .states = COMMANDS, .run = run_foreign},
    {.name = "OPTIONS", .states = COMMANDS, .run = run_foreign},
    {.name = "TRACE", .states = COMMANDS, .run = run_foreign},
    {.name = "CONNECT", .states = COMMANDS, .run = run_foreign},
    {.name = "PRI", .states = COMMANDS, .run = run_foreign},
};

static const Command *find_command(const char *line, gsize verb) {
  for (guint i = 0; i < G_N_ELEMENTS(commands); i++)
    if (strlen(commands[i].name) == verb && g_ascii_strncasecmp(commands[i].name, line, verb) == 0)
      return &commands[i];
  return NULL;
}

/* RFC 2033 section 4.1. */
static gboolean is_of_other_protocol(const SmtpSession *session, const Command *command) {
  return command->protocol == (session->lmtp ? OF_SMTP : OF_LMTP);
}

static gboolean has_control(const char *line) {
  for (const char *p = line; *p != '\0'; p++)
    if (g_ascii_iscntrl(*p))
      return TRUE;
  return FALSE;
}

static void run_command(SmtpSession *session, char *line) {
  g_strchomp(line);
  gsize verb = strcspn(line, " ");
  const char *argument = line + verb + strspn(line + verb, " ");
  const Command *command = find_command(line, verb);
  gboolean more = session->input->len > session->start;
  if (command == NULL || has_control(line))
    refuse(session, 500, "5.5.2", "command not known");
  else if (is_of_other_protocol(session, command))
    refuse(session, 500, "5.5.1",
           session->lmtp ? "this is LMTP, say LHLO" : "this is SMTP, say EHLO");
  else if (command->last && more)
    refuse_and_close(session, 554, "5.5.0",
                     "octets sent before the answer to a command that needs it");
  else if ((command->states & IN(session->state)) == 0)
    refuse(session, 503, "5.5.1", "bad sequence of commands");
  else if (command->bare && *argument != '\0')
    refuse(session, 501, "5.5.4", "the command takes no argument");
  else
    command->run(session, argument);
}

/* Handles one line if it is there; FALSE: more input is needed. */
static gboolean step_command(SmtpSession *session) {
  gsize length = 0;
  const char *text = session->input->str + session->start;
  SmtpLine kind = smtp_line_scan(text, session->input->len - session->start, &length);
  if (length > SMTP_MAX_COMMAND - 2) {
    refuse_and_close(session, 500, "5.5.2", "command line too long");
    return TRUE;
  }
  if (kind == SMTP_LINE_FORBIDDEN) {
    refuse_and_close(session, 500, "5.5.2", "bare CR, bare LF or NUL in a command");
    return TRUE;
  }
  if (kind == SMTP_LINE_PARTIAL)
    return FALSE;
  g_autofree char *line = g_strndup(text, length);
  session->start += length + 2;
  run_command(session, line);
  return TRUE;
}

static void end_failed_message(SmtpSession *session, SmtpFailure failure) {
  guint others = session->lmtp ? session->envelope->recipients->len - 1 : 0;
  end_transaction(session);
  enter(session, STATE_READY);
  for (guint i = 0; i < others; i++)
    reply(session, failure.code, failure.enhanced, failure.text);
  refuse(session, failure.code, failure.enhanced, failure.text);
}

/* Asks about the message, in LMTP for the next recipient. */
static void ask_message(SmtpSession *session) {
  const SmtpEnvelope *envelope = session->envelope;
  if (session->lmtp) {
    g_clear_pointer(&session->single, smtp_envelope_free);
    session->single = envelope_new(session, envelope->from, envelope->utf8);
    g_ptr_array_add(session->single->recipients,
                    g_strdup(envelope->recipients->pdata[session->answered]));
  }
  enter(session, STATE_ASK_MESSAGE);
}

static void end_message(SmtpSession *session) {
  const SmtpFailure *failure = smtp_content_failure(session->content);
  if (failure != NULL) {
    end_failed_message(session, *failure);
    return;
  }
  g_autofree char *received = received_field(session);
  session->message = smtp_content_finish(g_steal_pointer(&session->content), received);
  session->answered = 0;
  ask_message(session);
}

/* FALSE: more input is needed. */
static gboolean step_data(SmtpSession *session) {
  gsize taken = 0;
  SmtpContentEvent event = smtp_content_feed(session->content, session->input->str + session->start,
                                             session->input->len - session->start, &taken);
  session->start += taken;
  if (event == SMTP_CONTENT_END)
    end_message(session);
  else if (event == SMTP_CONTENT_CLOSE) {
    const SmtpFailure *failure = smtp_content_failure(session->content);
    refuse_and_close(session, failure->code, failure->enhanced, failure->text);
  }
  return event != SMTP_CONTENT_MORE;
}

static gboolean step(SmtpSession *session) {
  guint state = IN(session->state);
  if ((state & COMMANDS) != 0)
    return step_command(session);
  return session->state == STATE_DATA && step_data(session);
}

/* Refuses octets that come when nobody may speak: before the banner or between STARTTLS and the
 * handshake. */
static gboolean check_turn(SmtpSession *session) {
  if (!session->banner_taken) {
    g_string_truncate(session->output, 0);
    refuse_and_close(session, 554, "5.5.0", "octets sent before the greeting");
  } else if (session->state == STATE_TLS) {
    close_session(session, "octets sent between STARTTLS and the handshake");
  }
  return session->state != STATE_CLOSED;
}

SmtpSessionEvent smtp_session_feed(SmtpSession *session, const void *data, gsize length,
                                   gint64 now) {
  session->now = now;
  if (length > 0 && session->state != STATE_CLOSED && check_turn(session))
    g_string_append_len(session->input, data, (gssize)length);
  while (step(session))
    ;
  g_string_erase(session->input, 0, (gssize)session->start);
  session->start = 0;
  return events[session->state];
}

SmtpSession *smtp_session_new(const SmtpSessionOptions *options, const char *peer) {
  SmtpSession *session = g_new0(SmtpSession, 1);
  session->hostname = g_strdup(options->hostname);
  session->peer = g_strdup(peer);
  session->max_message = options->max_message;
  session->offer_starttls = options->offer_starttls;
  session->replied = options->replied;
  session->user = options->user;
  session->lmtp = options->lmtp;
  session->input = g_string_new(NULL);
  session->output = g_string_new(NULL);
  g_string_append_printf(session->output, "220 %s %s\r\n", options->hostname,
                         options->lmtp ? "LMTP" : "ESMTP");
  return session;
}

void smtp_session_free(SmtpSession *session) {
  end_transaction(session);
  g_free(session->hostname);
  g_free(session->peer);
  g_free(session->helo);
  g_string_free(session->input, TRUE);
  g_string_free(session->output, TRUE);
  g_free(session);
}

GBytes *smtp_session_take_output(SmtpSession *session) {
  session->banner_taken = TRUE;
  GBytes *output = g_bytes_new(session->output->str, session->output->len);
  g_string_truncate(session->output, 0);
  return output;
}

const char *smtp_session_recipient(const SmtpSession *session) {
  return session->recipient;
}

const SmtpEnvelope *smtp_session_envelope(const SmtpSession *session) {
  return session->single != NULL ? session->single : session->envelope;
}

GBytes *smtp_session_message(const SmtpSession *session) {
  return session->message;
}

/* An owner's words fit for one reply line. */
static char *reply_text(const char *text) {
  char *line = g_strndup(text, TEXT_MAX);
  for (char *p = line; *p != '\0'; p++)
    if (!g_ascii_isprint(*p))
      *p = '?';
  return line;
}

static void settle_recipient(SmtpSession *session, gboolean accepted) {
  if (accepted)
    g_ptr_array_add(session->envelope->recipients, g_steal_pointer(&session->recipient));
  else
    session->recipient_refused = TRUE;
  g_clear_pointer(&session->recipient, g_free);
  enter(session, session->envelope->recipients->len > 0 ? STATE_RCPT : STATE_MAIL);
}

static void settle_message(SmtpSession *session) {
  session->answered++;
  if (session->lmtp && session->answered < session->envelope->recipients->len) {
    ask_message(session);
    return;
  }
  end_transaction(session);
  enter(session, STATE_READY);
}

void smtp_session_answer(SmtpSession *session, int code, const char *enhanced, const char *text) {
  g_return_if_fail(session->state == STATE_ASK_RCPT || session->state == STATE_ASK_MESSAGE);
  g_return_if_fail((code >= 200 && code <= 299) || (code >= 400 && code <= 599));
  g_return_if_fail(enhanced != NULL && text != NULL && enhanced[0] - '0' == code / 100);
  gboolean accepted = code < 300;
  g_autofree char *line = reply_text(text);
  if (session->state == STATE_ASK_RCPT)
    settle_recipient(session, accepted);
  else
    settle_message(session);
  reply(session, code, enhanced, line);
  if (!accepted)
    count_error(session);
}

/* RFC 3207 section 4.2: all that was learned before the handshake is forgotten. */
void smtp_session_tls_started(SmtpSession *session) {
  g_return_if_fail(session->state == STATE_TLS);
  session->tls = TRUE;
  g_clear_pointer(&session->helo, g_free);
  enter(session, STATE_NEW);
}

void smtp_session_timed_out(SmtpSession *session) {
  if (session->state == STATE_CLOSED)
    return;
  refuse_and_close(session, 421, "4.4.2", "too slow");
}

const char *smtp_session_refusal(const SmtpSession *session) {
  return session->refusal;
}

gboolean smtp_session_in_message(const SmtpSession *session) {
  return session->state == STATE_DATA;
}

gsize smtp_session_pending(const SmtpSession *session) {
  return session->input->len - session->start;
}
