/* What transport/stream.h promises, as tests that run on any implementation:
 *
 *     static const struct stream_maker maker = {...};
 *     STREAM_CONTRACT(stream_tcp, maker)
 *
 * defines one Test(stream_tcp, ...) for each promise. */
#ifndef CULVERT_TESTS_UNIT_STREAM_CONTRACT_H
#define CULVERT_TESTS_UNIT_STREAM_CONTRACT_H

#include <criterion/criterion.h>
#include <stdbool.h>

#include "transport/loop/worker.h"
#include "transport/stream.h"

/* How to get two connected streams of a kind. */
struct stream_maker {
    void (*make)(struct worker *worker, struct stream *ends[2]);
    bool abort_is_reset;  /* a Unix socket knows no reset */
    void (*unmake)(void); /* what they stood on, before the worker; or NULL */
};

/* Each name is one promise, and a function of stream_contract.c or
 * stream_contract_end.c. */
#define STREAM_PROMISES(X)                            \
    X(empty_says_again)                               \
    X(bytes_arrive_in_order)                          \
    X(parts_are_written_in_order)                     \
    X(readable_is_told_until_it_is_read)              \
    X(writable_is_told_until_it_is_full)              \
    X(no_callback_from_inside_a_call)                 \
    X(only_what_is_wanted_is_told)                    \
    X(want_of_nothing_is_silence)                     \
    X(no_callback_after_close)                        \
    X(on_ready_closes_its_own_stream)                 \
    X(on_ready_closes_another_stream_that_is_ready)   \
    X(on_ready_closes_both)                           \
    X(half_close_by_one_then_the_other)               \
    X(half_close_by_the_other_then_the_one)           \
    X(the_end_is_behind_all_bytes)                    \
    X(the_end_stays)                                  \
    X(full_says_again_until_the_peer_reads)           \
    X(graceful_close_delivers_what_was_written)       \
    X(abort_is_seen_as_a_reset)                       \
    X(writing_to_a_closed_peer_fails)                 \
    X(what_had_arrived_is_read_after_a_write_failed)  \
    X(what_had_arrived_is_read_after_the_peer_closed) \
    X(nothing_is_left_behind)

#define STREAM_DECLARE(name) \
    void stream_contract_##name(const struct stream_maker *maker);
STREAM_PROMISES(STREAM_DECLARE)

/* clang-format off */
#define STREAM_TEST_(suite, maker, name) \
    Test(suite, name) { stream_contract_##name(&(maker)); }

#define STREAM_CONTRACT(suite, maker)                                         \
    STREAM_TEST_(suite, maker, empty_says_again)                              \
    STREAM_TEST_(suite, maker, bytes_arrive_in_order)                         \
    STREAM_TEST_(suite, maker, parts_are_written_in_order)                    \
    STREAM_TEST_(suite, maker, readable_is_told_until_it_is_read)             \
    STREAM_TEST_(suite, maker, writable_is_told_until_it_is_full)             \
    STREAM_TEST_(suite, maker, no_callback_from_inside_a_call)                \
    STREAM_TEST_(suite, maker, only_what_is_wanted_is_told)                   \
    STREAM_TEST_(suite, maker, want_of_nothing_is_silence)                    \
    STREAM_TEST_(suite, maker, no_callback_after_close)                       \
    STREAM_TEST_(suite, maker, on_ready_closes_its_own_stream)                \
    STREAM_TEST_(suite, maker, on_ready_closes_another_stream_that_is_ready)  \
    STREAM_TEST_(suite, maker, on_ready_closes_both)                          \
    STREAM_TEST_(suite, maker, half_close_by_one_then_the_other)              \
    STREAM_TEST_(suite, maker, half_close_by_the_other_then_the_one)          \
    STREAM_TEST_(suite, maker, the_end_is_behind_all_bytes)                   \
    STREAM_TEST_(suite, maker, the_end_stays)                                 \
    STREAM_TEST_(suite, maker, full_says_again_until_the_peer_reads)          \
    STREAM_TEST_(suite, maker, graceful_close_delivers_what_was_written)      \
    STREAM_TEST_(suite, maker, abort_is_seen_as_a_reset)                      \
    STREAM_TEST_(suite, maker, writing_to_a_closed_peer_fails)                \
    STREAM_TEST_(suite, maker, what_had_arrived_is_read_after_a_write_failed) \
    STREAM_TEST_(suite, maker, what_had_arrived_is_read_after_the_peer_closed)\
    STREAM_TEST_(suite, maker, nothing_is_left_behind)
/* clang-format on */

#endif
