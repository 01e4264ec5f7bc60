/* What the peer asks for by itself: channels, requests of sessions, and all
 * else, which is refused.
 *
 * libssh frees a message when its callback returns, so there is none: messages
 * wait in libssh's queue until the round is over, and one that offers a channel
 * is kept until it is known whether there is anything behind it. A refusal is
 * always "administratively prohibited", without a text: nothing else can be
 * said with libssh's public functions. */
#include "transport/ssh/sshlink_parts.h"

#include <libssh/server.h>
#include <string.h>

static void
refuse(struct sshlink *link, ssh_message message)
{
    ssh_message_reply_default(message);
    ssh_message_free(message);
    sshlink_touch(link);
}

static void
read_peer(ssh_message message, union addr *peer)
{
    const char *host = ssh_message_channel_request_open_originator(message);
    int port = ssh_message_channel_request_open_originator_port(message);

    peer->sa.sa_family = AF_UNSPEC;
    if (host)
        addr_parse(peer, host, strlen(host), (uint16_t)port);
}

/* Whether a message offers a channel of a kind that we know. */
static bool
is_offer(const struct sshlink *link, ssh_message message,
         enum sshlink_offer_kind *kind)
{
    int subtype = ssh_message_subtype(message);

    if (!link->offered || ssh_message_type(message) != SSH_REQUEST_CHANNEL_OPEN)
        return false;
    if (link->serves && subtype == SSH_CHANNEL_SESSION) {
        *kind = SSHLINK_SESSION;
        return true;
    }
    *kind = link->serves ? SSHLINK_DIRECT : SSHLINK_FORWARDED;
    return subtype == (link->serves ? SSH_CHANNEL_DIRECT_TCPIP
                                    : SSH_CHANNEL_FORWARDED_TCPIP) &&
           ssh_message_channel_request_open_destination(message);
}

static void
offer(struct sshlink *link, ssh_message message, enum sshlink_offer_kind kind)
{
    struct sshchan *chan = sshchan_create(link);
    struct sshlink_offer offer = {.kind = kind};

    if (!chan) {
        refuse(link, message);
        return;
    }
    chan->offer = message;
    chan->is_session = kind == SSHLINK_SESSION;
    sshchan_set_phase(chan, SSHCHAN_OFFERED);
    link->streams++;
    offer.stream = &chan->stream;
    offer.peer.sa.sa_family = AF_UNSPEC;
    if (kind != SSHLINK_SESSION) {
        offer.address = ssh_message_channel_request_open_destination(message);
        offer.port =
            (unsigned)ssh_message_channel_request_open_destination_port(
                message);
        read_peer(message, &offer.peer);
    }
    link->offered(link->arg, &offer);
}

void
sshoffer_look(struct sshlink *link)
{
    while (!link->is_down && !link->has_destroyed) {
        ssh_message message = ssh_message_get(link->session);

        enum sshlink_offer_kind kind;

        if (!message)
            return;
        if (is_offer(link, message, &kind))
            offer(link, message, kind);
        else if (!sshasked_take(link, message))
            refuse(link, message);
    }
}

static void
forget_message(struct sshchan *chan)
{
    ssh_message_free(chan->offer);
    chan->offer = NULL;
}

enum err
sshoffer_accept(struct stream *stream)
{
    struct sshchan *chan = sshchan_of(stream);
    struct sshlink *link = chan->link;
    int rc;

    if (chan->phase != SSHCHAN_OFFERED)
        return ERR_OK;
    if (sshchan_is_shut(chan))
        return ERR_RESET;
    rc = ssh_message_channel_request_open_reply_accept_channel(chan->offer,
                                                               chan->channel);
    forget_message(chan);
    chan->number = ++link->number;
    SSHLINK_COUNT(link, channels, 1u);
    sshchan_set_phase(chan, SSHCHAN_OPEN);
    if (rc != SSH_OK) {
        sshlink_fail(link, ERR_PROTOCOL, "%s", ssh_get_error(link->session));
        return ERR_RESET;
    }
    if (chan->buffered == 0)
        sshchan_grow(chan, 0);
    sshlink_touch(link);
    return ERR_OK;
}

void
sshoffer_refuse(struct sshchan *chan)
{
    if (chan->offer && !chan->link->is_down)
        refuse(chan->link, chan->offer);
    else
        ssh_message_free(chan->offer);
    chan->offer = NULL;
    sshchan_free(chan);
}

void
sshoffer_forget(struct sshchan *chan)
{
    forget_message(chan);
    ssh_remove_channel_callbacks(chan->channel, &chan->callbacks);
    chan->channel = NULL;
    sshchan_attend(chan);
}
