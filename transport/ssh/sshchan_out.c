/* What a channel sends. */
#include "transport/ssh/sshlink_parts.h"

#include <setjmp.h>
#include <string.h>

/* Most that one write takes: four full packets of 32 KiB (libssh keeps ten
 * bytes of each for the header). */
#define PACKET_BYTES 32758u
#define WRITE_BYTES  (4 * PACKET_BYTES)

/* A line of libssh's log for each packet. */
#define SENT_LINE "packet: wrote "

/* Packets that carry less each, in a write, are of no use; but for so many. */
#define LEAST_PAYLOAD 8u
#define FREE_PACKETS  512u

/* A write of at most so much is taken for a keystroke. */
#define SMALL_BYTES 2048u

/* How many bytes may be handed over now, apart from what waits on the link.
 * Where the bound is our own, whole packets. */
static uint32_t
room(struct sshchan *chan)
{
    uint32_t window = ssh_channel_window_size(chan->channel);
    double rtt = chan->link->rtt;
    uint32_t bytes = sshpace_room(&chan->pace, &chan->link->pace, window,
                                  rtt > 0 && rtt < SSHPACE_NEAR_SECONDS);

    return bytes < window ? bytes - bytes % PACKET_BYTES : bytes;
}

/* Keystrokes go before what bulk has filled the link with. */
static bool
may_send(const struct sshchan *chan)
{
    return sshlink_has_room(chan->link, !chan->is_bulk);
}

size_t
sshchan_room(struct stream *stream)
{
    struct sshchan *chan = sshchan_of(stream);
    size_t most = WRITE_BYTES;
    size_t bytes;

    if (sshchan_is_shut(chan))
        return SIZE_MAX;
    if (!sshlink_has_room(chan->link, false)) {
        most = SMALL_BYTES;
        if (!may_send(chan))
            return 0;
    }
    bytes = room(chan);
    return bytes < most ? bytes : most;
}

bool
sshchan_is_writable(struct sshchan *chan)
{
    return sshchan_is_shut(chan) || (may_send(chan) && room(chan) > 0);
}

void
sshchan_loosen(struct sshchan *chan)
{
    if (!sshchan_is_shut(chan))
        sshpace_look(&chan->pace, ssh_channel_window_size(chan->channel));
}

static enum err
write_failed(struct sshchan *chan)
{
    struct sshlink *link = chan->link;
    if (link->is_down)
        return ERR_RESET;
    if (!ssh_is_connected(link->session) ||
        (ssh_get_status(link->session) & SSH_CLOSED_ERROR))
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

/* What is seen of a write while libssh is at it. */
struct watch {
    unsigned packets; /* that it has sent, */
    unsigned most;    /* and may */
    jmp_buf way_out;
};

static void
on_log(int priority, const char *function, const char *line, void *arg)
{
    struct watch *watch = arg;

    (void)priority;
    (void)function;
    if (watch && strstr(line, SENT_LINE) && ++watch->packets > watch->most)
        longjmp(watch->way_out, 1);
}

/* libssh takes ten bytes off what the peer has as the size of a packet, and
 * cuts what is written into pieces of the rest. These may be one byte each; or
 * none, and then it sends empty packets for ever, or for 256 MB where the
 * socket is gone. The size is not to be had from it. So the first writes of a
 * channel are watched by its log, until one has shown that its packets are of
 * use; and it is left by a jump where they are not. The session is only freed
 * then. */
static int
write_watched(struct sshchan *chan, const void *bytes, size_t len)
{
    struct sshlink *link = chan->link;
    struct watch watch = {.most = (unsigned)len / LEAST_PAYLOAD + FREE_PACKETS};
    int n;

    if (chan->is_sane)
        return ssh_channel_write(chan->channel, bytes, (uint32_t)len);
    if (setjmp(watch.way_out)) {
        ssh_set_log_userdata(NULL);
        sshlink_fail(link, ERR_PROTOCOL, "the %s takes packets of no bytes",
                     sshend_peer_word(link));
        return SSH_ERROR;
    }
    ssh_set_log_callback(on_log);
    ssh_set_log_userdata(&watch);
    ssh_set_log_level(SSH_LOG_PACKET);
    n = ssh_channel_write(chan->channel, bytes, (uint32_t)len);
    ssh_set_log_level(SSH_LOG_WARN);
    ssh_set_log_userdata(NULL);
    chan->is_sane = n > 0 && (unsigned)n >= watch.packets * LEAST_PAYLOAD;
    return n;
}

enum err
sshchan_writev(struct stream *stream, const struct iovec *parts, int count,
               size_t *put)
{
    struct sshchan *chan = sshchan_of(stream);
    bool small = total_of(parts, count) <= SMALL_BYTES;
    size_t most = WRITE_BYTES;
    size_t all = 0;
    size_t open;

    if (sshchan_is_shut(chan) || chan->finished)
        return ERR_RESET;
    if (chan->phase == SSHCHAN_OFFERED)
        return ERR_AGAIN;
    chan->is_bulk = !small;
    open = room(chan);
    if (open == 0 || !sshlink_has_room(chan->link, small))
        return ERR_AGAIN;
    if (most > open)
        most = open;
    for (int i = 0; i < count && all < most; i++) {
        size_t len =
            parts[i].iov_len < most - all ? parts[i].iov_len : most - all;
        int n;

        if (len == 0)
            continue;
        n = write_watched(chan, parts[i].iov_base, len);
        if (n < 0 && (all == 0 || chan->link->is_down))
            return write_failed(chan);
        if (n > 0)
            all += (size_t)n;
        if (n < (int)len) { /* a key exchange is under way */
            chan->link->exchanges = true;
            break;
        }
    }
    sshpace_sent(&chan->pace, (uint32_t)all);
    sshlink_touch(chan->link);
    if (all == 0)
        return ERR_AGAIN;
    SSHLINK_COUNT(chan->link, out, all);
    *put = all;
    return ERR_OK;
}

enum err
sshchan_finish(struct stream *stream)
{
    struct sshchan *chan = sshchan_of(stream);

    if (sshchan_is_shut(chan))
        return ERR_RESET;
    chan->finished = true;
    if (ssh_channel_send_eof(chan->channel) == SSH_ERROR)
        return write_failed(chan);
    sshlink_touch(chan->link);
    return ERR_OK;
}
