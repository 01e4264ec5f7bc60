/* Each worker watches a listening socket through an epoll instance of its own
 * in between, as libev cannot ask for EPOLLEXCLUSIVE itself. */
#include "transport/net/listen.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Clients taken in one turn: enough to fetch a burst without a wake for each,
 * few enough that those already here don't wait. */
#define ACCEPTS_PER_TURN 16

/* The kernel caps it at net.core.somaxconn; a short queue loses SYNs, which
 * cost their clients a second. */
#define BACKLOG 65535

/* How long to wait when descriptors or memory ran out. */
#define RETRY_SECONDS 0.1

/* Options that a socket passes on to those accepted from it, which saves a
 * system call for each: no waiting for more to send, and an end for peers
 * that vanished. */
static void
set_inherited(int fd)
{
    int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

enum err
listen_open_tcp(union addr *addr, int *fd)
{
    int on = 1;
    socklen_t len = sizeof(*addr);
    enum err err;
    int sock = socket(addr->sa.sa_family,
                      SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (sock < 0)
        return err_from_errno(errno);
    set_inherited(sock);
    setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (addr->sa.sa_family == AF_INET6)
        setsockopt(sock, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    if (bind(sock, &addr->sa, addr_len(addr)) < 0 ||
        listen(sock, BACKLOG) < 0 || getsockname(sock, &addr->sa, &len) < 0) {
        err = err_from_errno(errno);
        close(sock);
        return err;
    }
    *fd = sock;
    return ERR_OK;
}

enum err
listen_open_unix(const char *path, mode_t mask, bool unlink_first, int *fd)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    struct stat st;
    mode_t old;
    enum err err = ERR_OK;
    int sock;

    if (strlen(path) >= sizeof(addr.sun_path))
        return ERR_MALFORMED;
    strcpy(addr.sun_path, path);
    sock = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (sock < 0)
        return err_from_errno(errno);
    if (unlink_first && lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
        unlink(path);
    old = umask(mask);
    if (bind(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0)
        err = err_from_errno(errno);
    umask(old);
    if (!err && listen(sock, BACKLOG) < 0) {
        err = err_from_errno(errno);
        unlink(path);
    }
    if (err) {
        close(sock);
        return err;
    }
    *fd = sock;
    return ERR_OK;
}

static void
pause_acceptor(struct acceptor *acceptor, const char *why)
{
    struct ev_loop *loop = worker_loop(acceptor->worker_);

    if (acceptor->on_short)
        acceptor->on_short(acceptor, why);

    acceptor->paused_ = true;
    ev_io_stop(loop, &acceptor->io_);
    ev_timer_set(&acceptor->retry_, RETRY_SECONDS, 0.);
    ev_timer_start(loop, &acceptor->retry_);
}

/* What accept can fail with because of the one client, which is gone then
 * (accept(2), "Error handling"). */
static bool
is_passing(int errnum)
{
    return errnum == ECONNABORTED || errnum == EINTR || errnum == ENETDOWN ||
           errnum == EPROTO || errnum == ENOPROTOOPT || errnum == EHOSTDOWN ||
           errnum == ENONET || errnum == EHOSTUNREACH || errnum == EOPNOTSUPP ||
           errnum == ENETUNREACH || errnum == EPERM;
}

static void
on_failure(struct acceptor *acceptor, int errnum)
{
    pause_acceptor(acceptor, strerror(errnum));
}

/* Takes one client. Returns false when there is none to take now. */
static bool
accept_one(struct acceptor *acceptor)
{
    union addr peer = {.sa.sa_family = AF_UNSPEC};
    socklen_t len = sizeof(peer);
    int fd = accept4(acceptor->listen_fd_, &peer.sa, &len,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0) {
        if (errno == EAGAIN)
            return false;
        if (is_passing(errno))
            return true;
        on_failure(acceptor, errno);
        return false;
    }
    if (peer.sa.sa_family == AF_UNIX)
        peer.sa.sa_family = AF_UNSPEC;
    acceptor->on_client(acceptor, fd, &peer);
    return true;
}

static void
on_queue(struct ev_loop *loop, ev_io *io, int events)
{
    struct acceptor *acceptor = io->data;

    (void)loop;
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN && !acceptor->paused_; i++) {
        if (acceptor->has_room && !acceptor->has_room(acceptor)) {
            pause_acceptor(acceptor, "as many sessions as descriptors "
                                     "(ulimit -n) suffice for");
            return;
        }
        if (!accept_one(acceptor))
            return;
    }
}

static void
on_retry(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    acceptor_resume(timer->data);
}

enum err
acceptor_start(struct acceptor *acceptor, struct worker *worker, int listen_fd)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE};
    int inner = epoll_create1(EPOLL_CLOEXEC);

    if (inner < 0)
        return ERR_NO_DESCRIPTORS;
    if (epoll_ctl(inner, EPOLL_CTL_ADD, listen_fd, &event) < 0) {
        close(inner);
        return ERR_NO_DESCRIPTORS;
    }
    acceptor->worker_ = worker;
    acceptor->listen_fd_ = listen_fd;
    acceptor->paused_ = false;
    ev_io_init(&acceptor->io_, on_queue, inner, EV_READ);
    ev_timer_init(&acceptor->retry_, on_retry, 0., 0.);
    acceptor->io_.data = acceptor->retry_.data = acceptor;
    ev_io_start(worker_loop(worker), &acceptor->io_);
    return ERR_OK;
}

void
acceptor_resume(struct acceptor *acceptor)
{
    struct ev_loop *loop;

    if (!acceptor->worker_ || !acceptor->paused_)
        return;
    loop = worker_loop(acceptor->worker_);
    acceptor->paused_ = false;
    ev_timer_stop(loop, &acceptor->retry_);
    ev_io_start(loop, &acceptor->io_);
}

void
acceptor_stop(struct acceptor *acceptor)
{
    struct ev_loop *loop;

    if (!acceptor->worker_)
        return;
    loop = worker_loop(acceptor->worker_);
    /* Paused or not: who is in the queue is connected already. */
    while (accept_one(acceptor))
        continue;
    ev_timer_stop(loop, &acceptor->retry_);
    ev_io_stop(loop, &acceptor->io_);
    close(acceptor->io_.fd);
    acceptor->worker_ = NULL;
}
