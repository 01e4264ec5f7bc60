/* Requests that the server listen for us.
 *
 * libssh 0.10 has one place for global requests, keepalives among them. A call
 * while one is under way sends nothing, whatever it asks for, and is told that
 * one's answer. So requests go one after the other, an answer that a keepalive
 * has left there is taken first, and none is sent while another is out: its
 * answer is as good a sign of life.
 *
 * The port that a server picked is read from what libssh received last, which
 * is the answer only until libssh looks at the next packet, for which it wants
 * its length, four bytes at the least. So it is fed four bytes at a time while
 * such an answer is awaited. Of such a request debug messages are not asked
 * about, as each portion would be worth lines of libssh's log; a port that can
 * be any is refused by rules alone. */
#include "transport/ssh/sshlink_parts.h"

#include <libssh/server.h>
#include <string.h>
#include <utlist.h>

bool
sshlisten_wants_port(const struct sshlink *link)
{
    const struct sshlink_listen *first = link->listens;

    return first && link->listen_sent && !first->ends && first->port == 0;
}

bool
sshlisten_wants_debug(const struct sshlink *link)
{
    return link->listen_sent && !sshlisten_wants_port(link);
}

static enum err
refusal(const struct sshlink *link)
{
    const char *banner = ssh_get_serverbanner(link->session);
    bool is_openssh = banner && strstr(banner, "OpenSSH");

    if (link->was_debugged || (is_openssh && sshlisten_wants_port(link)))
        return ERR_PROHIBITED;
    return is_openssh ? ERR_ADDR_IN_USE : ERR_REMOTE_FAILED;
}

static void
settle(struct sshlink *link, enum err err)
{
    struct sshlink_listen *listen = link->listens;

    LL_DELETE2(link->listens, listen, next_);
    link->listen_sent = false;
    listen->err = err;
    LL_APPEND2(link->heard_listens, listen, next_);
    sshlink_touch(link);
}

/* Asks libssh for the first, the first time or again: SSH_OK, SSH_AGAIN, or
 * SSH_ERROR. */
static int
ask(struct sshlink *link)
{
    struct sshlink_listen *listen = link->listens;
    int port = (int)listen->port;
    int rc;

    if (listen->ends)
        return ssh_channel_cancel_forward(link->session, listen->address, port);
    rc =
        ssh_channel_listen_forward(link->session, listen->address, port, &port);
    if (rc == SSH_OK)
        listen->bound = (unsigned)port;
    return rc;
}

/* Takes the answer to a keepalive, if one is to come. Returns whether a request
 * has the place to itself now. */
static bool
make_way(struct sshlink *link)
{
    uint64_t before;
    int rc;

    if (!link->probe_unheard)
        return true;
    /* Bytes that go from here on are the request's. */
    sshlink_flush_libssh(link);
    before = sshio_sent(link->io);
    rc = ask(link);
    if (rc == SSH_AGAIN && sshio_sent(link->io) == before)
        return false;
    /* That was the keepalive's answer; or, if bytes went, it had gone. */
    link->probe_unheard = false;
    link->listen_sent = sshio_sent(link->io) != before;
    return true;
}

/* Whether what the server granted can be had: a port is a port. */
static bool
is_answered(const struct sshlink_listen *listen)
{
    return listen->ends || (listen->bound > 0 && listen->bound <= UINT16_MAX);
}

/* Notes a refusal. Returns whether to ask again: before the first, a debug
 * message may be one of those that follow a login. */
static bool
note_refusal(struct sshlink *link)
{
    bool first = !link->had_refusal;

    link->had_refusal = true;
    return first && link->was_debugged;
}

void
sshlisten_look(struct sshlink *link)
{
    while (link->listens && !link->is_down) {
        int rc;

        if (!link->listen_sent && !make_way(link))
            return;
        if (!link->listen_sent)
            link->was_debugged = false;
        link->listen_sent = true;
        rc = ask(link);
        if (rc == SSH_AGAIN)
            return;
        /* What ends the session is the link's to tell. */
        if (!ssh_is_connected(link->session))
            return;
        if (rc != SSH_OK && note_refusal(link))
            link->listen_sent = false;
        else if (rc != SSH_OK)
            settle(link, refusal(link));
        else if (!is_answered(link->listens))
            settle(link, ERR_PROTOCOL);
        else
            settle(link, ERR_OK);
    }
}

void
sshlisten_note(struct sshlink *link, const char *line)
{
    if (link->listen_sent && strstr(line, "SSH_MSG_DEBUG"))
        link->was_debugged = true;
}

void
sshlisten_probe(struct sshlink *link)
{
    uint64_t before;

    if (link->listen_sent)
        return;
    sshlink_flush_libssh(link);
    before = sshio_sent(link->io);
    /* The first call may do no more than take the answer to the last one. */
    ssh_send_keepalive(link->session);
    if (sshio_sent(link->io) == before)
        ssh_send_keepalive(link->session);
    link->probe_unheard = true;
}

void
sshlisten_fail_all(struct sshlink *link)
{
    while (link->listens)
        settle(link, ERR_TRANSPORT_DOWN);
}

void
sshlisten_tell(struct sshlink *link)
{
    while (link->heard_listens) {
        struct sshlink_listen *listen = link->heard_listens;

        LL_DELETE2(link->heard_listens, listen, next_);
        listen->done(listen);
    }
}

void
sshlink_listen_start(struct sshlink *link, struct sshlink_listen *listen)
{
    listen->bound = 0;
    listen->next_ = NULL;
    LL_APPEND2(link->listens, listen, next_);
    if (link->is_down)
        sshlisten_fail_all(link);
    sshlink_touch(link);
}
