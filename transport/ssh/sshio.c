#include "transport/ssh/sshio.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

/* Packets wait for each other in the queue until so much is together: then they
 * go to the socket at once, the last ones without having been copied. */
#define TOGETHER_BYTES (64u * 1024)

/* A queue that grew beyond this is freed once it is empty. */
#define KEEP_BYTES (64u * 1024)

/* What our own bounds let through is far below. */
#define QUEUE_MAX_BYTES (64u * 1024 * 1024)

struct sshio {
    int fd;
    bool listens;
    bool hurries;
    bool blocked; /* the socket took no more: the next flush tries again */
    bool discards;

    uint8_t *in; /* SSHIO_FILL_BYTES, from the first fill on */
    size_t in_at;
    size_t in_end;
    size_t portion; /* most that one recv gives; 0: no bound */

    uint8_t *out;
    size_t out_at;
    size_t out_end;
    size_t out_size;
    uint64_t sent;

    struct sshio *prev;
    struct sshio *next;
};

/* What is attached on this thread. libssh's calls of poll, recv and send bring
 * nothing but a descriptor, so there has to be a place where they are looked
 * up; as each session belongs to one thread, it needs no lock. */
static _Thread_local struct sshio *attached;

static struct sshio *
find(int fd)
{
    struct sshio *io = attached;

    while (io && io->fd != fd)
        io = io->next;
    return io;
}

enum err
sshio_attach(int fd, struct sshio **result)
{
    struct sshio *io = calloc(1, sizeof(*io));

    if (!io)
        return ERR_NO_MEMORY;
    io->fd = fd;
    DL_APPEND(attached, io);
    *result = io;
    return ERR_OK;
}

void
sshio_detach(struct sshio *io)
{
    if (!io)
        return;
    DL_DELETE(attached, io);
    free(io->in);
    free(io->out);
    free(io);
}

/* --- in ------------------------------------------------------------------- */

static enum err
fill(struct sshio *io, size_t most, size_t *got)
{
    ssize_t n;

    do
        n = syscall(SYS_recvfrom, io->fd, io->in + io->in_end, most, 0, NULL,
                    NULL);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return err_from_errno(errno);
    if (n == 0)
        return ERR_EOF;
    io->in_end += (size_t)n;
    *got = (size_t)n;
    return ERR_OK;
}

enum err
sshio_fill(struct sshio *io, size_t most, size_t *got)
{
    if (io->in_at < io->in_end)
        return ERR_AGAIN;
    return sshio_fill_behind(io, most, got);
}

enum err
sshio_fill_behind(struct sshio *io, size_t most, size_t *got)
{
    if (!io->in)
        io->in = malloc(SSHIO_FILL_BYTES);
    if (!io->in)
        return ERR_NO_MEMORY;
    if (io->in_at == io->in_end)
        io->in_at = io->in_end = 0;
    if (most > SSHIO_FILL_BYTES - io->in_end)
        most = SSHIO_FILL_BYTES - io->in_end;
    return most > 0 ? fill(io, most, got) : ERR_AGAIN;
}

size_t
sshio_unread(const struct sshio *io)
{
    return io->in_end - io->in_at;
}

const uint8_t *
sshio_look(const struct sshio *io, size_t *len)
{
    *len = sshio_unread(io);
    return *len > 0 ? io->in + io->in_at : NULL;
}

void
sshio_portion(struct sshio *io, size_t bytes)
{
    io->portion = bytes;
}

void
sshio_listen(struct sshio *io, bool listens)
{
    io->listens = listens;
}

static ssize_t
take(struct sshio *io, void *bytes, size_t size)
{
    size_t len = sshio_unread(io);

    if (len == 0) {
        errno = EAGAIN;
        return -1;
    }
    if (len > size)
        len = size;
    if (io->portion > 0 && len > io->portion)
        len = io->portion;
    memcpy(bytes, io->in + io->in_at, len);
    io->in_at += len;
    return (ssize_t)len;
}

/* --- out ------------------------------------------------------------------ */

static ssize_t
send_now(struct sshio *io, const void *bytes, size_t len)
{
    ssize_t n;

    do
        n = syscall(SYS_sendto, io->fd, bytes, len, MSG_NOSIGNAL, NULL, 0);
    while (n < 0 && errno == EINTR);
    return n;
}

enum err
sshio_flush(struct sshio *io)
{
    while (io->out_at < io->out_end) {
        ssize_t n =
            send_now(io, io->out + io->out_at, io->out_end - io->out_at);

        if (n < 0)
            return err_from_errno(errno);
        io->out_at += (size_t)n;
    }
    io->blocked = false;
    io->out_at = io->out_end = 0;
    if (io->out_size > KEEP_BYTES) {
        free(io->out);
        io->out = NULL;
        io->out_size = 0;
    }
    return ERR_OK;
}

size_t
sshio_unsent(const struct sshio *io)
{
    return io->out_end - io->out_at;
}

uint64_t
sshio_sent(const struct sshio *io)
{
    return io->sent;
}

void
sshio_hurry(struct sshio *io)
{
    io->hurries = true;
}

void
sshio_discard(struct sshio *io)
{
    io->discards = true;
    io->out_at = io->out_end = 0;
}

static bool
make_room(struct sshio *io, size_t len)
{
    size_t held = sshio_unsent(io);
    size_t size = io->out_size ? io->out_size : 4096;
    uint8_t *grown;

    if (io->out_size - io->out_end >= len)
        return true;
    if (io->out_at > 0) {
        memmove(io->out, io->out + io->out_at, held);
        io->out_at = 0;
        io->out_end = held;
    }
    if (held + len > QUEUE_MAX_BYTES)
        return false;
    while (size < held + len)
        size *= 2;
    if (size == io->out_size)
        return true;
    grown = realloc(io->out, size);
    if (!grown)
        return false;
    io->out = grown;
    io->out_size = size;
    return true;
}

/* Sends the queue and these bytes behind it, as far as the socket takes them.
 * Returns how many of these bytes went. What failed is told by the next flush.
 */
static size_t
send_together(struct sshio *io, const uint8_t *bytes, size_t len)
{
    size_t queued = sshio_unsent(io);
    struct iovec parts[2] = {
        {.iov_base = io->out + io->out_at, .iov_len = queued},
        {.iov_base = (void *)bytes, .iov_len = len},
    };
    struct msghdr message = {
        .msg_iov = queued > 0 ? parts : parts + 1,
        .msg_iovlen = queued > 0 ? 2 : 1,
    };
    ssize_t n;

    do
        n = sendmsg(io->fd, &message, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return 0;
    if ((size_t)n < queued) {
        io->out_at += (size_t)n;
        return 0;
    }
    io->out_at = io->out_end = 0;
    return (size_t)n - queued;
}

/* Takes all of it, or fails for good: libssh ends the session then. */
static ssize_t
put(struct sshio *io, const uint8_t *bytes, size_t len)
{
    size_t went = 0;

    io->sent += len;
    if (io->discards)
        return (ssize_t)len;
    if (!io->blocked &&
        (sshio_unsent(io) + len >= TOGETHER_BYTES || io->hurries)) {
        went = send_together(io, bytes, len);
        io->blocked = went < len;
        if (went == len)
            return (ssize_t)len;
    }
    if (!make_room(io, len - went)) {
        errno = ENOBUFS;
        return -1;
    }
    memcpy(io->out + io->out_end, bytes + went, len - went);
    io->out_end += len - went;
    return (ssize_t)len;
}

/* --- the symbols that libssh uses ----------------------------------------- */

/* Named by their symbols alone: what the C library's headers say of poll, recv
 * and send (checked inline variants, attributes) is for callers. */
int sshio_symbol_poll(struct pollfd *fds, nfds_t count,
                      int timeout_ms) __asm__("poll");
ssize_t sshio_symbol_recv(int fd, void *bytes, size_t size,
                          int flags) __asm__("recv");
ssize_t sshio_symbol_send(int fd, const void *bytes, size_t len,
                          int flags) __asm__("send");

static int
poll_kernel(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    struct timespec time = {.tv_sec = timeout_ms / 1000,
                            .tv_nsec = timeout_ms % 1000 * 1000000L};

    return (int)syscall(SYS_ppoll, fds, count, timeout_ms < 0 ? NULL : &time,
                        NULL, (size_t)_NSIG / 8);
}

/* libssh polls one descriptor at a time, without waiting where it is ours. */
int
sshio_symbol_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    struct sshio *io = count == 1 && attached ? find(fds->fd) : NULL;
    short ready = POLLOUT;

    if (!io)
        return poll_kernel(fds, count, timeout_ms);
    if (io->listens && sshio_unread(io) > 0)
        ready |= POLLIN;
    fds->revents = (short)(fds->events & ready);
    return fds->revents != 0;
}

ssize_t
sshio_symbol_recv(int fd, void *bytes, size_t size, int flags)
{
    struct sshio *io = attached ? find(fd) : NULL;

    if (io)
        return take(io, bytes, size);
    return syscall(SYS_recvfrom, fd, bytes, size, flags, NULL, NULL);
}

ssize_t
sshio_symbol_send(int fd, const void *bytes, size_t len, int flags)
{
    struct sshio *io = attached ? find(fd) : NULL;

    if (io)
        return put(io, bytes, len);
    return syscall(SYS_sendto, fd, bytes, len, flags, NULL, 0);
}
