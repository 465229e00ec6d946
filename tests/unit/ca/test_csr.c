/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/der.h"
#include "ca/openssl_auto.h"
#include "tests/unit/ca/csr_cases.h"

static void assert_wishes(const CsrCase *c, const Csr *csr) {
  g_assert_cmpint(csr->want_sign, ==, c->sign != NO);
  g_assert_cmpint(csr->want_encrypt, ==, c->encrypt != NO);
  g_assert_cmpint(csr->want_non_repudiation, ==, c->non_repudiation == YES);
}

static void test_table(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(csr_cases); i++) {
    const CsrCase *c = &csr_cases[i];
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) der = csr_case_make(c);
    g_autoptr(Csr) csr =
        csr_parse(der, c->flags & COMPATIBLE ? CSR_NAMES_MAIL_AND_DNS : CSR_NAMES_MAIL, &error);
    if ((csr == NULL) != (c->expected != NULL) ||
        (error != NULL && strstr(error->message, c->expected) == NULL))
      g_error("%s: %s", c->name, error != NULL ? error->message : "accepted");
    if (csr == NULL)
      g_assert_true(error->domain == CA_ERROR);
    else
      assert_wishes(c, csr);
  }
}

static void test_fields(void) {
  static const CsrCase c = {"", NULL,
                            .names = {"email:Alice@EXAMPLE.org", "utf8:ж@bücher.example"}};
  g_autoptr(GBytes) der = csr_case_make(&c);
  g_autoptr(Csr) csr = csr_parse(der, CSR_NAMES_MAIL, NULL);
  g_assert_nonnull(csr);
  g_assert_cmpuint(csr->mailboxes->len, ==, 2);
  g_assert_cmpstr(((Mailbox *)csr->mailboxes->pdata[0])->address, ==, "Alice@example.org");
  g_assert_cmpstr(((Mailbox *)csr->mailboxes->pdata[1])->address, ==, "ж@xn--bcher-kva.example");
  g_assert_true(key_check(csr->spki, KEY_SUBSCRIBER, NULL, NULL));
}

/* X.690 sections 11.1 and 11.5: FALSE is left out, TRUE is 0xff. */
static void test_extension_form(void) {
  static const struct {
    const char *hex;
    gboolean good;
  } forms[] = {
      {"300b0603551d0f0404030206c0", TRUE},        {"300e0603551d0f0101ff0404030206c0", TRUE},
      {"300e0603551d0f0101000404030206c0", FALSE}, {"300e0603551d0f0101010404030206c0", FALSE},
      {"300e0603551d0f0101fe0404030206c0", FALSE},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(forms); i++) {
    long length = 0;
    guint8 *octets = OPENSSL_hexstr2buf(forms[i].hex, &length);
    const guint8 *at = octets;
    g_autoptr(X509_EXTENSION) extension = d2i_X509_EXTENSION(NULL, &at, length);
    g_assert_nonnull(extension);
    g_assert_cmpint(der_is_extension(extension), ==, forms[i].good);
    OPENSSL_free(octets);
  }
}

/* Every octet changed: never accepted with other content, never a crash. */
static void test_mutations(void) {
  static const CsrCase c = {"", NULL, .names = {ALICE}, .cn = "alice@example.org",
                            .usage = DS | KA};
  g_autoptr(GBytes) der = csr_case_make(&c);
  gsize length;
  const guint8 *octets = g_bytes_get_data(der, &length);
  for (gsize i = 0; i < length; i++) {
    g_autofree guint8 *copy = g_memdup2(octets, length);
    copy[i] ^= 0x01;
    g_autoptr(GBytes) changed = g_bytes_new(copy, length);
    g_autoptr(GBytes) cut = g_bytes_new(octets, i);
    g_autoptr(Csr) first = csr_parse(changed, CSR_NAMES_MAIL, NULL);
    g_autoptr(Csr) second = csr_parse(cut, CSR_NAMES_MAIL, NULL);
    g_assert_null(first);
    g_assert_null(second);
  }
}

static GPtrArray *order_of(const char *first, const char *second) {
  GPtrArray *order = g_ptr_array_new_with_free_func((GDestroyNotify)mailbox_free);
  g_ptr_array_add(order, mailbox_parse(first, NULL));
  if (second != NULL)
    g_ptr_array_add(order, mailbox_parse(second, NULL));
  return order;
}

static void test_matches(void) {
  static const CsrCase c = {"", NULL, .names = {ALICE, "email:bob@example.org"}};
  g_autoptr(GBytes) der = csr_case_make(&c);
  g_autoptr(Csr) csr = csr_parse(der, CSR_NAMES_MAIL, NULL);
  static const struct {
    const char *first, *second, *named;
  } orders[] = {{"bob@example.org", "ALICE@Example.ORG", NULL},
                {"alice@example.org", NULL, "bob@example.org"},
                {"alice@example.org", "eve@example.org", "bob@example.org"}};
  for (gsize i = 0; i < G_N_ELEMENTS(orders); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) order = order_of(orders[i].first, orders[i].second);
    g_assert_cmpint(csr_matches(csr, order, &error), ==, orders[i].named == NULL);
    g_assert_true(error == NULL || strstr(error->message, orders[i].named) != NULL);
  }
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) larger = order_of("alice@example.org", "bob@example.org");
  g_ptr_array_add(larger, mailbox_parse("eve@example.org", NULL));
  g_assert_false(csr_matches(csr, larger, &error));
  g_assert_error(error, CA_ERROR, CA_ERROR_BAD_CSR);
  g_assert_nonnull(strstr(error->message, "eve@example.org"));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/csr/table", test_table);
  g_test_add_func("/csr/fields", test_fields);
  g_test_add_func("/csr/mutations", test_mutations);
  g_test_add_func("/csr/extension-form", test_extension_form);
  g_test_add_func("/csr/matches", test_matches);
  return g_test_run();
}
