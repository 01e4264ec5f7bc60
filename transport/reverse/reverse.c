#include "transport/reverse/reverse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "transport/reverse/registry_parts.h"

struct reverse {
    struct transport transport;
    struct member *member;
    char name[REGISTRY_NAME_MAX + 1];
};

static struct reverse *
reverse_of(struct transport *transport)
{
    return (struct reverse *)transport;
}

static const char *
name_of(struct transport *transport, const struct dial *dial)
{
    return dial->agent ? dial->agent : reverse_of(transport)->name;
}

static enum err
create(const char *rest, struct connector *connector, void *shared,
       struct transport **transport, const char **why)
{
    struct reverse *reverse;
    enum err err;

    if (strlen(rest) > REGISTRY_NAME_MAX) {
        *why = "reverse: takes a name of at most 255 bytes";
        return ERR_MALFORMED;
    }
    *why = err_text(ERR_NO_MEMORY);
    reverse = calloc(1, sizeof(*reverse));
    if (!reverse)
        return ERR_NO_MEMORY;
    reverse->transport.ops = &transport_reverse_ops;
    snprintf(reverse->name, sizeof(reverse->name), "%s", rest);
    err = member_join(shared, connector->worker, &reverse->member);
    if (err) {
        free(reverse);
        return err;
    }
    *transport = &reverse->transport;
    return ERR_OK;
}

static void
start_dial(struct transport *transport, struct dial *dial)
{
    backdial_start(reverse_of(transport)->member, name_of(transport, dial),
                   dial);
}

static void
cancel_dial(struct transport *transport, struct dial *dial)
{
    backdial_cancel(reverse_of(transport)->member, dial);
}

static struct worker *
home(struct transport *transport, const struct dial *dial)
{
    struct member *member = reverse_of(transport)->member;
    const struct registry_ask ask = {
        .name = name_of(transport, dial),
        .listened = dial->listened,
        .port = dial->listened_port,
    };
    struct claim *claim;
    struct agent *agent;
    struct worker *worker;

    registry_lock(member->registry);
    agent = registry_pick(member->registry, &ask, &claim);
    worker = agent ? agent->member->worker : NULL;
    registry_unlock(member->registry);
    return worker;
}

static void
drain(struct transport *transport)
{
    member_drain(reverse_of(transport)->member);
}

static void
stop(struct transport *transport)
{
    member_stop(reverse_of(transport)->member);
}

static void
destroy(struct transport *transport)
{
    member_leave(reverse_of(transport)->member);
    free(transport);
}

const struct transport_ops transport_reverse_ops = {
    .abi = TRANSPORT_ABI,
    .scheme = "reverse",
    .create = create,
    .dial_start = start_dial,
    .dial_cancel = cancel_dial,
    .home = home,
    .drain = drain,
    .stop = stop,
    .destroy = destroy,
};
