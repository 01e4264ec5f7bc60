#include "transport/tcp/tcp.h"

#include <stdlib.h>

#include "transport/stream_tcp.h"

struct tcp {
    struct transport transport;
    struct connector *connector;
};

static enum err
tcp_create(const char *rest, struct connector *connector, void *shared,
           struct transport **transport, const char **why)
{
    struct tcp *tcp;

    (void)shared;
    if (*rest) {
        *why = "tcp: takes nothing behind the colon";
        return ERR_MALFORMED;
    }
    tcp = calloc(1, sizeof(*tcp));
    if (!tcp) {
        *why = err_text(ERR_NO_MEMORY);
        return ERR_NO_MEMORY;
    }
    tcp->transport.ops = &transport_tcp_ops;
    tcp->connector = connector;
    *transport = &tcp->transport;
    return ERR_OK;
}

static bool
on_permit(void *arg, const union addr *addr)
{
    struct dial *dial = arg;

    dial->late = ERR_TIMED_OUT; /* there is an address: the name was found */
    return !dial->permit || dial->permit(dial, addr);
}

static void
on_connected(void *arg, enum err err, int fd, const union addr *remote)
{
    struct dial *dial = arg;
    struct tcp *tcp = (struct tcp *)dial->via_;
    socklen_t len = sizeof(dial->local);

    dial->state_ = NULL;
    dial->remote = *remote;
    dial->err = err;
    if (!err) {
        if (dial->want_local && dial->local.sa.sa_family == AF_UNSPEC &&
            (getsockname(fd, &dial->local.sa, &len) < 0 ||
             len > sizeof(dial->local)))
            dial->local.sa.sa_family = AF_UNSPEC;
        dial->stream = stream_tcp_create(tcp->connector->worker, fd);
        if (!dial->stream)
            dial->err = ERR_NO_MEMORY;
    }
    dial->done(dial);
}

static void
fail_later(struct task *task)
{
    struct dial *dial =
        (struct dial *)((char *)task - offsetof(struct dial, task_));

    dial->done(dial);
}

static void
tcp_dial_start(struct transport *transport, struct dial *dial)
{
    struct tcp *tcp = (struct tcp *)transport;
    struct connect *connect = NULL;
    struct connect_request request = {
        .target = dial->target,
        .permit = on_permit,
        .done = on_connected,
        .arg = dial,
        .local = &dial->local,
    };

    dial->stream = NULL;
    dial->late =
        dial->target->kind == TARGET_NAME ? ERR_NAME_TIMED_OUT : ERR_TIMED_OUT;
    dial->remote.sa.sa_family = dial->local.sa.sa_family = AF_UNSPEC;
    dial->task_ = (struct task){.run = fail_later};
    dial->err = connect_start(tcp->connector, &request, &connect);
    dial->state_ = connect;
    if (dial->err)
        worker_defer(tcp->connector->worker, &dial->task_);
}

static void
tcp_dial_cancel(struct transport *transport, struct dial *dial)
{
    struct tcp *tcp = (struct tcp *)transport;

    worker_undefer(tcp->connector->worker, &dial->task_);
    connect_cancel(dial->state_);
    dial->state_ = NULL;
}

static struct worker *
tcp_home(struct transport *transport, const struct dial *dial)
{
    (void)dial;
    (void)transport;
    return NULL;
}

static void
tcp_drain(struct transport *transport)
{
    (void)transport;
}

static void
tcp_destroy(struct transport *transport)
{
    free(transport);
}

const struct transport_ops transport_tcp_ops = {
    .abi = TRANSPORT_ABI,
    .scheme = "tcp",
    .create = tcp_create,
    .dial_start = tcp_dial_start,
    .dial_cancel = tcp_dial_cancel,
    .home = tcp_home,
    .drain = tcp_drain,
    .destroy = tcp_destroy,
};
