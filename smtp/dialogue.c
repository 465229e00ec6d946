/* SPDX-License-Identifier: Apache-2.0 */
#include "smtp/dialogue.h"

#include <string.h>

/* The first digit of the answer with which each step goes on. */
static const char good[] = {
    [DIALOGUE_CONNECT] = '2', [DIALOGUE_EHLO] = '2',    [DIALOGUE_STARTTLS] = '2',
    [DIALOGUE_AUTH] = '2',    [DIALOGUE_MAIL] = '2',    [DIALOGUE_RCPT] = '2',
    [DIALOGUE_DATA] = '3',    [DIALOGUE_MESSAGE] = '2',
};

void dialogue_clear(Dialogue *dialogue) {
  g_clear_pointer(&dialogue->words, g_free);
  dialogue->code = 0;
}

void dialogue_begin(Dialogue *dialogue) {
  dialogue_clear(dialogue);
  dialogue->step = DIALOGUE_MAIL;
  dialogue->quitting = FALSE;
}

static void forget_offers(Dialogue *dialogue) {
  dialogue->offers_tls = dialogue->offers_auth = dialogue->offers_utf8 = FALSE;
}

void dialogue_connected(Dialogue *dialogue) {
  dialogue_begin(dialogue);
  forget_offers(dialogue);
  dialogue->step = DIALOGUE_CONNECT;
  dialogue->secure = dialogue->tls == SENDER_TLS_IMPLICIT;
  dialogue->lack = DIALOGUE_LACKS_NOTHING;
}

/* What AUTH goes on with is no command, and cannot look like one: base64 has no blank and no colon.
 */
void dialogue_say(Dialogue *dialogue, const char *command) {
  static const struct {
    const char *begins;
    DialogueStep step;
  } commands[] = {{"EHLO ", DIALOGUE_EHLO},    {"STARTTLS\r", DIALOGUE_STARTTLS},
                  {"AUTH ", DIALOGUE_AUTH},    {"MAIL FROM:", DIALOGUE_MAIL},
                  {"RCPT TO:", DIALOGUE_RCPT}, {"DATA\r", DIALOGUE_DATA}};
  if (g_str_has_prefix(command, "QUIT\r"))
    dialogue->quitting = TRUE;
  for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
    if (g_str_has_prefix(command, commands[i].begins))
      dialogue->step = commands[i].step;
  if (dialogue->step == DIALOGUE_EHLO)
    forget_offers(dialogue);
}

/* Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF */
static gboolean is_reply(const char *line) {
  return strspn(line, "0123456789") == 3 && (line[3] == '\0' || line[3] == ' ' || line[3] == '-');
}

static void read_keyword(Dialogue *dialogue, const char *line) {
  const char *keyword = line + MIN(strlen(line), 4);
  if (g_str_has_prefix(keyword, "STARTTLS"))
    dialogue->offers_tls = TRUE;
  else if (g_str_has_prefix(keyword, "AUTH "))
    dialogue->offers_auth = TRUE;
  else if (strcmp(keyword, "SMTPUTF8") == 0 || g_str_has_prefix(keyword, "SMTPUTF8 "))
    dialogue->offers_utf8 = TRUE;
}

/* No other EHLO is to come: what is offered now is all there will be. */
static gboolean has_all(Dialogue *dialogue) {
  if (!dialogue->secure && dialogue->tls >= SENDER_TLS_STARTTLS)
    dialogue->lack = DIALOGUE_LACKS_TLS;
  else if (dialogue->needs_auth && !dialogue->offers_auth)
    dialogue->lack = DIALOGUE_LACKS_AUTH;
  else if (dialogue->needs_utf8 && !dialogue->offers_utf8)
    dialogue->lack = DIALOGUE_LACKS_UTF8;
  return dialogue->lack == DIALOGUE_LACKS_NOTHING;
}

static gboolean tls_comes(const Dialogue *dialogue) {
  return dialogue->tls != SENDER_TLS_OFF && !dialogue->secure && dialogue->offers_tls;
}

static gboolean take_good(Dialogue *dialogue) {
  if (dialogue->step == DIALOGUE_EHLO && !tls_comes(dialogue))
    return has_all(dialogue);
  if (dialogue->step == DIALOGUE_STARTTLS)
    dialogue->secure = TRUE;
  else if (dialogue->step == DIALOGUE_DATA)
    dialogue->step = DIALOGUE_MESSAGE;
  return TRUE;
}

/* The last line of an answer. */
static gboolean take_answer(Dialogue *dialogue, const char *line) {
  DialogueStep step = dialogue->step;
  gboolean is_good = line[0] == good[step];
  if (dialogue->words != NULL || (step == DIALOGUE_AUTH && line[0] == '3'))
    return TRUE;
  if (step == DIALOGUE_STARTTLS && !is_good && dialogue->tls == SENDER_TLS_OPPORTUNISTIC)
    return has_all(dialogue); /* libcurl goes on without */
  if (!is_good || step == DIALOGUE_MESSAGE) {
    dialogue->code = (int)g_ascii_strtoll(line, NULL, 10);
    dialogue->words = g_strdup(line + MIN(strlen(line), 4));
  }
  /* Before MAIL libcurl would try something else: HELO, another way of AUTH. */
  return is_good ? take_good(dialogue) : step >= DIALOGUE_MAIL;
}

gboolean dialogue_hear(Dialogue *dialogue, const char *line) {
  if (dialogue->quitting || dialogue->lack != DIALOGUE_LACKS_NOTHING)
    return TRUE;
  if (!is_reply(line)) /* libcurl would wait for one */
    return FALSE;
  if (dialogue->step == DIALOGUE_EHLO)
    read_keyword(dialogue, line);
  return line[3] == '-' || take_answer(dialogue, line);
}
