/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of the signer's log: what one fsync makes durable, chained by SHA-256. For ca/ only. No
   I/O. Frame: header (magic, u64 number from 1, u32 payload length, u32 check of the header),
   payload, SHA-256 of (the frame before's SHA-256, header, payload). Payload: records (i64 time,
   SHA-256 of the to-be-signed octets, u32 length, certificate). Numbers are big-endian. */
#ifndef SIGNET_CA_SIGNER_FRAME_H
#define SIGNET_CA_SIGNER_FRAME_H

#include <glib.h>

#define SIGNER_FRAME_HEADER 24
#define SIGNER_FRAME_DIGEST 32
#define SIGNER_FRAME_MAX_PAYLOAD (16 * 1024 * 1024)
#define SIGNER_RECORD_HEADER 44

/* The chain: number and digest of the last frame. Zero before the first. */
typedef struct {
  guint64 number;
  guint8 digest[SIGNER_FRAME_DIGEST];
} SignerChain;

typedef struct {
  gint64 time;
  const guint8 *digest; /* SIGNER_FRAME_DIGEST octets */
  const guint8 *certificate;
  gsize length;
} SignerRecord;

/* The whole frame that follows chain, with payload; chain goes on to it. */
GByteArray *signer_frame_make(SignerChain *chain, const GByteArray *payload);

typedef enum {
  SIGNER_FRAME_GOOD,
  SIGNER_FRAME_TORN,   /* cut short or unreadable, with nothing after it: the crash of a write */
  SIGNER_FRAME_DAMAGED /* anything else */
} SignerFrameState;

/* Looks at the frame at the start of data, whose end is the log's end. GOOD: its length, and chain
 * goes on to it. */
SignerFrameState signer_frame_read(SignerChain *chain, const guint8 *data, gsize size,
                                   gsize *payload_length);

/* Puts one record at the end of a payload. */
void signer_record_append(GByteArray *payload, const SignerRecord *record);

/* The record at data; its length there, 0 when it does not fit into size. */
gsize signer_record_read(const guint8 *data, gsize size, SignerRecord *record);

#endif
