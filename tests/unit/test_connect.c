#include "transport/net/connect.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/connect_bed.h"

static const struct fake_rule no_rules[] = {{.name = NULL}};

/* --- literals ------------------------------------------------------------- */

Test(connect, reaches_literals)
{
    struct net_bed bed;
    struct ask ask;
    uint16_t port = 0;
    int v4 = connect_bed_listen("127.0.0.1", &port, 8);
    int v6 = connect_bed_listen("::1", &port, 8);

    net_bed_open(&bed, no_rules, NULL, NULL);
    ask_init(&ask, &bed);
    ask_host(&ask, "127.0.0.1", port);
    ask_check_connected(&ask, "127.0.0.1", port);
    cr_assert_eq(ask.permits, 1u);
    ask_host(&ask, "::1", port);
    ask_check_connected(&ask, "::1", port);
    close(v4);
    close(v6);
    net_bed_close(&bed);
}

Test(connect, gives_a_socket_that_is_ready_for_use)
{
    struct net_bed bed;
    struct ask ask;
    uint16_t port = 0;
    int listener = connect_bed_listen("127.0.0.1", &port, 8);
    int nodelay = 0;
    socklen_t len = sizeof(nodelay);

    net_bed_open(&bed, no_rules, NULL, NULL);
    ask_init(&ask, &bed);
    ask_host(&ask, "127.0.0.1", port);
    cr_assert(fcntl(ask.fd, F_GETFL) & O_NONBLOCK);
    cr_assert(fcntl(ask.fd, F_GETFD) & FD_CLOEXEC);
    getsockopt(ask.fd, IPPROTO_TCP, TCP_NODELAY, &nodelay, &len);
    cr_assert(nodelay);
    ask_check_connected(&ask, "127.0.0.1", port);
    close(listener);
    net_bed_close(&bed);
}

Test(connect, tells_a_refusal)
{
    struct net_bed bed;
    struct ask ask;
    uint16_t port = connect_bed_free_port();
    char text[ADDR_TEXT_MAX];

    net_bed_open(&bed, no_rules, NULL, NULL);
    ask_init(&ask, &bed);
    ask_host(&ask, "127.0.0.1", port);
    ask_check_failed(&ask, ERR_REFUSED);
    cr_assert_str_eq(addr_format_host(&ask.remote, text), "127.0.0.1");
    net_bed_close(&bed);
}

Test(connect, waits_for_a_far_peer)
{
    struct net_bed bed;
    struct ask ask;
    uint16_t port = 0;
    struct hole hole = hole_open("127.0.0.2", &port);
    unsigned before;

    net_bed_open(&bed, no_rules, NULL, NULL);
    ask_init(&ask, &bed);
    before = connect_bed_descriptors();
    ask_start_host(&ask, "127.0.0.2", port);
    net_bed_run_ms(&bed, 50);
    cr_assert_eq(ask.done, 0u);
    cr_assert_eq(connect_bed_descriptors(), before + 1);
    /* Room in the queue: the next SYN, sent after a second, is heard. */
    for (int i = 0; i < FILLERS; i++)
        close(hole.fillers[i]);
    listen(hole.listener, 64);
    for (int i = 0; i < FILLERS; i++)
        hole.fillers[i] = -1;
    net_bed_wait(&bed, 1);
    ask_check_connected(&ask, "127.0.0.2", port);
    hole_close(&hole);
    net_bed_close(&bed);
}

Test(connect, says_nothing_after_cancel)
{
    struct net_bed bed;
    struct ask ask;
    uint16_t port = 0;
    struct hole hole = hole_open("127.0.0.2", &port);
    int listener = connect_bed_listen("127.0.0.1", &port, 8);
    unsigned before;

    net_bed_open(&bed, no_rules, NULL, NULL);
    ask_init(&ask, &bed);
    before = connect_bed_descriptors();
    ask_start_host(&ask, "127.0.0.1", port); /* connected, not told */
    connect_cancel(ask.connect);
    ask_start_host(&ask, "127.0.0.2", port); /* under way */
    net_bed_run_ms(&bed, 20);
    connect_cancel(ask.connect);
    connect_cancel(NULL);
    net_bed_run_ms(&bed, 20);
    cr_assert_eq(ask.done, 0u);
    cr_assert_eq(connect_bed_descriptors(), before);
    close(listener);
    hole_close(&hole);
    net_bed_close(&bed);
}

Test(connect, meeting_oneself_is_a_refusal)
{
    struct net_bed bed;
    struct ask ask;
    uint16_t port = connect_bed_free_port();

    net_bed_open(&bed, no_rules, NULL, NULL);
    ask_init(&ask, &bed);
    ask.connector.bind_v4 = connect_bed_addr("127.0.0.1", port);
    ask_host(&ask, "127.0.0.1", port);
    ask_check_failed(&ask, ERR_REFUSED);
    net_bed_close(&bed);
}

Test(connect, obeys_permit)
{
    struct net_bed bed;
    struct ask ask;

    net_bed_open(&bed, no_rules, NULL, NULL);
    ask_init(&ask, &bed);
    ask.denied = "*";
    ask_host(&ask, "127.0.0.1", 80);
    ask_check_failed(&ask, ERR_DENIED);
    cr_assert(addr_is_loopback(&ask.remote));
    net_bed_close(&bed);
}

Test(connect, leaves_from_the_bound_address)
{
    struct net_bed bed;
    struct ask ask;
    uint16_t port = 0;
    int listener = connect_bed_listen("127.0.0.1", &port, 8);
    union addr local;
    socklen_t len = sizeof(local);
    char text[ADDR_TEXT_MAX];

    net_bed_open(&bed, no_rules, NULL, NULL);
    ask_init(&ask, &bed);
    ask.connector.bind_v4 = connect_bed_addr("127.0.0.7", 0);
    ask_host(&ask, "127.0.0.1", port);
    cr_assert_eq(getsockname(ask.fd, &local.sa, &len), 0);
    cr_assert_str_eq(addr_format_host(&local, text), "127.0.0.7");
    ask_check_connected(&ask, "127.0.0.1", port);
    ask.connector.bind_v4 = connect_bed_addr("203.0.113.200", 0);
    ask_host(&ask, "127.0.0.1", port);
    ask_check_failed(&ask, ERR_ADDR_NOT_AVAILABLE);
    ask.connector.bind_v4.sa.sa_family = AF_UNSPEC;
    ask.connector.bind_device = "nonexistent0";
    ask_host(&ask, "127.0.0.1", port);
    cr_assert(ask.err == ERR_ADDR_NOT_AVAILABLE ||
              ask.err == ERR_NOT_PERMITTED);
    close(listener);
    net_bed_close(&bed);
}

Test(connect, keeps_to_the_family_asked_for)
{
    static const struct fake_rule rules[] = {
        {.name = "both.test", .addrs = {"127.0.0.1", "::1"}}, {.name = NULL}};
    struct net_bed bed;
    struct ask ask;
    uint16_t port = 0;
    int v4 = connect_bed_listen("127.0.0.1", &port, 8);
    int v6 = connect_bed_listen("::1", &port, 8);

    net_bed_open(&bed, rules, NULL, NULL);
    ask_init(&ask, &bed);
    ask.connector.family = AF_INET;
    ask_host(&ask, "::1", port);
    ask_check_failed(&ask, ERR_NET_UNREACHABLE);
    ask_host(&ask, "both.test", port);
    ask_check_connected(&ask, "127.0.0.1", port);
    cr_assert_eq(fake_dns_asked(bed.dns, NULL, '6'), 0u);
    ask.connector.bind_v6 = connect_bed_addr("::1", 0); /* -4 -b ::1 */
    ask_host(&ask, "both.test", port);
    ask_check_failed(&ask, ERR_ADDR_NOT_AVAILABLE);
    ask.connector.family = AF_UNSPEC;
    ask_host(&ask, "both.test", port);
    ask_check_connected(&ask, "::1", port);
    cr_assert_eq(fake_dns_asked(bed.dns, NULL, 'A'), 1u);
    close(v4);
    close(v6);
    net_bed_close(&bed);
}

Test(connect, tells_that_descriptors_ran_out)
{
    struct rlimit limit;
    struct rlimit old;
    struct net_bed bed;
    struct ask ask;
    uint16_t port = 0;
    int listener = connect_bed_listen("127.0.0.1", &port, 8);
    int next;

    net_bed_open(&bed, no_rules, NULL, NULL);
    ask_init(&ask, &bed);
    getrlimit(RLIMIT_NOFILE, &old);
    next = dup(0);
    close(next);
    limit = old;
    limit.rlim_cur = (rlim_t)next;
    setrlimit(RLIMIT_NOFILE, &limit);
    ask_host(&ask, "127.0.0.1", port);
    ask_check_failed(&ask, ERR_NO_DESCRIPTORS);
    ask_host(&ask, "localhost", port);
    ask_check_failed(&ask, ERR_NO_DESCRIPTORS);
    setrlimit(RLIMIT_NOFILE, &old);
    ask_host(&ask, "127.0.0.1", port);
    ask_check_connected(&ask, "127.0.0.1", port);
    close(listener);
    net_bed_close(&bed);
}

/* --- Unix sockets --------------------------------------------------------- */

static int
listen_unix(const char *path, int backlog)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    cr_assert_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    cr_assert_eq(listen(fd, backlog), 0);
    return fd;
}

Test(connect, reaches_unix_sockets)
{
    struct net_bed bed;
    struct ask ask;
    struct target target;
    char path[96];
    int listener;

    net_bed_open(&bed, no_rules, NULL, NULL);
    ask_init(&ask, &bed);
    snprintf(path, sizeof(path), "%s/sock", bed.dir);
    cr_assert_eq(target_set_unix(&target, path), ERR_OK);
    ask_start(&ask, &target);
    net_bed_wait(&bed, 1);
    ask_check_failed(&ask, ERR_NO_SUCH_PATH);
    listener = listen_unix(path, 8);
    ask_start(&ask, &target);
    net_bed_wait(&bed, 1);
    cr_assert_eq(ask.err, ERR_OK);
    cr_assert_eq(ask.remote.sa.sa_family, AF_UNSPEC);
    cr_assert(fcntl(ask.fd, F_GETFL) & O_NONBLOCK);
    close(ask.fd);
    close(listener);
    ask_start(&ask, &target);
    net_bed_wait(&bed, 1);
    ask_check_failed(&ask, ERR_REFUSED);
    unlink(path);
    net_bed_close(&bed);
}

Test(connect, waits_for_room_in_a_unix_sockets_queue)
{
    struct net_bed bed;
    struct ask asks[4];
    struct target target;
    char path[96];
    int listener;

    net_bed_open(&bed, no_rules, NULL, NULL);
    snprintf(path, sizeof(path), "%s/sock", bed.dir);
    target_set_unix(&target, path);
    listener = listen_unix(path, 0);
    for (int i = 0; i < 4; i++) {
        ask_init(&asks[i], &bed);
        ask_start(&asks[i], &target);
    }
    net_bed_run_ms(&bed, 50);
    cr_assert_eq(asks[0].done, 1u);
    cr_assert_eq(asks[3].done, 0u);
    connect_cancel(asks[3].connect);
    while (!asks[1].done || !asks[2].done) {
        int fd = accept(listener, NULL, NULL);

        if (fd >= 0)
            close(fd);
        net_bed_run_ms(&bed, 150);
    }
    cr_assert_eq(asks[1].err, ERR_OK);
    cr_assert_eq(asks[2].err, ERR_OK);
    for (int i = 0; i < 3; i++)
        close(asks[i].fd);
    cr_assert_eq(asks[3].done, 0u);
    close(listener);
    unlink(path);
    net_bed_close(&bed);
}
