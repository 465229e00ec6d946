/* SPDX-License-Identifier: Apache-2.0 */
/* The log: one line an event on standard error, key=value or JSON. */
#ifndef SIGNET_BASE_LOG_H
#define SIGNET_BASE_LOG_H

#include <glib.h>

typedef enum { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR } LogLevel;
typedef enum { LOG_TEXT, LOG_JSON } LogFormat;

/* role stands in every line; call once a process. GLib's own messages are led here too. */
void log_init(const char *role, LogLevel level, LogFormat format);

/* Writes one event: "event" is a short fixed name (e.g. "challenge invalid"); then pairs of key and
   text value, ended by NULL. A NULL value leaves its pair out. Values are escaped, at most 400
   characters each are kept, so text from a peer may be given as it came. Never give a token, key or
   PIN. */
void log_event(LogLevel level, const char *event, ...) G_GNUC_NULL_TERMINATED;

/* The same with the pairs in an array: key, value, key, value, NULL. */
void log_pairs(LogLevel level, const char *event, const char *const *pairs);

/* Lines between the two leave together, as many at once as a pipe takes whole. Nothing between them
   may end the process. */
void log_hold(void);
void log_release(void);

#define log_debug(...) log_event(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_event(LOG_INFO, __VA_ARGS__)
#define log_warning(...) log_event(LOG_WARNING, __VA_ARGS__)
#define log_error(...) log_event(LOG_ERROR, __VA_ARGS__)

/* Text from a peer made fit for one line of output: the first line, control characters and what is
   not UTF-8 as \xNN, at most max characters; the caller frees it. */
char *log_escape(const char *text, gsize max);
void log_escape_to(GString *out, const char *text, gsize max);

#define LOG_HIDDEN_LEAST 8 /* characters that tell a secret from chance */

/* text without what it repeats of the beginning of a secret, LOG_HIDDEN_LEAST characters or more: a
   peer that was told a secret may say it back, or the half of it. NULL: nothing is hidden. The
   caller frees it. */
char *log_hide(const char *text, const char *secret);

#endif
