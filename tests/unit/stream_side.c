#include "tests/unit/stream_side.h"

#include <stdint.h>
#include <string.h>

#include "tests/unit/loop_help.h"

static struct side_pair *
pair_of(struct side *side)
{
    return side->stream->owner;
}

void
side_close(struct side *side, enum stream_close how)
{
    struct stream *stream = side->stream;
    struct side_pair *pair = pair_of(side);

    side->stream = NULL;
    pair->in_call = true;
    stream_close(stream, how);
    pair->in_call = false;
}

static void
on_ready(struct stream *stream, unsigned events)
{
    struct side_pair *pair = stream->owner;
    struct side *side = &pair->sides[pair->sides[1].stream == stream];

    cr_assert_eq(side->stream, stream, "told after close");
    cr_assert_not(pair->in_call, "told from inside a call");
    cr_assert_neq(events, 0);
    side->called++;
    side->events |= events;
    if (side->closes_other && side->other->stream)
        side_close(side->other, STREAM_GRACEFUL);
    if (side->closes_own)
        side_close(side, STREAM_GRACEFUL);
}

struct side_pair
side_pair_make(const struct stream_maker *maker)
{
    return (struct side_pair){.maker = maker, .worker = worker_create(0)};
}

void
side_pair_connect(struct side_pair *f)
{
    struct stream *ends[2];

    f->maker->make(f->worker, ends);
    for (int i = 0; i < 2; i++) {
        ends[i]->on_ready = on_ready;
        ends[i]->owner = f;
        f->sides[i] =
            (struct side){.stream = ends[i], .other = &f->sides[1 - i]};
    }
}

void
side_pair_end(struct side_pair *f)
{
    for (int i = 0; i < 2; i++)
        if (f->sides[i].stream)
            side_close(&f->sides[i], STREAM_GRACEFUL);
    loop_turns(f->worker, 2);
    if (f->maker->unmake)
        f->maker->unmake();
    worker_destroy(f->worker);
}

void
side_want(struct side *side, unsigned events)
{
    struct side_pair *f = pair_of(side);

    f->in_call = true;
    stream_want(side->stream, events);
    f->in_call = false;
}

enum err
side_write(struct side *side, const void *bytes, size_t len, size_t *put)
{
    struct side_pair *f = pair_of(side);
    enum err err;

    f->in_call = true;
    err = stream_write(side->stream, bytes, len, put);
    f->in_call = false;
    cr_assert(err || (*put > 0 && *put <= len));
    return err;
}

enum err
side_read(struct side *side, void *bytes, size_t size, size_t *got)
{
    struct side_pair *f = pair_of(side);
    enum err err;

    f->in_call = true;
    err = stream_read(side->stream, bytes, size, got);
    f->in_call = false;
    cr_assert(err || (*got > 0 && *got <= size));
    return err;
}

bool
side_is_told(void *arg)
{
    return ((struct side *)arg)->called > 0;
}

bool
side_is_told_often(void *arg)
{
    return ((struct side *)arg)->called >= 5;
}

void
side_await(struct side *side, unsigned events)
{
    struct side_pair *f = pair_of(side);

    side->called = 0;
    side->events = 0;
    side_want(side, events);
    cr_assert(loop_until(f->worker, side_is_told, side));
    side_want(side, 0);
}

enum err
side_read_soon(struct side *side, void *bytes, size_t size, size_t *got)
{
    enum err err;

    while ((err = side_read(side, bytes, size, got)) == ERR_AGAIN)
        side_await(side, STREAM_READABLE);
    return err;
}

static uint8_t
byte_at(size_t at)
{
    return (uint8_t)(at * 31 + (at >> 8));
}

static size_t
fill_once(struct side *side, size_t at)
{
    size_t before = at;
    size_t put = 0;
    enum err err;
    uint8_t bytes[700];

    do {
        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = byte_at(at + i);
        err = side_write(side, bytes, sizeof(bytes), &put);
        if (!err)
            at += put;
    } while (!err);
    cr_assert_eq(err, ERR_AGAIN);
    return at - before;
}

size_t
side_fill(struct side *side)
{
    size_t all = 0;
    int still = 0;

    while (still < 5) {
        size_t more = fill_once(side, all);

        all += more;
        still = more ? 0 : still + 1;
        loop_for(pair_of(side)->worker, 0.005);
    }
    return all;
}

void
side_drain(struct side *side, size_t at, size_t count)
{
    size_t end = at + count;
    uint8_t bytes[4096];

    while (at < end) {
        size_t size = end - at < sizeof(bytes) ? end - at : sizeof(bytes);
        size_t got = 0;

        cr_assert_eq(side_read_soon(side, bytes, size, &got), ERR_OK);
        for (size_t i = 0; i < got; i++)
            cr_assert_eq(bytes[i], byte_at(at + i), "byte %zu", at + i);
        at += got;
    }
}

void
side_say(struct side *side, const char *text)
{
    while (*text) {
        size_t put = 0;
        enum err err = side_write(side, text, strlen(text), &put);

        if (err == ERR_AGAIN)
            side_await(side, STREAM_WRITABLE);
        else
            cr_assert_eq(err, ERR_OK);
        text += put;
    }
}

void
side_assert_end(struct side *side, enum err end)
{
    size_t got = 0;
    char byte;

    cr_assert_eq(side_read_soon(side, &byte, 1, &got), end);
}

void
side_assert_passes(struct side *from, struct side *to, const char *byte)
{
    char came = 0;
    size_t got = 0;

    side_say(from, byte);
    cr_assert_eq(side_read_soon(to, &came, 1, &got), ERR_OK);
    cr_assert_eq(came, *byte);
}

void
side_finish(struct side *side)
{
    struct side_pair *f = pair_of(side);

    f->in_call = true;
    cr_assert_eq(stream_finish(side->stream), ERR_OK);
    f->in_call = false;
}
