#include "transport/ssh/sshlink_parts.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "transport/base/clock.h"

/* Most that one write takes: four full packets of 32 KiB (libssh keeps ten
 * bytes of each for the header). */
#define PACKET_BYTES 32758u
#define WRITE_BYTES  (4 * PACKET_BYTES)

/* A write of at most so much is taken for a keystroke. */
#define SMALL_BYTES 2048u

/* What the windows of a link may have beyond libssh's floor, together: what
 * readers that stall at a bad time can make us hold. */
#define EXTRA_MAX_BYTES (64u * 1024 * 1024)

static const struct stream_ops chan_ops;

static struct sshchan *
self_of(struct stream *stream)
{
    return (struct sshchan *)stream;
}

/* Nothing more can be written. */
static bool
is_shut(const struct sshchan *chan)
{
    return chan->link->is_down || chan->has_close || !chan->channel;
}

/* --- libssh's callbacks: they note, and act later ------------------------- */

/* Writes what has come into the sink: a socket's stream, whose calls reach
 * nothing of libssh's. Returns how many bytes went. */
static size_t
pour_out(struct sshchan *chan, const void *bytes, size_t len)
{
    size_t put = 0;

    if (!chan->sink || chan->buffered > 0 || chan->queue ||
        stream_write(chan->sink->stream, bytes, len, &put) != ERR_OK)
        return 0;
    *chan->sink->bytes += put;
    chan->poured += put;
    return put;
}

static int
on_data(ssh_session session, ssh_channel channel, void *bytes, uint32_t len,
        int is_stderr, void *arg)
{
    struct sshchan *chan = arg;
    uint32_t came = len - (uint32_t)chan->buffered;
    size_t went;

    (void)session;
    (void)channel;
    if (is_stderr || chan->phase == SSHCHAN_CLOSING)
        return (int)len;
    SSHLINK_COUNT(chan->link, in, came);
    went = pour_out(chan, bytes, len);
    chan->buffered = len - went;
    sshchan_attend(chan);
    return (int)went;
}

static void
on_eof(ssh_session session, ssh_channel channel, void *arg)
{
    struct sshchan *chan = arg;

    (void)session;
    (void)channel;
    chan->has_eof = true;
    sshchan_attend(chan);
}

static void
on_close(ssh_session session, ssh_channel channel, void *arg)
{
    struct sshchan *chan = arg;

    (void)session;
    (void)channel;
    chan->has_close = true;
    if (chan->phase == SSHCHAN_CLOSING)
        chan->link->close_due = true;
    sshchan_attend(chan);
    sshlink_touch(chan->link);
}

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
    chan->callbacks.userdata = chan;
    chan->callbacks.channel_data_function = on_data;
    chan->callbacks.channel_eof_function = on_eof;
    chan->callbacks.channel_close_function = on_close;
    ssh_callbacks_init(&chan->callbacks);
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

static void
drop_queue(struct sshchan *chan)
{
    free(chan->queue);
    chan->queue = NULL;
    chan->queue_at = chan->queue_end = 0;
}

static void
set_extra(struct sshchan *chan, uint64_t before)
{
    chan->link->extra += sshwindow_extra(&chan->window) - before;
}

static void
note_stall(struct sshchan *chan)
{
    uint64_t before = sshwindow_extra(&chan->window);

    sshwindow_stalled(&chan->window);
    set_extra(chan, before);
}

void
sshchan_free(struct sshchan *chan)
{
    struct sshlink *link = chan->link;

    leave_lists(chan);
    sshchan_set_phase(chan, SSHCHAN_PHASES);
    note_stall(chan);
    drop_queue(chan);
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
    drop_queue(chan);
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
        if (chan->sent_close && chan->has_close)
            sshchan_free(chan);
    }
}

/* --- readiness ------------------------------------------------------------ */

static bool
is_writable(const struct sshchan *chan)
{
    return is_shut(chan) || (sshlink_has_room(chan->link, false) &&
                             ssh_channel_window_size(chan->channel) > 0);
}

static unsigned
possible(const struct sshchan *chan)
{
    unsigned events = 0;

    if (chan->queue || chan->buffered > 0 || chan->has_eof || is_shut(chan))
        events |= STREAM_READABLE;
    if ((chan->wanted & STREAM_WRITABLE) && is_writable(chan))
        events |= STREAM_WRITABLE;
    events &= chan->wanted;
    return chan->poured > 0 ? events | STREAM_POURED : events;
}

void
sshchan_attend(struct sshchan *chan)
{
    struct sshlink *link = chan->link;

    if (chan->phase != SSHCHAN_OPEN || chan->is_ready || !possible(chan))
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
        if (!is_writable(chan))
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
    struct sshchan *chan = self_of(stream);

    chan->wanted = events;
    if (chan->is_blocked && !(events & STREAM_WRITABLE)) {
        DL_DELETE2(chan->link->blocked, chan, blocked_prev, blocked_next);
        chan->is_blocked = false;
    }
    if ((events & STREAM_WRITABLE) && !is_writable(chan))
        block(chan);
    sshchan_attend(chan);
}

/* --- reading -------------------------------------------------------------- */

void
sshchan_grow(struct sshchan *chan, size_t drained)
{
    struct sshlink *link = chan->link;
    uint64_t before = sshwindow_extra(&chan->window);
    uint64_t spare =
        link->extra < EXTRA_MAX_BYTES ? EXTRA_MAX_BYTES - link->extra : 0;
    void *room;
    uint32_t size;

    if (chan->has_eof || is_shut(chan))
        return;
    size = sshwindow_drained(&chan->window, (uint32_t)drained, link->rtt, spare,
                             clock_seconds);
    set_extra(chan, before);
    room = size ? sshlink_window_room(link) : NULL;
    /* Nothing is there to be read, nor can come meanwhile: this only asks for
     * room for so much. */
    if (room)
        ssh_channel_read_timeout(chan->channel, room, size, 0, 0);
}

/* Takes all that libssh holds, in one call: each read lets the window grow
 * again whatever else lies there, and a slow reader served in small pieces
 * would make libssh hold more and more, until it drops it. */
static enum err
take_all(struct sshchan *chan, void *bytes, size_t *got)
{
    int n = ssh_channel_read_timeout(chan->channel, bytes,
                                     (uint32_t)chan->buffered, 0, 0);

    if (n <= 0 || (size_t)n != chan->buffered)
        return ERR_RESET;
    chan->buffered = 0;
    *got = (size_t)n;
    sshlink_touch(chan->link); /* it may have sent a window */
    return ERR_OK;
}

static enum err
read_directly(struct sshchan *chan, void *bytes, size_t *got)
{
    enum err err = take_all(chan, bytes, got);

    if (!err)
        sshchan_grow(chan, *got);
    return err;
}

static enum err
take_to_queue(struct sshchan *chan)
{
    uint8_t *queue = malloc(chan->buffered);
    size_t got = 0;
    enum err err;

    if (chan->buffered > SSHWINDOW_FLOOR / 2)
        note_stall(chan);
    if (!queue)
        return ERR_NO_MEMORY;
    err = take_all(chan, queue, &got);
    if (err) {
        free(queue);
        return err;
    }
    chan->queue = queue;
    chan->queue_at = 0;
    chan->queue_end = got;
    return ERR_OK;
}

static size_t
read_queue(struct sshchan *chan, void *bytes, size_t size)
{
    size_t len = chan->queue_end - chan->queue_at;

    if (len > size)
        len = size;
    memcpy(bytes, chan->queue + chan->queue_at, len);
    chan->queue_at += len;
    if (chan->queue_at == chan->queue_end)
        drop_queue(chan);
    return len;
}

static enum err
chan_read(struct stream *stream, void *bytes, size_t size, size_t *got)
{
    struct sshchan *chan = self_of(stream);
    enum err err = ERR_OK;

    if (!chan->queue && chan->buffered > 0 && chan->channel) {
        if (chan->buffered <= size)
            return read_directly(chan, bytes, got);
        err = take_to_queue(chan);
    }
    if (err)
        return err;
    if (chan->queue) {
        *got = read_queue(chan, bytes, size);
        return ERR_OK;
    }
    if (chan->has_eof)
        return ERR_EOF;
    return is_shut(chan) ? ERR_RESET : ERR_AGAIN;
}

void
sshchan_rescue(struct sshchan *chan)
{
    /* Behind what is in the queue there is a second bufferful. */
    size_t held = chan->queue_end - chan->queue_at;
    uint8_t *both;
    size_t got = 0;

    if (chan->buffered == 0 || !chan->channel)
        return;
    both = malloc(held + chan->buffered);
    if (!both)
        return;
    if (held > 0)
        memcpy(both, chan->queue + chan->queue_at, held);
    if (take_all(chan, both + held, &got) != ERR_OK && held == 0) {
        free(both);
        return;
    }
    free(chan->queue);
    chan->queue = both;
    chan->queue_at = 0;
    chan->queue_end = held + got;
}

/* --- writing -------------------------------------------------------------- */

static enum err
write_failed(struct sshchan *chan)
{
    struct sshlink *link = chan->link;

    if (!ssh_is_connected(link->session))
        sshlink_fail(link, ERR_PROTOCOL, "%s", ssh_get_error(link->session));
    return ERR_RESET;
}

static size_t
total_of(const struct iovec *parts, int count)
{
    size_t all = 0;

    for (int i = 0; i < count; i++)
        all += parts[i].iov_len;
    return all;
}

static enum err
chan_writev(struct stream *stream, const struct iovec *parts, int count,
            size_t *put)
{
    struct sshchan *chan = self_of(stream);
    bool small = total_of(parts, count) <= SMALL_BYTES;
    size_t most = WRITE_BYTES;
    size_t all = 0;
    size_t window;

    if (is_shut(chan) || chan->finished)
        return ERR_RESET;
    window = ssh_channel_window_size(chan->channel);
    if (window == 0 || !sshlink_has_room(chan->link, small))
        return ERR_AGAIN;
    if (most > window)
        most = window;
    for (int i = 0; i < count && all < most; i++) {
        size_t len =
            parts[i].iov_len < most - all ? parts[i].iov_len : most - all;
        int n;

        if (len == 0)
            continue;
        n = ssh_channel_write(chan->channel, parts[i].iov_base, (uint32_t)len);
        if (n < 0 && all == 0)
            return write_failed(chan);
        if (n > 0)
            all += (size_t)n;
        if (n < (int)len) { /* a key exchange is under way */
            chan->link->exchanges = true;
            break;
        }
    }
    sshlink_touch(chan->link);
    if (all == 0)
        return ERR_AGAIN;
    SSHLINK_COUNT(chan->link, out, all);
    *put = all;
    return ERR_OK;
}

static enum err
chan_finish(struct stream *stream)
{
    struct sshchan *chan = self_of(stream);

    if (is_shut(chan))
        return ERR_RESET;
    chan->finished = true;
    if (ssh_channel_send_eof(chan->channel) == SSH_ERROR)
        return write_failed(chan);
    sshlink_touch(chan->link);
    return ERR_OK;
}

static void
chan_close(struct stream *stream, enum stream_close how)
{
    struct sshchan *chan = self_of(stream);
    struct sshlink *link = chan->link;

    /* The protocol has no reset: an abort is a close, too, and libssh sends an
     * end before it. */
    (void)how;
    worker_assert_here(link->worker);
    SSHLINK_COUNT(link, channels, -1u);
    sshchan_begin_close(chan);
    link->streams--;
    sshlink_let_go(link);
}

static void
chan_pour(struct stream *stream, const struct stream_sink *sink)
{
    self_of(stream)->sink = sink;
}

static const struct stream_ops chan_ops = {
    .read = chan_read,
    .writev = chan_writev,
    .finish = chan_finish,
    .want = chan_want,
    .close = chan_close,
    .pour = chan_pour,
};
