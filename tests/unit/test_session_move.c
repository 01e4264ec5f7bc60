/* Sessions that move between two workers, by a transport that says where it is
 * at home. */
#include "proxy/session.h"

#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/loop_help.h"
#include "tests/unit/session_bed.h"
#include "transport/base/clock.h"

#define BYTES(text) (text), sizeof(text) - 1

/* A time-out that is to be waited for. */
#define SOON 0.2

/* Plain TCP that is at home on one worker of two. */
struct homely {
    struct transport transport;
    struct transport *tcp;
    struct two *two;
};

struct two {
    struct session_bed bed; /* the first worker */
    struct worker *worker;  /* the second */
    struct engine *engine;
    struct engine *engines[2];
    struct homely homely[2];
    atomic_uint home;  /* which of them */
    atomic_int again;  /* so many dials are sent home again: elsewhere */
    atomic_uint dials; /* so many were made */
};

static struct homely *
homely_of(struct transport *transport)
{
    return (struct homely *)transport;
}

static struct worker *
get_home(struct transport *transport, const struct target *target)
{
    (void)target;
    struct two *two = homely_of(transport)->two;

    return two->engines[atomic_load(&two->home)]->worker;
}

static void
send_away(struct task *task)
{
    struct dial *dial =
        (struct dial *)((char *)task - offsetof(struct dial, task_));

    dial->err = ERR_AGAIN;
    dial->done(dial);
}

static void
start_dial(struct transport *transport, struct dial *dial)
{
    struct homely *homely = homely_of(transport);
    struct two *two = homely->two;
    unsigned here = homely == &two->homely[1];

    atomic_fetch_add(&two->dials, 1);
    if (atomic_fetch_sub(&two->again, 1) > 0) {
        atomic_store(&two->home, !here);
        dial->late = ERR_TRANSPORT_DOWN;
        dial->task_ = (struct task){.run = send_away};
        worker_defer(two->engines[here]->worker, &dial->task_);
        return;
    }
    dial_start(homely->tcp, dial);
}

static void
cancel_dial(struct transport *transport, struct dial *dial)
{
    struct homely *homely = homely_of(transport);
    struct two *two = homely->two;

    worker_undefer(two->engines[homely == &two->homely[1]]->worker,
                   &dial->task_);
}

static void
destroy(struct transport *transport)
{
    struct homely *homely = homely_of(transport);

    homely->tcp->ops->destroy(homely->tcp);
}

static const struct transport_ops homely_ops = {
    .abi = TRANSPORT_ABI,
    .scheme = "homely",
    .dial_start = start_dial,
    .dial_cancel = cancel_dial,
    .home = get_home,
    .destroy = destroy,
};

static void
on_gone(struct engine *engine)
{
    const struct two *two = engine->owner;

    cr_assert_eq(eventfd_write(two->bed.gone, 1), 0);
}

static void
two_start(struct two *two)
{
    const char *why;

    two->bed.shared.engines = two->engines;
    two->bed.settings->workers = 2;
    session_bed_start(&two->bed, 0);
    two->worker = worker_create(1);
    cr_assert(two->worker);
    cr_assert_eq(
        engine_create(two->worker, &two->bed.shared, &two->engine, &why),
        ERR_OK, "%s", why);
    two->engine->on_gone = on_gone;
    two->engine->owner = two;
    for (int i = 0; i < 2; i++) {
        two->homely[i] = (struct homely){
            {.ops = &homely_ops}, two->engines[i]->ways[0].via, two};
        two->engines[i]->ways[0].via = &two->homely[i].transport;
    }
    cr_assert_eq(worker_start(two->worker, NULL, NULL, NULL), ERR_OK);
}

static void
two_init(struct two *two)
{
    memset(two, 0, sizeof(*two));
    session_bed_init(&two->bed);
    atomic_store(&two->home, 1);
}

struct ending {
    struct mail mail;
    struct two *two;
    struct counters counters;
};

static void
on_ending(struct mail *mail)
{
    struct ending *ending = (struct ending *)mail;

    engine_end_sessions(ending->two->engine);
    ending->counters = ending->two->engine->counters;
    worker_stop(ending->two->worker);
}

/* Ends the second worker's loop, not its engine. Returns what it counted. */
static struct counters
two_stop_second(struct two *two)
{
    struct ending ending = {.mail.run = on_ending, .two = two};

    worker_post(two->worker, &ending.mail);
    worker_join(two->worker);
    return ending.counters;
}

static void
two_destroy_second(struct two *two)
{
    engine_destroy(two->engine);
    worker_destroy(two->worker);
}

Test(session_move, a_session_dials_where_the_way_out_is_at_home)
{
    struct two two;
    struct counters there;
    int client;
    int target;

    two_init(&two);
    two_start(&two);
    client = session_bed_connect(&two.bed, &target);
    sockets_write(client, BYTES("hello"));
    shutdown(client, SHUT_WR);
    session_bed_assert_rest(target, BYTES("hello"));
    sockets_write(target, BYTES("good bye"));
    close(target);
    session_bed_assert_rest(client, BYTES("good bye"));
    close(client);
    session_bed_await_gone(&two.bed, 1);
    there = two_stop_second(&two);
    cr_assert_eq(there.ended[ERR_OK], 1);
    cr_assert_eq(there.bytes_up, 5);
    two_destroy_second(&two);
    session_bed_finish(&two.bed, ERR_OK, 0);
}

Test(session_move, early_bytes_come_along)
{
    struct two two;
    char bytes[200];
    size_t len;
    int client;
    int target;

    two_init(&two);
    two_start(&two);
    client = session_bed_client(&two.bed, &two.bed.socks);
    len = session_bed_request(bytes, &two.bed.target);
    memcpy(bytes + len, "early", 5);
    sockets_write(client, bytes, len + 5);
    target = session_bed_accept(&two.bed);
    sockets_read(target, bytes, 5);
    cr_assert_arr_eq(bytes, "early", 5);
    close(target);
    close(client);
    session_bed_await_gone(&two.bed, 1);
    two_stop_second(&two);
    two_destroy_second(&two);
    session_bed_finish(&two.bed, ERR_OK, 0);
}

Test(session_move, a_dial_that_is_sent_away_is_made_at_the_new_home)
{
    struct two two;
    struct counters there;
    int client;
    int target;

    two_init(&two);
    atomic_store(&two.again, 3); /* there, back, there, and back again */
    two_start(&two);
    client = session_bed_connect(&two.bed, &target);
    cr_assert_eq(atomic_load(&two.dials), 4);
    close(client);
    close(target);
    session_bed_await_gone(&two.bed, 1);
    there = two_stop_second(&two);
    cr_assert_eq(there.ended[ERR_OK], 0);
    two_destroy_second(&two);
    session_bed_finish(&two.bed, ERR_OK, 1);
}

Test(session_move, the_time_to_connect_goes_on)
{
    struct two two;
    double began;
    int client;

    two_init(&two);
    two.bed.settings->connect_timeout = SOON;
    atomic_store(&two.again, 1 << 30); /* to and fro for ever */
    two_start(&two);
    client = session_bed_client(&two.bed, &two.bed.socks);
    began = clock_seconds();
    session_bed_ask(client, &two.bed.target);
    session_bed_assert_rest(client, BYTES(SESSION_FAILURE("\x01")));
    cr_assert_geq(clock_seconds() - began, SOON);
    cr_assert_lt(clock_seconds() - began, 10 * SOON);
    close(client);
    session_bed_await_gone(&two.bed, 1);
    two_stop_second(&two);
    two_destroy_second(&two);
    session_bed_stop(&two.bed, NULL);
    session_bed_end(&two.bed);
}

struct ping {
    struct mail mail;
    int fd;
};

static void
on_ping(struct mail *mail)
{
    cr_assert_eq(eventfd_write(((struct ping *)mail)->fd, 1), 0);
}

/* Waits until the first worker has done what it was doing. */
static void
await_first(struct two *two)
{
    struct ping ping = {{.run = on_ping}, eventfd(0, EFD_CLOEXEC)};
    eventfd_t one;

    worker_post(two->bed.worker, &ping.mail);
    cr_assert_eq(eventfd_read(ping.fd, &one), 0);
    close(ping.fd);
}

Test(session_move, one_that_arrives_after_the_end_is_ended)
{
    struct two two;
    struct counters counters;
    int client;
    char bytes[2];

    two_init(&two);
    two_start(&two);
    two_stop_second(&two);
    client = session_bed_client(&two.bed, &two.bed.socks);
    session_bed_ask(client, &two.bed.target);
    sockets_read(client, bytes, 2); /* what it says before it moves */
    await_first(&two);
    cr_assert_eq(atomic_load(&two.bed.shared.limits.open), 1);
    two_destroy_second(&two);
    session_bed_await_gone(&two.bed, 1);
    cr_assert_eq(atomic_load(&two.bed.shared.limits.open), 0);
    cr_assert_eq(atomic_load(&two.dials), 0);
    session_bed_assert_rest(client, "", 0);
    close(client);
    session_bed_stop(&two.bed, &counters);
    cr_assert_eq(counters.ended[ERR_SHUTDOWN], 0);
    session_bed_end(&two.bed);
}

Test(session_move, a_source_keeps_its_place)
{
    struct two two;
    int client;
    int second;
    int target;

    two_init(&two);
    two.bed.settings->max_per_source = 1;
    two_start(&two);
    client = session_bed_connect(&two.bed, &target);
    second = session_bed_client(&two.bed, &two.bed.socks);
    session_bed_ask(second, &two.bed.target);
    session_bed_assert_rest(second, BYTES(SESSION_FAILURE("\x02")));
    close(second);
    close(client);
    close(target);
    session_bed_await_gone(&two.bed, 2);
    client = session_bed_connect(&two.bed, &target);
    close(client);
    close(target);
    session_bed_await_gone(&two.bed, 1);
    two_stop_second(&two);
    two_destroy_second(&two);
    session_bed_stop(&two.bed, NULL);
    session_bed_end(&two.bed);
}

/* --- clients that stay where they are ------------------------------------- */

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

Test(session_move, one_that_cannot_dials_from_afar)
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

Test(session_move, one_that_cannot_hears_the_true_reason)
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

Test(session_move, one_that_cannot_asks_for_home_again)
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

Test(session_move, the_time_to_connect_counts_from_afar)
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

Test(session_move, a_client_that_leaves_cancels_from_afar)
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

Test(session_move, a_reset_from_afar_is_one)
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

Test(session_move, what_came_from_afar_ends_with_the_other_engine)
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
Test(session_move, a_dial_afar_ends_with_the_other_engine)
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
    await_first(&two);
    two_stop_second(&two);
    worker_settle(two.worker);
    session_bed_assert_rest(client, "", 0);
    close(client);
    session_bed_await_gone(&two.bed, 1);
    two_destroy_second(&two);
    session_bed_finish(&two.bed, ERR_SHUTDOWN, 1);
}
