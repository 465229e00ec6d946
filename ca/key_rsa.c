/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/key_rsa.h"

#include "ca/der.h"
#include "ca/openssl_auto.h"

#include <openssl/asn1t.h>

/* RFC 8017 appendix A.1.1. */
typedef struct {
  ASN1_INTEGER *modulus;
  ASN1_INTEGER *exponent;
} RsaPublicKey;

ASN1_SEQUENCE(RsaPublicKey) =
    {
        ASN1_SIMPLE(RsaPublicKey, modulus, ASN1_INTEGER),
        ASN1_SIMPLE(RsaPublicKey, exponent, ASN1_INTEGER),
} static_ASN1_SEQUENCE_END(RsaPublicKey)

        static void rsa_public_key_free(RsaPublicKey * key) {
  ASN1_item_free((ASN1_VALUE *)key, ASN1_ITEM_rptr(RsaPublicKey));
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RsaPublicKey, rsa_public_key_free)

/* All primes below 752 (S/MIME BR 6.1.6). */
static const guint16 small_primes[] = {
    2,   3,   5,   7,   11,  13,  17,  19,  23,  29,  31,  37,  41,  43,  47,  53,  59,  61,  67,
    71,  73,  79,  83,  89,  97,  101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163,
    167, 173, 179, 181, 191, 193, 197, 199, 211, 223, 227, 229, 233, 239, 241, 251, 257, 263, 269,
    271, 277, 281, 283, 293, 307, 311, 313, 317, 331, 337, 347, 349, 353, 359, 367, 373, 379, 383,
    389, 397, 401, 409, 419, 421, 431, 433, 439, 443, 449, 457, 461, 463, 467, 479, 487, 491, 499,
    503, 509, 521, 523, 541, 547, 557, 563, 569, 571, 577, 587, 593, 599, 601, 607, 613, 617, 619,
    631, 641, 643, 647, 653, 659, 661, 673, 677, 683, 691, 701, 709, 719, 727, 733, 739, 743, 751};

/* The primes that the ROCA test looks at end here. */
#define ROCA_LAST_PRIME 167

static gboolean has_small_factor(const BIGNUM *n) {
  for (gsize i = 0; i < G_N_ELEMENTS(small_primes); i++)
    if (BN_mod_word(n, small_primes[i]) == 0)
      return TRUE;
  return FALSE;
}

static gboolean is_power_of_65537(guint residue, guint prime) {
  guint power = 1;
  do {
    if (power == residue)
      return TRUE;
    power = power * (65537 % prime) % prime;
  } while (power != 1);
  return FALSE;
}

/* CVE-2017-15361: both primes are k * M + (65537^a mod M) with M the product of the first primes,
   hence so is the modulus, for each of these primes. A good modulus passes by chance once in 2^27.
 */
static gboolean is_roca(const BIGNUM *n) {
  for (gsize i = 0; small_primes[i] <= ROCA_LAST_PRIME; i++)
    if (!is_power_of_65537((guint)BN_mod_word(n, small_primes[i]), small_primes[i]))
      return FALSE;
  return TRUE;
}

/* root = floor(sqrt(n)), by Newton's method from above. */
static void square_root(BIGNUM *root, const BIGNUM *n, BN_CTX *context) {
  BN_CTX_start(context);
  BIGNUM *next = openssl_must(BN_CTX_get(context));
  BN_zero(next);
  openssl_check(BN_set_bit(next, (BN_num_bits(n) + 1) / 2) == 1);
  do {
    openssl_check(BN_copy(root, next) != NULL && BN_div(next, NULL, n, root, context) == 1 &&
                  BN_add(next, next, root) == 1 && BN_rshift1(next, next) == 1);
  } while (BN_cmp(next, root) < 0);
  BN_CTX_end(context);
}

static gboolean is_square(const BIGNUM *n, BN_CTX *context) {
  if (BN_is_zero(n))
    return TRUE;
  /* Bit r is set when r is a square modulo 64: four in five numbers end here. */
  static const guint64 squares = G_GUINT64_CONSTANT(0x0202021202030213);
  if (((squares >> BN_mod_word(n, 64)) & 1) == 0)
    return FALSE;
  BN_CTX_start(context);
  BIGNUM *root = openssl_must(BN_CTX_get(context));
  BIGNUM *square = openssl_must(BN_CTX_get(context));
  square_root(root, n, context);
  openssl_check(BN_sqr(square, root, context) == 1);
  gboolean equal = BN_cmp(square, n) == 0;
  BN_CTX_end(context);
  return equal;
}

/* Fermat: n = a^2 - b^2 with a just above sqrt(n) when the primes are close. n is odd. */
static gboolean has_close_primes(const BIGNUM *n) {
  g_autoptr(BN_CTX) context = openssl_must(BN_CTX_new());
  g_autoptr(BIGNUM) a = openssl_must(BN_new());
  g_autoptr(BIGNUM) rest = openssl_must(BN_new());
  square_root(a, n, context);
  openssl_check(BN_sqr(rest, a, context) == 1);
  if (BN_cmp(rest, n) == 0)
    return TRUE;
  for (int round = 0; round < KEY_RSA_FERMAT_ROUNDS; round++) {
    openssl_check(BN_add_word(a, 1) == 1 && BN_sqr(rest, a, context) == 1 &&
                  BN_sub(rest, rest, n) == 1);
    if (is_square(rest, context))
      return TRUE;
  }
  return FALSE;
}

static gboolean refuse(GError **error, const char *why) {
  g_set_error_literal(error, CA_ERROR, CA_ERROR_BAD_KEY, why);
  return FALSE;
}

static gboolean check_modulus(const BIGNUM *n, GError **error) {
  int bits = BN_num_bits(n);
  if (BN_is_negative(n) || bits < KEY_RSA_MIN_BITS || bits > KEY_RSA_MAX_BITS || bits % 8 != 0) {
    g_set_error(error, CA_ERROR, CA_ERROR_BAD_KEY,
                "the RSA key has %d bits; %d to %d in a multiple of 8 are accepted", bits,
                KEY_RSA_MIN_BITS, KEY_RSA_MAX_BITS);
    return FALSE;
  }
  if (has_small_factor(n))
    return refuse(error, "the RSA modulus has a factor below 752");
  if (is_roca(n))
    return refuse(error, "the RSA key was made by a weak generator (ROCA, CVE-2017-15361)");
  if (has_close_primes(n))
    return refuse(error, "the primes of the RSA key are too close to each other");
  return TRUE;
}

gboolean key_rsa_check(GBytes *der, GError **error) {
  g_autoptr(RsaPublicKey) key = der_decode(der, ASN1_ITEM_rptr(RsaPublicKey));
  if (key == NULL)
    return refuse(error, "the public key is not a DER RSAPublicKey");
  g_autoptr(BIGNUM) n = openssl_must(ASN1_INTEGER_to_BN(key->modulus, NULL));
  g_autoptr(BIGNUM) e = openssl_must(ASN1_INTEGER_to_BN(key->exponent, NULL));
  if (!BN_is_word(e, 65537) || BN_is_negative(e))
    return refuse(error, "the exponent of the RSA key is not 65537");
  return check_modulus(n, error);
}
