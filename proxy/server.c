#include "proxy/server.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <utlist.h>

#include "auth/users.h"
#include "auth/verify.h"
#include "proxy/background.h"
#include "proxy/engine.h"
#include "proxy/listeners.h"
#include "proxy/slot.h"
#include "proxy/stdio.h"
#include "transport/base/log.h"

/* Descriptors in use besides those of sessions and pipes: standard ones, the
 * log, and some to spare; and of each worker: its loop's two, and those of
 * look-ups under way. */
#define DESCRIPTORS_PROCESS    12
#define DESCRIPTORS_PER_WORKER 6

#define SIGNALS 4

struct server {
    struct settings *settings;
    struct shared shared;
    struct listeners listeners;
    struct worker *control; /* the main thread's loop: signals and the end */
    struct slot *slots;
    unsigned count;
    unsigned started;
    unsigned drained;
    unsigned empty;
    bool draining;
    int status;
    struct stdio *stdio;
    int stdio_fd;
    ev_signal signals[SIGNALS];
    ev_timer drain_timer;
};

/* --- on the control loop -------------------------------------------------- */

static void
end(struct server *server)
{
    worker_stop(server->control);
}

static void
on_slot_drained(struct mail *mail)
{
    struct slot *slot =
        (struct slot *)((char *)mail - offsetof(struct slot, drained));
    struct server *server = slot->owner;

    if (++server->drained == server->count)
        listeners_close(&server->listeners);
}

static void
on_slot_empty(struct mail *mail)
{
    struct slot *slot =
        (struct slot *)((char *)mail - offsetof(struct slot, empty));
    struct server *server = slot->owner;

    if (++server->empty == server->count)
        end(server);
}

static void
on_drain_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct server *server = timer->data;

    (void)loop;
    (void)events;
    log_write(LOG_WARN, "drain time-out: ending what is left");
    end(server);
}

static void
drain(struct server *server)
{
    double wait = server->settings->drain_timeout;

    if (server->draining) {
        end(server);
        return;
    }
    server->draining = true;
    for (unsigned i = 0; i < server->started; i++)
        slot_drain(&server->slots[i]);
    if (wait > 0) {
        ev_timer_set(&server->drain_timer, wait, 0.);
        ev_timer_start(worker_loop(server->control), &server->drain_timer);
    }
}

static void
reload(struct server *server)
{
    const char *path = server->settings->users_path;
    enum err err = log_reopen();

    if (err)
        log_write(LOG_ERROR, "%s: %s; the old log goes on",
                  server->settings->log.path, err_text(err));
    for (unsigned i = 0; i < server->started; i++)
        slot_reload(&server->slots[i]);
    if (path) {
        char message[512];
        struct users *users = NULL;

        if (users_load(path, &users, message, sizeof(message))) {
            log_write(LOG_ERROR, "%s; the old users stay", message);
        } else {
            verifier_set_users(server->shared.verifier, users);
            users_unref(users);
        }
    }
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

static void
on_signal(struct ev_loop *loop, ev_signal *watcher, int events)
{
    struct server *server = watcher->data;

    (void)loop;
    (void)events;
    if (watcher->signum == SIGTERM)
        drain(server);
    else if (watcher->signum == SIGINT)
        end(server);
    else if (watcher->signum == SIGUSR1)
        for (unsigned i = 0; i < server->started; i++)
            slot_report(&server->slots[i]);
    else if (has_terminal()) /* as ssh: the terminal has gone */
        end(server);
    else
        reload(server);
}

static void
watch_signals(struct server *server)
{
    const int numbers[SIGNALS] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};
    struct sigaction old;

    for (int i = 0; i < SIGNALS; i++) {
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
}

/* --- starting ------------------------------------------------------------- */

static size_t
raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 1024;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur > 1 << 20 ? 1 << 20 : (size_t)limit.rlim_cur;
}

static unsigned
count_processors(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) < 0)
        return 1;
    return (unsigned)CPU_COUNT(&set);
}

/* -b: an address or a name, one of each family at the most. */
static bool
find_bind_host(struct server *server)
{
    const char *host = server->settings->bind_host;
    struct addrinfo hints = {.ai_family = server->settings->family,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int failed;

    server->shared.bind_v4.sa.sa_family = AF_UNSPEC;
    server->shared.bind_v6.sa.sa_family = AF_UNSPEC;
    if (!host)
        return true;
    failed = getaddrinfo(host, NULL, &hints, &found);
    if (failed) {
        log_write(LOG_FATAL, "-b %s: %s", host, gai_strerror(failed));
        server->status = EXIT_USAGE;
        return false;
    }
    for (struct addrinfo *each = found; each; each = each->ai_next) {
        union addr *addr = each->ai_family == AF_INET ? &server->shared.bind_v4
                                                      : &server->shared.bind_v6;

        if (addr->sa.sa_family == AF_UNSPEC &&
            each->ai_addrlen <= sizeof(*addr))
            memcpy(addr, each->ai_addr, each->ai_addrlen);
    }
    freeaddrinfo(found);
    return true;
}

static bool
load_users(struct server *server)
{
    const char *path = server->settings->users_path;
    char message[512];
    struct users *users = NULL;
    enum err err;

    if (!path)
        return true;
    if (users_load(path, &users, message, sizeof(message))) {
        log_write(LOG_FATAL, "--users: %s", message);
        return false;
    }
    err = verifier_create(users, &server->shared.verifier);
    users_unref(users);
    if (err)
        log_write(LOG_FATAL, "--users: %s", err_text(err));
    return !err;
}

static bool
open_listeners(struct server *server)
{
    const struct settings *settings = server->settings;
    enum err err = listeners_open(settings, &server->listeners);
    bool stdio = false;

    if (err) {
        server->status = err == ERR_DENIED ? EXIT_USAGE : EXIT_FAILED;
        return false;
    }
    for (const struct forward *forward = settings->forwards; forward;
         forward = forward->next)
        stdio = stdio || forward->kind == FORWARD_STDIO;
    if (server->listeners.failed > 0 && settings->exit_on_forward_failure)
        return false;
    if (stdio) {
        err = stdio_start(&server->stdio, &server->stdio_fd);
        if (err)
            log_write(LOG_FATAL, "-W: %s", err_text(err));
        return !err;
    }
    return server->listeners.count > 0;
}

/* Descriptors that so many workers need besides those of sessions. */
static size_t
count_reserved(struct server *server, unsigned workers)
{
    return DESCRIPTORS_PROCESS + server->listeners.count +
           workers * (DESCRIPTORS_PER_WORKER + server->listeners.count) +
           2 * (size_t)atomic_load(&server->shared.pipe_budget.left);
}

static bool
create_workers(struct server *server, size_t descriptors)
{
    struct settings *settings = server->settings;
    size_t reserved;

    if (server->stdio)
        settings->workers = 1;
    pipe_budget_init(&server->shared.pipe_budget, descriptors);
    if (settings->workers == 0) {
        settings->workers = count_processors();
        while (settings->workers > 1 &&
               count_reserved(server, settings->workers) > descriptors / 2)
            settings->workers--;
    }
    server->count = settings->workers;
    reserved = count_reserved(server, server->count);
    limits_init(&server->shared.limits, settings->max_sessions,
                settings->max_per_source, descriptors, reserved);
    server->slots = calloc(server->count, sizeof(*server->slots));
    if (!server->slots)
        return false;
    for (unsigned i = 0; i < server->count; i++) {
        struct slot *slot = &server->slots[i];

        slot->control = server->control;
        slot->drained.run = on_slot_drained;
        slot->empty.run = on_slot_empty;
        slot->stdio_fd = i == 0 ? server->stdio_fd : -1;
        slot->owner = server;
        if (!slot_create(slot, i, &server->shared, &server->listeners))
            return false;
        server->started++;
    }
    for (unsigned i = 0; i < server->count; i++)
        slot_begin(&server->slots[i]);
    return true;
}

/* --- ending --------------------------------------------------------------- */

/* -W ends with its one session: what became of it. */
static int
stdio_status(const struct server *server)
{
    const struct engine *engine = server->slots[0].engine;

    if (!engine->stdio_over || engine->stdio_err == ERR_OK ||
        engine->stdio_err == ERR_SHUTDOWN)
        return 0;
    log_write(LOG_ERROR, "-W: %s", err_text(engine->stdio_err));
    return EXIT_FAILED;
}

static void
stop_workers(struct server *server)
{
    for (unsigned i = 0; i < server->started; i++)
        slot_stop(&server->slots[i]);
    for (unsigned i = 0; i < server->started; i++)
        worker_join(server->slots[i].worker);
}

static void
clean_up(struct server *server)
{
    stop_workers(server);
    /* Its last mail is in the slots. */
    worker_destroy(server->control);
    for (unsigned i = 0; server->slots && i < server->count; i++)
        slot_destroy(&server->slots[i]);
    free(server->slots);
    if (server->stdio) {
        bool ended = server->empty > 0;
        int failed;

        /* Its reader may be slow, so that a signal is to end us still. */
        signal(SIGTERM, SIG_DFL);
        signal(SIGINT, SIG_DFL);
        failed = stdio_finish(server->stdio, ended);
        if (failed) {
            log_write(LOG_ERROR, "-W: standard output: %s", strerror(failed));
            server->status = EXIT_FAILED;
        }
    }
    listeners_close(&server->listeners);
    if (server->shared.verifier)
        verifier_destroy(server->shared.verifier);
    limits_destroy(&server->shared.limits);
}

/* Starts all threads with signals blocked, so that they go to the main one. */
static bool
start(struct server *server, int ready_fd)
{
    size_t descriptors = raise_descriptors();
    sigset_t all;
    sigset_t before;
    bool good;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    server->control = worker_create(~0u);
    good = server->control && find_bind_host(server) && load_users(server) &&
           open_listeners(server) && create_workers(server, descriptors);
    if (good) {
        listeners_announce(&server->listeners,
                           server->slots[0].engine->via_word);
        if (ready_fd >= 0)
            background_ready(ready_fd);
        log_start();
        watch_signals(server);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return good;
}

int
server_run(struct settings *settings, int ready_fd)
{
    struct server server = {
        .settings = settings,
        .shared = {.settings = settings},
        .status = EXIT_FAILED,
        .stdio_fd = -1,
    };

    if (start(&server, ready_fd)) {
        server.status = 0;
        worker_run(server.control);
        if (server.stdio)
            server.status = stdio_status(&server);
    }
    clean_up(&server);
    return server.status;
}
