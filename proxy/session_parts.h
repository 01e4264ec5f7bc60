/* What the parts of a session share; for them alone. */
#ifndef CULVERT_PROXY_SESSION_PARTS_H
#define CULVERT_PROXY_SESSION_PARTS_H

#include "proxy/handshake.h"
#include "proxy/session.h"
#include "transport/reverse/registry.h"

/* What a session that came by an agent is for; its own. */
struct session_goal {
    bool is_port; /* agent, listened and port are set; else target */
    char agent[REGISTRY_NAME_MAX + 1];
    char listened[TARGET_NAME_MAX + 1];
    unsigned port;
    struct target target;
    const void *owner; /* or NULL */
};

struct session {
    struct engine *engine;
    const struct forward *forward;
    uint64_t id;
    enum session_state state;
    enum err entered; /* what limits_enter said */
    enum err refused; /* what every request is answered with, or ERR_OK */
    enum handshake_protocol protocol;
    unsigned leaves_by; /* the way out, as in settings */
    bool client_ended;  /* the client's end was read before the relay began */

    struct stream *client; /* NULL once closed */
    struct stream *target;
    struct deadline deadline;

    /* Until the relay begins. */
    struct handshake *handshake; /* NULL for a fixed forward */
    struct session_goal *goal;   /* NULL for what came by the settings' */
    struct way_out *way;         /* from the request on */
    struct verify *verify;

    struct relay relay;

    /* For the log. */
    union addr peer;
    union addr reached; /* the address that the target led to */
    char *target_text;
    char *user;
    char *agent;    /* that the session itself chose, or NULL */
    bool has_agent; /* by the users file */
    double started; /* clock_seconds() */

    struct session *prev;
    struct session *next;
};

/* session.c */
void session_set_state(struct session *session, enum session_state state);

/* The way out is there and the reply is in the handshake's out: relays. */
void session_start_relay(struct session *session);

/* session_dial.c */

/* Starts the way out; the target lives until the relay begins. */
void session_dial(struct session *session, const struct target *target);

/* Gives up what is under way of it. */
void session_dial_stop(struct session *session);

/* What it means that the time for it is over. */
enum err session_dial_late(const struct session *session);

/* Says to the client that there will be no connection, and ends. */
void session_refuse(struct session *session, enum err err, const char *why);

/* session_talk.c: the handshake, as bytes come and go. */
void session_talk_ready(struct stream *stream, unsigned events);

/* Sends what is owed to the client. Returns whether all of it is out, or never
 * will be. */
bool session_talk_flush(struct session *session);

/* session_log.c */
void session_log_end(const struct session *session, enum err err);
void session_log_auth_failure(const struct session *session);

#endif
