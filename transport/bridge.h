/* A bridge between a stream and a socket, for whoever can have only a socket:
 * how a jump host's channel carries a session, and how a stream of one worker
 * is used on another. */
#ifndef CULVERT_TRANSPORT_BRIDGE_H
#define CULVERT_TRANSPORT_BRIDGE_H

#include "transport/base/err.h"
#include "transport/loop/worker.h"
#include "transport/stream.h"

struct bridge;

/* Moves bytes between a stream (taken) and a socket pair of its own, of which
 * *fd (given, non-blocking) is the other end, both ways until both have ended
 * or one failed; each half closes by itself. At most one read's bytes are kept
 * each way: more isn't read before they have gone. When the other end is
 * closed before both halves have ended, the stream is aborted; when the stream
 * fails, the other end reads an end and can't be written to any more
 * (stream_tcp_expect_halves tells that from an orderly end).
 * Returns ERR_OK and gives *bridge, or an error; the stream is closed then.
 * Thread: the worker's. */
enum err bridge_create(struct worker *worker, struct stream *stream, int *fd,
                       struct bridge **bridge);

/* Has over called, once, when both its sides are closed; not from inside of any
 * call, nor after bridge_destroy, which is still due. Before it returns to the
 * loop that made it. */
void bridge_watch(struct bridge *bridge, void (*over)(void *arg), void *arg);

/* Ends what there is of it. NULL does nothing. */
void bridge_destroy(struct bridge *bridge);

#endif
