#include "transport/net/connect.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "transport/net/attempt.h"
#include "transport/net/race.h"

/* A Unix socket whose queue is full says EAGAIN, and nothing tells when it
 * has room again: asked anew after so long, doubled each time up to the most.
 */
#define UNIX_RETRY_MS     5
#define UNIX_RETRY_MAX_MS 100

/* What all three ways have in common. A literal is nothing more: one piece of
 * memory, and no work for the loop if the peer is near. */
struct connect {
    struct connector *connector;
    enum target_kind kind;
    void (*done)(void *arg, enum err err, int fd, const union addr *remote);
    void *arg;
    union addr *local;
    struct task task; /* brings the outcome when it is known at once */
    enum err err;
    struct attempt attempt; /* its fd and remote serve a Unix socket too */
};

struct connect_name {
    struct connect base;
    struct race race;
};

struct connect_unix {
    struct connect base;
    ev_timer retry;
    struct sockaddr_un path;
};

static void
release(struct connect *connect)
{
    worker_undefer(connect->connector->worker, &connect->task);
    attempt_close(&connect->attempt);
    if (connect->kind == TARGET_NAME)
        race_stop(&((struct connect_name *)connect)->race);
    if (connect->kind == TARGET_UNIX)
        ev_timer_stop(worker_loop(connect->connector->worker),
                      &((struct connect_unix *)connect)->retry);
    free(connect);
}

/* Ends it with its outcome. fd is given to done. */
static void
finish(struct connect *connect, enum err err, int fd, const union addr *remote)
{
    void (*done)(void *, enum err, int, const union addr *) = connect->done;
    void *arg = connect->arg;
    union addr addr = *remote;

    release(connect);
    done(arg, err, fd, &addr);
}

static void
finish_attempt(struct connect *connect, enum err err)
{
    int fd = attempt_give_fd(&connect->attempt);

    if (connect->local)
        *connect->local = connect->attempt.local;
    finish(connect, err, fd, &connect->attempt.remote);
}

static void
on_task(struct task *task)
{
    struct connect *connect =
        (struct connect *)(void *)((char *)task -
                                   offsetof(struct connect, task));

    finish_attempt(connect, connect->err);
}

/* Brings an outcome from the loop. */
static void
finish_later(struct connect *connect, enum err err)
{
    connect->err = err;
    connect->task.run = on_task;
    worker_defer(connect->connector->worker, &connect->task);
}

/* Which families may be used: -4 or -6, and with a source address of one
 * family alone (-b) only that one, as ssh does. */
static bool
uses_family(const struct connector *connector, int family)
{
    bool bound_v4 = connector->bind_v4.sa.sa_family == AF_INET;
    bool bound_v6 = connector->bind_v6.sa.sa_family == AF_INET6;

    if (connector->family != AF_UNSPEC && connector->family != family)
        return false;
    return bound_v4 == bound_v6 || (family == AF_INET ? bound_v4 : bound_v6);
}

static void
on_attempt_ended(struct attempt *attempt, enum err err)
{
    finish_attempt(attempt->owner, err);
}

static void
start_literal(struct connect *connect, const struct connect_request *request)
{
    struct attempt *attempt = &connect->attempt;
    enum err err;

    attempt->remote = request->target->addr;
    attempt->owner = connect;
    attempt->ended = on_attempt_ended;
    if (request->permit && !request->permit(request->arg, &attempt->remote))
        err = ERR_DENIED;
    else if (!uses_family(connect->connector, attempt->remote.sa.sa_family))
        err = ERR_NET_UNREACHABLE;
    else
        err = attempt_open(attempt, connect->connector);
    if (err != ERR_AGAIN)
        finish_later(connect, err);
}

static void
on_race_ended(struct race *race, enum err err, int fd, const union addr *remote)
{
    struct connect_name *named =
        (struct connect_name *)(void *)((char *)race -
                                        offsetof(struct connect_name, race));

    finish(&named->base, err, fd, remote);
}

static void
start_name(struct connect *connect, const struct connect_request *request)
{
    struct race *race = &((struct connect_name *)connect)->race;

    race->connector = connect->connector;
    race->port = request->target->port;
    race->want_v4 = uses_family(connect->connector, AF_INET);
    race->want_v6 = uses_family(connect->connector, AF_INET6);
    race->permit = request->permit;
    race->permit_arg = request->arg;
    race->ended = on_race_ended;
    if (!race->want_v4 && !race->want_v6)
        finish_later(connect, ERR_ADDR_NOT_AVAILABLE); /* -4 -b ::1 */
    else
        race_start(race, request->target->name);
}

/* Returns ERR_AGAIN where the other side's queue is full. */
static enum err
try_unix(struct connect_unix *local)
{
    struct attempt *attempt = &local->base.attempt;
    enum err err = ERR_OK;

    if (attempt->fd < 0)
        attempt->fd =
            socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (attempt->fd < 0)
        return err_from_errno(errno);
    if (connect(attempt->fd, (struct sockaddr *)&local->path,
                sizeof(local->path)) != 0)
        err = err_from_errno(errno);
    if (err != ERR_OK && err != ERR_AGAIN)
        attempt_close(attempt);
    return err;
}

static void
on_retry(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct connect_unix *local = timer->data;
    enum err err = try_unix(local);

    (void)events;
    if (err != ERR_AGAIN) {
        finish_attempt(&local->base, err);
        return;
    }
    if (timer->repeat < UNIX_RETRY_MAX_MS / 1000.0)
        timer->repeat *= 2;
    ev_timer_again(loop, timer);
}

static void
start_unix(struct connect *connect, const struct connect_request *request)
{
    struct connect_unix *local = (struct connect_unix *)connect;
    enum err err;

    connect->attempt.loop = worker_loop(connect->connector->worker);
    ev_io_init(&connect->attempt.io, NULL, -1, 0);
    ev_init(&local->retry, on_retry);
    local->retry.data = local;
    local->retry.repeat = UNIX_RETRY_MS / 1000.0;
    local->path.sun_family = AF_UNIX;
    memcpy(local->path.sun_path, request->target->name,
           strnlen(request->target->name, sizeof(local->path.sun_path) - 1));
    err = try_unix(local);
    if (err == ERR_AGAIN)
        ev_timer_again(connect->attempt.loop, &local->retry);
    else
        finish_later(connect, err);
}

enum err
connect_start(struct connector *connector,
              const struct connect_request *request, struct connect **out)
{
    static const size_t sizes[] = {
        [TARGET_ADDR] = sizeof(struct connect),
        [TARGET_NAME] = sizeof(struct connect_name),
        [TARGET_UNIX] = sizeof(struct connect_unix),
    };
    struct connect *connect = calloc(1, sizes[request->target->kind]);

    worker_assert_here(connector->worker);
    if (!connect)
        return ERR_NO_MEMORY;
    connect->connector = connector;
    connect->kind = request->target->kind;
    connect->done = request->done;
    connect->arg = request->arg;
    connect->local = request->local;
    if (connect->local)
        connect->local->sa.sa_family = AF_UNSPEC;
    connect->attempt.fd = -1;
    *out = connect;
    switch (connect->kind) {
    case TARGET_ADDR:
        start_literal(connect, request);
        break;
    case TARGET_NAME:
        start_name(connect, request);
        break;
    case TARGET_UNIX:
        start_unix(connect, request);
        break;
    }
    return ERR_OK;
}

void
connect_cancel(struct connect *connect)
{
    if (connect)
        release(connect);
}
