/* SPDX-License-Identifier: Apache-2.0 */
/* The value of a CAA iodef property: where its domain wants to be told of refused requests (RFC
   8659 section 4.4). mailto: alone is served. No I/O. */
#ifndef SIGNET_CA_CAA_IODEF_H
#define SIGNET_CA_CAA_IODEF_H

#include "base/mailbox.h"

#define CAA_IODEF_MAX_OCTETS 1024

/* The one mailbox of a mailto: URL (RFC 6068); NULL for every other URL and for one with header
   fields, several addresses, a fragment, or a character that must be percent-encoded. */
Mailbox *caa_iodef_mailbox(const char *value, gsize length);

#endif
