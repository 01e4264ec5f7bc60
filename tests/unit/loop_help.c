#include "tests/unit/loop_help.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* What met asks for may happen before the loop waits: it is not to sleep for
 * long over that. */
#define TICK_SECONDS 0.005

static void
on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    --*(unsigned *)timer->data;
}

static void
on_over(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    *(bool *)timer->data = true;
}

bool
loop_until(struct worker *worker, bool (*met)(void *arg), void *arg)
{
    struct ev_loop *loop = worker_loop(worker);
    unsigned ticks = (unsigned)(LOOP_PATIENCE_SECONDS / TICK_SECONDS);
    ev_timer timer;
    bool is_met;

    ev_now_update(loop);
    ev_timer_init(&timer, on_tick, TICK_SECONDS, TICK_SECONDS);
    timer.data = &ticks;
    ev_timer_start(loop, &timer);
    while (!(is_met = met(arg)) && ticks > 0)
        ev_run(loop, EVRUN_ONCE);
    ev_timer_stop(loop, &timer);
    return is_met;
}

static bool
is_set(void *arg)
{
    return *(const bool *)arg;
}

bool
loop_until_set(struct worker *worker, const bool *flag)
{
    return loop_until(worker, is_set, (void *)flag);
}

void
loop_turns(struct worker *worker, unsigned turns)
{
    while (turns-- > 0)
        ev_run(worker_loop(worker), EVRUN_NOWAIT);
}

unsigned
loop_for(struct worker *worker, double seconds)
{
    struct ev_loop *loop = worker_loop(worker);
    bool over = false;
    unsigned turns = 0;
    ev_timer timer;

    ev_now_update(loop);
    ev_timer_init(&timer, on_over, seconds, 0.);
    timer.data = &over;
    ev_timer_start(loop, &timer);
    while (!over) {
        ev_run(loop, EVRUN_ONCE);
        turns++;
    }
    return turns;
}

static void
set_nonblocking(int fd)
{
    cr_assert_eq(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK), 0);
}

int
sockets_listen(union addr *addr, int backlog)
{
    socklen_t len = sizeof(*addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert(addr_parse(addr, "127.0.0.1", 9, 0));
    cr_assert_geq(fd, 0);
    cr_assert_eq(bind(fd, &addr->sa, addr_len(addr)), 0);
    cr_assert_eq(listen(fd, backlog), 0);
    cr_assert_eq(getsockname(fd, &addr->sa, &len), 0);
    return fd;
}

void
sockets_be_patient(int fd)
{
    const struct timeval patience = {.tv_sec = (time_t)LOOP_PATIENCE_SECONDS};

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
}

int
sockets_connect(const union addr *addr)
{
    int fd = socket(addr->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_geq(fd, 0);
    sockets_be_patient(fd);
    cr_assert_eq(connect(fd, &addr->sa, addr_len(addr)), 0);
    return fd;
}

void
sockets_tcp(int fds[2])
{
    union addr addr;
    int listening = sockets_listen(&addr, 1);

    fds[0] = sockets_connect(&addr);
    fds[1] = accept(listening, NULL, NULL);
    cr_assert_geq(fds[1], 0);
    close(listening);
    set_nonblocking(fds[0]);
    set_nonblocking(fds[1]);
}

void
sockets_unix(int fds[2])
{
    cr_assert_eq(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
        0);
}

size_t
sockets_read_end(int fd, void *bytes, size_t size, bool *reset)
{
    size_t len = 0;
    ssize_t n;

    while ((n = recv(fd, (char *)bytes + len, size - len, 0)) > 0)
        len += (size_t)n;
    cr_assert(n == 0 || errno == ECONNRESET, "read: errno %d", errno);
    *reset = n < 0;
    return len;
}

void
sockets_read(int fd, void *bytes, size_t len)
{
    size_t at = 0;

    while (at < len) {
        ssize_t n = recv(fd, (char *)bytes + at, len - at, 0);

        cr_assert_gt(n, 0, "%zu of %zu bytes came, errno %d", at, len, errno);
        at += (size_t)n;
    }
}

void
sockets_write(int fd, const void *bytes, size_t len)
{
    size_t at = 0;

    while (at < len) {
        ssize_t n = send(fd, (const char *)bytes + at, len - at, MSG_NOSIGNAL);

        cr_assert_gt(n, 0, "%zu of %zu bytes went, errno %d", at, len, errno);
        at += (size_t)n;
    }
}

unsigned
sockets_open_count(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned count = 0;

    cr_assert(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count - 3; /* ".", "..", and the directory itself */
}

void
sockets_limit(unsigned more)
{
    struct rlimit limit;
    int fds[64];

    getrlimit(RLIMIT_NOFILE, &limit);
    cr_assert_lt(more, 64);
    /* Each takes the lowest number that is free: the last is the limit. */
    for (unsigned i = 0; i <= more; i++) {
        fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        cr_assert_geq(fds[i], 0);
    }
    limit.rlim_cur = (rlim_t)fds[more];
    for (unsigned i = 0; i <= more; i++)
        close(fds[i]);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

void
sockets_limit_no_more(void)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}
