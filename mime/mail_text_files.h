/* SPDX-License-Identifier: Apache-2.0 */
/* The files of mime/texts/ as a table, made when the program is built. Internal to mime/. */
#ifndef SIGNET_MIME_MAIL_TEXT_FILES_H
#define SIGNET_MIME_MAIL_TEXT_FILES_H

#include <glib.h>

typedef struct {
  const char *language; /* NULL: the end */
  const guint8 *octets;
  gsize length;
} MailTextFile;

extern const MailTextFile mail_text_files[];

#endif
