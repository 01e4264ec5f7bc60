#include "transport/net/listen.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/loop_help.h"

static union addr
addr_of(const char *text)
{
    union addr addr;

    cr_assert(addr_parse(&addr, text, strlen(text), 0));
    return addr;
}

/* --- sockets -------------------------------------------------------------- */

Test(listen, a_port_is_picked_and_written_back)
{
    union addr addr = addr_of("127.0.0.1");
    int fd = -1;
    int client;

    cr_assert_eq(listen_open_tcp(&addr, &fd), ERR_OK);
    cr_assert_neq(addr_port(&addr), 0);
    client = sockets_connect(&addr);
    cr_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
    cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(client);
    close(fd);
}

Test(listen, a_port_in_use_is_refused_also_to_another_of_us)
{
    union addr addr = addr_of("127.0.0.1");
    int other = -77;
    int fd;

    cr_assert_eq(listen_open_tcp(&addr, &fd), ERR_OK);
    cr_assert_eq(listen_open_tcp(&addr, &other), ERR_ADDR_IN_USE);
    cr_assert_eq(other, -77);
    close(fd);
}

Test(listen, a_port_is_free_again_though_old_connections_linger)
{
    union addr addr = addr_of("127.0.0.1");
    int fd;
    int client;
    int served;

    cr_assert_eq(listen_open_tcp(&addr, &fd), ERR_OK);
    client = sockets_connect(&addr);
    served = accept(fd, NULL, NULL);
    close(served); /* which leaves it in TIME_WAIT */
    close(client);
    close(fd);
    cr_assert_eq(listen_open_tcp(&addr, &fd), ERR_OK);
    close(fd);
}

Test(listen, ipv6_is_for_ipv6_alone)
{
    union addr v6 = addr_of("::");
    union addr v4 = addr_of("0.0.0.0");
    int fd6;
    int fd4;

    if (listen_open_tcp(&v6, &fd6) != ERR_OK)
        cr_skip("no IPv6 here");
    addr_set_port(&v4, addr_port(&v6));
    cr_assert_eq(listen_open_tcp(&v4, &fd4), ERR_OK);
    close(fd4);
    close(fd6);
}

Test(listen, an_address_that_is_not_ours_is_an_error)
{
    union addr addr = addr_of("192.0.2.1");
    int fd;

    cr_assert_eq(listen_open_tcp(&addr, &fd), ERR_ADDR_NOT_AVAILABLE);
}

/* A path in a directory of its own. */
struct place {
    char dir[64];
    char path[80];
};

static struct place
new_place(void)
{
    struct place place = {.dir = "/tmp/culvert-listen-XXXXXX"};

    cr_assert(mkdtemp(place.dir));
    snprintf(place.path, sizeof(place.path), "%s/socket", place.dir);
    return place;
}

static void
end_place(const struct place *place)
{
    unlink(place->path);
    cr_assert_eq(rmdir(place->dir), 0);
}

Test(listen, a_unix_socket_has_the_bits_that_the_mask_leaves)
{
    static const mode_t masks[] = {0177, 0117, 0111};
    mode_t before = umask(022);

    for (size_t i = 0; i < sizeof(masks) / sizeof(*masks); i++) {
        struct place place = new_place();
        struct stat st;
        int fd;

        cr_assert_eq(listen_open_unix(place.path, masks[i], false, &fd),
                     ERR_OK);
        cr_assert_eq(stat(place.path, &st), 0);
        cr_assert_eq(st.st_mode & 0777, 0777 & ~masks[i]);
        cr_assert_eq(umask(022), 022, "the process's own is as before");
        close(fd);
        end_place(&place);
    }
    umask(before);
}

Test(listen, a_unix_socket_in_the_way_goes_only_when_told)
{
    struct place place = new_place();
    int old;
    int fd;

    cr_assert_eq(listen_open_unix(place.path, 0177, false, &old), ERR_OK);
    cr_assert_eq(listen_open_unix(place.path, 0177, false, &fd),
                 ERR_ADDR_IN_USE);
    cr_assert_eq(listen_open_unix(place.path, 0177, true, &fd), ERR_OK);
    close(old);
    close(fd);
    end_place(&place);
}

Test(listen, a_file_in_the_way_is_never_removed)
{
    struct place place = new_place();
    int file = open(place.path, O_CREAT | O_WRONLY, 0600);
    int fd;

    cr_assert_eq(listen_open_unix(place.path, 0177, true, &fd),
                 ERR_ADDR_IN_USE);
    cr_assert_eq(access(place.path, F_OK), 0);
    close(file);
    end_place(&place);
}

Test(listen, a_path_that_is_too_long_or_nowhere_is_an_error)
{
    char path[200];
    int fd;

    memset(path, 'x', sizeof(path));
    path[0] = '/';
    path[108] = 0;
    cr_assert_eq(listen_open_unix(path, 0177, false, &fd), ERR_MALFORMED);
    cr_assert_eq(listen_open_unix("/nonexistent/culvert/s", 0177, false, &fd),
                 ERR_NO_SUCH_PATH);
}

/* --- acceptors ------------------------------------------------------------ */

struct taker {
    struct acceptor acceptor;
    struct worker *worker;
    int listening;
    union addr addr;
    unsigned count;
    int fds[300];
    union addr peer; /* the last one's */
    bool is_full;
    bool keeps; /* or closes them at once */
};

static void
on_client(struct acceptor *acceptor, int fd, union addr *peer)
{
    struct taker *taker = acceptor->owner;

    cr_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
    cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    taker->peer = *peer;
    if (taker->keeps)
        taker->fds[taker->count] = fd;
    else
        close(fd);
    taker->count++;
}

static bool
has_room(struct acceptor *acceptor)
{
    return !((struct taker *)acceptor->owner)->is_full;
}

static void
taker_start(struct taker *taker, int listening)
{
    *taker = (struct taker){
        .worker = worker_create(0),
        .listening = listening,
        .acceptor = {.on_client = on_client, .has_room = has_room}};
    taker->acceptor.owner = taker;
    cr_assert_eq(acceptor_start(&taker->acceptor, taker->worker, listening),
                 ERR_OK);
}

static void
taker_start_tcp(struct taker *taker)
{
    union addr addr = addr_of("127.0.0.1");
    int fd;

    cr_assert_eq(listen_open_tcp(&addr, &fd), ERR_OK);
    taker_start(taker, fd);
    taker->addr = addr;
}

static void
taker_end(struct taker *taker)
{
    acceptor_stop(&taker->acceptor);
    for (unsigned i = 0; taker->keeps && i < taker->count; i++)
        close(taker->fds[i]);
    close(taker->listening);
    worker_destroy(taker->worker);
}

struct await {
    struct taker *taker;
    unsigned count;
};

static bool
has_taken(void *arg)
{
    struct await *await = arg;

    return await->taker->count >= await->count;
}

static void
await_clients(struct taker *taker, unsigned count)
{
    struct await await = {taker, count};

    cr_assert(loop_until(taker->worker, has_taken, &await));
}

/* Clients that connect and stay. */
static void
connect_many(const union addr *addr, int *fds, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        fds[i] = sockets_connect(addr);
}

static void
close_many(const int *fds, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        close(fds[i]);
}

Test(listen, clients_come_in_with_their_address)
{
    struct taker taker;
    union addr own;
    socklen_t len = sizeof(own);
    int client;

    taker_start_tcp(&taker);
    client = sockets_connect(&taker.addr);
    getsockname(client, &own.sa, &len);
    await_clients(&taker, 1);
    cr_assert(addr_same_host(&taker.peer, &own));
    cr_assert_eq(addr_port(&taker.peer), addr_port(&own));
    close(client);
    taker_end(&taker);
}

Test(listen, a_client_of_a_unix_socket_has_no_address)
{
    struct place place = new_place();
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    struct taker taker;
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    int fd;

    cr_assert_eq(listen_open_unix(place.path, 0177, false, &fd), ERR_OK);
    taker_start(&taker, fd);
    strcpy(path.sun_path, place.path);
    cr_assert_eq(connect(client, (struct sockaddr *)&path, sizeof(path)), 0);
    await_clients(&taker, 1);
    cr_assert_eq(taker.peer.sa.sa_family, AF_UNSPEC);
    close(client);
    taker_end(&taker);
    end_place(&place);
}

Test(listen, a_burst_is_taken_whole)
{
    static int clients[200];
    struct taker taker;

    taker_start_tcp(&taker);
    connect_many(&taker.addr, clients, 200);
    await_clients(&taker, 200);
    close_many(clients, 200);
    taker_end(&taker);
}

Test(listen, two_workers_share_a_queue)
{
    static int clients[50];
    struct taker a;
    struct taker b = {0};

    taker_start_tcp(&a);
    taker_start(&b, dup(a.listening));
    connect_many(&a.addr, clients, 50);
    while (a.count + b.count < 50) {
        loop_turns(a.worker, 1);
        loop_turns(b.worker, 1);
    }
    cr_assert_gt(a.count, 0);
    cr_assert_gt(b.count, 0);
    close_many(clients, 50);
    taker_end(&b);
    taker_end(&a);
}

Test(listen, without_room_clients_wait_until_it_resumes)
{
    struct taker taker;
    int clients[3];

    taker_start_tcp(&taker);
    taker.is_full = true;
    connect_many(&taker.addr, clients, 3);
    cr_assert_lt(loop_for(taker.worker, 0.25), 15, "it does not spin");
    cr_assert_eq(taker.count, 0);
    taker.is_full = false;
    acceptor_resume(&taker.acceptor);
    loop_turns(taker.worker, 3);
    cr_assert_eq(taker.count, 3);
    close_many(clients, 3);
    taker_end(&taker);
}

Test(listen, without_room_it_looks_again_by_itself)
{
    struct taker taker;
    int client;

    taker_start_tcp(&taker);
    taker.is_full = true;
    client = sockets_connect(&taker.addr);
    loop_for(taker.worker, 0.05);
    taker.is_full = false;
    await_clients(&taker, 1);
    close(client);
    taker_end(&taker);
}

/* 9-8 in small. */
Test(listen, out_of_descriptors_it_pauses_and_goes_on_after)
{
    static int clients[20];
    struct taker taker;
    unsigned turns;

    taker_start_tcp(&taker);
    taker.keeps = true;
    connect_many(&taker.addr, clients, 20);
    sockets_limit(3);
    await_clients(&taker, 3);
    turns = loop_for(taker.worker, 0.5);
    cr_assert_lt(turns, 30, "%u turns in half a second", turns);
    cr_assert_eq(taker.count, 3);
    sockets_limit_no_more();
    await_clients(&taker, 20);
    close_many(clients, 20);
    taker_end(&taker);
}

Test(listen, without_descriptors_an_acceptor_does_not_start)
{
    union addr addr = addr_of("127.0.0.1");
    struct worker *worker = worker_create(0);
    struct acceptor acceptor = {.on_client = on_client};
    int fd;

    cr_assert_eq(listen_open_tcp(&addr, &fd), ERR_OK);
    sockets_limit(0);
    cr_assert_eq(acceptor_start(&acceptor, worker, fd), ERR_NO_DESCRIPTORS);
    sockets_limit_no_more();
    acceptor_stop(&acceptor);
    acceptor_resume(&acceptor);
    close(fd);
    worker_destroy(worker);
}

Test(listen, stop_takes_what_is_queued)
{
    static int clients[60];
    struct taker taker;

    taker_start_tcp(&taker);
    connect_many(&taker.addr, clients, 60);
    acceptor_stop(&taker.acceptor);
    cr_assert_eq(taker.count, 60);
    close_many(clients, 60);
    taker_end(&taker);
}

Test(listen, stop_leaves_no_descriptor)
{
    unsigned before = sockets_open_count();
    struct taker taker;

    taker_start_tcp(&taker);
    taker.is_full = true;
    loop_turns(taker.worker, 1);
    taker_end(&taker);
    cr_assert_eq(sockets_open_count(), before);
}
