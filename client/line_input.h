/* SPDX-License-Identifier: Apache-2.0 */
/* Lines from a descriptor, with a time limit for each wait. */
#ifndef SIGNET_CLIENT_LINE_INPUT_H
#define SIGNET_CLIENT_LINE_INPUT_H

#include <glib.h>

#define LINE_INPUT_MAX (64 * 1024) /* octets of a line; a longer one is cut into several */

typedef enum { LINE_INPUT_LINE, LINE_INPUT_NOTHING, LINE_INPUT_END } LineInputResult;

typedef struct LineInput LineInput;

LineInput *line_input_new(int fd); /* fd stays the caller's */
void line_input_free(LineInput *input);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LineInput, line_input_free)

/* The next line without its LF or CRLF (*line belongs to the caller); waits at most milliseconds. A
   last line without line end counts. An error of the descriptor is its end. */
LineInputResult line_input_next(LineInput *input, gint64 milliseconds, char **line);

#endif
