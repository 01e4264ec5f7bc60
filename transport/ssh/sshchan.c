#include "transport/ssh/sshlink_parts.h"

#include <stdlib.h>
#include <utlist.h>

static const struct stream_ops chan_ops;

/* Channels that we have closed, and the peer has not: one that answers does so
 * within a round trip. As with sshd, which lets a peer have so many in all. */
#define CLOSING_MAX 10000u

/* --- its life ------------------------------------------------------------- */

static void
release(struct task *task)
{
    struct sshchan *chan =
        (struct sshchan *)((char *)task - offsetof(struct sshchan, release));

    free(chan);
}

struct sshchan *
sshchan_create(struct sshlink *link)
{
    struct sshchan *chan = calloc(1, sizeof(*chan));

    if (!chan)
        return NULL;
    chan->stream.ops = &chan_ops;
    chan->link = link;
    chan->phase = SSHCHAN_PHASES;
    chan->release.run = release;
    if (link->is_down)
        return chan;
    chan->channel = ssh_channel_new(link->session);
    chan->window.is_paced = link->is_libssh;
    sshchan_set_callbacks(chan);
    if (!chan->channel ||
        ssh_set_channel_callbacks(chan->channel, &chan->callbacks) != SSH_OK) {
        ssh_channel_free(chan->channel);
        free(chan);
        return NULL;
    }
    return chan;
}

void
sshchan_set_phase(struct sshchan *chan, enum sshchan_phase phase)
{
    struct sshlink *link = chan->link;

    if (chan->phase != SSHCHAN_PHASES)
        DL_DELETE(link->phases[chan->phase], chan);
    if (chan->phase == SSHCHAN_OPENING)
        SSHLINK_COUNT(link, opening, -1u);
    if (chan->phase == SSHCHAN_CLOSING)
        link->closing--;
    if (phase == SSHCHAN_CLOSING)
        link->closing++;
    chan->phase = phase;
    if (phase != SSHCHAN_PHASES)
        DL_APPEND(link->phases[phase], chan);
    if (phase == SSHCHAN_OPENING)
        SSHLINK_COUNT(link, opening, 1u);
}

static void
leave_lists(struct sshchan *chan)
{
    struct sshlink *link = chan->link;

    if (chan->is_ready)
        DL_DELETE2(link->ready, chan, ready_prev, ready_next);
    if (chan->is_blocked)
        DL_DELETE2(link->blocked, chan, blocked_prev, blocked_next);
    chan->is_ready = chan->is_blocked = false;
}

void
sshchan_free(struct sshchan *chan)
{
    struct sshlink *link = chan->link;

    leave_lists(chan);
    sshchan_set_phase(chan, SSHCHAN_PHASES);
    sshchan_shrink(chan);
    sshchan_drop_queue(chan);
    link->held -= chan->buffered;
    chan->buffered = 0;
    if (chan->channel) {
        ssh_remove_channel_callbacks(chan->channel, &chan->callbacks);
        ssh_channel_free(chan->channel);
        chan->channel = NULL;
    }
    worker_defer(link->worker, &chan->release);
}

struct stream *
sshchan_give(struct sshchan *chan)
{
    struct sshlink *link = chan->link;

    chan->open = NULL;
    link->streams++;
    SSHLINK_COUNT(link, channels, 1u);
    sshchan_set_phase(chan, SSHCHAN_OPEN);
    if (chan->buffered == 0)
        sshchan_grow(chan, 0);
    return &chan->stream;
}

/* --- closing -------------------------------------------------------------- */

/* libssh sends EOF and CLOSE, and may stop after the first. */
static void
send_close(struct sshchan *chan)
{
    struct sshlink *link = chan->link;

    sshchan_fill_window(chan);
    chan->sent_close = ssh_channel_close(chan->channel) == SSH_OK;
    if (!chan->sent_close && !ssh_is_connected(link->session))
        sshlink_fail(link, ERR_PROTOCOL, "%s", ssh_get_error(link->session));
    if (!chan->sent_close)
        link->close_due = true;
    sshlink_touch(link);
}

void
sshchan_begin_close(struct sshchan *chan)
{
    leave_lists(chan);
    sshchan_drop_queue(chan);
    chan->open = NULL;
    chan->sink = NULL;
    if (chan->link->is_down || !chan->channel) {
        sshchan_free(chan);
        return;
    }
    sshchan_set_phase(chan, SSHCHAN_CLOSING);
    send_close(chan);
    if (chan->sent_close && chan->has_close)
        chan->link->close_due = true;
    if (chan->link->closing > CLOSING_MAX)
        sshlink_fail(chan->link, ERR_PROTOCOL, "the %s closes no channels",
                     sshend_peer_word(chan->link));
}

void
sshchan_reap(struct sshlink *link)
{
    struct sshchan *chan;
    struct sshchan *next;

    if (!link->close_due)
        return;
    link->close_due = false;
    DL_FOREACH_SAFE (link->phases[SSHCHAN_CLOSING], chan, next) {
        if (!chan->sent_close)
            send_close(chan);
        if (link->is_down) /* none is left in the list */
            return;
        if (chan->sent_close && chan->has_close)
            sshchan_free(chan);
    }
}

/* --- readiness ------------------------------------------------------------ */

static unsigned
possible(struct sshchan *chan)
{
    unsigned events = 0;

    if (chan->queue || chan->buffered > 0 || chan->has_eof ||
        sshchan_is_shut(chan))
        events |= STREAM_READABLE;
    if ((chan->wanted & STREAM_WRITABLE) && sshchan_is_writable(chan))
        events |= STREAM_WRITABLE;
    events &= chan->wanted;
    return chan->poured > 0 ? events | STREAM_POURED : events;
}

void
sshchan_attend(struct sshchan *chan)
{
    struct sshlink *link = chan->link;

    if ((chan->phase != SSHCHAN_OPEN && chan->phase != SSHCHAN_OFFERED) ||
        chan->is_ready || !possible(chan))
        return;
    DL_APPEND2(link->ready, chan, ready_prev, ready_next);
    chan->is_ready = true;
    sshlink_touch(link);
}

static void
block(struct sshchan *chan)
{
    if (chan->is_blocked)
        return;
    DL_APPEND2(chan->link->blocked, chan, blocked_prev, blocked_next);
    chan->is_blocked = true;
}

void
sshchan_tell(struct sshchan *chan)
{
    unsigned events = possible(chan);
    size_t poured = chan->poured;

    chan->poured = 0;
    if (poured > 0 && chan->buffered == 0)
        sshchan_grow(chan, poured);
    DL_DELETE2(chan->link->ready, chan, ready_prev, ready_next);
    chan->is_ready = false;
    if ((chan->wanted & STREAM_WRITABLE) && !(events & STREAM_WRITABLE))
        block(chan);
    if (!events)
        return;
    chan->stream.on_ready(&chan->stream, events);
    sshchan_attend(chan);
}

void
sshchan_unblock(struct sshlink *link)
{
    /* Only as many as are sure to find room, from the head of the queue: they
     * take turns. */
    int turns = 4;
    struct sshchan *chan;
    struct sshchan *next;

    if (!link->is_down && !sshlink_has_room(link, false))
        return;
    DL_FOREACH_SAFE2(link->blocked, chan, next, blocked_next)
    {
        if (!sshchan_is_writable(chan))
            continue;
        DL_DELETE2(link->blocked, chan, blocked_prev, blocked_next);
        chan->is_blocked = false;
        sshchan_attend(chan);
        if (!link->is_down && --turns == 0)
            break;
    }
}

static void
chan_want(struct stream *stream, unsigned events)
{
    struct sshchan *chan = sshchan_of(stream);

    chan->wanted = events;
    if (chan->is_blocked && !(events & STREAM_WRITABLE)) {
        DL_DELETE2(chan->link->blocked, chan, blocked_prev, blocked_next);
        chan->is_blocked = false;
    }
    if ((events & STREAM_WRITABLE) && !sshchan_is_writable(chan))
        block(chan);
    sshchan_attend(chan);
}

/* --- as a stream ---------------------------------------------------------- */

static void
chan_close(struct stream *stream, enum stream_close how)
{
    struct sshchan *chan = sshchan_of(stream);
    struct sshlink *link = chan->link;

    /* The protocol has no reset: an abort is a close, too, and libssh sends an
     * end before it. */
    (void)how;
    worker_assert_here(link->worker);
    if (chan->phase == SSHCHAN_OFFERED) {
        sshoffer_refuse(chan);
    } else {
        SSHLINK_COUNT(link, channels, -1u);
        sshchan_begin_close(chan);
    }
    link->streams--;
    sshlink_let_go(link);
}

static const struct stream_ops chan_ops = {
    .read = sshchan_read,
    .writev = sshchan_writev,
    .finish = sshchan_finish,
    .want = chan_want,
    .close = chan_close,
    .room = sshchan_room,
    .pour = sshchan_pour,
    .accept = sshoffer_accept,
};
