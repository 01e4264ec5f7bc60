#include "transport/ssh/sshbridge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport/stream_tcp.h"

/* As with a link (sshlink.h): so much a turn, so that others have theirs. */
#define READ_BYTES     (64u * 1024)
#define READS_PER_TURN 2

enum side {
    SIDE_CHANNEL,
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

struct sshbridge {
    struct worker *worker;
    struct stream *sides[2]; /* NULL: over */
    struct way ways[2];      /* by the side that they come from */
};

static void
end(struct sshbridge *bridge, enum stream_close how)
{
    for (int i = 0; i < 2; i++) {
        if (bridge->sides[i])
            stream_close(bridge->sides[i], how);
        bridge->sides[i] = NULL;
        free(bridge->ways[i].kept);
        bridge->ways[i].kept = NULL;
    }
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
move(struct sshbridge *bridge, enum side from)
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
wanted(const struct sshbridge *bridge, enum side side)
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
    struct sshbridge *bridge = stream->owner;
    enum side side =
        stream == bridge->sides[SIDE_CHANNEL] ? SIDE_CHANNEL : SIDE_SOCKET;
    enum err err = ERR_OK;

    if (events & STREAM_WRITABLE)
        err = move(bridge, !side);
    if ((!err || err == ERR_AGAIN) && events & STREAM_READABLE)
        err = move(bridge, side);
    if (err && err != ERR_AGAIN) {
        end(bridge, STREAM_ABORT);
        return;
    }
    if (bridge->ways[0].shut && bridge->ways[1].shut) {
        end(bridge, STREAM_GRACEFUL);
        return;
    }
    stream_want(bridge->sides[SIDE_CHANNEL], wanted(bridge, SIDE_CHANNEL));
    stream_want(bridge->sides[SIDE_SOCKET], wanted(bridge, SIDE_SOCKET));
}

enum err
sshbridge_create(struct worker *worker, struct stream *stream, int *fd,
                 struct sshbridge **out)
{
    struct sshbridge *bridge = calloc(1, sizeof(*bridge));
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
    bridge->sides[SIDE_CHANNEL] = stream;
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
sshbridge_destroy(struct sshbridge *bridge)
{
    if (!bridge)
        return;
    end(bridge, STREAM_GRACEFUL);
    free(bridge);
}
