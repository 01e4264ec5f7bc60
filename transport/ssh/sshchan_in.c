/* What a channel receives: from libssh's callbacks to whoever reads. */
#include "transport/ssh/sshlink_parts.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "transport/base/clock.h"

/* What the windows of a link may have beyond libssh's floor, together: what
 * readers that stall at a bad time can make us hold. */
#define EXTRA_MAX_BYTES (64u * 1024 * 1024)

/* More than a channel's window lets a peer send, beyond what it has been
 * granted at most: libssh does not mind, holds up to 256 MB, and drops it then
 * without a word. */
#define BUFFERED_MAX_BYTES (2 * SSHWINDOW_FLOOR)

/* What all channels of one that has logged in may have here unread: 200 of them
 * that stall. */
#define HELD_MAX_BYTES (256u * 1024 * 1024)

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

static void
set_buffered(struct sshchan *chan, size_t bytes)
{
    chan->link->held += bytes;
    chan->link->held -= chan->buffered;
    chan->buffered = bytes;
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
    if (is_stderr)
        return (int)len;
    /* What comes behind the end is nobody's (RFC 4254 5.3); what was offered
     * before, and is offered with it again, is not. */
    if (chan->has_eof)
        return 0;
    if (sshend_lacks_memory(chan->link)) /* something before it is missing */
        return 0;
    SSHLINK_COUNT(chan->link, in, came);
    went = pour_out(chan, bytes, len); /* after our close there is no sink */
    set_buffered(chan, len - went);
    if (chan->buffered > BUFFERED_MAX_BYTES + chan->most_extra ||
        (chan->link->serves && chan->link->held > HELD_MAX_BYTES))
        chan->link->is_overrun = true;
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
    if (chan->is_session)
        chan->link->session_over = true;
    sshchan_attend(chan);
    sshlink_touch(chan->link);
}

void
sshchan_set_callbacks(struct sshchan *chan)
{
    chan->callbacks.userdata = chan;
    chan->callbacks.channel_data_function = on_data;
    chan->callbacks.channel_eof_function = on_eof;
    chan->callbacks.channel_close_function = on_close;
    ssh_callbacks_init(&chan->callbacks);
}

/* --- the window ----------------------------------------------------------- */

static void
set_extra(struct sshchan *chan, uint64_t before)
{
    uint64_t extra = sshwindow_extra(&chan->window);

    chan->link->extra += extra - before;
    if (extra > chan->most_extra)
        chan->most_extra = extra;
}

void
sshchan_shrink(struct sshchan *chan)
{
    uint64_t before = sshwindow_extra(&chan->window);

    sshwindow_stalled(&chan->window);
    set_extra(chan, before);
}

/* Lends room for a window of SSHWINDOW_MAX, whose content means nothing; NULL
 * when there is none. */
static void *
window_room(struct sshlink *link)
{
    void *room;

    if (link->window_room)
        return link->window_room;
    room = mmap(NULL, SSHWINDOW_MAX, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room != MAP_FAILED)
        link->window_room = room;
    return link->window_room;
}

void
sshchan_grow(struct sshchan *chan, size_t drained)
{
    struct sshlink *link = chan->link;
    uint64_t before = sshwindow_extra(&chan->window);
    uint64_t spare =
        link->extra < EXTRA_MAX_BYTES ? EXTRA_MAX_BYTES - link->extra : 0;
    void *room;
    uint32_t size;

    if (chan->has_eof || sshchan_is_shut(chan))
        return;
    size = sshwindow_drained(&chan->window, (uint32_t)drained, link->rtt, spare,
                             clock_seconds);
    set_extra(chan, before);
    room = size ? window_room(link) : NULL;
    /* Nothing is there to be read, nor can come meanwhile: this only asks for
     * room for so much. */
    if (room)
        ssh_channel_read_timeout(chan->channel, room, size, 0, 0);
}

/* libssh asks for more when what comes leaves less than half of its window to
 * the peer, behind our close, too. The peer may have forgotten the channel by
 * then: dropbear ends the connection for that, and where the number has been
 * given anew it is another one that grows. So it asks before the close at the
 * latest, and what comes behind that stays where libssh holds it, which counts
 * as room that is left. */
void
sshchan_fill_window(struct sshchan *chan)
{
    void *room;

    if (chan->has_eof || chan->has_close || chan->buffered > 0)
        return;
    room = window_room(chan->link);
    if (room)
        ssh_channel_read_timeout(chan->channel, room, SSHWINDOW_FLOOR / 2, 0,
                                 0);
}

/* --- reading -------------------------------------------------------------- */

void
sshchan_drop_queue(struct sshchan *chan)
{
    free(chan->queue);
    chan->queue = NULL;
    chan->queue_at = chan->queue_end = 0;
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
    set_buffered(chan, 0);
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
        sshchan_shrink(chan);
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
        sshchan_drop_queue(chan);
    return len;
}

enum err
sshchan_read(struct stream *stream, void *bytes, size_t size, size_t *got)
{
    struct sshchan *chan = sshchan_of(stream);
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
    /* Some servers close without an end before it: all that they sent is here,
     * and ssh takes it so, too. */
    if (chan->has_eof || (chan->has_close && !chan->link->is_down))
        return ERR_EOF;
    return sshchan_is_shut(chan) ? ERR_RESET : ERR_AGAIN;
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

void
sshchan_pour(struct stream *stream, const struct stream_sink *sink)
{
    sshchan_of(stream)->sink = sink;
}
