/* SPDX-License-Identifier: Apache-2.0 */
/* A list of certificates, in a file or in all files of a folder: one a line, its mail addresses
   between blanks or commas; what follows "#" at the start of a word is a comment. */
#ifndef SIGNET_CLIENT_RENEWAL_LIST_H
#define SIGNET_CLIENT_RENEWAL_LIST_H

#include <glib.h>

/* One line. */
typedef struct {
  char **addresses; /* NULL-terminated, at least one, not checked; NULL with a fault */
  char *name;       /* of the files: the first address with "/" as "_"; with a fault where it is */
  char *fault;      /* why it does not count; NULL */
} RenewalEntry;

/* An array of RenewalEntry that owns them. Those of a folder are in the order of the files'
   names; names with a dot in front or "~" behind do not count. A line that is not UTF-8 or begins
   with the address of an earlier one has a fault, and so has what stands for a file of a folder
   that cannot be read: they stop no others. CLIENT_LOCAL when path itself cannot be read. */
GPtrArray *renewal_list_read(const char *path, GError **error);

/* A text that changes when the list does; the caller frees it. */
char *renewal_list_state(const char *path);

#endif
