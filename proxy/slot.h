/* A slot: a worker with its engine and its acceptors, as the control loop sees
 * it. */
#ifndef CULVERT_PROXY_SLOT_H
#define CULVERT_PROXY_SLOT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "proxy/engine.h"
#include "transport/loop/worker.h"
#include "transport/net/listen.h"

/* A worker's eye on one listening socket. The owner sets the first part, and
 * keeps it until ended was called or the slot's thread has ended. */
struct slot_eye {
    const struct forward *forward; /* for the sessions; lives for ever */
    int fd;                        /* borrowed likewise */
    /* It accepts no more, after slot_unwatch. Called on the control worker. */
    void (*ended)(struct slot_eye *eye);
    void *owner;

    struct slot *slot_;
    struct acceptor acceptor_;
    struct mail begin_;
    struct mail end_;
    struct slot_eye *prev;
    struct slot_eye *next;
};

struct slot {
    /* Set by the owner before slot_create; the two mails' run is called on the
     * control worker. */
    struct worker *control;
    struct mail drained; /* it accepts no more; once */
    struct mail empty;   /* a drained one has no session left, as far as it
                          * sees, or -W's is over; again after slot_heard */
    void *owner;

    struct worker *worker;
    struct engine *engine;
    struct slot_eye *eyes_;
    bool draining_;
    atomic_bool told_empty_;
    int stdio_fd_;
    struct mail stdio_;
    struct mail drain_;
    struct mail stop_;
};

/* Makes the worker and its engine, and starts the thread. Borrows shared until
 * slot_destroy. Returns whether that went well; what did not is logged.
 * slot_destroy is due either way. Thread: the control worker's, as for all
 * below. */
bool slot_create(struct slot *slot, unsigned index, struct shared *shared);

/* Has it accept clients from a listening socket from now on, unless it is
 * draining. A failure is logged. */
void slot_watch(struct slot *slot, struct slot_eye *eye);

/* Has it stop that, once what is queued has been accepted; then ended is
 * called. Sessions go on. Once for an eye. */
void slot_unwatch(struct slot_eye *eye);

/* Starts the session of -W with its client (given). Once. */
void slot_begin_stdio(struct slot *slot, int fd);

/* Has it accept no more, and tell by `drained` and `empty`. Once. */
void slot_drain(struct slot *slot);

/* Its mail `empty` has come and may be sent again. */
void slot_heard(struct slot *slot);

/* Has it end its sessions and its loop; wait by worker_join. Once. */
void slot_stop(struct slot *slot);

/* Has it read the resolver's files again. */
void slot_reload(struct slot *slot);

/* Has it log its counters and live sessions. */
void slot_report(struct slot *slot);

/* Frees it; its thread has ended. A slot that was not made does nothing. */
void slot_destroy(struct slot *slot);

#endif
