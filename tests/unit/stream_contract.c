#include "tests/unit/stream_contract.h"

#include <stdint.h>
#include <string.h>

#include "tests/unit/loop_help.h"

/* A stream's owner: it notes what it is told, and does what the test says. */
struct side {
    struct stream *stream; /* NULL once closed */
    struct side *other;
    unsigned called;
    unsigned events; /* all that were told */
    bool closes_own;
    bool closes_other;
};

struct fixture {
    const struct stream_maker *maker;
    struct worker *worker;
    struct side sides[2];
    bool in_call; /* a call of a stream's is under way */
};

static struct fixture *
fixture_of(struct side *side)
{
    return side->stream->owner;
}

static void
side_close(struct side *side, enum stream_close how)
{
    struct stream *stream = side->stream;
    struct fixture *fixture = fixture_of(side);

    side->stream = NULL;
    fixture->in_call = true;
    stream_close(stream, how);
    fixture->in_call = false;
}

static void
on_ready(struct stream *stream, unsigned events)
{
    struct fixture *fixture = stream->owner;
    struct side *side = &fixture->sides[fixture->sides[1].stream == stream];

    cr_assert_eq(side->stream, stream, "told after close");
    cr_assert_not(fixture->in_call, "told from inside a call");
    cr_assert_neq(events, 0);
    side->called++;
    side->events |= events;
    if (side->closes_other && side->other->stream)
        side_close(side->other, STREAM_GRACEFUL);
    if (side->closes_own)
        side_close(side, STREAM_GRACEFUL);
}

static struct fixture
fixture_make(const struct stream_maker *maker)
{
    return (struct fixture){.maker = maker, .worker = worker_create(0)};
}

/* A fixture stays where it is from here on. */
static void
fixture_connect(struct fixture *f)
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

static void
fixture_end(struct fixture *f)
{
    for (int i = 0; i < 2; i++)
        if (f->sides[i].stream)
            side_close(&f->sides[i], STREAM_GRACEFUL);
    loop_turns(f->worker, 2);
    worker_destroy(f->worker);
}

/* --- calls ---------------------------------------------------------------- */

static void
side_want(struct side *side, unsigned events)
{
    struct fixture *f = fixture_of(side);

    f->in_call = true;
    stream_want(side->stream, events);
    f->in_call = false;
}

static enum err
side_write(struct side *side, const void *bytes, size_t len, size_t *put)
{
    struct fixture *f = fixture_of(side);
    enum err err;

    f->in_call = true;
    err = stream_write(side->stream, bytes, len, put);
    f->in_call = false;
    cr_assert(err || (*put > 0 && *put <= len));
    return err;
}

static enum err
side_read(struct side *side, void *bytes, size_t size, size_t *got)
{
    struct fixture *f = fixture_of(side);
    enum err err;

    f->in_call = true;
    err = stream_read(side->stream, bytes, size, got);
    f->in_call = false;
    cr_assert(err || (*got > 0 && *got <= size));
    return err;
}

static bool
is_told(void *arg)
{
    return ((struct side *)arg)->called > 0;
}

/* Waits for an event of one side. */
static void
await(struct side *side, unsigned events)
{
    struct fixture *f = fixture_of(side);

    side->called = 0;
    side->events = 0;
    side_want(side, events);
    cr_assert(loop_until(f->worker, is_told, side));
    side_want(side, 0);
}

static enum err
read_soon(struct side *side, void *bytes, size_t size, size_t *got)
{
    enum err err;

    while ((err = side_read(side, bytes, size, got)) == ERR_AGAIN)
        await(side, STREAM_READABLE);
    return err;
}

/* Writes as long as there is room; returns the bytes. They are those of
 * byte_at from `at` on. */
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

/* Until nothing goes any more: a socket's bytes move on for a while. */
static size_t
fill(struct side *side)
{
    size_t all = 0;
    int still = 0;

    while (still < 5) {
        size_t more = fill_once(side, all);

        all += more;
        still = more ? 0 : still + 1;
        loop_for(fixture_of(side)->worker, 0.005);
    }
    return all;
}

/* Reads count bytes that must be those of byte_at, from `at` on. */
static void
drain(struct side *side, size_t at, size_t count)
{
    size_t end = at + count;
    uint8_t bytes[4096];

    while (at < end) {
        size_t size = end - at < sizeof(bytes) ? end - at : sizeof(bytes);
        size_t got = 0;

        cr_assert_eq(read_soon(side, bytes, size, &got), ERR_OK);
        for (size_t i = 0; i < got; i++)
            cr_assert_eq(bytes[i], byte_at(at + i), "byte %zu", at + i);
        at += got;
    }
}

/* Writes a short text, reading it at the other side as it comes where that is
 * told to. */
static void
say(struct side *side, const char *text)
{
    while (*text) {
        size_t put = 0;
        enum err err = side_write(side, text, strlen(text), &put);

        if (err == ERR_AGAIN)
            await(side, STREAM_WRITABLE);
        else
            cr_assert_eq(err, ERR_OK);
        text += put;
    }
}

static void
assert_end(struct side *side, enum err end)
{
    size_t got = 0;
    char byte;

    cr_assert_eq(read_soon(side, &byte, 1, &got), end);
}

/* One byte, which fits into every stream. */
static void
assert_passes(struct side *from, struct side *to, const char *byte)
{
    char came = 0;
    size_t got = 0;

    say(from, byte);
    cr_assert_eq(read_soon(to, &came, 1, &got), ERR_OK);
    cr_assert_eq(came, *byte);
}

static void
finish(struct side *side)
{
    struct fixture *f = fixture_of(side);

    f->in_call = true;
    cr_assert_eq(stream_finish(side->stream), ERR_OK);
    f->in_call = false;
}

#define BEGIN(maker)                          \
    struct fixture f = fixture_make((maker)); \
    struct side *a = &f.sides[0];             \
    struct side *b = &f.sides[1];             \
    (void)a;                                  \
    (void)b;                                  \
    fixture_connect(&f)

/* --- bytes ---------------------------------------------------------------- */

void
stream_contract_empty_says_again(const struct stream_maker *maker)
{
    size_t got = 77;
    char byte;

    BEGIN(maker);
    cr_assert_eq(side_read(a, &byte, 1, &got), ERR_AGAIN);
    cr_assert_eq(side_read(b, &byte, 1, &got), ERR_AGAIN);
    cr_assert_eq(got, 77);
    fixture_end(&f);
}

void
stream_contract_bytes_arrive_in_order(const struct stream_maker *maker)
{
    BEGIN(maker);
    for (int round = 0; round < 3; round++) {
        drain(b, 0, fill(a));
        drain(a, 0, fill(b));
    }
    fixture_end(&f);
}

void
stream_contract_parts_are_written_in_order(const struct stream_maker *maker)
{
    struct iovec parts[3] = {{(void *)"a", 1}, {(void *)"", 0}, {NULL, 0}};
    char came[5] = "";
    size_t put = 0;
    size_t got = 0;

    BEGIN(maker);
    parts[1] = (struct iovec){(void *)"bc", 2};
    parts[2] = (struct iovec){(void *)"d", 1};
    cr_assert_eq(stream_writev(a->stream, parts, 3, &put), ERR_OK);
    for (size_t at = 0; at < put; at += got)
        cr_assert_eq(read_soon(b, came + at, 4 - at, &got), ERR_OK);
    cr_assert_eq(memcmp(came, "abcd", put), 0);
    fixture_end(&f);
}

/* --- readiness ------------------------------------------------------------ */

static bool
is_told_often(void *arg)
{
    return ((struct side *)arg)->called >= 5;
}

void
stream_contract_readable_is_told_until_it_is_read(
    const struct stream_maker *maker)
{
    size_t got = 0;
    char byte;

    BEGIN(maker);
    say(a, "x");
    side_want(b, STREAM_READABLE);
    cr_assert(loop_until(f.worker, is_told_often, b));
    cr_assert_eq(side_read(b, &byte, 1, &got), ERR_OK);
    loop_for(f.worker, 0.02);
    b->called = 0;
    loop_for(f.worker, 0.02);
    cr_assert_eq(b->called, 0, "there is no more");
    fixture_end(&f);
}

void
stream_contract_writable_is_told_until_it_is_full(
    const struct stream_maker *maker)
{
    BEGIN(maker);
    side_want(a, STREAM_WRITABLE);
    cr_assert(loop_until(f.worker, is_told_often, a));
    side_want(a, 0);
    fill(a);
    a->called = 0;
    side_want(a, STREAM_WRITABLE);
    loop_for(f.worker, 0.05);
    cr_assert_eq(a->called, 0);
    fixture_end(&f);
}

void
stream_contract_no_callback_from_inside_a_call(const struct stream_maker *maker)
{
    size_t got = 0;
    char byte;

    BEGIN(maker);
    side_want(b, STREAM_READABLE | STREAM_WRITABLE);
    side_want(a, STREAM_READABLE | STREAM_WRITABLE);
    say(a, "x");
    finish(a);
    side_want(b, STREAM_READABLE);
    side_read(b, &byte, 1, &got);
    side_close(a, STREAM_GRACEFUL);
    cr_assert_eq(b->called, 0);
    cr_assert(loop_until(f.worker, is_told, b));
    fixture_end(&f);
}

void
stream_contract_only_what_is_wanted_is_told(const struct stream_maker *maker)
{
    BEGIN(maker);
    say(a, "x");
    side_want(b, STREAM_READABLE);
    cr_assert(loop_until(f.worker, is_told_often, b));
    cr_assert_eq(b->events, STREAM_READABLE);
    b->called = b->events = 0;
    side_want(b, STREAM_WRITABLE);
    cr_assert(loop_until(f.worker, is_told_often, b));
    cr_assert_eq(b->events, STREAM_WRITABLE);
    fixture_end(&f);
}

void
stream_contract_want_of_nothing_is_silence(const struct stream_maker *maker)
{
    BEGIN(maker);
    say(a, "x");
    side_want(b, STREAM_READABLE | STREAM_WRITABLE);
    cr_assert(loop_until(f.worker, is_told, b));
    side_want(b, 0);
    b->called = 0;
    loop_for(f.worker, 0.02);
    cr_assert_eq(b->called, 0);
    /* The end, and even a reset, wait until they are asked for. */
    side_close(a, STREAM_ABORT);
    cr_assert_lt(loop_for(f.worker, 0.05), 20, "nor does it spin");
    cr_assert_eq(b->called, 0);
    side_want(b, STREAM_READABLE);
    cr_assert(loop_until(f.worker, is_told, b));
    fixture_end(&f);
}

/* --- close ---------------------------------------------------------------- */

void
stream_contract_no_callback_after_close(const struct stream_maker *maker)
{
    BEGIN(maker);
    say(a, "x");
    side_want(b, STREAM_READABLE | STREAM_WRITABLE);
    cr_assert(loop_until(f.worker, is_told, b));
    b->called = 0;
    side_close(b, STREAM_GRACEFUL);
    loop_for(f.worker, 0.02);
    cr_assert_eq(b->called, 0);
    fixture_end(&f);
}

void
stream_contract_on_ready_closes_its_own_stream(const struct stream_maker *maker)
{
    BEGIN(maker);
    say(a, "x");
    b->closes_own = true;
    side_want(b, STREAM_READABLE | STREAM_WRITABLE);
    cr_assert(loop_until(f.worker, is_told, b));
    loop_for(f.worker, 0.02);
    cr_assert_eq(b->called, 1);
    fixture_end(&f);
}

/* Both are ready in the same turn: the first that is told closes the other,
 * which is to be told nothing then. */
static void
close_the_other(struct fixture *f)
{
    struct side *a = &f->sides[0];
    struct side *b = &f->sides[1];

    say(a, "x");
    say(b, "y");
    loop_for(f->worker, 0.01); /* both have arrived */
    side_want(a, STREAM_READABLE | STREAM_WRITABLE);
    side_want(b, STREAM_READABLE | STREAM_WRITABLE);
    loop_for(f->worker, 0.02);
}

void
stream_contract_on_ready_closes_another_stream_that_is_ready(
    const struct stream_maker *maker)
{
    BEGIN(maker);
    a->closes_other = b->closes_other = true;
    close_the_other(&f);
    cr_assert((a->stream == NULL) != (b->stream == NULL));
    cr_assert_eq(a->stream ? b->called : a->called, 0);
    fixture_end(&f);
}

void
stream_contract_on_ready_closes_both(const struct stream_maker *maker)
{
    BEGIN(maker);
    a->closes_other = b->closes_other = true;
    a->closes_own = b->closes_own = true;
    close_the_other(&f);
    cr_assert_null(a->stream);
    cr_assert_null(b->stream);
    cr_assert_eq(a->called + b->called, 1);
    fixture_end(&f);
}

/* --- the end -------------------------------------------------------------- */

static void
half_close(struct side *first, struct side *second)
{
    assert_passes(first, second, "1");
    finish(first);
    assert_end(second, ERR_EOF);
    assert_passes(second, first, "2");
    assert_passes(second, first, "3");
    finish(second);
    assert_end(first, ERR_EOF);
    assert_end(second, ERR_EOF);
}

void
stream_contract_half_close_by_one_then_the_other(
    const struct stream_maker *maker)
{
    BEGIN(maker);
    half_close(a, b);
    fixture_end(&f);
}

void
stream_contract_half_close_by_the_other_then_the_one(
    const struct stream_maker *maker)
{
    BEGIN(maker);
    half_close(b, a);
    fixture_end(&f);
}

void
stream_contract_the_end_is_behind_all_bytes(const struct stream_maker *maker)
{
    size_t count;

    BEGIN(maker);
    count = fill(a);
    finish(a);
    drain(b, 0, count);
    assert_end(b, ERR_EOF);
    fixture_end(&f);
}

void
stream_contract_the_end_stays(const struct stream_maker *maker)
{
    BEGIN(maker);
    finish(a);
    assert_end(b, ERR_EOF);
    assert_end(b, ERR_EOF);
    side_want(b, STREAM_READABLE);
    b->called = 0;
    cr_assert(loop_until(f.worker, is_told_often, b));
    fixture_end(&f);
}

void
stream_contract_full_says_again_until_the_peer_reads(
    const struct stream_maker *maker)
{
    size_t count;

    BEGIN(maker);
    count = fill(a);
    cr_assert_gt(count, 0);
    a->called = 0;
    side_want(a, STREAM_WRITABLE);
    drain(b, 0, count);
    cr_assert(loop_until(f.worker, is_told, a));
    side_want(a, 0);
    assert_passes(a, b, "x");
    fixture_end(&f);
}

void
stream_contract_graceful_close_delivers_what_was_written(
    const struct stream_maker *maker)
{
    size_t count;

    BEGIN(maker);
    count = fill(a);
    side_close(a, STREAM_GRACEFUL);
    drain(b, 0, count);
    assert_end(b, ERR_EOF);
    fixture_end(&f);
}

void
stream_contract_abort_is_seen_as_a_reset(const struct stream_maker *maker)
{
    BEGIN(maker);
    assert_passes(a, b, "x");
    side_close(a, STREAM_ABORT);
    assert_end(b, maker->abort_is_reset ? ERR_RESET : ERR_EOF);
    fixture_end(&f);
}

/* --- a peer that is gone -------------------------------------------------- */

/* Writes until that fails: the first may still go out. */
static enum err
write_until_it_fails(struct side *side)
{
    size_t put = 0;
    enum err err;

    do {
        err = side_write(side, "x", 1, &put);
        if (err == ERR_AGAIN)
            await(side, STREAM_WRITABLE);
        loop_for(fixture_of(side)->worker, 0.002);
    } while (err == ERR_OK || err == ERR_AGAIN);
    return err;
}

void
stream_contract_writing_to_a_closed_peer_fails(const struct stream_maker *maker)
{
    BEGIN(maker);
    side_close(b, STREAM_GRACEFUL);
    cr_assert_eq(write_until_it_fails(a), ERR_RESET);
    fixture_end(&f);
}

void
stream_contract_what_had_arrived_is_read_after_a_write_failed(
    const struct stream_maker *maker)
{
    char byte = 0;
    size_t got = 0;

    BEGIN(maker);
    say(b, "z");
    loop_for(f.worker, 0.01); /* it has arrived */
    side_close(b, STREAM_GRACEFUL);
    write_until_it_fails(a);
    cr_assert_eq(read_soon(a, &byte, 1, &got), ERR_OK);
    cr_assert_eq(byte, 'z');
    fixture_end(&f);
}

void
stream_contract_what_had_arrived_is_read_after_the_peer_closed(
    const struct stream_maker *maker)
{
    size_t count;

    BEGIN(maker);
    count = fill(b);
    side_close(b, STREAM_GRACEFUL);
    drain(a, 0, count);
    assert_end(a, ERR_EOF);
    fixture_end(&f);
}

void
stream_contract_nothing_is_left_behind(const struct stream_maker *maker)
{
    unsigned before = sockets_open_count();

    BEGIN(maker);
    say(a, "x");
    side_close(a, STREAM_GRACEFUL);
    side_close(b, STREAM_ABORT);
    worker_destroy(f.worker);
    cr_assert_eq(sockets_open_count(), before);
}
