/* SPDX-License-Identifier: Apache-2.0 */
/* How one part of a message is to be read (RFC 2045, RFC 2183). Internal to mime/.
   gmime reads the values of single fields here, never a message: its own parser recurses without
   limit into groups of an address field ("To: a:a:a:..." ends the process) and takes seconds over
   100 kB of parameters. */
#ifndef SIGNET_MIME_MIME_PART_H
#define SIGNET_MIME_MIME_PART_H

#include "mime/mime_text.h"
#include "mime/reply.h"

#define MIME_PART_MAX_CONTENT_OCTETS 2048 /* of one Content-* field that is looked into */
#define MIME_PART_MAX_BOUNDARY_OCTETS 200

typedef enum {
  MIME_PART_PLAIN,     /* text/plain, also when no type is given */
  MIME_PART_HTML,      /* text/html */
  MIME_PART_MULTIPART, /* multipart/alternative, mixed, related, signed */
  MIME_PART_REPORT,    /* multipart/report */
  MIME_PART_STATUS,    /* message/delivery-status, message/global-delivery-status */
  MIME_PART_RECEIPT,   /* message/disposition-notification and its global- form */
  MIME_PART_OTHER
} MimePartKind;

typedef struct {
  MimePartKind kind;
  gboolean attachment; /* by its disposition */
  GMimeContentEncoding
      encoding;   /* GMIME_CONTENT_ENCODING_DEFAULT: unknown, so the part is opaque */
  char *boundary; /* of a multipart: NULL when it has none that can be used */
} MimePart;

/* FALSE with *why (static text) when the header could be read in two ways: a Content field or
   parameter twice, blanks before a colon, too many or too long fields. */
gboolean mime_part_read(MimePart *part, const RawMessage *raw, const char **why);
void mime_part_clear(MimePart *part);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MimePart, mime_part_clear)

/* The body of a part in a known encoding, decoded; NULL for base64 that is broken, which decoders
   read in several ways. */
GByteArray *mime_part_decode(const MimePart *part, const RawMessage *raw);

#endif
