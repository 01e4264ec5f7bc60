/* What agents of the gateway ask for, and who comes to their ports: judged, and
 * made sessions. */
#include <string.h>

#include "auth/grant.h"
#include "proxy/gateway_parts.h"
#include "proxy/session.h"
#include "transport/stream_tcp.h"

static bool
may_listen(void *arg, void *grant, const char *address, unsigned port)
{
    (void)arg;
    return grant_may_listen(grant, address, port);
}

/* Returns NULL, or why it is refused. */
static const char *
judge_direct(struct gateway *gateway, const struct engine *engine,
             const struct registry_direct *direct, struct target *target)
{
    if (direct->port == 0 || direct->port > UINT16_MAX ||
        target_set_host(target, direct->host, strlen(direct->host),
                        (uint16_t)direct->port))
        return "no such place";
    if (!grant_may_open(direct->grant, target))
        return "its key does not allow that";
    if (!limits_have_room(&gateway->shared->limits))
        return err_text(ERR_NO_DESCRIPTORS);
    return engine->over ? err_text(ERR_SHUTDOWN) : NULL;
}

static void
on_direct(void *arg, unsigned worker, const struct registry_direct *direct)
{
    struct gateway *gateway = arg;
    struct engine *engine = gateway->shared->engines[worker];
    struct target target;
    const struct session_aim aim = {
        .target = &target, .user = direct->name, .owner = direct->owner};
    const char *why = judge_direct(gateway, engine, direct, &target);
    struct log_word name;
    struct log_word host;

    if (!why) {
        session_start_at(engine, &gateway->direct_forward, direct->stream,
                         direct->peer, &aim);
        return;
    }
    log_limited(&engine->refusals, LOG_WARN, "agent %s: %s:%u refused: %s",
                log_word(&name, direct->name), log_word(&host, direct->host),
                direct->port, why);
    stream_close(direct->stream, STREAM_ABORT);
}

static void
on_client(void *arg, unsigned worker, const struct registry_client *client)
{
    struct gateway *gateway = arg;
    struct engine *engine = gateway->shared->engines[worker];
    struct stream *stream = stream_tcp_create(engine->worker, client->fd);
    const struct session_aim aim = {
        .agent = client->name,
        .listened = client->listened,
        .port = client->port,
    };

    if (stream && engine->over) /* it had waited in the queue */
        stream_close(stream, STREAM_ABORT);
    else if (stream)
        session_start_at(engine, &gateway->port_forward, stream, client->peer,
                         &aim);
}

static void
on_ended(void *arg, unsigned worker, const void *owner)
{
    const struct gateway *gateway = arg;

    session_end_owned(gateway->shared->engines[worker], owner);
}

static bool
has_room(void *arg)
{
    struct gateway *gateway = arg;

    return limits_have_room(&gateway->shared->limits);
}

static bool
may_take(void *arg, long long descriptors)
{
    const struct gateway *gateway = arg;

    return limits_may_take(&gateway->shared->limits, LIMITS_PORTS, descriptors);
}

static void
take(void *arg, long long descriptors)
{
    struct gateway *gateway = arg;

    limits_take(&gateway->shared->limits, descriptors);
}

static void
release(void *arg, void *grant)
{
    (void)arg;
    grant_unref(grant);
}

const struct registry_ops gateway_registry_ops = {
    .may_listen = may_listen,
    .direct = on_direct,
    .ended = on_ended,
    .client = on_client,
    .has_room = has_room,
    .may_take = may_take,
    .take = take,
    .release = release,
};
