#include "tests/unit/stream_fake.h"

#include <criterion/criterion.h>
#include <stdbool.h>
#include <stdlib.h>
#include <utlist.h>

struct fake_end {
    struct stream stream;
    struct fake_hub *hub;
    struct fake_end *peer; /* NULL once that is closed */
    unsigned wanted;
    bool finished;
    bool closed;

    uint8_t *in; /* a ring of the hub's window: what waits to be read */
    size_t in_at;
    size_t in_len;
    bool in_ended; /* the peer has finished or closed */
    bool in_reset; /* or aborted */

    struct task release;
    struct fake_end *prev;
    struct fake_end *next;
};

/* A linear congruential generator with Knuth's numbers: enough disorder, and
 * the same everywhere. */
size_t
fake_random(uint64_t *seed, size_t below)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(*seed >> 33) % below;
}

static struct fake_end *
self_of(struct stream *stream)
{
    struct fake_end *self = (struct fake_end *)stream;

    cr_assert_not(self->closed, "a call after close");
    worker_assert_here(self->hub->worker);
    return self;
}

static unsigned
possible(const struct fake_end *end)
{
    unsigned events = 0;

    if (end->in_len > 0 || end->in_ended || end->in_reset)
        events |= STREAM_READABLE;
    if (!end->peer || end->in_reset || end->peer->in_len < end->hub->window)
        events |= STREAM_WRITABLE;
    return events & end->wanted;
}

/* Whoever may be ready is told from the loop. */
static void
look_later(struct fake_hub *hub)
{
    struct fake_end *end;

    DL_FOREACH (hub->ends, end) {
        if (possible(end)) {
            worker_defer(hub->worker, &hub->task);
            return;
        }
    }
}

static void
tell_one(struct task *task)
{
    struct fake_hub *hub =
        (struct fake_hub *)((char *)task - offsetof(struct fake_hub, task));
    struct fake_end *end;
    size_t count = 0;

    DL_FOREACH (hub->ends, end)
        count += possible(end) != 0;
    if (count == 0)
        return;
    count = fake_random(&hub->seed, count);
    DL_FOREACH (hub->ends, end)
        if (possible(end) && count-- == 0)
            break;
    end->stream.on_ready(&end->stream, possible(end));
    look_later(hub);
}

/* How many of len bytes one call moves. */
static size_t
piece_of(struct fake_hub *hub, size_t len)
{
    size_t most = len < hub->piece ? len : hub->piece;

    return 1 + fake_random(&hub->seed, most);
}

static enum err
fake_read(struct stream *stream, void *bytes, size_t size, size_t *got)
{
    struct fake_end *self = self_of(stream);
    size_t len;

    cr_assert_gt(size, 0);
    if (self->in_len == 0 && self->in_reset)
        return ERR_RESET;
    if (self->in_len == 0)
        return self->in_ended ? ERR_EOF : ERR_AGAIN;
    len = piece_of(self->hub, size < self->in_len ? size : self->in_len);
    for (size_t i = 0; i < len; i++) {
        ((uint8_t *)bytes)[i] = self->in[self->in_at];
        self->in_at = (self->in_at + 1) % self->hub->window;
    }
    self->in_len -= len;
    *got = len;
    look_later(self->hub);
    return ERR_OK;
}

static void
push(struct fake_end *to, const uint8_t *bytes, size_t len)
{
    size_t window = to->hub->window;

    for (size_t i = 0; i < len; i++)
        to->in[(to->in_at + to->in_len + i) % window] = bytes[i];
    to->in_len += len;
}

static enum err
fake_writev(struct stream *stream, const struct iovec *parts, int count,
            size_t *put)
{
    struct fake_end *self = self_of(stream);
    size_t all = 0;
    size_t len;

    cr_assert_not(self->finished, "a write behind the end");
    for (int i = 0; i < count; i++)
        all += parts[i].iov_len;
    cr_assert_gt(all, 0);
    if (!self->peer || self->in_reset)
        return ERR_RESET;
    len = self->hub->window - self->peer->in_len;
    if (len == 0)
        return ERR_AGAIN;
    len = piece_of(self->hub, len < all ? len : all);
    *put = len;
    for (int i = 0; len > 0; i++) {
        size_t part = parts[i].iov_len < len ? parts[i].iov_len : len;

        push(self->peer, parts[i].iov_base, part);
        len -= part;
    }
    look_later(self->hub);
    return ERR_OK;
}

static enum err
fake_finish(struct stream *stream)
{
    struct fake_end *self = self_of(stream);

    cr_assert_not(self->finished, "finished twice");
    self->finished = true;
    if (!self->peer || self->in_reset)
        return ERR_RESET;
    self->peer->in_ended = true;
    look_later(self->hub);
    return ERR_OK;
}

static void
fake_want(struct stream *stream, unsigned events)
{
    struct fake_end *self = self_of(stream);

    self->wanted = events;
    look_later(self->hub);
}

static void
release(struct task *task)
{
    struct fake_end *self =
        (struct fake_end *)((char *)task - offsetof(struct fake_end, release));

    free(self->in);
    free(self);
}

static void
fake_close(struct stream *stream, enum stream_close how)
{
    struct fake_end *self = self_of(stream);

    self->closed = true;
    if (self->peer) {
        self->peer->in_ended = true;
        self->peer->in_reset |= how == STREAM_ABORT;
        self->peer->peer = NULL;
    }
    DL_DELETE(self->hub->ends, self);
    look_later(self->hub);
    worker_defer(self->hub->worker, &self->release);
}

static const struct stream_ops fake_ops = {
    .read = fake_read,
    .writev = fake_writev,
    .finish = fake_finish,
    .want = fake_want,
    .close = fake_close,
};

void
fake_hub_init(struct fake_hub *hub, struct worker *worker, uint64_t seed,
              size_t window, size_t piece)
{
    *hub = (struct fake_hub){
        .worker = worker,
        .seed = seed,
        .window = window,
        .piece = piece,
        .task = {.run = tell_one},
    };
}

static struct fake_end *
new_end(struct fake_hub *hub)
{
    struct fake_end *end = calloc(1, sizeof(*end));

    end->stream.ops = &fake_ops;
    end->hub = hub;
    end->in = malloc(hub->window);
    end->release.run = release;
    DL_APPEND(hub->ends, end);
    return end;
}

void
fake_pair(struct fake_hub *hub, struct stream *ends[2])
{
    struct fake_end *a = new_end(hub);
    struct fake_end *b = new_end(hub);

    a->peer = b;
    b->peer = a;
    ends[0] = &a->stream;
    ends[1] = &b->stream;
}

size_t
fake_waiting(const struct stream *stream)
{
    return ((const struct fake_end *)stream)->in_len;
}
