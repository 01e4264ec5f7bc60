/* A transport: a way out. It dials a target and gives a connected stream.
 *
 * This is the interface that a plug-in implements: a `struct transport_ops`
 * with TRANSPORT_ABI in it. There is one instance per worker and configured
 * name; everything happens on that worker's thread. */
#ifndef CULVERT_TRANSPORT_TRANSPORT_H
#define CULVERT_TRANSPORT_TRANSPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "transport/base/addr.h"
#include "transport/base/err.h"
#include "transport/base/target.h"
#include "transport/loop/worker.h"
#include "transport/net/connect.h"
#include "transport/stream.h"

#define TRANSPORT_ABI 3

struct transport;

/* One target being dialled. Embedded in its owner, who sets the first part
 * and leaves it alone until done or dial_cancel. */
struct dial {
    const struct target *target; /* borrowed until done or cancel */
    union addr client;           /* who asks; family AF_UNSPEC: unknown */
    bool want_local;             /* local is to be found out */
    /* Where the way out has several peers: the name of the one (borrowed
     * likewise); or NULL. */
    const char *agent;
    /* And where the dial is not to the target, but to what that peer has behind
     * a port that it has us listen on: the address that it asked for by
     * (borrowed likewise), and the port; else NULL. */
    const char *listened;
    unsigned listened_port;
    /* Says whether an address that a name led to may be used: only called by a
     * transport that resolves names itself. NULL allows all. */
    bool (*permit)(const struct dial *dial, const union addr *addr);
    void (*done)(struct dial *dial);
    void *owner;

    /* What it would mean to give up now: ERR_TIMED_OUT, ERR_NAME_TIMED_OUT, or
     * ERR_TRANSPORT_DOWN while the way out itself is being made. Set by
     * dial_start and kept up by the transport; any thread may look. */
    _Atomic(enum err) late;

    /* The outcome, valid in done. ERR_AGAIN: the way out has another home now;
     * ask for it and dial again there. */
    enum err err;
    struct stream *stream; /* given when err is ERR_OK */
    union addr local;      /* near end of the connection, or AF_UNSPEC */
    union addr remote; /* the address it reached or failed on, or AF_UNSPEC */

    /* The transport's own; 0 before the first start, and kept by a new start
     * after ERR_AGAIN. */
    unsigned lost_; /* times that the way out was lost under it */
    struct transport *via_;
    void *state_;
    struct task task_;
};

struct transport_ops {
    uint32_t abi; /* TRANSPORT_ABI */
    const char *scheme;

    /* Makes an instance from what follows the scheme's colon in a URI.
     * connector is borrowed until destroy, as is shared: what the instances of
     * one way out have in common over all workers (a struct sshpool for
     * "ssh:"), NULL for a transport that has nothing. Returns an error and
     * sets *why (static text) when the URI is wrong. */
    enum err (*create)(const char *rest, struct connector *connector,
                       void *shared, struct transport **transport,
                       const char **why);
    /* Starts a dial. After it, done runs exactly once, later, on the same
     * worker; after dial_cancel never. */
    void (*dial_start)(struct transport *transport, struct dial *dial);
    void (*dial_cancel)(struct transport *transport, struct dial *dial);
    /* The worker whose instance would serve a dial (borrowed during the call,
     * not started) best now, or NULL for any: a session that is elsewhere moves
     * there before it dials. */
    struct worker *(*home)(struct transport *transport,
                           const struct dial *dial);
    /* No new dials will come; what is up stays. */
    void (*drain)(struct transport *transport);
    /* Ends what it has, on the worker's thread, before that ends. No dial is
     * under way, and none will come; streams that it gave are closed. NULL:
     * nothing is to be done there. */
    void (*stop)(struct transport *transport);
    /* After stop, if the worker ever ran. Thread: any, alone. */
    void (*destroy)(struct transport *transport);
};

/* Each implementation's instance begins with this. */
struct transport {
    const struct transport_ops *ops;
};

static inline void
dial_start(struct transport *via, struct dial *dial)
{
    dial->via_ = via;
    via->ops->dial_start(via, dial);
}

static inline void
dial_cancel(struct dial *dial)
{
    dial->via_->ops->dial_cancel(dial->via_, dial);
}

#endif
