/* SPDX-License-Identifier: Apache-2.0 */
/* Mailbox addresses: the one parser (RFC 5321 section 4.1.2, RFC 6531 section 3.3). */
#ifndef SIGNET_BASE_MAILBOX_H
#define SIGNET_BASE_MAILBOX_H

#include <glib.h>

#define MAILBOX_MAX_OCTETS 254
#define MAILBOX_MAX_LOCAL_OCTETS 64

#define MAILBOX_ERROR (mailbox_error_quark())
GQuark mailbox_error_quark(void);
typedef enum { MAILBOX_ERROR_SYNTAX } MailboxError;

/* A bare addr-spec that passed mailbox_parse. Immutable. */
typedef struct {
  char *text;      /* as given */
  char *local;     /* local part as given, dot-atom, UTF-8 */
  char *domain;    /* lower-case A-labels, at least two */
  char *address;   /* local "@" domain: what is sent to and certified */
  char *canonical; /* local part in ASCII lower case "@" domain: what is compared and counted */
  gboolean ascii;  /* the local part is ASCII */
} Mailbox;

/* Takes local@domain alone: dot-atom local part of at most 64 octets, domain of two labels or more
   in letters, digits and hyphens or as U-labels (RFC 5890), 254 octets in all. Quoted local parts,
   source routes, address literals, blanks and control characters are refused with
   MAILBOX_ERROR_SYNTAX; the message says what is wrong in words that can be shown to the sender.
   A local part beyond ASCII (RFC 6531 section 3.3) is UTF-8 in normalization form C (RFC 6532
   section 3.1, RFC 5198 section 3): another form is refused and not converted, since only the mail
   server of the domain knows whether it names the same mailbox. So are format characters (bidi
   controls, joiners), private use, unassigned and invisible characters, what looks like an "@", and
   encoded words (RFC 2047). Letters beyond ASCII keep
   their case in the canonical form. */
Mailbox *mailbox_parse(const char *text, GError **error);

/* Lower-case A-labels of a domain name of two labels or more; NULL with MAILBOX_ERROR_SYNTAX. */
char *mailbox_domain_to_ascii(const char *domain, GError **error);

/* Whether both name one mailbox; exact: the case of the local part counts. */
gboolean mailbox_equal(const Mailbox *a, const Mailbox *b, gboolean exact);

/* The canonical form without a subaddress ("+tag", RFC 5233), which most servers deliver to the
   same mailbox; the caller frees it. For counting alone: other servers know no subaddresses. */
char *mailbox_without_tag(const Mailbox *mailbox);

Mailbox *mailbox_copy(const Mailbox *mailbox);
void mailbox_free(Mailbox *mailbox);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Mailbox, mailbox_free)

#endif
