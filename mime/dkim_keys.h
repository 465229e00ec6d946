/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that were read from their records before: OpenSSL takes longer to read one than to check a
   signature with it. What a record says does not change, so that nothing here grows old. Internal
   to mime/; made and freed by what mime/dkim.h has. */
#ifndef SIGNET_MIME_DKIM_KEYS_H
#define SIGNET_MIME_DKIM_KEYS_H

#include "mime/dkim.h"
#include "mime/dkim_key.h"

/* As dkim_key_read; the key is valid until the next call. */
const DkimKey *dkim_keys_read(DkimKeys *keys, const char *record, const char *algorithm,
                              const char **why);

#endif
