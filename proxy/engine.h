/* An engine: what the sessions of one worker share. There is one per worker,
 * and everything in it belongs to that worker's thread. */
#ifndef CULVERT_PROXY_ENGINE_H
#define CULVERT_PROXY_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "auth/verify.h"
#include "proxy/limits.h"
#include "proxy/relay.h"
#include "proxy/settings.h"
#include "transport/net/connect.h"
#include "transport/net/resolve.h"
#include "transport/transport.h"

struct session;
struct sshpool;
struct registry;
struct gateway;
struct engine;
struct fardial;
struct farbridge;
struct gateway;

/* What the engines share. Lives longer than they do. */
struct shared {
    const struct settings *settings;
    struct limits limits;
    struct pipe_budget pipe_budget;
    struct verifier *verifier; /* NULL: no users are required */
    struct sshpool **pools;    /* by way out, as in settings; of plain TCP
                                * NULL. NULL altogether: nothing but that */
    struct sshpool *pool;      /* the destination's among them, or NULL */
    struct gateway *gateway;   /* for agents; or NULL */
    struct registry *registry; /* of the agents; or NULL */
    struct engine **engines;   /* by worker, entered by engine_create; there
                                * before any session. NULL: none ever moves */
    union addr bind_v4;        /* -b, resolved */
    union addr bind_v6;
};

struct counters {
    uint64_t accepted;
    uint64_t ended[ERR_COUNT_];
    uint64_t bytes_up;
    uint64_t bytes_down;
};

/* A way out. */
struct engine_way {
    struct transport *via;
    const char *word; /* of the settings, for logs */
};

struct engine {
    struct worker *worker;
    struct shared *shared;
    const struct settings *settings;

    struct resolver *resolver;
    struct connector connector;
    struct engine_way *ways; /* as in the settings */
    unsigned way_count;

    struct fardial *fardials;     /* made here for sessions of other workers, */
    struct farbridge *farbridges; /* and what came of them */

    struct relay_pool relays;
    struct deadline_queue handshake; /* spans of a session's life */
    struct deadline_queue connect;
    struct deadline_queue idle;
    struct deadline_queue half_closed;
    struct deadline_queue linger;

    struct session *sessions; /* all, lingering ones too */
    unsigned session_count;
    unsigned refused; /* of these, clients that may not come in */
    bool over;        /* who comes now is sent away */
    uint64_t last_id;
    struct counters counters;
    bool stdio_over; /* the session of -W has ended, with stdio_err */
    enum err stdio_err;
    struct log_limit refusals; /* of messages that clients can cause */

    /* Called whenever a session has gone. */
    void (*on_gone)(struct engine *engine);
    void *owner;
};

/* Makes an engine for a worker that does not run yet. Borrows shared until
 * engine_destroy. On failure *why says what failed (static text). */
enum err engine_create(struct worker *worker, struct shared *shared,
                       struct engine **engine, const char **why);

/* Ends every session, and those that still come from another worker as they
 * arrive; what sessions elsewhere have here; then the ways out. Thread: the
 * worker's, before it stops. */
void engine_end_sessions(struct engine *engine);

/* Frees it; no session is left, and where there are several workers no mail for
 * any (worker_settle). NULL does nothing. */
void engine_destroy(struct engine *engine);

#endif
