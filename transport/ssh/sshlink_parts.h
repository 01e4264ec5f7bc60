/* The inside of a link, shared by its parts alone: sshlink, sshchan, sshopen,
 * sshlisten, sshoffer, sshasked, sshend, sshrun, sshalive, sshsocket.
 *
 * A channel is in one phase at a time:
 *
 *     OPENING -> SETTLED -> OPEN -> CLOSING -> (freed)
 *        |          |         ^
 *        |          |         +--- OFFERED -> (freed, where we refuse it)
 *        +----------+-> CLOSING, or freed where it was refused
 *
 *     OPENING  asked for; no outcome yet
 *     SETTLED  the outcome is there, and is to be told
 *     OFFERED  a stream that its owner has; the far side waits for our word
 *     OPEN     a stream that its owner has
 *     CLOSING  the owner is gone; the far side isn't yet
 *
 * Beside that, it is in the list of those to be told something (ready), and of
 * those that wait for room to write (blocked): what happens in one round costs
 * as much as there are channels that it concerns. */
#ifndef CULVERT_TRANSPORT_SSH_SSHLINK_PARTS_H
#define CULVERT_TRANSPORT_SSH_SSHLINK_PARTS_H

#include <ev.h>
#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/ssh/sshio.h"
#include "transport/ssh/sshlink.h"
#include "transport/ssh/sshpace.h"
#include "transport/ssh/sshwindow.h"

enum sshchan_phase {
    SSHCHAN_OPENING,
    SSHCHAN_SETTLED,
    SSHCHAN_OFFERED,
    SSHCHAN_OPEN,
    SSHCHAN_CLOSING,
    SSHCHAN_PHASES, /* how many there are */
};

/* How far `true` has got. */
enum sshrun_state {
    SSHRUN_OPENING, /* its channel */
    SSHRUN_ASKING,  /* for the command */
    SSHRUN_ENDING,  /* it ran, or was refused */
};

struct sshchan {
    struct stream stream; /* first: a stream is its channel */
    struct sshlink *link; /* its memory stays until the last stream is closed */
    ssh_channel channel;  /* NULL once the session is gone */
    struct ssh_channel_callbacks_struct callbacks;
    struct sshlink_open *open; /* OPENING, SETTLED; NULL when cancelled */
    ssh_message offer;         /* OFFERED; NULL once the session is gone */
    enum sshchan_phase phase;
    uint32_t number; /* libssh's, which has no getter */
    double asked;    /* when it was opened */
    enum err err;    /* SETTLED: the outcome */

    unsigned wanted;
    bool is_ready;   /* in that list */
    bool is_blocked; /* in that list */
    bool finished;   /* the owner has sent its end */
    bool has_eof;    /* the peer has sent its end */
    bool has_close;  /* the peer has closed */
    bool sent_close;
    bool is_session;
    bool is_sane; /* its packets carry something */
    bool is_bulk; /* the last write was more than a keystroke's worth */

    const struct stream_sink *sink; /* where bytes may go at once, or NULL */
    size_t poured;                  /* that went there, and weren't told yet */
    size_t buffered;                /* bytes that libssh holds */
    uint64_t most_extra;            /* of its window, at any time */
    uint8_t *queue;          /* taken from libssh after a stall, or NULL */
    size_t queue_at;         /* what is left of it starts here */
    size_t queue_end;        /* and ends here */
    struct sshwindow window; /* what the peer may send */
    struct sshpace pace;     /* and we */

    struct task release;
    struct sshchan *prev, *next;                 /* of its phase */
    struct sshchan *ready_prev, *ready_next;     /* to be told */
    struct sshchan *blocked_prev, *blocked_next; /* no room to write */
};

struct sshlink {
    struct worker *worker;
    const struct sshdest *dest;
    struct sshlink_load *load;
    void (*down)(void *arg, enum err err, const char *text);
    void (*offered)(void *arg, const struct sshlink_offer *offer);
    enum err (*listen_asked)(void *arg, struct sshlink_asked *asked);
    bool (*session_asked)(void *arg, struct stream *stream,
                          enum sshlink_request request);
    void (*session_closed)(void *arg, struct stream *stream);
    void *arg;
    bool is_libssh; /* the peer is, as we are: see sshwindow.h, sshopen.c */
    bool serves;

    ssh_session session; /* NULL once destroyed */
    ssh_event event;
    struct sshio *io;
    int fd;
    bool is_tcp;

    ev_io watcher;
    ev_timer alive; /* when to ask whether the server lives */
    ev_timer tick;  /* rates and round-trip times, while there is traffic */
    struct task task;
    struct task release;

    bool is_overrun;    /* the server sends more than it may */
    bool is_down;       /* it has ended */
    bool told_down;     /* and so has the owner been told */
    bool has_destroyed; /* the owner has left */
    enum err err;       /* why it ended */
    char text[320];
    double heard;    /* when bytes came last */
    unsigned probes; /* keepalives since then */
    uint64_t ticked; /* bytes moved at the last tick */
    double ticked_at;
    unsigned idle_ticks;
    double rtt; /* seconds of the path; 0: unknown */

    uint32_t number; /* of the channel that was opened last */
    struct sshchan *phases[SSHCHAN_PHASES];
    struct sshchan *ready;
    struct sshchan *blocked;
    struct sshlink_open *failed;    /* without memory for a channel: chained by
                                     * chan_ */
    struct sshlink_listen *listens; /* requests: the first is under way once
                                     * listen_sent */
    struct sshlink_listen
        *heard_listens; /* with an outcome that is to be told */
    bool listen_sent;
    bool probe_unheard; /* a keepalive's answer is in libssh's hands, or on its
                         * way there: its place is taken */
    bool had_refusal;   /* a request was refused before */
    bool was_debugged;  /* the server sent a debug message since listen_sent */
    struct sshpace_server pace;
    unsigned streams;      /* given, and not closed */
    unsigned streams_lost; /* of these, when it went down */
    unsigned closing;      /* in that phase */
    bool close_due;       /* something of the closing ones is to be looked at */
    bool was_prohibited;  /* and that has been explained */
    bool exchanges;       /* keys: libssh takes nothing to send, it seems */
    bool session_over;    /* a session's peer has closed it: it is to be told */
    bool has_news;        /* packets have come since opens were looked at */
    bool owes_ack;        /* for what was read last */
    uint64_t sent_before; /* sshio_sent() before that */

    ssh_channel runner; /* runs `true` for server_nodelay */
    enum sshrun_state running;
    void *window_room; /* where a window's worth of bytes could be read to */
    uint64_t extra;    /* what windows have beyond libssh's floor, together */
    uint64_t held;     /* bytes that libssh holds, of all channels */
};

/* --- sshlink.c ------------------------------------------------------------ */

/* The link has ended; the first reason counts. text: printf's. Safe anywhere
 * but in a callback of libssh's. */
void sshlink_fail(struct sshlink *link, enum err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Adds to one of the load's counters; nothing once the owner has left. */
#define SSHLINK_COUNT(link, counter, more)                            \
    do {                                                              \
        if ((link)->load)                                             \
            atomic_fetch_add_explicit(&(link)->load->counter, (more), \
                                      memory_order_relaxed);          \
    } while (0)

/* The task that tells, looks and flushes is to run. */
void sshlink_touch(struct sshlink *link);

/* Whether a channel may hand over more to be sent; small: a keystroke's worth,
 * which goes before bulk. */
bool sshlink_has_room(const struct sshlink *link, bool small);

/* Has libssh send what it keeps: a packet, until it has polled that it may. Not
 * inside of it. */
void sshlink_flush_libssh(struct sshlink *link);

/* One thing less refers to the link. */
void sshlink_let_go(struct sshlink *link);

/* --- sshend.c ------------------------------------------------------------- */

/* "server", or "peer" where the link serves. */
const char *sshend_peer_word(const struct sshlink *link);

/* libssh has run out of memory while it took what came: it drops a channel's
 * bytes then, buffer and all, and goes on; to read from that channel would be a
 * crash. */
bool sshend_lacks_memory(const struct sshlink *link);

/* Whether the session is over, as libssh has it. */
bool sshend_is_over(const struct sshlink *link);

/* Fails the link: for what libssh says, for what it lacked, for the socket's
 * sake. */
void sshend_by_libssh(struct sshlink *link);
void sshend_by_memory(struct sshlink *link);
void sshend_by_socket(struct sshlink *link, enum err err);

/* --- sshsocket.c ---------------------------------------------------------- */

/* Sets what a new link wants of its socket. */
void sshsocket_set(struct sshlink *link);

/* Acknowledges what was read last, if that is owed, without the kernel's delay.
 * An answer that went out meanwhile has done so: then there is no need of a
 * packet for that alone. */
void sshsocket_acknowledge(struct sshlink *link);

/* --- sshchan.c ------------------------------------------------------------ */

static inline struct sshchan *
sshchan_of(struct stream *stream)
{
    return (struct sshchan *)stream;
}

/* Nothing more can be written. */
static inline bool
sshchan_is_shut(const struct sshchan *chan)
{
    return chan->link->is_down || chan->has_close || !chan->channel;
}

/* A channel with its callbacks set, in no phase; NULL when out of memory. */
struct sshchan *sshchan_create(struct sshlink *link);

/* Frees it and libssh's part, which is closed, was refused, or is gone. From
 * the loop alone. */
void sshchan_free(struct sshchan *chan);

void sshchan_set_phase(struct sshchan *chan, enum sshchan_phase phase);

/* It goes to its owner as a stream. */
struct stream *sshchan_give(struct sshchan *chan);

/* Nobody has it any more: closes it, now or as soon as may be. */
void sshchan_begin_close(struct sshchan *chan);

/* Puts it into the list of those to be told, if there is anything. */
void sshchan_attend(struct sshchan *chan);

/* Tells one. */
void sshchan_tell(struct sshchan *chan);

/* Looks at those that close, after a round. */
void sshchan_reap(struct sshlink *link);

/* Moves those that can write now from the blocked to the ready. */
void sshchan_unblock(struct sshlink *link);

/* --- sshchan_in.c --------------------------------------------------------- */

void sshchan_set_callbacks(struct sshchan *chan);

/* The reader has taken so many bytes, and libssh holds none: gives the peer
 * the window that is due. */
void sshchan_grow(struct sshchan *chan, size_t drained);

/* It is about to be closed: gives the peer enough of a window that libssh has
 * none to give behind the close. */
void sshchan_fill_window(struct sshchan *chan);

/* The session is about to go: takes what libssh holds. */
void sshchan_rescue(struct sshchan *chan);

/* What it has been granted beyond libssh's floor goes back. */
void sshchan_shrink(struct sshchan *chan);

void sshchan_drop_queue(struct sshchan *chan);

enum err sshchan_read(struct stream *stream, void *bytes, size_t size,
                      size_t *got);
void sshchan_pour(struct stream *stream, const struct stream_sink *sink);

/* --- sshchan_out.c -------------------------------------------------------- */

bool sshchan_is_writable(struct sshchan *chan);

/* Nothing has moved for a while: a bound of our own is not to be the reason. */
void sshchan_loosen(struct sshchan *chan);

enum err sshchan_writev(struct stream *stream, const struct iovec *parts,
                        int count, size_t *put);
size_t sshchan_room(struct stream *stream);
enum err sshchan_finish(struct stream *stream);

/* --- sshalive.c ----------------------------------------------------------- */

/* Starts to ask the server whether it lives, and what the path is like. */
void sshalive_start(struct sshlink *link);
void sshalive_stop(struct sshlink *link);

/* Bytes move: rates are to be taken. */
void sshalive_moves(struct sshlink *link);

/* The seconds of silence that are borne; 0: any. */
double sshalive_patience(const struct sshlink *link);

/* --- sshrun.c ------------------------------------------------------------- */

/* Runs `true` on the server, so that it sets TCP_NODELAY; once. */
void sshrun_start(struct sshlink *link);

/* Goes on with it, after a round. */
void sshrun_look(struct sshlink *link);

/* --- sshlisten.c ---------------------------------------------------------- */

/* Whether a request is under way whose answer has a port in it: libssh keeps it
 * only until it looks at the next packet. */
bool sshlisten_wants_port(const struct sshlink *link);

/* Whether debug messages are to be known of: libssh tells of them at the log's
 * level of packets alone. */
bool sshlisten_wants_debug(const struct sshlink *link);

/* Sends what waits, and looks for the answer. While a port is wanted, after
 * each portion that libssh gets. Only notes. */
void sshlisten_look(struct sshlink *link);

/* A line of libssh's log: is it about a debug message? */
void sshlisten_note(struct sshlink *link, const char *line);

/* A keepalive: nothing while an answer is under way anyway. */
void sshlisten_probe(struct sshlink *link);

/* All that wait have failed. */
void sshlisten_fail_all(struct sshlink *link);

/* Tells the outcomes. */
void sshlisten_tell(struct sshlink *link);

/* --- sshoffer.c ----------------------------------------------------------- */

/* Takes what the server has asked for since: channels of ours become offers,
 * all else is refused. Tells its owner; not to be called inside libssh. */
void sshoffer_look(struct sshlink *link);

/* As a stream's accept. */
enum err sshoffer_accept(struct stream *stream);

/* The owner does not want it: refuses it, and frees it. */
void sshoffer_refuse(struct sshchan *chan);

/* The session is about to go: what belongs to it goes. */
void sshoffer_forget(struct sshchan *chan);

/* --- sshasked.c ----------------------------------------------------------- */

/* Answers a request that is none for a channel, where the link serves: returns
 * whether it was one (then taken). Not to be called inside libssh. */
bool sshasked_take(struct sshlink *link, ssh_message message);

/* Tells of sessions that their peer has closed. */
void sshasked_tell_closed(struct sshlink *link);

/* --- sshopen.c ------------------------------------------------------------ */

/* A line of libssh's log: is it about a refusal? */
void sshopen_note(struct sshlink *link, const char *line);

/* Looks for opens that have an outcome, after a round. */
void sshopen_look(struct sshlink *link);

/* Asks libssh about opens of which nothing was heard, now and then. */
void sshopen_ask(struct sshlink *link);

/* All that are under way have failed. */
void sshopen_fail_all(struct sshlink *link);

/* Tells the outcomes. */
void sshopen_tell(struct sshlink *link);

#endif
