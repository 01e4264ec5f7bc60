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
#include "proxy/session.h"
#include "proxy/stdio.h"
#include "transport/base/log.h"
#include "transport/net/listen.h"
#include "transport/stream_tcp.h"

/* Descriptors in use besides those of sessions and pipes: standard ones, the
 * log, and some to spare; and of each worker: its loop's two, and those of
 * look-ups under way. */
#define DESCRIPTORS_PROCESS    12
#define DESCRIPTORS_PER_WORKER 6

#define SIGNALS 4

struct server;

/* A worker with its engine, as the server sees it. */
struct slot {
    struct server *server;
    struct worker *worker;
    struct engine *engine;
    struct acceptor *acceptors; /* one per listener */
    struct listener **listeners;
    size_t count;
    bool draining;
    bool told_empty;
    struct mail begin; /* to the worker */
    struct mail drain;
    struct mail stop;
    struct mail drained; /* to the control loop: it accepts no more */
    struct mail empty;   /* and its last session has gone */
};

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

/* --- on a worker ---------------------------------------------------------- */

static struct slot *
slot_of_mail(struct mail *mail, size_t offset)
{
    return (struct slot *)((char *)mail - offset);
}

static bool
has_room(struct acceptor *acceptor)
{
    struct slot *slot = acceptor->owner;

    return limits_have_room(&slot->server->shared.limits);
}

static void
on_short(struct acceptor *acceptor, const char *why)
{
    struct slot *slot = acceptor->owner;

    if (limits_note_shortage(&slot->server->shared.limits))
        log_write(LOG_WARN, "accept: %s; new clients wait", why);
}

static void
on_accepted(struct acceptor *acceptor, int fd, union addr *peer)
{
    struct slot *slot = acceptor->owner;
    size_t index = (size_t)(acceptor - slot->acceptors);
    struct stream *stream = stream_tcp_create(slot->worker, fd);

    if (stream)
        session_start(slot->engine, slot->listeners[index]->forward, stream,
                      peer);
}

/* Once: the mail may still be under way. */
static void
tell_empty(struct slot *slot)
{
    if (slot->told_empty)
        return;
    slot->told_empty = true;
    worker_post(slot->server->control, &slot->empty);
}

static void
on_gone(struct engine *engine)
{
    struct slot *slot = engine->owner;

    for (size_t i = 0; i < slot->count; i++)
        acceptor_resume(&slot->acceptors[i]);
    if (engine->stdio_over || (slot->draining && engine->session_count == 0))
        tell_empty(slot);
}

static void
start_stdio(struct slot *slot)
{
    const union addr nobody = {.sa.sa_family = AF_UNSPEC};
    const struct forward *forward = slot->server->settings->forwards;
    struct stream *stream;

    while (forward->kind != FORWARD_STDIO)
        forward = forward->next;
    stream = stream_tcp_create(slot->worker, slot->server->stdio_fd);
    if (stream)
        session_start(slot->engine, forward, stream, &nobody);
    else
        tell_empty(slot);
}

static void
begin_slot(struct mail *mail)
{
    struct slot *slot = slot_of_mail(mail, offsetof(struct slot, begin));

    for (size_t i = 0; i < slot->count; i++) {
        struct acceptor *acceptor = &slot->acceptors[i];

        acceptor->on_client = on_accepted;
        acceptor->has_room = has_room;
        acceptor->on_short = on_short;
        acceptor->owner = slot;
        if (acceptor_start(acceptor, slot->worker, slot->listeners[i]->fd))
            log_write(LOG_ERROR, "worker %u cannot accept: %s",
                      worker_index(slot->worker), err_text(ERR_NO_DESCRIPTORS));
    }
    if (slot->server->stdio && worker_index(slot->worker) == 0)
        start_stdio(slot);
}

static void
stop_accepting(struct slot *slot)
{
    for (size_t i = 0; i < slot->count; i++)
        acceptor_stop(&slot->acceptors[i]);
}

static void
drain_slot(struct mail *mail)
{
    struct slot *slot = slot_of_mail(mail, offsetof(struct slot, drain));

    stop_accepting(slot);
    slot->engine->via->ops->drain(slot->engine->via);
    worker_post(slot->server->control, &slot->drained);
    slot->draining = true;
    if (slot->engine->session_count == 0)
        tell_empty(slot);
}

static void
stop_slot(struct mail *mail)
{
    struct slot *slot = slot_of_mail(mail, offsetof(struct slot, stop));

    slot->told_empty = true; /* nobody waits to hear it */
    stop_accepting(slot);
    engine_end_sessions(slot->engine);
    worker_stop(slot->worker);
}

/* A word to one worker, made for the occasion. */
struct word {
    struct mail mail;
    struct slot *slot;
};

static void
post_all(struct server *server, void (*run)(struct mail *mail))
{
    for (unsigned i = 0; i < server->started; i++) {
        struct word *word = malloc(sizeof(*word));

        if (!word)
            return;
        *word = (struct word){.mail = {.run = run}, .slot = &server->slots[i]};
        worker_post(server->slots[i].worker, &word->mail);
    }
}

static void
reload_slot(struct mail *mail)
{
    struct word *word = (struct word *)mail;

    resolver_reload(word->slot->engine->resolver);
    free(word);
}

static void
report_slot(struct mail *mail)
{
    struct word *word = (struct word *)mail;
    const struct engine *engine = word->slot->engine;
    struct log_event event;

    log_begin(&event, LOG_QUIET, "counters");
    log_number(&event, "worker", worker_index(engine->worker));
    log_number(&event, "accepted", engine->counters.accepted);
    log_number(&event, "live", engine->session_count);
    log_number(&event, "in", engine->counters.bytes_up);
    log_number(&event, "out", engine->counters.bytes_down);
    for (int i = 0; i < ERR_COUNT_; i++)
        if (engine->counters.ended[i] > 0)
            log_number(&event, err_word((enum err)i),
                       engine->counters.ended[i]);
    log_send(&event);
    session_log_live(word->slot->engine);
    free(word);
}

/* --- on the control loop -------------------------------------------------- */

static void
end(struct server *server)
{
    worker_stop(server->control);
}

static void
on_slot_drained(struct mail *mail)
{
    struct slot *slot = slot_of_mail(mail, offsetof(struct slot, drained));
    struct server *server = slot->server;

    if (++server->drained == server->count)
        listeners_close(&server->listeners);
}

static void
on_slot_empty(struct mail *mail)
{
    struct slot *slot = slot_of_mail(mail, offsetof(struct slot, empty));
    struct server *server = slot->server;

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
        worker_post(server->slots[i].worker, &server->slots[i].drain);
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
    post_all(server, reload_slot);
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
        post_all(server, report_slot);
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

static void
init_slot(struct server *server, struct slot *slot)
{
    slot->server = server;
    slot->begin.run = begin_slot;
    slot->drain.run = drain_slot;
    slot->stop.run = stop_slot;
    slot->drained.run = on_slot_drained;
    slot->empty.run = on_slot_empty;
}

static bool
create_slot(struct server *server, unsigned index)
{
    struct slot *slot = &server->slots[index];
    const char *why = err_text(ERR_NO_MEMORY);
    struct listener *each;
    size_t i = 0;

    init_slot(server, slot);
    slot->acceptors =
        calloc(server->listeners.count + 1, sizeof(*slot->acceptors));
    slot->listeners =
        calloc(server->listeners.count + 1, sizeof(*slot->listeners));
    slot->worker = worker_create(index);
    if (!slot->acceptors || !slot->listeners || !slot->worker ||
        engine_create(slot->worker, &server->shared, &slot->engine, &why)) {
        log_write(LOG_FATAL, "cannot start worker %u: %s", index, why);
        return false;
    }
    slot->engine->on_gone = on_gone;
    slot->engine->owner = slot;
    slot->count = server->listeners.count;
    LL_FOREACH (server->listeners.head, each)
        slot->listeners[i++] = each;
    if (worker_start(slot->worker, NULL, NULL, NULL)) {
        log_write(LOG_FATAL, "cannot start worker %u: no thread", index);
        return false;
    }
    server->started++;
    return true;
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
    for (unsigned i = 0; i < server->count; i++)
        if (!create_slot(server, i))
            return false;
    for (unsigned i = 0; i < server->count; i++)
        worker_post(server->slots[i].worker, &server->slots[i].begin);
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
        worker_post(server->slots[i].worker, &server->slots[i].stop);
    for (unsigned i = 0; i < server->started; i++)
        worker_join(server->slots[i].worker);
}

static void
clean_up(struct server *server)
{
    stop_workers(server);
    /* Its last mail is in the slots. */
    worker_destroy(server->control);
    for (unsigned i = 0; server->slots && i < server->count; i++) {
        struct slot *slot = &server->slots[i];

        engine_destroy(slot->engine);
        worker_destroy(slot->worker);
        free(slot->acceptors);
        free(slot->listeners);
    }
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
