#include "tests/unit/connect_bed.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

union addr
connect_bed_addr(const char *text, uint16_t port)
{
    union addr addr;

    cr_assert(addr_parse(&addr, text, strlen(text), port));
    return addr;
}

static bool
is_free(const char *text, uint16_t port)
{
    union addr addr = connect_bed_addr(text, port);
    int fd = socket(addr.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = bind(fd, &addr.sa, addr_len(&addr)) == 0 || errno != EADDRINUSE;

    close(fd);
    return ok;
}

/* Not one of the ports that the kernel gives out: those that run beside this
 * test would get it on one address while it is taken on another. */
uint16_t
connect_bed_free_port(void)
{
    static unsigned next;
    uint16_t port;

    do {
        unsigned step = (unsigned)getpid() * 37 + next++;

        port = (uint16_t)(10000 + step % 20000);
    } while (!is_free("127.0.0.1", port) || !is_free("127.0.0.2", port) ||
             !is_free("::1", port));
    return port;
}

int
connect_bed_listen(const char *text, uint16_t *port, int backlog)
{
    union addr addr =
        connect_bed_addr(text, *port ? *port : connect_bed_free_port());
    int fd = socket(addr.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    cr_assert_eq(bind(fd, &addr.sa, addr_len(&addr)), 0, "%s:%u", text, *port);
    cr_assert_eq(listen(fd, backlog), 0);
    *port = addr_port(&addr);
    return fd;
}

struct hole
hole_open(const char *text, uint16_t *port)
{
    struct hole hole = {.listener = connect_bed_listen(text, port, 0)};
    union addr addr = connect_bed_addr(text, *port);

    for (int i = 0; i < FILLERS; i++) {
        hole.fillers[i] =
            socket(addr.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(hole.fillers[i], &addr.sa, addr_len(&addr));
    }
    return hole;
}

void
hole_close(struct hole *hole)
{
    for (int i = 0; i < FILLERS; i++)
        close(hole->fillers[i]);
    close(hole->listener);
}

unsigned
connect_bed_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned count = 0;

    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static bool
permit(void *arg, const union addr *addr)
{
    struct ask *ask = arg;
    char text[ADDR_TEXT_MAX];

    ask->permits++;
    return !ask->denied || (strcmp(ask->denied, "*") != 0 &&
                            strcmp(addr_format_host(addr, text), ask->denied));
}

void
ask_done(void *arg, enum err err, int fd, const union addr *remote)
{
    struct ask *ask = arg;

    ask->done++;
    ask->err = err;
    ask->fd = fd;
    ask->remote = *remote;
    ask->seconds = net_bed_now() - ask->started;
    ask->connect = NULL;
    net_bed_done(ask->bed);
}

void
ask_init(struct ask *ask, struct net_bed *bed)
{
    memset(ask, 0, sizeof(*ask));
    ask->bed = bed;
    ask->connector.worker = bed->worker;
    ask->connector.resolver = bed->resolver;
}

void
ask_start(struct ask *ask, const struct target *target)
{
    struct connect_request request = {
        .target = target, .permit = permit, .done = ask_done, .arg = ask};

    ask->done = 0;
    ask->permits = 0;
    ask->fd = -1;
    ask->err = ERR_COUNT_;
    ask->started = net_bed_now();
    cr_assert_eq(connect_start(&ask->connector, &request, &ask->connect),
                 ERR_OK);
    cr_assert_eq(ask->done, 0u);
}

void
ask_start_host(struct ask *ask, const char *host, uint16_t port)
{
    struct target target;

    cr_assert_eq(target_set_host(&target, host, strlen(host), port), ERR_OK);
    ask_start(ask, &target);
}

void
ask_host(struct ask *ask, const char *host, uint16_t port)
{
    ask_start_host(ask, host, port);
    net_bed_wait(ask->bed, 1);
    cr_assert_eq(ask->done, 1u);
}

void
ask_check_connected(struct ask *ask, const char *host, uint16_t port)
{
    char text[ADDR_TEXT_MAX];
    union addr peer;
    socklen_t len = sizeof(peer);

    cr_assert_eq(ask->err, ERR_OK, "%s", err_word(ask->err));
    cr_assert_eq(getpeername(ask->fd, &peer.sa, &len), 0);
    cr_assert_str_eq(addr_format_host(&peer, text), host);
    cr_assert(addr_same_host(&peer, &ask->remote));
    cr_assert_eq(addr_port(&peer), port);
    cr_assert_eq(addr_port(&ask->remote), port);
    close(ask->fd);
}

void
ask_check_failed(const struct ask *ask, enum err err)
{
    cr_assert_eq(ask->err, err, "%s", err_word(ask->err));
    cr_assert_eq(ask->fd, -1);
}

void
ask_check_seconds(const struct ask *ask, double least, double most)
{
    cr_assert_geq(ask->seconds, least, "after %f s", ask->seconds);
    cr_assert_leq(ask->seconds, most, "after %f s", ask->seconds);
}
