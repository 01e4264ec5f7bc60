/* Ports that a real sshd listens on for us, and the channels that it opens for
 * who connects there. */
#include "transport/ssh/sshlink.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/loop_help.h"
#include "tests/unit/ssh_bed.h"

static struct ssh_bed bed;
static struct worker *worker;

static void
begin_with(const char *config)
{
    ssh_bed_start(&bed, config);
    worker = worker_create(0);
    ssh_bed_link(&bed, worker);
}

/* A port is taken where it is on one address, not on both loopbacks. */
static const char inet[] = "AddressFamily inet";

static void
begin(void)
{
    begin_with(inet);
}

static void
end(void)
{
    ssh_bed_end(&bed);
    worker_destroy(worker);
}

TestSuite(sshlisten, .fini = end);

static unsigned
listen_anywhere(void)
{
    unsigned port = 0;

    cr_assert_eq(ssh_bed_listen(&bed, "localhost", 0, false, &port), ERR_OK);
    cr_assert_gt(port, 0);
    return port;
}

static enum err last_err;
static bool readable;

static void
on_ready(struct stream *stream, unsigned events)
{
    (void)stream;
    readable = events & STREAM_READABLE;
}

static void
wait_readable(struct stream *stream)
{
    readable = false;
    stream->on_ready = on_ready;
    stream_want(stream, STREAM_READABLE);
    cr_assert(loop_until_set(worker, &readable));
}

Test(sshlisten, a_port_that_was_picked_is_told, .init = begin)
{
    int fd = ssh_bed_call(&bed, listen_anywhere());

    stream_close(bed.offer, STREAM_GRACEFUL);
    close(fd);
}

Test(sshlisten, a_port_that_was_picked_is_right_amid_other_packets,
     .init = begin)
{
    char bytes[4096];

    for (int i = 0; i < 20; i++) {
        struct stream *stream;
        unsigned port;
        size_t got;
        int fd;
        int there;

        /* Data is on its way from the server while the answer is. */
        stream = ssh_bed_connect(&bed, &there);
        memset(bytes, 'x', sizeof(bytes));
        cr_assert_eq(write(there, bytes, sizeof(bytes)), sizeof(bytes));
        port = listen_anywhere();
        fd = ssh_bed_call(&bed, port);
        cr_assert_eq(bed.offer_port, port);
        wait_readable(stream);
        cr_assert_eq(stream_read(stream, bytes, sizeof(bytes), &got), ERR_OK);
        stream_close(stream, STREAM_GRACEFUL);
        stream_close(bed.offer, STREAM_GRACEFUL);
        close(there);
        close(fd);
    }
}

Test(sshlisten, an_offer_says_who_came_and_where_to, .init = begin)
{
    unsigned port = listen_anywhere();
    int fd = ssh_bed_call(&bed, port);
    struct sockaddr_in mine;
    socklen_t len = sizeof(mine);

    cr_assert_eq(getsockname(fd, (struct sockaddr *)&mine, &len), 0);
    cr_assert_eq(bed.offer_port, port);
    cr_assert(addr_is_loopback(&bed.offer_peer));
    cr_assert_eq(addr_port(&bed.offer_peer), ntohs(mine.sin_port));
    stream_close(bed.offer, STREAM_GRACEFUL);
    close(fd);
}

Test(sshlisten, an_accepted_offer_carries_bytes_both_ways, .init = begin)
{
    int fd = ssh_bed_call(&bed, listen_anywhere());
    char bytes[16];
    size_t n = 0;

    cr_assert_eq(stream_write(bed.offer, "early", 5, &n), ERR_AGAIN);
    cr_assert_eq(stream_read(bed.offer, bytes, sizeof(bytes), &n), ERR_AGAIN);
    cr_assert_eq(stream_accept(bed.offer), ERR_OK);
    sockets_write(fd, "hello", 5);
    wait_readable(bed.offer);
    cr_assert_eq(stream_read(bed.offer, bytes, sizeof(bytes), &n), ERR_OK);
    cr_assert_eq(n, 5);
    cr_assert_arr_eq(bytes, "hello", 5);
    cr_assert_eq(stream_write(bed.offer, "world!", 6, &n), ERR_OK);
    loop_turns(worker, 10);
    sockets_read(fd, bytes, 6);
    cr_assert_arr_eq(bytes, "world!", 6);
    stream_close(bed.offer, STREAM_GRACEFUL);
    close(fd);
}

Test(sshlisten, a_refused_offer_ends_the_connection_and_nothing_else,
     .init = begin)
{
    unsigned port = listen_anywhere();
    int fd = ssh_bed_call(&bed, port);
    char bytes[16];
    bool reset;

    stream_close(bed.offer, STREAM_ABORT);
    loop_turns(worker, 10);
    cr_assert_eq(sockets_read_end(fd, bytes, sizeof(bytes), &reset), 0);
    close(fd);
    fd = ssh_bed_call(&bed, port);
    cr_assert_eq(stream_accept(bed.offer), ERR_OK);
    stream_close(bed.offer, STREAM_GRACEFUL);
    close(fd);
    cr_assert_eq(bed.downs, 0);
}

Test(sshlisten, a_port_that_is_forbidden_is_told)
{
    begin_with("PermitListen localhost:1");
    cr_assert_eq(ssh_bed_listen(&bed, "localhost", 2, false, NULL),
                 ERR_PROHIBITED);
}

Test(sshlisten, a_port_that_is_taken_is_told, .init = begin)
{
    cr_assert_eq(
        ssh_bed_listen(&bed, "localhost", addr_port(&bed.addr), false, NULL),
        ERR_ADDR_IN_USE);
}

Test(sshlisten, forwarding_that_is_switched_off_is_told)
{
    begin_with("AllowTcpForwarding local");
    cr_assert_eq(ssh_bed_listen(&bed, "localhost", 0, false, NULL),
                 ERR_PROHIBITED);
}

Test(sshlisten, a_cancelled_port_is_free, .init = begin)
{
    unsigned port = listen_anywhere();
    unsigned again;

    cr_assert_eq(ssh_bed_listen(&bed, "localhost", port, true, NULL), ERR_OK);
    cr_assert_eq(ssh_bed_listen(&bed, "localhost", port, false, &again),
                 ERR_OK);
    cr_assert_eq(again, port);
    cr_assert_neq(ssh_bed_listen(&bed, "localhost", 1, true, NULL), ERR_OK,
                  "one that was never asked for");
}

static unsigned told;

static void
on_told(struct sshlink_listen *listen)
{
    last_err = listen->err;
    told++;
}

static bool
all_told(void *arg)
{
    return told == *(const unsigned *)arg;
}

Test(sshlisten, many_requests_have_each_its_own_answer, .init = begin)
{
    struct sshlink_listen asks[30];
    const unsigned count = sizeof(asks) / sizeof(asks[0]);

    told = 0;
    for (unsigned i = 0; i < count; i++) {
        asks[i] = (struct sshlink_listen){
            .address = "localhost",
            .port = i % 3 == 2 ? addr_port(&bed.addr) : 0,
            .done = on_told,
        };
        sshlink_listen_start(bed.link, &asks[i]);
    }
    cr_assert(loop_until(worker, all_told, (void *)&count));
    for (unsigned i = 0; i < count; i++) {
        cr_assert_eq(asks[i].err, i % 3 == 2 ? ERR_ADDR_IN_USE : ERR_OK);
        for (unsigned j = 0; j < i && i % 3 != 2; j++)
            cr_assert_neq(asks[i].bound, asks[j].bound);
    }
}

Test(sshlisten, keepalives_and_requests_keep_their_answers_apart)
{
    ssh_bed_start(&bed, inet);
    bed.dest->alive_interval = 1;
    bed.dest->alive_count_max = 3;
    worker = worker_create(0);
    ssh_bed_link(&bed, worker);
    /* Over several probes: one is unheard, with its answer in libssh, whenever
     * a request comes. */
    for (int i = 0; i < 3; i++) {
        unsigned port;

        loop_for(worker, 1.2);
        cr_assert_eq(bed.downs, 0, "%s", bed.down_text);
        port = listen_anywhere();
        cr_assert_eq(ssh_bed_listen(&bed, "localhost", port, false, NULL),
                     ERR_ADDR_IN_USE);
    }
}

Test(sshlisten, a_request_waits_for_a_keepalive_that_is_out)
{
    struct sshlink_listen ask = {
        .address = "localhost", .port = 0, .done = on_told};
    const unsigned count = 1;

    ssh_bed_start(&bed, inet);
    bed.dest->alive_interval = 1;
    bed.dest->alive_count_max = 30;
    worker = worker_create(0);
    ssh_bed_link(&bed, worker);
    told = 0;
    loop_for(worker, 0.1);
    kill(bed.server, SIGSTOP);
    loop_for(worker, 1.3); /* a keepalive goes out, and is not answered */
    sshlink_listen_start(bed.link, &ask);
    loop_for(worker, 0.1);
    cr_assert_eq(told, 0);
    kill(bed.server, SIGCONT);
    cr_assert(loop_until(worker, all_told, (void *)&count));
    cr_assert_eq(ask.err, ERR_OK);
    cr_assert_eq(ssh_bed_listen(&bed, "localhost", ask.bound, false, NULL),
                 ERR_ADDR_IN_USE);
}

Test(sshlisten, a_lost_link_ends_requests_and_offers, .init = begin)
{
    struct sshlink_listen ask = {
        .address = "localhost", .port = 0, .done = on_told};
    const unsigned count = 1;
    int fd = ssh_bed_call(&bed, listen_anywhere());
    char bytes[4];
    size_t n;

    told = 0;
    kill(bed.server, SIGSTOP);
    sshlink_listen_start(bed.link, &ask);
    loop_turns(worker, 10);
    kill(bed.server, SIGKILL);
    cr_assert(loop_until(worker, all_told, (void *)&count));
    cr_assert_eq(last_err, ERR_TRANSPORT_DOWN);
    wait_readable(bed.offer);
    cr_assert_eq(stream_read(bed.offer, bytes, sizeof(bytes), &n), ERR_RESET);
    cr_assert_eq(stream_accept(bed.offer), ERR_RESET);
    sshlink_destroy(bed.link);
    bed.link = NULL;
    stream_close(bed.offer, STREAM_ABORT);
    close(fd);
}
