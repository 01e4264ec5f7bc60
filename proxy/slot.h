/* A slot: a worker with its engine and its acceptors, as the server sees it
 * from the control loop. */
#ifndef CULVERT_PROXY_SLOT_H
#define CULVERT_PROXY_SLOT_H

#include <stdbool.h>
#include <stddef.h>

#include "proxy/engine.h"
#include "proxy/listeners.h"
#include "transport/loop/worker.h"
#include "transport/net/listen.h"

struct slot {
    /* Set by the owner before slot_create; the two mails' run is called on the
     * control worker, at most once each. */
    struct worker *control;
    struct mail drained; /* it accepts no more */
    struct mail empty;   /* and its last session, or that of -W, has gone */
    int stdio_fd;        /* -W's client, given; or -1 */
    void *owner;

    struct worker *worker;
    struct engine *engine;
    struct acceptor *acceptors_; /* one per listener */
    struct listener **listeners_;
    size_t count_;
    bool draining_;
    bool told_empty_;
    struct mail begin_;
    struct mail drain_;
    struct mail stop_;
};

/* Makes the worker and its engine, and starts the thread. Borrows shared and
 * the listeners until slot_destroy. Returns whether that went well; what did
 * not is logged. slot_destroy is due either way. Thread: the control worker's,
 * as for all below. */
bool slot_create(struct slot *slot, unsigned index, struct shared *shared,
                 const struct listeners *listeners);

/* Has it accept clients. Once. */
void slot_begin(struct slot *slot);

/* Has it accept no more, and tell by `drained` and `empty`. Once. */
void slot_drain(struct slot *slot);

/* Has it end its sessions and its loop; wait by worker_join. Once. */
void slot_stop(struct slot *slot);

/* Has it read the resolver's files again. */
void slot_reload(struct slot *slot);

/* Has it log its counters and live sessions. */
void slot_report(struct slot *slot);

/* Frees it; its thread has ended. A slot that was not made does nothing. */
void slot_destroy(struct slot *slot);

#endif
