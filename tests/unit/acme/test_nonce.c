/* SPDX-License-Identifier: Apache-2.0 */
/* Nonces: interop.md 32; security.md 4. */
#include "acme/nonce.h"
#include "base/base64url.h"

#include <string.h>

#define NOW G_GINT64_CONSTANT(1772323200000)
#define HOUR ((gint64)60 * 60 * 1000)
#define MANY 100000
#define SHARE_OF_REPLAYS 100000

static const guint8 key[NONCE_KEY_OCTETS] = {1, 2, 3};

static gboolean accepts(Nonces *nonces, const char *nonce, gint64 now) {
  return nonces_use(nonces, NULL, nonce, now, FALSE, NULL) == STORE_CHANGED;
}

static void test_single_use(void) {
  g_autoptr(Nonces) nonces = nonces_new(key);
  g_autofree char *first = nonces_issue(nonces, NOW), *second = nonces_issue(nonces, NOW);
  g_assert_cmpstr(first, !=, second);
  g_assert_cmpuint(
      strspn(first, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), ==,
      strlen(first));
  g_assert_true(accepts(nonces, second, NOW));
  g_assert_true(accepts(nonces, first, NOW));
  g_assert_false(accepts(nonces, first, NOW));
  g_assert_false(accepts(nonces, second, NOW + HOUR));
}

/* What a transaction used that is run again is used by its next run, and what was used before it
   stays so. */
static void test_given_back(void) {
  g_autoptr(Nonces) nonces = nonces_new(key);
  g_autofree char *before = nonces_issue(nonces, NOW), *within = nonces_issue(nonces, NOW);
  g_assert_true(accepts(nonces, before, NOW));
  nonces_keep(nonces);
  g_assert_true(accepts(nonces, within, NOW));
  nonces_give_back(nonces);
  g_assert_false(accepts(nonces, before, NOW));
  g_assert_true(accepts(nonces, within, NOW));
  g_assert_false(accepts(nonces, within, NOW));
  nonces_keep(nonces);
  nonces_give_back(nonces);
  g_assert_false(accepts(nonces, within, NOW));
}

/* One that has aged out meanwhile is not there to be given back. */
static void test_given_back_late(void) {
  g_autoptr(Nonces) nonces = nonces_new(key);
  g_autofree char *old = nonces_issue(nonces, NOW);
  g_assert_true(accepts(nonces, old, NOW));
  for (guint i = 0; i < 2 * NONCE_BLOCK; i++)
    g_free(nonces_issue(nonces, NOW + 1));
  g_autofree char *fresh = nonces_issue(nonces, NOW + 2 * HOUR);
  g_assert_true(accepts(nonces, fresh, NOW + 4 * HOUR));
  nonces_give_back(nonces);
  g_assert_false(accepts(nonces, old, NOW + 4 * HOUR));
  g_assert_true(accepts(nonces, fresh, NOW + 4 * HOUR));
}

static void test_malformed(void) {
  static const char *const bad[] = {
      "", "A", "=", "nonce", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "\xff", "AAAA AAAA"};
  g_autoptr(Nonces) nonces = nonces_new(key);
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
    g_assert_false(accepts(nonces, bad[i], NOW));
  g_autofree char *good = nonces_issue(nonces, NOW);
  g_autofree char *longer = g_strconcat(good, "AAAA", NULL), *padded = g_strconcat(good, "=", NULL);
  g_autofree char *shorter = g_strndup(good, strlen(good) - 4);
  g_assert_false(accepts(nonces, longer, NOW));
  g_assert_false(accepts(nonces, padded, NOW));
  g_assert_false(accepts(nonces, shorter, NOW));
  /* Each bit of it counts: counter and seal. */
  g_autoptr(GBytes) octets = base64url_decode(good);
  gsize size = g_bytes_get_size(octets);
  for (gsize bit = 0; bit < 8 * size; bit++) {
    g_autofree guint8 *changed = g_memdup2(g_bytes_get_data(octets, NULL), size);
    changed[bit / 8] ^= (guint8)(1u << bit % 8);
    g_autofree char *text = base64url_encode(changed, size);
    g_assert_false(accepts(nonces, text, NOW));
  }
  g_assert_true(accepts(nonces, good, NOW));
}

/* Of a neighbour, or of the time before a restart. */
static void test_foreign(void) {
  static const guint8 other_key[NONCE_KEY_OCTETS] = {1, 2, 4};
  g_autoptr(Nonces) nonces = nonces_new(key);
  g_autoptr(Nonces) restarted = nonces_new(other_key);
  g_autofree char *old = nonces_issue(nonces, NOW), *own = nonces_issue(restarted, NOW);
  g_assert_false(accepts(restarted, old, NOW));
  g_assert_false(accepts(nonces, own, NOW));
  g_assert_true(accepts(restarted, own, NOW));
}

/* A nonce that was not issued yet, of the same key. */
static void test_future(void) {
  g_autoptr(Nonces) ahead = nonces_new(key), behind = nonces_new(key);
  g_autofree char *first = nonces_issue(ahead, NOW), *second = nonces_issue(ahead, NOW);
  g_assert_false(accepts(behind, first, NOW));
  g_assert_false(accepts(behind, second, NOW));
}

/* However many are issued meanwhile, each one is good for an hour; far later it is not. */
static void test_lifetime(void) {
  g_autoptr(Nonces) nonces = nonces_new(key);
  g_autofree char *first = nonces_issue(nonces, NOW);
  for (guint i = 0; i < 3 * NONCE_BLOCK; i++)
    g_free(nonces_issue(nonces, NOW + i % 1000));
  g_autofree char *last = nonces_issue(nonces, NOW);
  g_assert_true(accepts(nonces, first, NOW + HOUR));
  for (guint i = 0; i < 2 * NONCE_BLOCK; i++)
    g_free(nonces_issue(nonces, NOW + 10 * HOUR));
  g_autofree char *fresh = nonces_issue(nonces, NOW + 10 * HOUR);
  g_assert_true(accepts(nonces, fresh, NOW + 11 * HOUR));
  g_assert_false(accepts(nonces, last, NOW + 12 * HOUR));
}

/* The last of a block is not cut short by the age of the block. */
static void test_lifetime_across_blocks(void) {
  g_autoptr(Nonces) nonces = nonces_new(key);
  for (guint i = 0; i < NONCE_BLOCK - 1; i++)
    g_free(nonces_issue(nonces, NOW));
  g_autofree char *last = nonces_issue(nonces, NOW + 2 * HOUR);
  g_autofree char *next = nonces_issue(nonces, NOW + 2 * HOUR);
  g_assert_true(accepts(nonces, last, NOW + 3 * HOUR));
  g_assert_true(accepts(nonces, next, NOW + 3 * HOUR));
}

static void test_clock_back(void) {
  g_autoptr(Nonces) nonces = nonces_new(key);
  g_autofree char *nonce = nonces_issue(nonces, NOW);
  g_assert_true(accepts(nonces, nonce, NOW - 10 * HOUR));
  g_assert_false(accepts(nonces, nonce, NOW - 10 * HOUR));
}

/* step 1: in order; else in strides that meet each once. */
static void use_many(guint step) {
  g_autoptr(Nonces) nonces = nonces_new(key);
  g_autoptr(GPtrArray) issued = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; i < MANY; i++)
    g_ptr_array_add(issued, nonces_issue(nonces, NOW + i));
  for (guint i = 0; i < MANY; i++)
    g_assert_true(accepts(nonces, issued->pdata[(guint64)i * step % MANY], NOW + HOUR));
  for (guint i = 0; i < MANY; i++)
    g_assert_false(accepts(nonces, issued->pdata[i], NOW + HOUR));
}

static void test_many(gconstpointer step) {
  use_many(GPOINTER_TO_UINT(step));
}

/* Ten replays of nonces at random for each one that is issued and used. */
static void test_replays(void) {
  guint replays = g_getenv("SIGNET_FULL") != NULL ? 1000000 : SHARE_OF_REPLAYS, accepted = 0;
  g_autoptr(Nonces) nonces = nonces_new(key);
  g_autoptr(GPtrArray) used = g_ptr_array_new_with_free_func(g_free);
  g_test_message("share: %u of 1000000 replays", replays);
  for (guint i = 0; i < replays; i++) {
    if (i % 10 == 0) {
      g_ptr_array_add(used, nonces_issue(nonces, NOW + i));
      g_assert_true(accepts(nonces, used->pdata[used->len - 1], NOW + i));
    }
    guint which = (guint)g_test_rand_int_range(0, (gint32)used->len);
    if (accepts(nonces, used->pdata[which], NOW + i))
      accepted++;
  }
  g_assert_cmpuint(accepted, ==, 0);
}

/* What an edge gives away without core: looks like a nonce, is none. */
static void test_placeholder(void) {
  g_autoptr(Nonces) nonces = nonces_new(key);
  g_autofree char *good = nonces_issue(nonces, NOW);
  for (guint i = 0; i < 1000; i++) {
    g_autofree char *placeholder = nonce_placeholder(), *other = nonce_placeholder();
    g_assert_cmpuint(strlen(placeholder), ==, strlen(good));
    g_assert_cmpstr(placeholder, !=, other);
    g_assert_false(accepts(nonces, placeholder, NOW));
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/acme/nonce/single-use", test_single_use);
  g_test_add_func("/acme/nonce/given-back", test_given_back);
  g_test_add_func("/acme/nonce/given-back-late", test_given_back_late);
  g_test_add_func("/acme/nonce/malformed", test_malformed);
  g_test_add_func("/acme/nonce/foreign", test_foreign);
  g_test_add_func("/acme/nonce/future", test_future);
  g_test_add_func("/acme/nonce/lifetime", test_lifetime);
  g_test_add_func("/acme/nonce/lifetime-across-blocks", test_lifetime_across_blocks);
  g_test_add_func("/acme/nonce/clock-back", test_clock_back);
  g_test_add_data_func("/acme/nonce/many-in-order", GUINT_TO_POINTER(1), test_many);
  g_test_add_data_func("/acme/nonce/many-out-of-order", GUINT_TO_POINTER(77773), test_many);
  g_test_add_func("/acme/nonce/replays", test_replays);
  g_test_add_func("/acme/nonce/placeholder", test_placeholder);
  return g_test_run();
}
