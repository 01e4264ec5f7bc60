#include "transport/ssh/sshmember.h"

#include <stddef.h>
#include <stdlib.h>
#include <utlist.h>

#include "transport/base/clock.h"
#include "transport/ssh/sshpool_parts.h"

#define TIDY_SECONDS 5.0

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

void
sshmember_dial_again(struct sshmember *member, struct pool_dial **list)
{
    while (*list) {
        struct pool_dial *each = *list;

        DL_DELETE(*list, each);
        end_later(member, each->dial, ERR_AGAIN);
        free(each);
    }
}

/* --- dials on a link ------------------------------------------------------ */

/* The oldest has had its say: the clock starts anew for those that are left.
 */
static void
leave_link(struct pool_dial *each)
{
    struct pool_slot *slot = each->slot;
    unsigned long long now_ms = (unsigned long long)(clock_seconds() * 1000);

    DL_DELETE(slot->dials, each);
    atomic_store(&slot->waiting_ms, slot->dials ? now_ms : 0);
}

static void
on_opened(struct sshlink_open *open)
{
    struct pool_dial *each = open->owner;
    struct pool_slot *slot = each->slot;
    struct sshpool *pool = slot->pool;
    struct dial *dial = each->dial;

    leave_link(each);
    dial->state_ = NULL;
    dial->err = open->err;
    dial->stream = open->err ? NULL : open->stream;
    free(each);
    if (dial->err == ERR_TRANSPORT_DOWN) {
        /* Nothing was sent there yet, so it may go by another, or by this one
         * once it has been made anew. */
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
    if (!slot->dials)
        atomic_store(&slot->waiting_ms,
                     (unsigned long long)(clock_seconds() * 1000));
    each->slot = slot;
    DL_APPEND(slot->dials, each);
    slot->opened++;
    each->dial->late = ERR_TIMED_OUT;
    each->open.target = each->dial->target;
    each->open.client = each->dial->client;
    each->open.done = on_opened;
    each->open.owner = each;
    sshlink_open_start(slot->link, &each->open);
}

/* --- dials that wait ------------------------------------------------------ */

/* Opens those that wait, or has them go to where home is now. */
static void
settle(struct task *task)
{
    struct sshmember *member =
        (struct sshmember *)((char *)task - offsetof(struct sshmember, settle));
    struct sshpool *pool = member->pool;

    while (member->waiting) {
        struct pool_dial *each = member->waiting;
        struct pool_slot *slot;
        int home;

        sshpool_lock(pool);
        slot = sshpool_pick(pool, member->index, true);
        home = slot ? (int)member->index : sshpool_home(pool, member->index);
        sshpool_unlock(pool);
        if (home != (int)member->index) {
            sshmember_dial_again(member, &member->waiting);
            return;
        }
        if (!slot)
            return;
        DL_DELETE(member->waiting, each);
        enter_link(each, slot);
    }
}

void
sshmember_settle_soon(struct sshmember *member)
{
    worker_defer(member->worker, &member->settle);
}

/* --- as a transport ------------------------------------------------------- */

struct worker *
sshmember_home(struct sshmember *member)
{
    struct sshpool *pool = member->pool;
    struct worker *worker = NULL;
    int home;

    sshpool_lock(pool);
    home = sshpool_home(pool, member->index);
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
    struct pool_slot *slot;

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
    sshpool_lock(pool);
    slot = sshpool_pick(pool, member->index, true);
    sshpool_unlock(pool);
    if (slot && !member->waiting) {
        enter_link(each, slot);
        return;
    }
    DL_APPEND(member->waiting, each);
    sshmember_settle_soon(member);
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

/* Something has changed: what was ordered, or which links there are. */
static void
on_nudge(struct mail *mail)
{
    struct sshmember *member =
        (struct sshmember *)((char *)mail - offsetof(struct sshmember, nudge));
    struct sshpool *pool = member->pool;

    atomic_store(&member->nudged, false);
    for (unsigned i = 0; i < pool->config.connections; i++) {
        struct pool_slot *slot = &pool->slots[i];
        bool mine;

        sshpool_lock(pool);
        mine = is_mine(member, slot);
        sshpool_unlock(pool);
        if (!mine)
            continue;
        slot->member = member;
        sshslot_obey(slot);
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
    member->tidy.data = member;
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
    for (unsigned i = 0; i < pool->config.connections; i++) {
        struct pool_slot *slot = &pool->slots[i];
        bool mine;

        sshpool_lock(pool);
        mine = is_mine(member, slot);
        sshpool_unlock(pool);
        if (!mine)
            continue;
        slot->member = member;
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
