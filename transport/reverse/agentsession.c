/* Sessions that an agent opens: what a stock ssh without -N asks for.
 *
 * Nothing is run. A shell is granted all the same, for a refusal would have ssh
 * leave, and its forwards with it: it gets a few words, and stays open until
 * the client leaves. Commands and subsystems are refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "transport/base/log.h"
#include "transport/reverse/registry_parts.h"

/* As sshd's MaxSessions. */
#define SESSIONS_MAX 10

/* A command's status where it can't be run (as a shell has it). */
#define STATUS_REFUSED 126

/* ^C and ^D: a terminal's user wants to leave. */
#define KEY_INTERRUPT 3
#define KEY_END       4

static void
end(struct agentsession *session)
{
    struct agent *agent = session->agent;

    DL_DELETE(agent->sessions, session);
    agent->session_count--;
    stream_close(session->stream, STREAM_GRACEFUL);
    free(session->text);
    free(session);
}

/* Returns false when it is over. */
static bool
flush(struct agentsession *session)
{
    while (session->text) {
        size_t len = strlen(session->text);
        size_t put = 0;
        enum err err =
            stream_write(session->stream, session->text + session->text_at,
                         len - session->text_at, &put);

        if (err)
            return err == ERR_AGAIN;
        session->text_at += put;
        if (session->text_at < len)
            continue;
        free(session->text);
        session->text = NULL;
    }
    return true;
}

/* Reads what is typed, and drops it. Returns false when it is over. */
static bool
drain(struct agentsession *session)
{
    char bytes[1024];
    size_t got = 0;
    enum err err = stream_read(session->stream, bytes, sizeof(bytes), &got);

    if (err == ERR_AGAIN)
        return true;
    /* An end of its input is no end of the client. */
    if (err == ERR_EOF) {
        stream_want(session->stream, 0);
        return true;
    }
    if (err)
        return false;
    for (size_t i = 0; session->has_pty && i < got; i++) {
        if (bytes[i] == KEY_INTERRUPT || bytes[i] == KEY_END) {
            sshlink_send_exit(session->stream, 0);
            return false;
        }
    }
    return true;
}

static void
on_ready(struct stream *stream, unsigned events)
{
    struct agentsession *session = stream->owner;

    if (events & STREAM_WRITABLE) {
        stream_want(stream, STREAM_READABLE);
        if (session->is_over)
            sshlink_send_exit(stream, STATUS_REFUSED);
        if (!flush(session) || session->is_over) {
            end(session);
            return;
        }
        if (session->text)
            stream_want(stream, STREAM_READABLE | STREAM_WRITABLE);
    }
    if (events & STREAM_READABLE && !drain(session))
        end(session);
}

/* Who is connected, and what for. */
static char *
make_text(const struct agent *agent, bool has_pty)
{
    const char *eol = has_pty ? "\r\n" : "\n";
    char peer[ADDR_TEXT_MAX];
    char *text = NULL;

    if (asprintf(&text,
                 "culvert: %s is connected, from %s%s%s%s"
                 "Nothing is run here; this stays open for its forwards%s%s",
                 agent->name, addr_format(&agent->peer, peer),
                 *agent->print ? ", key " : "", agent->print, eol,
                 has_pty ? " (^C to leave)." : ".", eol) < 0)
        return NULL;
    return text;
}

bool
agentsession_asked(struct agent *agent, struct stream *stream,
                   enum sshlink_request request)
{
    struct agentsession *session = stream->owner;
    struct log_word name;

    switch (request) {
    case SSHLINK_PTY:
        session->has_pty = true;
        return true;
    case SSHLINK_SHELL:
        if (session->text)
            return false;
        session->text = make_text(agent, session->has_pty);
        session->text_at = 0;
        stream_want(stream, STREAM_READABLE | STREAM_WRITABLE);
        return true;
    case SSHLINK_EXEC:
        log_limited(&agent->complaints, LOG_INFO,
                    "agent %s: wants to run something: refused",
                    log_word(&name, agent->name));
        /* Some clients ask without wanting an answer. */
        session->is_over = true;
        stream_want(stream, STREAM_READABLE | STREAM_WRITABLE);
        return false;
    case SSHLINK_ELSE:
        break;
    }
    return false;
}

void
agentsession_start(struct agent *agent, struct stream *stream)
{
    struct agentsession *session = NULL;

    if (agent->session_count < SESSIONS_MAX)
        session = calloc(1, sizeof(*session));
    if (!session || stream_accept(stream)) {
        free(session);
        stream_close(stream, STREAM_ABORT);
        return;
    }
    session->agent = agent;
    session->stream = stream;
    stream->owner = session;
    stream->on_ready = on_ready;
    DL_APPEND(agent->sessions, session);
    agent->session_count++;
    stream_want(stream, STREAM_READABLE);
}

void
agentsession_end(struct stream *stream)
{
    end(stream->owner);
}

void
agentsession_end_all(struct agent *agent)
{
    while (agent->sessions)
        end(agent->sessions);
}
