/* SPDX-License-Identifier: Apache-2.0 */
/* Values of the lines of evidence. */
#ifndef SIGNET_ACME_EVIDENCE_ROW_H
#define SIGNET_ACME_EVIDENCE_ROW_H

#include "acme/evidence_file.h"

/* The first row of a kind; NULL: none. */
const json_t *evidence_row(const Evidence *evidence, const char *kind);
/* The next row of a kind whose member has that text (member NULL: any), from *at on, which begins
   at 0; NULL: no more. */
const json_t *evidence_next(const Evidence *evidence, const char *kind, const char *member,
                            const char *text, guint *at);

/* "" or 0 for what a row has not; the row may be NULL. */
const char *evidence_text(const json_t *row, const char *name);
gint64 evidence_number(const json_t *row, const char *name);
/* Empty for none; the caller unrefs. */
GBytes *evidence_octets(const json_t *row, const char *name);

#endif
