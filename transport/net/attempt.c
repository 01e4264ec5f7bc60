#include "transport/net/attempt.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

/* Ports below are never given out to those who ask for none, so that nobody
 * can meet himself there. */
#define EPHEMERAL_PORT_MIN 1024

static enum err
error_of_connect(int errnum)
{
    switch (errnum) {
    case EAGAIN: /* TCP: no source port or route entry left, not "later" */
    case ENODEV:
        return ERR_ADDR_NOT_AVAILABLE;
    case EINVAL: /* an address that nothing can be sent to, or a zone missing */
        return ERR_NET_UNREACHABLE;
    default:
        return err_from_errno(errnum);
    }
}

static int
prepare_socket(int fd, const struct connector *connector, int family)
{
    const union addr *bound =
        family == AF_INET ? &connector->bind_v4 : &connector->bind_v6;
    int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    if (connector->bind_device &&
        setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, connector->bind_device,
                   (socklen_t)strlen(connector->bind_device)) != 0)
        return -1;
    if (bound->sa.sa_family != family)
        return 0;
    /* The port is then picked by connect, for the pair of addresses: the same
     * one serves many targets. */
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    return bind(fd, &bound->sa, addr_len(bound));
}

/* A connect to a free ephemeral port of this machine can pick that very port
 * as its source: TCP's simultaneous open then connects the socket to itself
 * (RFC 9293 3.5). Nobody listened there: it is a refusal. */
static bool
is_self(struct attempt *attempt)
{
    socklen_t len = sizeof(attempt->local);

    return addr_port(&attempt->remote) >= EPHEMERAL_PORT_MIN &&
           getsockname(attempt->fd, &attempt->local.sa, &len) == 0 &&
           addr_port(&attempt->local) == addr_port(&attempt->remote) &&
           addr_same_host(&attempt->local, &attempt->remote);
}

static void
on_writable(struct ev_loop *loop, ev_io *io, int events)
{
    struct attempt *attempt = io->data;
    int errnum = 0;
    socklen_t len = sizeof(errnum);

    (void)loop;
    (void)events;
    ev_io_stop(attempt->loop, &attempt->io);
    if (getsockopt(attempt->fd, SOL_SOCKET, SO_ERROR, &errnum, &len) != 0)
        errnum = errno;
    if (errnum == 0 && is_self(attempt))
        errnum = ECONNREFUSED;
    if (errnum != 0)
        attempt_close(attempt);
    attempt->ended(attempt, errnum ? error_of_connect(errnum) : ERR_OK);
}

enum err
attempt_open(struct attempt *attempt, const struct connector *connector)
{
    const union addr *remote = &attempt->remote;
    int family = remote->sa.sa_family;
    int errnum;

    ev_io_init(&attempt->io, on_writable, -1, EV_WRITE);
    attempt->loop = worker_loop(connector->worker);
    attempt->local.sa.sa_family = AF_UNSPEC;
    attempt->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (attempt->fd < 0)
        return err_from_errno(errno);
    if (prepare_socket(attempt->fd, connector, family) != 0)
        goto fail;
    /* Asked at once again, a connect to this machine is done: its handshake
     * ran while the first call returned. That saves a turn of the loop and
     * two changes of epoll; to a far peer the answer is EALREADY. */
    if (connect(attempt->fd, &remote->sa, addr_len(remote)) != 0 &&
        (errno != EINPROGRESS ||
         connect(attempt->fd, &remote->sa, addr_len(remote)) != 0)) {
        if (errno != EALREADY && errno != EINPROGRESS)
            goto fail;
        ev_io_set(&attempt->io, attempt->fd, EV_WRITE);
        attempt->io.data = attempt;
        ev_io_start(attempt->loop, &attempt->io);
        return ERR_AGAIN;
    }
    if (!is_self(attempt))
        return ERR_OK;
    errno = ECONNREFUSED;
fail:
    errnum = errno;
    attempt_close(attempt);
    return error_of_connect(errnum);
}

int
attempt_give_fd(struct attempt *attempt)
{
    int fd = attempt->fd;

    attempt->fd = -1;
    return fd;
}

void
attempt_close(struct attempt *attempt)
{
    if (attempt->fd < 0)
        return;
    ev_io_stop(attempt->loop, &attempt->io);
    close(attempt->fd);
    attempt->fd = -1;
}

enum err
attempt_worse(enum err a, enum err b)
{
    static const enum err order[] = {
        ERR_REFUSED,       ERR_RESET,           ERR_HOST_UNREACHABLE,
        ERR_TIMED_OUT,     ERR_NO_DESCRIPTORS,  ERR_NO_MEMORY,
        ERR_NOT_PERMITTED, ERR_NET_UNREACHABLE, ERR_ADDR_NOT_AVAILABLE,
    };

    if (a == ERR_OK || b == ERR_OK)
        return a == ERR_OK ? b : a;
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        if (a == order[i] || b == order[i])
            return order[i];
    }
    return a == ERR_DENIED ? b : a;
}
