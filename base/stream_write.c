/* SPDX-License-Identifier: Apache-2.0 */
#include "base/stream_write.h"

#include <event2/bufferevent_struct.h>
#include <event2/event.h>

void stream_write_soon(struct bufferevent *stream) {
  if (event_pending(&stream->ev_write, EV_WRITE, NULL))
    event_active(&stream->ev_write, EV_WRITE, 1);
}
