#include "transport/ssh/sshreach.h"

#include <limits.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport/base/target.h"

/* Room for a host's name, a source's, and what failed. */
#define TEXT_MAX 700

struct sshreach {
    struct sshreach_request request;
    struct connector connector; /* as the destination has it */
    struct target target;
    struct resolve resolve; /* of the source's name */
    unsigned awaited;       /* families of it that were not told yet */
    struct connect *connect;
    ev_timer timer;
    struct task task; /* brings a failure that was there at once */
    enum err err;
    char text[TEXT_MAX];
};

static void
release(struct sshreach *reach)
{
    struct worker *worker = reach->connector.worker;

    worker_undefer(worker, &reach->task);
    ev_timer_stop(worker_loop(worker), &reach->timer);
    if (reach->awaited > 0)
        resolve_cancel(&reach->resolve);
    connect_cancel(reach->connect);
    free(reach);
}

static void
finish(struct sshreach *reach, enum err err, int fd, const union addr *remote)
{
    const union addr none = {.sa.sa_family = AF_UNSPEC};
    struct sshreach_request request = reach->request;
    union addr addr = remote ? *remote : none;
    char text[TEXT_MAX];

    memcpy(text, reach->text, sizeof(text));
    release(reach);
    request.done(request.arg, err, fd, &addr, text);
}

static void
on_task(struct task *task)
{
    struct sshreach *reach =
        (struct sshreach *)((char *)task - offsetof(struct sshreach, task));

    finish(reach, reach->err, -1, NULL);
}

static void
fail_later(struct sshreach *reach, enum err err)
{
    reach->err = err;
    reach->task.run = on_task;
    worker_defer(reach->connector.worker, &reach->task);
}

/* "gw.example port 2222: connection refused" */
static void
say_failure(struct sshreach *reach, enum err err)
{
    const struct sshdest *dest = reach->request.dest;
    bool named = err == ERR_NAME_NOT_FOUND || err == ERR_NAME_FAILED ||
                 err == ERR_NAME_TIMED_OUT;

    if (named)
        snprintf(reach->text, sizeof(reach->text), "%.255s: %s", dest->host,
                 err_text(err));
    else if (err == ERR_ADDR_NOT_AVAILABLE && dest->bind_host)
        snprintf(reach->text, sizeof(reach->text),
                 "%.255s port %u: %s: source address %.255s", dest->host,
                 dest->port, err_text(err), dest->bind_host);
    else if ((err == ERR_NOT_PERMITTED || err == ERR_ADDR_NOT_AVAILABLE) &&
             dest->bind_device)
        snprintf(reach->text, sizeof(reach->text),
                 "%.255s port %u: %s: interface %.64s", dest->host, dest->port,
                 err_text(err), dest->bind_device);
    else
        snprintf(reach->text, sizeof(reach->text), "%.255s port %u: %s",
                 dest->host, dest->port, err_text(err));
}

/* A link that carries bytes the other side never acknowledges is as dead as
 * one that is silent. */
static void
set_socket(const struct sshdest *dest, int fd)
{
    double seconds = (double)dest->alive_interval * dest->alive_count_max;
    unsigned wait_ms =
        seconds < INT_MAX / 1000 ? (unsigned)(seconds * 1000) : 0;
    int off = 0;

    if (!dest->tcp_keepalive)
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &off, sizeof(off));
    if (wait_ms > 0)
        setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &wait_ms,
                   sizeof(wait_ms));
}

static void
on_connected(void *arg, enum err err, int fd, const union addr *remote)
{
    struct sshreach *reach = arg;

    reach->connect = NULL;
    if (err)
        say_failure(reach, err);
    else
        set_socket(reach->request.dest, fd);
    finish(reach, err, fd, remote);
}

static void
start_connect(struct sshreach *reach)
{
    struct connect_request request = {
        .target = &reach->target, .done = on_connected, .arg = reach};
    enum err err = connect_start(&reach->connector, &request, &reach->connect);

    if (err) {
        reach->connect = NULL;
        say_failure(reach, err);
        fail_later(reach, err);
    }
}

static void
on_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct sshreach *reach = timer->data;

    (void)loop;
    (void)events;
    say_failure(reach, ERR_TIMED_OUT);
    finish(reach, ERR_TIMED_OUT, -1, NULL);
}

/* --- the two addresses ---------------------------------------------------- */

static void
use_source(struct sshreach *reach, const union addr *addr)
{
    union addr *bound = addr->sa.sa_family == AF_INET
                            ? &reach->connector.bind_v4
                            : &reach->connector.bind_v6;

    if (bound->sa.sa_family == AF_UNSPEC)
        *bound = *addr;
}

static void
fail_source(struct sshreach *reach, enum err err)
{
    snprintf(reach->text, sizeof(reach->text), "source address %.255s: %s",
             reach->request.dest->bind_host, err_text(err));
    fail_later(reach, err);
}

static void
on_source(struct resolve *resolve, const struct resolve_answer *answer)
{
    struct sshreach *reach =
        (struct sshreach *)((char *)resolve -
                            offsetof(struct sshreach, resolve));
    const struct connector *own = &reach->connector;

    if (answer->err)
        reach->err = answer->err;
    else if (answer->count > 0)
        use_source(reach, &answer->addrs[0]);
    if (--reach->awaited > 0)
        return;
    if (own->bind_v4.sa.sa_family == AF_UNSPEC &&
        own->bind_v6.sa.sa_family == AF_UNSPEC)
        fail_source(reach, reach->err ? reach->err : ERR_NAME_NOT_FOUND);
    else
        start_connect(reach);
}

/* Finds the source address, then connects. */
static void
start_source(struct sshreach *reach)
{
    const struct sshdest *dest = reach->request.dest;
    struct target source;

    if (!dest->bind_host) {
        start_connect(reach);
    } else if (target_set_host(&source, dest->bind_host,
                               strlen(dest->bind_host), 0)) {
        fail_source(reach, ERR_MALFORMED);
    } else if (source.kind == TARGET_ADDR) {
        use_source(reach, &source.addr);
        start_connect(reach);
    } else {
        reach->resolve.on_answer = on_source;
        reach->resolve.want_v4 = dest->family != AF_INET6;
        reach->resolve.want_v6 = dest->family != AF_INET;
        reach->awaited = dest->family == AF_UNSPEC ? 2 : 1;
        resolve_start(reach->connector.resolver, &reach->resolve, source.name);
    }
}

/* A zone is of use here, where the user says it: "fe80::1%eth0". */
static enum err
set_target(struct target *target, const struct sshdest *dest)
{
    const char *zone = strchr(dest->host, '%');
    size_t len = zone ? (size_t)(zone - dest->host) : strlen(dest->host);
    enum err err =
        target_set_host(target, dest->host, len, (uint16_t)dest->port);

    if (err || !zone)
        return err;
    if (target->kind != TARGET_ADDR || target->addr.sa.sa_family != AF_INET6)
        return ERR_MALFORMED;
    target->addr.v6.sin6_scope_id = if_nametoindex(zone + 1);
    if (target->addr.v6.sin6_scope_id == 0)
        target->addr.v6.sin6_scope_id = (uint32_t)strtoul(zone + 1, NULL, 10);
    return target->addr.v6.sin6_scope_id ? ERR_OK : ERR_MALFORMED;
}

enum err
sshreach_start(const struct sshreach_request *request, struct sshreach **out)
{
    const struct sshdest *dest = request->dest;
    struct sshreach *reach = calloc(1, sizeof(*reach));

    if (!reach)
        return ERR_NO_MEMORY;
    reach->request = *request;
    reach->connector = (struct connector){
        .worker = request->connector->worker,
        .resolver = request->connector->resolver,
        .bind_v4.sa.sa_family = AF_UNSPEC,
        .bind_v6.sa.sa_family = AF_UNSPEC,
        .bind_device = dest->bind_device,
        .family = dest->family,
    };
    reach->request.connector = NULL;
    ev_timer_init(&reach->timer, on_timeout, request->timeout, 0.);
    reach->timer.data = reach;
    if (request->timeout > 0)
        ev_timer_start(worker_loop(reach->connector.worker), &reach->timer);
    *out = reach;
    if (set_target(&reach->target, dest)) {
        snprintf(reach->text, sizeof(reach->text), "%.255s: no host name",
                 dest->host);
        fail_later(reach, ERR_MALFORMED);
    } else {
        start_source(reach);
    }
    return ERR_OK;
}

void
sshreach_cancel(struct sshreach *reach)
{
    if (reach)
        release(reach);
}
