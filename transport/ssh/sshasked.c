/* Where the link serves: what its peer asks for beside channels, that we
 * listen, and what a session is to be.
 *
 * Global requests have no number: they are answered in the order in which they
 * came (RFC 4254 4), and libssh answers those that it knows, keepalives among
 * them, as it reads them. So ours are answered then too, from its callback.
 * Without one it would refuse them. Requests of channels wait until the round
 * is over. */
#include "transport/ssh/sshlink_parts.h"

#include <libssh/server.h>
#include <utlist.h>

static void
on_global(ssh_session session, ssh_message message, void *arg)
{
    struct sshlink *link = arg;
    int subtype = ssh_message_subtype(message);
    struct sshlink_asked asked = {
        .address = ssh_message_global_request_address(message),
        .port = (unsigned)ssh_message_global_request_port(message),
        .ends = subtype == SSH_GLOBAL_REQUEST_CANCEL_TCPIP_FORWARD,
    };

    (void)session;
    if ((asked.ends || subtype == SSH_GLOBAL_REQUEST_TCPIP_FORWARD) &&
        asked.address && asked.port <= UINT16_MAX && !link->has_destroyed &&
        link->listen_asked(link->arg, &asked) == ERR_OK)
        ssh_message_global_request_reply_success(message,
                                                 (uint16_t)asked.bound);
    else
        ssh_message_reply_default(message);
}

void
sshasked_start(struct sshlink *link)
{
    link->globals.userdata = link;
    link->globals.global_request_function = on_global;
    ssh_callbacks_init(&link->globals);
    ssh_set_callbacks(link->session, &link->globals);
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

void
sshasked_take(struct sshlink *link, ssh_message message)
{
    struct sshchan *chan =
        find_session(link, ssh_message_channel_request_channel(message));

    if (chan && link->session_asked &&
        link->session_asked(link->arg, &chan->stream, request_of(message)))
        ssh_message_channel_request_reply_success(message);
    else
        ssh_message_reply_default(message);
    ssh_message_free(message);
    sshlink_touch(link);
}

void
sshlink_send_exit(struct stream *session, unsigned status)
{
    struct sshchan *chan = sshchan_of(session);

    if (!sshchan_is_shut(chan))
        ssh_channel_request_send_exit_status(chan->channel, (int)status);
}
