/* SPDX-License-Identifier: Apache-2.0 */
/* Header values of strangers made readable: gmime for RFC 2047 and 2231, a strict reader for
   mailboxes. Internal to mime/. */
#ifndef SIGNET_MIME_MIME_TEXT_H
#define SIGNET_MIME_MIME_TEXT_H

#include "mime/raw_message.h"

#include <gmime/gmime.h>

#define MIME_TEXT_MAX_COLONS 100 /* in an address field that is looked into */

/* Starts gmime once; every function of mime/ that needs it calls this. */
void mime_init(void);

/* The field's value, encoded words decoded, valid UTF-8; "" when the field is longer than max. */
char *mime_text_decode(const RawField *field, gsize max);

/* Text fit to be shown: control characters and what is not UTF-8 replaced, at most max octets. */
char *mime_text_clean(const char *text, gsize max);

/* Whether text (valid UTF-8, or NULL) is what mime_text_clean gives. */
gboolean mime_text_is_clean(const char *text, gsize max);

/* How many addresses the field holds, members of groups included, at most max; 0 when it is longer
   than max_octets. */
guint mime_text_count_mailboxes(const RawField *field, gsize max_octets, guint max);

/* The addr-spec when the field is one mailbox (RFC 5322 section 3.4) with a dot-atom local part and
   no address literal, and gmime reads the same; NULL otherwise. */
char *mime_text_mailbox(const RawField *field, gsize max_octets);

#endif
