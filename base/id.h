/* SPDX-License-Identifier: Apache-2.0 */
/* Identifiers of stored objects: 16 octets, 6 of time and 10 random; base64url in URLs. */
#ifndef SIGNET_BASE_ID_H
#define SIGNET_BASE_ID_H

#include <glib.h>

#define ID_OCTETS 16
#define ID_TEXT 23 /* with the final NUL */

typedef struct {
  guint8 octets[ID_OCTETS];
} Id;

/* now in milliseconds; random: 10 octets of a CSPRNG. */
Id id_new(gint64 now, const guint8 random[10]);
gboolean id_equal(const Id *a, const Id *b);
/* The text form, in buffer of ID_TEXT octets; returns buffer. */
const char *id_text(const Id *id, char buffer[ID_TEXT]);
gboolean id_from_text(const char *text, Id *id);

#endif
