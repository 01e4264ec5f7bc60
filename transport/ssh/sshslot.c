/* One link's life on its worker: made, up, lost, made anew, closed. What other
 * threads see of it changes under the pool's lock; a place is given up only
 * when nothing of the link is left. */
#include "transport/ssh/sshremote_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport/base/clock.h"
#include "transport/base/log.h"

/* A link that lasts so long was a good one: the next failure is a new one. */
#define STEADY_SECONDS 10.0

/* One that keeps being lost soon after it was made is made anew as after so
 * many failures, no more: who waits for a remote forward waits a few seconds at
 * the most, and a login that succeeds is no reason to shun us. */
#define LOST_FAILURES_MAX 3

/* An extra link that nobody has used for so long goes. Not sooner, as another
 * will be made for the next stream beside one that stays, and each login
 * stands in the server's log. */
#define IDLE_SECONDS 180.0

/* Between two attempts of the first connection, as ssh. */
#define ATTEMPT_SECONDS 1.0

/* A first connection may take as long as the system lets it, as with ssh; one
 * that replaces another is tried anew rather: a network that was away comes
 * back, and SYNs that nobody answered are sent ever more rarely. */
#define PATIENCE_SECONDS 20.0

static void connect_again(struct ev_loop *loop, ev_timer *timer, int events);

void
sshslot_init(struct pool_slot *slot, struct sshpool *pool, unsigned index)
{
    slot->pool = pool;
    slot->index = index;
    slot->state = SSHPOOL_WAITING;
    ev_timer_init(&slot->retry, connect_again, 0., 0.);
    slot->retry.data = slot;
    sshremote_init(slot);
}

static struct ev_loop *
loop_of(const struct pool_slot *slot)
{
    return worker_loop(slot->member->worker);
}

void
sshslot_clear(struct pool_slot *slot)
{
    ev_timer_stop(loop_of(slot), &slot->retry);
    sshconnect_cancel(slot->connect);
    slot->connect = NULL;
    sshremote_detach(slot);
    sshlink_destroy(slot->link);
    slot->link = NULL;
    sshcarrier_destroy(slot->carrier);
    slot->carrier = NULL;
    atomic_store(&slot->waiting_ms, 0);
    atomic_store(&slot->scouts, 0);
    sshmember_dial_again(&slot->dials);
}

/* No dial goes there from now on. Returns how many links are up besides. */
static unsigned
retire(struct pool_slot *slot)
{
    unsigned left;

    sshpool_lock(slot->pool);
    slot->sick = true;
    left = sshpool_count_up(slot->pool);
    sshpool_unlock(slot->pool);
    return left;
}

/* --- an attempt that failed ----------------------------------------------- */

/* A failure's text without the server's name, where it begins with it: it is
 * said in the same line. */
static const char *
bare(const struct sshpool *pool, const char *text)
{
    size_t len = strlen(pool->name);

    if (strncmp(text, pool->name, len) == 0 &&
        strncmp(text + len, ": ", 2) == 0)
        return text + len + 2;
    return text;
}

static void
wait_to_retry(struct pool_slot *slot, double seconds)
{
    ev_timer_set(&slot->retry, seconds, 0.);
    ev_timer_start(loop_of(slot), &slot->retry);
}

/* The first connection: as often as the user said, then that was it. */
static void
fail_beginning(struct pool_slot *slot, const struct sshconnect_outcome *outcome)
{
    struct sshpool *pool = slot->pool;
    bool again;

    sshpool_lock(pool);
    again = --pool->attempts > 0 && !outcome->hopeless;
    if (again) {
        sshpool_set_state(slot, SSHPOOL_WAITING);
    } else {
        sshpool_give_up(slot);
        pool->beginning = false;
        pool->over = true;
    }
    sshpool_unlock(pool);
    if (again) {
        log_write(LOG_WARN, "%s", outcome->text);
        wait_to_retry(slot, ATTEMPT_SECONDS);
    } else {
        pool->begun(pool->begun_arg, outcome->err, outcome->text);
    }
}

/* No more further links for a while, as one failed. Under the lock. Returns how
 * many did, in a row. */
static unsigned
hold_off(struct sshpool *pool, bool hopeless)
{
    unsigned failures = ++pool->extra_failures;

    pool->extra_after =
        clock_seconds() +
        sshpick_extra_seconds(failures, hopeless, sshpool_spread());
    return failures;
}

/* One beside others: they go on without it. Returns false when there are none.
 * That is found and acted on in one step: two links that end at once on two
 * workers must not both leave it to the other. */
static bool
fail_extra(struct pool_slot *slot, const struct sshconnect_outcome *outcome)
{
    struct sshpool *pool = slot->pool;
    unsigned failures;
    unsigned left;

    sshpool_lock(pool);
    if (!sshpool_has_others(slot)) {
        sshpool_unlock(pool);
        return false;
    }
    sshpool_give_up(slot);
    failures = hold_off(pool, outcome->hopeless);
    left = sshpool_count_up(pool);
    sshremote_assign(pool);
    sshpool_nudge_all(pool);
    sshpool_unlock(pool);
    log_write(failures == 1 ? LOG_INFO : LOG_VERBOSE,
              "no further link to %s: %s; going on with %u", pool->name,
              bare(pool, outcome->text), left);
    return true;
}

/* The only one there is. What is the same each time is told once. */
static void
fail_only(struct pool_slot *slot, const struct sshconnect_outcome *outcome)
{
    double wait = sshpick_retry_seconds(++slot->failures, outcome->hopeless,
                                        sshpool_spread());
    bool news = strcmp(slot->last_failure, outcome->text) != 0;

    sshpool_lock(slot->pool);
    sshpool_set_state(slot, SSHPOOL_WAITING);
    sshpool_unlock(slot->pool);
    log_write(news ? LOG_WARN : LOG_VERBOSE,
              "cannot reconnect to %s: %s; trying again", slot->pool->name,
              bare(slot->pool, outcome->text));
    snprintf(slot->last_failure, sizeof(slot->last_failure), "%s",
             outcome->text);
    wait_to_retry(slot, wait);
}

static void
fail(struct pool_slot *slot, const struct sshconnect_outcome *outcome)
{
    struct sshpool *pool = slot->pool;
    bool beginning;

    sshpool_lock(pool);
    beginning = pool->beginning;
    sshpool_unlock(pool);
    if (beginning)
        fail_beginning(slot, outcome);
    else if (!fail_extra(slot, outcome))
        fail_only(slot, outcome);
}

static void
fail_early(struct pool_slot *slot, enum err err)
{
    const struct sshconnect_outcome outcome = {.err = err,
                                               .text = err_text(err)};

    fail(slot, &outcome);
}

/* --- a link that was lost ------------------------------------------------- */

static void connect_soon(struct pool_slot *slot);

/* Its link has gone. Returns whether the place has been given up; it is not
 * where it is the last one. was_brief: it went soon, as where a server lets one
 * link live and no more. */
static bool
give_up_or_stay(struct pool_slot *slot, bool was_brief)
{
    struct sshpool *pool = slot->pool;
    bool others;

    sshpool_lock(pool);
    others = sshpool_has_others(slot);
    if (others) {
        sshpool_give_up(slot);
        if (was_brief)
            hold_off(pool, false);
    } else {
        pool->lost = true;
        sshpool_set_state(slot, SSHPOOL_CONNECTING);
    }
    sshremote_assign(pool);
    sshpool_nudge_all(pool);
    sshpool_unlock(pool);
    return others;
}

static void
on_down(void *arg, enum err err, const char *text)
{
    struct pool_slot *slot = arg;
    struct sshpool *pool = slot->pool;
    unsigned streams = sshlink_streams(slot->link);
    bool was_brief = clock_seconds() - slot->since < STEADY_SECONDS;
    char why[SSHCONNECT_TEXT_MAX];
    bool others;

    snprintf(why, sizeof(why), "%s", text && *text ? text : err_text(err));
    retire(slot);
    sshslot_clear(slot);
    if (!was_brief)
        slot->failures = 0;
    else if (slot->failures < LOST_FAILURES_MAX)
        slot->failures++;
    others = give_up_or_stay(slot, was_brief);
    log_write(LOG_WARN, "link to %s lost: %s; %u stream%s ended%s", pool->name,
              why, streams, streams == 1 ? "" : "s",
              others ? "" : "; reconnecting");
    if (!others)
        connect_soon(slot);
}

/* --- making one ----------------------------------------------------------- */

static void
be_up(struct pool_slot *slot, bool person)
{
    struct sshpool *pool = slot->pool;
    bool began;
    bool back;

    sshpool_lock(pool);
    began = pool->beginning;
    pool->beginning = false;
    back = pool->lost;
    pool->lost = false;
    if (person)
        pool->limit = 1;
    if (back) /* further links failed as the server was away */
        pool->extra_after = 0;
    slot->in_seen = slot->marked_at = 0;
    slot->pace = 0;
    slot->marked = clock_seconds();
    slot->heard = clock_seconds();
    sshpool_set_state(slot, SSHPOOL_UP);
    sshremote_on_up(pool);
    sshpool_nudge_all(pool);
    sshpool_unlock(pool);
    slot->last_failure[0] = 0;
    slot->idle_since = 0;
    log_write(back ? LOG_INFO : LOG_VERBOSE, "link to %s is %s (worker %u)",
              pool->name, back ? "back" : "up", slot->worker);
    if (began)
        pool->begun(pool->begun_arg, ERR_OK, "");
}

static void
on_connected(void *arg, const struct sshconnect_outcome *outcome)
{
    struct pool_slot *slot = arg;
    const struct sshlink_config config = {
        .worker = slot->member->worker,
        .dest = slot->pool->config.dest,
        .session = outcome->session,
        .load = &slot->load,
        .down = on_down,
        .offered = sshremote_on_offered,
        .arg = slot,
    };
    enum err err;

    slot->connect = NULL;
    if (outcome->err) {
        fail(slot, outcome);
        return;
    }
    slot->carrier = outcome->carrier;
    err = sshlink_create(&config, &slot->link);
    if (!err) {
        be_up(slot, outcome->person);
        return;
    }
    slot->link = NULL;
    sshcarrier_destroy(slot->carrier);
    slot->carrier = NULL;
    fail_early(slot, err);
}

static void
start_connect(struct pool_slot *slot)
{
    struct sshpool *pool = slot->pool;
    struct sshconnect_request request = {
        .dest = pool->config.dest,
        .connector = slot->member->connector,
        .cred = pool->config.cred,
        .patience = PATIENCE_SECONDS,
        .done = on_connected,
        .arg = slot,
    };
    enum err err;

    sshpool_lock(pool);
    if (pool->beginning)
        request.patience = 0;
    sshpool_set_state(slot, SSHPOOL_CONNECTING);
    sshpool_unlock(pool);
    err = sshconnect_start(&request, &slot->connect);
    if (err) {
        slot->connect = NULL;
        fail_early(slot, err);
    }
}

static void
connect_again(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    start_connect(timer->data);
}

static void
connect_soon(struct pool_slot *slot)
{
    wait_to_retry(
        slot, sshpick_retry_seconds(slot->failures, false, sshpool_spread()));
}

static void
restart(struct pool_slot *slot)
{
    struct sshpool *pool = slot->pool;

    if (slot->link) {
        unsigned streams = sshlink_streams(slot->link);

        retire(slot);
        log_write(LOG_INFO,
                  "link to %s closed to be made anew; %u stream%s ended",
                  pool->name, streams, streams == 1 ? "" : "s");
    }
    sshslot_clear(slot);
    slot->failures = 0;
    start_connect(slot);
}

void
sshslot_obey(struct pool_slot *slot)
{
    struct sshpool *pool = slot->pool;
    enum slot_order order;

    sshpool_lock(pool);
    order = slot->order;
    slot->order = SLOT_NOTHING;
    sshpool_unlock(pool);
    switch (order) {
    case SLOT_NOTHING:
        return;
    case SLOT_START:
        slot->failures = 0;
        start_connect(slot);
        return;
    case SLOT_RESTART:
        restart(slot);
        return;
    }
}

/* --- closing one that idles ----------------------------------------------- */

/* All links are up for a while: no failure of late counts. */
static void
forget_failures(struct sshpool *pool)
{
    double now = clock_seconds();

    sshpool_lock(pool);
    if (now >= pool->extra_after + STEADY_SECONDS)
        pool->extra_failures = 0;
    sshpool_unlock(pool);
}

static bool
has_remotes(struct pool_slot *slot)
{
    bool has;

    sshpool_lock(slot->pool);
    has = slot->remotes > 0;
    sshpool_unlock(slot->pool);
    return has;
}

void
sshslot_tidy(struct pool_slot *slot)
{
    struct sshpool *pool = slot->pool;
    double now = clock_seconds();
    bool last;

    if (now - slot->since >= STEADY_SECONDS)
        forget_failures(slot->pool);
    if (has_remotes(slot))
        return;
    if (sshlink_streams(slot->link) > 0 || slot->dials ||
        slot->opened != slot->opened_then) {
        slot->opened_then = slot->opened;
        slot->idle_since = 0;
        return;
    }
    if (slot->idle_since <= 0)
        slot->idle_since = now;
    if (now - slot->idle_since < IDLE_SECONDS)
        return;
    sshpool_lock(pool);
    slot->sick = true;
    last = sshpool_count_up(pool) == 0;
    slot->sick = !last;
    sshpool_unlock(pool);
    if (last)
        return;
    sshslot_clear(slot);
    log_write(LOG_VERBOSE, "a link to %s closed: it has idled", pool->name);
    /* The others may have gone meanwhile: then this one is to come back. */
    if (!give_up_or_stay(slot, false))
        connect_soon(slot);
}
