/* SPDX-License-Identifier: Apache-2.0 */
/* The transcript of what was done with CA keys: entries of text, each with a hash over itself in
   which the hash of the one before stands, so that a change, a gap and another order are found. */
#ifndef SIGNET_CA_TRANSCRIPT_H
#define SIGNET_CA_TRANSCRIPT_H

#include <glib.h>

/* Puts "name: value" to the lines of an entry; value is escaped, NULL: no line. */
void transcript_line(GString *lines, const char *name, const char *value);
/* The same of several lines, indented. */
void transcript_block(GString *lines, const char *name, const char *text);

/* The octets of the entry with these lines behind text, which transcript_check has found good; the
   caller frees them. */
char *transcript_entry(const char *text, const char *lines);

/* Whether text (empty: good) holds whole entries, each good. entries: their number; head: the last
   one's hash, NULL when there are none, the caller frees it. CA_ERROR_LOG with the first bad entry
   named. */
gboolean transcript_check(const char *text, guint *entries, char **head, GError **error);

/* Whether an entry of text has this line. */
gboolean transcript_has(const char *text, const char *name, const char *value);

#endif
