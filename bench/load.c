/* The load generator of the benchmarks for streams that last: bulk, round
 * trips, idle and stalled ones. See generator.h for how it is driven. */
#include "bench/generator.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/time.h>

enum {
    PING_BYTES = 64,
    OPEN_TIMEOUT_S = 5, /* of a blocking call while streams are opened */
    OPEN_MAX_S = 90     /* then no more idle streams are opened */
};

/* --- streams that are opened one after the other -------------------------- */

static bool
receive_all(int fd, void *in, size_t len)
{
    return recv(fd, in, len, MSG_WAITALL) == (ssize_t)len;
}

static bool
shake_hands(const struct load *load, int fd, unsigned number)
{
    uint8_t bytes[REPLY_MAX];
    size_t len = put_request(load, number, bytes);
    uint8_t method[2];

    if (!send_all(fd, greeting, sizeof(greeting)) ||
        !receive_all(fd, method, 2) || method[1] != 0 ||
        !send_all(fd, bytes, len) || !receive_all(fd, bytes, 5) ||
        !receive_all(fd, bytes + 5, reply_len(bytes, 5) - 5))
        return false;
    return bytes[1] == 0;
}

/* Opens a stream to the origin, blocking. Returns its descriptor or -1. */
static int
open_stream(struct load *load)
{
    unsigned number = load->opened++;
    struct sockaddr_in addr = next_peer(load, number);
    struct timeval limit = {.tv_sec = OPEN_TIMEOUT_S};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int on = 1;

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 ||
        (load->via == VIA_SOCKS5 && !shake_hands(load, fd, number))) {
        close(fd);
        return -1;
    }
    return fd;
}

/* A stream of a measurement with a fixed number of them. */
struct lane {
    int fd;
    bool up;
    uint64_t moved;   /* bytes received; of an upload, MiB acknowledged */
    uint64_t sent_us; /* when the ping left */
    size_t have;      /* bytes of its echo */
};

/* Opens all streams and asks the origin for `want` on each, or on every
 * second one for `want_2`. What fails is counted. */
static struct lane *
open_lanes(struct load *load, unsigned count)
{
    struct lane *lane = calloc(count, sizeof(*lane));

    if (lane == NULL)
        die("calloc");
    for (unsigned i = 0; i < count; i++) {
        lane[i].fd = open_stream(load);
        load->failed += lane[i].fd < 0;
    }
    return lane;
}

/* Starts what `want` names on a lane. */
static void
lane_start(struct load *load, struct lane *lane, char want, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = lane};

    if (lane->fd < 0)
        return;
    if (!send_all(lane->fd, &want, 1))
        load->failed++;
    fcntl(lane->fd, F_SETFL, O_NONBLOCK);
    if (epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, lane->fd, &event) != 0)
        die("epoll_ctl");
}

static void
lane_fail(struct load *load, struct lane *lane)
{
    close(lane->fd);
    lane->fd = -1;
    load->failed++;
}

static void
close_lanes(struct lane *lane, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (lane[i].fd >= 0)
            close(lane[i].fd);
    free(lane);
}

/* --- bulk ----------------------------------------------------------------- */

static void
lane_move(struct load *load, struct lane *lane, uint32_t events)
{
    ssize_t n = 1;

    if (lane->up && (events & EPOLLOUT) != 0) {
        n = send(lane->fd, load->block, BLOCK_BYTES, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN) {
            lane_fail(load, lane);
            return;
        }
    }
    if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) == 0)
        return;
    n = recv(lane->fd, load->block, BLOCK_BYTES, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN))
        lane_fail(load, lane);
    else if (n > 0)
        lane->moved += (uint64_t)n;
}

/* Downloads on `down` streams and uploads on `up` streams at once. Bytes are
 * counted where they arrive: here, or by the origin that acknowledges them. */
static void
run_bulk(struct load *load, const char *name, unsigned down, unsigned up)
{
    struct epoll_event events[EVENTS_MAX];
    struct lane *lane = open_lanes(load, down + up);
    uint64_t start, end, took, received = 0, acked = 0;

    ready(load);
    start = now_us();
    end = start + (uint64_t)(load->secs * 1e6);
    for (unsigned i = 0; i < down + up; i++) {
        lane[i].up = i >= down;
        lane_start(load, &lane[i], lane[i].up ? 'u' : 'd',
                   lane[i].up ? EPOLLIN | EPOLLOUT : EPOLLIN);
    }
    while (now_us() < end) {
        int count = wait_events(load, events, end);

        for (int i = 0; i < count; i++)
            lane_move(load, events[i].data.ptr, events[i].events);
    }
    took = now_us() - start;
    for (unsigned i = 0; i < down + up; i++)
        *(lane[i].up ? &acked : &received) += lane[i].moved;
    close_lanes(lane, down + up);
    received += acked << 20;
    printf("{\"mode\": \"%s\", \"streams\": %u, \"secs\": %.3f, "
           "\"bytes\": %llu, \"up_bytes\": %llu, \"gbit_s\": %.4f, "
           "\"failed\": %u}\n",
           name, load->streams, (double)took / 1e6,
           (unsigned long long)received, (unsigned long long)(acked << 20),
           (double)received * 8e-3 / (double)took, load->failed);
}

/* --- round trips ---------------------------------------------------------- */

static void
ping(struct load *load, struct lane *lane)
{
    lane->sent_us = now_us();
    lane->have = 0;
    if (!send_all(lane->fd, load->block, PING_BYTES))
        lane_fail(load, lane);
}

/* Takes in an echo. Returns whether it is complete. */
static bool
take_echo(struct load *load, struct lane *lane)
{
    ssize_t n = recv(lane->fd, load->block, PING_BYTES - lane->have, 0);

    if (n <= 0) {
        if (n == 0 || errno != EAGAIN)
            lane_fail(load, lane);
        return false;
    }
    lane->have += (size_t)n;
    if (lane->have < PING_BYTES)
        return false;
    sample_add(load, now_us() - lane->sent_us);
    return true;
}

static void
run_rtt(struct load *load)
{
    struct epoll_event events[EVENTS_MAX];
    struct lane *lane = open_lanes(load, load->streams);
    uint64_t start, end;

    ready(load);
    start = now_us();
    end = start + (uint64_t)(load->secs * 1e6);
    for (unsigned i = 0; i < load->streams; i++) {
        lane_start(load, &lane[i], 'p', EPOLLIN);
        if (lane[i].fd >= 0)
            ping(load, &lane[i]);
    }
    while (now_us() < end) {
        int count = wait_events(load, events, end);

        for (int i = 0; i < count; i++) {
            struct lane *of = events[i].data.ptr;

            if (take_echo(load, of))
                ping(load, of);
        }
    }
    end = now_us();
    close_lanes(lane, load->streams);
    printf("{\"mode\": \"rtt\", \"streams\": %u, \"secs\": %.3f, ",
           load->streams, (double)(end - start) / 1e6);
    print_samples(load);
    printf("\"done\": %zu, \"per_s\": %.1f, \"failed\": %u}\n", load->samples,
           (double)load->samples * 1e6 / (double)(end - start), load->failed);
}

/* --- idle and stalled streams --------------------------------------------- */

/* Holds idle streams, each of which has carried a byte out and two back, and
 * at the end asks each whether it still lives. */
static void
run_idle(struct load *load)
{
    int *fd = calloc(load->streams, sizeof(*fd));
    uint64_t start = now_us(), took;
    unsigned up = 0, alive = 0;
    char back[2];

    if (fd == NULL)
        die("calloc");
    while (up < load->streams && load->failed < 3 &&
           now_us() - start < OPEN_MAX_S * 1000000) {
        fd[up] = open_stream(load);
        if (fd[up] >= 0 && send_all(fd[up], "c", 1) &&
            receive_all(fd[up], back, 2)) {
            up++;
            continue;
        }
        load->failed++;
        if (fd[up] >= 0)
            close(fd[up]);
    }
    took = now_us() - start;
    ready(load);
    for (unsigned i = 0; i < up; i++) {
        alive += send_all(fd[i], "c", 1) && receive_all(fd[i], back, 2);
        if (i + 1 - alive > 10) /* each of the dead costs a time-out */
            break;
    }
    for (unsigned i = 0; i < up; i++)
        close(fd[i]);
    free(fd);
    printf("{\"mode\": \"idle\", \"up\": %u, \"alive\": %u, "
           "\"open_secs\": %.3f, \"failed\": %u}\n",
           up, alive, (double)took / 1e6, load->failed);
}

/* Asks for the origin's file (64 MiB), reads a block of it and stops. Then,
 * told to go on, reads the rest. */
static void
run_stall(struct load *load)
{
    int fd = open_stream(load);
    uint64_t bytes = 0;
    ssize_t n = 0;

    if (fd >= 0 && send_all(fd, "f", 1))
        n = recv(fd, load->block, BLOCK_BYTES, 0);
    ready(load);
    while (n > 0) {
        bytes += (uint64_t)n;
        n = recv(fd, load->block, BLOCK_BYTES, 0);
    }
    if (fd >= 0)
        close(fd);
    printf("{\"mode\": \"stall\", \"bytes\": %llu, \"complete\": %s}\n",
           (unsigned long long)bytes, bytes == 64 << 20 ? "true" : "false");
}

/* --- the command ---------------------------------------------------------- */

static bool
run(struct load *load, const char *mode)
{
    if (strcmp(mode, "down") == 0)
        run_bulk(load, mode, load->streams, 0);
    else if (strcmp(mode, "up") == 0)
        run_bulk(load, mode, 0, load->streams);
    else if (strcmp(mode, "both") == 0)
        run_bulk(load, mode, load->streams, load->streams);
    else if (strcmp(mode, "rtt") == 0)
        run_rtt(load);
    else if (strcmp(mode, "idle") == 0)
        run_idle(load);
    else if (strcmp(mode, "stall") == 0)
        run_stall(load);
    else
        return false;
    return true;
}

int
main(int argc, char **argv)
{
    struct load load = {.streams = 1, .secs = 2};
    bool known = false;

    if (read_options(&load, argc, argv) && optind == argc - 1) {
        load_init(&load);
        known = run(&load, argv[optind]);
        load_release(&load);
    }
    return known ? 0
                 : print_usage("load -o PORTS [-x PORT | -r PORT] [options] "
                               "down|up|both|rtt|idle|stall");
}
