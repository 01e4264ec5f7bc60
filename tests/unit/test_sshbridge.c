#include "transport/ssh/sshbridge.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/loop_help.h"
#include "tests/unit/stream_fake.h"

#define MUCH (4u * 1024 * 1024)

struct fixture {
    struct worker *worker;
    struct fake_hub hub;
    struct stream *ends[2]; /* the bridge has the first: its channel */
    struct sshbridge *bridge;
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
    cr_assert_eq(sshbridge_create(fixture->worker, fixture->ends[0],
                                  &fixture->fd, &fixture->bridge),
                 ERR_OK);
}

static void
fixture_end(struct fixture *fixture)
{
    sshbridge_destroy(fixture->bridge);
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

Test(sshbridge, bytes_go_both_ways)
{
    struct fixture f;

    fixture_init(&f, 64 * 1024, 16 * 1024);
    carry(&f, true, MUCH);
    carry(&f, false, MUCH);
    fixture_end(&f);
}

Test(sshbridge, bytes_go_in_small_pieces)
{
    struct fixture f;

    fixture_init(&f, 7, 3);
    carry(&f, true, 3000);
    carry(&f, false, 3000);
    fixture_end(&f);
}

Test(sshbridge, each_half_ends_by_itself)
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
Test(sshbridge, a_stalled_reader_stops_its_writer)
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

Test(sshbridge, its_end_is_the_end_of_the_socket)
{
    struct fixture f;
    char byte;

    fixture_init(&f, 1000, 1000);
    sshbridge_destroy(f.bridge);
    f.bridge = NULL;
    cr_assert_eq(recv(f.fd, &byte, 1, MSG_DONTWAIT), 0);
    fixture_end(&f);
}

Test(sshbridge, a_channel_that_fails_ends_the_socket)
{
    struct fixture f;

    fixture_init(&f, 1000, 1000);
    stream_close(f.ends[1], STREAM_ABORT);
    cr_assert(loop_until(f.worker, has_ended, &f));
    sshbridge_destroy(f.bridge);
    close(f.fd);
    worker_destroy(f.worker);
}
