/* A relay moves bytes between two streams, both ways, until both have ended.
 *
 * Each way goes FLOW -> DRAIN -> SHUT by itself:
 *
 *     FLOW   bytes move from one stream to the other
 *     DRAIN  the source has ended; what is kept is still to be written
 *     SHUT   the sink was told the end (a half-close), or takes no more
 *
 * An idle relay holds no buffer: bytes go through the worker's scratch, and
 * only what the sink would not take is kept, on the heap. While a way keeps
 * anything, its source is not read: that is the back-pressure. A way that
 * proves to be bulk, between two sockets, is moved by splice(2), which raises
 * SIGPIPE where send(2) can be told not to: the program ignores it. Where the
 * source can pour what it receives into the sink, it may. */
#ifndef CULVERT_PROXY_RELAY_H
#define CULVERT_PROXY_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/pipes.h"
#include "transport/loop/deadline.h"
#include "transport/loop/worker.h"
#include "transport/stream.h"

/* What the relays of one worker share. */
struct relay_pool {
    struct worker *worker;
    struct pipe_pool pipes;
    struct deadline_queue pipe_idle; /* takes pipes away that rest */
};

enum relay_state {
    RELAY_FLOW,
    RELAY_DRAIN,
    RELAY_SHUT,
};

struct relay_way {
    struct stream *from;
    struct stream *to;
    enum relay_state state;
    bool waits;              /* the sink has no room: nothing was read for it */
    bool broken;             /* the sink failed: nothing more goes this way */
    uint64_t bytes;          /* moved into the sink */
    uint64_t told;           /* of these, that the owner was told of */
    struct stream_sink pour; /* lets the source write into the sink itself */
    uint8_t *kept;           /* what the sink would not take, or NULL */
    size_t kept_at;          /* where the rest of it starts */
    size_t kept_len;         /* and where it ends */
    struct pipe *pipe;
    size_t streak; /* bytes since the last small read, or small splices */
    struct deadline rest; /* runs while it has a pipe */
    struct relay *relay;
};

enum relay_direction {
    RELAY_UP,   /* from the client to the target */
    RELAY_DOWN, /* back */
};

struct relay {
    struct relay_pool *pool;
    struct relay_way ways[2];
    /* Bytes were moved. */
    void (*moved)(struct relay *relay);
    /* One of the two ways has ended, the other goes on. */
    void (*half_closed)(struct relay *relay);
    /* Both have ended (ERR_OK), or a stream failed (and which error it gave):
     * called once, from the loop; then relay_stop is due. */
    void (*done)(struct relay *relay, enum err err);
};

/* Sets up what a worker's relays share. */
void relay_pool_init(struct relay_pool *pool, struct worker *worker,
                     struct pipe_budget *budget);
void relay_pool_destroy(struct relay_pool *pool);

/* Bytes that go first in one direction: a heap block, of which [at, len) are
 * to be sent; bytes NULL for none. */
struct relay_first {
    uint8_t *bytes;
    size_t at;
    size_t len;
};

/* Starts to relay. The callbacks are set; the streams are borrowed until
 * relay_stop, their owner and on_ready become the relay's. Takes both blocks.
 * client_ended: the client's end has been read already. */
void relay_start(struct relay *relay, struct relay_pool *pool,
                 struct stream *client, struct stream *target,
                 const struct relay_first *up, const struct relay_first *down,
                 bool client_ended);

/* Whether one of the two ways has ended. After relay_start it may be so at
 * once; half_closed tells only of what happens later. */
bool relay_is_half_closed(const struct relay *relay);

/* Frees what the relay keeps; the streams are the caller's to close. Does
 * nothing to one that was not started. */
void relay_stop(struct relay *relay);

#endif
