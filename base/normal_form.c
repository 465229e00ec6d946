/* SPDX-License-Identifier: Apache-2.0 */
/* GVariant's serialisation: a container's children stand one after the other, each aligned, with
   zeros before it. Where a child ends that has no fixed size, and is not the last of a tuple, is
   told at the container's end: in a tuple backwards, in an array forwards, in as few octets each as
   the container's size allows. */
#include "base/normal_form.h"

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

/* Whether a container of so many octets tells its ends in the fewest octets. */
static gboolean width_is_least(gsize size, gsize children, gsize ends) {
  gsize width = 1;
  while (width < 8 && end_width(children + width * ends) > width)
    width *= 2;
  return children + width * ends == size;
}

static gsize read_end(const guint8 *data, gsize width) {
  gsize end = 0;
  for (gsize i = width; i-- > 0;)
    end = end << 8 | data[i];
  return end;
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
