/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/signer_frame.h"

#include "ca/openssl_auto.h"

#include <string.h>

static const guint8 magic[8] = {'S', 'I', 'G', 'N', 'E', 'T', 'L', '1'};

static void put32(guint8 *to, guint32 value) {
  value = GUINT32_TO_BE(value);
  memcpy(to, &value, sizeof value);
}

static void put64(guint8 *to, guint64 value) {
  value = GUINT64_TO_BE(value);
  memcpy(to, &value, sizeof value);
}

static guint32 get32(const guint8 *from) {
  guint32 value;
  memcpy(&value, from, sizeof value);
  return GUINT32_FROM_BE(value);
}

static guint64 get64(const guint8 *from) {
  guint64 value;
  memcpy(&value, from, sizeof value);
  return GUINT64_FROM_BE(value);
}

/* Looked up once: a log has as many frames as there were signatures. */
static const EVP_MD *sha256(void) {
  static gsize kept;
  if (g_once_init_enter(&kept))
    g_once_init_leave(&kept, (gsize)openssl_must(EVP_MD_fetch(NULL, "SHA256", NULL)));
  return (const EVP_MD *)kept;
}

/* The first octets of the header's own SHA-256: tells a header from what only looks like one. */
static guint32 header_check(const guint8 *header) {
  guint8 digest[EVP_MAX_MD_SIZE];
  openssl_check(EVP_Digest(header, SIGNER_FRAME_HEADER - 4, digest, NULL, sha256(), NULL) == 1);
  return get32(digest);
}

static void make_header(guint8 *header, guint64 number, gsize payload) {
  memcpy(header, magic, sizeof magic);
  put64(header + 8, number);
  put32(header + 16, (guint32)payload);
  put32(header + 20, header_check(header));
}

static gboolean is_header(const guint8 *data, gsize size) {
  return size >= SIGNER_FRAME_HEADER && memcmp(data, magic, sizeof magic) == 0 &&
         get32(data + 16) <= SIGNER_FRAME_MAX_PAYLOAD && get32(data + 20) == header_check(data);
}

static void chain_digest(const SignerChain *chain, const guint8 *frame, gsize length,
                         guint8 *digest) {
  g_autoptr(EVP_MD_CTX) context = openssl_must(EVP_MD_CTX_new());
  openssl_check(EVP_DigestInit_ex(context, sha256(), NULL) == 1 &&
                EVP_DigestUpdate(context, chain->digest, sizeof chain->digest) == 1 &&
                EVP_DigestUpdate(context, frame, length) == 1 &&
                EVP_DigestFinal_ex(context, digest, NULL) == 1);
}

GByteArray *signer_frame_make(SignerChain *chain, const GByteArray *payload) {
  guint8 header[SIGNER_FRAME_HEADER], digest[SIGNER_FRAME_DIGEST];
  GByteArray *frame = g_byte_array_new();
  make_header(header, chain->number + 1, payload->len);
  g_byte_array_append(frame, header, sizeof header);
  g_byte_array_append(frame, payload->data, payload->len);
  chain_digest(chain, frame->data, frame->len, digest);
  g_byte_array_append(frame, digest, sizeof digest);
  chain->number++;
  memcpy(chain->digest, digest, sizeof digest);
  return frame;
}

/* Whether some header stands after the start of data: then the first frame is not the last. */
static gboolean has_later_header(const guint8 *data, gsize size) {
  const guint8 *end = data + size, *at = data + 1;
  while (at < end && (at = memmem(at, (gsize)(end - at), magic, sizeof magic)) != NULL) {
    if (is_header(at, (gsize)(end - at)))
      return TRUE;
    at++;
  }
  return FALSE;
}

/* A header whose write was cut short: what is known of it beforehand stands there, or zeros do. */
static gboolean may_be_torn_header(const SignerChain *chain, const guint8 *data, gsize size) {
  guint8 expected[16];
  memcpy(expected, magic, sizeof magic);
  put64(expected + 8, chain->number + 1);
  for (gsize i = 0; i < MIN(size, sizeof expected); i++)
    if (data[i] != expected[i] && data[i] != 0)
      return FALSE;
  return TRUE;
}

/* Only the last write may be cut off, so a frame is torn only when it reaches to the end and
 * nothing follows. */
static SignerFrameState judge_bad(const SignerChain *chain, const guint8 *data, gsize size) {
  if (has_later_header(data, size))
    return SIGNER_FRAME_DAMAGED;
  if (!is_header(data, size))
    return may_be_torn_header(chain, data, size) ? SIGNER_FRAME_TORN : SIGNER_FRAME_DAMAGED;
  gsize length = SIGNER_FRAME_HEADER + get32(data + 16) + SIGNER_FRAME_DIGEST;
  return get64(data + 8) == chain->number + 1 && length >= size ? SIGNER_FRAME_TORN
                                                                : SIGNER_FRAME_DAMAGED;
}

SignerFrameState signer_frame_read(SignerChain *chain, const guint8 *data, gsize size,
                                   gsize *payload_length) {
  guint8 digest[SIGNER_FRAME_DIGEST];
  if (!is_header(data, size) || get64(data + 8) != chain->number + 1)
    return judge_bad(chain, data, size);
  gsize signed_length = SIGNER_FRAME_HEADER + get32(data + 16);
  if (size < signed_length + SIGNER_FRAME_DIGEST)
    return judge_bad(chain, data, size);
  chain_digest(chain, data, signed_length, digest);
  if (memcmp(digest, data + signed_length, sizeof digest) != 0)
    return judge_bad(chain, data, size);
  chain->number++;
  memcpy(chain->digest, digest, sizeof digest);
  *payload_length = signed_length - SIGNER_FRAME_HEADER;
  return SIGNER_FRAME_GOOD;
}

void signer_record_append(GByteArray *payload, const SignerRecord *record) {
  guint8 header[SIGNER_RECORD_HEADER];
  put64(header, (guint64)record->time);
  memcpy(header + 8, record->digest, SIGNER_FRAME_DIGEST);
  put32(header + 40, (guint32)record->length);
  g_byte_array_append(payload, header, sizeof header);
  g_byte_array_append(payload, record->certificate, (guint)record->length);
}

gsize signer_record_read(const guint8 *data, gsize size, SignerRecord *record) {
  if (size < SIGNER_RECORD_HEADER)
    return 0;
  record->time = (gint64)get64(data);
  record->digest = data + 8;
  record->length = get32(data + 40);
  record->certificate = data + SIGNER_RECORD_HEADER;
  return record->length <= size - SIGNER_RECORD_HEADER ? SIGNER_RECORD_HEADER + record->length : 0;
}
