/* SPDX-License-Identifier: Apache-2.0 */
/* GLib is the judge of what its octets are. */
#include "base/normal_form.h"

#include <string.h>

#define MUTANTS 20000 /* of each value */

static const char *const values[] = {
    "uint32 7",
    "true",
    "byte 0xff",
    "'text'",
    "''",
    "b'octets'",
    "@ay []",
    "()",
    "(@ay [],)",
    "('one', 'two', 'three', ['four', 'five'], true, b'octets')",
    "(uint32 200, [('Location', 'here'), ('Link', '')], @ay [1, 2, 0])",
    "{'one': 'two', 'three': ''}",
    "@a{ss} {}",
    "@as []",
    "['']",
    "(true, 1, int64 2, byte 3)",
    "[(true, int64 1), (false, int64 -1)]",
    "(@ms nothing, @ms 'x', @mb true, @mb nothing, @mx 5, @m(ub) (1, true), @may b'')",
    "(b'serial', int64 1, int64 2, 'url', [(@ay [1, 2, 3], int64 4, 5), (@ay [], int64 6, 7)])",
    "([(@ms 'a', int64 1, @as ['x', 'y']), (nothing, 2, [])], @m(us) (1, 'z'), @aay [[1], [], [2, "
    "3]])",
    "(@n 1, 'x', @q 2, 'y', 3.5, @t 4)",
    "(\"it's\", 'say \"so\"', '\\\\', 'a\\tb\\n', 'gr\\u00fcn \\u200e', '~ !')",
    "(@mms nothing, @mms just nothing, @mms 'x', @ams ['y', nothing], @a(u) [(1,), (4294967295,)])",
    "([@y 0, 255, 16, 1], [@y 0], [@y 1, 0, 2, 0], @m(sumsb) ('d', 1, nothing, true), -5)",
};

static const char *const tuples[] = {
    "('one', 'two', 'three', b'octets', '')",
    "(uint32 200, ['Location', 'here'], @ay [1, 2, 0])",
    "(@ay [],)",
    "(true, 'x', int64 3, @ay [], uint32 4, int64 5, 'y', byte 6)",
    "(@n 1, 'x', @q 2, 'y', 3.5, @t 4)",
    "(@ay [], [(@ay [1, 2, 3], int64 4, 5)], @m(us) (1, 'z'), @aay [[1], [], [2, 3]])",
    "('0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789'"
    ", '0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef01234567'"
    ", '0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef01234567'"
    ", 1)",
};

static gboolean glib_says(const GVariantType *type, const guint8 *octets, gsize size) {
  g_autoptr(GBytes) copy = g_bytes_new(octets, size);
  g_autoptr(GVariant) value =
      g_variant_ref_sink(g_variant_new_from_bytes(type, copy, FALSE /* not trusted */));
  return g_variant_is_normal_form(value);
}

static void assert_same(const char *type, const guint8 *octets, gsize size) {
  g_autofree guint8 *own = g_memdup2(octets, size); /* so that a sanitizer knows where it ends */
  gboolean holds = normal_form_holds(type, own, size),
           glib = glib_says(G_VARIANT_TYPE(type), octets, size);
  g_assert_true(size == 0 ? glib || !holds : glib == holds);
}

static void assert_text(GVariant *value) {
  g_autofree char *wanted = g_variant_print(value, FALSE), *text = normal_form_print(value);
  g_assert_cmpstr(text, ==, wanted);
}

/* As GLib writes it, cut at each place, with an octet more. */
static void test_written(gconstpointer text) {
  g_autoptr(GVariant) value = g_variant_ref_sink(g_variant_new_parsed(text));
  gsize size = g_variant_get_size(value);
  g_autofree guint8 *octets = g_malloc0(size + 1);
  g_variant_store(value, octets);
  g_assert_true(normal_form_holds(g_variant_get_type_string(value), octets, size));
  assert_text(value);
  for (gsize cut = 0; cut <= size + 1; cut++)
    assert_same(g_variant_get_type_string(value), octets, cut);
}

static void assert_part(GVariant *value, const NormalFormPart *part) {
  g_assert_cmpuint(part->size, ==, g_variant_get_size(value));
  g_assert_true(part->size == 0 || memcmp(part->data, g_variant_get_data(value), part->size) == 0);
}

static void test_tuple(gconstpointer text) {
  g_autoptr(GVariant) value = g_variant_ref_sink(g_variant_new_parsed(text));
  g_autoptr(GPtrArray) members = g_ptr_array_new_with_free_func((GDestroyNotify)g_variant_unref);
  g_autofree NormalFormPart *parts = g_new(NormalFormPart, g_variant_n_children(value));
  for (gsize i = 0; i < g_variant_n_children(value); i++) {
    g_ptr_array_add(members, g_variant_get_child_value(value, i));
    parts[i] = normal_form_of(members->pdata[i]);
  }
  g_autoptr(GVariant) joined =
      g_variant_ref_sink(normal_form_join(g_variant_get_type_string(value), parts));
  const NormalFormPart whole = normal_form_of(joined);
  assert_part(value, &whole);
  normal_form_split(g_variant_get_type_string(value), whole, parts);
  for (gsize i = 0; i < g_variant_n_children(value); i++)
    assert_part(members->pdata[i], &parts[i]);
}

static const char *const arrays[] = {
    "@as []",
    "['', 'one', 'two', 'three']",
    "[[byte 1], [], [2, 3]]",
    "[(b'serial', int64 4, 5), (b'', int64 6, 7), (b'another', int64 8, 9)]",
    "[('x', [@ms 'a', nothing], 'y', int64 7), ('', [], '', int64 8)]",
};

static void test_array(gconstpointer text) {
  g_autoptr(GVariant) value = g_variant_ref_sink(g_variant_new_parsed(text));
  const char *type = g_variant_get_type_string(value);
  g_autoptr(GArray) items = normal_form_items(type, normal_form_of(value));
  g_assert_cmpuint(items->len, ==, g_variant_n_children(value));
  for (guint i = 0; i < items->len; i++) {
    g_autoptr(GVariant) item = g_variant_get_child_value(value, i);
    assert_part(item, &g_array_index(items, NormalFormPart, i));
  }
  g_autoptr(GBytes) again =
      normal_form_array(type, (const NormalFormPart *)(const void *)items->data, items->len);
  const NormalFormPart whole = normal_form_octets(again);
  assert_part(value, &whole);
}

static void test_members(void) {
  static const char *const texts[] = {"x", "", NULL};
  NormalFormPart parts[9], inner[2];
  g_autoptr(GVariant) value =
      g_variant_ref_sink(g_variant_new("(ubxsmsms^asm(us)m(us))", 4294967295, TRUE, G_MININT64,
                                       "text", "", NULL, texts, TRUE, 5, "inner", FALSE, 0, NULL));
  normal_form_split("(ubxsmsmsasm(us)m(us))", normal_form_of(value), parts);
  g_assert_cmpuint(normal_form_to_uint32(&parts[0]), ==, 4294967295);
  g_assert_true(normal_form_to_boolean(&parts[1]));
  g_assert_cmpint(normal_form_to_int64(&parts[2]), ==, G_MININT64);
  g_assert_cmpstr(normal_form_to_text(&parts[3]), ==, "text");
  g_assert_cmpstr(normal_form_to_text(&parts[4]), ==, "");
  g_assert_null(normal_form_to_text(&parts[5]));
  g_autofree const char **read = normal_form_to_texts(&parts[6]);
  g_assert_cmpstrv(read, texts);
  normal_form_split("(us)", normal_form_of_maybe(parts[7]), inner);
  g_assert_cmpuint(normal_form_to_uint32(&inner[0]), ==, 5);
  g_assert_cmpstr(normal_form_to_text(&inner[1]), ==, "inner");
  g_assert_cmpuint(parts[8].size, ==, 0);
}

static void test_maybe(void) {
  const guint32 number = 5;
  const NormalFormPart of_inner[] = {NORMAL_FORM_NUMBER(number), normal_form_text("inner")};
  g_autoptr(GBytes) inner = normal_form_tuple("(us)", of_inner);
  g_autoptr(GVariant) wanted = g_variant_ref_sink(g_variant_new("(m(us)s)", TRUE, 5, "inner", "x"));
  const NormalFormPart parts[] = {normal_form_maybe(inner), normal_form_text("x")};
  g_autoptr(GVariant) joined = g_variant_ref_sink(normal_form_join("(m(us)s)", parts));
  const NormalFormPart whole = normal_form_of(joined);
  assert_part(wanted, &whole);
}

static void test_maybe_text(void) {
  const guint32 number = 7;
  const NormalFormPart parts[] = {normal_form_maybe_text(NULL),
                                  normal_form_text("one"),
                                  normal_form_maybe_text(""),
                                  {.data = &number, .size = sizeof(number)},
                                  normal_form_maybe_text("two")};
  g_autoptr(GVariant) wanted =
      g_variant_ref_sink(g_variant_new("(mssmsums)", NULL, "one", "", number, "two"));
  g_autoptr(GVariant) joined = g_variant_ref_sink(normal_form_join("(mssmsums)", parts));
  const NormalFormPart whole = normal_form_of(joined);
  assert_part(wanted, &whole);
}

/* With ends of one octet, and of two. */
static void test_texts(void) {
  static const char *const texts[] = {"Location", "https://ca.test/order/1", "", "Link", "\"x\""};
  for (gsize count = 0; count < 100; count++) {
    g_autoptr(GPtrArray) given = g_ptr_array_new();
    for (gsize i = 0; i < count; i++)
      g_ptr_array_add(given, (gpointer)texts[i % G_N_ELEMENTS(texts)]);
    const char *const *list = (const char *const *)given->pdata;
    g_autoptr(GVariant) wanted = g_variant_ref_sink(g_variant_new_strv(list, (gssize)count));
    g_autoptr(GBytes) array = normal_form_texts(list, count);
    const NormalFormPart part = normal_form_octets(array);
    assert_part(wanted, &part);
  }
}

static void mutate(GRand *rand, guint8 *octets, gsize size, const guint8 *other, gsize other_size) {
  static const guint8 liked[] = {0, 1, 2, 3, 0x7f, 0x80, 0xff};
  for (gint32 i = g_rand_int_range(rand, 1, 4); i > 0 && size > 0; i--) {
    gsize at = (gsize)g_rand_int_range(rand, 0, (gint32)size);
    if (g_rand_boolean(rand))
      octets[at] = liked[g_rand_int_range(rand, 0, G_N_ELEMENTS(liked))];
    else
      octets[at] = (guint8)(octets[at] + g_rand_int_range(rand, -3, 4));
  }
  if (other_size > 0 && g_rand_int_range(rand, 0, 8) == 0)
    memcpy(octets, other, MIN(size, other_size));
}

/* The octets of each value changed a little, read as its type, and as that of another. */
static void test_changed(void) {
  GRand *rand = g_rand_new_with_seed(8823);
  guint agreed_good = 0;
  for (gsize i = 0; i < G_N_ELEMENTS(values); i++) {
    g_autoptr(GVariant) value = g_variant_ref_sink(g_variant_new_parsed(values[i]));
    g_autoptr(GVariant) other =
        g_variant_ref_sink(g_variant_new_parsed(values[(i * 5 + 3) % G_N_ELEMENTS(values)]));
    for (guint n = 0; n < MUTANTS; n++) {
      guint8 octets[600] = {0};
      gsize written = g_variant_get_size(value);
      g_variant_store(value, octets);
      gsize size = written + (gsize)g_rand_int_range(rand, 0, 5);
      size = size < 2 ? 0 : size - 2;
      mutate(rand, octets, size, g_variant_get_data(other), g_variant_get_size(other));
      const char *type = g_variant_get_type_string(n % 4 == 0 ? other : value);
      assert_same(type, octets, size);
      if (!normal_form_holds(type, octets, size))
        continue;
      g_autoptr(GBytes) copy = g_bytes_new(octets, size);
      g_autoptr(GVariant) good =
          g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE(type), copy, FALSE));
      assert_text(good);
      agreed_good++;
    }
  }
  g_assert_cmpuint(agreed_good, >, MUTANTS); /* some changes change nothing that is wrong */
  g_rand_free(rand);
}

/* Where a size needs more octets for each end. */
static void test_large(void) {
  for (gsize length = 240; length < 65540; length += length < 260 || length > 65525 ? 1 : 13000) {
    g_autofree char *text = g_strnfill(length, 'x');
    const char *const texts[] = {text, "y", NULL};
    g_autoptr(GVariant) value =
        g_variant_ref_sink(g_variant_new("(s^as@ay)", text, texts, g_variant_new_bytestring(text)));
    gsize size = g_variant_get_size(value);
    g_autofree guint8 *octets = g_malloc(size);
    g_variant_store(value, octets);
    g_assert_true(normal_form_holds(g_variant_get_type_string(value), octets, size));
    assert_text(value);
    octets[size - 1]++;
    assert_same(g_variant_get_type_string(value), octets, size);
    octets[size - 1]--;
    assert_same("as", octets, size);
    assert_same("aay", octets, size);
    assert_same("(ayay)", octets, size);
  }
}

/* Ends in more octets than their container's size needs are another form of the same. */
static void test_wide_ends(void) {
  guint8 octets[300] = {0};
  octets[298] = 298 & 0xff;
  octets[299] = 298 >> 8;
  assert_same("aay", octets, 300);
  octets[298] = 254; /* 46 octets are 23 ends */
  octets[299] = 0;
  assert_same("aay", octets, 300);
  guint8 small[257] = {0};
  small[253] = small[255] = 253;
  g_assert_false(normal_form_holds("aay", small, 257));
  assert_same("aay", small, 257);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS(values); i++) {
    g_autofree char *path = g_strdup_printf("/normal-form/written/%" G_GSIZE_FORMAT, i);
    g_test_add_data_func(path, values[i], test_written);
  }
  for (gsize i = 0; i < G_N_ELEMENTS(tuples); i++) {
    g_autofree char *path = g_strdup_printf("/normal-form/tuple/%" G_GSIZE_FORMAT, i);
    g_test_add_data_func(path, tuples[i], test_tuple);
  }
  for (gsize i = 0; i < G_N_ELEMENTS(arrays); i++) {
    g_autofree char *path = g_strdup_printf("/normal-form/array/%" G_GSIZE_FORMAT, i);
    g_test_add_data_func(path, arrays[i], test_array);
  }
  g_test_add_func("/normal-form/members", test_members);
  g_test_add_func("/normal-form/maybe", test_maybe);
  g_test_add_func("/normal-form/maybe-text", test_maybe_text);
  g_test_add_func("/normal-form/texts", test_texts);
  g_test_add_func("/normal-form/changed", test_changed);
  g_test_add_func("/normal-form/large", test_large);
  g_test_add_func("/normal-form/wide-ends", test_wide_ends);
  return g_test_run();
}
