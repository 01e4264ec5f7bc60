#include "proxy/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "auth/sources.h"
#include "proxy/session_parts.h"
#include "transport/base/clock.h"

/* --- states --------------------------------------------------------------- */

/* Which states may follow which; any but END may be followed by END. */
static const unsigned arrows[] = {
    [SESSION_HELLO] =
        1 << SESSION_AUTH | 1 << SESSION_REQUEST | 1 << SESSION_DIAL,
    [SESSION_AUTH] = 1 << SESSION_REQUEST,
    [SESSION_REQUEST] = 1 << SESSION_DIAL,
    [SESSION_DIAL] = 1 << SESSION_REPLY,
    [SESSION_REPLY] = 1 << SESSION_RELAY,
    [SESSION_RELAY] = 0,
    [SESSION_END] = 0,
};

void
session_set_state(struct session *session, enum session_state state)
{
#ifdef CULVERT_DEBUG
    if (state != SESSION_END && !(arrows[session->state] & 1u << state)) {
        log_write(LOG_FATAL, "session %llu: from state %d to %d",
                  (unsigned long long)session->id, session->state, state);
        abort();
    }
#else
    (void)arrows;
#endif
    session->state = state;
}

/* --- the end -------------------------------------------------------------- */

static void
free_session(struct session *session)
{
    struct engine *engine = session->engine;

    deadline_stop(&session->deadline);
    if (session->client)
        stream_close(session->client, STREAM_GRACEFUL);
    handshake_destroy(session->handshake);
    if (session->refused)
        engine->refused--;
    limits_leave(&engine->shared->limits, &session->peer, session->entered);
    DL_DELETE(engine->sessions, session);
    engine->session_count--;
    free(session->goal);
    free(session->target_text);
    free(session->user);
    free(session->agent);
    free(session);
    if (engine->on_gone)
        engine->on_gone(engine);
}

/* After the end: sends what is owed, then the end of the stream, and waits
 * for the client to close. Closing at once, with bytes of the client unread,
 * would reset the connection and destroy the reply on its way. */
static void
on_linger(struct stream *stream, unsigned events)
{
    struct session *session = stream->owner;
    struct handshake *hs = session->handshake;
    void *scratch = worker_scratch(session->engine->worker);
    size_t got = 0;

    if (events & STREAM_WRITABLE && hs->out_at < hs->out_len) {
        if (!session_talk_flush(session))
            return;
        stream_finish(stream);
        stream_want(stream, STREAM_READABLE);
    }
    if (events & STREAM_READABLE) {
        enum err err = stream_read(stream, scratch, WORKER_SCRATCH_BYTES, &got);

        if (err && err != ERR_AGAIN)
            free_session(session);
    }
}

static void
linger(struct session *session)
{
    session->client->on_ready = on_linger;
    deadline_start(&session->engine->linger, &session->deadline);
    if (session_talk_flush(session)) {
        stream_finish(session->client);
        stream_want(session->client, STREAM_READABLE);
    } else {
        stream_want(session->client, STREAM_READABLE | STREAM_WRITABLE);
    }
}

void
session_end(struct session *session, enum err err, const char *why)
{
    enum stream_close how = STREAM_GRACEFUL;
    struct engine *engine = session->engine;
    bool lingers;

    if (session->state == SESSION_END) { /* it lingers: no longer */
        free_session(session);
        return;
    }
    /* A stream that was relayed, or is none but a forward's, has nothing but
     * a reset to say that this is no proper end. */
    if (err && (session->state == SESSION_RELAY ||
                session->protocol == HANDSHAKE_NONE))
        how = STREAM_ABORT;
    session_set_state(session, SESSION_END);
    deadline_stop(&session->deadline);
    session_dial_stop(session);
    verify_cancel(session->verify);
    session->verify = NULL;
    lingers = session->handshake &&
              session->handshake->phase == HANDSHAKE_OVER &&
              session->protocol != HANDSHAKE_NONE && err != ERR_PEER_GONE &&
              err != ERR_SHUTDOWN;
    /* Whoever reads of the end in the log finds the place free. One that
     * lingers takes it still, so that nobody fills the room by refusals. */
    if (!session->entered && !lingers) {
        limits_uncount(&engine->shared->limits, &session->peer);
        session->entered = ERR_LIMIT;
    }
    if (session->forward->kind == FORWARD_STDIO) {
        engine->stdio_over = true;
        engine->stdio_err = err;
    }
    session_log_end(session, err);
    if (log_enabled(LOG_DEBUG))
        log_write(LOG_DEBUG, "session %llu: %s",
                  (unsigned long long)session->id, why);
    engine->counters.ended[err]++;
    engine->counters.bytes_up += session->relay.ways[RELAY_UP].bytes;
    engine->counters.bytes_down += session->relay.ways[RELAY_DOWN].bytes;
    relay_stop(&session->relay);
    if (session->target)
        stream_close(session->target, how);
    session->target = NULL;
    if (lingers) {
        linger(session);
        return;
    }
    stream_close(session->client, how);
    session->client = NULL;
    free_session(session);
}

void
session_end_owned(struct engine *engine, const void *owner)
{
    struct session *session;
    struct session *next;

    DL_FOREACH_SAFE (engine->sessions, session, next)
        if (session->goal && session->goal->owner == owner)
            session_end(session, ERR_RESET, "its agent left");
}

/* --- relay ---------------------------------------------------------------- */

static struct session *
session_of_relay(struct relay *relay)
{
    return (struct session *)((char *)relay - offsetof(struct session, relay));
}

static void
on_moved(struct relay *relay)
{
    struct session *session = session_of_relay(relay);

    if (session->deadline.queue)
        deadline_start(session->deadline.queue, &session->deadline);
}

/* Starts the time that a relay may rest: the shorter one, where both count. */
static void
start_rest(struct session *session)
{
    struct deadline_queue *idle = &session->engine->idle;
    struct deadline_queue *half = &session->engine->half_closed;
    bool half_counts = relay_is_half_closed(&session->relay) &&
                       half->span > 0 &&
                       (idle->span <= 0 || half->span < idle->span);

    deadline_start(half_counts ? half : idle, &session->deadline);
}

static void
on_half_closed(struct relay *relay)
{
    start_rest(session_of_relay(relay));
}

static void
on_relay_done(struct relay *relay, enum err err)
{
    session_end(session_of_relay(relay), err, "relay over");
}

/* What the handshake has left over goes first: bytes that the client sent
 * early, and the part of the reply that is not yet out. */
void
session_start_relay(struct session *session)
{
    struct handshake *hs = session->handshake;
    struct relay_first up = {0};
    struct relay_first down = {0};

    if (hs->in_at < hs->in_len) {
        /* In what was parsed there may be a password, and behind what is
         * left, where an earlier read had put it. */
        explicit_bzero(hs->in, hs->in_at);
        explicit_bzero(hs->in + hs->in_len, hs->in_size - hs->in_len);
        up = (struct relay_first){hs->in, hs->in_at, hs->in_len};
        hs->in = NULL;
    }
    if (hs->out_at < hs->out_len) {
        size_t len = hs->out_len - hs->out_at;

        down = (struct relay_first){malloc(len), 0, len};
        if (!down.bytes) {
            free(up.bytes);
            session_end(session, ERR_NO_MEMORY, "no memory for the reply");
            return;
        }
        memcpy(down.bytes, hs->out + hs->out_at, len);
    }
    handshake_destroy(hs);
    session->handshake = NULL;
    session_set_state(session, SESSION_RELAY);
    session->relay.moved = on_moved;
    session->relay.half_closed = on_half_closed;
    session->relay.done = on_relay_done;
    relay_start(&session->relay, &session->engine->relays, session->client,
                session->target, &up, &down, session->client_ended);
    start_rest(session);
}

/* --- the beginning -------------------------------------------------------- */

void
session_expired(struct deadline *deadline)
{
    struct session *session =
        (struct session *)((char *)deadline -
                           offsetof(struct session, deadline));

    switch (session->state) {
    case SESSION_HELLO:
    case SESSION_AUTH:
    case SESSION_REQUEST:
        session_end(session, ERR_HANDSHAKE_TIMEOUT, "handshake timeout");
        return;
    case SESSION_DIAL:
    case SESSION_REPLY:
        session_refuse(session, session_dial_late(session), "connect timeout");
        return;
    case SESSION_RELAY:
        session_end(session, ERR_IDLE_TIMEOUT, "idle");
        return;
    case SESSION_END:
        free_session(session);
        return;
    }
}

/* How many clients that may not come in a worker talks to at once: each gets a
 * short while to say what it wants and hear a proper refusal. More of them are
 * cut off, so that they don't take the descriptors of those who may. */
#define REFUSED_MAX 16

/* Whether this client may come in at all. One that may not gets the talk and
 * a proper refusal. */
static enum err
judge_client(const struct session *session)
{
    const struct sources *sources = session->engine->settings->sources;

    /* Who has logged in has come in. */
    if (session->goal && !session->goal->is_port)
        return session->entered;
    /* The server may not say, or not as an address, who came to a remote port.
     */
    if (session->forward->is_remote &&
        session->peer.sa.sa_family == AF_UNSPEC &&
        !sources_allow_unknown(sources))
        return ERR_DENIED;
    if (!sources_allow(sources, &session->peer))
        return ERR_DENIED;
    return session->entered;
}

static void
start_talk(struct session *session)
{
    struct engine *engine = session->engine;
    bool fixed = session->forward->kind != FORWARD_SOCKS;
    bool need_password = engine->shared->verifier && !session->refused;

    session->handshake = handshake_create(need_password);
    if (!session->handshake) {
        session_end(session, ERR_NO_MEMORY, "no memory for the handshake");
        return;
    }
    session->handshake->wants_agent = settings_has_gateway(engine->settings);
    /* One that talks is to be talked to; of a fixed forward it is accepted once
     * there is something behind it. */
    if (!fixed && stream_accept(session->client)) {
        session_end(session, ERR_PEER_GONE, "client left");
        return;
    }
    if (fixed) {
        session->protocol = HANDSHAKE_NONE;
        handshake_skip(session->handshake);
        session_dial(session, session->goal ? &session->goal->target
                                            : &session->forward->target);
        return;
    }
    deadline_start(session->refused ? &engine->linger : &engine->handshake,
                   &session->deadline);
    stream_want(session->client, STREAM_READABLE);
    /* Under load the greeting is there already. */
    session_talk_ready(session->client, STREAM_READABLE);
}

static struct session_goal *
copy_aim(const struct session_aim *aim)
{
    struct session_goal *goal = calloc(1, sizeof(*goal));

    if (!goal)
        return NULL;
    goal->is_port = aim->listened != NULL;
    goal->owner = aim->owner;
    if (aim->target)
        goal->target = *aim->target;
    if (!goal->is_port)
        return goal;
    snprintf(goal->agent, sizeof(goal->agent), "%s", aim->agent);
    snprintf(goal->listened, sizeof(goal->listened), "%s", aim->listened);
    goal->port = aim->port;
    if (target_set_host(&goal->target, aim->agent, strlen(aim->agent),
                        (uint16_t)aim->port))
        target_set_host(&goal->target, "agent", 5, (uint16_t)aim->port);
    return goal;
}

/* Returns NULL when out of memory. */
static struct session *
create(const struct session_aim *aim)
{
    struct session *session = calloc(1, sizeof(*session));

    if (!session || !aim)
        return session;
    session->goal = copy_aim(aim);
    if (aim->user)
        session->user = strdup(aim->user);
    if (session->goal && (session->user || !aim->user))
        return session;
    free(session->goal);
    free(session->user);
    free(session);
    return NULL;
}

void
session_start(struct engine *engine, const struct forward *forward,
              struct stream *client, const union addr *peer)
{
    session_start_at(engine, forward, client, peer, NULL);
}

void
session_start_at(struct engine *engine, const struct forward *forward,
                 struct stream *client, const union addr *peer,
                 const struct session_aim *aim)
{
    struct session *session = create(aim);

    if (!session) {
        log_limited(&engine->refusals, LOG_ERROR, "a client refused: %s",
                    err_text(ERR_NO_MEMORY));
        stream_close(client, STREAM_ABORT);
        return;
    }
    session->engine = engine;
    session->forward = forward;
    session->leaves_by = settings_way_of(engine->settings, forward, NULL);
    session->id = engine->last_id += engine->settings->workers;
    session->client = client;
    session->peer = *peer;
    addr_unmap(&session->peer);
    session->started = clock_seconds();
    session->entered = limits_enter(&engine->shared->limits, &session->peer);
    session->refused = judge_client(session);
    client->owner = session;
    client->on_ready = session_talk_ready;
    DL_APPEND(engine->sessions, session);
    engine->session_count++;
    engine->counters.accepted++;
    if (session->refused && ++engine->refused > REFUSED_MAX)
        session_end(session, session->refused, "refused, as many others");
    else
        start_talk(session);
}
