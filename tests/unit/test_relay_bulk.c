/* The relay between sockets, where bulk is spliced. */
#include "proxy/relay.h"

#include <criterion/criterion.h>

#include "tests/unit/loop_help.h"
#include "tests/unit/relay_bed.h"

#define MB (1024u * 1024)

/* After this long a pipe is given back; and some. */
#define RESTED 1.3

static void
assert_all_there(const struct bed *bed)
{
    cr_assert_eq(bed->done, 1);
    cr_assert_eq(bed->err, ERR_OK, "%s", err_word(bed->err));
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(bed->peers[i].end, ERR_EOF);
        cr_assert_eq(bed->peers[i].received, bed->peers[1 - i].to_send);
        cr_assert_eq(bed->relay.ways[i].bytes, bed->peers[i].to_send);
    }
}

static void
assert_pipes_are_back(struct bed *bed, int all)
{
    cr_assert_eq(
        atomic_load(&bed->budget.left) + (int)bed->pool.pipes.spare_count, all);
}

static void
bulk(enum bed_kind kind, unsigned pipes, size_t up, size_t down)
{
    static struct bed bed;
    unsigned before = sockets_open_count();

    bed_init(&bed, kind, pipes, 0, 1, 1);
    bed.peers[0].to_send = up;
    bed.peers[1].to_send = down;
    bed.peers[0].finishes = bed.peers[1].finishes = true;
    bed_start(&bed, 0, 0, 0, false);
    bed_await_ends(&bed);
    assert_all_there(&bed);
    cr_assert_eq(bed.had_pipe, pipes > 0);
    assert_pipes_are_back(&bed, (int)pipes);
    bed_end(&bed);
    cr_assert_eq(atomic_load(&bed.budget.left), (int)pipes);
    cr_assert_eq(sockets_open_count(), before);
}

Test(relay_bulk, both_ways_are_spliced_between_tcp_sockets)
{
    bulk(BED_TCP, 2, 20 * MB + 3, 15 * MB + 1);
}

Test(relay_bulk, both_ways_are_spliced_between_unix_sockets)
{
    bulk(BED_UNIX, 2, 20 * MB + 3, 15 * MB + 1);
}

Test(relay_bulk, one_way_is_spliced_while_the_other_copies)
{
    bulk(BED_TCP, 1, 20 * MB + 3, 15 * MB + 1);
}

Test(relay_bulk, without_a_pipe_all_is_copied)
{
    bulk(BED_TCP, 0, 20 * MB + 3, 15 * MB + 1);
    bulk(BED_UNIX, 0, 5 * MB + 3, 3 * MB + 1);
}

Test(relay_bulk, first_bytes_go_before_bulk)
{
    static struct bed bed;

    bed_init(&bed, BED_TCP, 2, 0, 1, 1);
    bed.peers[0].to_send = bed.peers[1].to_send = 9 * MB;
    bed.peers[0].finishes = bed.peers[1].finishes = true;
    bed_start(&bed, 16000, 300, 7, false);
    bed_await_ends(&bed);
    assert_all_there(&bed);
    bed_end(&bed);
}

Test(relay_bulk, a_pipe_that_rests_is_given_back_and_bytes_go_on)
{
    static struct bed bed;
    unsigned before;

    bed_init(&bed, BED_TCP, 2, 0, 1, 1);
    before = sockets_open_count();
    bed.peers[0].to_send = 20 * MB;
    bed_start(&bed, 0, 0, 0, false);
    bed_await_received(&bed, 1, 20 * MB);
    cr_assert(bed.had_pipe);
    loop_for(bed.worker, RESTED);
    cr_assert_null(bed.relay.ways[RELAY_UP].pipe);
    assert_pipes_are_back(&bed, 2);
    cr_assert_leq(sockets_open_count(), before + 2, "one is spare");
    bed.peers[0].to_send += 100;
    bed_peers_want(&bed);
    bed_await_received(&bed, 1, 20 * MB + 100);
    cr_assert_null(bed.relay.ways[RELAY_UP].pipe, "that is no bulk");
    bed.peers[0].to_send += 20 * MB;
    bed.peers[0].finishes = bed.peers[1].finishes = true;
    bed_peers_want(&bed);
    bed_await_ends(&bed);
    assert_all_there(&bed);
    bed_end(&bed);
}

/* A stream of small messages behind bulk is copied again. */
Test(relay_bulk, a_way_that_is_no_longer_bulk_loses_its_pipe)
{
    static struct bed bed;

    bed_init(&bed, BED_UNIX, 2, 0, 1, 1);
    bed.peers[0].to_send = 20 * MB;
    bed_start(&bed, 0, 0, 0, false);
    bed_await_received(&bed, 1, 20 * MB);
    for (size_t i = 1; i <= 100; i++) {
        bed.peers[0].to_send = 20 * MB + i * 50;
        bed_peers_want(&bed);
        bed_await_received(&bed, 1, bed.peers[0].to_send);
    }
    cr_assert_null(bed.relay.ways[RELAY_UP].pipe);
    assert_pipes_are_back(&bed, 2);
    bed_end(&bed);
}

/* --- a sink that stalls --------------------------------------------------- */

static void
stalled_sink(enum bed_kind kind, int sink)
{
    static struct bed bed;
    int source = 1 - sink;
    enum relay_direction way = source == 0 ? RELAY_UP : RELAY_DOWN;
    size_t received;

    bed_init(&bed, kind, 2, 0, 1, 1);
    bed.peers[source].to_send = 200 * MB;
    bed_start(&bed, 0, 0, 0, false);
    bed_await_received(&bed, sink, 10 * MB);
    bed.peers[sink].stalls = true;
    bed_peers_want(&bed);
    bed_settle(&bed);
    cr_assert_gt(bed_kept(&bed, way), 0);
    cr_assert_leq(bed.most_kept, PIPE_BYTES);
    loop_for(bed.worker, RESTED);
    cr_assert_null(bed.relay.ways[way].pipe, "it is another's now");
    assert_pipes_are_back(&bed, 2);
    cr_assert_gt(bed.relay.ways[way].kept_len, 0, "the bytes are kept");
    cr_assert_leq(bed_kept(&bed, way), PIPE_BYTES);
    cr_assert_lt(loop_for(bed.worker, 0.1), 10, "it sleeps");
    bed.peers[sink].stalls = false;
    bed.peers[source].to_send = bed.peers[source].sent + 9 * MB;
    bed.peers[source].finishes = bed.peers[sink].finishes = true;
    received = bed.peers[sink].received;
    bed_peers_want(&bed);
    bed_await_ends(&bed);
    cr_assert_gt(bed.peers[sink].received, received);
    assert_all_there(&bed);
    bed_end(&bed);
}

Test(relay_bulk, bytes_for_a_target_that_stalls_move_to_the_heap)
{
    stalled_sink(BED_TCP, 1);
}

Test(relay_bulk, bytes_for_a_client_that_stalls_move_to_the_heap)
{
    stalled_sink(BED_UNIX, 0);
}

/* The source ends while its last bytes are in the pipe of a stalled sink. */
Test(relay_bulk, an_end_waits_for_bytes_in_the_pipe_and_on_the_heap)
{
    for (int rests = 0; rests < 2; rests++) {
        static struct bed bed;

        bed_init(&bed, BED_UNIX, 2, 0, 1, 1);
        bed.peers[0].to_send = 200 * MB;
        bed_start(&bed, 0, 0, 0, false);
        bed_await_received(&bed, 1, 10 * MB);
        bed.peers[1].stalls = true;
        bed.peers[1].finishes = true;
        bed_peers_want(&bed);
        bed_settle(&bed);
        bed.peers[0].to_send = bed.peers[0].sent;
        bed.peers[0].finishes = true;
        bed_peers_want(&bed);
        loop_for(bed.worker, rests ? RESTED : 0.05);
        cr_assert_eq(bed.done, 0);
        bed.peers[1].stalls = false;
        bed_peers_want(&bed);
        bed_await_ends(&bed);
        assert_all_there(&bed);
        bed_end(&bed);
    }
}

Test(relay_bulk, a_reset_with_bytes_in_the_pipe_closes_it)
{
    for (int who = 0; who < 2; who++) {
        static struct bed bed;
        unsigned before = sockets_open_count();

        bed_init(&bed, BED_TCP, 2, 0, 1, 1);
        bed.peers[0].to_send = 200 * MB;
        bed_start(&bed, 0, 0, 0, false);
        bed_await_received(&bed, 1, 10 * MB);
        bed.peers[1].stalls = true;
        bed_peers_want(&bed);
        bed_settle(&bed);
        cr_assert_gt(bed_kept(&bed, RELAY_UP), 0);
        if (who == 0)
            bed.peers[1].stalls = false; /* or its end is not looked for */
        bed_leave(&bed, who, STREAM_ABORT);
        bed_peers_want(&bed);
        bed_await_done(&bed);
        cr_assert_eq(bed.err, ERR_RESET);
        bed_end(&bed);
        cr_assert_eq(atomic_load(&bed.budget.left), 2);
        cr_assert_eq(sockets_open_count(), before);
    }
}

/* Up to two pipes are there for many: who gets none copies, all arrive. */
Test(relay_bulk, sizes_around_every_threshold_arrive)
{
    static const size_t sizes[] = {
        8191,
        8192,
        65535,
        65536,
        65537,
        262143,
        262144,
        262145,
        PIPE_BYTES,
        PIPE_BYTES + 1,
        4 * 65536 + PIPE_BYTES - 1,
        2 * MB + 511,
    };

    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        static struct bed bed;

        bed_init(&bed, i % 2 ? BED_TCP : BED_UNIX, 2, 0, 1, 1);
        bed.peers[0].to_send = sizes[i];
        bed.peers[1].to_send = sizes[sizeof(sizes) / sizeof(*sizes) - 1 - i];
        bed.peers[0].finishes = bed.peers[1].finishes = true;
        bed_start(&bed, 0, 0, 0, false);
        bed_await_ends(&bed);
        assert_all_there(&bed);
        bed_end(&bed);
    }
}
