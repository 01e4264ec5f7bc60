/* Bare relays without SOCKS: the floors that the proxies are held against.
 *
 *   relay splice PORT[,PORT...]   splice(2) through 1 MiB pipes that are made
 *                                 at accept: the floor for bulk
 *   relay copy PORT[,PORT...]     64 KiB recv and send: the floor for
 *                                 connections
 *
 * Listens on a port of 127.0.0.1, prints it, and relays each client to the
 * next of the target ports on 127.0.0.1. One thread, one epoll, edge-triggered
 * so that nothing is paid for changing interest; a direction that has used up
 * its turn waits in a list. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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

enum {
    COPY_BYTES = 64 * 1024,
    PIPE_BYTES = 1 << 20,
    TURN_BYTES = 4 << 20, /* then the other pairs have their turn */
    BACKLOG = 16384,      /* cut to net.core.somaxconn by the kernel */
    TARGETS_MAX = 64,
    EVENTS_MAX = 256,
    ACCEPTS_MAX = 64
};

/* One direction: bytes from `from` that wait for `to`. */
struct flow {
    int from;
    int to;
    int pipe[2];     /* splice: what waits is in here */
    char *kept;      /* copy: what waits; NULL while nothing does */
    size_t kept_off; /* copy: what of it has gone */
    size_t waiting;  /* bytes that wait */
    bool ended;      /* `from` is at its end */
    bool finished;   /* and `to` has been told */
};

struct pair {
    struct flow flow[2];
    struct pair *next; /* in the list of those to be pumped again */
    bool listed;
    bool dead;
};

struct relay {
    bool splices;
    int epoll_fd;
    int listen_fd;
    uint16_t target[TARGETS_MAX];
    unsigned targets;
    unsigned next_target;
    struct pair *again;
    char *block;
};

/* How a pump ended. */
enum pumped { PUMP_WAITS, PUMP_AGAIN, PUMP_FAILED };

static void
die(const char *what)
{
    perror(what);
    exit(1);
}

/* Moves what there is of one flow by splice(2), at most a turn's worth. The
 * pipe is filled only when it is empty: then EAGAIN means that the source has
 * nothing, not that the pipe is full. */
static enum pumped
pump_splice(struct flow *flow)
{
    size_t budget = TURN_BYTES;
    unsigned flags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK;

    while (budget > 0) {
        ssize_t n;

        if (flow->waiting == 0) {
            if (flow->ended)
                return PUMP_WAITS;
            n = splice(flow->from, NULL, flow->pipe[1], NULL, PIPE_BYTES,
                       flags);
            if (n < 0)
                return errno == EAGAIN ? PUMP_WAITS : PUMP_FAILED;
            flow->ended = n == 0;
            flow->waiting = (size_t)n;
            continue;
        }
        n = splice(flow->pipe[0], NULL, flow->to, NULL, flow->waiting, flags);
        if (n < 0)
            return errno == EAGAIN ? PUMP_WAITS : PUMP_FAILED;
        flow->waiting -= (size_t)n;
        budget -= (size_t)n < budget ? (size_t)n : budget;
    }
    return PUMP_AGAIN;
}

/* Keeps what the sink did not take. False: no memory. */
static bool
keep(struct flow *flow, const char *bytes, size_t len)
{
    flow->kept = malloc(len);
    if (flow->kept == NULL)
        return false;
    memcpy(flow->kept, bytes, len);
    flow->kept_off = 0;
    flow->waiting = len;
    return true;
}

static enum pumped
send_kept(struct flow *flow)
{
    ssize_t n = send(flow->to, flow->kept + flow->kept_off, flow->waiting,
                     MSG_NOSIGNAL);

    if (n < 0)
        return errno == EAGAIN ? PUMP_WAITS : PUMP_FAILED;
    flow->kept_off += (size_t)n;
    flow->waiting -= (size_t)n;
    if (flow->waiting > 0)
        return PUMP_WAITS;
    free(flow->kept);
    flow->kept = NULL;
    return PUMP_AGAIN;
}

/* The same by recv and send, through a buffer that all share. */
static enum pumped
pump_copy(struct flow *flow, char *block)
{
    size_t budget = TURN_BYTES;

    while (budget > 0) {
        ssize_t got, sent;

        if (flow->waiting > 0) {
            enum pumped result = send_kept(flow);

            if (result != PUMP_AGAIN)
                return result;
        }
        if (flow->ended)
            return PUMP_WAITS;
        got = recv(flow->from, block, COPY_BYTES, 0);
        if (got < 0)
            return errno == EAGAIN ? PUMP_WAITS : PUMP_FAILED;
        flow->ended = got == 0;
        if (flow->ended)
            return PUMP_WAITS;
        sent = send(flow->to, block, (size_t)got, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            return PUMP_FAILED;
        sent = sent < 0 ? 0 : sent;
        if (sent < got && !keep(flow, block + sent, (size_t)(got - sent)))
            return PUMP_FAILED;
        budget -= (size_t)got < budget ? (size_t)got : budget;
    }
    return PUMP_AGAIN;
}

static void
pair_destroy(struct pair *pair)
{
    for (int i = 0; i < 2; i++) {
        struct flow *flow = &pair->flow[i];

        if (flow->from >= 0)
            close(flow->from);
        for (int j = 0; j < 2; j++)
            if (flow->pipe[j] >= 0)
                close(flow->pipe[j]);
        free(flow->kept);
    }
    free(pair);
}

/* Pumps both directions. Those that are to go on are listed; a pair that is
 * done is marked, and freed when no event of this turn can name it. */
static void
pair_pump(struct relay *relay, struct pair *pair)
{
    bool again = false;

    if (pair->dead)
        return;
    for (int i = 0; i < 2; i++) {
        struct flow *flow = &pair->flow[i];
        enum pumped result;

        if (flow->finished)
            continue;
        result =
            relay->splices ? pump_splice(flow) : pump_copy(flow, relay->block);
        if (result == PUMP_FAILED)
            pair->dead = true;
        again = again || result == PUMP_AGAIN;
        if (flow->ended && flow->waiting == 0) {
            shutdown(flow->to, SHUT_WR);
            flow->finished = true;
        }
    }
    if (pair->flow[0].finished && pair->flow[1].finished)
        pair->dead = true;
    if ((pair->dead || again) && !pair->listed) {
        pair->listed = true;
        pair->next = relay->again;
        relay->again = pair;
    }
}

/* Frees the dead of the list, and pumps those that had not finished. */
static void
run_again(struct relay *relay)
{
    struct pair *list = relay->again;

    relay->again = NULL;
    while (list != NULL) {
        struct pair *pair = list;

        list = pair->next;
        pair->listed = false;
        if (pair->dead)
            pair_destroy(pair);
        else
            pair_pump(relay, pair);
    }
}

static struct pair *
pair_create(int client_fd, int target_fd)
{
    struct pair *pair = calloc(1, sizeof(*pair));

    if (pair == NULL)
        die("calloc");
    for (int i = 0; i < 2; i++) {
        struct flow *flow = &pair->flow[i];

        flow->from = i == 0 ? client_fd : target_fd;
        flow->to = i == 0 ? target_fd : client_fd;
        flow->pipe[0] = flow->pipe[1] = -1;
    }
    return pair;
}

/* Gives a splicing pair its pipes; small ones where the user may have no
 * more. */
static bool
pair_open_pipes(struct pair *pair)
{
    for (int i = 0; i < 2; i++) {
        if (pipe2(pair->flow[i].pipe, O_NONBLOCK | O_CLOEXEC) != 0)
            return false;
        (void)fcntl(pair->flow[i].pipe[1], F_SETPIPE_SZ, PIPE_BYTES);
    }
    return true;
}

static int
connect_target(struct relay *relay)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    addr.sin_port = htons(relay->target[relay->next_target]);
    relay->next_target = (relay->next_target + 1) % relay->targets;
    if (fd < 0)
        return -1;
    if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 &&
        errno != EINPROGRESS) {
        close(fd);
        return -1;
    }
    return fd;
}

static void
accept_one(struct relay *relay, int client_fd)
{
    uint32_t events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    struct epoll_event event = {.events = events};
    int target_fd = connect_target(relay);
    int on = 1;
    struct pair *pair;

    if (target_fd < 0) {
        close(client_fd);
        return;
    }
    pair = pair_create(client_fd, target_fd);
    if (relay->splices && !pair_open_pipes(pair)) {
        pair_destroy(pair);
        return;
    }
    event.data.ptr = pair;
    setsockopt(client_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(target_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (epoll_ctl(relay->epoll_fd, EPOLL_CTL_ADD, client_fd, &event) != 0 ||
        epoll_ctl(relay->epoll_fd, EPOLL_CTL_ADD, target_fd, &event) != 0)
        die("epoll_ctl");
}

static void
accept_some(struct relay *relay)
{
    for (int n = 0; n < ACCEPTS_MAX; n++) {
        int fd =
            accept4(relay->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0)
            return;
        accept_one(relay, fd);
    }
}

static void
serve(struct relay *relay)
{
    struct epoll_event events[EVENTS_MAX];

    for (;;) {
        int timeout_ms = relay->again != NULL ? 0 : -1;
        int count = epoll_wait(relay->epoll_fd, events, EVENTS_MAX, timeout_ms);

        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == NULL)
                accept_some(relay);
            else
                pair_pump(relay, events[i].data.ptr);
        }
        run_again(relay);
    }
}

static uint16_t
open_listener(struct relay *relay)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    struct epoll_event event = {.events = EPOLLIN};
    socklen_t len = sizeof(addr);

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    relay->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    relay->listen_fd =
        socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (relay->epoll_fd < 0 || relay->listen_fd < 0 ||
        bind(relay->listen_fd, (struct sockaddr *)&addr, len) != 0 ||
        listen(relay->listen_fd, BACKLOG) != 0 ||
        getsockname(relay->listen_fd, (struct sockaddr *)&addr, &len) != 0 ||
        epoll_ctl(relay->epoll_fd, EPOLL_CTL_ADD, relay->listen_fd, &event) !=
            0)
        die("listen");
    return ntohs(addr.sin_port);
}

static bool
read_targets(struct relay *relay, char *list)
{
    for (char *word = strtok(list, ","); word != NULL;
         word = strtok(NULL, ",")) {
        if (relay->targets == TARGETS_MAX)
            return false;
        relay->target[relay->targets++] = (uint16_t)atoi(word);
    }
    return relay->targets > 0;
}

int
main(int argc, char **argv)
{
    struct relay relay = {0};
    struct rlimit limit;

    relay.splices = argc == 3 && strcmp(argv[1], "splice") == 0;
    if (argc != 3 || (!relay.splices && strcmp(argv[1], "copy") != 0) ||
        !read_targets(&relay, argv[2])) {
        fprintf(stderr, "usage: relay splice|copy PORT[,PORT...]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    relay.block = malloc(COPY_BYTES);
    if (relay.block == NULL)
        die("malloc");
    printf("%u\n", open_listener(&relay));
    fflush(stdout);
    serve(&relay);
}
