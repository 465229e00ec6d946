/* SPDX-License-Identifier: Apache-2.0 */
/* What a message to the reverse-path of a challenge mail says, as typed facts, judged by nobody
   here: a delivery status notification (RFC 3464, RFC 6533), a bounce in the words of a mail server
   that writes none, or something else. */
#ifndef SIGNET_MIME_DSN_H
#define SIGNET_MIME_DSN_H

#include <glib.h>

#define DSN_MAX_OCTETS (256 * 1024)
#define DSN_MAX_RECIPIENTS 16           /* the first ones; further ones are not read */
#define DSN_MAX_TEXT_OCTETS (64 * 1024) /* of a part that is looked into; the rest is not read */
#define DSN_MAX_ADDRESS_OCTETS 320
#define DSN_MAX_NAME_OCTETS 255 /* of a server; of a dialect */
#define DSN_MAX_WORDS 200       /* characters */
#define DSN_MAX_MESSAGE_ID_OCTETS 250

typedef enum {
  DSN_NONE,      /* nothing that tells of a delivery */
  DSN_AUTOMATIC, /* an automatic reply (RFC 3834): a vacation note */
  DSN_RECEIPT,   /* a message disposition notification (RFC 8098) */
  DSN_REPORT,    /* multipart/report with a part of delivery status */
  DSN_TEXT       /* known by the words of a mail server, or by a part of delivery status outside a
                    multipart/report */
} DsnForm;

typedef enum {
  DSN_ACTION_UNKNOWN,
  DSN_FAILED, /* and not tried again (RFC 3464 section 2.3.3) */
  DSN_DELAYED,
  DSN_DELIVERED,
  DSN_RELAYED,
  DSN_EXPANDED
} DsnAction;

/* What it says of one recipient. Texts are UTF-8 without control characters; NULL: it does not say.
 */
typedef struct {
  char *final; /* the address that the reporting server delivered to */
  char *
      original; /* the one that the sender gave, as far as the server knows; one of both is there */
  DsnAction action;
  char *status; /* RFC 3463: "5.1.1"; also made of an SMTP code: "5.0.0" */
  char *words;  /* of the server that did not take it: one line, escaped */
  char *server; /* its name */
} DsnRecipient;

typedef struct {
  char *refused; /* why the message could not be read at all; else NULL. Then form is DSN_NONE */
  DsnForm form;
  char *dialect;         /* "RFC 3464", or whose words they are; NULL in other forms */
  GPtrArray *recipients; /* of DsnRecipient: one at least in DSN_REPORT and DSN_TEXT, else none */
  char *message_id;      /* of the notice itself, for the record; NULL when missing */
} DsnFacts;

/* Reads a raw message with CRLF line ends. Never fails: facts->refused says when it could not be
 * read. */
DsnFacts *dsn_read(GBytes *message);
DsnFacts *dsn_facts_new(void); /* DSN_NONE */
void dsn_facts_free(DsnFacts *facts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DsnFacts, dsn_facts_free)

/* The facts as a value that another process can be given, and back. */
#define DSN_EVIDENCE_TYPE "(msumsmsa(msmsumsmsms))"
#define DSN_EVIDENCE_MAX_OCTETS (64 * 1024)

/* A new value; the caller takes the (floating) reference. */
GVariant *dsn_evidence_new(const DsnFacts *facts);

/* NULL when the value does not hold what it should: type, size, normal form, lengths, ranges,
   characters, or a combination that dsn_read never makes. Whether it is true is another question.
 */
DsnFacts *dsn_evidence_read(GVariant *evidence);

#endif
