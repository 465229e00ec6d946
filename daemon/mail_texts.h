/* SPDX-License-Identifier: Apache-2.0 */
/* The languages of [mail] language and their texts: built in, or files in the folder of [mail]
   texts. */
#ifndef SIGNET_DAEMON_MAIL_TEXTS_H
#define SIGNET_DAEMON_MAIL_TEXTS_H

#include "base/config.h"
#include "mime/mail_text.h"

#define MAIL_TEXTS_MAX 4 /* languages of a mail */

/* The words of [mail] language; the caller frees them (g_strfreev). */
char **mail_texts_languages(const Config *config);
/* The file of a language in the operator's folder, NULL when no folder is given. */
char *mail_texts_path(const Config *config, const char *language);

/* The operator's file of a language; NULL without error: there is none. */
typedef GBytes *(*MailTextsFile)(gpointer user, const char *language, GError **error);

/* Of MailText, in the order of [mail] language. MAIL_TEXT_ERROR_FILE, or what file() says; the
   message begins with the language. */
GPtrArray *mail_texts_read(const Config *config, MailTextsFile file, gpointer user, GError **error);

#endif
