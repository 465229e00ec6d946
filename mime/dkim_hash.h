/* SPDX-License-Identifier: Apache-2.0 */
/* The two hashes of a signature (RFC 6376 section 3.7). Internal to mime/. */
#ifndef SIGNET_MIME_DKIM_HASH_H
#define SIGNET_MIME_DKIM_HASH_H

#include "mime/dkim_canon.h"
#include "mime/raw_message.h"

#define DKIM_HASH_OCTETS 32

void dkim_hash_body(const RawMessage *message, DkimCanon canon, guint8 hash[DKIM_HASH_OCTETS]);

/* names: h=, NULL-terminated. own: the signature field itself when it stands in message, so that it
   is never one of the selected fields. signature: its text with an empty b=. */
void dkim_hash_header(const RawMessage *message, char *const *names, const RawField *own,
                      const char *signature, DkimCanon canon, guint8 hash[DKIM_HASH_OCTETS]);

#endif
