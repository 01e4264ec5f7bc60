/* A stream over a connected socket: TCP, or a Unix stream socket. */
#ifndef CULVERT_TRANSPORT_STREAM_TCP_H
#define CULVERT_TRANSPORT_STREAM_TCP_H

#include <stdbool.h>

#include "transport/loop/worker.h"
#include "transport/stream.h"

/* Makes a stream of a connected, non-blocking socket. Takes fd: when out of
 * memory, it is closed and NULL returned. */
struct stream *stream_tcp_create(struct worker *worker, int fd);

/* For a socket whose peer closes it altogether only after both halves have
 * ended, or when something broke (a bridge): an end that comes with the peer's
 * leaving, before stream_finish, is read as ERR_RESET. A stream of another kind
 * is not allowed. */
void stream_tcp_expect_halves(struct stream *stream);

/* Takes a stream off its worker, so that another can have it: nothing more is
 * told of it, and no call is allowed but stream_tcp_join.
 * Returns false, and changes nothing, for a stream of another kind.
 * Thread: the old worker's. */
bool stream_tcp_leave(struct stream *stream);

/* Gives it to a worker; it wants nothing at first. Can't fail.
 * Thread: the new worker's. */
void stream_tcp_join(struct stream *stream, struct worker *worker);

#endif
