/* The contract of streams, on each implementation there is and on the fake
 * that other tests rely on. */
#include "transport/stream_tcp.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/loop_help.h"
#include "tests/unit/stream_contract.h"
#include "tests/unit/stream_fake.h"

static void
streams_of(struct worker *worker, const int fds[2], struct stream *ends[2])
{
    for (int i = 0; i < 2; i++) {
        ends[i] = stream_tcp_create(worker, fds[i]);
        cr_assert(ends[i]);
    }
}

static void
make_tcp(struct worker *worker, struct stream *ends[2])
{
    int fds[2];

    sockets_tcp(fds);
    streams_of(worker, fds, ends);
}

static void
make_unix(struct worker *worker, struct stream *ends[2])
{
    int fds[2];

    sockets_unix(fds);
    streams_of(worker, fds, ends);
}

/* One hub per test is enough, and each has its own process. */
static struct fake_hub hub;

static void
make_narrow(struct worker *worker, struct stream *ends[2])
{
    fake_hub_init(&hub, worker, 1, 1, 1);
    fake_pair(&hub, ends);
}

static void
make_odd(struct worker *worker, struct stream *ends[2])
{
    fake_hub_init(&hub, worker, 7, 4097, 13);
    fake_pair(&hub, ends);
}

static const struct stream_maker tcp_maker = {make_tcp, true, NULL};
static const struct stream_maker unix_maker = {make_unix, false, NULL};
static const struct stream_maker narrow_maker = {make_narrow, true, NULL};
static const struct stream_maker odd_maker = {make_odd, true, NULL};

STREAM_CONTRACT(stream_tcp, tcp_maker)
STREAM_CONTRACT(stream_unix, unix_maker)
STREAM_CONTRACT(stream_fake_narrow, narrow_maker)
STREAM_CONTRACT(stream_fake_odd, odd_maker)

Test(stream_tcp, splice_fd_is_its_socket)
{
    struct worker *worker = worker_create(0);
    struct stream *ends[2];
    int fds[2];

    sockets_tcp(fds);
    streams_of(worker, fds, ends);
    cr_assert_eq(stream_splice_fd(ends[0]), fds[0]);
    stream_close(ends[0], STREAM_GRACEFUL);
    stream_close(ends[1], STREAM_GRACEFUL);
    worker_destroy(worker);
}

/* The number of a closed descriptor is given to the next: what the loop knows
 * of the old one must not be taken for the new one's. */
Test(stream_tcp, a_descriptor_number_is_used_again_at_once)
{
    struct worker *worker = worker_create(0);
    struct fake_hub unused;
    int last = -1;

    fake_hub_init(&unused, worker, 1, 1, 1);
    for (int i = 0; i < 20; i++) {
        int fds[2];
        struct stream *stream;

        sockets_tcp(fds);
        cr_assert(last < 0 || fds[0] == last);
        last = fds[0];
        stream = stream_tcp_create(worker, fds[0]);
        stream->on_ready = NULL; /* it would crash */
        stream_want(stream, STREAM_READABLE);
        loop_turns(worker, i % 3);
        stream_close(stream, STREAM_GRACEFUL);
        close(fds[1]);
    }
    worker_destroy(worker);
}
