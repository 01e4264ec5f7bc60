#include "transport/ssh/sshremote.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "transport/base/clock.h"
#include "transport/base/log.h"
#include "transport/ssh/sshremote_parts.h"

/* Between two tries. A port that the server holds for a dead session is to be
 * ours soon after it is free; what its rules forbid stays so, mostly. */
#define RETRY_FIRST_SECONDS  0.1
#define RETRY_MOST_SECONDS   4.0
#define RETRY_POLICY_SECONDS 30.0

/* A forward that could have a link to itself waits so long for that to be made,
 * and takes then what there is. */
#define HOLD_SECONDS 1.0

struct sshremote {
    struct sshpool *pool;
    struct sshremote_config config;

    /* Under the pool's lock. */
    struct pool_slot *slot; /* whose link it is on, or is to be; or NULL */
    struct sshremote_state state;
    bool closes;  /* nobody wants it any more */
    double since; /* clock_seconds(): it waits for a link of its own */

    /* The slot's worker's. */
    struct sshlink_listen listen;
    bool is_asked; /* a request is under way */
    unsigned refusals;
    ev_timer retry;

    struct sshremote *prev, *next;
};

static void act(struct sshremote *remote);

/* --- under the lock ------------------------------------------------------- */

static void
set_phase(struct sshremote *remote, enum sshremote_phase phase)
{
    if (phase == SSHREMOTE_STANDS)
        remote->state.stood++;
    remote->state.phase = phase;
    remote->config.on_change(remote->config.arg);
}

static void
leave_slot(struct sshremote *remote)
{
    if (remote->slot)
        remote->slot->remotes--;
    remote->slot = NULL;
}

static void
end(struct sshremote *remote)
{
    leave_slot(remote);
    DL_DELETE(remote->pool->remotes, remote);
    set_phase(remote, SSHREMOTE_CLOSED);
}

/* So many links are worth having for them: as many as can be busy at once, and
 * on a small machine two, as one server process is one thread. */
static unsigned
worthwhile(const struct sshpool *pool)
{
    unsigned most = pool->config.workers > 2 ? pool->config.workers : 2;

    return most < pool->limit ? most : pool->limit;
}

static bool
is_better(const struct pool_slot *a, const struct pool_slot *b)
{
    if (a->remotes != b->remotes)
        return a->remotes < b->remotes;
    return atomic_load_explicit(&a->load.rate, memory_order_relaxed) <
           atomic_load_explicit(&b->load.rate, memory_order_relaxed);
}

static struct pool_slot *
best_link(struct sshpool *pool)
{
    struct pool_slot *best = NULL;

    for (unsigned i = 0; i < pool->config.connections; i++) {
        struct pool_slot *slot = &pool->slots[i];

        if (sshpool_is_up(slot) && (!best || is_better(slot, best)))
            best = slot;
    }
    return best;
}

/* Whether another link is being made, or is now, as all have forwards. */
static bool
is_growing(struct sshpool *pool)
{
    unsigned up = sshpool_count_up(pool);
    unsigned taken = 0;

    for (unsigned i = 0; i < pool->config.connections; i++)
        taken += pool->slots[i].taken;
    return taken > up ||
           (taken < worthwhile(pool) && clock_seconds() >= pool->extra_after &&
            sshpool_add(pool));
}

/* With no link up, the next that is assigns them; one that waits for a further
 * link is looked at by the best there is. */
void
sshremote_assign(struct sshpool *pool)
{
    double now = clock_seconds();
    struct sshremote *each;

    DL_FOREACH (pool->remotes, each) {
        struct pool_slot *slot;

        if (each->slot || each->closes)
            continue;
        slot = best_link(pool);
        if (!slot)
            return;
        sshpool_nudge(pool, slot->worker);
        if (slot->remotes > 0 && now - each->since < HOLD_SECONDS &&
            is_growing(pool))
            continue;
        each->slot = slot;
        slot->remotes++;
    }
}

void
sshremote_on_up(struct sshpool *pool)
{
    double now = clock_seconds();
    struct sshremote *each;

    if (sshpool_count_up(pool) == 1) {
        DL_FOREACH (pool->remotes, each)
            if (!each->slot)
                each->since = now;
    }
    sshremote_assign(pool);
}

/* --- on the slot's worker ------------------------------------------------- */

static struct ev_loop *
loop_of(const struct sshremote *remote)
{
    return worker_loop(remote->slot->member->worker);
}

static void
wait_to_retry(struct sshremote *remote, enum err err)
{
    double seconds = RETRY_FIRST_SECONDS;

    for (unsigned i = 1; i < remote->refusals && seconds < RETRY_MOST_SECONDS;
         i++)
        seconds *= 2;
    if (seconds > RETRY_MOST_SECONDS)
        seconds = RETRY_MOST_SECONDS;
    if (err == ERR_PROHIBITED)
        seconds = RETRY_POLICY_SECONDS;
    ev_timer_set(&remote->retry, seconds, 0.);
    ev_timer_start(loop_of(remote), &remote->retry);
}

/* Under the lock. */
static void
take_answer(struct sshremote *remote, const struct sshlink_listen *listen)
{
    if (listen->ends) {
        end(remote);
        return;
    }
    if (listen->err == ERR_TRANSPORT_DOWN) /* sshremote_detach comes */
        return;
    remote->state.err = listen->err;
    if (listen->err == ERR_OK) {
        remote->refusals = 0;
        remote->state.port = listen->bound;
        set_phase(remote, SSHREMOTE_STANDS);
    } else {
        remote->refusals++;
        wait_to_retry(remote, listen->err);
        set_phase(remote, SSHREMOTE_REFUSED);
    }
    if (remote->closes)
        act(remote);
}

static void
on_listened(struct sshlink_listen *listen)
{
    struct sshremote *remote = listen->owner;
    struct sshpool *pool = remote->pool;

    sshpool_lock(pool);
    remote->is_asked = false;
    take_answer(remote, listen);
    sshpool_unlock(pool);
}

static void
ask(struct sshremote *remote, bool ends)
{
    remote->listen = (struct sshlink_listen){
        .address = remote->config.address,
        .port = remote->state.port,
        .ends = ends,
        .done = on_listened,
        .owner = remote,
    };
    remote->is_asked = true;
    sshlink_listen_start(remote->slot->link, &remote->listen);
}

/* What is due for one that has a link. Under the lock. */
static void
act(struct sshremote *remote)
{
    bool stands = remote->state.phase == SSHREMOTE_STANDS;

    if (remote->is_asked)
        return;
    if (remote->closes && !stands) {
        ev_timer_stop(loop_of(remote), &remote->retry);
        end(remote);
    } else if (remote->closes) {
        ask(remote, true);
    } else if (!stands && !ev_is_active(&remote->retry)) {
        ask(remote, false);
    }
}

static void
on_retry(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct sshremote *remote = timer->data;
    struct sshpool *pool = remote->pool;

    (void)loop;
    (void)events;
    sshpool_lock(pool);
    act(remote);
    sshpool_unlock(pool);
}

static void
on_hold_over(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct pool_slot *slot = timer->data;

    (void)loop;
    (void)events;
    sshpool_lock(slot->pool);
    sshremote_assign(slot->pool);
    sshpool_unlock(slot->pool);
}

void
sshremote_init(struct pool_slot *slot)
{
    ev_timer_init(&slot->hold, on_hold_over, 0., 0.);
    slot->hold.data = slot;
}

void
sshremote_serve(struct pool_slot *slot)
{
    struct sshremote *each;
    struct sshremote *next;
    bool is_held = false;

    if (!slot->link)
        return;
    sshpool_lock(slot->pool);
    DL_FOREACH_SAFE (slot->pool->remotes, each, next) {
        is_held = is_held || !each->slot;
        if (each->slot == slot)
            act(each);
    }
    sshpool_unlock(slot->pool);
    if (is_held && !ev_is_active(&slot->hold)) {
        ev_timer_set(&slot->hold, HOLD_SECONDS, 0.);
        ev_timer_start(worker_loop(slot->member->worker), &slot->hold);
    }
}

void
sshremote_detach(struct pool_slot *slot)
{
    struct sshremote *each;
    struct sshremote *next;

    ev_timer_stop(worker_loop(slot->member->worker), &slot->hold);
    sshpool_lock(slot->pool);
    DL_FOREACH_SAFE (slot->pool->remotes, each, next) {
        if (each->slot != slot)
            continue;
        ev_timer_stop(loop_of(each), &each->retry);
        each->is_asked = false;
        each->refusals = 0;
        if (each->closes) {
            end(each);
            continue;
        }
        leave_slot(each);
        each->since = clock_seconds();
        set_phase(each, SSHREMOTE_ASKING);
    }
    sshpool_unlock(slot->pool);
}

/* --- who connects --------------------------------------------------------- */

/* Which forward a channel is for (RFC 4254 7.2). Servers spell the address in
 * ways of their own: where it fits none, the port alone tells, if only one has
 * it. */
static struct sshremote *
find(const struct pool_slot *slot, const struct sshlink_offer *offer)
{
    struct sshremote *each;
    struct sshremote *by_port = NULL;
    unsigned count = 0;

    DL_FOREACH (slot->pool->remotes, each) {
        if (each->slot != slot || each->state.phase != SSHREMOTE_STANDS ||
            each->state.port != offer->port)
            continue;
        if (strcmp(each->config.address, offer->address) == 0)
            return each;
        by_port = each;
        count++;
    }
    return count == 1 ? by_port : NULL;
}

void
sshremote_on_offered(void *arg, const struct sshlink_offer *offer)
{
    struct pool_slot *slot = arg;
    struct sshpool *pool = slot->pool;
    struct sshremote *remote;

    sshpool_lock(pool);
    remote = find(slot, offer);
    sshpool_unlock(pool);
    /* It stays: what ends it is this thread. */
    if (remote) {
        remote->config.on_stream(remote->config.arg, slot->worker,
                                 offer->stream, &offer->peer);
        return;
    }
    log_limited(&slot->strangers, LOG_WARN,
                "%s opens a channel for port %u, which it was not asked to "
                "listen on: refused",
                pool->name, offer->port);
    stream_close(offer->stream, STREAM_ABORT);
}

/* --- for everybody -------------------------------------------------------- */

enum err
sshremote_open(struct sshpool *pool, const struct sshremote_config *config,
               struct sshremote **out)
{
    struct sshremote *remote = calloc(1, sizeof(*remote));

    if (!remote)
        return ERR_NO_MEMORY;
    remote->pool = pool;
    remote->config = *config;
    remote->state.port = config->port;
    remote->since = clock_seconds();
    ev_timer_init(&remote->retry, on_retry, 0., 0.);
    remote->retry.data = remote;
    sshpool_lock(pool);
    DL_APPEND(pool->remotes, remote);
    sshremote_assign(pool);
    sshpool_unlock(pool);
    *out = remote;
    return ERR_OK;
}

void
sshremote_look(struct sshremote *remote, struct sshremote_state *state)
{
    sshpool_lock(remote->pool);
    *state = remote->state;
    sshpool_unlock(remote->pool);
}

void
sshremote_close(struct sshremote *remote)
{
    struct sshpool *pool = remote->pool;

    sshpool_lock(pool);
    if (!remote->closes && remote->state.phase != SSHREMOTE_CLOSED) {
        remote->closes = true;
        if (remote->slot)
            sshpool_nudge(pool, remote->slot->worker);
        else
            end(remote);
    }
    sshpool_unlock(pool);
}

void
sshremote_free(struct sshremote *remote)
{
    if (!remote)
        return;
    sshpool_lock(remote->pool);
    if (remote->state.phase != SSHREMOTE_CLOSED) {
        leave_slot(remote);
        DL_DELETE(remote->pool->remotes, remote);
    }
    sshpool_unlock(remote->pool);
    free(remote);
}
