/* The promises about the end of a stream, and about peers that are gone. */
#include "tests/unit/stream_contract.h"

#include <stdint.h>
#include <string.h>

#include "tests/unit/loop_help.h"
#include "tests/unit/stream_side.h"

static void
half_close(struct side *first, struct side *second)
{
    side_assert_passes(first, second, "1");
    side_finish(first);
    side_assert_end(second, ERR_EOF);
    side_assert_passes(second, first, "2");
    side_assert_passes(second, first, "3");
    side_finish(second);
    side_assert_end(first, ERR_EOF);
    side_assert_end(second, ERR_EOF);
}

void
stream_contract_half_close_by_one_then_the_other(
    const struct stream_maker *maker)
{
    BEGIN(maker);
    half_close(a, b);
    side_pair_end(&f);
}

void
stream_contract_half_close_by_the_other_then_the_one(
    const struct stream_maker *maker)
{
    BEGIN(maker);
    half_close(b, a);
    side_pair_end(&f);
}

void
stream_contract_the_end_is_behind_all_bytes(const struct stream_maker *maker)
{
    size_t count;

    BEGIN(maker);
    count = side_fill(a);
    side_finish(a);
    side_drain(b, 0, count);
    side_assert_end(b, ERR_EOF);
    side_pair_end(&f);
}

void
stream_contract_the_end_stays(const struct stream_maker *maker)
{
    BEGIN(maker);
    side_finish(a);
    side_assert_end(b, ERR_EOF);
    side_assert_end(b, ERR_EOF);
    side_want(b, STREAM_READABLE);
    b->called = 0;
    cr_assert(loop_until(f.worker, side_is_told_often, b));
    side_pair_end(&f);
}

void
stream_contract_full_says_again_until_the_peer_reads(
    const struct stream_maker *maker)
{
    size_t count;

    BEGIN(maker);
    count = side_fill(a);
    cr_assert_gt(count, 0);
    a->called = 0;
    side_want(a, STREAM_WRITABLE);
    side_drain(b, 0, count);
    cr_assert(loop_until(f.worker, side_is_told, a));
    side_want(a, 0);
    side_assert_passes(a, b, "x");
    side_pair_end(&f);
}

void
stream_contract_graceful_close_delivers_what_was_written(
    const struct stream_maker *maker)
{
    size_t count;

    BEGIN(maker);
    count = side_fill(a);
    side_close(a, STREAM_GRACEFUL);
    side_drain(b, 0, count);
    side_assert_end(b, ERR_EOF);
    side_pair_end(&f);
}

void
stream_contract_abort_is_seen_as_a_reset(const struct stream_maker *maker)
{
    BEGIN(maker);
    side_assert_passes(a, b, "x");
    side_close(a, STREAM_ABORT);
    side_assert_end(b, maker->abort_is_reset ? ERR_RESET : ERR_EOF);
    side_pair_end(&f);
}

/* --- a peer that is gone -------------------------------------------------- */

/* Writes until that fails: the first may still go out. */
static enum err
write_until_it_fails(struct worker *worker, struct side *side)
{
    size_t put = 0;
    enum err err;

    do {
        err = side_write(side, "x", 1, &put);
        if (err == ERR_AGAIN)
            side_await(side, STREAM_WRITABLE);
        loop_for(worker, 0.002);
    } while (err == ERR_OK || err == ERR_AGAIN);
    return err;
}

void
stream_contract_writing_to_a_closed_peer_fails(const struct stream_maker *maker)
{
    BEGIN(maker);
    side_close(b, STREAM_GRACEFUL);
    cr_assert_eq(write_until_it_fails(f.worker, a), ERR_RESET);
    side_pair_end(&f);
}

void
stream_contract_what_had_arrived_is_read_after_a_write_failed(
    const struct stream_maker *maker)
{
    char byte = 0;
    size_t got = 0;

    BEGIN(maker);
    side_say(b, "z");
    loop_for(f.worker, 0.01); /* it has arrived */
    side_close(b, STREAM_GRACEFUL);
    write_until_it_fails(f.worker, a);
    cr_assert_eq(side_read_soon(a, &byte, 1, &got), ERR_OK);
    cr_assert_eq(byte, 'z');
    side_pair_end(&f);
}

void
stream_contract_what_had_arrived_is_read_after_the_peer_closed(
    const struct stream_maker *maker)
{
    size_t count;

    BEGIN(maker);
    count = side_fill(b);
    side_close(b, STREAM_GRACEFUL);
    side_drain(a, 0, count);
    side_assert_end(a, ERR_EOF);
    side_pair_end(&f);
}

void
stream_contract_nothing_is_left_behind(const struct stream_maker *maker)
{
    unsigned before = sockets_open_count();

    BEGIN(maker);
    side_say(a, "x");
    side_close(a, STREAM_GRACEFUL);
    side_close(b, STREAM_ABORT);
    if (maker->unmake)
        maker->unmake();
    worker_destroy(f.worker);
    cr_assert_eq(sockets_open_count(), before);
}
