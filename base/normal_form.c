/* SPDX-License-Identifier: Apache-2.0 */
/* GVariant's serialisation: a container's children stand one after the other, each aligned, with
   zeros before it. Where a child ends that has no fixed size, and is not the last of a tuple, is
   told at the container's end: in a tuple backwards, in an array forwards, in as few octets each as
   the container's size allows. */
#include "base/normal_form.h"

#include <string.h>

typedef struct {
  gsize fixed;     /* octets of every value; 0: they differ */
  gsize alignment; /* a power of two */
} Shape;

typedef struct {
  const guint8 *data;
  gsize size;
} Octets;

static Shape shape_of(const GVariantType *type);

static char kind_of(const GVariantType *type) {
  return *g_variant_type_peek_string(type);
}

static gsize align(gsize offset, gsize alignment) {
  return (offset + alignment - 1) & ~(alignment - 1);
}

static Shape tuple_shape(const GVariantType *type) {
  Shape all = {0, 1};
  gboolean fixed = TRUE;
  for (const GVariantType *member = g_variant_type_first(type); member != NULL;
       member = g_variant_type_next(member)) {
    Shape shape = shape_of(member);
    fixed = fixed && shape.fixed > 0;
    all.fixed = align(all.fixed, shape.alignment) + shape.fixed;
    all.alignment = MAX(all.alignment, shape.alignment);
  }
  /* A tuple of nothing is one octet. */
  all.fixed = fixed ? MAX(align(all.fixed, all.alignment), 1) : 0;
  return all;
}

static Shape shape_of(const GVariantType *type) {
  switch (kind_of(type)) {
  case 'y':
  case 'b':
    return (Shape){1, 1};
  case 'n':
  case 'q':
    return (Shape){2, 2};
  case 'i':
  case 'u':
    return (Shape){4, 4};
  case 'x':
  case 't':
  case 'd':
    return (Shape){8, 8};
  case 's':
    return (Shape){0, 1};
  case 'a':
  case 'm':
    return (Shape){0, shape_of(g_variant_type_element(type)).alignment};
  case '(':
  case '{':
    return tuple_shape(type);
  default:
    g_error("no octets are checked for the type %s", g_variant_type_peek_string(type));
  }
}

/* --- where children end
 * ---------------------------------------------------------------------------------------- */

static gsize end_width(gsize size) {
  return size > G_MAXUINT32 ? 8 : size > G_MAXUINT16 ? 4 : size > G_MAXUINT8 ? 2 : 1;
}

/* The fewest octets for each end. */
static gsize least_width(gsize children, gsize ends) {
  gsize width = 1;
  while (width < 8 && end_width(children + width * ends) > width)
    width *= 2;
  return width;
}

static gboolean width_is_least(gsize size, gsize children, gsize ends) {
  return children + least_width(children, ends) * ends == size;
}

static gsize read_end(const guint8 *data, gsize width) {
  gsize end = 0;
  for (gsize i = width; i-- > 0;)
    end = end << 8 | data[i];
  return end;
}

static void write_end(guint8 *data, gsize width, gsize end) {
  for (gsize i = 0; i < width; i++, end >>= 8)
    data[i] = (guint8)end;
}

static gboolean are_zeros(const Octets *octets, gsize from, gsize to) {
  for (; from < to; from++)
    if (octets->data[from] != 0)
      return FALSE;
  return TRUE;
}

/* Moves offset to the next alignment; FALSE when that is behind limit, or not only zeros are
   between. */
static gboolean skip_padding(const Octets *octets, gsize *offset, gsize alignment, gsize limit) {
  gsize from = *offset;
  *offset = align(from, alignment);
  return *offset <= limit && are_zeros(octets, from, *offset);
}

/* --- the types
 * -----------------------------------------------------------------------------------------------
 */

static gboolean holds(const GVariantType *type, Shape shape, const guint8 *data, gsize size);

static gboolean text_holds(const Octets *text) {
  if (text->size == 0 || text->data[text->size - 1] != 0)
    return FALSE;
  return g_utf8_validate_len((const char *)text->data, text->size - 1, NULL);
}

/* Behind a value whose size may differ stands a zero, so that none is told from an empty one. */
static gboolean maybe_holds(const GVariantType *element, const Octets *octets) {
  if (octets->size == 0)
    return TRUE;
  Shape shape = shape_of(element);
  if (shape.fixed > 0)
    return holds(element, shape, octets->data, octets->size);
  return octets->data[octets->size - 1] == 0 &&
         holds(element, shape, octets->data, octets->size - 1);
}

static gboolean fixed_array_holds(const GVariantType *element, Shape shape, const Octets *octets) {
  if (octets->size % shape.fixed != 0)
    return FALSE;
  if (kind_of(element) == 'y')
    return TRUE;
  for (gsize offset = 0; offset < octets->size; offset += shape.fixed)
    if (!holds(element, shape, octets->data + offset, shape.fixed))
      return FALSE;
  return TRUE;
}

static gboolean array_holds(const GVariantType *element, const Octets *octets) {
  Shape shape = shape_of(element);
  if (shape.fixed > 0)
    return fixed_array_holds(element, shape, octets);
  if (octets->size == 0)
    return TRUE;
  gsize width = end_width(octets->size), offset = 0;
  if (octets->size < width)
    return FALSE;
  gsize last = read_end(octets->data + octets->size - width, width);
  if (last >= octets->size || (octets->size - last) % width != 0)
    return FALSE;
  gsize count = (octets->size - last) / width;
  if (!width_is_least(octets->size, last, count))
    return FALSE;
  for (gsize i = 0; i < count; i++) {
    gsize end = read_end(octets->data + last + i * width, width);
    if (end > last || !skip_padding(octets, &offset, shape.alignment, end) ||
        !holds(element, shape, octets->data + offset, end - offset))
      return FALSE;
    offset = end;
  }
  return TRUE;
}

static gboolean tuple_holds(const GVariantType *type, gboolean fixed, const Octets *octets) {
  gsize width = end_width(octets->size), offset = 0, table = octets->size;
  for (const GVariantType *member = g_variant_type_first(type); member != NULL;
       member = g_variant_type_next(member)) {
    Shape shape = shape_of(member);
    gsize end = table;
    if (!skip_padding(octets, &offset, shape.alignment, table))
      return FALSE;
    if (shape.fixed > 0) {
      end = offset + shape.fixed;
    } else if (g_variant_type_next(member) != NULL) {
      if (table - offset < width)
        return FALSE;
      table -= width;
      end = read_end(octets->data + table, width);
    }
    if (end < offset || end > table || !holds(member, shape, octets->data + offset, end - offset))
      return FALSE;
    offset = end;
  }
  if (fixed) /* its size is right, and no ends are told */
    return are_zeros(octets, offset, octets->size);
  return offset == table && width_is_least(octets->size, offset, (octets->size - table) / width);
}

static gboolean holds(const GVariantType *type, Shape shape, const guint8 *data, gsize size) {
  const Octets octets = {data, size};
  if (shape.fixed > 0 && size != shape.fixed)
    return FALSE;
  switch (kind_of(type)) {
  case 'b':
    return *data <= 1;
  case 's':
    return text_holds(&octets);
  case 'm':
    return maybe_holds(g_variant_type_element(type), &octets);
  case 'a':
    return array_holds(g_variant_type_element(type), &octets);
  case '(':
  case '{':
    return tuple_holds(type, shape.fixed > 0, &octets);
  default: /* numbers */
    return TRUE;
  }
}

gboolean normal_form_holds(const GVariantType *type, const guint8 *data, gsize size) {
  return holds(type, shape_of(type), data, size);
}

/* --- writing
 * -----------------------------------------------------------------------------------------------
 */

NormalFormPart normal_form_of(GVariant *value) {
  return (NormalFormPart){.data = g_variant_get_data(value), .size = g_variant_get_size(value)};
}

NormalFormPart normal_form_text(const char *text) {
  return (NormalFormPart){.data = text, .size = strlen(text) + 1};
}

NormalFormPart normal_form_maybe_text(const char *text) {
  return text != NULL ? (NormalFormPart){.data = text, .size = strlen(text) + 1, .zeros = 1}
                      : (NormalFormPart){.data = NULL};
}

GVariant *normal_form_join(const GVariantType *type, const NormalFormPart *members) {
  gsize children = 0, ends = 0, offset = 0, end = 0;
  const NormalFormPart *part = members;
  for (const GVariantType *member = g_variant_type_first(type); member != NULL; part++) {
    Shape shape = shape_of(member);
    member = g_variant_type_next(member);
    children = align(children, shape.alignment) + part->size + part->zeros;
    ends += shape.fixed == 0 && member != NULL ? 1 : 0;
  }
  gsize width = least_width(children, ends), size = children + width * ends;
  guint8 *octets = g_malloc0(size);
  part = members;
  for (const GVariantType *member = g_variant_type_first(type); member != NULL; part++) {
    Shape shape = shape_of(member);
    member = g_variant_type_next(member);
    offset = align(offset, shape.alignment);
    if (part->size > 0)
      memcpy(octets + offset, part->data, part->size);
    offset += part->size + part->zeros;
    if (shape.fixed == 0 && member != NULL)
      write_end(octets + size - ++end * width, width, offset);
  }
  return g_variant_new_from_data(type, octets, size, TRUE, g_free, octets);
}

GVariant *normal_form_texts(const char *const *texts, gsize count) {
  gsize children = 0, offset = 0;
  for (gsize i = 0; i < count; i++)
    children += strlen(texts[i]) + 1;
  gsize width = least_width(children, count);
  guint8 *octets = g_malloc(children + width * count);
  for (gsize i = 0; i < count; i++) {
    gsize length = strlen(texts[i]) + 1;
    memcpy(octets + offset, texts[i], length);
    offset += length;
    write_end(octets + children + i * width, width, offset);
  }
  return g_variant_new_from_data(G_VARIANT_TYPE_STRING_ARRAY, octets, children + width * count,
                                 TRUE, g_free, octets);
}

/* --- as text
 * ------------------------------------------------------------------------------------------------
 */

static void print(GString *text, const GVariantType *type, const Octets *octets);

/* As GLib writes it: what is rare, and what needs a look at each character. */
static void print_by_glib(GString *text, const GVariantType *type, const Octets *octets) {
  g_autoptr(GBytes) bytes = g_bytes_new(octets->data, octets->size);
  g_autoptr(GVariant) value = g_variant_ref_sink(g_variant_new_from_bytes(type, bytes, FALSE));
  g_variant_print_string(value, text, FALSE);
}

static void print_number(GString *text, const GVariantType *type, const Octets *octets) {
  char digits[24];
  gint64 number = 0;
  guint32 small = 0;
  if (kind_of(type) == 'x') {
    memcpy(&number, octets->data, sizeof(number));
    g_snprintf(digits, sizeof(digits), "%" G_GINT64_FORMAT, number);
  } else {
    memcpy(&small, octets->data, sizeof(small));
    g_snprintf(digits, sizeof(digits), "%u", small);
  }
  g_string_append(text, digits);
}

static gboolean is_plain(const Octets *octets) {
  for (gsize i = 0; i + 1 < octets->size; i++)
    if (octets->data[i] < ' ' || octets->data[i] > '~' || octets->data[i] == '\'' ||
        octets->data[i] == '\\')
      return FALSE;
  return TRUE;
}

static void print_text(GString *text, const GVariantType *type, const Octets *octets) {
  if (!is_plain(octets)) {
    print_by_glib(text, type, octets);
    return;
  }
  g_string_append_c(text, '\'');
  g_string_append_len(text, (const char *)octets->data, (gssize)octets->size - 1);
  g_string_append_c(text, '\'');
}

static void print_maybe(GString *text, const GVariantType *type, const Octets *octets) {
  const GVariantType *element = g_variant_type_element(type);
  gsize zeros = shape_of(element).fixed > 0 ? 0 : 1;
  if (octets->size == 0)
    g_string_append(text, "nothing");
  else if (kind_of(element) == 'm')
    print_by_glib(text, type, octets);
  else
    print(text, element, &(Octets){octets->data, octets->size - zeros});
}

/* What could be a text of octets, that is with one zero, at its end, is shown as one. */
static void print_octets(GString *text, const GVariantType *type, const Octets *octets) {
  static const char digits[] = "0123456789abcdef";
  const guint8 *zero = octets->size > 0 ? memchr(octets->data, 0, octets->size) : NULL;
  if (zero != NULL && zero == octets->data + octets->size - 1) {
    print_by_glib(text, type, octets);
    return;
  }
  g_string_append_c(text, '[');
  for (gsize i = 0; i < octets->size; i++) {
    const char shown[] = {'0', 'x', digits[octets->data[i] >> 4], digits[octets->data[i] & 15]};
    g_string_append(text, i > 0 ? ", " : "");
    g_string_append_len(text, shown, sizeof(shown));
  }
  g_string_append_c(text, ']');
}

/* The last end of all tells where the ends begin. */
static void print_array(GString *text, const GVariantType *type, const Octets *octets) {
  const GVariantType *element = g_variant_type_element(type);
  Shape shape = shape_of(element);
  gsize width = end_width(octets->size), offset = 0;
  if (kind_of(element) == '{' || shape.fixed > 0 || octets->size == 0) {
    print_by_glib(text, type, octets);
    return;
  }
  gsize last = read_end(octets->data + octets->size - width, width);
  g_string_append_c(text, '[');
  for (gsize at = last; at < octets->size; at += width) {
    gsize end = read_end(octets->data + at, width);
    offset = align(offset, shape.alignment);
    g_string_append(text, at > last ? ", " : "");
    print(text, element, &(Octets){octets->data + offset, end - offset});
    offset = end;
  }
  g_string_append_c(text, ']');
}

static void print_tuple(GString *text, const GVariantType *type, const Octets *octets) {
  gsize width = end_width(octets->size), offset = 0, table = octets->size;
  const GVariantType *member = g_variant_type_first(type);
  g_string_append_c(text, '(');
  while (member != NULL) {
    const GVariantType *next = g_variant_type_next(member);
    Shape shape = shape_of(member);
    gsize end = table;
    offset = align(offset, shape.alignment);
    if (shape.fixed > 0)
      end = offset + shape.fixed;
    else if (next != NULL)
      end = read_end(octets->data + (table -= width), width);
    print(text, member, &(Octets){octets->data + offset, end - offset});
    g_string_append(text, next != NULL ? ", " : "");
    offset = end;
    member = next;
  }
  g_string_append(text, g_variant_type_n_items(type) == 1 ? ",)" : ")");
}

static void print(GString *text, const GVariantType *type, const Octets *octets) {
  switch (kind_of(type)) {
  case 'b':
    g_string_append(text, *octets->data != 0 ? "true" : "false");
    break;
  case 'u':
  case 'x':
    print_number(text, type, octets);
    break;
  case 's':
    print_text(text, type, octets);
    break;
  case 'm':
    print_maybe(text, type, octets);
    break;
  case 'a':
    if (kind_of(g_variant_type_element(type)) == 'y')
      print_octets(text, type, octets);
    else
      print_array(text, type, octets);
    break;
  case '(':
    print_tuple(text, type, octets);
    break;
  default:
    print_by_glib(text, type, octets);
  }
}

char *normal_form_print(GVariant *value) {
  GString *text = g_string_sized_new(2 * g_variant_get_size(value) + 64);
  print(text, g_variant_get_type(value),
        &(Octets){g_variant_get_data(value), g_variant_get_size(value)});
  return g_string_free(text, FALSE);
}
