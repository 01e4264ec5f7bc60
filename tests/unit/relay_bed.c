#include "tests/unit/relay_bed.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/loop_help.h"
#include "transport/stream_tcp.h"

/* What a peer moves at a time: more than a relay's read. */
#define PIECE (100u * 1024)

/* The byte at a place of what the client (0) or the target (1) sends. */
static uint8_t
byte_at(int from, size_t at)
{
    return (uint8_t)(at * 131 + (at >> 7) * 7 + (at >> 16) + (size_t)from * 85);
}

static void
write_pattern(uint8_t *bytes, int from, size_t at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = byte_at(from, at + i);
}

static int
index_of(const struct bed_peer *peer)
{
    return (int)(peer - peer->bed->peers);
}

/* --- peers ---------------------------------------------------------------- */

static void
peer_want(struct bed_peer *peer)
{
    unsigned events = 0;

    if (!peer->stream)
        return;
    if (!peer->stalls && peer->end == ERR_OK)
        events |= STREAM_READABLE;
    if (!peer->finished && peer->failed == ERR_OK &&
        !(peer->waits && peer->end == ERR_OK) &&
        (peer->sent < peer->to_send || peer->finishes))
        events |= STREAM_WRITABLE;
    stream_want(peer->stream, events);
}

static void
peer_write(struct bed_peer *peer)
{
    static uint8_t bytes[PIECE];
    size_t len = peer->to_send - peer->sent;
    size_t put = 0;
    enum err err = ERR_OK;

    if (len > sizeof(bytes))
        len = sizeof(bytes);
    if (len > 0) {
        write_pattern(bytes, index_of(peer), peer->sent, len);
        err = stream_write(peer->stream, bytes, len, &put);
    }
    if (err && err != ERR_AGAIN)
        peer->failed = err;
    peer->sent += put;
    if (!peer->failed && peer->sent == peer->to_send && peer->finishes) {
        peer->finished = true;
        peer->failed = stream_finish(peer->stream);
    }
}

static void
peer_read(struct bed_peer *peer)
{
    static uint8_t bytes[PIECE];
    int from = 1 - index_of(peer);
    size_t got = 0;
    enum err err = stream_read(peer->stream, bytes, sizeof(bytes), &got);

    if (err && err != ERR_AGAIN)
        peer->end = err;
    for (size_t i = 0; i < got; i++)
        cr_assert_eq(bytes[i], byte_at(from, peer->received + i),
                     "byte %zu from peer %d", peer->received + i, from);
    peer->received += got;
}

static void
on_peer(struct stream *stream, unsigned events)
{
    struct bed_peer *peer = stream->owner;

    if (events & STREAM_READABLE)
        peer_read(peer);
    if (events & STREAM_WRITABLE)
        peer_write(peer);
    peer_want(peer);
}

void
bed_peers_want(struct bed *bed)
{
    peer_want(&bed->peers[0]);
    peer_want(&bed->peers[1]);
}

void
bed_leave(struct bed *bed, int index, enum stream_close how)
{
    struct stream *stream = bed->peers[index].stream;

    bed->peers[index].stream = NULL;
    if (stream)
        stream_close(stream, how);
}

/* --- the relay ------------------------------------------------------------ */

static struct bed *
bed_of(struct relay *relay)
{
    return (struct bed *)((char *)relay - offsetof(struct bed, relay));
}

size_t
bed_kept(const struct bed *bed, enum relay_direction direction)
{
    const struct relay_way *way = &bed->relay.ways[direction];

    return way->kept_len - way->kept_at + (way->pipe ? way->pipe->held : 0);
}

static void
look_at(struct bed *bed)
{
    for (int i = 0; i < 2; i++) {
        size_t kept = bed_kept(bed, (enum relay_direction)i);

        bed->had_pipe |= bed->relay.ways[i].pipe != NULL;
        if (kept > bed->most_kept)
            bed->most_kept = kept;
    }
}

static void
on_moved(struct relay *relay)
{
    cr_assert_not(bed_of(relay)->in_start);
    bed_of(relay)->moved++;
    look_at(bed_of(relay));
}

static void
on_half_closed(struct relay *relay)
{
    cr_assert_not(bed_of(relay)->in_start);
    bed_of(relay)->half_closed++;
    look_at(bed_of(relay));
}

/* As a session does. */
static void
on_done(struct relay *relay, enum err err)
{
    struct bed *bed = bed_of(relay);

    cr_assert_not(bed->in_start, "done from inside relay_start");
    cr_assert_eq(bed->done, 0, "done twice");
    bed->done++;
    bed->err = err;
    relay_stop(relay);
    for (int i = 0; i < 2; i++) {
        stream_close(bed->near[i], err ? STREAM_ABORT : STREAM_GRACEFUL);
        bed->near[i] = NULL;
    }
}

void
bed_init(struct bed *bed, enum bed_kind kind, unsigned pipes, uint64_t seed,
         size_t window, size_t piece)
{
    signal(SIGPIPE, SIG_IGN);
    memset(bed, 0, sizeof(*bed));
    bed->worker = worker_create(0);
    cr_assert(bed->worker);
    fake_hub_init(&bed->hub, bed->worker, seed, window, piece);
    atomic_init(&bed->budget.left, (int)pipes);
    relay_pool_init(&bed->pool, bed->worker, &bed->budget);
    for (int i = 0; i < 2; i++) {
        struct stream *ends[2];
        int fds[2];

        if (kind == BED_FAKE) {
            fake_pair(&bed->hub, ends);
        } else {
            if (kind == BED_TCP)
                sockets_tcp(fds);
            else
                sockets_unix(fds);
            ends[0] = stream_tcp_create(bed->worker, fds[0]);
            ends[1] = stream_tcp_create(bed->worker, fds[1]);
        }
        ends[0]->on_ready = on_peer;
        ends[0]->owner = &bed->peers[i];
        bed->peers[i] = (struct bed_peer){.bed = bed, .stream = ends[0]};
        bed->near[i] = ends[1];
    }
    bed->relay.moved = on_moved;
    bed->relay.half_closed = on_half_closed;
    bed->relay.done = on_done;
}

static struct relay_first
first_of(int from, size_t len, size_t gap)
{
    struct relay_first first = {.at = gap, .len = gap + len};

    if (len == 0 && gap == 0)
        return (struct relay_first){0};
    first.bytes = malloc(gap + len);
    memset(first.bytes, 0xee, gap);
    write_pattern(first.bytes + gap, from, 0, len);
    return first;
}

static bool
has_ended(void *arg)
{
    uint8_t byte;
    size_t got;

    return stream_read(arg, &byte, 1, &got) == ERR_EOF;
}

void
bed_start(struct bed *bed, size_t up, size_t down, size_t gap,
          bool client_ended)
{
    struct relay_first first_up = first_of(0, up, gap);
    struct relay_first first_down = first_of(1, down, gap);

    bed->peers[0].sent = up;
    bed->peers[1].sent = down;
    if (bed->peers[0].to_send < up)
        bed->peers[0].to_send = up;
    if (bed->peers[1].to_send < down)
        bed->peers[1].to_send = down;
    if (client_ended) {
        bed->peers[0].finished = true;
        stream_finish(bed->peers[0].stream);
        cr_assert(loop_until(bed->worker, has_ended, bed->near[0]));
    }
    bed->in_start = true;
    relay_start(&bed->relay, &bed->pool, bed->near[0], bed->near[1], &first_up,
                &first_down, client_ended);
    bed->in_start = false;
    bed_peers_want(bed);
}

/* --- waiting -------------------------------------------------------------- */

static bool
is_done(void *arg)
{
    struct bed *bed = arg;

    if (!bed->done)
        look_at(bed);
    return bed->done > 0;
}

void
bed_await_done(struct bed *bed)
{
    cr_assert(loop_until(bed->worker, is_done, bed));
}

struct receipt {
    struct bed *bed;
    int index;
    size_t count;
};

static bool
has_received(void *arg)
{
    struct receipt *receipt = arg;

    is_done(receipt->bed);
    return receipt->bed->peers[receipt->index].received >= receipt->count;
}

void
bed_await_received(struct bed *bed, int index, size_t count)
{
    struct receipt receipt = {bed, index, count};

    cr_assert(loop_until(bed->worker, has_received, &receipt));
}

static bool
have_both_ended(void *arg)
{
    struct bed *bed = arg;

    is_done(bed);
    for (int i = 0; i < 2; i++)
        if (bed->peers[i].stream && bed->peers[i].end == ERR_OK)
            return false;
    return true;
}

void
bed_await_ends(struct bed *bed)
{
    cr_assert(loop_until(bed->worker, have_both_ended, bed));
}

static size_t
all_moved(const struct bed *bed)
{
    return bed->peers[0].sent + bed->peers[1].sent + bed->peers[0].received +
           bed->peers[1].received;
}

void
bed_settle(struct bed *bed)
{
    size_t before;

    do {
        before = all_moved(bed);
        loop_for(bed->worker, 0.03);
        is_done(bed);
    } while (all_moved(bed) != before);
}

void
bed_end(struct bed *bed)
{
    relay_stop(&bed->relay);
    for (int i = 0; i < 2; i++) {
        bed_leave(bed, i, STREAM_GRACEFUL);
        if (bed->near[i])
            stream_close(bed->near[i], STREAM_GRACEFUL);
    }
    relay_pool_destroy(&bed->pool);
    worker_destroy(bed->worker);
}
