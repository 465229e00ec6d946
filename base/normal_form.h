/* SPDX-License-Identifier: Apache-2.0 */
/* Whether octets are a GVariant as GLib serialises it: the answer of g_variant_is_normal_form. That
   looks at each octet of an array of octets, in which nothing can be wrong; this one does not. GLib
   also takes no octets at all for a tuple whose members may all be empty, which it never writes. */
#ifndef SIGNET_BASE_NORMAL_FORM_H
#define SIGNET_BASE_NORMAL_FORM_H

#include <glib.h>

/* type is one definite type and has no variants, handles, object paths or signatures in it; octets
   are aligned as GLib wants them (8 octets suffice for every type). */
gboolean normal_form_holds(const char *type, const guint8 *octets, gsize size);

/* The text of a value in normal form, as g_variant_print has it without types. GLib makes a value
   of each part first, of each octet too. */
char *normal_form_print(GVariant *value);

/* The octets of a tuple's member. */
typedef struct {
  gconstpointer data;
  gsize size;
  gsize zeros; /* behind them, where a tuple is made */
} NormalFormPart;

/* Those of a number in a variable; a boolean is a guint8. */
#define NORMAL_FORM_NUMBER(variable)                                                               \
  { .data = &(variable), .size = sizeof(variable) }

/* Those of a value; of an array of octets; of a text; of one that may be NULL ("ms"). */
NormalFormPart normal_form_of(GVariant *value);
NormalFormPart normal_form_octets(GBytes *octets);
NormalFormPart normal_form_text(const char *text);
NormalFormPart normal_form_maybe_text(const char *text);
/* Of a value without a fixed size, as something that could be nothing, and back from there. */
NormalFormPart normal_form_maybe(GBytes *value);
NormalFormPart normal_form_of_maybe(NormalFormPart part);

/* A tuple, not all of whose members have a fixed size, without a value for each; floating. */
GVariant *normal_form_join(const char *type, const NormalFormPart *members);
/* The members of a tuple that is in normal form, where they lie in it. */
void normal_form_split(const char *type, NormalFormPart tuple, NormalFormPart *members);
/* Of NormalFormPart: the items of an array that is in normal form; they differ in size. */
GArray *normal_form_items(const char *type, NormalFormPart array);

/* What a member is; a text of one that may be nothing is NULL then. */
const char *normal_form_to_text(const NormalFormPart *part);
guint32 normal_form_to_uint32(const NormalFormPart *part);
gint64 normal_form_to_int64(const NormalFormPart *part);
gboolean normal_form_to_boolean(const NormalFormPart *part);
/* Of "as": NULL-terminated, to be freed; the texts stay where they are. */
const char **normal_form_to_texts(const NormalFormPart *part);

/* Its octets; those of an array of items that differ in size, and of one of texts in UTF-8. */
GBytes *normal_form_tuple(const char *type, const NormalFormPart *members);
GBytes *normal_form_array(const char *type, const NormalFormPart *items, gsize count);
GBytes *normal_form_texts(const char *const *texts, gsize count);

#endif
