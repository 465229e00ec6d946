/* SPDX-License-Identifier: Apache-2.0 */
/* What libcurl and a relay say to each other, as it is said: whether the session may go on, and
   what settles a message. No I/O. Keywords of the relay are read as libcurl reads them, in capital
   letters, since it acts on them. Internal to smtp/. */
#ifndef SIGNET_SMTP_DIALOGUE_H
#define SIGNET_SMTP_DIALOGUE_H

#include "smtp/sender.h"

/* What the relay's next answer is to. */
typedef enum {
  DIALOGUE_CONNECT,
  DIALOGUE_EHLO,
  DIALOGUE_STARTTLS,
  DIALOGUE_AUTH,
  DIALOGUE_MAIL,
  DIALOGUE_RCPT,
  DIALOGUE_DATA,
  DIALOGUE_MESSAGE
} DialogueStep;

/* What the session needs and the relay does not offer. */
typedef enum {
  DIALOGUE_LACKS_NOTHING,
  DIALOGUE_LACKS_TLS,
  DIALOGUE_LACKS_AUTH,
  DIALOGUE_LACKS_UTF8
} DialogueLack;

/* One session, at one of its messages. Invariant: words is the answer that settles the message,
   NULL while there is none; offers are those of the last EHLO alone. */
typedef struct {
  SenderTls tls;
  gboolean needs_auth, needs_utf8;
  gboolean secure; /* TLS is there */
  gboolean offers_tls, offers_auth, offers_utf8;
  gboolean quitting; /* what is said from here on is about no message */
  DialogueStep step;
  DialogueLack lack;
  int code;
  char *words;
} Dialogue;

/* The next message, on the same connection unless dialogue_connected follows. */
void dialogue_begin(Dialogue *dialogue);
/* A new connection: nothing has been said. */
void dialogue_connected(Dialogue *dialogue);
/* libcurl sends a command. */
void dialogue_say(Dialogue *dialogue, const char *command);
/* The relay sends a line, given without its line end before libcurl acts on it. FALSE: the session
   is to end here. */
gboolean dialogue_hear(Dialogue *dialogue, const char *line);
void dialogue_clear(Dialogue *dialogue);

#endif
