/* The way out of a session: from the request to the outcome of its dial, with
 * the move to another worker where that serves it better. */
#include "proxy/session_parts.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "auth/permitopen.h"
#include "auth/rules.h"
#include "proxy/agentname.h"
#include "proxy/fardial.h"
#include "transport/base/clock.h"
#include "transport/stream_tcp.h"

struct way_out {
    struct dial dial;
    bool started;        /* here, and not done */
    struct fardial *far; /* under way elsewhere, or NULL */
    struct mail mail;    /* carries the session to another worker */
    struct session *session;
    double until; /* when its time is over, while it is under way there */
    struct target target;            /* that the agent is asked for, where */
    char agent[GRANT_AGENT_MAX + 1]; /* the session names it, */
    bool is_named; /* and its client did, not the users file */
};

static void start(struct session *session);

void
session_refuse(struct session *session, enum err err, const char *why)
{
    handshake_answer(session->handshake, err, NULL);
    session_end(session, err, why);
}

void
session_dial_stop(struct session *session)
{
    if (!session->way)
        return;
    if (session->way->started)
        dial_cancel(&session->way->dial);
    fardial_cancel(session->way->far);
    free(session->way);
    session->way = NULL;
}

enum err
session_dial_late(const struct session *session)
{
    const struct way_out *way = session->way;

    return way->far ? fardial_late(way->far) : way->dial.late;
}

/* --- the move ------------------------------------------------------------- */

/* On the new worker. */
static void
arrive(struct mail *mail)
{
    struct way_out *way =
        (struct way_out *)((char *)mail - offsetof(struct way_out, mail));
    struct session *session = way->session;
    struct engine *engine = session->engine;

    DL_APPEND(engine->sessions, session);
    engine->session_count++;
    stream_tcp_join(session->client, engine->worker);
    if (engine->over) {
        session_end(session, ERR_SHUTDOWN, "shutdown");
        return;
    }
    /* One that is sent from place to place never waits for a timer. */
    if (way->until > 0 && way->until <= clock_seconds()) {
        session_refuse(session, way->dial.late, "connect timeout");
        return;
    }
    deadline_resume(&engine->connect, &session->deadline, way->until);
    if (!session->client_ended)
        stream_want(session->client, STREAM_READABLE);
    start(session);
}

/* Sends the session to another worker's engine. It is in none meanwhile, but
 * it is still counted in the limits, which is what says that sessions live.
 * Returns false, with nothing changed, if it can't be moved. */
static bool
move(struct session *session, struct engine *to)
{
    struct engine *from = session->engine;
    struct way_out *way = session->way;

    if (!stream_tcp_leave(session->client))
        return false;
    way->until = session->deadline.queue ? session->deadline.at : 0;
    deadline_stop(&session->deadline);
    DL_DELETE(from->sessions, session);
    from->session_count--;
    session->engine = to;
    way->session = session;
    way->mail.run = arrive;
    worker_post(to->worker, &way->mail);
    return true;
}

/* --- the dial ------------------------------------------------------------- */

static void
on_dialled(struct dial *dial)
{
    struct session *session = dial->owner;
    union addr local = dial->local;
    enum err err = dial->err;

    session->way->started = false;
    session->way->far = NULL;
    if (err == ERR_AGAIN) {
        start(session);
        return;
    }
    if (dial->remote.sa.sa_family != AF_UNSPEC)
        session->reached = dial->remote;
    session->target = err ? NULL : dial->stream;
    session_dial_stop(session);
    if (err) {
        if (err == ERR_NO_DESCRIPTORS || err == ERR_NO_MEMORY)
            log_limited(&session->engine->refusals, LOG_ERROR,
                        "cannot connect to %s: %s", session->target_text,
                        err_text(err));
        session_refuse(session, err, "dial failed");
        return;
    }
    session_set_state(session, SESSION_REPLY);
    if (stream_accept(session->client)) {
        session_end(session, ERR_PEER_GONE, "client left");
        return;
    }
    handshake_answer(session->handshake, ERR_OK, &local);
    session_talk_flush(session);
    session_start_relay(session);
}

/* Has the dial made where the way out is at home, as the client is one that
 * stays here. */
static void
start_far(struct session *session, struct engine *far)
{
    struct way_out *way = session->way;

    way->far =
        fardial_start(session->engine, far, session->leaves_by, &way->dial);
    if (!way->far)
        session_refuse(session, ERR_NO_MEMORY, "no memory for the dial");
}

/* Dials from here, or from where the way out is at home. */
static void
start(struct session *session)
{
    struct engine *engine = session->engine;
    struct transport *via = engine->ways[session->leaves_by].via;
    struct worker *home = via->ops->home(via, &session->way->dial);

    if (home && home != engine->worker) {
        struct engine *far = engine->shared->engines[worker_index(home)];

        if (!move(session, far))
            start_far(session, far);
        return;
    }
    session->way->started = true;
    dial_start(via, &session->way->dial);
}

/* Asked before each address is tried: what is in the log, should none answer,
 * is the last one. */
static bool
is_addr_permitted(const struct dial *dial, const union addr *addr)
{
    struct session *session = dial->owner;

    session->reached = *addr;
    return rules_judge(session->engine->settings->rules, dial->target, addr) ==
           RULE_ALLOWED;
}

/* What a client of a remote SOCKS port may ask for (PermitRemoteOpen). */
static bool
is_open_to_remotes(const struct session *session, const struct target *target)
{
    const struct forward *forward = session->forward;

    return !forward->is_remote || forward->kind != FORWARD_SOCKS ||
           permitopen_allows(session->engine->settings->remote_open, target);
}

/* --- the way -------------------------------------------------------------- */

/* By which way out, and which agent's where that is what the session says. */
static void
choose_way(struct session *session, const struct target *target)
{
    const struct settings *settings = session->engine->settings;
    const struct session_goal *goal = session->goal;
    struct way_out *way = session->way;

    way->dial.target = target;
    way->dial.agent = NULL;
    way->dial.listened = NULL;
    way->is_named = false;
    session->leaves_by = settings->reverse_way;
    if (goal && goal->is_port) {
        way->dial.agent = goal->agent;
        way->dial.listened = goal->listened;
        way->dial.listened_port = goal->port;
    } else if (settings_has_gateway(settings) &&
               agentname_cut_target(target, &way->target, way->agent)) {
        way->dial.target = &way->target;
        way->dial.agent = way->agent;
        way->is_named = true;
    } else if (*session->handshake->agent) {
        strcpy(way->agent, session->handshake->agent);
        way->dial.agent = way->agent;
        way->is_named = !session->has_agent;
    } else {
        session->leaves_by =
            settings_way_of(settings, session->forward, target);
    }
    if (way->dial.agent)
        session->agent = strdup(way->dial.agent);
}

/* Whether rules permit a target. Where plain TCP leaves from here each address
 * is judged before it is tried; what a name leads to elsewhere is not known,
 * and an address that nobody sees permits nothing. */
static bool
is_permitted(const struct session *session, const struct target *target)
{
    const struct rules *rules = session->engine->settings->rules;

    switch (rules_judge(rules, target, NULL)) {
    case RULE_ALLOWED:
        return true;
    case RULE_DENIED:
        return false;
    case RULE_NEEDS_ADDR:
        break;
    }
    return session->leaves_by == SETTINGS_WAY_TCP ||
           rules_permit(rules, target);
}

/* Whether a rule is against it. One that leaves through an agent which the
 * client names is HOST.AGENT.culvert too, whichever way it has named it: who
 * denies what is below that keeps others from the agent. */
static bool
is_denied(const struct session *session)
{
    const struct rules *rules = session->engine->settings->rules;
    const struct dial *dial = &session->way->dial;
    struct target whole;

    /* What is behind a port of an agent's only the agent knows. */
    if (dial->listened)
        return false;
    if (!is_permitted(session, dial->target))
        return true;
    return session->way->is_named && !rules_empty(rules) &&
           (!agentname_join_target(dial->target, dial->agent, &whole) ||
            rules_deny(rules, &whole));
}

static void
start_dial(struct session *session)
{
    struct way_out *way = session->way;

    way->started = false;
    way->far = NULL;
    way->dial.client = session->peer;
    way->dial.want_local = session->protocol != HANDSHAKE_NONE;
    way->dial.permit = is_addr_permitted;
    way->dial.done = on_dialled;
    way->dial.owner = session;
    way->dial.late = ERR_TRANSPORT_DOWN;
    way->dial.lost_ = 0;
    session_set_state(session, SESSION_DIAL);
    deadline_start(&session->engine->connect, &session->deadline);
    /* Reading goes on: a client that leaves is to be noticed. */
    stream_want(session->client, STREAM_READABLE);
    start(session);
}

void
session_dial(struct session *session, const struct target *target)
{
    char text[TARGET_TEXT_MAX];

    session->target_text = strdup(target_format(target, text));
    if (session->refused) {
        session_refuse(session, session->refused, "refused as it came in");
        return;
    }
    if (!is_open_to_remotes(session, target)) {
        session_refuse(session, ERR_DENIED, "denied by PermitRemoteOpen");
        return;
    }
    session->way = malloc(sizeof(*session->way));
    if (!session->way || !session->target_text) {
        free(session->way);
        session->way = NULL;
        session_refuse(session, ERR_NO_MEMORY, "no memory for the dial");
        return;
    }
    choose_way(session, target);
    if (is_denied(session)) {
        free(session->way);
        session->way = NULL;
        session_refuse(session, ERR_DENIED, "denied by rule");
        return;
    }
    start_dial(session);
}
