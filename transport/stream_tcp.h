/* A stream over a connected socket: TCP, or a Unix stream socket. */
#ifndef CULVERT_TRANSPORT_STREAM_TCP_H
#define CULVERT_TRANSPORT_STREAM_TCP_H

#include "transport/loop/worker.h"
#include "transport/stream.h"

/* Makes a stream of a connected, non-blocking socket. Takes fd: when out of
 * memory, it is closed and NULL returned. */
struct stream *stream_tcp_create(struct worker *worker, int fd);

#endif
