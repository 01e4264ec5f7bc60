#include "transport/bridge.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport/stream_tcp.h"

/* As with a link (sshlink.h): so much a turn, so that others have theirs. */
#define READ_BYTES     (64u * 1024)
#define READS_PER_TURN 2

/* How often a half that is left is looked after: that the socket's other end
 * was closed is no event of its own once its end has been read. */
#define LOOK_SECONDS 1.0

enum side {
    SIDE_STREAM,
    SIDE_SOCKET,
};

/* From one side to the other. */
struct way {
    uint8_t *kept; /* what the sink would not take: [at, len); or NULL */
    size_t at;
    size_t len;
    bool ended; /* the source has */
    bool shut;  /* the sink was told */
};

struct bridge {
    struct worker *worker;
    struct stream *sides[2]; /* NULL: over */
    struct way ways[2];      /* by the side that they come from */
    ev_timer look;           /* from the socket's end on */
    void (*over)(void *arg); /* or NULL */
    void *arg;
};

static void
end(struct bridge *bridge, enum stream_close how)
{
    ev_timer_stop(worker_loop(bridge->worker), &bridge->look);
    for (int i = 0; i < 2; i++) {
        if (bridge->sides[i])
            stream_close(bridge->sides[i], how);
        bridge->sides[i] = NULL;
        free(bridge->ways[i].kept);
        bridge->ways[i].kept = NULL;
    }
}

/* The last thing that its caller does: the owner may destroy it. */
static void
end_and_tell(struct bridge *bridge, enum stream_close how)
{
    end(bridge, how);
    if (bridge->over)
        bridge->over(bridge->arg);
}

/* Whether nobody is at the socket's other end any more. */
static bool
is_forsaken(const struct bridge *bridge)
{
    struct pollfd look = {
        .fd = stream_splice_fd(bridge->sides[SIDE_SOCKET]),
    };

    return poll(&look, 1, 0) == 1 && look.revents & POLLHUP;
}

/* Whether that would be news which nothing else brings: the socket is not being
 * read, and who was there has not heard the stream's end. */
static bool
needs_look(const struct bridge *bridge)
{
    const struct way *from = &bridge->ways[SIDE_SOCKET];

    return (from->shut || from->kept) && !bridge->ways[SIDE_STREAM].shut;
}

static void
on_look(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct bridge *bridge = timer->data;

    (void)events;
    if (!needs_look(bridge))
        ev_timer_stop(loop, timer);
    else if (is_forsaken(bridge))
        end_and_tell(bridge, STREAM_ABORT);
}

/* Writes what is kept, and once the source has ended, the end. */
static enum err
drain(struct way *way, struct stream *sink)
{
    while (way->kept) {
        size_t put = 0;
        enum err err =
            stream_write(sink, way->kept + way->at, way->len - way->at, &put);

        if (err)
            return err;
        way->at += put;
        if (way->at == way->len) {
            free(way->kept);
            way->kept = NULL;
        }
    }
    if (way->ended && !way->shut) {
        way->shut = true;
        return stream_finish(sink);
    }
    return ERR_OK;
}

static enum err
put_or_keep(struct way *way, struct stream *sink, const uint8_t *bytes,
            size_t len)
{
    size_t at = 0;

    while (at < len) {
        size_t put = 0;
        enum err err = stream_write(sink, bytes + at, len - at, &put);

        if (err == ERR_AGAIN)
            break;
        if (err)
            return err;
        at += put;
    }
    if (at == len)
        return ERR_OK;
    way->kept = malloc(len - at);
    if (!way->kept)
        return ERR_NO_MEMORY;
    memcpy(way->kept, bytes + at, len - at);
    way->at = 0;
    way->len = len - at;
    return ERR_AGAIN;
}

/* Returns ERR_OK, ERR_AGAIN, or what broke the bridge. */
static enum err
move(struct bridge *bridge, enum side from)
{
    struct way *way = &bridge->ways[from];
    struct stream *source = bridge->sides[from];
    struct stream *sink = bridge->sides[!from];
    uint8_t *scratch = worker_scratch(bridge->worker);
    enum err err = drain(way, sink);

    for (int i = 0; !err && !way->ended && i < READS_PER_TURN; i++) {
        size_t got = 0;

        err = stream_read(source, scratch, READ_BYTES, &got);
        if (err == ERR_EOF) {
            way->ended = true;
            return drain(way, sink);
        }
        if (!err)
            err = put_or_keep(way, sink, scratch, got);
    }
    return err;
}

static unsigned
wanted(const struct bridge *bridge, enum side side)
{
    const struct way *from = &bridge->ways[side];
    unsigned events = 0;

    if (!from->ended && !from->kept)
        events |= STREAM_READABLE;
    if (bridge->ways[!side].kept)
        events |= STREAM_WRITABLE;
    return events;
}

static void
on_ready(struct stream *stream, unsigned events)
{
    struct bridge *bridge = stream->owner;
    enum side side =
        stream == bridge->sides[SIDE_STREAM] ? SIDE_STREAM : SIDE_SOCKET;
    enum err err = ERR_OK;

    if (events & STREAM_WRITABLE)
        err = move(bridge, !side);
    if ((!err || err == ERR_AGAIN) && events & STREAM_READABLE)
        err = move(bridge, side);
    if (err && err != ERR_AGAIN) {
        end_and_tell(bridge, STREAM_ABORT);
        return;
    }
    if (bridge->ways[0].shut && bridge->ways[1].shut) {
        end_and_tell(bridge, STREAM_GRACEFUL);
        return;
    }
    if (needs_look(bridge) && !ev_is_active(&bridge->look)) {
        if (bridge->ways[SIDE_SOCKET].shut && is_forsaken(bridge)) {
            end_and_tell(bridge, STREAM_ABORT);
            return;
        }
        ev_timer_again(worker_loop(bridge->worker), &bridge->look);
    }
    stream_want(bridge->sides[SIDE_STREAM], wanted(bridge, SIDE_STREAM));
    stream_want(bridge->sides[SIDE_SOCKET], wanted(bridge, SIDE_SOCKET));
}

enum err
bridge_create(struct worker *worker, struct stream *stream, int *fd,
              struct bridge **out)
{
    struct bridge *bridge = calloc(1, sizeof(*bridge));
    int ends[2] = {-1, -1};
    enum err err = ERR_NO_MEMORY;

    if (!bridge)
        goto fail;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                   ends) < 0) {
        err = err_from_errno(errno);
        goto fail;
    }
    bridge->sides[SIDE_SOCKET] = stream_tcp_create(worker, ends[1]);
    if (!bridge->sides[SIDE_SOCKET]) {
        close(ends[0]);
        goto fail;
    }
    bridge->worker = worker;
    ev_timer_init(&bridge->look, on_look, 0., LOOK_SECONDS);
    bridge->look.data = bridge;
    bridge->sides[SIDE_STREAM] = stream;
    for (int i = 0; i < 2; i++) {
        bridge->sides[i]->owner = bridge;
        bridge->sides[i]->on_ready = on_ready;
        stream_want(bridge->sides[i], STREAM_READABLE);
    }
    *fd = ends[0];
    *out = bridge;
    return ERR_OK;
fail:
    free(bridge);
    stream_close(stream, STREAM_ABORT);
    return err;
}

void
bridge_watch(struct bridge *bridge, void (*over)(void *arg), void *arg)
{
    bridge->over = over;
    bridge->arg = arg;
}

void
bridge_destroy(struct bridge *bridge)
{
    if (!bridge)
        return;
    end(bridge, STREAM_GRACEFUL);
    free(bridge);
}
