#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "proxy/gateway.h"
#include "proxy/server_parts.h"
#include "proxy/start.h"
#include "proxy/status.h"
#include "transport/base/log.h"
#include "transport/ssh/sshpool.h"

/* --- the end, on the control loop ----------------------------------------- */

void
server_end(struct server *server, int status)
{
    server->status = status;
    server->ending = true;
    worker_stop(server->control);
}

/* How long SSH servers have, when all sessions are over, to say that they
 * listen no more; the end of the links tells them, too. */
#define FAREWELL_SECONDS 1.0

/* A session may go from one slot to another, so that none of them sees by
 * itself that there are no more. */
static bool
is_empty(const struct server *server)
{
    return server->drained == server->started &&
           atomic_load(&server->shared.limits.open) == 0;
}

void
server_end_if_empty(struct server *server)
{
    if (server->stdio_over ||
        (is_empty(server) && server->forwards.remotes == 0))
        server_end(server, 0);
    else if (is_empty(server) && !ev_is_active(&server->farewell_timer))
        ev_timer_start(worker_loop(server->control), &server->farewell_timer);
}

static void
on_farewell_over(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct server *server = timer->data;

    (void)loop;
    (void)events;
    if (is_empty(server))
        server_end(server, 0);
}

void
server_on_drained(struct mail *mail)
{
    struct slot *slot =
        (struct slot *)((char *)mail - offsetof(struct slot, drained));
    struct server *server = slot->owner;

    if (++server->drained == server->started) {
        forwards_close(&server->forwards);
        server_end_if_empty(server);
    }
}

void
server_on_empty(struct mail *mail)
{
    struct slot *slot =
        (struct slot *)((char *)mail - offsetof(struct slot, empty));

    struct server *server = slot->owner;

    slot_heard(slot);
    server->stdio_over = server->stdio != NULL;
    server_end_if_empty(server);
}

static void
on_drain_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct server *server = timer->data;

    (void)loop;
    (void)events;
    log_write(LOG_WARN, "drain time-out: ending what is left");
    server_end(server, 0);
}

static void
drain(struct server *server)
{
    double wait = server->settings->drain_timeout;

    if (server->draining) {
        server_end(server, 0);
        return;
    }
    server->draining = true;
    forwards_stop(&server->forwards);
    gateway_stop(server->shared.gateway);
    forwards_close_gateways(&server->forwards);
    for (unsigned i = 0; i < server->started; i++)
        slot_drain(&server->slots[i]);
    if (wait > 0) {
        ev_timer_set(&server->drain_timer, wait, 0.);
        ev_timer_start(worker_loop(server->control), &server->drain_timer);
    }
}

/* --- signals -------------------------------------------------------------- */

static void
reload(struct server *server)
{
    enum err err = log_reopen();

    if (err)
        log_write(LOG_ERROR, "%s: %s; the old log goes on",
                  server->settings->log.path, err_text(err));
    for (unsigned i = 0; i < server->started; i++)
        slot_reload(&server->slots[i]);
    start_reload_users(&server->shared);
    if (server->shared.gateway)
        gateway_reload(server->shared.gateway);
    log_write(LOG_INFO, "reloaded");
}

static bool
has_terminal(void)
{
    int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* Returns NULL, or why not. */
static const char *
reconnect(struct server *server)
{
    struct sshpool **pools = server->shared.pools;

    if (!pools)
        return "connections leave straight from here: no SSH server";
    for (unsigned i = 0; server->stands && i < server->settings->way_count;
         i++) {
        if (pools[i])
            sshpool_reconnect(pools[i]);
    }
    return NULL;
}

static void
reconnect_by_signal(struct server *server)
{
    const char *why = reconnect(server);

    if (why)
        log_write(LOG_WARN, "nothing to reconnect: %s", why);
}

static void
report(struct server *server)
{
    for (unsigned i = 0; i < server->started; i++)
        slot_report(&server->slots[i]);
    status_log_links(&server->shared);
}

static void
on_signal(struct ev_loop *loop, ev_signal *watcher, int events)
{
    struct server *server = watcher->data;
    int number = watcher->signum;

    (void)loop;
    (void)events;
    if (number == SIGUSR1) {
        report(server);
    } else if (number == SIGUSR2) {
        reconnect_by_signal(server);
    } else if (!server->stands &&
               (server->shared.pools || server->ready_fd >= 0)) {
        /* As ssh while it logs in: it dies of it. */
        server->ended_by = number;
        server_end(server, EXIT_FAILED);
    } else if (number == SIGTERM) {
        drain(server);
    } else if (number == SIGINT) {
        server_end(server, 0);
    } else if (has_terminal()) { /* as ssh: the terminal has gone */
        server_end(server, 0);
    } else {
        reload(server);
    }
}

void
server_watch_signals(struct server *server)
{
    const int numbers[SERVER_SIGNALS] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1,
                                         SIGUSR2};
    struct sigaction old;

    for (int i = 0; i < SERVER_SIGNALS; i++) {
        ev_signal *watcher = &server->signals[i];

        /* nohup(1) means it. */
        if (numbers[i] == SIGHUP && sigaction(SIGHUP, NULL, &old) == 0 &&
            old.sa_handler == SIG_IGN)
            continue;
        ev_signal_init(watcher, on_signal, numbers[i]);
        watcher->data = server;
        ev_signal_start(worker_loop(server->control), watcher);
    }
    ev_timer_init(&server->drain_timer, on_drain_timeout, 0., 0.);
    server->drain_timer.data = server;
    ev_timer_init(&server->farewell_timer, on_farewell_over, FAREWELL_SECONDS,
                  0.);
    server->farewell_timer.data = server;
}

void
server_unwatch_signals(struct server *server)
{
    for (int i = 0; i < SERVER_SIGNALS; i++) {
        ev_signal *watcher = &server->signals[i];

        if (!ev_is_active(watcher))
            continue;
        /* One more while all is put away changes nothing; the library's
         * handler would reach for a loop that is gone. */
        ev_signal_stop(worker_loop(server->control), watcher);
        signal(watcher->signum, SIG_IGN);
    }
}

/* --- the control socket --------------------------------------------------- */

static void
on_call_exit(void *owner)
{
    server_end(owner, 0);
}

static const char *
on_call_reconnect(void *owner)
{
    return reconnect(owner);
}

static size_t
on_call_status(void *owner, bool json, char *buf, size_t size)
{
    struct server *server = owner;

    return status_write(&server->shared, &server->forwards, json, buf, size);
}

static const char *
on_call_kick(void *owner, const char *name, unsigned *sessions)
{
    struct server *server = owner;
    struct gateway *gateway = server->shared.gateway;
    enum err err;

    if (!gateway)
        return "no gateway here";
    err = gateway_kick(gateway, name, sessions);
    if (err == ERR_NAME_NOT_FOUND)
        return "no agent of that name is connected";
    return err ? err_text(err) : NULL;
}

bool
server_open_control(struct server *server)
{
    const struct settings *settings = server->settings;
    const struct control_config config = {
        .worker = server->control,
        .path = settings->control_path,
        .forwards = &server->forwards,
        .exit = on_call_exit,
        .reconnect = on_call_reconnect,
        .status = on_call_status,
        .kick = on_call_kick,
        .owner = server,
    };
    enum err err;

    if (!settings->control_master || !settings->control_path)
        return true;
    err = control_create(&config, &server->calls);
    /* It is to answer when there are as many sessions as can be. */
    if (!err)
        limits_take(&server->shared.limits, CONTROL_DESCRIPTORS);
    return !err || err == ERR_ADDR_IN_USE;
}
