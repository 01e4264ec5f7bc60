/* Opens of channels: libssh 0.10 has no callback for their outcome.
 *
 * That one is open is seen by asking (ssh_channel_is_open, a look into memory).
 * That one was refused, and why, is told as a line of its log alone: the
 * session's error text would keep only the last of several that one read
 * brought. Channels are known there by their numbers, which count from 43 up
 * with every open. */
#include "transport/ssh/sshlink_parts.h"

#include <libssh/server.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "transport/base/clock.h"
#include "transport/base/log.h"
#include "transport/ssh/sshreason.h"

/* An open of which nothing was heard for so long is asked about: a line of the
 * log might have been worded otherwise. */
#define ASK_SECONDS 1.0

/* It has an outcome, which the loop is to tell. */
static void
settle(struct sshchan *chan, enum err err)
{
    chan->err = err;
    sshchan_set_phase(chan, SSHCHAN_SETTLED);
    sshlink_touch(chan->link);
}

static void
explain_prohibited(struct sshlink *link, const char *text)
{
    char name[300];

    if (link->was_prohibited)
        return;
    link->was_prohibited = true;
    log_write(LOG_WARN,
              "%s refuses to forward%s%s%s: see AllowTcpForwarding, PermitOpen "
              "and DisableForwarding in its sshd_config, and restrict, "
              "no-port-forwarding and permitopen= in authorized_keys there",
              sshdest_format(link->dest, name, sizeof(name)), *text ? " (" : "",
              text, *text ? ")" : "");
}

/* libssh can refuse a channel in one way alone, as prohibited and without a
 * text, whatever it is that went wrong: a culvert's gateway too. */
static enum err
outcome(const struct sshlink *link, uint32_t reason, const char *text)
{
    if (link->is_libssh && reason == SSHREASON_PROHIBITED && !*text)
        return ERR_REMOTE_FAILED;
    return sshreason_err(reason, text);
}

void
sshopen_note(struct sshlink *link, const char *line)
{
    struct sshchan *chan;
    uint32_t number;
    uint32_t reason;
    const char *text;

    if (!sshreason_parse(line, &number, &reason, &text))
        return;
    DL_FOREACH (link->phases[SSHCHAN_OPENING], chan)
        if (chan->number == number)
            break;
    if (!chan)
        return;
    /* Only noted: this is inside of libssh. The task that tells comes later. */
    settle(chan, outcome(link, reason, text));
    if (chan->err == ERR_PROHIBITED && !link->serves)
        explain_prohibited(link, text);
}

void
sshopen_look(struct sshlink *link)
{
    struct sshchan *chan;
    struct sshchan *next;

    DL_FOREACH_SAFE (link->phases[SSHCHAN_OPENING], chan, next) {
        /* One that was closed with the packet after is open no longer. */
        if (!ssh_channel_is_open(chan->channel) && !chan->has_close)
            continue;
        if (!link->is_tcp) {
            double took = clock_seconds() - chan->asked;

            if (link->rtt <= 0 || took < link->rtt)
                link->rtt = took;
        }
        settle(chan, ERR_OK);
    }
}

static const char *
host_of(const union addr *addr, char *buf)
{
    if (addr->sa.sa_family == AF_UNSPEC)
        return "127.0.0.1";
    return addr_format_host(addr, buf);
}

/* Asks libssh to open it, the first time or again: SSH_OK, SSH_AGAIN, or
 * SSH_ERROR. */
static int
ask(struct sshchan *chan)
{
    const struct sshlink_open *open = chan->open;
    const struct target *target = open->target;
    char client[ADDR_TEXT_MAX];
    char host[ADDR_TEXT_MAX];
    const char *name;
    unsigned port;

    if (open->listened)
        return ssh_channel_open_reverse_forward(
            chan->channel, open->listened, (int)open->listened_port,
            host_of(&open->client, client), addr_port(&open->client));
    name = target->name;
    port = target->port;
    if (target->kind == TARGET_UNIX)
        return ssh_channel_open_forward_unix(chan->channel, target->name,
                                             host_of(&open->client, client),
                                             addr_port(&open->client));
    if (target->kind == TARGET_ADDR) {
        name = addr_format_host(&target->addr, host);
        port = addr_port(&target->addr);
    }
    return ssh_channel_open_forward(chan->channel, name, (int)port,
                                    host_of(&open->client, client),
                                    addr_port(&open->client));
}

void
sshopen_ask(struct sshlink *link)
{
    double before = clock_seconds() - ASK_SECONDS;
    struct sshchan *chan;
    struct sshchan *next;

    DL_FOREACH_SAFE (link->phases[SSHCHAN_OPENING], chan, next)
        if (chan->open && chan->asked < before && ask(chan) == SSH_ERROR)
            settle(chan, ERR_REMOTE_FAILED);
}

void
sshopen_fail_all(struct sshlink *link)
{
    struct sshchan *chan;
    struct sshchan *next;

    DL_FOREACH_SAFE (link->phases[SSHCHAN_OPENING], chan, next)
        settle(chan, ERR_TRANSPORT_DOWN);
}

/* There is not even memory to note it in: the opens make a chain themselves.
 */
static void
fail_later(struct sshlink *link, struct sshlink_open *open)
{
    open->err = ERR_NO_MEMORY;
    open->chan_ = link->failed;
    link->failed = open;
    sshlink_touch(link);
}

void
sshlink_open_start(struct sshlink *link, struct sshlink_open *open)
{
    struct sshchan *chan = sshchan_create(link);
    int rc;

    open->stream = NULL;
    open->err = ERR_OK;
    if (!chan) {
        fail_later(link, open);
        return;
    }
    open->chan_ = chan;
    chan->open = open;
    chan->asked = clock_seconds();
    sshchan_set_phase(chan, SSHCHAN_OPENING);
    if (link->is_down || !chan->channel) {
        settle(chan, ERR_TRANSPORT_DOWN);
        return;
    }
    rc = ask(chan);
    if (rc == SSH_ERROR && !open->listened &&
        open->target->kind == TARGET_UNIX && ssh_is_connected(link->session)) {
        /* Not asked for at all: libssh knows of no server but OpenSSH that
         * could do it. */
        settle(chan, ERR_UNKNOWN_CHANNEL);
        return;
    }
    chan->number = ++link->number;
    sshlink_touch(link);
}

void
sshlink_open_cancel(struct sshlink *link, struct sshlink_open *open)
{
    struct sshchan *chan = open->chan_;

    if (open->err == ERR_NO_MEMORY) {
        struct sshlink_open **at = &link->failed;

        while (*at && *at != open)
            at = (struct sshlink_open **)&(*at)->chan_;
        if (*at)
            *at = open->chan_;
        return;
    }
    chan->open = NULL;
    open->chan_ = NULL;
}

static void
tell_failed(struct sshlink *link)
{
    while (link->failed) {
        struct sshlink_open *open = link->failed;

        link->failed = open->chan_;
        open->chan_ = NULL;
        open->done(open);
    }
}

void
sshopen_tell(struct sshlink *link)
{
    struct sshchan *chan;

    tell_failed(link);
    while ((chan = link->phases[SSHCHAN_SETTLED])) {
        struct sshlink_open *open = chan->open;
        enum err err = chan->err;

        if (err)
            sshchan_free(chan);
        else if (!open)
            sshchan_begin_close(chan);
        if (!open)
            continue;
        open->chan_ = NULL;
        open->err = err;
        if (!err)
            open->stream = sshchan_give(chan);
        open->done(open);
    }
}
