/* The load generator of the benchmarks for short connections: TCP connect,
 * greeting, CONNECT, one byte out, two bytes back, close; so many of them at a
 * time. See generator.h for how it is driven.
 *
 * Few system calls: a socket is watched once, edge-triggered. */
#include "bench/generator.h"

enum {
    DRAIN_MAX_S = 8,    /* for what is under way when the time is up */
    FAILURES_MAX = 1000 /* then it gives up */
};

enum step { STEP_IDLE, STEP_CONNECT, STEP_METHOD, STEP_REPLY, STEP_ANSWER };

/* One connection at a time of those that are under way. */
struct slot {
    int fd;
    enum step step;
    unsigned number;
    uint64_t started_us;
    size_t have;
    uint8_t in[REPLY_MAX];
};

static void
slot_start(struct load *load, struct slot *slot)
{
    struct sockaddr_in addr;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET,
                                .data.ptr = slot};

    slot->number = load->opened++;
    slot->started_us = now_us();
    slot->step = STEP_CONNECT;
    addr = next_peer(load, slot->number);
    slot->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (slot->fd < 0)
        die("socket");
    if (connect(slot->fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 &&
        errno != EINPROGRESS)
        die("connect");
    if (epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, slot->fd, &event) != 0)
        die("epoll_ctl");
}

/* Sends what a step begins with, and takes that step. */
static bool
slot_send(struct slot *slot, enum step step, const void *out, size_t len)
{
    slot->step = step;
    slot->have = 0;
    return send_all(slot->fd, out, len);
}

/* Acts on what is in. Returns 1 when the connection is done, -1 when it has
 * failed, 0 while it goes on. */
static int
slot_act(struct load *load, struct slot *slot)
{
    uint8_t request[REPLY_MAX];

    switch (slot->step) {
    case STEP_CONNECT:
        if (load->via == VIA_SOCKS5)
            return slot_send(slot, STEP_METHOD, greeting, sizeof(greeting)) - 1;
        return slot_send(slot, STEP_ANSWER, "c", 1) - 1;
    case STEP_METHOD:
        if (slot->have < 2)
            return 0;
        if (slot->in[1] != 0)
            return -1;
        return slot_send(slot, STEP_REPLY, request,
                         put_request(load, slot->number, request)) -
               1;
    case STEP_REPLY:
        if (slot->have < reply_len(slot->in, slot->have))
            return 0;
        return slot->in[1] != 0 ? -1 : slot_send(slot, STEP_ANSWER, "c", 1) - 1;
    case STEP_ANSWER:
        return slot->have >= 2;
    case STEP_IDLE:
        break;
    }
    return 0;
}

/* An event on a slot. Returns as slot_act() does. */
static int
slot_event(struct load *load, struct slot *slot, uint32_t events)
{
    ssize_t n;

    if (slot->step == STEP_CONNECT) {
        if ((events & (EPOLLERR | EPOLLHUP)) != 0)
            return -1;
        return (events & EPOLLOUT) != 0 ? slot_act(load, slot) : 0;
    }
    if ((events & ~(uint32_t)EPOLLOUT) == 0)
        return 0;
    n = recv(slot->fd, slot->in + slot->have, sizeof(slot->in) - slot->have, 0);
    if (n <= 0)
        return n < 0 && errno == EAGAIN ? 0 : -1;
    slot->have += (size_t)n;
    return slot_act(load, slot);
}

/* Ends a connection, and starts the next unless the time is up. Returns
 * whether one was started. */
static bool
slot_next(struct load *load, struct slot *slot, int result, uint64_t end_us)
{
    uint64_t now = now_us();

    close(slot->fd);
    slot->step = STEP_IDLE;
    if (result > 0)
        sample_add(load, now - slot->started_us);
    else
        load->failed++;
    if (now >= end_us || load->failed >= FAILURES_MAX)
        return false;
    slot_start(load, slot);
    return true;
}

static void
run_conn(struct load *load)
{
    struct epoll_event events[EVENTS_MAX];
    struct slot *slot = calloc(load->streams, sizeof(*slot));
    unsigned active = load->streams;
    uint64_t start, end, in_time = 0;

    if (slot == NULL)
        die("calloc");
    ready(load);
    start = now_us();
    end = start + (uint64_t)(load->secs * 1e6);
    for (unsigned i = 0; i < load->streams; i++)
        slot_start(load, &slot[i]);
    while (active > 0 && now_us() < end + DRAIN_MAX_S * 1000000) {
        int count = wait_events(load, events, end + DRAIN_MAX_S * 1000000);

        for (int i = 0; i < count; i++) {
            struct slot *of = events[i].data.ptr;
            int result = slot_event(load, of, events[i].events);

            if (result != 0 && !slot_next(load, of, result, end))
                active--;
        }
        in_time = now_us() < end ? load->samples : in_time;
    }
    for (unsigned i = 0; i < load->streams; i++)
        if (slot[i].step != STEP_IDLE)
            close(slot[i].fd);
    free(slot);
    printf("{\"mode\": \"conn\", \"streams\": %u, \"secs\": %.3f, ",
           load->streams, load->secs);
    print_samples(load);
    printf("\"done\": %zu, \"per_s\": %.1f, \"failed\": %u, \"stuck\": %u}\n",
           load->samples, (double)in_time / load->secs, load->failed, active);
}

int
main(int argc, char **argv)
{
    struct load load = {.streams = 64, .secs = 2};

    if (!read_options(&load, argc, argv) || optind != argc)
        return print_usage("storm -o PORTS [-x PORT | -r PORT] [options]");
    load_init(&load);
    run_conn(&load);
    load_release(&load);
    return 0;
}
