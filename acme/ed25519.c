/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/ed25519.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <string.h>

/* RFC 8032 section 5.1: the field's prime and the curve's d. */
#define PRIME "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed"
#define CURVE_D "52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3"

/* The y of the eight points whose order divides 8. */
static const char *const small_orders[] = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000001",
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffec",
    "7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7",
    "05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826",
};

typedef struct {
  BN_CTX *context;
  BIGNUM *prime, *d, *y;
} Field;

static Field field_of(const guint8 encoded[ED25519_OCTETS]) {
  Field field = {BN_CTX_new(), NULL, NULL, NULL};
  guint8 octets[ED25519_OCTETS];
  memcpy(octets, encoded, sizeof(octets));
  octets[ED25519_OCTETS - 1] &= 0x7f; /* the rest of it is the sign of x */
  BN_hex2bn(&field.prime, PRIME);
  BN_hex2bn(&field.d, CURVE_D);
  field.y = BN_lebin2bn(octets, sizeof(octets), NULL);
  return field;
}

static void field_clear(Field *field) {
  BN_free(field->y);
  BN_free(field->d);
  BN_free(field->prime);
  BN_CTX_free(field->context);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Field, field_clear)

static gboolean has_small_order(const Field *field) {
  gboolean found = FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS(small_orders) && !found; i++) {
    BIGNUM *small = NULL;
    BN_hex2bn(&small, small_orders[i]);
    found = BN_cmp(small, field->y) == 0;
    BN_free(small);
  }
  return found;
}

/* x^2 = (y^2 - 1) / (d y^2 + 1) has a root when the product of the two is a square. */
static gboolean has_x(const Field *field) {
  BIGNUM *numerator = BN_new(), *denominator = BN_new();
  BN_mod_sqr(numerator, field->y, field->prime, field->context);
  BN_mod_mul(denominator, numerator, field->d, field->prime, field->context);
  BN_sub_word(numerator, 1);
  BN_add_word(denominator, 1);
  BN_mod_mul(numerator, numerator, denominator, field->prime, field->context);
  int symbol = BN_kronecker(numerator, field->prime, field->context);
  BN_free(numerator);
  BN_free(denominator);
  return symbol == 1;
}

gboolean ed25519_is_public_key(const guint8 encoded[ED25519_OCTETS]) {
  g_auto(Field) field = field_of(encoded);
  gboolean good = BN_cmp(field.y, field.prime) < 0 && !has_small_order(&field) && has_x(&field);
  ERR_clear_error();
  return good;
}
