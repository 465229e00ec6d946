/* SPDX-License-Identifier: Apache-2.0 */
/* What the readers of delivery status share. Internal to mime/. */
#ifndef SIGNET_MIME_DSN_RECIPIENT_H
#define SIGNET_MIME_DSN_RECIPIENT_H

#include "mime/dsn.h"

void dsn_recipient_free(gpointer recipient);

/* Adds one that knows nothing yet; NULL when there are DSN_MAX_RECIPIENTS. */
DsnRecipient *dsn_recipient_add(DsnFacts *facts);

/* The first status code of RFC 3463 in a line, else what its first SMTP reply code stands for
   ("5.0.0"); NULL when it has neither. The caller frees it. */
char *dsn_status_find(const char *line);
gboolean dsn_status_is_valid(const char *status);

/* One line of a server's words, escaped, at most DSN_MAX_WORDS characters; NULL when nothing is
 * left. */
char *dsn_words(const char *line);

/* RFC 3464 section 2: the fields of a part of delivery status, valid UTF-8. FALSE when it tells of
 * no recipient. */
gboolean dsn_fields_read(DsnFacts *facts, const char *text);

/* The words of mail servers that write no such part. failed: value of X-Failed-Recipients, or NULL.
   FALSE when they are nobody's that are known, or name no recipient. */
gboolean dsn_text_read(DsnFacts *facts, const char *text, const char *failed);

#endif
