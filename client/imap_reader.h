/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of an IMAP server (RFC 3501 section 7, 9): octets in, answers out, no I/O. */
#ifndef SIGNET_CLIENT_IMAP_READER_H
#define SIGNET_CLIENT_IMAP_READER_H

#include <glib.h>

#define IMAP_READER_MAX_LINE (64 * 1024)     /* octets of an answer without its literals */
#define IMAP_READER_MAX_LITERAL (512 * 1024) /* of one literal */

/* One answer: its text without CRLF, in which a literal is only its "{N}"; and the last literal. */
typedef struct {
  char *text;
  GBytes *literal; /* NULL when there was none */
} ImapAnswer;

void imap_answer_free(ImapAnswer *answer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapAnswer, imap_answer_free)

typedef enum { IMAP_READER_ANSWER, IMAP_READER_MORE, IMAP_READER_BROKEN } ImapReaderResult;

typedef struct ImapReader ImapReader;

ImapReader *imap_reader_new(void);
void imap_reader_free(ImapReader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapReader, imap_reader_free)

void imap_reader_feed(ImapReader *reader, const void *data, gsize length);
/* The next answer, which is the caller's; MORE when it has not come whole, BROKEN for ever when it
   is beyond the limits above or has a NUL outside of a literal. */
ImapReaderResult imap_reader_next(ImapReader *reader, ImapAnswer **answer);

/* The number N of "* N WORD ..." (EXISTS, EXPUNGE, FETCH); FALSE when text is not that. */
gboolean imap_answer_number(const char *text, const char *word, guint32 *number);
/* Of "* OK [NAME N] ..." (UIDNEXT, UIDVALIDITY). */
gboolean imap_answer_code(const char *text, const char *name, guint32 *number);
/* Whether "* CAPABILITY ..." has this word, in any case of letters. */
gboolean imap_answer_offers(const char *text, const char *capability);
/* The numbers of "* SEARCH N N ..." (of guint32); NULL when text is not that. */
GArray *imap_answer_search(const char *text);
/* Text as a quoted string, e.g. a mailbox's name; NULL when it is not fit for one: a control
   character or one beyond ASCII. The caller frees it. */
char *imap_quote(const char *text);

#endif
