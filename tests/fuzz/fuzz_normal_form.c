/* SPDX-License-Identifier: Apache-2.0 */
/* Input: an octet chooses a type, the others are read as that. Holds: they are in normal form
   exactly if GLib says so, and then have the text and the parts that GLib gives them, which make
   the same octets again; so do texts that are read from them. */
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

static gboolean is_fixed(const char *type) {
  return strpbrk(type, "sam") == NULL;
}

static void assert_is(NormalFormPart part, GVariant *value) {
  g_assert_cmpmem(part.data, part.size, g_variant_get_data(value), g_variant_get_size(value));
}

static GBytes *tuple_again(GVariant *tuple) {
  NormalFormPart parts[16] = {{NULL}};
  g_assert_cmpuint(g_variant_n_children(tuple), <=, G_N_ELEMENTS(parts));
  normal_form_split(g_variant_get_type_string(tuple), normal_form_of(tuple), parts);
  for (gsize i = 0; i < g_variant_n_children(tuple); i++) {
    g_autoptr(GVariant) child = g_variant_get_child_value(tuple, i);
    assert_is(parts[i], child);
  }
  return normal_form_tuple(g_variant_get_type_string(tuple), parts);
}

static GBytes *array_again(GVariant *array) {
  const char *type = g_variant_get_type_string(array);
  g_autoptr(GArray) items = normal_form_items(type, normal_form_of(array));
  g_assert_cmpuint(items->len, ==, g_variant_n_children(array));
  for (guint i = 0; i < items->len; i++) {
    g_autoptr(GVariant) child = g_variant_get_child_value(array, i);
    assert_is(g_array_index(items, NormalFormPart, i), child);
  }
  return normal_form_array(type, (const NormalFormPart *)items->data, items->len);
}

static void run_parts(GVariant *value) {
  const char *type = g_variant_get_type_string(value);
  g_autoptr(GBytes) again = NULL;
  if (*type == '(' && !is_fixed(type))
    again = tuple_again(value);
  else if (*type == 'a' && !is_fixed(type + 1))
    again = array_again(value);
  if (again != NULL)
    assert_is(normal_form_octets(again), value);
  for (gsize i = 0; g_variant_is_container(value) && i < g_variant_n_children(value); i++) {
    g_autoptr(GVariant) child = g_variant_get_child_value(value, i);
    run_parts(child);
  }
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
  if (g_variant_is_normal_form(value)) {
    run_print(value);
    run_parts(value);
  }
  run_texts(octets);
  return 0;
}
