/* libssh sees no byte before it is meant to (sshio.h): what the client sends
 * first is read ahead, and looked at to choose the ciphers that are offered;
 * from then on libssh has all that comes, 4,096 bytes at a time, and after each
 * it is seen to what has become of them. */
#include "transport/ssh/sshserver_parts.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "transport/base/clock.h"
#include "transport/ssh/sshkexpeek.h"
#include "transport/ssh/sshlogin_run.h"

/* Instead of chacha20, for those that would take it by habit. On all others it
 * would be forced: a client with a wish of its own has its way. */
#define FAST_CIPHER "aes128-gcm@openssh.com"

/* libssh is at its wits' end when it reads nothing so often. */
#define STUCK_MAX 8

/* --- the end -------------------------------------------------------------- */

static double
penalty(const struct sshserver_login_run *run, enum sshserver_end end)
{
    switch (end) {
    case SSHSERVER_LEFT:
        return run->is_blamed ? SSHSOURCE_FAILED_SECONDS
                              : SSHSOURCE_LEFT_SECONDS;
    case SSHSERVER_FAILED:
        return SSHSOURCE_FAILED_SECONDS;
    case SSHSERVER_SLOW:
        return SSHSOURCE_SLOW_SECONDS;
    case SSHSERVER_OUR:
        break;
    }
    return run->is_blamed ? SSHSOURCE_FAILED_SECONDS : 0;
}

void
sshserver_login_forget(struct sshserver_login_run *run)
{
    struct sshserver_loop *loop = run->loop;
    bool has_mail;

    if (run->state == SSHSERVER_WAITING)
        DL_DELETE(loop->queue, run);
    else
        DL_DELETE(loop->logins, run);
    pthread_mutex_lock(&loop->server->lock);
    sshsource_leave(&loop->server->sources, &run->guest, clock_seconds());
    has_mail = run->is_displaced;
    pthread_mutex_unlock(&loop->server->lock);
    if (has_mail)
        run->has_ended = true;
    else
        free(run);
    if (!loop->stopping)
        worker_defer(loop->worker, &loop->turn);
}

static void
blame(struct sshserver_login_run *run, double seconds)
{
    struct sshserver *server = run->loop->server;
    double now = clock_seconds();
    bool is_barred;

    if (seconds <= 0)
        return;
    pthread_mutex_lock(&server->lock);
    is_barred = sshsource_blame(&server->sources, &run->peer, seconds, now);
    seconds = sshsource_barred(&server->sources, &run->peer, now);
    pthread_mutex_unlock(&server->lock);
    if (is_barred)
        sshserver_log_barred(run->loop, &run->peer, seconds);
}

static void
stop_watching(struct sshserver_login_run *run)
{
    struct ev_loop *loop = worker_loop(run->loop->worker);

    ssh_set_log_userdata(NULL);
    deadline_stop(&run->exchange);
    deadline_stop(&run->whole);
    if (run->state == SSHSERVER_WAITING)
        return;
    ev_timer_stop(loop, &run->peek);
    ev_io_stop(loop, &run->watcher);
}

/* A last word, as far as the socket takes it. */
static void
say_farewell(struct sshserver_login_run *run)
{
    sshio_flush(run->io);
    sshio_hurry(run->io);
    ssh_session_set_disconnect_message(run->session,
                                       "Too many authentication failures");
    ssh_disconnect(run->session);
}

static void
end_session(struct sshserver_login_run *run, enum sshserver_end end)
{
    if (end == SSHSERVER_FAILED && run->io)
        say_farewell(run);
    if (run->event)
        ssh_event_free(run->event);
    ssh_free(run->session);
    if (!run->is_taken)
        close(run->fd);
    sshio_detach(run->io);
}

void
sshserver_login_end(struct sshserver_login_run *run, enum sshserver_end end,
                    const char *why)
{
    sshserver_log_failed(run, why);
    stop_watching(run);
    sshserver_auth_clear(run);
    end_session(run, end);
    blame(run, penalty(run, end));
    sshserver_login_forget(run);
}

static bool
end_by_libssh(struct sshserver_login_run *run)
{
    char said[256];

    sshlogin_clean(ssh_get_error(run->session), said, sizeof(said));
    sshserver_login_end(run, SSHSERVER_LEFT, *said ? said : "protocol error");
    return false;
}

/* --- handing over --------------------------------------------------------- */

void
sshserver_set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags >= 0)
        fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

static void
hand_over(struct sshserver_login_run *run)
{
    struct sshserver *server = run->loop->server;
    struct sshserver_login *login = run->login;

    run->login = NULL;
    stop_watching(run);
    sshserver_auth_clear(run);
    ssh_event_remove_session(run->event, run->session);
    ssh_event_free(run->event);
    sshio_detach(run->io);
    worker_forget_fd(run->loop->worker, run->fd);
    sshserver_set_nonblocking(run->fd);
    /* From now on ssh_disconnect leaves it open, as it does a client's. */
    ssh_options_set(run->session, SSH_OPTIONS_FD, &run->fd);
    login->session = run->session;
    login->peer = run->peer;
    sshlogin_clean(ssh_get_clientbanner(run->session), login->software,
                   sizeof(login->software));
    pthread_mutex_lock(&server->lock);
    sshsource_forgive(&server->sources, &run->peer, clock_seconds());
    pthread_mutex_unlock(&server->lock);
    sshserver_login_forget(run);
    server->config.arrived(server->config.arg, login);
}

/* --- getting on ----------------------------------------------------------- */

static bool
is_dead(const struct sshserver_login_run *run)
{
    return !ssh_is_connected(run->session) ||
           (ssh_get_status(run->session) & (SSH_CLOSED | SSH_CLOSED_ERROR));
}

/* Sets what is offered, in the place of what was set before the client was
 * heard. Its version line is still to come, to libssh: so the key exchange has
 * not begun. */
static bool
choose_ciphers(struct sshserver_login_run *run, enum sshkexpeek peek)
{
    ssh_session session = run->session;

    ev_timer_stop(worker_loop(run->loop->worker), &run->peek);
    run->state = SSHSERVER_EXCHANGE;
    if (peek != SSHKEXPEEK_GCM)
        return true;
    if (ssh_options_set(session, SSH_OPTIONS_CIPHERS_C_S, FAST_CIPHER) ==
            SSH_OK &&
        ssh_options_set(session, SSH_OPTIONS_CIPHERS_S_C, FAST_CIPHER) ==
            SSH_OK &&
        ssh_server_init_kex(session) == SSH_OK)
        return true;
    return end_by_libssh(run);
}

static bool
peek(struct sshserver_login_run *run)
{
    size_t len;
    const uint8_t *bytes = sshio_look(run->io, &len);
    enum sshkexpeek peek = sshkexpeek_judge(bytes, len);

    return peek == SSHKEXPEEK_MORE || choose_ciphers(run, peek);
}

/* Lets libssh read once. Returns false when the login has ended. */
static bool
feed(struct sshserver_login_run *run, unsigned *stuck)
{
    size_t before = sshio_unread(run->io);
    int rc = SSH_OK;

    sshio_listen(run->io, true);
    if (run->state == SSHSERVER_EXCHANGE)
        rc = ssh_handle_key_exchange(run->session);
    else
        ssh_event_dopoll(run->event, 0);
    sshio_listen(run->io, false);
    if (rc == SSH_ERROR || is_dead(run))
        return end_by_libssh(run);
    if (run->has_gssapi) {
        sshserver_login_end(run, SSHSERVER_LEFT,
                            "asks for gssapi, which is not offered");
        return false;
    }
    if (run->state == SSHSERVER_EXCHANGE && rc == SSH_OK) {
        deadline_stop(&run->exchange);
        run->state = SSHSERVER_AUTH;
    }
    *stuck = sshio_unread(run->io) == before ? *stuck + 1 : 0;
    if (*stuck == STUCK_MAX) {
        sshserver_login_end(run, SSHSERVER_OUR, "libssh reads no more");
        return false;
    }
    return true;
}

static bool
can_read(const struct sshserver_login_run *run)
{
    return !run->is_asking && sshio_unsent(run->io) <= SSHSERVER_UNSENT_BYTES;
}

/* Returns false when the login has ended. */
static bool
advance(struct sshserver_login_run *run)
{
    unsigned stuck = 0;

    if (run->state == SSHSERVER_PEEKING && !peek(run))
        return false;
    while (run->state != SSHSERVER_PEEKING && can_read(run) &&
           sshio_unread(run->io) > 0) {
        if (!feed(run, &stuck))
            return false;
        if (run->state == SSHSERVER_AUTH && !sshserver_auth_look(run))
            return false;
    }
    return true;
}

static void
watch(struct sshserver_login_run *run)
{
    struct ev_loop *loop = worker_loop(run->loop->worker);
    int wanted = 0;

    if (run->state != SSHSERVER_LEAVING && can_read(run))
        wanted |= EV_READ;
    if (sshio_unsent(run->io) > 0)
        wanted |= EV_WRITE;
    if ((run->watcher.events & (EV_READ | EV_WRITE)) == wanted)
        return;
    ev_io_stop(loop, &run->watcher);
    ev_io_modify(&run->watcher, wanted);
    if (wanted)
        ev_io_start(loop, &run->watcher);
}

/* libssh puts by what it could not send from inside a call. */
static void
flush_libssh(struct sshserver_login_run *run)
{
    if (ssh_get_poll_flags(run->session) & SSH_WRITE_PENDING)
        ssh_event_dopoll(run->event, 0);
}

static bool
flush(struct sshserver_login_run *run)
{
    enum err err;

    flush_libssh(run);
    err = sshio_flush(run->io);
    if (!err || err == ERR_AGAIN)
        return true;
    sshserver_login_end(run, SSHSERVER_LEFT, err_text(err));
    return false;
}

void
sshserver_login_step(struct sshserver_login_run *run)
{
    bool lives;

    ssh_set_log_userdata(run);
    lives = flush(run) && advance(run) && flush(run);
    ssh_set_log_userdata(NULL);
    if (!lives)
        return;
    if (run->state == SSHSERVER_LEAVING && sshio_unsent(run->io) == 0 &&
        sshio_unread(run->io) == 0)
        hand_over(run);
    else
        watch(run);
}

static void
on_io(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct sshserver_login_run *run = watcher->data;
    enum err err = ERR_OK;
    size_t got;

    (void)loop;
    if (events & EV_READ)
        err = sshio_fill_behind(run->io, SSHSERVER_FILL_BYTES, &got);
    if (!err || err == ERR_AGAIN)
        sshserver_login_step(run);
    else
        sshserver_login_end(run, SSHSERVER_LEFT,
                            err == ERR_EOF ? err_text(ERR_PEER_GONE)
                                           : err_text(err));
}

/* The client waits for us, or is far away: it has its choice. */
static void
on_peek(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct sshserver_login_run *run = timer->data;

    (void)loop;
    (void)events;
    if (choose_ciphers(run, SSHKEXPEEK_ANY))
        sshserver_login_step(run);
}

void
sshserver_login_watch(struct sshserver_login_run *run, double seconds)
{
    struct ev_loop *loop = worker_loop(run->loop->worker);

    ev_io_init(&run->watcher, on_io, run->fd, EV_READ);
    ev_timer_init(&run->peek, on_peek, seconds, 0.);
    run->watcher.data = run->peek.data = run;
    ev_io_start(loop, &run->watcher);
    if (run->state == SSHSERVER_PEEKING)
        ev_timer_start(loop, &run->peek);
}
