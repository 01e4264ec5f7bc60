/* The relay on fakes, whose splits and orders are worse than any network's. */
#include "proxy/relay.h"

#include <criterion/criterion.h>

#include "tests/unit/loop_help.h"
#include "tests/unit/relay_bed.h"

/* COPY_BYTES of the relay: what one read may bring, and so be kept. */
#define COPY_BYTES (64u * 1024)

/* Both ended and nothing is missing, nor twice there. */
static void
assert_all_there(const struct bed *bed)
{
    cr_assert_eq(bed->done, 1);
    cr_assert_eq(bed->err, ERR_OK, "%s", err_word(bed->err));
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(bed->peers[i].end, ERR_EOF);
        cr_assert_eq(bed->peers[i].received, bed->peers[1 - i].to_send);
    }
    cr_assert_leq(bed->half_closed, 1);
}

/* --- bytes ---------------------------------------------------------------- */

Test(relay, bytes_go_both_ways_through_windows_of_one)
{
    static struct bed bed;

    bed_init(&bed, BED_FAKE, 0, 1, 1, 1);
    bed.peers[0].to_send = 500;
    bed.peers[1].to_send = 700;
    bed.peers[0].finishes = bed.peers[1].finishes = true;
    bed_start(&bed, 0, 0, 0, false);
    bed_await_ends(&bed);
    assert_all_there(&bed);
    cr_assert_eq(bed.half_closed, 1);
    cr_assert_gt(bed.moved, 500);
    bed_end(&bed);
}

Test(relay, first_bytes_go_before_the_rest_once)
{
    for (size_t up = 0; up <= 40; up += 20) {
        for (size_t down = 0; down <= 40; down += 20) {
            static struct bed bed;

            bed_init(&bed, BED_FAKE, 0, up * 100 + down, 3, 2);
            bed.peers[0].to_send = 100;
            bed.peers[1].to_send = 90;
            bed.peers[0].finishes = bed.peers[1].finishes = true;
            bed_start(&bed, up, down, 5, false);
            bed_await_ends(&bed);
            assert_all_there(&bed);
            cr_assert_eq(bed.relay.ways[RELAY_UP].bytes, 100);
            cr_assert_eq(bed.relay.ways[RELAY_DOWN].bytes, 90);
            bed_end(&bed);
        }
    }
}

/* An idle relay moves first bytes without anyone saying more. */
Test(relay, first_bytes_need_no_further_event)
{
    static struct bed bed;

    bed_init(&bed, BED_FAKE, 0, 5, 4, 4);
    bed_start(&bed, 50, 60, 0, false);
    bed_await_received(&bed, 1, 50);
    bed_await_received(&bed, 0, 60);
    cr_assert_null(bed.relay.ways[RELAY_UP].kept);
    cr_assert_null(bed.relay.ways[RELAY_DOWN].kept);
    cr_assert_eq(bed.done, 0);
    bed_end(&bed);
}

Test(relay, an_idle_relay_keeps_nothing_and_sleeps)
{
    static struct bed bed;

    bed_init(&bed, BED_TCP, 4, 0, 1, 1);
    bed.peers[0].to_send = 10;
    bed_start(&bed, 0, 0, 0, false);
    bed_await_received(&bed, 1, 10);
    cr_assert_lt(loop_for(bed.worker, 0.1), 10);
    cr_assert_null(bed.relay.ways[RELAY_UP].kept);
    cr_assert_null(bed.relay.ways[RELAY_UP].pipe);
    bed_end(&bed);
}

/* --- half-close ----------------------------------------------------------- */

static void
half_close(enum bed_kind kind, int first)
{
    static struct bed bed;

    bed_init(&bed, kind, 2, 3, 64, 16);
    bed.peers[first].to_send = 1000;
    bed.peers[first].finishes = true;
    bed.peers[1 - first].to_send = 2000;
    bed.peers[1 - first].finishes = bed.peers[1 - first].waits = true;
    bed_start(&bed, 0, 0, 0, false);
    bed_await_ends(&bed);
    assert_all_there(&bed);
    cr_assert_eq(bed.half_closed, 1);
    bed_end(&bed);
}

Test(relay, client_half_closes_first)
{
    half_close(BED_FAKE, 0);
    half_close(BED_TCP, 0);
    half_close(BED_UNIX, 0);
}

Test(relay, target_half_closes_first)
{
    half_close(BED_FAKE, 1);
    half_close(BED_TCP, 1);
    half_close(BED_UNIX, 1);
}

Test(relay, a_client_that_ended_before_is_told_to_the_target)
{
    for (size_t up = 0; up <= 50; up += 50) {
        static struct bed bed;

        bed_init(&bed, BED_FAKE, 0, 3, 7, 7);
        bed.peers[1].to_send = 300;
        bed.peers[1].finishes = bed.peers[1].waits = true;
        bed_start(&bed, up, 0, 0, true);
        bed_await_ends(&bed);
        assert_all_there(&bed);
        bed_end(&bed);
    }
}

/* --- back-pressure -------------------------------------------------------- */

static void
stalled_sink(int sink)
{
    static struct bed bed;
    int source = 1 - sink;

    bed_init(&bed, BED_FAKE, 0, 9, 4096, 4096);
    bed.peers[source].to_send = 1000000;
    bed.peers[source].finishes = true;
    bed.peers[sink].stalls = true;
    bed_start(&bed, 0, 0, 0, false);
    bed_settle(&bed);
    cr_assert_leq(bed.peers[source].sent, 2 * 4096 + COPY_BYTES);
    cr_assert_leq(bed.most_kept, COPY_BYTES);
    cr_assert_lt(loop_for(bed.worker, 0.05), 20, "it sleeps");
    /* The other way is not held up. */
    bed.peers[sink].to_send = 5000;
    bed.peers[sink].finishes = true;
    bed_peers_want(&bed);
    bed_await_received(&bed, source, 5000);
    bed.peers[sink].stalls = false;
    bed_peers_want(&bed);
    bed_await_ends(&bed);
    assert_all_there(&bed);
    bed_end(&bed);
}

Test(relay, a_target_that_stalls_stops_the_client)
{
    stalled_sink(1);
}

Test(relay, a_client_that_stalls_stops_the_target)
{
    stalled_sink(0);
}

/* --- failures ------------------------------------------------------------- */

static void
reset_by(enum bed_kind kind, int index)
{
    static struct bed bed;

    bed_init(&bed, kind, 2, 3, 64, 16);
    bed.peers[0].to_send = bed.peers[1].to_send = 100;
    bed_start(&bed, 0, 0, 0, false);
    bed_await_received(&bed, 0, 100);
    bed_await_received(&bed, 1, 100);
    bed_leave(&bed, index, STREAM_ABORT);
    bed_await_done(&bed);
    cr_assert_eq(bed.err, ERR_RESET);
    bed_await_ends(&bed);
    cr_assert_eq(bed.peers[1 - index].end, ERR_RESET, "passed on");
    bed_end(&bed);
}

Test(relay, a_reset_by_the_client_is_passed_on)
{
    reset_by(BED_FAKE, 0);
    reset_by(BED_TCP, 0);
}

Test(relay, a_reset_by_the_target_is_passed_on)
{
    reset_by(BED_FAKE, 1);
    reset_by(BED_TCP, 1);
}

/* A server that says no and closes, while the client still talks. */
static void
refused_upload(enum bed_kind kind)
{
    static struct bed bed;

    bed_init(&bed, kind, 0, 3, 600, 16);
    bed.peers[1].to_send = 500;
    bed.peers[0].stalls = true;
    bed_start(&bed, 0, 0, 0, false);
    bed_settle(&bed);
    bed_leave(&bed, 1, STREAM_GRACEFUL);
    bed.peers[0].to_send = 100000;
    bed_peers_want(&bed);
    bed_settle(&bed);
    bed.peers[0].stalls = false;
    bed_peers_want(&bed);
    bed_await_received(&bed, 0, 500);
    bed_await_done(&bed);
    cr_assert_eq(bed.err, ERR_RESET);
    bed_end(&bed);
}

Test(relay, what_a_target_said_before_writing_to_it_failed_arrives)
{
    refused_upload(BED_FAKE);
    refused_upload(BED_UNIX);
}

Test(relay, over_before_it_began_is_told_by_the_loop)
{
    static struct bed bed;

    bed_init(&bed, BED_FAKE, 0, 3, 8, 8);
    bed_leave(&bed, 1, STREAM_ABORT);
    bed_leave(&bed, 0, STREAM_ABORT);
    bed_start(&bed, 20, 20, 0, false);
    cr_assert_eq(bed.done, 0);
    bed_await_done(&bed);
    cr_assert_eq(bed.err, ERR_RESET);
    bed_end(&bed);
}

Test(relay, a_client_that_ended_with_a_target_that_is_gone_is_over)
{
    static struct bed bed;

    bed_init(&bed, BED_FAKE, 0, 3, 8, 8);
    bed_leave(&bed, 1, STREAM_GRACEFUL);
    bed_start(&bed, 20, 0, 0, true);
    bed_await_done(&bed);
    cr_assert_eq(bed.err, ERR_RESET);
    bed_end(&bed);
}

/* The first bytes found a target that takes none: the client may still be
 * there for hours, and the owner is to know that half of it is over. */
Test(relay, a_way_that_broke_at_the_start_is_told_as_half_closed)
{
    static struct bed bed;

    bed_init(&bed, BED_FAKE, 0, 3, 64, 8);
    bed_leave(&bed, 1, STREAM_GRACEFUL);
    bed.peers[0].stalls = true;
    bed_start(&bed, 20, 300, 0, false);
    bed_settle(&bed);
    cr_assert_eq(bed.done, 0, "the client has yet to take what came");
    cr_assert(relay_is_half_closed(&bed.relay));
    bed_end(&bed);
}

Test(relay, stop_ends_all_callbacks)
{
    static struct bed bed;

    bed_init(&bed, BED_FAKE, 0, 3, 8, 8);
    bed.peers[0].to_send = 100;
    bed_start(&bed, 0, 0, 0, false);
    bed_await_received(&bed, 1, 10);
    relay_stop(&bed.relay);
    for (int i = 0; i < 2; i++) {
        stream_close(bed.near[i], STREAM_ABORT);
        bed.near[i] = NULL;
    }
    bed.moved = 0;
    bed_await_ends(&bed);
    cr_assert_eq(bed.moved + bed.half_closed + bed.done, 0);
    bed_end(&bed);
}

Test(relay, stop_of_one_not_started_does_nothing)
{
    struct relay relay = {0};

    relay_stop(&relay);
}

/* --- at random ------------------------------------------------------------ */

/* One life with sizes, windows, pieces, stalls and an order of readiness that
 * all come from the seed. */
static void
live(uint64_t seed)
{
    static struct bed bed;
    uint64_t random = seed * 77 + 5;
    size_t window = 1 + fake_random(&random, seed % 3 ? 100 : 100000);
    size_t piece = 1 + fake_random(&random, window);
    bool client_ended = fake_random(&random, 5) == 0;
    size_t sizes[2];
    size_t firsts[2];

    bed_init(&bed, BED_FAKE, 0, seed, window, piece);
    for (int i = 0; i < 2; i++) {
        sizes[i] = fake_random(&random, seed % 3 ? 2000 : 300000);
        firsts[i] = fake_random(&random, 2) ? fake_random(&random, 500) : 0;
        if (sizes[i] < firsts[i] || (client_ended && i == 0))
            sizes[i] = firsts[i];
        bed.peers[i].to_send = sizes[i];
        bed.peers[i].finishes = true;
        bed.peers[i].stalls = fake_random(&random, 3) == 0;
        bed.peers[i].waits = i == 0 && fake_random(&random, 3) == 0;
    }
    bed_start(&bed, firsts[0], firsts[1], fake_random(&random, 3),
              client_ended);
    for (size_t i = 0; i < 2; i++) {
        loop_turns(bed.worker, (unsigned)fake_random(&random, 400));
        bed.peers[i].stalls = false;
        bed_peers_want(&bed);
    }
    bed_await_ends(&bed);
    cr_assert_eq(bed.err, ERR_OK, "seed %llu", (unsigned long long)seed);
    assert_all_there(&bed);
    cr_assert_leq(bed.most_kept, COPY_BYTES);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(bed.relay.ways[i].bytes, sizes[i]);
    bed_end(&bed);
}

Test(relay, any_life_keeps_every_byte)
{
    for (uint64_t seed = 1; seed <= 150; seed++)
        live(seed);
}
