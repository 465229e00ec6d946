/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/nonce.h"
#include "base/base64url.h"
#include "store/nonce.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#define SEAL_OCTETS 16
#define CLOCKS_APART (5 * 60 * 1000) /* of two nodes, milliseconds: at most what is put up with */

/* NONCE_BLOCK consecutive counters. */
typedef struct {
  gint64 made_at;
  guint8 used[NONCE_BLOCK / 8];
} Block;

/* Counters below first * NONCE_BLOCK are dead; blocks[i] holds those of block first + i; next is
   the counter of the next nonce. */
struct Nonces {
  EVP_MAC_CTX *sealing; /* HMAC with SHA-256, has the key */
  gboolean shared;      /* then no blocks are kept */
  GQueue blocks;        /* of Block */
  GArray *noted;        /* counters, of guint64, that the running transaction used */
  guint64 first, next;
};

typedef struct {
  guint64 counter; /* big-endian */
  guint8 seal[SEAL_OCTETS];
} __attribute__((packed)) Sealed;

/* The form on a shared store. */
typedef struct {
  gint64 made_at; /* big-endian */
  guint64 random;
} __attribute__((packed)) Stamp;

typedef struct {
  Stamp stamp;
  guint8 seal[SEAL_OCTETS];
} __attribute__((packed)) Stamped;

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
  nonces->noted = g_array_new(FALSE, FALSE, sizeof(guint64));
  return nonces;
}

Nonces *nonces_start(Store *store, const guint8 fresh[NONCE_KEY_OCTETS], GError **error) {
  if (!store_is_shared(store))
    return nonces_new(fresh);
  g_autoptr(GBytes) own = g_bytes_new(fresh, NONCE_KEY_OCTETS);
  g_autoptr(GBytes) common = nonce_key(store, own, error);
  if (common == NULL)
    return NULL;
  if (g_bytes_get_size(common) != NONCE_KEY_OCTETS) {
    g_set_error(error, STORE_ERROR, STORE_ERROR_FAILED, "the key of the nonces is damaged");
    return NULL;
  }
  Nonces *nonces = nonces_new(g_bytes_get_data(common, NULL));
  nonces->shared = TRUE;
  return nonces;
}

void nonces_free(Nonces *nonces) {
  if (nonces == NULL)
    return;
  g_queue_clear_full(&nonces->blocks, g_free);
  g_array_unref(nonces->noted);
  EVP_MAC_CTX_free(nonces->sealing);
  g_free(nonces);
}

/* Begins anew with the key that the context has. */
static void seal(const Nonces *nonces, const void *content, gsize length, guint8 to[SEAL_OCTETS]) {
  guint8 mac[EVP_MAX_MD_SIZE];
  size_t mac_length = 0;
  if (EVP_MAC_init(nonces->sealing, NULL, 0, NULL) != 1 ||
      EVP_MAC_update(nonces->sealing, content, length) != 1 ||
      EVP_MAC_final(nonces->sealing, mac, &mac_length, sizeof(mac)) != 1)
    g_error("nonces cannot be sealed");
  memcpy(to, mac, SEAL_OCTETS);
}

static gboolean is_sealed(const Nonces *nonces, const void *content, gsize length,
                          const guint8 given[SEAL_OCTETS]) {
  guint8 expected[SEAL_OCTETS];
  seal(nonces, content, length, expected);
  return CRYPTO_memcmp(given, expected, SEAL_OCTETS) == 0;
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

/* --- of one core
 * ------------------------------------------------------------------------------------------ */

static char *issue_counted(Nonces *nonces, gint64 now) {
  if (nonces->next % NONCE_BLOCK == 0) {
    Block *block = g_new0(Block, 1);
    block->made_at = now;
    g_queue_push_tail(&nonces->blocks, block);
    drop_old(nonces, now);
  }
  Sealed sealed = {GUINT64_TO_BE(nonces->next), {0}};
  nonces->next++;
  seal(nonces, &sealed.counter, sizeof(sealed.counter), sealed.seal);
  return base64url_encode(&sealed, sizeof(sealed));
}

static guint8 *used_octet(Nonces *nonces, guint64 counter) {
  Block *block = g_queue_peek_nth(&nonces->blocks, (guint)(counter / NONCE_BLOCK - nonces->first));
  return &block->used[counter % NONCE_BLOCK / 8];
}

static gboolean use_counted(Nonces *nonces, GBytes *octets, gint64 now) {
  Sealed given;
  if (g_bytes_get_size(octets) != sizeof(given))
    return FALSE;
  memcpy(&given, g_bytes_get_data(octets, NULL), sizeof(given));
  if (!is_sealed(nonces, &given.counter, sizeof(given.counter), given.seal))
    return FALSE;
  drop_old(nonces, now);
  guint64 counter = GUINT64_FROM_BE(given.counter);
  if (counter >= nonces->next || counter / NONCE_BLOCK < nonces->first)
    return FALSE;
  guint8 bit = (guint8)(1u << (counter % 8)), *octet = used_octet(nonces, counter);
  if ((*octet & bit) != 0)
    return FALSE;
  *octet |= bit;
  g_array_append_val(nonces->noted, counter);
  return TRUE;
}

void nonces_keep(Nonces *nonces) {
  if (nonces != NULL)
    g_array_set_size(nonces->noted, 0);
}

void nonces_give_back(Nonces *nonces) {
  for (guint i = 0; nonces != NULL && i < nonces->noted->len; i++) {
    guint64 counter = g_array_index(nonces->noted, guint64, i);
    if (counter / NONCE_BLOCK >= nonces->first)
      *used_octet(nonces, counter) &= (guint8) ~(1u << (counter % 8));
  }
  nonces_keep(nonces);
}

/* --- of several
 * ------------------------------------------------------------------------------------------- */

static char *issue_stamped(const Nonces *nonces, gint64 now) {
  Stamped stamped = {.stamp.made_at = GINT64_TO_BE(now)};
  RAND_bytes((guint8 *)&stamped.stamp.random, sizeof(stamped.stamp.random));
  seal(nonces, &stamped.stamp, sizeof(stamped.stamp), stamped.seal);
  return base64url_encode(&stamped, sizeof(stamped));
}

/* Its row stays for longer than any node takes it. */
static StoreChange use_stamped(const Nonces *nonces, Store *store, GBytes *octets, gint64 now,
                               gboolean only_reads, GError **error) {
  Stamped given;
  if (g_bytes_get_size(octets) != sizeof(given))
    return STORE_UNCHANGED;
  memcpy(&given, g_bytes_get_data(octets, NULL), sizeof(given));
  if (!is_sealed(nonces, &given.stamp, sizeof(given.stamp), given.seal))
    return STORE_UNCHANGED;
  gint64 made_at = GINT64_FROM_BE(given.stamp.made_at);
  if (made_at > now + CLOCKS_APART || now - made_at > NONCE_LIFETIME)
    return STORE_UNCHANGED;
  g_autoptr(GBytes) stamp = g_bytes_new(&given.stamp, sizeof(given.stamp));
  StoreChange used =
      nonce_use(store, stamp, made_at + NONCE_LIFETIME + 2 * CLOCKS_APART, only_reads, error);
  if (used == STORE_CHANGED && !store_keep_so_far(store, error))
    return STORE_FAILED;
  return used;
}

char *nonces_issue(Nonces *nonces, gint64 now) {
  return nonces->shared ? issue_stamped(nonces, now) : issue_counted(nonces, now);
}

char *nonce_placeholder(void) {
  Sealed sealed;
  RAND_bytes((guint8 *)&sealed, sizeof(sealed));
  return base64url_encode(&sealed, sizeof(sealed));
}

StoreChange nonces_use(Nonces *nonces, Store *store, const char *nonce, gint64 now,
                       gboolean only_reads, GError **error) {
  g_autoptr(GBytes) octets = base64url_decode(nonce);
  if (octets == NULL)
    return STORE_UNCHANGED;
  if (nonces->shared)
    return use_stamped(nonces, store, octets, now, only_reads, error);
  return use_counted(nonces, octets, now) ? STORE_CHANGED : STORE_UNCHANGED;
}

gboolean nonces_purge(const Nonces *nonces, Store *store, gint64 now, guint limit, gboolean *more,
                      GError **error) {
  *more = FALSE;
  return !nonces->shared || nonce_purge(store, now, limit, more, error);
}
