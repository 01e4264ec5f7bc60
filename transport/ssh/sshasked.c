/* Where the link serves: what its peer asks for beside channels, that we
 * listen, and what a session is to be.
 *
 * Global requests have no number: they are answered in the order in which they
 * came (RFC 4254 4), and libssh answers keepalives as it reads them. Ours wait
 * in its queue of messages. So while no channel is open, which is when forwards
 * are asked for, libssh gets so few bytes at once that no second packet is
 * among them, and the queue is looked at after each portion. Beside traffic a
 * keepalive that came right behind a request may be answered before it.
 *
 * Rejected: libssh's callback for global requests, which would be right always;
 * 0.10 leaks the address of each that it is called for. */
#include "transport/ssh/sshlink_parts.h"

#include <libssh/server.h>
#include <utlist.h>

static void
answer_global(struct sshlink *link, ssh_message message)
{
    int subtype = ssh_message_subtype(message);
    struct sshlink_asked asked = {
        .address = ssh_message_global_request_address(message),
        .port = (unsigned)ssh_message_global_request_port(message),
        .ends = subtype == SSH_GLOBAL_REQUEST_CANCEL_TCPIP_FORWARD,
    };

    if ((asked.ends || subtype == SSH_GLOBAL_REQUEST_TCPIP_FORWARD) &&
        asked.address && asked.port <= UINT16_MAX &&
        link->listen_asked(link->arg, &asked) == ERR_OK)
        ssh_message_global_request_reply_success(message,
                                                 (uint16_t)asked.bound);
    else
        ssh_message_reply_default(message);
}

static struct sshchan *
find_session(struct sshlink *link, ssh_channel channel)
{
    struct sshchan *chan;

    DL_FOREACH (link->phases[SSHCHAN_OPEN], chan)
        if (chan->channel == channel)
            return chan->is_session ? chan : NULL;
    return NULL;
}

static enum sshlink_request
request_of(ssh_message message)
{
    switch (ssh_message_subtype(message)) {
    case SSH_CHANNEL_REQUEST_PTY:
        return SSHLINK_PTY;
    case SSH_CHANNEL_REQUEST_SHELL:
        return SSHLINK_SHELL;
    case SSH_CHANNEL_REQUEST_EXEC:
    case SSH_CHANNEL_REQUEST_SUBSYSTEM:
        return SSHLINK_EXEC;
    default:
        return SSHLINK_ELSE;
    }
}

static void
answer_request(struct sshlink *link, ssh_message message)
{
    struct sshchan *chan =
        find_session(link, ssh_message_channel_request_channel(message));

    if (chan && link->session_asked &&
        link->session_asked(link->arg, &chan->stream, request_of(message)))
        ssh_message_channel_request_reply_success(message);
    else
        ssh_message_reply_default(message);
}

bool
sshasked_take(struct sshlink *link, ssh_message message)
{
    int type = ssh_message_type(message);

    if (!link->serves ||
        (type != SSH_REQUEST_GLOBAL && type != SSH_REQUEST_CHANNEL))
        return false;
    if (type == SSH_REQUEST_GLOBAL)
        answer_global(link, message);
    else
        answer_request(link, message);
    ssh_message_free(message);
    sshlink_touch(link);
    return true;
}

void
sshasked_tell_closed(struct sshlink *link)
{
    struct sshchan *chan;
    struct sshchan *next;

    if (!link->session_over || link->has_destroyed)
        return;
    link->session_over = false;
    DL_FOREACH_SAFE (link->phases[SSHCHAN_OPEN], chan, next)
        if (chan->is_session && chan->has_close)
            link->session_closed(link->arg, &chan->stream);
}

void
sshlink_send_exit(struct stream *session, unsigned status)
{
    struct sshchan *chan = sshchan_of(session);

    if (!sshchan_is_shut(chan))
        ssh_channel_request_send_exit_status(chan->channel, (int)status);
}
