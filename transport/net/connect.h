/* Opens a TCP connection to a name or address: RFC 8305 ("happy eyeballs"). */
#ifndef CULVERT_TRANSPORT_NET_CONNECT_H
#define CULVERT_TRANSPORT_NET_CONNECT_H

#include "transport/base/addr.h"
#include "transport/base/err.h"
#include "transport/base/target.h"
#include "transport/loop/worker.h"
#include "transport/net/resolve.h"

/* How a worker connects: what all its connections share. */
struct connector {
    struct worker *worker;
    struct resolver *resolver;
    union addr bind_v4; /* -b: source address, or family AF_UNSPEC */
    union addr bind_v6;
    const char *bind_device; /* -B: interface, or NULL; borrowed */
    int family;              /* AF_UNSPEC, or the one of -4 or -6 */
};

/* One connection being opened. */
struct connect;

struct connect_request {
    const struct target *target; /* borrowed during the call */
    /* Says whether an address that the name led to may be used. Called before
     * each address is tried, literals too; NULL allows all. */
    bool (*permit)(void *arg, const union addr *addr);
    /* Called once, with a connected non-blocking descriptor (given) and the
     * address it reached, or with an error (fd -1; remote is the address that
     * the error is about, or family AF_UNSPEC). remote is lent. */
    void (*done)(void *arg, enum err err, int fd, const union addr *remote);
    void *arg;
    /* Where to put the address of the near end before done, if it is found out
     * on the way; family AF_UNSPEC if not. NULL: nobody asks. Borrowed until
     * done or cancel. */
    union addr *local;
};

/* Starts to connect: a literal at once, a Unix socket by its path, a name by
 * look-ups of both families, a new address every 250 ms, or at once when one
 * failed, alternating between the families. The error told is the most
 * specific of those seen. There is no time limit of its own.
 * Returns ERR_OK and the attempt (*connect is valid until done or cancel), or
 * an error; then done is never called.
 * Callback: done, on the worker's loop, never from inside this call. */
enum err connect_start(struct connector *connector,
                       const struct connect_request *request,
                       struct connect **connect);

/* Ends it: descriptors are closed, done is never called. NULL does nothing. */
void connect_cancel(struct connect *connect);

#endif
