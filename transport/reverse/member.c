/* A worker's part of the registry. */
#include <stdlib.h>
#include <utlist.h>

#include "transport/reverse/registry_parts.h"

/* How often agents that owe an answer are looked at. */
#define LOOK_SECONDS 0.5

/* --- its agents ----------------------------------------------------------- */

/* An agent of this member that is to be ended, or NULL. */
static struct agent *
find_kicked(struct member *member)
{
    struct registry *registry = member->registry;
    struct agent *each;

    registry_lock(registry);
    DL_FOREACH (registry->agents, each)
        if (each->member == member && each->is_kicked)
            break;
    registry_unlock(registry);
    return each;
}

/* Any agent of this member's behind `after`, or the first; or NULL. They come
 * and go on this thread alone. */
static struct agent *
next_mine(struct member *member, struct agent *after)
{
    struct registry *registry = member->registry;
    struct agent *each;

    registry_lock(registry);
    each = after ? after->next : registry->agents;
    while (each && each->member != member)
        each = each->next;
    registry_unlock(registry);
    return each;
}

static void
on_nudge(struct mail *mail)
{
    struct member *member =
        (struct member *)((char *)mail - offsetof(struct member, nudge));
    struct agent *kicked;

    atomic_store(&member->nudged, false);
    while ((kicked = find_kicked(member)))
        agent_end(kicked, "kicked", "kicked");
    member_settle_soon(member);
}

static void
settle(struct task *task)
{
    backdial_settle(
        (struct member *)((char *)task - offsetof(struct member, settle)));
}

void
member_settle_soon(struct member *member)
{
    if (!member->stopped)
        worker_defer(member->worker, &member->settle);
}

static void
on_look(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct member *member = timer->data;
    struct agent *agent = NULL;
    bool is_due = false;

    (void)events;
    while ((agent = next_mine(member, agent)))
        is_due = backdial_look(agent) || is_due;
    if (!is_due)
        ev_timer_stop(loop, timer);
}

void
member_look_soon(struct member *member)
{
    if (!ev_is_active(&member->look))
        ev_timer_again(worker_loop(member->worker), &member->look);
}

/* --- its life ------------------------------------------------------------- */

static struct member *
create(struct registry *registry, struct worker *worker)
{
    struct member *member = calloc(1, sizeof(*member));

    if (!member)
        return NULL;
    member->registry = registry;
    member->worker = worker;
    member->index = worker_index(worker);
    member->settle.run = settle;
    member->nudge.run = on_nudge;
    ev_timer_init(&member->look, on_look, 0., LOOK_SECONDS);
    member->look.data = member;
    return member;
}

enum err
member_join(struct registry *registry, struct worker *worker,
            struct member **out)
{
    unsigned index = worker_index(worker);
    struct member *member = registry->members[index];

    if (!member)
        member = create(registry, worker);
    if (!member)
        return ERR_NO_MEMORY;
    registry_lock(registry);
    registry->members[index] = member;
    registry_unlock(registry);
    member->instances++;
    *out = member;
    return ERR_OK;
}

void
member_drain(struct member *member)
{
    struct agent *agent = NULL;

    if (member->drains)
        return;
    registry_lock(member->registry);
    member->drains = true;
    registry_unlock(member->registry);
    while ((agent = next_mine(member, agent)))
        agentport_drain(agent);
}

void
member_stop(struct member *member)
{
    struct registry *registry = member->registry;
    struct agent *agent;

    if (member->stopped)
        return;
    member->stopped = true;
    ev_timer_stop(worker_loop(member->worker), &member->look);
    worker_undefer(member->worker, &member->settle);
    while ((agent = next_mine(member, NULL)))
        agent_end(agent, "left", "shutdown");
    registry_lock(registry);
    registry->members[member->index] = NULL;
    registry_unlock(registry);
}

void
member_leave(struct member *member)
{
    if (!member || --member->instances > 0)
        return;
    member_stop(member);
    free(member);
}
