#include "tests/unit/session_bed.h"

#include <criterion/criterion.h>
#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "auth/users.h"
#include "tests/unit/loop_help.h"
#include "transport/stream_tcp.h"

void
session_bed_init(struct session_bed *bed)
{
    const struct log_options quiet = {.level = LOG_QUIET};

    signal(SIGPIPE, SIG_IGN);
    memset(bed, 0, sizeof(*bed));
    bed->descriptors = sockets_open_count();
    cr_assert_eq(log_open(&quiet), ERR_OK);
    bed->settings = settings_create();
    cr_assert(bed->settings);
    bed->settings->workers = 1;
    bed->listening = sockets_listen(&bed->target, 5);
    bed->gone = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
    bed->socks = (struct forward){.kind = FORWARD_SOCKS, .text = "-D test"};
    bed->fixed = (struct forward){.kind = FORWARD_FIXED, .text = "-L test"};
    target_set_addr(&bed->fixed.target, &bed->target);
}

void
session_bed_need_password(struct session_bed *bed)
{
    char line[200];
    char message[200];
    struct users *users;

    snprintf(line, sizeof(line), "fred:%s\n",
             crypt("secret", "$5$rounds=200000$culvert$"));
    cr_assert_eq(users_parse(line, strlen(line), "users", &users, message,
                             sizeof(message)),
                 ERR_OK, "%s", message);
    cr_assert_eq(verifier_create(users, &bed->shared.verifier), ERR_OK);
    users_unref(users);
}

static void
on_gone(struct engine *engine)
{
    const struct session_bed *bed = engine->owner;

    cr_assert_eq(eventfd_write(bed->gone, 1), 0);
}

void
session_bed_start(struct session_bed *bed, unsigned index)
{
    const char *why;

    bed->shared.settings = bed->settings;
    limits_init(&bed->shared.limits, bed->settings->max_sessions,
                bed->settings->max_per_source, 1000, 0);
    pipe_budget_init(&bed->shared.pipe_budget, 1000);
    bed->worker = worker_create(index);
    cr_assert(bed->worker);
    cr_assert_eq(engine_create(bed->worker, &bed->shared, &bed->engine, &why),
                 ERR_OK, "%s", why);
    bed->engine->on_gone = on_gone;
    bed->engine->owner = bed;
    cr_assert_eq(worker_start(bed->worker, NULL, NULL, NULL), ERR_OK);
}

struct ending {
    struct mail mail;
    struct session_bed *bed;
    struct counters *counters;
};

static void
on_ending(struct mail *mail)
{
    struct ending *ending = (struct ending *)mail;

    engine_end_sessions(ending->bed->engine);
    *ending->counters = ending->bed->engine->counters;
    worker_stop(ending->bed->worker);
}

void
session_bed_stop(struct session_bed *bed, struct counters *counters)
{
    struct counters unused;
    struct ending ending = {
        {.run = on_ending}, bed, counters ? counters : &unused};

    worker_post(bed->worker, &ending.mail);
    worker_join(bed->worker);
    cr_assert_eq(bed->engine->session_count, 0);
    cr_assert_eq(atomic_load(&bed->shared.limits.open), 0);
    engine_destroy(bed->engine);
    verifier_destroy(bed->shared.verifier);
    worker_destroy(bed->worker);
    limits_destroy(&bed->shared.limits);
}

void
session_bed_end(struct session_bed *bed)
{
    session_bed_unplug(bed);
    close(bed->listening);
    close(bed->gone);
    settings_destroy(bed->settings);
    cr_assert_eq(sockets_open_count(), bed->descriptors);
}

struct arrival {
    struct mail mail;
    struct session_bed *bed;
    const struct forward *forward;
    union addr peer;
    int fd;
};

static void
on_arrival(struct mail *mail)
{
    struct arrival *arrival = (struct arrival *)mail;
    struct session_bed *bed = arrival->bed;

    struct stream *stream = stream_tcp_create(bed->worker, arrival->fd);

    if (bed->wrap)
        stream = bed->wrap(stream);
    session_start(bed->engine, arrival->forward, stream, &arrival->peer);
    free(arrival);
}

int
session_bed_client(struct session_bed *bed, const struct forward *forward)
{
    struct arrival *arrival = calloc(1, sizeof(*arrival));
    socklen_t len = sizeof(arrival->peer);
    union addr addr;
    int listening = sockets_listen(&addr, 1);
    int client = sockets_connect(&addr);

    arrival->mail.run = on_arrival;
    arrival->bed = bed;
    arrival->forward = forward;
    arrival->fd = accept4(listening, &arrival->peer.sa, &len,
                          SOCK_NONBLOCK | SOCK_CLOEXEC);
    cr_assert_geq(arrival->fd, 0);
    close(listening);
    worker_post(bed->worker, &arrival->mail);
    return client;
}

int
session_bed_accept(struct session_bed *bed)
{
    int fd = accept4(bed->listening, NULL, NULL, SOCK_CLOEXEC);

    cr_assert_geq(fd, 0);
    sockets_be_patient(fd);
    return fd;
}

/* A full queue drops SYNs, so whoever connects waits for the next of them. */
void
session_bed_plug(struct session_bed *bed)
{
    cr_assert_eq(listen(bed->listening, 0), 0);
    for (int stuck = 0; stuck < 2;) {
        struct pollfd wait = {.events = POLLOUT};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        cr_assert_lt(bed->plug_count, 16);
        connect(fd, &bed->target.sa, addr_len(&bed->target));
        wait.fd = fd;
        stuck += poll(&wait, 1, 50) == 0;
        bed->plugs[bed->plug_count++] = fd;
    }
}

void
session_bed_unplug(struct session_bed *bed)
{
    while (bed->plug_count > 0)
        close(bed->plugs[--bed->plug_count]);
    listen(bed->listening, 50);
}

void
session_bed_await_gone(struct session_bed *bed, unsigned count)
{
    while (count-- > 0) {
        struct pollfd wait = {.fd = bed->gone, .events = POLLIN};
        eventfd_t one;

        cr_assert_eq(poll(&wait, 1, (int)LOOP_PATIENCE_SECONDS * 1000), 1);
        eventfd_read(bed->gone, &one);
    }
}

size_t
session_bed_request(char out[64], const union addr *addr)
{
    memcpy(out, "\x05\x01\x00\x05\x01\x00\x01", 7);
    memcpy(out + 7, &addr->v4.sin_addr, 4);
    memcpy(out + 11, &addr->v4.sin_port, 2);
    return 13;
}

int
session_bed_connect(struct session_bed *bed, int *target)
{
    int client = session_bed_client(bed, &bed->socks);
    char bytes[64];

    sockets_write(client, bytes, session_bed_request(bytes, &bed->target));
    *target = session_bed_accept(bed);
    sockets_read(client, bytes, 12);
    cr_assert_arr_eq(bytes, "\x05\x00\x05\x00\x00\x01\x7f\x00\x00\x01", 10);
    return client;
}

bool
session_bed_has_news(int fd, int ms)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};

    return poll(&wait, 1, ms) == 1;
}

void
session_bed_assert_rest(int fd, const char *expected, size_t len)
{
    char bytes[4096];
    bool reset;
    size_t got = sockets_read_end(fd, bytes, sizeof(bytes), &reset);

    cr_assert_not(reset);
    cr_assert_eq(got, len);
    cr_assert_arr_eq(bytes, expected, len);
}

void
session_bed_assert_reset(int fd)
{
    char bytes[100];
    bool reset;

    sockets_read_end(fd, bytes, sizeof(bytes), &reset);
    cr_assert(reset);
}

union addr
session_bed_closed_port(void)
{
    union addr addr;

    close(sockets_listen(&addr, 1));
    return addr;
}

void
session_bed_ask(int client, const union addr *addr)
{
    char bytes[64];

    sockets_write(client, bytes, session_bed_request(bytes, addr));
}

void
session_bed_finish(struct session_bed *bed, enum err expected, unsigned count)
{
    struct counters counters;

    session_bed_stop(bed, &counters);
    cr_assert_eq(counters.ended[expected], count);
    session_bed_end(bed);
}
