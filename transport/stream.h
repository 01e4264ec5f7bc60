/* A stream: one two-way, ordered, non-blocking channel of bytes. A TCP socket
 * is one, and so is an SSH channel; whoever uses one can't tell.
 *
 * Streams are pulled: nothing moves unless the owner reads or writes, so not
 * reading is back-pressure. Readiness is level-triggered: on_ready comes again
 * as long as what was wanted is possible.
 *
 * What a stream promises:
 *   - on_ready is called from the worker's loop alone: never from inside a call
 *     of the stream's, never after close. It may close its own stream or any
 *     other.
 *   - It has one owner, who closes it exactly once; after that no other call is
 *     allowed. Memory goes when the call returns to the loop.
 *   - One that is offered, and not yet accepted, gives ERR_AGAIN to whoever
 *     reads or writes, or the error that it ended with; to close it is to
 *     refuse it.
 *   - After an error (not ERR_AGAIN) of one direction, the other may still
 *     give what had arrived before it.
 * Thread: the worker's that made it. */
#ifndef CULVERT_TRANSPORT_STREAM_H
#define CULVERT_TRANSPORT_STREAM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "transport/base/err.h"

struct stream;

/* A set of these is wanted, and is told to be there. */
enum stream_event {
    STREAM_READABLE = 1, /* bytes, the end, or an error wait to be read */
    STREAM_WRITABLE = 2, /* there is room, or writing would fail */
    STREAM_POURED = 4,   /* told without being wanted: bytes went by */
};

/* Where a stream may put what it receives by itself. */
struct stream_sink {
    struct stream *stream; /* borrowed; has a splice_fd */
    uint64_t *bytes;       /* what went there is added */
};

enum stream_close {
    STREAM_GRACEFUL, /* what was written still arrives, then the end */
    STREAM_ABORT,    /* the peer is to see a reset, not an end */
};

struct stream_ops {
    enum err (*read)(struct stream *stream, void *bytes, size_t size,
                     size_t *got);
    enum err (*writev)(struct stream *stream, const struct iovec *parts,
                       int count, size_t *put);
    enum err (*finish)(struct stream *stream);
    void (*want)(struct stream *stream, unsigned events);
    void (*close)(struct stream *stream, enum stream_close how);
    int (*splice_fd)(struct stream *stream); /* NULL: has none */
    size_t (*room)(struct stream *stream);   /* NULL: can't tell */
    void (*pour)(struct stream *stream,
                 const struct stream_sink *sink); /* NULL */
    enum err (*accept)(struct stream *stream);    /* NULL: never only offered */
};

struct stream {
    const struct stream_ops *ops;
    /* Set by the owner before it wants anything. */
    void (*on_ready)(struct stream *stream, unsigned events);
    void *owner;
};

/* Reads at most size (> 0) bytes. Returns ERR_OK with *got > 0; ERR_AGAIN;
 * ERR_EOF at the end of what the peer sends; or why reading failed. */
static inline enum err
stream_read(struct stream *stream, void *bytes, size_t size, size_t *got)
{
    return stream->ops->read(stream, bytes, size, got);
}

/* Writes as much as there is room for. Returns ERR_OK with *put > 0 (perhaps
 * less than all); ERR_AGAIN; or why writing failed. */
static inline enum err
stream_writev(struct stream *stream, const struct iovec *parts, int count,
              size_t *put)
{
    return stream->ops->writev(stream, parts, count, put);
}

static inline enum err
stream_write(struct stream *stream, const void *bytes, size_t len, size_t *put)
{
    struct iovec part = {.iov_base = (void *)bytes, .iov_len = len};

    return stream->ops->writev(stream, &part, 1, put);
}

/* Takes up what a peer offers: its side of the stream stands from now on. Once,
 * before any write; nothing happens to a stream that has no need of it. Returns
 * ERR_OK, or why it cannot be had any more. */
static inline enum err
stream_accept(struct stream *stream)
{
    return stream->ops->accept ? stream->ops->accept(stream) : ERR_OK;
}

/* Half-close: the peer sees the end behind all that was written; reading goes
 * on. At most once. Returns ERR_OK, or why it failed. */
static inline enum err
stream_finish(struct stream *stream)
{
    return stream->ops->finish(stream);
}

/* Says which events on_ready is to be called for, from now on: a set of
 * STREAM_READABLE and STREAM_WRITABLE, 0 for none. Cheap to repeat. */
static inline void
stream_want(struct stream *stream, unsigned events)
{
    stream->ops->want(stream, events);
}

/* Takes the stream. */
static inline void
stream_close(struct stream *stream, enum stream_close how)
{
    stream->ops->close(stream, how);
}

/* Lends a descriptor that splice(2) may read from and write to in place of
 * read and writev, or -1. */
static inline int
stream_splice_fd(struct stream *stream)
{
    return stream->ops->splice_fd ? stream->ops->splice_fd(stream) : -1;
}

/* How many bytes a write would take now; 0: it would return ERR_AGAIN. More
 * than there is in the world where the stream can't tell, or would fail. */
static inline size_t
stream_room(struct stream *stream)
{
    return stream->ops->room ? stream->ops->room(stream) : SIZE_MAX;
}

/* Allows a stream to write what it receives into the sink as it comes, without
 * being read; NULL: no longer. It is a permission, no more: what came before,
 * and what the sink doesn't take, is there to be read, as are the end and
 * errors. on_ready tells STREAM_POURED, some time after bytes went.
 * Valid until: it is taken back, or the stream is closed. */
static inline void
stream_pour(struct stream *stream, const struct stream_sink *sink)
{
    if (stream->ops->pour)
        stream->ops->pour(stream, sink);
}

#endif
