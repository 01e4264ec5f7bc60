#include "transport/ssh/sshpool.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "transport/base/clock.h"
#include "transport/ssh/sshmember.h"
#include "transport/ssh/sshpool_parts.h"

/* Over less than this a rate says little. */
#define PACE_SECONDS 0.02

void
sshpool_lock(struct sshpool *pool)
{
    pthread_mutex_lock(&pool->lock);
}

void
sshpool_unlock(struct sshpool *pool)
{
    pthread_mutex_unlock(&pool->lock);
}

double
sshpool_spread(void)
{
    uint32_t bits = 0;

    if (getrandom(&bits, sizeof(bits), GRND_NONBLOCK) != sizeof(bits))
        bits = (uint32_t)(clock_seconds() * 1e6);
    return bits / 4294967296.0;
}

void
sshpool_nudge(struct sshpool *pool, unsigned worker)
{
    struct sshmember *member = pool->members[worker];

    if (member && !atomic_exchange(&member->nudged, true))
        worker_post(member->worker, &member->nudge);
}

void
sshpool_nudge_all(struct sshpool *pool)
{
    for (unsigned i = 0; i < pool->config.workers; i++)
        sshpool_nudge(pool, i);
}

void
sshpool_set_state(struct pool_slot *slot, enum sshpool_state state)
{
    slot->state = state;
    slot->since = clock_seconds();
    slot->sick = false;
}

static void
take(struct pool_slot *slot, unsigned worker)
{
    slot->taken = true;
    slot->worker = worker;
    slot->order = SLOT_START;
    sshpool_set_state(slot, SSHPOOL_CONNECTING);
    sshpool_nudge(slot->pool, worker);
}

void
sshpool_give_up(struct pool_slot *slot)
{
    slot->taken = false;
    slot->order = SLOT_NOTHING;
    sshpool_set_state(slot, SSHPOOL_WAITING);
}

bool
sshpool_is_up(const struct pool_slot *slot)
{
    return slot->taken && slot->state == SSHPOOL_UP && !slot->sick;
}

unsigned
sshpool_count_up(const struct sshpool *pool)
{
    unsigned count = 0;

    for (unsigned i = 0; i < pool->config.connections; i++)
        count += sshpool_is_up(&pool->slots[i]);
    return count;
}

bool
sshpool_has_others(const struct pool_slot *slot)
{
    const struct sshpool *pool = slot->pool;

    for (unsigned i = 0; i < pool->config.connections; i++)
        if (pool->slots[i].taken && &pool->slots[i] != slot)
            return true;
    return false;
}

/* How many links a worker has, or will have. */
static unsigned
count_on(const struct sshpool *pool, unsigned worker)
{
    unsigned count = 0;

    for (unsigned i = 0; i < pool->config.connections; i++)
        count += pool->slots[i].taken && pool->slots[i].worker == worker;
    return count;
}

bool
sshpool_add(struct sshpool *pool)
{
    unsigned best = 0;

    for (unsigned i = 1; i < pool->config.workers; i++)
        if (count_on(pool, i) < count_on(pool, best))
            best = i;
    for (unsigned i = 0; pool->members[best] && i < pool->config.connections;
         i++) {
        if (pool->slots[i].taken)
            continue;
        take(&pool->slots[i], best);
        return true;
    }
    return false;
}

/* --- choosing ------------------------------------------------------------- */

/* For how long opens have waited and nothing was heard, of any channel. */
static double
stalled_for(struct pool_slot *slot, double now)
{
    double since = (double)atomic_load(&slot->waiting_ms) / 1000;
    uint64_t in = atomic_load_explicit(&slot->load.in, memory_order_relaxed);

    if (in != slot->in_seen) {
        slot->in_seen = in;
        slot->heard = now;
    }
    if (since <= 0)
        return 0;
    return now - (since > slot->heard ? since : slot->heard);
}

static unsigned
look_at(const atomic_uint *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

/* Bulk is to be seen before the link's own figure, of a fifth of a second,
 * tells of it. */
static unsigned
pace_of(struct pool_slot *slot, double now)
{
    uint64_t bytes = atomic_load(&slot->load.in) + atomic_load(&slot->load.out);
    double span = now - slot->marked;
    unsigned rate = look_at(&slot->load.rate);

    if (span >= PACE_SECONDS) {
        slot->pace = bytes > slot->marked_at
                         ? (double)(bytes - slot->marked_at) / span
                         : 0;
        slot->marked = now;
        slot->marked_at = bytes;
    }
    if (slot->pace <= rate)
        return rate;
    return slot->pace < 4e9 ? (unsigned)slot->pace : 4000000000u;
}

static void
fill_row(struct pool_slot *slot, double now, struct sshpick_row *row)
{
    *row = (struct sshpick_row){
        .taken = slot->taken,
        .up = sshpool_is_up(slot),
        .worker = slot->worker,
    };
    if (!row->up)
        return;
    row->channels = look_at(&slot->load.channels);
    row->opening = look_at(&slot->load.opening);
    row->unsent = look_at(&slot->load.unsent);
    row->rate = pace_of(slot, now);
    row->scouts = look_at(&slot->scouts);
    row->stalled = stalled_for(slot, now);
}

bool
sshpool_is_scout(struct sshpool *pool, const struct target *target)
{
    return target->kind == TARGET_NAME &&
           !sshnames_is_known(&pool->names, target->name, clock_seconds());
}

struct pool_slot *
sshpool_pick(struct sshpool *pool, const struct pool_ask *ask, bool *hold)
{
    struct sshpick_row rows[SSHPOOL_CONNECTIONS_MAX];
    double now = clock_seconds();
    const struct sshpick_question question = {
        .rows = rows,
        .count = pool->config.connections,
        .asker = ask->worker,
        .workers = pool->config.workers,
        .limit = pool->limit,
        .may_add = now >= pool->extra_after && !ask->own_only,
        .asker_only = ask->own_only,
        .is_scout = ask->is_scout,
    };
    struct sshpick_answer answer;

    for (unsigned i = 0; i < question.count; i++)
        fill_row(&pool->slots[i], now, &rows[i]);
    answer = sshpick(&question);
    if (answer.add >= 0 && pool->members[answer.on_worker])
        take(&pool->slots[answer.add], answer.on_worker);
    if (hold)
        *hold = answer.hold;
    return answer.use < 0 ? NULL : &pool->slots[answer.use];
}

bool
sshpool_is_stuck(struct pool_slot *slot)
{
    const struct pool_ask ask = {.worker = slot->worker};

    return look_at(&slot->scouts) > 0 &&
           stalled_for(slot, clock_seconds()) > SSHPICK_STALLED_SECONDS &&
           sshpool_pick(slot->pool, &ask, NULL) != slot;
}

int
sshpool_home(struct sshpool *pool, const struct pool_ask *ask)
{
    const struct pool_slot *slot = sshpool_pick(pool, ask, NULL);

    /* None is up: where the first will be. */
    for (unsigned i = 0; !slot && i < pool->config.connections; i++)
        if (pool->slots[i].taken)
            slot = &pool->slots[i];
    return slot ? (int)slot->worker : -1;
}

/* --- for everybody -------------------------------------------------------- */

enum err
sshpool_create(const struct sshpool_config *config, struct sshpool **out)
{
    struct sshpool *pool = calloc(1, sizeof(*pool));

    if (!pool)
        return ERR_NO_MEMORY;
    pool->config = *config;
    if (pool->config.connections > SSHPOOL_CONNECTIONS_MAX)
        pool->config.connections = SSHPOOL_CONNECTIONS_MAX;
    pthread_mutex_init(&pool->lock, NULL);
    pool->limit = pool->config.connections;
    pool->members = calloc(config->workers, sizeof(struct sshmember *));
    pool->slots = calloc(pool->limit, sizeof(*pool->slots));
    if (!pool->members || !pool->slots) {
        sshpool_destroy(pool);
        return ERR_NO_MEMORY;
    }
    sshdest_format(config->dest, pool->name, sizeof(pool->name));
    for (unsigned i = 0; i < pool->limit; i++)
        sshslot_init(&pool->slots[i], pool, i);
    *out = pool;
    return ERR_OK;
}

void
sshpool_destroy(struct sshpool *pool)
{
    if (!pool)
        return;
    pthread_mutex_destroy(&pool->lock);
    sshnames_clear(&pool->names);
    free(pool->members);
    free(pool->slots);
    free(pool);
}

void
sshpool_begin(struct sshpool *pool,
              void (*done)(void *arg, enum err err, const char *text),
              void *arg)
{
    pool->begun = done;
    pool->begun_arg = arg;
    sshpool_lock(pool);
    pool->beginning = true;
    pool->attempts = pool->config.dest->connection_attempts;
    take(&pool->slots[0], pool->config.first);
    sshpool_unlock(pool);
}

void
sshpool_reconnect(struct sshpool *pool)
{
    sshpool_lock(pool);
    pool->extra_failures = 0;
    pool->extra_after = 0;
    for (unsigned i = 0; !pool->over && i < pool->config.connections; i++) {
        struct pool_slot *slot = &pool->slots[i];

        if (slot->taken) {
            slot->order = SLOT_RESTART;
            sshpool_nudge(pool, slot->worker);
        }
    }
    sshpool_unlock(pool);
}

unsigned
sshpool_rows(struct sshpool *pool, struct sshpool_row *rows, unsigned most)
{
    unsigned count = 0;

    sshpool_lock(pool);
    for (unsigned i = 0; i < pool->config.connections; i++) {
        struct pool_slot *slot = &pool->slots[i];
        bool up = sshpool_is_up(slot);

        if (!slot->taken || count++ >= most)
            continue;
        rows[count - 1] = (struct sshpool_row){
            .state = slot->state,
            .worker = slot->worker,
            .channels = up ? look_at(&slot->load.channels) : 0,
            .opening = up ? look_at(&slot->load.opening) : 0,
            .in = up ? atomic_load(&slot->load.in) : 0,
            .out = up ? atomic_load(&slot->load.out) : 0,
            .rtt_us = up ? look_at(&slot->load.rtt_us) : 0,
            .since = slot->since,
        };
    }
    sshpool_unlock(pool);
    return count;
}
