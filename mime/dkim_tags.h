/* SPDX-License-Identifier: Apache-2.0 */
/* Tag lists (RFC 6376 section 3.2), of signature fields and of key records alike. Internal to
 * mime/. */
#ifndef SIGNET_MIME_DKIM_TAGS_H
#define SIGNET_MIME_DKIM_TAGS_H

#include <glib.h>

#define DKIM_MAX_TAGS 64
#define DKIM_MAX_NUMBER_DIGITS 12 /* t=, x= (RFC 6376 section 3.5) */

typedef struct {
  char *name;
  char *value;      /* without blanks around it; folding inside it is kept */
  gsize start, end; /* of the value with all blanks around it, in the text that was parsed */
} DkimTag;

typedef struct DkimTags DkimTags;

/* NULL when text is no tag list: a duplicate name, a control character, not UTF-8, more than
 * DKIM_MAX_TAGS. */
DkimTags *dkim_tags_parse(const char *text, gsize length);
void dkim_tags_free(DkimTags *tags);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkimTags, dkim_tags_free)

/* NULL when there is none of that name. */
const DkimTag *dkim_tags_find(const DkimTags *tags, const char *name);
const char *dkim_tags_value(const DkimTags *tags, const char *name);
const DkimTag *dkim_tags_first(const DkimTags *tags);

/* Octets of a base64 value, blanks in it ignored; NULL when it is not exactly base64. */
GBytes *dkim_tag_base64(const char *value);

/* The items between colons, blanks around them removed; NULL when one is empty, has a blank inside,
   or there are more than max. */
char **dkim_tag_list(const char *value, guint max);

/* 1*12DIGIT */
gboolean dkim_tag_number(const char *value, gint64 *number);

/* The value without any blank or folding; the caller frees it. */
char *dkim_tag_squeeze(const char *value);

#endif
