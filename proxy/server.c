#include "proxy/server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/verify.h"
#include "proxy/background.h"
#include "proxy/gateway.h"
#include "proxy/prompt.h"
#include "proxy/server_parts.h"
#include "proxy/start.h"
#include "transport/base/log.h"
#include "transport/ssh/sshlogin.h"
#include "transport/ssh/sshpool.h"

/* How long the threads of logins may take to end once they were cancelled:
 * they return from what they block in at once, but from a person. */
#define LOGINS_END_SECONDS 2.0

/* --- starting ------------------------------------------------------------- */

static bool
has_stdio(const struct settings *settings)
{
    const struct forward *forward = settings->forwards;

    while (forward && forward->kind != FORWARD_STDIO)
        forward = forward->next;
    return forward != NULL;
}

static enum err
create_pool(struct server *server, unsigned way)
{
    const struct settings *settings = server->settings;
    struct shared *shared = &server->shared;
    const struct sshpool_config config = {
        .dest = settings->ways[way].ssh,
        .cred = server->cred,
        .connections = settings->connections,
        .workers = settings->workers,
        /* Several servers are so many threads' work from the start. */
        .first = (way - 1) % settings->workers,
    };
    enum err err = sshpool_create(&config, &shared->pools[way]);

    if (!err && config.dest == settings->ssh)
        shared->pool = shared->pools[way];
    return err;
}

/* The ways' parts that all workers share. */
static bool
create_pools(struct server *server)
{
    const struct settings *settings = server->settings;
    enum err err = ERR_OK;

    for (unsigned i = 0; !err && i < settings->way_count; i++) {
        if (!settings->ways[i].ssh)
            continue;
        if (!server->shared.pools) {
            err = prompt_create(&server->prompt);
            if (!err)
                err = sshcred_create(prompt_ask(server->prompt), &server->cred);
            server->shared.pools =
                calloc(settings->way_count, sizeof(struct sshpool *));
            if (!server->shared.pools)
                err = ERR_NO_MEMORY;
        }
        if (!err)
            err = create_pool(server, i);
    }
    if (err)
        log_write(LOG_FATAL, "cannot start: %s", err_text(err));
    return !err;
}

static bool
create_gateway(struct server *server)
{
    enum err err;

    if (!settings_has_gateway(server->settings))
        return true;
    err = gateway_create(&server->shared, server->control,
                         &server->shared.gateway);
    if (err == ERR_MALFORMED)
        server->status = EXIT_USAGE;
    return !err;
}

static bool
create_slots(struct server *server)
{
    unsigned count = server->settings->workers;

    server->slots = calloc(count, sizeof(*server->slots));
    server->shared.engines = calloc(count, sizeof(struct engine *));
    if (!server->slots || !server->shared.engines) {
        log_write(LOG_FATAL, "cannot start: %s", err_text(ERR_NO_MEMORY));
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        struct slot *slot = &server->slots[i];

        slot->control = server->control;
        slot->drained.run = server_on_drained;
        slot->empty.run = server_on_empty;
        slot->owner = server;
        if (!slot_create(slot, i, &server->shared))
            return false;
        server->shared.engines[i] = slot->engine;
        server->started++;
    }
    return true;
}

static bool
create_workers(struct server *server)
{
    struct settings *settings = server->settings;
    struct shared *shared = &server->shared;
    size_t descriptors = start_raise_descriptors();

    pipe_budget_init(&shared->pipe_budget, descriptors);
    if (has_stdio(settings))
        settings->workers = 1;
    start_choose_workers(settings, shared, descriptors);
    limits_init(&shared->limits, settings->max_sessions,
                settings->max_per_source, descriptors,
                start_count_reserved(shared, settings->workers));
    shared->limits.per_session = start_count_per_session(settings);
    if (!create_pools(server) || !create_gateway(server) ||
        !create_slots(server))
        return false;
    server->forwards = (struct forwards){
        .settings = settings,
        .control = server->control,
        .limits = &shared->limits,
        .shared = shared,
        .slots = server->slots,
        .slot_count = server->started,
    };
    return true;
}

/* What there is to come in by, but what the server is to listen for. Returns
 * EXIT_FAILED, EXIT_USAGE, or 0. */
static int
open_ways_in(struct server *server)
{
    const struct settings *settings = server->settings;
    size_t opened;
    size_t failed;
    enum err err = forwards_open(&server->forwards, &opened, &failed);

    if (err)
        return err == ERR_DENIED ? EXIT_USAGE : EXIT_FAILED;
    /* With a server, as ssh: it goes on with those that stand, or none. */
    if (failed > 0 &&
        (settings->exit_on_forward_failure || (opened == 0 && !settings->ssh)))
        return EXIT_FAILED;
    if (!has_stdio(settings))
        return 0;
    err = stdio_start(&server->stdio, &server->stdio_fd);
    if (err)
        log_write(LOG_FATAL, "-W: %s", err_text(err));
    return err ? EXIT_FAILED : 0;
}

/* All that was asked for is there, or won't be yet: whoever waits for that may
 * know. Threads are started with signals blocked, so that these go to the main
 * one. */
static void
stand(struct server *server)
{
    sigset_t all;
    sigset_t before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (server_open_control(server)) {
        forwards_announce(&server->forwards);
        if (server->ready_fd >= 0) {
            if (server->cred)
                sshcred_end_asking(server->cred);
            background_ready(server->ready_fd);
        }
        log_start();
        limits_settle(&server->shared.limits);
        forwards_begin(&server->forwards);
        if (server->stdio_fd >= 0)
            slot_begin_stdio(&server->slots[0], server->stdio_fd);
        server->stdio_fd = -1;
        server->stands = true;
    } else {
        server_end(server, EXIT_FAILED);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void
on_remotes_answered(void *arg, size_t refused)
{
    struct server *server = arg;

    if (server->ending || server->draining)
        return;
    if (refused > 0 && server->settings->exit_on_forward_failure)
        server_end(server, EXIT_FAILED);
    else
        stand(server);
}

static void
on_gateway(void *arg, int fd)
{
    struct server *server = arg;

    gateway_listen(server->shared.gateway, fd);
}

static void
on_remotes_gone(void *arg)
{
    server_end_if_empty(arg);
}

/* The way out is there: now all that waited for it. */
static void
open_all(struct server *server)
{
    size_t asked = 0;
    sigset_t all;
    sigset_t before;
    int failed;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = open_ways_in(server);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    server->forwards.remotes_answered = on_remotes_answered;
    server->forwards.remotes_gone = on_remotes_gone;
    server->forwards.on_gateway = on_gateway;
    server->forwards.arg = server;
    if (!failed && forwards_ask_remotes(&server->forwards, &asked)) {
        log_write(LOG_FATAL, "cannot start: %s", err_text(ERR_NO_MEMORY));
        failed = EXIT_FAILED;
    }
    if (failed)
        server_end(server, failed);
    else if (asked == 0)
        stand(server);
}

/* On the pool's first worker's thread. */
static void
on_first_link(void *arg, enum err err, const char *text)
{
    struct server *server = arg;

    server->link_err = err;
    snprintf(server->link_why, sizeof(server->link_why), "%s",
             text ? text : "");
    worker_post(server->control, &server->linked);
}

/* Makes the first link of the next server, in turn, as a person may be asked
 * something for each; or all stands. */
static void
link_next(struct server *server)
{
    const struct settings *settings = server->settings;

    while (server->linking < settings->way_count &&
           !settings->ways[server->linking].ssh)
        server->linking++;
    if (server->linking == settings->way_count)
        open_all(server);
    else
        sshpool_begin(server->shared.pools[server->linking], on_first_link,
                      server);
}

static void
on_linked(struct mail *mail)
{
    struct server *server =
        (struct server *)((char *)mail - offsetof(struct server, linked));
    const struct settings *settings = server->settings;
    const char *why =
        *server->link_why ? server->link_why : err_text(server->link_err);

    if (server->ending || server->draining)
        return;
    if (!server->link_err) {
        server->linking++;
        link_next(server);
        return;
    }
    if (settings->ways[server->linking].ssh == settings->ssh)
        log_write(LOG_FATAL, "%s", why);
    else
        log_write(LOG_FATAL, "%s: %s", settings->ways[server->linking].word,
                  why);
    server_end(server, EXIT_FAILED);
}

/* Returns whether it is on its way to stand. */
static bool
start(struct server *server)
{
    sigset_t all;
    sigset_t before;
    bool good;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    server->linked.run = on_linked;
    server->control = worker_create(~0u);
    good = server->control != NULL;
    if (good && !server->settings->ssh &&
        !start_find_bind_host(&server->shared)) {
        server->status = EXIT_USAGE;
        good = false;
    }
    good = good && start_load_users(&server->shared) && create_workers(server);
    if (good) {
        server_watch_signals(server);
        worker_post(server->control, &server->linked);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return good;
}

/* --- ending --------------------------------------------------------------- */

/* -W ends with its one session: what became of it. */
static int
stdio_status(const struct server *server)
{
    const struct engine *engine = server->slots[0].engine;

    if (engine->stdio_err == ERR_OK || engine->stdio_err == ERR_SHUTDOWN)
        return 0;
    log_write(LOG_ERROR, "-W: %s", err_text(engine->stdio_err));
    return EXIT_FAILED;
}

/* Its reader may be slow, so that a signal is to end us still. */
static void
finish_stdio(struct server *server)
{
    int failed;

    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    failed = stdio_finish(server->stdio, server->stdio_over);
    if (!failed)
        return;
    log_write(LOG_ERROR, "-W: standard output: %s", strerror(failed));
    server->status = EXIT_FAILED;
}

/* What one has still sent to another is answered before any goes: sessions that
 * were under way, and dials made for them elsewhere. */
static void
settle_workers(struct server *server)
{
    bool more;

    do {
        more = false;
        for (unsigned i = 0; i < server->started; i++)
            more = worker_settle(server->slots[i].worker) || more;
    } while (more);
}

/* The workers' threads end, and all that they have. */
static void
end_workers(struct server *server)
{
    for (unsigned i = 0; i < server->started; i++)
        slot_stop(&server->slots[i]);
    for (unsigned i = 0; i < server->started; i++)
        worker_join(server->slots[i].worker);
    settle_workers(server);
    /* Its last mail is in the slots. */
    worker_destroy(server->control);
    /* One more may be half made. */
    for (unsigned i = 0; server->slots && i < server->settings->workers; i++)
        slot_destroy(&server->slots[i]);
}

/* Dies of the signal that ended it before it stood, if one did. */
static void
die_of_signal(const struct server *server)
{
    if (server->ended_by) {
        signal(server->ended_by, SIG_DFL);
        raise(server->ended_by);
    }
}

/* A login's thread is stuck in what cannot be ended, and what it has in its
 * hands cannot go: the process goes, with nothing put away. */
static void
leave(const struct server *server)
{
    log_close();
    die_of_signal(server);
    _exit(server->status);
}

static void
clean_up(struct server *server)
{
    struct sshpool **pools = server->shared.pools;

    server_unwatch_signals(server);
    if (server->prompt)
        prompt_cancel(server->prompt);
    control_destroy(server->calls);
    if (server->stdio_fd >= 0)
        close(server->stdio_fd);
    /* What is heard of from now on changes nothing any more. */
    server->forwards.remotes_gone = NULL;
    forwards_stop(&server->forwards);
    gateway_stop(server->shared.gateway);
    end_workers(server);
    if (server->stdio)
        finish_stdio(server);
    forwards_destroy(&server->forwards);
    free(server->slots);
    free(server->shared.engines);
    if (server->cred && !sshlogin_wait_all(LOGINS_END_SECONDS))
        leave(server);
    for (unsigned i = 0; pools && i < server->settings->way_count; i++)
        sshpool_destroy(pools[i]);
    free(pools);
    if (server->cred)
        sshcred_destroy(server->cred);
    prompt_destroy(server->prompt);
    gateway_destroy(server->shared.gateway);
    if (server->shared.verifier)
        verifier_destroy(server->shared.verifier);
    limits_destroy(&server->shared.limits);
}

int
server_run(struct settings *settings, int ready_fd)
{
    struct server server = {
        .settings = settings,
        .shared = {.settings = settings},
        .ready_fd = ready_fd,
        .stdio_fd = -1,
        .status = EXIT_FAILED,
    };

    if (start(&server)) {
        worker_run(server.control);
        if (server.stdio_over)
            server.status = stdio_status(&server);
    }
    clean_up(&server);
    die_of_signal(&server);
    return server.status;
}
