/* Listening sockets, and how workers accept from them.
 *
 * One non-blocking socket per address, watched by every worker. Not
 * SO_REUSEPORT with a socket for each: a second culvert would then bind the
 * same port without a word, a worker that is busy would keep its share of the
 * clients waiting, and what is queued on a socket that closes is reset. */
#ifndef CULVERT_TRANSPORT_NET_LISTEN_H
#define CULVERT_TRANSPORT_NET_LISTEN_H

#include <stdbool.h>
#include <sys/types.h>

#include "transport/base/addr.h"
#include "transport/base/err.h"
#include "transport/loop/worker.h"

/* Opens a listening TCP socket. On ERR_OK gives *fd and writes the port that
 * was picked into addr, where that was 0. IPv6 listens for IPv6 alone. */
enum err listen_open_tcp(union addr *addr, int *fd);

/* Opens a listening Unix socket at path, created with the mode bits of mask
 * off. unlink_first: what stands there is removed, if it is a socket.
 * On ERR_OK gives *fd. */
enum err listen_open_unix(const char *path, mode_t mask, bool unlink_first,
                          int *fd);

/* A worker's eye on a listening socket. Embedded in its owner. */
struct acceptor {
    /* Called for each client with its descriptor (given: non-blocking) and
     * address (family AF_UNSPEC for a Unix socket's). */
    void (*on_client)(struct acceptor *acceptor, int fd, union addr *peer);
    /* Asked before each accept: false pauses the acceptor until
     * acceptor_resume, or for a short while. NULL: always. */
    bool (*has_room)(struct acceptor *acceptor);
    /* Called whenever there is none, or descriptors or memory run out: why,
     * lent text. NULL: nobody is told. */
    void (*on_short)(struct acceptor *acceptor, const char *why);
    void *owner;

    struct worker *worker_;
    int listen_fd_;
    ev_io io_;
    ev_timer retry_;
    bool paused_;
};

/* Starts to accept from listen_fd, which is borrowed until acceptor_stop. The
 * three members above are set. When descriptors run out it pauses, says so,
 * and tries again by a timer: the clients wait in the queue.
 * Returns ERR_OK, or ERR_NO_DESCRIPTORS. Thread: the worker's. */
enum err acceptor_start(struct acceptor *acceptor, struct worker *worker,
                        int listen_fd);

/* There may be room again. */
void acceptor_resume(struct acceptor *acceptor);

/* Ends it, after accepting what is queued now. Does nothing to one that was
 * not started. */
void acceptor_stop(struct acceptor *acceptor);

#endif
