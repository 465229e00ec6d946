/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/nonce.h"
#include "base/base64url.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#define SEAL_OCTETS 16

/* NONCE_BLOCK consecutive counters. */
typedef struct {
  gint64 made_at;
  guint8 used[NONCE_BLOCK / 8];
} Block;

/* Counters below first * NONCE_BLOCK are dead; blocks[i] holds those of block first + i; next is
   the counter of the next nonce. */
struct Nonces {
  EVP_MAC_CTX *sealing; /* HMAC with SHA-256, has the key */
  GQueue blocks;        /* of Block */
  guint64 first, next;
};

typedef struct {
  guint64 counter; /* big-endian */
  guint8 seal[SEAL_OCTETS];
} __attribute__((packed)) Sealed;

static EVP_MAC_CTX *sealing_new(const guint8 key[NONCE_KEY_OCTETS]) {
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
      OSSL_PARAM_construct_end()};
  EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
  EVP_MAC_CTX *sealing = EVP_MAC_CTX_new(hmac);
  EVP_MAC_free(hmac);
  if (EVP_MAC_init(sealing, key, NONCE_KEY_OCTETS, parameters) != 1)
    g_error("nonces cannot be sealed");
  return sealing;
}

Nonces *nonces_new(const guint8 key[NONCE_KEY_OCTETS]) {
  Nonces *nonces = g_new0(Nonces, 1);
  nonces->sealing = sealing_new(key);
  g_queue_init(&nonces->blocks);
  return nonces;
}

void nonces_free(Nonces *nonces) {
  if (nonces == NULL)
    return;
  g_queue_clear_full(&nonces->blocks, g_free);
  EVP_MAC_CTX_free(nonces->sealing);
  g_free(nonces);
}

/* Begins anew with the key that the context has. */
static void seal(const Nonces *nonces, Sealed *sealed) {
  guint8 mac[EVP_MAX_MD_SIZE];
  size_t length = 0;
  if (EVP_MAC_init(nonces->sealing, NULL, 0, NULL) != 1 ||
      EVP_MAC_update(nonces->sealing, (const guint8 *)&sealed->counter, sizeof(sealed->counter)) !=
          1 ||
      EVP_MAC_final(nonces->sealing, mac, &length, sizeof(mac)) != 1)
    g_error("nonces cannot be sealed");
  memcpy(sealed->seal, mac, SEAL_OCTETS);
}

static void drop_old(Nonces *nonces, gint64 now) {
  for (Block *oldest = g_queue_peek_head(&nonces->blocks); oldest != NULL;
       oldest = g_queue_peek_head(&nonces->blocks)) {
    Block *second = g_queue_peek_nth(&nonces->blocks, 1);
    gboolean aged = second != NULL && now - second->made_at > NONCE_LIFETIME;
    if (!aged && g_queue_get_length(&nonces->blocks) <= NONCE_MAX_BLOCKS)
      return;
    g_free(g_queue_pop_head(&nonces->blocks));
    nonces->first++;
  }
}

char *nonces_issue(Nonces *nonces, gint64 now) {
  if (nonces->next % NONCE_BLOCK == 0) {
    Block *block = g_new0(Block, 1);
    block->made_at = now;
    g_queue_push_tail(&nonces->blocks, block);
    drop_old(nonces, now);
  }
  Sealed sealed = {GUINT64_TO_BE(nonces->next), {0}};
  nonces->next++;
  seal(nonces, &sealed);
  return base64url_encode(&sealed, sizeof(sealed));
}

char *nonce_placeholder(void) {
  Sealed sealed;
  RAND_bytes((guint8 *)&sealed, sizeof(sealed));
  return base64url_encode(&sealed, sizeof(sealed));
}

gboolean nonces_use(Nonces *nonces, const char *nonce, gint64 now) {
  g_autoptr(GBytes) octets = base64url_decode(nonce);
  Sealed given, expected;
  if (octets == NULL || g_bytes_get_size(octets) != sizeof(given))
    return FALSE;
  memcpy(&given, g_bytes_get_data(octets, NULL), sizeof(given));
  expected.counter = given.counter;
  seal(nonces, &expected);
  if (CRYPTO_memcmp(given.seal, expected.seal, SEAL_OCTETS) != 0)
    return FALSE;
  drop_old(nonces, now);
  guint64 counter = GUINT64_FROM_BE(given.counter);
  if (counter >= nonces->next || counter / NONCE_BLOCK < nonces->first)
    return FALSE;
  Block *block = g_queue_peek_nth(&nonces->blocks, (guint)(counter / NONCE_BLOCK - nonces->first));
  guint8 *octet = &block->used[counter % NONCE_BLOCK / 8];
  guint8 bit = (guint8)(1u << (counter % 8));
  if ((*octet & bit) != 0)
    return FALSE;
  *octet |= bit;
  return TRUE;
}
