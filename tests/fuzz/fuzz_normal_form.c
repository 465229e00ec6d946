/* SPDX-License-Identifier: Apache-2.0 */
/* Input: an octet chooses a type, the others are read as that. Holds: they are in normal form
   exactly if GLib says so, and then have the text that GLib gives them; texts that are read from
   them make the same octets again. */
#include "base/normal_form.h"
#include "base/texts.h"
#include "tests/fuzz/fuzz.h"

static const char *const types[] = {
    "s",
    "as",
    "aay",
    "a{ss}",
    "(sssasbay)",
    "(ua(ss)ay)",
    "(ayxxxsa(ayxi))",
    "(ubxmsaaysa(sxsssb))",
    "((msuumsusuumsbuayms)a(umsmsmsmsasmsmsbxx)m(sumsb))",
    "a(xb)",
    "(nyqmbmxm(ub)maydt)",
};

static void run_texts(GBytes *octets) {
  g_autoptr(GPtrArray) texts = g_ptr_array_new();
  if (!texts_read(normal_form_octets(octets), texts))
    return;
  g_autoptr(GBytes) again = texts_join((const char *const *)texts->pdata, texts->len);
  g_assert_true(g_bytes_equal(again, octets));
}

static void run_print(GVariant *value) {
  g_autofree char *wanted = g_variant_print(value, FALSE), *text = normal_form_print(value);
  g_assert_cmpstr(text, ==, wanted);
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size) {
  FuzzInput input = {data, size};
  const char *type = types[fuzz_octet(&input) % G_N_ELEMENTS(types)];
  g_autoptr(GBytes) octets = fuzz_rest(&input);
  gsize length = g_bytes_get_size(octets);
  if (length == 0)
    return 0;
  g_autoptr(GVariant) value =
      g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE(type), octets, FALSE));
  g_assert_cmpint(normal_form_holds(type, g_bytes_get_data(octets, NULL), length), ==,
                  g_variant_is_normal_form(value));
  if (g_variant_is_normal_form(value))
    run_print(value);
  run_texts(octets);
  return 0;
}
