/* The talk between a session and its client, up to the request: reads for the
 * handshake, and does what it asks for. */
#include "proxy/session_parts.h"

#include <stdlib.h>
#include <string.h>

static void go_on(struct session *session);

bool
session_talk_flush(struct session *session)
{
    struct handshake *hs = session->handshake;

    while (hs->out_at < hs->out_len) {
        size_t put = 0;
        enum err err = stream_write(session->client, hs->out + hs->out_at,
                                    hs->out_len - hs->out_at, &put);

        if (err == ERR_AGAIN)
            return false;
        if (err) { /* it will never be read: as good as sent */
            hs->out_at = hs->out_len;
            break;
        }
        hs->out_at += put;
    }
    return true;
}

/* Who names no agent may have one by the users file. */
static void
find_agent(struct session *session)
{
    struct handshake *hs = session->handshake;
    const struct shared *shared = session->engine->shared;

    if (hs->wants_agent && !*hs->agent && session->user)
        session->has_agent = verifier_find_agent(
            shared->verifier, (const uint8_t *)session->user,
            strlen(session->user), hs->agent);
}

static void
on_verified(void *arg, bool good)
{
    struct session *session = arg;

    session->verify = NULL;
    handshake_verified(session->handshake, good);
    if (good)
        find_agent(session);
    if (!good) {
        session_log_auth_failure(session);
        session_end(session, ERR_AUTH_FAILED, "wrong user or password");
        return;
    }
    go_on(session);
}

/* A user whose name looks as if it had an agent behind it has none. */
static void
restore_user(struct session *session)
{
    struct handshake *hs = session->handshake;
    struct wire_credentials *given = &hs->credentials;
    size_t len = given->user_len + 1 + strlen(hs->agent);

    if (!*hs->agent ||
        !verifier_has_user(session->engine->shared->verifier, given->user, len))
        return;
    given->user_len = (uint8_t)len;
    *hs->agent = 0;
}

static void
start_verify(struct session *session)
{
    struct handshake *hs = session->handshake;
    const struct wire_credentials *given = &hs->credentials;
    enum err err;

    restore_user(session);
    if (session->state == SESSION_HELLO)
        session_set_state(session, SESSION_AUTH);
    session->user = malloc(given->user_len + 1u);
    if (session->user) {
        memcpy(session->user, given->user, given->user_len);
        session->user[given->user_len] = 0;
    }
    err = verify_start(session->engine->shared->verifier,
                       session->engine->worker, given->user, given->user_len,
                       given->password, given->password_len, on_verified,
                       session, &session->verify);
    if (err) {
        session->verify = NULL;
        handshake_verified(hs, false);
        session_end(session, err, "no verification");
    }
}

static void
fail_handshake(struct session *session)
{
    enum err err = session->handshake->err;

    if (err == ERR_AUTH_FAILED)
        session_log_auth_failure(session);
    session_end(session, err, "handshake failed");
}

/* Parses what is there, and does what it asks for. */
static void
go_on(struct session *session)
{
    struct handshake *hs = session->handshake;
    enum handshake_step step = handshake_step(hs);

    session->protocol = hs->protocol;
    switch (step) {
    case HANDSHAKE_MORE:
        if (session->state == SESSION_HELLO && hs->phase == HANDSHAKE_AUTH)
            session_set_state(session, SESSION_AUTH);
        else if (session->state < SESSION_REQUEST &&
                 hs->phase == HANDSHAKE_WAIT_REQUEST)
            session_set_state(session, SESSION_REQUEST);
        stream_want(session->client, session_talk_flush(session)
                                         ? STREAM_READABLE
                                         : STREAM_READABLE | STREAM_WRITABLE);
        return;
    case HANDSHAKE_VERIFY:
        stream_want(session->client, session_talk_flush(session)
                                         ? STREAM_READABLE
                                         : STREAM_READABLE | STREAM_WRITABLE);
        start_verify(session);
        return;
    case HANDSHAKE_REQUEST:
        if (session->state < SESSION_REQUEST)
            session_set_state(session, SESSION_REQUEST);
        session_talk_flush(session);
        session_dial(session, &hs->target);
        return;
    case HANDSHAKE_FAILED:
        fail_handshake(session);
        return;
    }
}

/* The client sends no more, before it has got its answer. */
static void
client_ended(struct session *session)
{
    struct handshake *hs = session->handshake;
    bool waits = session->state == SESSION_DIAL &&
                 (hs->in_at < hs->in_len || hs->protocol == HANDSHAKE_NONE);

    /* One that has sent what it wanted to say may well be done talking and
     * wait for the answer; one that asked and said nothing has gone. Behind a
     * fixed forward silence means nothing: some servers speak unasked. */
    if (session->verify && hs->in_at < hs->in_len) {
        stream_want(session->client, 0); /* it is read again after the check */
        return;
    }
    if (!waits) {
        session_end(session, ERR_PEER_GONE, "client left");
        return;
    }
    session->client_ended = true;
    stream_want(session->client, 0);
}

/* Reads into the handshake's buffer. Returns false when the session is over
 * or nothing came. */
static bool
read_client(struct session *session)
{
    struct handshake *hs = session->handshake;
    enum err err = ERR_OK;
    size_t size = 0;
    size_t got = 0;
    uint8_t *room = handshake_room(hs, &size, &err);

    if (!room && err == ERR_LIMIT &&
        (session->state == SESSION_DIAL || session->verify)) {
        stream_want(session->client, 0); /* the rest comes later */
        return false;
    }
    if (!room) {
        session_end(session, err, "handshake too long");
        return false;
    }
    err = stream_read(session->client, room, size, &got);
    if (err == ERR_AGAIN)
        return false;
    if (err == ERR_EOF) {
        client_ended(session);
        return false;
    }
    if (err) {
        session_end(session, ERR_PEER_GONE, "client reset");
        return false;
    }
    handshake_fed(hs, got);
    return true;
}

void
session_talk_ready(struct stream *stream, unsigned events)
{
    struct session *session = stream->owner;

    if (events & STREAM_WRITABLE && session_talk_flush(session))
        stream_want(stream, STREAM_READABLE);
    if (!(events & STREAM_READABLE) || !read_client(session))
        return;
    if (session->state == SESSION_DIAL || session->verify)
        return; /* early bytes: they wait */
    go_on(session);
}
