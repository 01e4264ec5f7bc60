#include "proxy/session.h"

#include <stdio.h>
#include <utlist.h>

#include "proxy/session_parts.h"
#include "transport/base/clock.h"

/* What the log's queue takes at once, and what does not hold up the loop. */
#define LIVE_LINES_MAX 200

static const char *const state_words[] = {
    [SESSION_HELLO] = "hello",     [SESSION_AUTH] = "auth",
    [SESSION_REQUEST] = "request", [SESSION_DIAL] = "dial",
    [SESSION_REPLY] = "reply",     [SESSION_RELAY] = "relay",
    [SESSION_END] = "end",
};

static uint64_t
bytes_of(const struct session *session, enum relay_direction direction)
{
    return session->relay.ways[direction].bytes;
}

static void
add_fields(const struct session *session, struct log_event *event)
{
    char via[SETTINGS_WORD_MAX + REGISTRY_NAME_MAX];
    char text[ADDR_TEXT_MAX];

    log_number(event, "id", session->id);
    log_string(event, "client",
               session->peer.sa.sa_family == AF_UNSPEC &&
                       !session->forward->is_remote
                   ? "unix"
                   : addr_format(&session->peer, text));
    log_string(event, "user", session->user ? session->user : "-");
    log_string(event, "proto", handshake_protocol_word(session->protocol));
    log_string(event, "target",
               session->target_text ? session->target_text : "-");
    log_string(event, "addr", addr_format(&session->reached, text));
    snprintf(via, sizeof(via), "%s%s%s",
             session->engine->ways[session->leaves_by].word,
             session->agent ? ":" : "", session->agent ? session->agent : "");
    log_string(event, "via", via);
    log_number(event, "in", bytes_of(session, RELAY_UP));
    log_number(event, "out", bytes_of(session, RELAY_DOWN));
    log_seconds(event, "seconds",
                (uint64_t)((clock_seconds() - session->started) * 1000));
}

void
session_log_end(const struct session *session, enum err err)
{
    enum log_level level = LOG_INFO;
    struct log_event event;

    /* A client on standard input is somebody's ProxyCommand: quiet, please. */
    if (session->forward->kind == FORWARD_STDIO)
        level = LOG_VERBOSE;
    if (!log_enabled(level))
        return;
    log_begin(&event, level, "session");
    add_fields(session, &event);
    log_string(&event, "reason", err_word(err));
    log_send(&event);
}

void
session_log_live(struct engine *engine)
{
    struct session *session;
    struct log_event event;
    unsigned lines = 0;

    DL_FOREACH (engine->sessions, session) {
        if (session->state == SESSION_END || ++lines > LIVE_LINES_MAX)
            continue;
        log_begin(&event, LOG_QUIET, "live");
        add_fields(session, &event);
        log_string(&event, "state", state_words[session->state]);
        log_send(&event);
    }
    if (lines > LIVE_LINES_MAX)
        log_write(LOG_QUIET, "and %u more live sessions",
                  lines - LIVE_LINES_MAX);
}

/* A line for tools that ban: its form stays. */
void
session_log_auth_failure(const struct session *session)
{
    char text[ADDR_TEXT_MAX];
    struct log_event event;

    if (!log_enabled(LOG_WARN))
        return;
    log_begin(&event, LOG_WARN, "auth-failed");
    log_string(&event, "client", addr_format_host(&session->peer, text));
    log_string(&event, "user", session->user ? session->user : "-");
    log_string(&event, "proto", handshake_protocol_word(session->protocol));
    log_send(&event);
}
