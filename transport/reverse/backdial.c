/* A dial by an agent: a channel to the port that it has us listen on, as if
 * somebody had come there (forwarded-tcpip), and on it the talk of a SOCKS5
 * client, since that is what `ssh -R port` serves there.
 *
 * Greeting and request go out together, so that the answer is one round trip
 * away; it is read to the byte, as the target's own bytes are behind it. A
 * stock ssh says success before it knows; what becomes of it then is an end.
 * Agents of ours are known by a method that only they choose, and their codes
 * are true.
 *
 * What is behind a port the protocol does not say. One that does not answer as
 * SOCKS would is not asked again for a while; once one has, what goes wrong is
 * the target's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "transport/base/clock.h"
#include "transport/reverse/registry_parts.h"

/* How often a dial may lose its agent. */
#define LOST_MAX 3

/* What speaks SOCKS answers a greeting at once. */
#define MUTE_SECONDS 1.0

/* One that did not answer as SOCKS would is asked again after so long, as what
 * is behind it may have been down; one that said nothing is the last choice. */
#define WRONG_SECONDS  30.0
#define SILENT_SECONDS 60.0

/* An agent of which nothing was heard for so long since it was asked is not
 * waited for where there is another. */
#define PATIENCE_SECONDS 1.0

static void on_opened(struct sshlink_open *open);
static void on_ready(struct stream *stream, unsigned events);

/* --- ways to end it ------------------------------------------------------- */

/* Takes it from wherever it is. */
static void
leave(struct backdial *each)
{
    if (each->stage == BACKDIAL_WAITING) {
        DL_DELETE(each->member->waiting, each);
        return;
    }
    DL_DELETE(each->agent->dials, each);
    if (each->stage == BACKDIAL_OPENING)
        sshlink_open_cancel(each->agent->link, &each->open);
    else if (each->stream)
        stream_close(each->stream, STREAM_ABORT);
    each->stream = NULL;
    each->agent = NULL;
    each->claim = NULL;
}

static void
tell_later(struct task *task)
{
    struct dial *dial =
        (struct dial *)((char *)task - offsetof(struct dial, task_));

    dial->done(dial);
}

/* It has left; it is told of from the loop. */
static void
end_later(struct backdial *each, enum err err)
{
    struct dial *dial = each->dial;

    dial->err = err;
    dial->state_ = NULL;
    worker_defer(each->member->worker, &dial->task_);
    free(each);
}

/* It has left, but for its stream. The last thing that a callback does. */
static void
end(struct backdial *each, enum err err)
{
    struct dial *dial = each->dial;

    if (err && each->stream)
        stream_close(each->stream, STREAM_ABORT);
    else if (each->stream)
        stream_want(each->stream, 0); /* by us */
    dial->err = err;
    dial->stream = err ? NULL : each->stream;
    dial->state_ = NULL;
    free(each);
    dial->done(dial);
}

/* It has an outcome. */
static void
finish(struct backdial *each, enum err err)
{
    DL_DELETE(each->agent->dials, each);
    end(each, err);
}

/* It has left: looks for an agent again. */
static void
wait_again(struct backdial *each)
{
    each->stage = BACKDIAL_WAITING;
    each->dial->late = ERR_TRANSPORT_DOWN;
    DL_APPEND(each->member->waiting, each);
    member_settle_soon(each->member);
}

/* Its agent is lost: nothing of the client's was sent, so that another may be
 * asked. */
static void
lose(struct backdial *each)
{
    leave(each);
    if (each->dial->lost_++ < LOST_MAX)
        wait_again(each);
    else
        end_later(each, ERR_TRANSPORT_DOWN);
}

/* --- the talk ------------------------------------------------------------- */

static bool
is_raw(const struct backdial *each)
{
    return each->dial->listened != NULL;
}

/* Its port has answered as SOCKS does. */
static void
note_socks(struct backdial *each)
{
    registry_lock(each->member->registry);
    if (each->claim)
        each->claim->nature = CLAIM_SOCKS;
    registry_unlock(each->member->registry);
}

/* Or not, unless it has before: that holds for some seconds. */
static void
note_other(struct backdial *each, enum claim_nature nature, double seconds)
{
    struct claim *claim = each->claim;

    registry_lock(each->member->registry);
    if (claim && claim->nature != CLAIM_SOCKS) {
        claim->nature = nature;
        claim->judged_until = clock_seconds() + seconds;
    }
    registry_unlock(each->member->registry);
}

static bool
is_known(const struct backdial *each)
{
    return each->claim && each->claim->nature == CLAIM_SOCKS;
}

/* Whether there are agents, and none of their ports would do: to wait is of no
 * use. */
static bool
has_only_fixed(const struct backdial *each)
{
    return !is_raw(each) &&
           registry_is_deaf(each->member->registry, each->name);
}

/* That is no SOCKS; or err, where it has been before. */
static void
mistake(struct backdial *each, enum err err)
{
    struct log_word name;

    if (is_known(each)) {
        finish(each, err);
        return;
    }
    log_limited(&each->agent->complaints, LOG_WARN,
                "agent %s: nothing that speaks SOCKS is behind %s:%u (%s); ssh "
                "-R PORT, without a target, has it",
                log_word(&name, each->agent->name),
                *each->listened ? each->listened : "*", each->port,
                err_text(err));
    note_other(each, CLAIM_FIXED, WRONG_SECONDS);
    leave(each);
    if (has_only_fixed(each))
        end_later(each, ERR_TRANSPORT_DOWN);
    else
        wait_again(each);
}

/* It has said all. */
static void
conclude(struct backdial *each)
{
    const struct backtalk *talk = &each->talk;

    if (talk->is_culvert)
        atomic_store(&each->agent->is_culvert, true);
    if (talk->err == ERR_PROTOCOL)
        mistake(each, ERR_PROTOCOL);
    else
        finish(each, talk->err);
}

/* Reads what is there of the answer, and not a byte more. */
static void
hear(struct backdial *each)
{
    for (;;) {
        size_t size;
        uint8_t *room = backtalk_room(&each->talk, &size);
        size_t got = 0;
        enum err err = stream_read(each->stream, room, size, &got);
        bool over;

        if (err == ERR_AGAIN)
            return;
        if (err == ERR_EOF) {
            mistake(each, ERR_REMOTE_FAILED);
            return;
        }
        if (err) {
            lose(each);
            return;
        }
        over = backtalk_fed(&each->talk, got);
        if (each->talk.is_socks && !is_known(each))
            note_socks(each);
        if (over) {
            conclude(each);
            return;
        }
    }
}

static void
say(struct backdial *each)
{
    unsigned events = STREAM_READABLE;

    while (each->out_at < each->out_len) {
        size_t put = 0;
        enum err err = stream_write(each->stream, each->out + each->out_at,
                                    each->out_len - each->out_at, &put);

        if (err) { /* another error is met where it is read */
            events |= err == ERR_AGAIN ? STREAM_WRITABLE : 0;
            break;
        }
        each->out_at += put;
    }
    stream_want(each->stream, events);
}

static void
on_ready(struct stream *stream, unsigned events)
{
    struct backdial *each = stream->owner;

    if (events & STREAM_WRITABLE)
        say(each);
    if (events & STREAM_READABLE)
        hear(each);
}

/* Finds the best agent. It is to be used only where it is one of here. */
static struct agent *
find_agent(const struct backdial *each, struct claim **claim, bool *is_here)
{
    const struct dial *dial = each->dial;
    struct registry *registry = each->member->registry;
    const struct registry_ask ask = {
        .name = each->name,
        .listened = dial->listened,
        .port = dial->listened_port,
    };
    struct agent *agent;

    registry_lock(registry);
    agent = registry_pick(registry, &ask, claim);
    *is_here = agent && agent->member == each->member;
    registry_unlock(registry);
    return agent;
}

/* Its agent has no room for more: it is the last choice from now on. Returns
 * whether there is another. */
static bool
may_go_elsewhere(struct backdial *each)
{
    struct agent *agent = each->agent;
    struct claim *claim = NULL;
    bool is_here;

    if (!atomic_exchange(&agent->is_suspect, true))
        agent->suspected = clock_seconds();
    return find_agent(each, &claim, &is_here) != agent;
}

static void
on_opened(struct sshlink_open *open)
{
    struct backdial *each = open->owner;

    each->stream = open->stream;
    if (open->err == ERR_TRANSPORT_DOWN) {
        each->stage = BACKDIAL_TALKING; /* it is open no longer */
        lose(each);
    } else if (open->err == ERR_NO_RESOURCES && may_go_elsewhere(each)) {
        each->stage = BACKDIAL_TALKING;
        lose(each);
    } else if (is_raw(each) || open->err == ERR_NO_RESOURCES ||
               open->err == ERR_NO_MEMORY) {
        finish(each, open->err);
    } else if (open->err) {
        each->stage = BACKDIAL_TALKING;
        mistake(each, open->err);
    } else {
        each->stage = BACKDIAL_TALKING;
        each->dial->late = ERR_TIMED_OUT;
        each->talking = clock_seconds();
        each->stream->owner = each;
        each->stream->on_ready = on_ready;
        say(each);
    }
}

/* --- the beginning -------------------------------------------------------- */

static void
enter(struct backdial *each, struct agent *agent, struct claim *claim)
{
    each->stage = BACKDIAL_OPENING;
    each->agent = agent;
    each->claim = claim;
    each->asked = clock_seconds();
    each->port = claim->port->number;
    strcpy(each->listened, claim->address);
    if (!is_raw(each))
        each->out_len =
            backtalk_begin(&each->talk, each->dial->target, each->out);
    each->out_at = 0;
    DL_APPEND(agent->dials, each);
    each->open = (struct sshlink_open){
        .client = each->dial->client,
        .listened = each->listened,
        .listened_port = each->port,
        .done = on_opened,
        .owner = each,
    };
    member_look_soon(each->member);
    sshlink_open_start(agent->link, &each->open);
}

void
backdial_start(struct member *member, const char *name, struct dial *dial)
{
    struct backdial *each = calloc(1, sizeof(*each));
    struct claim *claim = NULL;
    struct agent *agent;
    bool is_here;

    dial->stream = NULL;
    dial->late = ERR_TRANSPORT_DOWN;
    dial->remote.sa.sa_family = dial->local.sa.sa_family = AF_UNSPEC;
    dial->task_ = (struct task){.run = tell_later};
    dial->state_ = each;
    if (!each || (!dial->listened && dial->target->kind == TARGET_UNIX)) {
        dial->err = each ? ERR_BAD_ADDRESS_TYPE : ERR_NO_MEMORY;
        dial->state_ = NULL;
        free(each);
        worker_defer(member->worker, &dial->task_);
        return;
    }
    each->dial = dial;
    each->member = member;
    snprintf(each->name, sizeof(each->name), "%s", name);
    agent = find_agent(each, &claim, &is_here);
    if (is_here)
        enter(each, agent, claim);
    else if (!agent && has_only_fixed(each))
        end_later(each, ERR_TRANSPORT_DOWN);
    else
        wait_again(each);
}

/* Whether what is behind its port has said nothing, though the channel was
 * there soon: SOCKS answers a greeting at once. */
static bool
is_mute(const struct backdial *each, double now)
{
    double path = each->talking - each->asked;

    return each->stage == BACKDIAL_TALKING && !is_raw(each) &&
           !each->talk.is_socks && !is_known(each) &&
           now - each->talking > MUTE_SECONDS + 3 * path;
}

void
backdial_cancel(struct member *member, struct dial *dial)
{
    struct backdial *each = dial->state_;

    worker_undefer(member->worker, &dial->task_);
    dial->state_ = NULL;
    if (!each)
        return;
    if (is_mute(each, clock_seconds()))
        note_other(each, CLAIM_SILENT, SILENT_SECONDS);
    leave(each);
    free(each);
}

void
backdial_settle(struct member *member)
{
    struct backdial *each;
    struct backdial *next;

    DL_FOREACH_SAFE (member->waiting, each, next) {
        struct claim *claim = NULL;
        bool is_here = false;
        struct agent *agent = find_agent(each, &claim, &is_here);

        /* One that had an agent waits for that to come again. */
        if (!agent && (each->dial->lost_ > 0 || !has_only_fixed(each)))
            continue;
        leave(each);
        if (is_here)
            enter(each, agent, claim);
        else
            end_later(each, agent ? ERR_AGAIN : ERR_TRANSPORT_DOWN);
    }
}

/* --- what becomes of agents ----------------------------------------------- */

void
backdial_lose(struct agent *agent)
{
    while (agent->dials)
        lose(agent->dials);
}

void
backdial_forget(struct agent *agent, const struct claim *claim)
{
    struct backdial *each;

    DL_FOREACH (agent->dials, each)
        if (each->claim == claim)
            each->claim = NULL;
}

/* Whether it has heard nothing from its agent for too long. */
static bool
is_stuck(const struct backdial *each, double now)
{
    return each->asked < now - PATIENCE_SECONDS &&
           sshlink_heard(each->agent->link) < each->asked;
}

bool
backdial_look(struct agent *agent)
{
    double now = clock_seconds();
    struct backdial *each;
    struct backdial *next;

    if (atomic_load(&agent->is_suspect) &&
        sshlink_heard(agent->link) > agent->suspected)
        atomic_store(&agent->is_suspect, false);
    DL_FOREACH_SAFE (agent->dials, each, next) {
        struct claim *claim = NULL;
        bool is_here;

        if (is_mute(each, now) &&
            registry_has_other(agent->registry, each->name, each->claim)) {
            note_other(each, CLAIM_SILENT, SILENT_SECONDS);
        } else if (is_stuck(each, now)) {
            if (!atomic_exchange(&agent->is_suspect, true))
                agent->suspected = now;
            if (find_agent(each, &claim, &is_here) == agent)
                continue;
        } else {
            continue;
        }
        leave(each);
        wait_again(each);
    }
    return agent->dials || atomic_load(&agent->is_suspect);
}
