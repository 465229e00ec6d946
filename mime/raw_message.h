/* SPDX-License-Identifier: Apache-2.0 */
/* A message as its octets stand: header fields and body (RFC 5322 section 2.1). Lines end in CRLF
   only; a bare CR or LF is an octet like any other. Internal to mime/. */
#ifndef SIGNET_MIME_RAW_MESSAGE_H
#define SIGNET_MIME_RAW_MESSAGE_H

#include <glib.h>

#define RAW_MESSAGE_MAX_FIELDS 1000

/* One header field; the text belongs to its message. */
typedef struct {
  const char *text;  /* from the name to the CRLF that ends it, both included */
  gsize length;      /* of text */
  gsize name_length; /* without blanks before the colon */
  gsize colon;       /* offset of the colon */
} RawField;

typedef struct {
  GBytes *bytes;
  GArray *fields; /* of RawField, from the top */
  const char *body;
  gsize body_length;
} RawMessage;

/* NULL when the header has a line that is no field or more than RAW_MESSAGE_MAX_FIELDS; *why
   (static text) says so. */
RawMessage *raw_message_new(GBytes *bytes, const char **why);
void raw_message_free(RawMessage *message);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RawMessage, raw_message_free)

const RawField *raw_message_field(const RawMessage *message, guint i);
guint raw_message_count(const RawMessage *message, const char *name);
const RawField *raw_message_first(const RawMessage *message, const char *name);

/* Whether the field has this name, in any case of letters. */
gboolean raw_field_is(const RawField *field, const char *name);

/* The value without the line ends of its folding and without blanks around it; the caller frees it.
 */
char *raw_field_value(const RawField *field);

/* Whether the first field of this name is there and its value begins so, in any case of letters. */
gboolean raw_message_starts(const RawMessage *message, const char *name, const char *start);

/* Whether octets hold a CR without LF, an LF without CR. */
gboolean raw_has_bare_newline(GBytes *bytes);

/* Why octets are no message that is read in one way only (empty, a NUL, a bare CR
   or LF; static text), or NULL. */
const char *raw_refuse_octets(GBytes *bytes);

#endif
