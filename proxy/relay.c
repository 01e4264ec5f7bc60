#include "proxy/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One read of the copying way: large enough that system calls don't matter,
 * small enough to stay in the processor's second-level cache. */
#define COPY_BYTES (64u * 1024)

/* The same where the sink is no socket but makes packets of 32 KiB, ten bytes
 * of which are not for us: four full ones. */
#define PACK_BYTES (4u * 32758)

/* What one way may move before the loop looks at the others. */
#define COPY_TURN_BYTES   (256u * 1024)
#define SPLICE_TURN_BYTES (1024u * 1024)

/* A way is bulk once this much came without a read smaller than SMALL_BYTES;
 * it no longer is after SMALL_SPLICES in a row that were smaller. A pipe saves
 * the copy and costs two more system calls at its start. */
#define BULK_BYTES    (256u * 1024)
#define SMALL_BYTES   8192
#define SMALL_SPLICES 32

/* A pipe that moved nothing for this long goes back to the pool; bytes of a
 * sink that stalls are taken to the heap. */
#define PIPE_REST_SECONDS 1.0

static void on_ready(struct stream *stream, unsigned events);
static void on_rest(struct deadline *deadline);

void
relay_pool_init(struct relay_pool *pool, struct worker *worker,
                struct pipe_budget *budget)
{
    pool->worker = worker;
    pipe_pool_init(&pool->pipes, budget);
    deadline_queue_init(&pool->pipe_idle, worker_loop(worker),
                        PIPE_REST_SECONDS, on_rest);
}

void
relay_pool_destroy(struct relay_pool *pool)
{
    deadline_queue_stop(&pool->pipe_idle);
    pipe_pool_destroy(&pool->pipes);
}

/* --- what a way keeps ----------------------------------------------------- */

static bool
has_kept(const struct relay_way *way)
{
    return way->kept || (way->pipe && way->pipe->held > 0);
}

static void
drop_kept(struct relay_way *way)
{
    free(way->kept);
    way->kept = NULL;
    way->kept_at = way->kept_len = 0;
}

static enum err
keep(struct relay_way *way, const uint8_t *bytes, size_t len)
{
    way->kept = malloc(len);
    if (!way->kept)
        return ERR_NO_MEMORY;
    memcpy(way->kept, bytes, len);
    way->kept_at = 0;
    way->kept_len = len;
    return ERR_OK;
}

static void
drop_pipe(struct relay_way *way)
{
    if (!way->pipe)
        return;
    deadline_stop(&way->rest);
    pipe_give_back(&way->relay->pool->pipes, way->pipe);
    way->pipe = NULL;
    way->streak = 0;
}

/* The sink takes no more. What it sent before may still be read, so only this
 * way is over. */
static void
break_way(struct relay_way *way)
{
    drop_kept(way);
    drop_pipe(way);
    way->broken = true;
    way->state = RELAY_SHUT;
}

/* The pipe has rested: give it back, and keep what is in it on the heap. */
static void
on_rest(struct deadline *deadline)
{
    struct relay_way *way =
        (struct relay_way *)((char *)deadline -
                             offsetof(struct relay_way, rest));
    size_t len = way->pipe->held;
    ssize_t n;

    if (len > 0) {
        uint8_t *bytes = malloc(len);

        if (!bytes) { /* then the pipe has to keep it */
            deadline_start(&way->relay->pool->pipe_idle, deadline);
            return;
        }
        for (size_t at = 0; at < len; at += (size_t)n) {
            n = read(way->pipe->read_fd, bytes + at, len - at);
            if (n <= 0) { /* cannot be: what was spliced in is there */
                free(bytes);
                break_way(way);
                return;
            }
        }
        way->kept = bytes;
        way->kept_at = 0;
        way->kept_len = len;
        way->pipe->held = 0;
    }
    drop_pipe(way);
}

/* --- moving --------------------------------------------------------------- */

static enum err
write_out(struct relay_way *way, const uint8_t *bytes, size_t len, size_t *put)
{
    enum err err = stream_write(way->to, bytes, len, put);

    if (err == ERR_OK)
        way->bytes += *put;
    return err;
}

/* Writes what is kept on the heap. Returns ERR_AGAIN when some is left. */
static enum err
flush_kept(struct relay_way *way)
{
    while (way->kept) {
        size_t put = 0;
        enum err err = write_out(way, way->kept + way->kept_at,
                                 way->kept_len - way->kept_at, &put);

        if (err)
            return err;
        way->kept_at += put;
        if (way->kept_at == way->kept_len)
            drop_kept(way);
    }
    return ERR_OK;
}

/* Writes what the pipe holds. Returns ERR_AGAIN when some is left. */
static enum err
flush_pipe(struct relay_way *way)
{
    struct pipe *pipe = way->pipe;
    int fd = stream_splice_fd(way->to);

    while (pipe && pipe->held > 0) {
        ssize_t n = splice(pipe->read_fd, NULL, fd, NULL, pipe->held,
                           SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? err_from_errno(errno) : ERR_IO;
        pipe->held -= (size_t)n;
        way->bytes += (uint64_t)n;
    }
    return ERR_OK;
}

static enum err
flush(struct relay_way *way)
{
    enum err err = flush_kept(way);

    return err ? err : flush_pipe(way);
}

/* Whether a way that copies should go on with a pipe. */
static bool
turn_to_bulk(struct relay_way *way, size_t got)
{
    if (got < SMALL_BYTES) {
        way->streak = 0;
        return false;
    }
    way->streak += got;
    if (way->streak < BULK_BYTES || stream_splice_fd(way->from) < 0 ||
        stream_splice_fd(way->to) < 0)
        return false;
    way->streak = 0;
    way->pipe = pipe_take(&way->relay->pool->pipes);
    return way->pipe != NULL;
}

/* Copies for one turn. Returns ERR_OK when there may be more, ERR_AGAIN when
 * the source has none or the sink is full, ERR_EOF, or an error of reading; a
 * sink that fails breaks the way. */
static enum err
copy_turn(struct relay_way *way)
{
    uint8_t *scratch = worker_scratch(way->relay->pool->worker);
    size_t size = stream_splice_fd(way->to) < 0 ? PACK_BYTES : COPY_BYTES;
    size_t moved = 0;

    while (moved < COPY_TURN_BYTES) {
        size_t got = 0;
        size_t put = 0;
        size_t room = stream_room(way->to);
        enum err err;

        way->waits = room == 0;
        if (way->waits)
            return ERR_AGAIN;
        err = stream_read(way->from, scratch, room < size ? room : size, &got);
        if (err)
            return err;
        moved += got;
        err = write_out(way, scratch, got, &put);
        if (err && err != ERR_AGAIN) {
            break_way(way);
            return ERR_AGAIN;
        }
        if (put < got) {
            err = keep(way, scratch + put, got - put);
            return err ? err : ERR_AGAIN;
        }
        if (turn_to_bulk(way, got))
            return ERR_OK;
        /* A short read emptied the source: no need to hear EAGAIN. */
        if (got < size && got < room)
            return ERR_AGAIN;
    }
    return ERR_OK;
}

/* Splices for one turn; returns as copy_turn does. */
static enum err
splice_turn(struct relay_way *way)
{
    struct pipe *pipe = way->pipe;
    int from = stream_splice_fd(way->from);
    size_t moved = 0;

    deadline_start(&way->relay->pool->pipe_idle, &way->rest);
    while (moved < SPLICE_TURN_BYTES) {
        ssize_t n = splice(from, NULL, pipe->write_fd, NULL, pipe->capacity,
                           SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        enum err err;

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_from_errno(errno);
        if (n == 0)
            return ERR_EOF;
        moved += (size_t)n;
        pipe->held = (size_t)n;
        err = flush_pipe(way);
        if (err == ERR_AGAIN)
            return err;
        if (err) {
            break_way(way);
            return ERR_AGAIN;
        }
        way->streak = (size_t)n < SMALL_BYTES ? way->streak + 1 : 0;
        if (way->streak >= SMALL_SPLICES) {
            drop_pipe(way);
            return ERR_OK;
        }
    }
    return ERR_OK;
}

static bool
is_half_closed_elsewhere(const struct relay_way *way)
{
    const struct relay_way *ways = way->relay->ways;

    return ways[way == &ways[RELAY_UP] ? RELAY_DOWN : RELAY_UP].state ==
           RELAY_SHUT;
}

/* Moves what there is in one way, for one turn. Returns ERR_OK, or why the
 * relay cannot go on. */
static enum err
pump(struct relay_way *way)
{
    enum err err;

    if (way->state == RELAY_SHUT)
        return ERR_OK;
    way->waits = false;
    err = flush(way);
    if (err == ERR_AGAIN)
        return ERR_OK;
    if (err) {
        break_way(way);
        return ERR_OK;
    }
    if (way->state == RELAY_FLOW) {
        err = way->pipe ? splice_turn(way) : copy_turn(way);
        if (err == ERR_EOF)
            way->state = RELAY_DRAIN;
        else if (err && err != ERR_AGAIN)
            return err;
    }
    if (way->state == RELAY_DRAIN && !has_kept(way)) {
        drop_pipe(way);
        way->state = RELAY_SHUT;
        /* The second end is told by closing, which is due now. */
        if (!is_half_closed_elsewhere(way))
            way->broken = stream_finish(way->to) != ERR_OK;
    }
    return ERR_OK;
}

/* --- both ways ------------------------------------------------------------ */

/* What is kept goes first: until then the source keeps what it has, too. */
static void
allow_pouring(struct relay_way *way)
{
    bool may = way->state == RELAY_FLOW && !has_kept(way) &&
               stream_splice_fd(way->to) >= 0;

    stream_pour(way->from, may ? &way->pour : NULL);
}

static void
want(struct relay *relay)
{
    for (int i = 0; i < 2; i++) {
        const struct relay_way *out = &relay->ways[i];
        const struct relay_way *in = &relay->ways[1 - i];
        unsigned events = 0;

        if (out->state == RELAY_FLOW && !has_kept(out) && !out->waits)
            events |= STREAM_READABLE;
        if (in->state != RELAY_SHUT && (has_kept(in) || in->waits))
            events |= STREAM_WRITABLE;
        stream_want(out->from, events);
        allow_pouring(&relay->ways[i]);
    }
}

/* What has changed since, told to the owner: last thing in a call. */
static void
settle(struct relay *relay, bool was_half_closed, enum err err)
{
    struct relay_way *up = &relay->ways[RELAY_UP];
    struct relay_way *down = &relay->ways[RELAY_DOWN];
    bool have_moved = up->bytes != up->told || down->bytes != down->told;
    bool up_shut = up->state == RELAY_SHUT;
    bool down_shut = down->state == RELAY_SHUT;

    if (err || (up_shut && down_shut)) {
        if (!err && (up->broken || down->broken))
            err = ERR_RESET;
        relay->done(relay, err);
        return;
    }
    up->told = up->bytes;
    down->told = down->bytes;
    want(relay);
    if (!was_half_closed && (up_shut || down_shut))
        relay->half_closed(relay);
    else if (have_moved)
        relay->moved(relay);
}

bool
relay_is_half_closed(const struct relay *relay)
{
    return relay->ways[RELAY_UP].state == RELAY_SHUT ||
           relay->ways[RELAY_DOWN].state == RELAY_SHUT;
}

static void
on_ready(struct stream *stream, unsigned events)
{
    struct relay *relay = stream->owner;
    bool is_client = stream == relay->ways[RELAY_UP].from;
    struct relay_way *out = &relay->ways[is_client ? RELAY_UP : RELAY_DOWN];
    struct relay_way *in = &relay->ways[is_client ? RELAY_DOWN : RELAY_UP];
    bool was_half_closed = relay_is_half_closed(relay);
    enum err err = ERR_OK;

    if (events & STREAM_WRITABLE)
        err = pump(in);
    if (!err && (events & STREAM_READABLE))
        err = pump(out);
    settle(relay, was_half_closed, err);
}

static void
way_init(struct relay *relay, enum relay_direction direction,
         struct stream *from, struct stream *to,
         const struct relay_first *first)
{
    relay->ways[direction] = (struct relay_way){
        .from = from,
        .to = to,
        .kept = first->bytes,
        .kept_at = first->at,
        .kept_len = first->len,
        .relay = relay,
    };
    relay->ways[direction].pour = (struct stream_sink){
        .stream = to,
        .bytes = &relay->ways[direction].bytes,
    };
    if (first->at == first->len)
        drop_kept(&relay->ways[direction]);
}

void
relay_start(struct relay *relay, struct relay_pool *pool, struct stream *client,
            struct stream *target, const struct relay_first *up,
            const struct relay_first *down, bool client_ended)
{
    enum err err;

    relay->pool = pool;
    way_init(relay, RELAY_UP, client, target, up);
    way_init(relay, RELAY_DOWN, target, client, down);
    if (client_ended)
        relay->ways[RELAY_UP].state = RELAY_DRAIN;
    client->owner = target->owner = relay;
    client->on_ready = target->on_ready = on_ready;
    err = flush(&relay->ways[RELAY_DOWN]);
    if (err && err != ERR_AGAIN)
        break_way(&relay->ways[RELAY_DOWN]);
    err = flush(&relay->ways[RELAY_UP]);
    if (err && err != ERR_AGAIN)
        break_way(&relay->ways[RELAY_UP]);
    else if (client_ended)
        pump(&relay->ways[RELAY_UP]);
    want(relay);
    /* Over before it began: the loop is to say so, not this call. */
    if (relay->ways[RELAY_UP].state == RELAY_SHUT &&
        relay->ways[RELAY_DOWN].state == RELAY_SHUT)
        stream_want(client, STREAM_READABLE | STREAM_WRITABLE);
}

void
relay_stop(struct relay *relay)
{
    for (int i = 0; i < 2; i++) {
        struct relay_way *way = &relay->ways[i];

        if (!way->relay)
            continue;
        stream_pour(way->from, NULL);
        drop_kept(way);
        drop_pipe(way);
        way->relay = NULL;
    }
}
