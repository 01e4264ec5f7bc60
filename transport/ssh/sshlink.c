#include "transport/ssh/sshlink.h"

#include <errno.h>
#include <libssh/server.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <utlist.h>

#include "transport/base/clock.h"
#include "transport/ssh/sshlink_parts.h"

/* Bytes that wait for the socket, above which channels have to wait: enough to
 * keep it busy until the loop comes round, little enough not to stand before a
 * keystroke. */
#define UNSENT_BYTES (128u * 1024)

/* What libssh gets at once while the port that a server picks is awaited: it
 * forgets its last packet when it has this much of the next, the length. */
#define PORTION_BYTES 4

/* And what a turn reads then, as it takes long. */
#define SLOW_FILL_BYTES 4096

/* A read of so much is of bulk. */
#define BULK_BYTES (16u * 1024)

static void on_task(struct task *task);

/* --- being up ------------------------------------------------------------- */

void
sshlink_touch(struct sshlink *link)
{
    worker_defer(link->worker, &link->task);
}

bool
sshlink_has_room(const struct sshlink *link, bool small)
{
    size_t most = small ? 2 * UNSENT_BYTES : UNSENT_BYTES;

    return !link->exchanges && sshio_unsent(link->io) < most;
}

static void
stop_watching(struct sshlink *link)
{
    struct ev_loop *loop = worker_loop(link->worker);

    ev_io_stop(loop, &link->watcher);
    sshalive_stop(link);
}

void
sshlink_fail(struct sshlink *link, enum err err, const char *format, ...)
{
    struct sshchan *chan;
    va_list args;

    if (link->is_down)
        return;
    link->is_down = true;
    link->streams_lost = link->streams;
    link->err = err;
    va_start(args, format);
    vsnprintf(link->text, sizeof(link->text), format, args);
    va_end(args);
    stop_watching(link);
    sshio_discard(link->io);
    sshopen_fail_all(link);
    sshlisten_fail_all(link);
    DL_FOREACH (link->phases[SSHCHAN_OFFERED], chan)
        sshchan_attend(chan);
    DL_FOREACH (link->phases[SSHCHAN_OPEN], chan)
        sshchan_attend(chan);
    while ((chan = link->phases[SSHCHAN_CLOSING]))
        sshchan_free(chan);
    sshlink_touch(link);
}

/* libssh is called with the link known to its log, where refusals are told;
 * level and callback are the thread's, and others may have changed them. */
static void
on_log(int priority, const char *function, const char *line, void *arg)
{
    (void)priority;
    (void)function;
    if (!arg)
        return;
    sshopen_note(arg, line);
    sshlisten_note(arg, line);
}

/* --- the pump ------------------------------------------------------------- */

/* The answer that has the port in it may be there, and nothing behind it that
 * libssh has looked at. */
static void
look_for_port(struct sshlink *link)
{
    sshio_listen(link->io, false);
    sshlisten_look(link);
    sshio_listen(link->io, true);
}

/* No packet is shorter: length, a block, and a tag. */
#define PACKET_BYTES 32

/* Whether the order of answers is to be kept (sshasked). */
static bool
is_careful(const struct sshlink *link)
{
    return link->serves && link->streams == 0;
}

static void
hear_log(struct sshlink *link)
{
    ssh_set_log_level(sshlisten_wants_debug(link) ? SSH_LOG_PACKET
                                                  : SSH_LOG_WARN);
    ssh_set_log_callback(on_log);
    ssh_set_log_userdata(link);
}

static void
look_for_requests(struct sshlink *link)
{
    sshio_listen(link->io, false);
    sshoffer_look(link);
    hear_log(link); /* what came of it may have been written by another */
    sshio_listen(link->io, true);
}

/* Lets libssh have all that was read, 4,096 bytes at a time. */
static void
dispatch(struct sshlink *link)
{
    unsigned stuck = 0;

    hear_log(link);
    sshio_listen(link->io, true);
    while (sshio_unread(link->io) > 0 && stuck < 8) {
        size_t before = sshio_unread(link->io);
        bool in_bits = sshlisten_wants_port(link);
        bool careful = is_careful(link);

        sshio_portion(link->io, in_bits   ? PORTION_BYTES
                                : careful ? PACKET_BYTES
                                          : 0);
        ssh_event_dopoll(link->event, 0);
        if (sshend_is_over(link) || sshend_lacks_memory(link))
            break;
        if (in_bits)
            look_for_port(link);
        if (careful)
            look_for_requests(link);
        stuck = sshio_unread(link->io) == before ? stuck + 1 : 0;
    }
    sshio_listen(link->io, false);
    ssh_set_log_userdata(NULL);
    if (sshend_lacks_memory(link))
        sshend_by_memory(link);
    else if (sshend_is_over(link))
        sshend_by_libssh(link);
    else if (link->is_overrun)
        sshlink_fail(link, ERR_PROTOCOL,
                     "the %s sends more than a channel's window",
                     sshend_peer_word(link));
    else if (stuck)
        sshlink_fail(link, ERR_PROTOCOL, "libssh reads no more");
}

static void
pump(struct sshlink *link)
{
    size_t got = 0;
    size_t most =
        sshlisten_wants_port(link) ? SLOW_FILL_BYTES : SSHIO_FILL_BYTES;
    enum err err = sshio_fill(link->io, most, &got);

    if (err == ERR_AGAIN)
        return;
    if (err) {
        sshend_by_socket(link, err);
        return;
    }
    link->owes_ack = got < BULK_BYTES;
    link->sent_before = sshio_sent(link->io);
    link->heard = clock_seconds();
    link->probes = 0;
    dispatch(link);
    link->exchanges = false;
    link->has_news = true;
    sshalive_moves(link);
    sshlink_touch(link);
}

static void
watch(struct sshlink *link)
{
    struct ev_loop *loop = worker_loop(link->worker);
    int wanted = EV_READ | (sshio_unsent(link->io) > 0 ? EV_WRITE : 0);

    if ((link->watcher.events & (EV_READ | EV_WRITE)) == wanted)
        return;
    ev_io_stop(loop, &link->watcher);
    ev_io_modify(&link->watcher, wanted);
    ev_io_start(loop, &link->watcher);
}

void
sshlink_flush_libssh(struct sshlink *link)
{
    if (ssh_get_poll_flags(link->session) & SSH_WRITE_PENDING)
        ssh_event_dopoll(link->event, 0);
}

static void
flush(struct sshlink *link)
{
    enum err err;

    sshlink_flush_libssh(link);
    err = sshio_flush(link->io);
    if (err && err != ERR_AGAIN)
        sshend_by_socket(link, err);
    else
        watch(link);
    atomic_store_explicit(&link->load->unsent, (unsigned)sshio_unsent(link->io),
                          memory_order_relaxed);
}

static void
on_io(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct sshlink *link = watcher->data;

    (void)loop;
    if (events & EV_READ)
        pump(link);
    sshlink_touch(link);
}

/* Tells those that are ready now; what gets ready meanwhile is next time's. */
static void
tell_ready(struct sshlink *link)
{
    struct sshchan *chan;
    unsigned count = 0;

    DL_FOREACH2(link->ready, chan, ready_next)
    count++;
    while (count-- > 0 && link->ready)
        sshchan_tell(link->ready);
}

static void
tell_down(struct sshlink *link)
{
    if (!link->is_down || link->told_down || link->has_destroyed)
        return;
    link->told_down = true;
    link->down(link->arg, link->err, link->text);
}

/* What is to be done outside of libssh, after a round of the loop in which
 * something happened. */
static void
on_task(struct task *task)
{
    struct sshlink *link =
        (struct sshlink *)((char *)task - offsetof(struct sshlink, task));
    bool has_news = link->has_news;

    link->has_news = false;
    if (!link->is_down) {
        if (has_news)
            sshopen_look(link);
        sshlisten_look(link);
    }
    if (!link->has_destroyed)
        sshlisten_tell(link);
    /* Before any channel is freed: what a peer asked for by one, and then
     * closed it, refers to it still. */
    if (has_news)
        sshoffer_look(link);
    if (!link->is_down) {
        if (has_news)
            sshrun_look(link);
        sshchan_reap(link);
        /* Who waits for room may find it; else all goes out together below,
         * after the clients have had their bytes. */
        if (link->blocked)
            flush(link);
    }
    if (!link->has_destroyed)
        sshchan_unblock(link);
    if (!link->has_destroyed)
        sshopen_tell(link);
    sshasked_tell_closed(link);
    tell_ready(link);
    if (!link->is_down) {
        flush(link);
        sshsocket_acknowledge(link);
    }
    tell_down(link);
}

/* --- beginning and end ---------------------------------------------------- */

static void
release(struct task *task)
{
    struct sshlink *link =
        (struct sshlink *)((char *)task - offsetof(struct sshlink, release));

    free(link);
}

void
sshlink_let_go(struct sshlink *link)
{
    if (link->has_destroyed && link->streams == 0) {
        worker_undefer(link->worker, &link->task);
        worker_defer(link->worker, &link->release);
    }
}

static void
set_watchers(struct sshlink *link)
{
    ev_io_init(&link->watcher, on_io, link->fd, EV_READ);
    link->watcher.data = link;
    ev_io_start(worker_loop(link->worker), &link->watcher);
    sshalive_start(link);
}

static bool
is_of_libssh(const struct sshlink_config *config)
{
    const char *banner = config->serves ? ssh_get_clientbanner(config->session)
                                        : ssh_get_serverbanner(config->session);

    return banner && (strstr(banner, "-libssh") || strstr(banner, "-culvert"));
}

static struct sshlink *
create(const struct sshlink_config *config)
{
    struct sshlink *link = calloc(1, sizeof(*link));

    if (!link)
        return NULL;
    link->worker = config->worker;
    link->dest = config->dest;
    link->load = config->load;
    link->down = config->down;
    link->offered = config->offered;
    link->listen_asked = config->listen_asked;
    link->session_asked = config->session_asked;
    link->session_closed = config->session_closed;
    link->serves = config->serves;
    link->is_libssh = is_of_libssh(config);
    /* It may have asked for something while it logged in. */
    link->has_news = config->serves;
    link->arg = config->arg;
    link->session = config->session;
    link->task.run = on_task;
    link->release.run = release;
    link->fd = ssh_get_fd(config->session);
    link->number = 42;
    link->heard = clock_seconds();
    memset(config->load, 0, sizeof(*config->load));
    return link;
}

/* ssh_disconnect leaves a descriptor open that was given to the session, as
 * ours are, and forgets it; but where it can't write its last word it closes
 * it. So the session is attached still: then that is always taken. */
static void
end_session(ssh_session session)
{
    int fd = ssh_get_fd(session);

    ssh_disconnect(session);
    ssh_free(session);
    if (fd >= 0)
        close(fd);
}

enum err
sshlink_create(const struct sshlink_config *config, struct sshlink **result)
{
    struct sshlink *link = create(config);
    enum err err = ERR_NO_MEMORY;

    if (!link)
        goto fail;
    link->event = ssh_event_new();
    if (!link->event ||
        ssh_event_add_session(link->event, link->session) != SSH_OK)
        goto fail;
    err = sshio_attach(link->fd, &link->io);
    if (err)
        goto fail;
    ssh_set_blocking(link->session, 0);
    /* What the peer asks for waits for sshoffer_look. */
    ssh_set_message_callback(link->session, NULL, NULL);
    sshsocket_set(link);
    set_watchers(link);
    if (link->dest->server_nodelay)
        sshrun_start(link);
    sshlink_touch(link);
    *result = link;
    return ERR_OK;

fail:
    if (link && link->event)
        ssh_event_free(link->event);
    ssh_free(config->session); /* with its descriptor */
    free(link);
    return err;
}

static void
forget_streams(struct sshlink *link)
{
    struct sshchan *chan;

    while ((chan = link->phases[SSHCHAN_OPENING]))
        sshchan_free(chan);
    while ((chan = link->phases[SSHCHAN_SETTLED]))
        sshchan_free(chan);
    while ((chan = link->phases[SSHCHAN_CLOSING]))
        sshchan_free(chan);
    DL_FOREACH (link->phases[SSHCHAN_OFFERED], chan)
        sshoffer_forget(chan);
    DL_FOREACH (link->phases[SSHCHAN_OPEN], chan) {
        sshchan_rescue(chan);
        ssh_remove_channel_callbacks(chan->channel, &chan->callbacks);
        chan->channel = NULL;
        chan->buffered = 0;
        sshchan_attend(chan);
    }
}

void
sshlink_destroy(struct sshlink *link)
{
    if (!link)
        return;
    worker_assert_here(link->worker);
    stop_watching(link);
    link->has_destroyed = true;
    link->failed = NULL;
    link->listens = link->heard_listens = NULL;
    forget_streams(link);
    if (!link->is_down) {
        sshlink_flush_libssh(link);
        sshio_flush(link->io);
        sshio_hurry(link->io);
    }
    link->is_down = true;
    ssh_event_free(link->event);
    end_session(link->session);
    sshio_detach(link->io);
    if (link->window_room)
        munmap(link->window_room, SSHWINDOW_MAX);
    link->session = NULL;
    link->io = NULL;
    link->load = NULL;
    sshlink_let_go(link);
}

double
sshlink_heard(const struct sshlink *link)
{
    return link->heard;
}

unsigned
sshlink_streams(const struct sshlink *link)
{
    return link->is_down ? link->streams_lost : link->streams;
}
