/* A session: one client's life.
 *
 *   HELLO -> AUTH -> REQUEST -> DIAL -> REPLY -> RELAY -> END
 *     |        |        |         |       |               ^
 *     +--------+--------+---------+-------+---------------+
 *
 * The reply goes out after the dial's outcome, with its true reason. A client
 * that leaves during the dial ends it; one that has half-closed behind bytes
 * of its own is waited for. Where the way out is at home on another worker, the
 * session moves there before it dials. Whatever ends a session goes through one
 * function, which logs and counts it once. After that a client that is owed a
 * reply is lingered for, so that the reply arrives before the connection is
 * gone. */
#ifndef CULVERT_PROXY_SESSION_H
#define CULVERT_PROXY_SESSION_H

#include "proxy/engine.h"
#include "proxy/settings.h"
#include "transport/stream.h"

enum session_state {
    SESSION_HELLO,
    SESSION_AUTH,
    SESSION_REQUEST,
    SESSION_DIAL,
    SESSION_REPLY,
    SESSION_RELAY,
    SESSION_END,
};

/* Starts a session for a client that came in by a forward (borrowed for the
 * process). Takes the stream. */
void session_start(struct engine *engine, const struct forward *forward,
                   struct stream *client, const union addr *peer);

/* What a session is for that came by an agent of the gateway. */
struct session_aim {
    /* A client of a port that an agent has us listen on: whose, and which;
     * NULL: an agent's own wish. */
    const char *agent;
    const char *listened;
    unsigned port;
    /* Where an agent wants to go, and which; else NULL. */ const struct target
        *target;
    const char *user;
    const void *owner; /* what it ends with; or NULL */
};

/* The same for what came by an agent, or to its port (all borrowed during the
 * call). */
void session_start_at(struct engine *engine, const struct forward *forward,
                      struct stream *client, const union addr *peer,
                      const struct session_aim *aim);

/* Ends a session for a reason of the program's. */
void session_end(struct session *session, enum err err, const char *why);

/* Ends those of an owner: it has gone. */
void session_end_owned(struct engine *engine, const void *owner);

/* For the engine's deadlines: a session's time is over. */
void session_expired(struct deadline *deadline);

/* Logs one line per session that lives (SIGUSR1). */
void session_log_live(struct engine *engine);

#endif
