/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/weak_keys.h"

#include "ca/key.h"
#include "tests/unit/ca/fixture.h"

static WeakKeys *keys_of(const char *text, const char *second, GError **error) {
  g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
  g_ptr_array_add(files, g_bytes_new(text, strlen(text)));
  if (second != NULL)
    g_ptr_array_add(files, g_bytes_new(second, strlen(second)));
  return weak_keys_new(files, error);
}

/* A key of Debian's lists, that of CVE-2008-0166 for process 1 on a 64-bit little-endian machine,
   is not at hand here: the form of an entry is recomputed from the modulus as openssl prints it. */
static char *modulus_entry(EVP_PKEY *key) {
  BIGNUM *n = NULL;
  g_assert_cmpint(EVP_PKEY_get_bn_param(key, "n", &n), ==, 1);
  char *digits = BN_bn2hex(n);
  g_autofree char *line = g_strdup_printf("Modulus=%s\n", digits);
  OPENSSL_free(digits);
  BN_free(n);
  g_autofree char *sha1 = g_compute_checksum_for_string(G_CHECKSUM_SHA1, line, -1);
  return g_strdup(sha1 + 20);
}

static void test_found(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(EVP_PKEY) rsa = fixture_key("RSA-2048"), other = fixture_key("RSA-3072"),
                      ec = fixture_key("P-256"), fine = fixture_key("P-384");
  g_autoptr(GBytes) rsa_spki = fixture_spki(rsa), other_spki = fixture_spki(other),
                    ec_spki = fixture_spki(ec), fine_spki = fixture_spki(fine);
  g_autofree char *modulus = modulus_entry(rsa);
  g_autofree char *spki = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, ec_spki);
  g_autofree char *list =
      g_strdup_printf("# Debian\n\n00112233445566778899\n%s\nffeeddccbbaa99887766\n", modulus);
  g_autofree char *second = g_strdup_printf("%.30s\r\n%064d", spki, 0);
  g_assert_false(weak_keys_have(NULL, rsa_spki));
  g_autoptr(WeakKeys) keys = keys_of(list, second, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(weak_keys_count(keys), ==, 5);
  g_assert_true(weak_keys_have(keys, rsa_spki));
  g_assert_true(weak_keys_have(keys, ec_spki));
  g_assert_false(weak_keys_have(keys, other_spki));
  g_assert_false(weak_keys_have(keys, fine_spki));
}

static void test_refused(void) {
  static const struct {
    const char *text, *why;
  } cases[] = {{"", "no entry"},
               {"# nothing\n\n", "no entry"},
               {"00112233445566778899\n0011223344556677889\n", "line 2"},
               {"0011223344556677889g\n", "line 1"},
               {"0011223344556677889900\n", "line 1"},
               {"00:11:22:33:44:55:66:77:88:99\n", "line 1"},
               {"00112233445566778899 00\n", "line 1"}};
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(GError) error = NULL;
    g_assert_null(keys_of(cases[i].text, NULL, &error));
    g_assert_error(error, CA_ERROR, CA_ERROR_FILE);
    g_assert_nonnull(strstr(error->message, cases[i].why));
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/weak-keys/found", test_found);
  g_test_add_func("/weak-keys/refused", test_refused);
  return g_test_run();
}
