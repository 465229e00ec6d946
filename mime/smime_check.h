/* SPDX-License-Identifier: Apache-2.0 */
/* Checking the S/MIME signature of a received challenge (RFC 8823 section 3.1), as a client. */
#ifndef SIGNET_MIME_SMIME_CHECK_H
#define SIGNET_MIME_SMIME_CHECK_H

#include <glib.h>

typedef enum {
  SMIME_UNSIGNED, /* no multipart/signed with an S/MIME signature */
  SMIME_GOOD,
  SMIME_BAD
} SmimeVerdict;

/* Good is: one signer, whose certificate may sign mail and names the one mailbox of From; it signed
   exactly the first part; From, To and Subject are protected, by copies in that part (RFC 9788, or
   a message/rfc822 in it) or by SecureHeaderFields (RFC 7508), and whatever is protected so stands
   in the message's header in the same words. roots: PEM; the chain leads to one of them at now
   (milliseconds); NULL: whoever issued the certificate. *why: for BAD, static. */
SmimeVerdict smime_check(GBytes *message, GBytes *roots, gint64 now, const char **why);

#endif
