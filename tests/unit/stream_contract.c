#include "tests/unit/stream_contract.h"

#include <stdint.h>
#include <string.h>

#include "tests/unit/loop_help.h"
#include "tests/unit/stream_side.h"

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
    side_pair_end(&f);
}

void
stream_contract_bytes_arrive_in_order(const struct stream_maker *maker)
{
    BEGIN(maker);
    for (int round = 0; round < 3; round++) {
        side_drain(b, 0, side_fill(a));
        side_drain(a, 0, side_fill(b));
    }
    side_pair_end(&f);
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
        cr_assert_eq(side_read_soon(b, came + at, 4 - at, &got), ERR_OK);
    cr_assert_eq(memcmp(came, "abcd", put), 0);
    side_pair_end(&f);
}

/* --- readiness ------------------------------------------------------------ */

void
stream_contract_readable_is_told_until_it_is_read(
    const struct stream_maker *maker)
{
    size_t got = 0;
    char byte;

    BEGIN(maker);
    side_say(a, "x");
    side_want(b, STREAM_READABLE);
    cr_assert(loop_until(f.worker, side_is_told_often, b));
    cr_assert_eq(side_read(b, &byte, 1, &got), ERR_OK);
    loop_for(f.worker, 0.02);
    b->called = 0;
    loop_for(f.worker, 0.02);
    cr_assert_eq(b->called, 0, "there is no more");
    side_pair_end(&f);
}

void
stream_contract_writable_is_told_until_it_is_full(
    const struct stream_maker *maker)
{
    BEGIN(maker);
    side_want(a, STREAM_WRITABLE);
    cr_assert(loop_until(f.worker, side_is_told_often, a));
    /* What is full at first may find room further on. */
    for (int i = 0; i < 40 && (i == 0 || a->called > 0); i++) {
        side_want(a, 0);
        side_fill(a);
        a->called = 0;
        side_want(a, STREAM_WRITABLE);
        loop_for(f.worker, 0.05);
    }
    cr_assert_eq(a->called, 0);
    side_pair_end(&f);
}

void
stream_contract_no_callback_from_inside_a_call(const struct stream_maker *maker)
{
    size_t got = 0;
    char byte;

    BEGIN(maker);
    side_want(b, STREAM_READABLE | STREAM_WRITABLE);
    side_want(a, STREAM_READABLE | STREAM_WRITABLE);
    side_say(a, "x");
    side_finish(a);
    side_want(b, STREAM_READABLE);
    side_read(b, &byte, 1, &got);
    side_close(a, STREAM_GRACEFUL);
    cr_assert_eq(b->called, 0);
    cr_assert(loop_until(f.worker, side_is_told, b));
    side_pair_end(&f);
}

void
stream_contract_only_what_is_wanted_is_told(const struct stream_maker *maker)
{
    BEGIN(maker);
    side_say(a, "x");
    side_want(b, STREAM_READABLE);
    cr_assert(loop_until(f.worker, side_is_told_often, b));
    cr_assert_eq(b->events, STREAM_READABLE);
    b->called = b->events = 0;
    side_want(b, STREAM_WRITABLE);
    cr_assert(loop_until(f.worker, side_is_told_often, b));
    cr_assert_eq(b->events, STREAM_WRITABLE);
    side_pair_end(&f);
}

void
stream_contract_want_of_nothing_is_silence(const struct stream_maker *maker)
{
    BEGIN(maker);
    side_say(a, "x");
    side_want(b, STREAM_READABLE | STREAM_WRITABLE);
    cr_assert(loop_until(f.worker, side_is_told, b));
    side_want(b, 0);
    b->called = 0;
    loop_for(f.worker, 0.02);
    cr_assert_eq(b->called, 0);
    /* The end, and even a reset, wait until they are asked for. */
    side_close(a, STREAM_ABORT);
    cr_assert_lt(loop_for(f.worker, 0.05), 20, "nor does it spin");
    cr_assert_eq(b->called, 0);
    side_want(b, STREAM_READABLE);
    cr_assert(loop_until(f.worker, side_is_told, b));
    side_pair_end(&f);
}

/* --- close ---------------------------------------------------------------- */

void
stream_contract_no_callback_after_close(const struct stream_maker *maker)
{
    BEGIN(maker);
    side_say(a, "x");
    side_want(b, STREAM_READABLE | STREAM_WRITABLE);
    cr_assert(loop_until(f.worker, side_is_told, b));
    b->called = 0;
    side_close(b, STREAM_GRACEFUL);
    loop_for(f.worker, 0.02);
    cr_assert_eq(b->called, 0);
    side_pair_end(&f);
}

void
stream_contract_on_ready_closes_its_own_stream(const struct stream_maker *maker)
{
    BEGIN(maker);
    side_say(a, "x");
    b->closes_own = true;
    side_want(b, STREAM_READABLE | STREAM_WRITABLE);
    cr_assert(loop_until(f.worker, side_is_told, b));
    loop_for(f.worker, 0.02);
    cr_assert_eq(b->called, 1);
    side_pair_end(&f);
}

/* Both are ready in the same turn: the first that is told closes the other,
 * which is to be told nothing then. */
static void
close_the_other(struct side_pair *f)
{
    struct side *a = &f->sides[0];
    struct side *b = &f->sides[1];

    side_say(a, "x");
    side_say(b, "y");
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
    side_pair_end(&f);
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
    side_pair_end(&f);
}
