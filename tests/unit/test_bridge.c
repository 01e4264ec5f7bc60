#include "transport/bridge.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/loop_help.h"
#include "tests/unit/stream_fake.h"
#include "transport/stream_tcp.h"

#define MUCH (4u * 1024 * 1024)

struct fixture {
    struct worker *worker;
    struct fake_hub hub;
    struct stream *ends[2]; /* the bridge has the first: its channel */
    struct bridge *bridge;
    int fd; /* what the next session would have */
};

static void
on_ready(struct stream *stream, unsigned events)
{
    (void)stream;
    (void)events;
}

static void
fixture_init(struct fixture *fixture, size_t window, size_t piece)
{
    memset(fixture, 0, sizeof(*fixture));
    fixture->worker = worker_create(0);
    cr_assert(fixture->worker);
    fake_hub_init(&fixture->hub, fixture->worker, 7, window, piece);
    fake_pair(&fixture->hub, fixture->ends);
    fixture->ends[1]->on_ready = on_ready;
    cr_assert_eq(bridge_create(fixture->worker, fixture->ends[0], &fixture->fd,
                               &fixture->bridge),
                 ERR_OK);
}

static void
fixture_end(struct fixture *fixture)
{
    bridge_destroy(fixture->bridge);
    stream_close(fixture->ends[1], STREAM_GRACEFUL);
    close(fixture->fd);
    worker_destroy(fixture->worker);
}

static void
fill(uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 253);
}

/* Moves len bytes from the socket to the channel's far end, or back, turn by
 * turn. */
static void
carry(struct fixture *f, bool up, size_t len)
{
    uint8_t *sent = malloc(len);
    uint8_t *came = malloc(len);
    size_t put = 0;
    size_t got = 0;

    cr_assert(sent && came);
    fill(sent, len);
    for (unsigned turns = 0; got < len && turns < 10000000; turns++) {
        size_t n = 0;
        ssize_t some;

        if (up) {
            some = send(f->fd, sent + put, len - put, MSG_DONTWAIT);
            put += some > 0 ? (size_t)some : 0;
            if (stream_read(f->ends[1], came + got, len - got, &n) == ERR_OK)
                got += n;
        } else {
            if (put < len &&
                stream_write(f->ends[1], sent + put, len - put, &n) == ERR_OK)
                put += n;
            some = recv(f->fd, came + got, len - got, MSG_DONTWAIT);
            got += some > 0 ? (size_t)some : 0;
        }
        loop_turns(f->worker, 1);
    }
    cr_assert_eq(got, len);
    cr_assert_arr_eq(came, sent, len);
    free(sent);
    free(came);
}

/* Whether the socket's end, or what ended it, can be read. */
static bool
has_ended(void *arg)
{
    const struct fixture *f = arg;
    char byte;
    ssize_t some = recv(f->fd, &byte, 1, MSG_DONTWAIT);

    cr_assert_leq(some, 0);
    return some == 0 || errno != EAGAIN;
}

static bool
channel_has_ended(void *arg)
{
    const struct fixture *f = arg;
    char byte;
    size_t got;
    enum err err = stream_read(f->ends[1], &byte, 1, &got);

    cr_assert(err);
    return err == ERR_EOF;
}

Test(bridge, bytes_go_both_ways)
{
    struct fixture f;

    fixture_init(&f, 64 * 1024, 16 * 1024);
    carry(&f, true, MUCH);
    carry(&f, false, MUCH);
    fixture_end(&f);
}

Test(bridge, bytes_go_in_small_pieces)
{
    struct fixture f;

    fixture_init(&f, 7, 3);
    carry(&f, true, 3000);
    carry(&f, false, 3000);
    fixture_end(&f);
}

Test(bridge, each_half_ends_by_itself)
{
    struct fixture f;

    fixture_init(&f, 1000, 1000);
    cr_assert_eq(shutdown(f.fd, SHUT_WR), 0);
    cr_assert(loop_until(f.worker, channel_has_ended, &f));
    carry(&f, false, 5000);
    cr_assert_eq(stream_finish(f.ends[1]), ERR_OK);
    cr_assert(loop_until(f.worker, has_ended, &f));
    fixture_end(&f);
}

/* What nobody reads stays where it comes from, but for one read's bytes and
 * what the socket holds. */
Test(bridge, a_stalled_reader_stops_its_writer)
{
    struct fixture f;
    uint8_t bytes[4096] = {0};
    size_t sent = 0;
    size_t put;

    fixture_init(&f, 64 * 1024, 64 * 1024);
    for (unsigned i = 0; i < 5000; i++) {
        put = 0;
        if (stream_write(f.ends[1], bytes, sizeof(bytes), &put) == ERR_OK)
            sent += put;
        loop_turns(f.worker, 1);
    }
    cr_assert_geq(sent, 100 * 1024);
    cr_assert_lt(sent, 2 * 1024 * 1024);
    cr_assert_lt(loop_for(f.worker, 0.05), 20, "it sleeps");
    fixture_end(&f);
}

Test(bridge, its_end_is_the_end_of_the_socket)
{
    struct fixture f;
    char byte;

    fixture_init(&f, 1000, 1000);
    bridge_destroy(f.bridge);
    f.bridge = NULL;
    cr_assert_eq(recv(f.fd, &byte, 1, MSG_DONTWAIT), 0);
    fixture_end(&f);
}

Test(bridge, a_channel_that_fails_ends_the_socket)
{
    struct fixture f;

    fixture_init(&f, 1000, 1000);
    stream_close(f.ends[1], STREAM_ABORT);
    cr_assert(loop_until(f.worker, has_ended, &f));
    bridge_destroy(f.bridge);
    close(f.fd);
    worker_destroy(f.worker);
}

static void
set_flag(void *arg)
{
    *(bool *)arg = true;
}

static bool
channel_was_reset(void *arg)
{
    const struct fixture *f = arg;
    char byte;
    size_t got;

    return stream_read(f->ends[1], &byte, 1, &got) == ERR_RESET;
}

Test(bridge, its_owner_learns_that_both_halves_have_ended)
{
    struct fixture f;
    bool over = false;

    fixture_init(&f, 1000, 1000);
    bridge_watch(f.bridge, set_flag, &over);
    cr_assert_eq(stream_finish(f.ends[1]), ERR_OK);
    cr_assert(loop_until(f.worker, has_ended, &f));
    cr_assert_not(over);
    cr_assert_eq(shutdown(f.fd, SHUT_WR), 0);
    cr_assert(loop_until_set(f.worker, &over));
    fixture_end(&f);
}

Test(bridge, its_owner_learns_that_the_stream_failed)
{
    struct fixture f;
    bool over = false;

    fixture_init(&f, 1000, 1000);
    bridge_watch(f.bridge, set_flag, &over);
    stream_close(f.ends[1], STREAM_ABORT);
    cr_assert(loop_until_set(f.worker, &over));
    bridge_destroy(f.bridge);
    close(f.fd);
    worker_destroy(f.worker);
}

Test(bridge, a_socket_that_is_closed_at_once_aborts_the_stream)
{
    struct fixture f;
    bool over = false;

    fixture_init(&f, 1000, 1000);
    bridge_watch(f.bridge, set_flag, &over);
    cr_assert_eq(close(f.fd), 0);
    cr_assert(loop_until_set(f.worker, &over));
    cr_assert(channel_was_reset(&f));
    f.fd = -1;
    fixture_end(&f);
}

/* Half of it had ended before, so that the rest is no event. */
Test(bridge, a_socket_that_is_closed_later_aborts_the_stream)
{
    struct fixture f;
    bool over = false;

    fixture_init(&f, 1000, 1000);
    bridge_watch(f.bridge, set_flag, &over);
    cr_assert_eq(shutdown(f.fd, SHUT_WR), 0);
    cr_assert(loop_until(f.worker, channel_has_ended, &f));
    cr_assert_not(over);
    cr_assert_eq(close(f.fd), 0);
    cr_assert(loop_until_set(f.worker, &over));
    cr_assert(channel_was_reset(&f));
    f.fd = -1;
    fixture_end(&f);
}

/* What it could not take on was there before the socket's other end went. */
Test(bridge, a_socket_closed_behind_bytes_that_stall_aborts_the_stream)
{
    struct fixture f;
    uint8_t bytes[4096] = {0};
    bool over = false;

    fixture_init(&f, 100, 100);
    bridge_watch(f.bridge, set_flag, &over);
    cr_assert_eq(send(f.fd, bytes, sizeof(bytes), MSG_DONTWAIT), 4096);
    loop_turns(f.worker, 20);
    cr_assert_eq(close(f.fd), 0);
    cr_assert(loop_until_set(f.worker, &over));
    f.fd = -1;
    fixture_end(&f);
}

struct near {
    struct stream *stream;
    enum err err;
    bool over;
};

static void
on_near(struct stream *stream, unsigned events)
{
    struct near *near = stream->owner;
    char bytes[100];
    size_t got;

    (void)events;
    near->err = stream_read(stream, bytes, sizeof(bytes), &got);
    near->over = near->err && near->err != ERR_AGAIN;
    if (near->over)
        stream_want(stream, 0);
}

/* What the socket's other end makes of an end of the stream. */
static enum err
read_near(bool reset, bool finished)
{
    struct fixture f;
    struct near near = {.over = false};
    enum err err;

    fixture_init(&f, 1000, 1000);
    near.stream = stream_tcp_create(f.worker, f.fd);
    near.stream->owner = &near;
    near.stream->on_ready = on_near;
    stream_tcp_expect_halves(near.stream);
    if (finished)
        cr_assert_eq(stream_finish(near.stream), ERR_OK);
    if (reset) {
        stream_close(f.ends[1], STREAM_ABORT);
        loop_turns(f.worker, 20);
    } else {
        cr_assert_eq(stream_finish(f.ends[1]), ERR_OK);
    }
    stream_want(near.stream, STREAM_READABLE);
    cr_assert(loop_until_set(f.worker, &near.over));
    err = near.err;
    if (!reset)
        stream_close(f.ends[1], STREAM_GRACEFUL);
    stream_close(near.stream, STREAM_GRACEFUL);
    bridge_destroy(f.bridge);
    worker_destroy(f.worker);
    return err;
}

Test(bridge, an_end_and_a_reset_are_told_apart_at_the_socket)
{
    cr_assert_eq(read_near(false, false), ERR_EOF);
    cr_assert_eq(read_near(false, true), ERR_EOF);
    cr_assert_eq(read_near(true, false), ERR_RESET);
}
