/* SPDX-License-Identifier: Apache-2.0 */
/* What the TXT records of a domain that sends mail say, as far as its operator can be told that one
   of them is wrong: SPF (RFC 7208) and DMARC (RFC 7489). They are read for advice alone, never to
   judge a mail. */
#ifndef SIGNET_MIME_MAIL_RECORDS_H
#define SIGNET_MIME_MAIL_RECORDS_H

#include <glib.h>

/* Whether a TXT record is meant to be one (RFC 7208 section 4.5, RFC 7489 section 6.6.3). */
gboolean spf_record_is(const char *text);
gboolean dmarc_record_is(const char *text);

/* Why a record cannot be right, for a person (the caller frees it); NULL: nothing speaks against
   it. An SPF record must be well formed, permit somebody, and not everybody. */
char *spf_record_weakness(const char *text);
char *dmarc_record_weakness(const char *text);

#endif
