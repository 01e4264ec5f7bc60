#include "transport/net/race.h"

#include <string.h>

static void go_on(struct race *race);

/* Has the timer end in so many milliseconds; 0: no timer. */
static void
set_timer(struct race *race, unsigned ms)
{
    struct ev_loop *loop = worker_loop(race->connector->worker);

    ev_timer_stop(loop, &race->timer);
    if (ms == 0)
        return;
    ev_timer_set(&race->timer, ms / 1000.0, 0);
    ev_timer_start(loop, &race->timer);
}

/* Calls back; the race may be gone after this. */
static void
finish(struct race *race, enum err err, int fd, const union addr *remote)
{
    union addr addr = *remote;

    race_stop(race);
    race->ended(race, err, fd, &addr);
}

static bool
all_answered(const struct race *race)
{
    return (!race->want_v4 || race->answered[RESOLVE_V4]) &&
           (!race->want_v6 || race->answered[RESOLVE_V6]);
}

/* Why there is no address: that the name does not exist only when each family
 * asked said so, else the worse of what they said. */
static enum err
name_error(const struct race *race)
{
    static const enum err order[] = {ERR_NO_MEMORY, ERR_NAME_FAILED,
                                     ERR_NAME_TIMED_OUT};

    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        if (race->name_err[RESOLVE_V4] == order[i] ||
            race->name_err[RESOLVE_V6] == order[i])
            return order[i];
    }
    return ERR_NAME_NOT_FOUND;
}

static void
note_error(struct race *race, enum err err, const union addr *addr)
{
    enum err worse = attempt_worse(race->err, err);

    if (worse != race->err) {
        race->err = worse;
        race->err_addr = *addr;
    }
}

static void
on_attempt_ended(struct attempt *attempt, enum err err)
{
    struct race *race = attempt->owner;

    race->under_way--;
    if (err == ERR_OK) {
        int fd = attempt_give_fd(attempt);

        finish(race, ERR_OK, fd, &attempt->remote);
        return;
    }
    note_error(race, err, &attempt->remote);
    set_timer(race, 0); /* RFC 8305 5: a failure starts the next at once */
    go_on(race);
}

static void
take_from_queue(struct race *race, union addr *addr)
{
    *addr = race->queue[0].dest;
    race->queued--;
    memmove(race->queue, race->queue + 1,
            race->queued * sizeof(race->queue[0]));
}

/* Tries the next address. Returns ERR_OK when it is connected, ERR_AGAIN when
 * that takes time; else it failed, and is noted. */
static enum err
try_next(struct race *race)
{
    struct attempt *attempt = &race->attempts[race->tried++];
    enum err err = ERR_DENIED;

    take_from_queue(race, &attempt->remote);
    attempt->fd = -1;
    attempt->owner = race;
    attempt->ended = on_attempt_ended;
    if (!race->permit || race->permit(race->permit_arg, &attempt->remote))
        err = attempt_open(attempt, race->connector);
    if (err != ERR_OK && err != ERR_AGAIN)
        note_error(race, err, &attempt->remote);
    return err;
}

/* Starts what may start now, and ends the race where nothing is left. */
static void
go_on(struct race *race)
{
    while (race->queued > 0 &&
           (race->under_way == 0 || !ev_is_active(&race->timer))) {
        enum err err = try_next(race);

        if (err == ERR_OK) {
            struct attempt *won = &race->attempts[race->tried - 1];

            finish(race, ERR_OK, attempt_give_fd(won), &won->remote);
            return;
        }
        if (err == ERR_AGAIN) {
            race->under_way++;
            set_timer(race, RACE_ATTEMPT_DELAY_MS);
        }
    }
    if (race->under_way > 0 || !all_answered(race))
        return;
    if (race->err == ERR_OK)
        race->err = name_error(race);
    finish(race, race->err, -1, &race->err_addr);
}

static void
on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct race *race = timer->data;

    (void)loop;
    (void)events;
    race->started = true;
    go_on(race);
}

static void
enqueue(struct race *race, const union addr *addrs, size_t count)
{
    if (count > RACE_FAMILY_MAX)
        count = RACE_FAMILY_MAX;
    for (size_t i = 0; i < count; i++) {
        struct addrsort_item *item = &race->queue[race->queued];

        memset(item, 0, sizeof(*item));
        item->dest = addrs[i];
        addr_set_port(&item->dest, race->port);
        /* An AAAA record can hide an IPv4 address from rules about those. */
        addr_unmap(&item->dest);
        if (race->want_v4 || item->dest.sa.sa_family != AF_INET)
            race->queued++;
    }
}

/* Sorts what was not tried, old and new; the families go on alternating from
 * the one that was tried last. */
static void
sort_queue(struct race *race)
{
    int last = AF_UNSPEC;

    if (race->tried > 0)
        last = race->attempts[race->tried - 1].remote.sa.sa_family;
    if (race->queued < 2)
        return;
    addrsort_find_sources(race->queue, race->queued, &race->connector->bind_v4,
                          &race->connector->bind_v6);
    addrsort_order(race->queue, race->queued);
    addrsort_interleave(race->queue, race->queued, last);
}

static void
on_answer(struct resolve *resolve, const struct resolve_answer *answer)
{
    struct race *race = (struct race *)(void *)((char *)resolve -
                                                offsetof(struct race, resolve));

    race->answered[answer->family] = true;
    race->name_err[answer->family] = answer->err;
    if (answer->err == ERR_OK)
        enqueue(race, answer->addrs, answer->count);
    if (answer->followed)
        return; /* the order is that of both */
    sort_queue(race);
    if (race->started || all_answered(race) ||
        (answer->family == RESOLVE_V6 && answer->err == ERR_OK)) {
        race->started = true;
        go_on(race);
        return;
    }
    /* RFC 8305 3: IPv4 came first and gives IPv6 a moment. */
    if (race->queued > 0)
        set_timer(race, RACE_RESOLUTION_DELAY_MS);
}

void
race_start(struct race *race, const char *name)
{
    ev_timer_init(&race->timer, on_timer, 0, 0);
    race->timer.data = race;
    race->resolve.on_answer = on_answer;
    race->resolve.want_v4 = race->want_v4;
    race->resolve.want_v6 = race->want_v6;
    resolve_start(race->connector->resolver, &race->resolve, name);
}

void
race_stop(struct race *race)
{
    resolve_cancel(&race->resolve);
    set_timer(race, 0);
    for (size_t i = 0; i < race->tried; i++)
        attempt_close(&race->attempts[i]);
}
