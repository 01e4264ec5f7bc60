#include "transport/stream_tcp.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct stream_tcp {
    struct stream stream;
    struct worker *worker;
    ev_io io;
    bool expects_halves;
    bool finished;
    struct task release;
};

static struct stream_tcp *
self_of(struct stream *stream)
{
    return (struct stream_tcp *)stream;
}

static void
on_io(struct ev_loop *loop, ev_io *io, int events)
{
    struct stream_tcp *self = io->data;
    unsigned ready = 0;

    (void)loop;
    if (events & EV_READ)
        ready |= STREAM_READABLE;
    if (events & EV_WRITE)
        ready |= STREAM_WRITABLE;
    if (ready)
        self->stream.on_ready(&self->stream, ready);
}

/* Of a Unix socket: the peer's half that has ended is all that it had. */
static bool
has_left(const struct stream_tcp *self)
{
    struct pollfd look = {.fd = self->io.fd};

    return poll(&look, 1, 0) == 1 && look.revents & POLLHUP;
}

static enum err
tcp_read(struct stream *stream, void *bytes, size_t size, size_t *got)
{
    struct stream_tcp *self = self_of(stream);
    ssize_t n = recv(self->io.fd, bytes, size, 0);

    if (n < 0)
        return err_from_errno(errno);
    if (n == 0 && self->expects_halves && !self->finished && has_left(self))
        return ERR_RESET;
    if (n == 0)
        return ERR_EOF;
    *got = (size_t)n;
    return ERR_OK;
}

static enum err
tcp_writev(struct stream *stream, const struct iovec *parts, int count,
           size_t *put)
{
    struct msghdr message = {.msg_iov = (struct iovec *)parts,
                             .msg_iovlen = (size_t)count};
    ssize_t n;

    if (count == 1)
        n = send(self_of(stream)->io.fd, parts->iov_base, parts->iov_len,
                 MSG_NOSIGNAL);
    else
        n = sendmsg(self_of(stream)->io.fd, &message, MSG_NOSIGNAL);
    if (n < 0)
        return err_from_errno(errno);
    *put = (size_t)n;
    return ERR_OK;
}

static enum err
tcp_finish(struct stream *stream)
{
    self_of(stream)->finished = true;
    if (shutdown(self_of(stream)->io.fd, SHUT_WR) < 0)
        return errno == ENOTCONN ? ERR_RESET : err_from_errno(errno);
    return ERR_OK;
}

static void
tcp_want(struct stream *stream, unsigned events)
{
    struct stream_tcp *self = self_of(stream);
    struct ev_loop *loop = worker_loop(self->worker);
    int wanted = 0;

    if (events & STREAM_READABLE)
        wanted |= EV_READ;
    if (events & STREAM_WRITABLE)
        wanted |= EV_WRITE;
    if (wanted == (self->io.events & (EV_READ | EV_WRITE)) &&
        ev_is_active(&self->io) == (wanted != 0))
        return;
    ev_io_stop(loop, &self->io);
    /* Not ev_io_set: that tells libev of a new descriptor, which costs an
     * epoll_ctl even where the events come out the same. */
    ev_io_modify(&self->io, wanted);
    if (wanted)
        ev_io_start(loop, &self->io);
}

static void
release(struct task *task)
{
    free((char *)task - offsetof(struct stream_tcp, release));
}

static void
tcp_close(struct stream *stream, enum stream_close how)
{
    struct stream_tcp *self = self_of(stream);

    worker_assert_here(self->worker);
    ev_io_stop(worker_loop(self->worker), &self->io);
    if (how == STREAM_ABORT) {
        /* Lingering for no time turns close() into a reset. */
        struct linger none = {.l_onoff = 1, .l_linger = 0};

        setsockopt(self->io.fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    }
    close(self->io.fd);
    worker_defer(self->worker, &self->release);
}

static int
tcp_splice_fd(struct stream *stream)
{
    return self_of(stream)->io.fd;
}

static const struct stream_ops tcp_ops = {
    .read = tcp_read,
    .writev = tcp_writev,
    .finish = tcp_finish,
    .want = tcp_want,
    .close = tcp_close,
    .splice_fd = tcp_splice_fd,
};

struct stream *
stream_tcp_create(struct worker *worker, int fd)
{
    struct stream_tcp *self = calloc(1, sizeof(*self));

    if (!self) {
        close(fd);
        return NULL;
    }
    self->stream.ops = &tcp_ops;
    self->worker = worker;
    self->release.run = release;
    ev_io_init(&self->io, on_io, fd, 0);
    self->io.data = self;
    return &self->stream;
}

void
stream_tcp_expect_halves(struct stream *stream)
{
    self_of(stream)->expects_halves = true;
}

/* The descriptor stays the same number: a duplicate would leave an entry in
 * the old loop that nobody could take out. */
bool
stream_tcp_leave(struct stream *stream)
{
    struct stream_tcp *self = self_of(stream);

    if (stream->ops != &tcp_ops)
        return false;
    worker_assert_here(self->worker);
    ev_io_stop(worker_loop(self->worker), &self->io);
    worker_forget_fd(self->worker, self->io.fd);
    self->worker = NULL;
    return true;
}

void
stream_tcp_join(struct stream *stream, struct worker *worker)
{
    struct stream_tcp *self = self_of(stream);

    worker_assert_here(worker);
    self->worker = worker;
    ev_io_set(&self->io, self->io.fd, 0);
}
