/* One try to connect to one address over TCP. */
#ifndef CULVERT_TRANSPORT_NET_ATTEMPT_H
#define CULVERT_TRANSPORT_NET_ATTEMPT_H

#include <ev.h>

#include "transport/base/addr.h"
#include "transport/base/err.h"
#include "transport/net/connect.h"

/* Embedded in its owner. */
struct attempt {
    ev_io io;
    struct ev_loop *loop;
    int fd; /* -1: none */
    union addr remote;
    union addr local; /* the near end, if it was looked at; or AF_UNSPEC */
    void *owner;      /* the owner's to use */
    /* Called once after ERR_AGAIN, on the loop, unless attempt_close comes
     * first: ERR_OK with fd connected, or why not, with fd closed. */
    void (*ended)(struct attempt *attempt, enum err err);
};

/* Opens a non-blocking socket as the connector says and connects it to
 * attempt->remote; attempt->ended is set by the caller.
 * Returns ERR_OK (connected: a near peer, nobody was waited for), ERR_AGAIN
 * (under way), or why not. */
enum err attempt_open(struct attempt *attempt,
                      const struct connector *connector);

/* Gives the connected descriptor. */
int attempt_give_fd(struct attempt *attempt);

/* Ends it, whatever it is doing; attempt->fd may be -1. */
void attempt_close(struct attempt *attempt);

/* Of two errors of attempts, the one that says more: what the peer said comes
 * before what the network on the way said, that before silence, then what
 * this machine lacked, no route (as most often for IPv6), and last that a rule
 * forbade it. ERR_OK is no error. */
enum err attempt_worse(enum err a, enum err b);

#endif
