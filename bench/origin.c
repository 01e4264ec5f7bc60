/* The origin of the benchmarks: what the proxies connect to.
 *
 *   origin COUNT [any]   listens on COUNT ports of 127.0.0.1, or of any IPv4
 *                        address, and of ::1 where there is one, and prints
 *                        them, "p1,p2,...".
 *
 * Several ports, so that short connections do not use up the local ports that
 * one target leaves a proxy. The first byte a client sends says what it wants;
 * see enum want. One thread and one epoll: a generator and an origin that each
 * keep to one core leave the machine to the proxy. */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/pattern.h"

enum {
    BLOCK_BYTES = 256 * 1024, /* a send or a receive of bulk */
    ACK_SHIFT = 20,           /* an upload is acknowledged per MiB */
    FILE_BYTES = 64 << 20,    /* what WANT_FILE sends */
    MIB_BYTES = 1 << 20,      /* what WANT_MIB sends */
    BACKLOG = 16384,          /* cut to net.core.somaxconn by the kernel */
    PORTS_MAX = 64,
    EVENTS_MAX = 256,
    ACCEPTS_MAX = 64 /* a turn, so that a storm cannot stop the bulk */
};

/* What a client asked for by its first byte. */
enum want {
    WANT_NOTHING = 0,   /* has not said yet */
    WANT_TALK = 'c',    /* two bytes back for each of its bytes */
    WANT_DOWN = 'd',    /* bytes for ever */
    WANT_FILE = 'f',    /* FILE_BYTES bytes, then end of file */
    WANT_MIB = 'm',     /* MIB_BYTES bytes, then a talk */
    WANT_PATTERN = 's', /* PATTERN_BYTES bytes of a pattern, then end of file */
    WANT_UP = 'u',      /* a byte back for each MiB received */
    WANT_ECHO = 'p',    /* its bytes back */
    WANT_LISTENER = 'l' /* not a client: a listening socket */
};

struct end {
    int fd;
    enum want want;
    uint64_t moved; /* bytes sent (FILE, MIB, PATTERN) or received (UP) */
    uint64_t acked; /* MiB acknowledged (UP) */
};

struct origin {
    int epoll_fd;
    bool any;      /* listens on any IPv4 address */
    char *block;   /* what is sent, and where what is received goes */
    char *pattern; /* what is sent of the pattern */
};

static void
die(const char *what)
{
    perror(what);
    exit(1);
}

static void
watch(struct origin *origin, struct end *end, uint32_t events, int op)
{
    struct epoll_event event = {.events = events, .data.ptr = end};

    if (epoll_ctl(origin->epoll_fd, op, end->fd, &event) != 0)
        die("epoll_ctl");
}

static void
end_destroy(struct end *end)
{
    close(end->fd);
    free(end);
}

/* A descriptor to listen with on `port` (0 picks one), or -1. */
static int
listen_on(const struct origin *origin, int family, uint16_t port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
                              .sin6_port = htons(port),
                              .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    bool is_v4 = family == AF_INET;
    int on = 1;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    v4.sin_addr.s_addr = htonl(origin->any ? INADDR_ANY : INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (!is_v4)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    if (bind(fd, is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6,
             is_v4 ? sizeof(v4) : sizeof(v6)) != 0 ||
        listen(fd, BACKLOG) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void
add_listener(struct origin *origin, int fd)
{
    struct end *end = calloc(1, sizeof(*end));

    if (end == NULL)
        die("calloc");
    end->fd = fd;
    end->want = WANT_LISTENER;
    watch(origin, end, EPOLLIN, EPOLL_CTL_ADD);
}

/* Listens on one more port of both loopbacks. Returns the port. */
static uint16_t
open_port(struct origin *origin)
{
    struct sockaddr_in addr = {0};
    socklen_t len = sizeof(addr);
    int fd = listen_on(origin, AF_INET, 0);
    uint16_t port;

    if (fd < 0 || getsockname(fd, (struct sockaddr *)&addr, &len) != 0)
        die("listen");
    port = ntohs(addr.sin_port);
    add_listener(origin, fd);
    fd = listen_on(origin, AF_INET6, port);
    if (fd >= 0)
        add_listener(origin, fd);
    return port;
}

static void
accept_some(struct origin *origin, struct end *listener)
{
    for (int n = 0; n < ACCEPTS_MAX; n++) {
        struct end *end;
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK);

        if (fd < 0)
            return;
        end = calloc(1, sizeof(*end));
        if (end == NULL)
            die("calloc");
        end->fd = fd;
        watch(origin, end, EPOLLIN, EPOLL_CTL_ADD);
    }
}

/* How much a client gets in all; 0 is no end. */
static uint64_t
whole(enum want want)
{
    if (want == WANT_FILE)
        return FILE_BYTES;
    if (want == WANT_MIB)
        return MIB_BYTES;
    return want == WANT_PATTERN ? PATTERN_BYTES : 0;
}

/* Sends a block, the last one cut to what is left. False ends the client. */
static bool
send_bulk(struct origin *origin, struct end *end)
{
    uint64_t all = whole(end->want);
    size_t len = BLOCK_BYTES;
    ssize_t n;

    if (all > 0 && all - end->moved < len)
        len = (size_t)(all - end->moved);
    if (end->want == WANT_PATTERN)
        pattern_fill(end->moved, origin->pattern, len);
    n = send(end->fd,
             end->want == WANT_PATTERN ? origin->pattern : origin->block, len,
             MSG_NOSIGNAL);
    if (n < 0)
        return errno == EAGAIN;
    end->moved += (uint64_t)n;
    if (end->want == WANT_MIB && end->moved == all) {
        end->want = WANT_TALK;
        watch(origin, end, EPOLLIN, EPOLL_CTL_MOD);
        return true;
    }
    return all == 0 || end->moved < all;
}

/* A full socket is no error here: what is owed goes out with the next MiB. */
static bool
acknowledge(struct origin *origin, struct end *end)
{
    uint64_t owed = (end->moved >> ACK_SHIFT) - end->acked;
    ssize_t n;

    if (owed == 0)
        return true;
    n = send(end->fd, origin->block, owed, MSG_NOSIGNAL);
    if (n < 0)
        return errno == EAGAIN;
    end->acked += (uint64_t)n;
    return true;
}

/* Sends `len` bytes that nobody looks at. False ends the client: an answer is
 * so small that a socket without room for it is a fault. */
static bool
reply(struct origin *origin, struct end *end, size_t len)
{
    return send(end->fd, origin->block, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* Answers `len` bytes that have come in. False ends the client. */
static bool
answer(struct origin *origin, struct end *end, size_t len)
{
    switch (end->want) {
    case WANT_TALK:
        return reply(origin, end, 2 * len);
    case WANT_ECHO:
        return len == 0 || reply(origin, end, len);
    case WANT_UP:
        end->moved += len;
        return acknowledge(origin, end);
    case WANT_DOWN:
    case WANT_FILE:
    case WANT_MIB:
    case WANT_PATTERN:
        watch(origin, end, EPOLLOUT, EPOLL_CTL_MOD);
        return true;
    case WANT_NOTHING:
    case WANT_LISTENER:
        break;
    }
    return false;
}

/* Takes in what a client has sent. False ends the client. */
static bool
receive(struct origin *origin, struct end *end)
{
    ssize_t n;

    if (end->want == WANT_NOTHING) {
        char first;

        n = recv(end->fd, &first, 1, 0);
        if (n <= 0)
            return n < 0 && errno == EAGAIN;
        end->want = first == WANT_LISTENER ? WANT_NOTHING : (enum want)first;
        /* The byte that asks is itself answered only in a talk. */
        return answer(origin, end, end->want == WANT_TALK ? 1 : 0);
    }
    n = recv(end->fd, origin->block, BLOCK_BYTES / 2, 0);
    if (n <= 0)
        return n < 0 && errno == EAGAIN;
    return answer(origin, end, (size_t)n);
}

static void
serve(struct origin *origin)
{
    struct epoll_event events[EVENTS_MAX];

    for (;;) {
        int count = epoll_wait(origin->epoll_fd, events, EVENTS_MAX, -1);

        for (int i = 0; i < count; i++) {
            struct end *end = events[i].data.ptr;
            bool goes_on = true;

            if (end->want == WANT_LISTENER)
                accept_some(origin, end);
            else if (end->want == WANT_DOWN || whole(end->want) > 0)
                goes_on = send_bulk(origin, end);
            else
                goes_on = receive(origin, end);
            if (!goes_on)
                end_destroy(end);
        }
    }
}

int
main(int argc, char **argv)
{
    struct origin origin = {0};
    struct rlimit limit;
    int ports = argc == 2 || argc == 3 ? atoi(argv[1]) : 0;

    origin.any = argc == 3 && strcmp(argv[2], "any") == 0;
    if (ports < 1 || ports > PORTS_MAX || (argc == 3 && !origin.any)) {
        fprintf(stderr, "usage: origin COUNT [any] (1 to %d ports)\n",
                PORTS_MAX);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    origin.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    origin.block = calloc(1, BLOCK_BYTES);
    origin.pattern = calloc(1, BLOCK_BYTES);
    if (origin.epoll_fd < 0 || origin.block == NULL || origin.pattern == NULL)
        die("start");
    for (int i = 0; i < ports; i++)
        printf("%s%u", i == 0 ? "" : ",", open_port(&origin));
    printf("\n");
    fflush(stdout);
    serve(&origin);
}
