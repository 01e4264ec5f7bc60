/* Sessions whose clients stay where they are, with a way out that is at home on
 * another worker. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/loop_help.h"
#include "tests/unit/two_bed.h"

#define BYTES(text) (text), sizeof(text) - 1

/* A time-out that is to be waited for. */
#define SOON 0.2

/* What an SSH channel is to a session: a stream that is no TCP one. */
struct odd {
    struct stream stream;
    struct stream *inner;
};

static struct stream *
inner_of(struct stream *stream)
{
    return ((struct odd *)stream)->inner;
}

static enum err
odd_read(struct stream *stream, void *bytes, size_t size, size_t *got)
{
    return stream_read(inner_of(stream), bytes, size, got);
}

static enum err
odd_writev(struct stream *stream, const struct iovec *parts, int count,
           size_t *put)
{
    return stream_writev(inner_of(stream), parts, count, put);
}

static enum err
odd_finish(struct stream *stream)
{
    return stream_finish(inner_of(stream));
}

static void
odd_want(struct stream *stream, unsigned events)
{
    stream_want(inner_of(stream), events);
}

static void
odd_close(struct stream *stream, enum stream_close how)
{
    stream_close(inner_of(stream), how);
    free(stream);
}

static const struct stream_ops odd_ops = {
    .read = odd_read,
    .writev = odd_writev,
    .finish = odd_finish,
    .want = odd_want,
    .close = odd_close,
};

static void
on_inner(struct stream *inner, unsigned events)
{
    struct odd *odd = inner->owner;

    odd->stream.on_ready(&odd->stream, events);
}

static struct stream *
make_odd(struct stream *inner)
{
    struct odd *odd = calloc(1, sizeof(*odd));

    cr_assert(odd && inner);
    odd->stream.ops = &odd_ops;
    odd->inner = inner;
    inner->owner = odd;
    inner->on_ready = on_inner;
    return &odd->stream;
}

static void
two_start_odd(struct two *two)
{
    two->bed.wrap = make_odd;
    two_start(two);
}

/* Waits for the sessions' ends, ends all, and asserts how they ended: every one
 * where it came in. */
static void
two_end_odd(struct two *two, enum err expected, unsigned count)
{
    session_bed_await_gone(&two->bed, count);
    cr_assert_eq(two_stop_second(two).accepted, 0);
    two_destroy_second(two);
    session_bed_finish(&two->bed, expected, count);
}

Test(session_far, it_dials_from_afar)
{
    struct two two;
    int client;
    int target;

    two_init(&two);
    two_start_odd(&two);
    client = session_bed_connect(&two.bed, &target);
    sockets_write(client, BYTES("hello"));
    shutdown(client, SHUT_WR);
    session_bed_assert_rest(target, BYTES("hello"));
    sockets_write(target, BYTES("good bye"));
    close(target);
    session_bed_assert_rest(client, BYTES("good bye"));
    close(client);
    two_end_odd(&two, ERR_OK, 1);
}

Test(session_far, it_hears_the_true_reason)
{
    struct two two;
    union addr closed = session_bed_closed_port();
    int client;

    two_init(&two);
    two_start_odd(&two);
    client = session_bed_client(&two.bed, &two.bed.socks);
    session_bed_ask(client, &closed);
    session_bed_assert_rest(client, BYTES(SESSION_FAILURE("\x05")));
    close(client);
    two_end_odd(&two, ERR_REFUSED, 1);
}

Test(session_far, it_asks_for_home_again)
{
    struct two two;
    int client;
    int target;

    two_init(&two);
    atomic_store(&two.again, 3);
    two_start_odd(&two);
    client = session_bed_connect(&two.bed, &target);
    cr_assert_eq(atomic_load(&two.dials), 4);
    close(client);
    close(target);
    two_end_odd(&two, ERR_OK, 1);
}

Test(session_far, the_time_to_connect_counts_from_afar)
{
    struct two two;
    int client;

    two_init(&two);
    two.bed.settings->connect_timeout = SOON;
    two_start_odd(&two);
    session_bed_plug(&two.bed);
    client = session_bed_client(&two.bed, &two.bed.socks);
    session_bed_ask(client, &two.bed.target);
    session_bed_assert_rest(client, BYTES(SESSION_FAILURE("\x06")));
    close(client);
    two_end_odd(&two, ERR_TIMED_OUT, 1);
}

Test(session_far, a_client_that_leaves_cancels_from_afar)
{
    struct two two;
    char bytes[2];
    int client;

    two_init(&two);
    two_start_odd(&two);
    session_bed_plug(&two.bed);
    client = session_bed_client(&two.bed, &two.bed.socks);
    session_bed_ask(client, &two.bed.target);
    sockets_read(client, bytes, 2);
    close(client);
    two_end_odd(&two, ERR_PEER_GONE, 1);
}

Test(session_far, a_reset_from_afar_is_one)
{
    const struct linger none = {.l_onoff = 1, .l_linger = 0};
    struct two two;
    int client;
    int target;

    two_init(&two);
    two_start_odd(&two);
    client = session_bed_connect(&two.bed, &target);
    setsockopt(target, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    close(target);
    session_bed_assert_reset(client);
    close(client);
    two_end_odd(&two, ERR_RESET, 1);
}

Test(session_far, what_came_from_afar_ends_with_the_other_engine)
{
    struct two two;
    int client;
    int target;

    two_init(&two);
    two_start_odd(&two);
    client = session_bed_connect(&two.bed, &target);
    two_stop_second(&two);
    session_bed_assert_reset(client);
    session_bed_await_gone(&two.bed, 1);
    two_destroy_second(&two);
    close(client);
    close(target);
    session_bed_finish(&two.bed, ERR_RESET, 1);
}

/* It was still on its way there, or had begun. */
Test(session_far, a_dial_afar_ends_with_the_other_engine)
{
    struct two two;
    char bytes[2];
    int client;

    two_init(&two);
    two_start_odd(&two);
    session_bed_plug(&two.bed);
    client = session_bed_client(&two.bed, &two.bed.socks);
    session_bed_ask(client, &two.bed.target);
    sockets_read(client, bytes, 2);
    two_await_first(&two);
    two_stop_second(&two);
    worker_settle(two.worker);
    session_bed_assert_rest(client, "", 0);
    close(client);
    session_bed_await_gone(&two.bed, 1);
    two_destroy_second(&two);
    session_bed_finish(&two.bed, ERR_SHUTDOWN, 1);
}
