/* SPDX-License-Identifier: Apache-2.0 */
/* Whether octets are a GVariant as GLib serialises it: the answer of g_variant_is_normal_form. That
   looks at each octet of an array of octets, in which nothing can be wrong; this one does not. GLib
   also takes no octets at all for a tuple whose members may all be empty, which it never writes. */
#ifndef SIGNET_BASE_NORMAL_FORM_H
#define SIGNET_BASE_NORMAL_FORM_H

#include <glib.h>

/* type is definite and has no variants, handles, object paths or signatures in it; octets are
   aligned as GLib wants them (8 octets suffice for every type). */
gboolean normal_form_holds(const GVariantType *type, const guint8 *octets, gsize size);

/* The text of a value in normal form, as g_variant_print has it without types. GLib makes a value
   of each part first, of each octet too. */
char *normal_form_print(GVariant *value);

/* The octets of a tuple's member. */
typedef struct {
  gconstpointer data;
  gsize size;
  gsize zeros; /* behind them */
} NormalFormPart;

/* Those of a value; of a text; of one that may be NULL ("ms"). */
NormalFormPart normal_form_of(GVariant *value);
NormalFormPart normal_form_text(const char *text);
NormalFormPart normal_form_maybe_text(const char *text);

/* A tuple, not all of whose members have a fixed size, without a value for each; floating. */
GVariant *normal_form_join(const GVariantType *type, const NormalFormPart *members);

/* An array of texts in UTF-8; floating. */
GVariant *normal_form_texts(const char *const *texts, gsize count);

#endif
