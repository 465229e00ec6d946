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

static gsize align(gsize offset, gsize alignment) {
  return (offset + alignment - 1) & ~(alignment - 1);
}

/* What stands in the code, or belongs to a value, is a type. */
static const GVariantType *of_glib(const char *type) {
  return (const GVariantType *)type;
}

static gboolean is_end(const char *type) {
  return *type == ')' || *type == '}';
}

static Shape take_shape(const char **type);

/* Behind the opening bracket. */
static Shape take_tuple(const char **type) {
  Shape all = {0, 1};
  gboolean fixed = TRUE;
  while (!is_end(*type)) {
    Shape shape = take_shape(type);
    fixed = fixed && shape.fixed > 0;
    all.fixed = align(all.fixed, shape.alignment) + shape.fixed;
    all.alignment = MAX(all.alignment, shape.alignment);
  }
  (*type)++;
  /* A tuple of nothing is one octet. */
  all.fixed = fixed ? MAX(align(all.fixed, all.alignment), 1) : 0;
  return all;
}

/* Moves *type behind the first type there. GLib's own ways to go through types measure each one
   again at every step. */
static Shape take_shape(const char **type) {
  const char *first = (*type)++;
  switch (*first) {
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
    return (Shape){0, take_shape(type).alignment};
  case '(':
  case '{':
    return take_tuple(type);
  default:
    g_error("no octets are checked for the type %s", first);
  }
}

static Shape shape_of(const char *type) {
  return take_shape(&type);
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

static gboolean holds(const char *type, Shape shape, const guint8 *data, gsize size);

static gboolean text_holds(const Octets *text) {
  if (text->size == 0 || text->data[text->size - 1] != 0)
    return FALSE;
  return g_utf8_validate_len((const char *)text->data, text->size - 1, NULL);
}

/* Behind a value whose size may differ stands a zero, so that none is told from an empty one. */
static gboolean maybe_holds(const char *element, const Octets *octets) {
  if (octets->size == 0)
    return TRUE;
  Shape shape = shape_of(element);
  if (shape.fixed > 0)
    return holds(element, shape, octets->data, octets->size);
  return octets->data[octets->size - 1] == 0 &&
         holds(element, shape, octets->data, octets->size - 1);
}

static gboolean fixed_array_holds(const char *element, Shape shape, const Octets *octets) {
  if (octets->size % shape.fixed != 0)
    return FALSE;
  if (*element == 'y')
    return TRUE;
  for (gsize offset = 0; offset < octets->size; offset += shape.fixed)
    if (!holds(element, shape, octets->data + offset, shape.fixed))
      return FALSE;
  return TRUE;
}

static gboolean array_holds(const char *element, const Octets *octets) {
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

static gboolean tuple_holds(const char *type, gboolean fixed, const Octets *octets) {
  gsize width = end_width(octets->size), offset = 0, table = octets->size;
  for (const char *next = type + 1; !is_end(next);) {
    const char *member = next;
    Shape shape = take_shape(&next);
    gsize end = table;
    if (!skip_padding(octets, &offset, shape.alignment, table))
      return FALSE;
    if (shape.fixed > 0) {
      end = offset + shape.fixed;
    } else if (!is_end(next)) {
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

static gboolean holds(const char *type, Shape shape, const guint8 *data, gsize size) {
  const Octets octets = {data, size};
  if (shape.fixed > 0 && size != shape.fixed)
    return FALSE;
  switch (*type) {
  case 'b':
    return *data <= 1;
  case 's':
    return text_holds(&octets);
  case 'm':
    return maybe_holds(type + 1, &octets);
  case 'a':
    return array_holds(type + 1, &octets);
  case '(':
  case '{':
    return tuple_holds(type, shape.fixed > 0, &octets);
  default: /* numbers */
    return TRUE;
  }
}

gboolean normal_form_holds(const char *type, const guint8 *data, gsize size) {
  return holds(type, shape_of(type), data, size);
}

/* --- writing
 * -----------------------------------------------------------------------------------------------
 */

NormalFormPart normal_form_of(GVariant *value) {
  return (NormalFormPart){.data = g_variant_get_data(value), .size = g_variant_get_size(value)};
}

NormalFormPart normal_form_octets(GBytes *octets) {
  NormalFormPart part = {.data = NULL};
  part.data = g_bytes_get_data(octets, &part.size);
  return part;
}

NormalFormPart normal_form_text(const char *text) {
  return (NormalFormPart){.data = text, .size = strlen(text) + 1};
}

NormalFormPart normal_form_maybe_text(const char *text) {
  return text != NULL ? (NormalFormPart){.data = text, .size = strlen(text) + 1, .zeros = 1}
                      : (NormalFormPart){.data = NULL};
}

NormalFormPart normal_form_maybe(GBytes *value) {
  NormalFormPart part = normal_form_octets(value);
  part.zeros = 1;
  return part;
}

GBytes *normal_form_tuple(const char *type, const NormalFormPart *members) {
  gsize children = 0, ends = 0, offset = 0, end = 0;
  const NormalFormPart *part = members;
  for (const char *next = type + 1; !is_end(next); part++) {
    Shape shape = take_shape(&next);
    children = align(children, shape.alignment) + part->size + part->zeros;
    ends += shape.fixed == 0 && !is_end(next) ? 1 : 0;
  }
  gsize width = least_width(children, ends), size = children + width * ends;
  guint8 *octets = g_malloc0(size);
  part = members;
  for (const char *next = type + 1; !is_end(next); part++) {
    Shape shape = take_shape(&next);
    offset = align(offset, shape.alignment);
    if (part->size > 0)
      memcpy(octets + offset, part->data, part->size);
    offset += part->size + part->zeros;
    if (shape.fixed == 0 && !is_end(next))
      write_end(octets + size - ++end * width, width, offset);
  }
  return g_bytes_new_take(octets, size);
}

GVariant *normal_form_join(const char *type, const NormalFormPart *members) {
  g_autoptr(GBytes) octets = normal_form_tuple(type, members);
  return g_variant_new_from_bytes(of_glib(type), octets, TRUE);
}

GBytes *normal_form_array(const char *type, const NormalFormPart *items, gsize count) {
  gsize alignment = shape_of(type + 1).alignment, children = 0, offset = 0;
  for (gsize i = 0; i < count; i++)
    children = align(children, alignment) + items[i].size + items[i].zeros;
  gsize width = least_width(children, count), size = children + width * count;
  guint8 *octets = g_malloc0(size);
  for (gsize i = 0; i < count; i++) {
    offset = align(offset, alignment);
    if (items[i].size > 0)
      memcpy(octets + offset, items[i].data, items[i].size);
    offset += items[i].size + items[i].zeros;
    write_end(octets + children + i * width, width, offset);
  }
  return g_bytes_new_take(octets, size);
}

GBytes *normal_form_texts(const char *const *texts, gsize count) {
  g_autofree NormalFormPart *items = g_new(NormalFormPart, count);
  for (gsize i = 0; i < count; i++)
    items[i] = normal_form_text(texts[i]);
  return normal_form_array("as", items, count);
}

/* --- reading
 * -----------------------------------------------------------------------------------------------
 */

/* Goes through a tuple in normal form. */
typedef struct {
  const guint8 *data;
  const char *type; /* of the next member */
  gsize offset, table, width;
} Walk;

static Walk walk_begin(const char *type, const Octets *tuple) {
  return (Walk){tuple->data, type + 1, 0, tuple->size, end_width(tuple->size)};
}

static Octets walk_next(Walk *walk) {
  Shape shape = take_shape(&walk->type);
  gsize begin = align(walk->offset, shape.alignment), end = walk->table;
  if (shape.fixed > 0)
    end = begin + shape.fixed;
  else if (!is_end(walk->type))
    end = read_end(walk->data + (walk->table -= walk->width), walk->width);
  walk->offset = end;
  return (Octets){walk->data + begin, end - begin};
}

void normal_form_split(const char *type, NormalFormPart tuple, NormalFormPart *members) {
  const Octets octets = {tuple.data, tuple.size};
  Walk walk = walk_begin(type, &octets);
  while (!is_end(walk.type)) {
    Octets member = walk_next(&walk);
    *members++ = (NormalFormPart){.data = member.data, .size = member.size};
  }
}

/* The last end of all tells where the ends begin. */
static gsize ends_of(const Octets *array) {
  gsize width = end_width(array->size);
  return read_end(array->data + array->size - width, width);
}

GArray *normal_form_items(const char *type, NormalFormPart array) {
  const Octets octets = {array.data, array.size};
  Shape shape = shape_of(type + 1);
  GArray *items = g_array_new(FALSE, FALSE, sizeof(NormalFormPart));
  gsize width = end_width(octets.size), offset = 0;
  gsize ends = octets.size > 0 ? ends_of(&octets) : 0;
  for (gsize at = ends; at < octets.size; at += width) {
    gsize begin = align(offset, shape.alignment);
    offset = read_end(octets.data + at, width);
    const NormalFormPart item = {.data = octets.data + begin, .size = offset - begin};
    g_array_append_val(items, item);
  }
  return items;
}

const char *normal_form_to_text(const NormalFormPart *part) {
  return part->size > 0 ? part->data : NULL;
}

NormalFormPart normal_form_of_maybe(NormalFormPart part) {
  return (NormalFormPart){.data = part.data, .size = part.size - 1};
}

guint32 normal_form_to_uint32(const NormalFormPart *part) {
  guint32 number = 0;
  memcpy(&number, part->data, sizeof(number));
  return number;
}

gint64 normal_form_to_int64(const NormalFormPart *part) {
  gint64 number = 0;
  memcpy(&number, part->data, sizeof(number));
  return number;
}

gboolean normal_form_to_boolean(const NormalFormPart *part) {
  return *(const guint8 *)part->data != 0;
}

const char **normal_form_to_texts(const NormalFormPart *part) {
  g_autoptr(GArray) items = normal_form_items("as", *part);
  const char **texts = g_new0(const char *, items->len + 1);
  for (guint i = 0; i < items->len; i++)
    texts[i] = g_array_index(items, NormalFormPart, i).data;
  return texts;
}

/* --- as text
 * ------------------------------------------------------------------------------------------------
 */

static void print(GString *text, const char *type, const Octets *octets);

/* As GLib writes it: what is rare, and what needs a look at each character. */
static void print_by_glib(GString *text, const char *type, const Octets *octets) {
  g_autoptr(GBytes) bytes = g_bytes_new(octets->data, octets->size);
  g_autoptr(GVariant) value =
      g_variant_ref_sink(g_variant_new_from_bytes(of_glib(type), bytes, FALSE));
  g_variant_print_string(value, text, FALSE);
}

static void print_number(GString *text, const char *type, const Octets *octets) {
  char digits[24];
  gint64 number = 0;
  guint32 small = 0;
  if (*type == 'x') {
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

static void print_text(GString *text, const char *type, const Octets *octets) {
  if (!is_plain(octets)) {
    print_by_glib(text, type, octets);
    return;
  }
  g_string_append_c(text, '\'');
  g_string_append_len(text, (const char *)octets->data, (gssize)octets->size - 1);
  g_string_append_c(text, '\'');
}

static void print_maybe(GString *text, const char *type, const Octets *octets) {
  const char *element = type + 1;
  gsize zeros = shape_of(element).fixed > 0 ? 0 : 1;
  if (octets->size == 0)
    g_string_append(text, "nothing");
  else if (*element == 'm')
    print_by_glib(text, type, octets);
  else
    print(text, element, &(Octets){octets->data, octets->size - zeros});
}

/* What could be a text of octets, that is with one zero, at its end, is shown as one. */
static void print_octets(GString *text, const char *type, const Octets *octets) {
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

static void print_array(GString *text, const char *type, const Octets *octets) {
  const char *element = type + 1;
  if (*element == '{' || shape_of(element).fixed > 0 || octets->size == 0) {
    print_by_glib(text, type, octets);
    return;
  }
  g_autoptr(GArray) items =
      normal_form_items(type, (NormalFormPart){.data = octets->data, .size = octets->size});
  g_string_append_c(text, '[');
  for (guint i = 0; i < items->len; i++) {
    const NormalFormPart *item = &g_array_index(items, NormalFormPart, i);
    g_string_append(text, i > 0 ? ", " : "");
    print(text, element, &(Octets){item->data, item->size});
  }
  g_string_append_c(text, ']');
}

static void print_tuple(GString *text, const char *type, const Octets *octets) {
  Walk walk = walk_begin(type, octets);
  gsize count = 0;
  g_string_append_c(text, '(');
  for (; !is_end(walk.type); count++) {
    const char *member = walk.type;
    const Octets part = walk_next(&walk);
    print(text, member, &part);
    g_string_append(text, is_end(walk.type) ? "" : ", ");
  }
  g_string_append(text, count == 1 ? ",)" : ")");
}

static void print(GString *text, const char *type, const Octets *octets) {
  switch (*type) {
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
    if (type[1] == 'y')
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
  print(text, g_variant_get_type_string(value),
        &(Octets){g_variant_get_data(value), g_variant_get_size(value)});
  return g_string_free(text, FALSE);
}
