/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/key.h"

#include "tests/unit/ca/fixture.h"

static void assert_refused(GBytes *spki, const char *why) {
  g_autoptr(GError) error = NULL;
  g_assert_false(key_check(spki, KEY_SUBSCRIBER, NULL, &error));
  g_assert_error(error, CA_ERROR, CA_ERROR_BAD_KEY);
  if (strstr(error->message, why) == NULL)
    g_error("expected \"%s\", got \"%s\"", why, error->message);
}

static void test_accepted(void) {
  static const struct {
    const char *name, *kind;
  } keys[] = {{"P-256", "p256"},   {"P-384", "p384"},   {"RSA-2048", "rsa"},
              {"RSA-2056", "rsa"}, {"RSA-3072", "rsa"}, {"RSA-4096", "rsa"}};
  for (gsize i = 0; i < G_N_ELEMENTS(keys); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(EVP_PKEY) key = fixture_key(keys[i].name);
    g_autoptr(GBytes) spki = fixture_spki(key);
    const Algorithm *algorithm = NULL;
    g_assert_true(key_check(spki, KEY_SUBSCRIBER, &algorithm, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(algorithm->name, ==, keys[i].kind);
  }
}

static void test_refused_types(void) {
  static const struct {
    const char *name, *why;
  } keys[] = {{"RSA-1024", "1024 bits"}, {"P-521", "linter"},          {"secp256k1", "type"},
              {"P-224", "type"},         {"ED25519", "root programs"}, {"ED448", "root programs"},
              {"RSA-4104", "4104 bits"}};
  for (gsize i = 0; i < G_N_ELEMENTS(keys); i++) {
    g_autoptr(EVP_PKEY) key = fixture_key(keys[i].name);
    g_autoptr(GBytes) spki = fixture_spki(key);
    assert_refused(spki, keys[i].why);
  }
}

/* What every JWS algorithm of RFC 8555 section 6.2 signs with; weak keys as for certificates. */
static void test_account_keys(void) {
  static const struct {
    const char *name, *kind, *why;
  } keys[] = {{"RSA-2048", "rsa", NULL},        {"P-256", "p256", NULL},
              {"P-384", "p384", NULL},          {"P-521", "p521", NULL},
              {"ED25519", "ed25519", NULL},     {"ED448", "ed448", "type"},
              {"RSA-1024", "rsa", "1024 bits"}, {"RSA-4104", "rsa", "4104 bits"},
              {"secp256k1", NULL, "Ed25519"}};
  for (gsize i = 0; i < G_N_ELEMENTS(keys); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(EVP_PKEY) key = fixture_key(keys[i].name);
    g_autoptr(GBytes) spki = fixture_spki(key);
    const Algorithm *algorithm = key_algorithm(spki);
    g_assert_cmpstr(algorithm != NULL ? algorithm->name : NULL, ==, keys[i].kind);
    g_assert_cmpint(key_check(spki, KEY_ACCOUNT, NULL, &error), ==, keys[i].why == NULL);
    g_assert_true(error == NULL || strstr(error->message, keys[i].why) != NULL);
  }
}

static void test_bits(void) {
  static const int sizes[] = {512, 2047, 2049, 2052, 4095, 4097, 16384};
  for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
    g_autoptr(BIGNUM) n = BN_new();
    BN_rand(n, sizes[i], BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD);
    g_autoptr(GBytes) spki = fixture_rsa(n, 65537);
    assert_refused(spki, "bits; 2048 to 4096");
  }
}

static void test_exponent(void) {
  static const guint32 exponents[] = {3, 17, 65535, 65539, 0x80000001};
  g_autoptr(EVP_PKEY) key = fixture_key("RSA");
  g_autoptr(BIGNUM) n = NULL;
  EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n);
  for (gsize i = 0; i < G_N_ELEMENTS(exponents); i++) {
    g_autoptr(GBytes) spki = fixture_rsa(n, exponents[i]);
    assert_refused(spki, "exponent");
  }
}

/* A modulus of 2048 bits with factor as a factor. */
static void test_small_factors(void) {
  static const guint32 factors[] = {2, 3, 5, 167, 173, 743, 751};
  for (gsize i = 0; i < G_N_ELEMENTS(factors); i++) {
    g_autoptr(BIGNUM) n = BN_new();
    BN_rand(n, 2048, BN_RAND_TOP_TWO, BN_RAND_BOTTOM_ODD);
    BN_sub_word(n, BN_mod_word(n, factors[i]));
    g_autoptr(GBytes) spki = fixture_rsa(n, 65537);
    assert_refused(spki, "factor below 752");
  }
}

static void test_close_primes(void) {
  static const guint64 distances[] = {0, 2, 100000, 1u << 30};
  for (gsize i = 0; i < G_N_ELEMENTS(distances); i++) {
    g_autoptr(BIGNUM) n = BN_new();
    fixture_close_primes(n, distances[i]);
    g_autoptr(GBytes) spki = fixture_rsa(n, 65537);
    assert_refused(spki, "too close");
  }
}

/* n = (a - b)(a + b) with a = floor(sqrt(n)) + rounds is found in that many rounds. */
static void test_fermat_rounds(void) {
  static const struct {
    guint rounds;
    gboolean refused;
  } cases[] = {{1, TRUE}, {109, TRUE}, {110, TRUE}, {111, FALSE}, {130, FALSE}};
  for (gsize i = 0; i < G_N_ELEMENTS(cases);) {
    g_autoptr(BN_CTX) context = BN_CTX_new();
    g_autoptr(BIGNUM) a = BN_new();
    g_autoptr(BIGNUM) b = BN_new();
    g_autoptr(BIGNUM) t = BN_new();
    /* a - sqrt(n) is about b^2 / 2a: with b^2 = a * (2 rounds - 1) it is rounds - 1/2, rounded up.
     */
    BN_rand(a, 1024, BN_RAND_TOP_TWO, BN_RAND_BOTTOM_ANY);
    BN_copy(t, a);
    BN_mul_word(t, 2 * cases[i].rounds - 1);
    BN_rshift(b, a, 511);
    for (int step = 0; step < 600; step++) { /* Newton */
      g_autoptr(BIGNUM) d = BN_new();
      BN_div(d, NULL, t, b, context);
      BN_add(b, b, d);
      BN_rshift1(b, b);
    }
    if (BN_is_odd(a) == BN_is_odd(b))
      BN_add_word(b, 1);
    g_autoptr(BIGNUM) n = BN_new();
    BN_sqr(n, a, context);
    BN_sqr(t, b, context);
    BN_sub(n, n, t);
    g_autoptr(GBytes) spki = fixture_rsa(n, 65537);
    g_autoptr(GError) error = NULL;
    if (BN_num_bits(n) != 2048 || (!key_check(spki, KEY_SUBSCRIBER, NULL, &error) &&
                                   strstr(error->message, "factor") != NULL))
      continue;
    g_assert_cmpint(error != NULL, ==, cases[i].refused);
    i++;
  }
}

static void test_roca(void) {
  g_autoptr(GBytes) spki = fixture_roca();
  assert_refused(spki, "ROCA");
}

/* The P-256 base point. */
#define GX "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
#define GY "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
#define P256 "301306072a8648ce3d020106082a8648ce3d030107"

static void test_octets(void) {
  static const struct {
    const char *name, *hex, *why;
  } cases[] = {
      {"good", "3059" P256 "03420004" GX GY, NULL},
      {"trailing", "3059" P256 "03420004" GX GY "00", "DER"},
      {"empty", "", "DER"},
      {"long form length", "308159" P256 "03420004" GX GY, "DER"},
      {"unused bits", "3059" P256 "03420104" GX GY, "DER"},
      {"compressed", "3039" P256 "03220003" GX, "uncompressed"},
      {"hybrid", "3059" P256 "03420007" GX GY, "uncompressed"},
      {"infinity", "3019" P256 "03020000", "uncompressed"},
      {"off the curve", "3059" P256 "03420004" GX GX, "not a point"},
      {"parameters absent", "304f300906072a8648ce3d020103420004" GX GY, "type"},
      {"P-384 with a point of P-256",
       "3056301006072a8648ce3d020106052b81040022034200"
       "04" GX GY,
       "uncompressed"},
      {"RSA without NULL", "3012300b06092a864886f70d0101010303003000", "type"},
      {"RSA-PSS", "3014300d06092a864886f70d01010a05000303003000", "type"},
      {"RSA empty", "3014300d06092a864886f70d01010105000303003000", "RSAPublicKey"},
      {"RSA not DER",
       "301c300d06092a864886f70d0101010500030b003008020200010202000"
       "3",
       "RSAPublicKey"},
      {"RSA tiny",
       "301c300d06092a864886f70d0101010500030b003008020103020301"
       "0001",
       "2 bits"},
      {"RSA negative",
       "301c300d06092a864886f70d0101010500030b0030080201ff020301"
       "0001",
       "bits"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_test_message("%s", cases[i].name);
    g_autoptr(GBytes) spki = fixture_octets(cases[i].hex);
    if (cases[i].why != NULL)
      assert_refused(spki, cases[i].why);
    else
      g_assert_true(key_check(spki, KEY_SUBSCRIBER, NULL, NULL));
  }
}

static void test_ed25519(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) good = fixture_octets("302a300506032b6570032100" GX);
  g_autoptr(GBytes) longer = fixture_octets("302b300506032b6570032200" GX "00");
  g_autoptr(GBytes) parameters = fixture_octets("302c300706032b65700500032100" GX);
  g_assert_true(key_check(good, KEY_ACCOUNT, NULL, NULL));
  g_assert_false(key_check(longer, KEY_ACCOUNT, NULL, &error));
  g_assert_nonnull(strstr(error->message, "32 octets"));
  g_assert_false(key_check(parameters, KEY_ACCOUNT, NULL, NULL));
  g_assert_false(key_check(good, KEY_SUBSCRIBER, NULL, NULL));
}

/* ca-rules 14: ML-DSA and ML-KEM are known, and refused until OpenSSL has them; every row's octets
   are its own, and a key of a kind that is taken has them. */
static void test_kinds(void) {
  static const struct {
    const char *name, *identifier, *why;
  } missing[] = {{"ml-dsa-44", "300b0609608648016503040311", "ML-DSA keys are not taken"},
                 {"ml-dsa-65", "300b0609608648016503040312", "ML-DSA keys are not taken"},
                 {"ml-dsa-87", "300b0609608648016503040313", "ML-DSA keys are not taken"},
                 {"ml-kem-512", "300b0609608648016503040401", "ML-KEM keys are not taken"},
                 {"ml-kem-768", "300b0609608648016503040402", "ML-KEM keys are not taken"},
                 {"ml-kem-1024", "300b0609608648016503040403", "ML-KEM keys are not taken"}};
  for (gsize i = 0; i < G_N_ELEMENTS(missing); i++) {
    g_autofree char *hex = g_strconcat("3012", missing[i].identifier, "0303000102", NULL);
    g_autoptr(GBytes) spki = fixture_octets(hex);
    g_assert_cmpstr(key_algorithm(spki)->name, ==, missing[i].name);
    g_assert_false(key_check(spki, KEY_ACCOUNT, NULL, NULL));
    assert_refused(spki, missing[i].why);
  }
  for (gsize i = 0; algorithm_at(i) != NULL; i++) {
    const Algorithm *row = algorithm_at(i);
    g_autoptr(GBytes) octets = algorithm_key_octets(row);
    g_assert_true(algorithm_of_key(octets) == row);
    g_assert_true((row->purposes & KEY_SUBSCRIBER) != 0 || row->refused != NULL);
  }
}

/* SMC017v2. */
static void test_ca_keys(void) {
  static const struct {
    const char *key, *name, *later;
  } keys[] = {{"P-256", "p256", "taken"},  {"P-384", "p384", "taken"}, {"RSA-3072", "rsa", "taken"},
              {"RSA-2048", "rsa", "over"}, {"RSA-1024", NULL, "over"}, {"P-521", NULL, "taken"},
              {"ED25519", NULL, "taken"}};
  for (gsize i = 0; i < G_N_ELEMENTS(keys); i++) {
    g_autoptr(EVP_PKEY) key = fixture_key(keys[i].key);
    const Algorithm *algorithm = algorithm_of_ca(key);
    g_assert_cmpstr(algorithm != NULL ? algorithm->name : NULL, ==, keys[i].name);
    g_assert_false(algorithm_ca_key_is_over(key, ALGORITHM_RSA_CA_LATER - 1));
    g_assert_cmpint(algorithm_ca_key_is_over(key, ALGORITHM_RSA_CA_LATER), ==,
                    strcmp(keys[i].later, "over") == 0);
  }
  g_autoptr(EVP_PKEY) made = algorithm_make_ca_key(algorithm_new_ca_key("RSA-4096"), NULL);
  g_assert_cmpint(EVP_PKEY_get_bits(made), ==, 4096);
  g_assert_null(algorithm_new_ca_key("RSA-3072"));
}

static void test_digest(void) {
  g_autoptr(GBytes) spki = fixture_octets("3059" P256 "03420004" GX GY);
  g_autoptr(GBytes) junk = g_bytes_new_static("x", 1);
  g_autoptr(GBytes) digest = key_digest(spki);
  g_autoptr(GBytes) identifier = key_identifier(spki);
  g_assert_null(key_identifier(junk));
  g_assert_null(key_algorithm(junk));
  g_assert_cmpuint(g_bytes_get_size(identifier), ==, 20);
  g_autofree char *wanted = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, spki);
  g_autoptr(GBytes) octets = fixture_octets(wanted);
  g_assert_true(g_bytes_equal(octets, digest));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/key/accepted", test_accepted);
  g_test_add_func("/key/types", test_refused_types);
  g_test_add_func("/key/account", test_account_keys);
  g_test_add_func("/key/bits", test_bits);
  g_test_add_func("/key/exponent", test_exponent);
  g_test_add_func("/key/small-factors", test_small_factors);
  g_test_add_func("/key/close-primes", test_close_primes);
  g_test_add_func("/key/fermat-rounds", test_fermat_rounds);
  g_test_add_func("/key/roca", test_roca);
  g_test_add_func("/key/octets", test_octets);
  g_test_add_func("/key/ed25519", test_ed25519);
  g_test_add_func("/key/kinds", test_kinds);
  g_test_add_func("/key/ca", test_ca_keys);
  g_test_add_func("/key/digest", test_digest);
  return g_test_run();
}
