#include "transport/ssh/sshmember.h"

#include <stddef.h>
#include <stdlib.h>
#include <utlist.h>

#include "transport/base/clock.h"
#include "transport/ssh/sshremote_parts.h"

#define TIDY_SECONDS 5.0
#define LOOK_SECONDS 0.2

/* What a dial may lose, at most, by waiting for a link that it can stop
 * without harm to others. */
#define HOLD_SECONDS 1.0

/* Opens sent so shortly before another may be read with it: sshd then answers
 * none of them before it has looked the name up. */
#define BATCH_SECONDS 0.1

/* --- dials that are over -------------------------------------------------- */

static void
tell_later(struct task *task)
{
    struct dial *dial =
        (struct dial *)((char *)task - offsetof(struct dial, task_));

    dial->done(dial);
}

static void
end_later(struct sshmember *member, struct dial *dial, enum err err)
{
    dial->state_ = NULL;
    dial->err = err;
    dial->task_.run = tell_later;
    worker_defer(member->worker, &dial->task_);
}

static void
dial_again(struct pool_dial *each)
{
    end_later(each->member, each->dial, ERR_AGAIN);
    free(each);
}

void
sshmember_dial_again(struct pool_dial **list)
{
    while (*list) {
        struct pool_dial *each = *list;

        DL_DELETE(*list, each);
        dial_again(each);
    }
}

/* --- dials on a link ------------------------------------------------------ */

/* An open may be lost with so many links before it is given up: it may be what
 * the server ends them for, at the expense of all others. */
#define LOST_MAX 1

static void
start_looking(struct sshmember *member)
{
    if (!ev_is_active(&member->look))
        ev_timer_again(worker_loop(member->worker), &member->look);
}

/* The oldest has had its say: the clock starts anew for those that are left.
 */
static void
leave_link(struct pool_dial *each)
{
    struct pool_slot *slot = each->slot;
    unsigned long long now_ms = (unsigned long long)(clock_seconds() * 1000);

    DL_DELETE(slot->dials, each);
    atomic_store(&slot->waiting_ms, slot->dials ? now_ms : 0);
    if (each->is_scout)
        atomic_fetch_sub(&slot->scouts, 1);
}

/* How long the server took tells whether it knew the name, or soon found it.
 */
static void
note_name(const struct pool_dial *each)
{
    struct pool_slot *slot = each->slot;
    struct sshpool *pool = slot->pool;
    const struct target *target = each->dial->target;
    double now = clock_seconds();
    double rtt = atomic_load(&slot->load.rtt_us) * 1e-6;
    bool quick = now - each->started < SSHPICK_STALLED_SECONDS + 4 * rtt;

    if (target->kind != TARGET_NAME || each->open.err == ERR_TRANSPORT_DOWN)
        return;
    sshpool_lock(pool);
    sshnames_note(&pool->names, target->name, quick, now);
    sshpool_unlock(pool);
}

static void
on_opened(struct sshlink_open *open)
{
    struct pool_dial *each = open->owner;
    struct pool_slot *slot = each->slot;
    struct sshpool *pool = slot->pool;
    struct dial *dial = each->dial;

    note_name(each);
    leave_link(each);
    dial->state_ = NULL;
    dial->err = open->err;
    dial->stream = open->err ? NULL : open->stream;
    free(each);
    if (dial->err == ERR_TRANSPORT_DOWN) {
        /* Nothing was sent there yet, so it may go by another, or by this one
         * once it has been made anew. */
        if (dial->lost_++ < LOST_MAX)
            dial->err = ERR_AGAIN;
        sshpool_lock(pool);
        slot->sick = true;
        sshpool_unlock(pool);
    }
    dial->done(dial);
}

static void
enter_link(struct pool_dial *each, struct pool_slot *slot)
{
    each->started = clock_seconds();
    if (!slot->dials)
        atomic_store(&slot->waiting_ms,
                     (unsigned long long)(each->started * 1000));
    if (each->is_scout) {
        atomic_fetch_add(&slot->scouts, 1);
        start_looking(each->member);
    }
    each->slot = slot;
    DL_APPEND(slot->dials, each);
    slot->opened++;
    each->dial->late = ERR_TIMED_OUT;
    each->open.listened = NULL;
    each->open.target = each->dial->target;
    each->open.client = each->dial->client;
    each->open.done = on_opened;
    each->open.owner = each;
    sshlink_open_start(slot->link, &each->open);
}

/* Those that stand behind a name that takes long go by another link. Scouts
 * may be what it is about, and would only spread it; one that was there well
 * before them waits for something of its own. */
static void
free_stuck(struct pool_slot *slot)
{
    struct pool_dial *each;
    struct pool_dial *next;
    struct pool_dial *scout = slot->dials;

    while (scout && !scout->is_scout)
        scout = scout->next;
    DL_FOREACH_SAFE (slot->dials, each, next) {
        if (!scout || each->is_scout ||
            each->started < scout->started - BATCH_SECONDS)
            continue;
        sshlink_open_cancel(slot->link, &each->open);
        leave_link(each);
        dial_again(each);
    }
}

/* --- dials that wait ------------------------------------------------------ */

enum place {
    PLACE_NONE, /* it waits on */
    PLACE_HERE,
    PLACE_ELSEWHERE,
};

/* Where one that waits is to go now. */
static enum place
find_place(const struct pool_dial *each, struct pool_slot **slot)
{
    struct sshmember *member = each->member;
    struct sshpool *pool = member->pool;
    const bool held_long = clock_seconds() - each->started > HOLD_SECONDS;
    struct pool_ask ask = {.worker = member->index,
                           .own_only = !each->is_scout,
                           .is_scout = each->is_scout};
    bool hold;
    int home;

    sshpool_lock(pool);
    *slot = sshpool_pick(pool, &ask, &hold);
    ask.own_only = false;
    home = *slot ? (int)(*slot)->worker : sshpool_home(pool, &ask);
    sshpool_unlock(pool);
    if (hold && !held_long)
        return PLACE_NONE;
    if (home != (int)member->index)
        return PLACE_ELSEWHERE;
    return *slot ? PLACE_HERE : PLACE_NONE;
}

/* Opens those that wait, or has them go to where home is now. */
static void
settle(struct task *task)
{
    struct sshmember *member =
        (struct sshmember *)((char *)task - offsetof(struct sshmember, settle));
    struct pool_dial *each;
    struct pool_dial *next;

    DL_FOREACH_SAFE (member->waiting, each, next) {
        struct pool_slot *slot = NULL;
        enum place place = find_place(each, &slot);

        if (place == PLACE_NONE)
            continue;
        DL_DELETE(member->waiting, each);
        if (place == PLACE_HERE)
            enter_link(each, slot);
        else
            dial_again(each);
    }
}

void
sshmember_settle_soon(struct sshmember *member)
{
    worker_defer(member->worker, &member->settle);
}

/* --- as a transport ------------------------------------------------------- */

struct worker *
sshmember_home(struct sshmember *member, const struct target *target)
{
    struct sshpool *pool = member->pool;
    struct pool_ask ask = {.worker = member->index};
    struct worker *worker = NULL;
    int home;

    sshpool_lock(pool);
    ask.is_scout = sshpool_is_scout(pool, target);
    home = sshpool_home(pool, &ask);
    if (home >= 0 && pool->members[home])
        worker = pool->members[home]->worker;
    sshpool_unlock(pool);
    return worker;
}

void
sshmember_dial_start(struct sshmember *member, struct dial *dial)
{
    struct sshpool *pool = member->pool;
    struct pool_dial *each = malloc(sizeof(*each));
    struct pool_ask ask = {.worker = member->index};
    struct pool_slot *slot;
    bool hold = false;

    dial->stream = NULL;
    dial->late = ERR_TRANSPORT_DOWN;
    dial->remote.sa.sa_family = dial->local.sa.sa_family = AF_UNSPEC;
    dial->task_ = (struct task){.run = tell_later};
    dial->state_ = each;
    if (!each) {
        end_later(member, dial, ERR_NO_MEMORY);
        return;
    }
    each->dial = dial;
    each->member = member;
    each->slot = NULL;
    each->started = clock_seconds();
    sshpool_lock(pool);
    each->is_scout = ask.is_scout = sshpool_is_scout(pool, dial->target);
    if (ask.is_scout)
        sshpool_pick(pool, &ask, &hold);
    ask.own_only = true;
    slot = sshpool_pick(pool, &ask, NULL);
    sshpool_unlock(pool);
    if (slot && !hold) {
        enter_link(each, slot);
        return;
    }
    DL_APPEND(member->waiting, each);
    sshmember_settle_soon(member);
    if (hold)
        start_looking(member);
}

void
sshmember_dial_cancel(struct sshmember *member, struct dial *dial)
{
    struct pool_dial *each = dial->state_;

    worker_undefer(member->worker, &dial->task_);
    dial->state_ = NULL;
    if (!each)
        return;
    if (each->slot) {
        sshlink_open_cancel(each->slot->link, &each->open);
        leave_link(each);
    } else {
        DL_DELETE(member->waiting, each);
    }
    free(each);
}

/* --- a member's life ------------------------------------------------------ */

static bool
is_mine(const struct sshmember *member, const struct pool_slot *slot)
{
    return slot->taken && slot->worker == member->index;
}

/* The pool's index-th slot if it is this member's to act on, else NULL. */
static struct pool_slot *
take_slot(struct sshmember *member, unsigned index)
{
    struct pool_slot *slot = &member->pool->slots[index];
    bool mine;

    sshpool_lock(member->pool);
    mine = is_mine(member, slot);
    sshpool_unlock(member->pool);
    if (!mine)
        return NULL;
    slot->member = member;
    return slot;
}

/* Something has changed: what was ordered, or which links there are. */
static void
on_nudge(struct mail *mail)
{
    struct sshmember *member =
        (struct sshmember *)((char *)mail - offsetof(struct sshmember, nudge));
    struct sshpool *pool = member->pool;

    atomic_store(&member->nudged, false);
    for (unsigned i = 0; i < pool->config.connections; i++) {
        struct pool_slot *slot = take_slot(member, i);

        if (!slot)
            continue;
        sshslot_obey(slot);
        sshremote_serve(slot);
    }
    sshmember_settle_soon(member);
}

static void
on_tidy(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct sshmember *member = timer->data;
    struct sshpool *pool = member->pool;

    (void)loop;
    (void)events;
    for (unsigned i = 0; i < pool->config.connections; i++) {
        struct pool_slot *slot = &pool->slots[i];
        bool up;

        sshpool_lock(pool);
        up = is_mine(member, slot) && slot->state == SSHPOOL_UP && !slot->sick;
        sshpool_unlock(pool);
        if (up)
            sshslot_tidy(slot);
    }
}

static void
on_look(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct sshmember *member = timer->data;
    struct sshpool *pool = member->pool;
    bool is_due = member->waiting != NULL;

    (void)events;
    for (unsigned i = 0; i < pool->config.connections; i++) {
        struct pool_slot *slot = &pool->slots[i];
        bool mine;
        bool stuck;

        sshpool_lock(pool);
        mine = is_mine(member, slot) && slot->state == SSHPOOL_UP;
        stuck = mine && sshpool_is_stuck(slot);
        sshpool_unlock(pool);
        if (stuck)
            free_stuck(slot);
        is_due = is_due || (mine && atomic_load(&slot->scouts) > 0);
    }
    sshmember_settle_soon(member);
    if (!is_due)
        ev_timer_stop(loop, timer);
}

enum err
sshmember_join(struct sshpool *pool, struct connector *connector,
               struct sshmember **out)
{
    struct sshmember *member = calloc(1, sizeof(*member));

    if (!member)
        return ERR_NO_MEMORY;
    member->pool = pool;
    member->worker = connector->worker;
    member->connector = connector;
    member->index = worker_index(connector->worker);
    member->nudge.run = on_nudge;
    member->settle.run = settle;
    ev_timer_init(&member->tidy, on_tidy, TIDY_SECONDS, TIDY_SECONDS);
    ev_timer_init(&member->look, on_look, 0., LOOK_SECONDS);
    member->tidy.data = member->look.data = member;
    ev_timer_start(worker_loop(member->worker), &member->tidy);
    sshpool_lock(pool);
    pool->members[member->index] = member;
    sshpool_unlock(pool);
    *out = member;
    return ERR_OK;
}

void
sshmember_stop(struct sshmember *member)
{
    struct sshpool *pool = member->pool;

    if (member->stopped)
        return;
    member->stopped = true;
    ev_timer_stop(worker_loop(member->worker), &member->tidy);
    ev_timer_stop(worker_loop(member->worker), &member->look);
    for (unsigned i = 0; i < pool->config.connections; i++) {
        struct pool_slot *slot = take_slot(member, i);

        if (!slot)
            continue;
        sshslot_clear(slot);
        sshpool_lock(pool);
        sshpool_give_up(slot);
        sshpool_unlock(pool);
    }
    sshpool_lock(pool);
    pool->members[member->index] = NULL;
    sshpool_unlock(pool);
}

void
sshmember_leave(struct sshmember *member)
{
    if (!member)
        return;
    sshmember_stop(member);
    worker_undefer(member->worker, &member->settle);
    free(member);
}
