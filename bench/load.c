/* The load generator of the benchmarks for streams that last: bulk, round
 * trips, and both. See generator.h for how it is driven. */
#include "bench/generator.h"

#include <fcntl.h>

enum {
    PING_BYTES = 64,
    LEAD_US = 500 * 1000 /* of what comes first, beside each other */
};

/* --- lanes -----------------------------------------------------------------
 */

/* A stream of a measurement with a fixed number of them. */
struct lane {
    int fd;
    bool up;
    bool pings;
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

/* The bytes that have arrived so far: at us, or those that the origin has
 * acknowledged. */
static uint64_t
arrived(const struct lane *lane, unsigned count, bool up)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < count; i++)
        if (lane[i].up == up && !lane[i].pings)
            sum += lane[i].moved;
    return up ? sum << 20 : sum;
}

/* Downloads on `down` streams and uploads on `up` streams at once. */
static void
run_bulk(struct load *load, const char *name, unsigned down, unsigned up)
{
    struct epoll_event events[EVENTS_MAX];
    struct lane *lane = open_lanes(load, down + up);
    uint64_t start, end, took, acked, bytes, ramp_us = 0, ramp_bytes = 0;

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
        if (ramp_us == 0 && now_us() - start >= load->ramp_secs * 1e6) {
            ramp_us = now_us() - start;
            ramp_bytes = arrived(lane, down + up, false) +
                         arrived(lane, down + up, true);
        }
    }
    took = now_us() - start;
    acked = arrived(lane, down + up, true);
    bytes = arrived(lane, down + up, false) + acked;
    close_lanes(lane, down + up);
    printf("{\"mode\": \"%s\", \"streams\": %u, \"secs\": %.3f, "
           "\"bytes\": %llu, \"up_bytes\": %llu, \"gbit_s\": %.4f, "
           "\"ramp_gbit_s\": %.4f, \"rest_gbit_s\": %.4f, "
           "\"failed\": %u}\n",
           name, load->streams, (double)took / 1e6, (unsigned long long)bytes,
           (unsigned long long)acked, (double)bytes * 8e-3 / (double)took,
           (double)ramp_bytes * 8e-3 / (double)(ramp_us + 1),
           (double)(bytes - ramp_bytes) * 8e-3 / (double)(took - ramp_us + 1),
           load->failed);
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

/* Starts a lane that pings. */
static void
lane_ping(struct load *load, struct lane *lane)
{
    lane->pings = true;
    lane_start(load, lane, 'p', EPOLLIN);
    if (lane->fd >= 0)
        ping(load, lane);
}

/* Moves bulk, and pings, until the time is up. */
static void
carry_on(struct load *load, uint64_t end_us)
{
    struct epoll_event events[EVENTS_MAX];

    while (now_us() < end_us) {
        int count = wait_events(load, events, end_us);

        for (int i = 0; i < count; i++) {
            struct lane *lane = events[i].data.ptr;

            if (!lane->pings)
                lane_move(load, lane, events[i].events);
            else if (take_echo(load, lane))
                ping(load, lane);
        }
    }
}

/* A ping that is still under way counts if it is the slowest by now: one that
 * stands would not be seen else. */
static void
count_waiting(struct load *load, const struct lane *lane, unsigned count)
{
    uint64_t now = now_us(), longest = 0;

    for (unsigned i = 0; i < count; i++)
        if (lane[i].pings && lane[i].fd >= 0 && now - lane[i].sent_us > longest)
            longest = now - lane[i].sent_us;
    for (size_t i = 0; i < load->samples; i++)
        if (load->sample[i] > longest)
            return;
    sample_add(load, longest);
}

static void
run_rtt(struct load *load)
{
    struct lane *lane = open_lanes(load, load->streams);
    uint64_t start, took;

    ready(load);
    start = now_us();
    for (unsigned i = 0; i < load->streams; i++)
        lane_ping(load, &lane[i]);
    carry_on(load, start + (uint64_t)(load->secs * 1e6));
    took = now_us() - start;
    count_waiting(load, lane, load->streams);
    close_lanes(lane, load->streams);
    printf("{\"mode\": \"rtt\", \"streams\": %u, \"secs\": %.3f, ",
           load->streams, (double)took / 1e6);
    print_samples(load);
    printf("\"done\": %zu, \"per_s\": %.1f, \"failed\": %u}\n", load->samples,
           (double)load->samples * 1e6 / (double)took, load->failed);
}

/* Opens and starts a stream of those beside each other. */
static void
start_beside(struct load *load, struct lane *lane, bool pings, bool up)
{
    uint16_t port = load->proxy_port;

    if (pings && load->ping_port != 0)
        load->proxy_port = load->ping_port;
    lane->fd = open_stream(load);
    load->proxy_port = port;
    load->failed += lane->fd < 0;
    lane->up = up;
    if (pings)
        lane_ping(load, lane);
    else
        lane_start(load, lane, up ? 'u' : 'd',
                   up ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* One stream that pings beside bulk on others. What comes first, by
 * load->ping_first, is alone for LEAD_US, which do not count but in `bytes`,
 * all that the bulk has moved. */
static void
run_beside(struct load *load, const char *name, bool up)
{
    unsigned bulk = load->streams;
    struct lane *lane = calloc(bulk + 1, sizeof(*lane));
    uint64_t start, before, bytes;

    if (lane == NULL)
        die("calloc");
    ready(load);
    for (unsigned turn = 0; turn < 2; turn++) {
        bool ping_now = (turn == 0) == load->ping_first;

        for (unsigned i = ping_now ? bulk : 0; i < bulk + ping_now; i++)
            start_beside(load, &lane[i], i == bulk, up);
        if (turn == 0)
            carry_on(load, now_us() + LEAD_US);
    }
    load->samples = 0;
    before = arrived(lane, bulk + 1, up);
    start = now_us();
    carry_on(load, start + (uint64_t)(load->secs * 1e6));
    bytes = arrived(lane, bulk + 1, up);
    count_waiting(load, lane, bulk + 1);
    printf("{\"mode\": \"%s\", \"bytes\": %llu, \"gbit_s\": %.4f, ", name,
           (unsigned long long)bytes,
           (double)(bytes - before) * 8e-3 / (double)(now_us() - start));
    close_lanes(lane, bulk + 1);
    print_samples(load);
    printf("\"done\": %zu, \"failed\": %u}\n", load->samples, load->failed);
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
    else if (strcmp(mode, "beside-down") == 0)
        run_beside(load, mode, false);
    else if (strcmp(mode, "beside-up") == 0)
        run_beside(load, mode, true);
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
                               "down|up|both|rtt|beside-down|beside-up");
}
