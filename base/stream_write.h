/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIGNET_BASE_STREAM_WRITE_H
#define SIGNET_BASE_STREAM_WRITE_H

#include <event2/bufferevent.h>

/* What was added to the output of a bufferevent with a socket of its own is written in this turn of
   the loop. libevent by itself asks the kernel first whether it can be written, which nearly always
   it can. */
void stream_write_soon(struct bufferevent *stream);

#endif
