/* The server resolves names, so that dial->permit, which judges the addresses
 * that a name leads to, is not asked: a rule against a network stops who asks
 * for an address in it, not who asks for a name that leads there. Only the
 * server could (sshd's PermitOpen). Nor is the near end of the connection
 * known, or the address that was reached. */
#include "transport/ssh/ssh.h"

#include <stdlib.h>

#include "transport/ssh/sshmember.h"

struct ssh {
    struct transport transport;
    struct sshmember *member;
};

static struct sshmember *
member_of(struct transport *transport)
{
    return ((struct ssh *)transport)->member;
}

static void
stop(struct transport *transport)
{
    sshmember_stop(member_of(transport));
}

static void
destroy(struct transport *transport)
{
    sshmember_leave(member_of(transport));
    free(transport);
}

static enum err
create(const char *rest, struct connector *connector, void *shared,
       struct transport **transport, const char **why)
{
    struct ssh *ssh;
    enum err err;

    if (*rest) {
        *why = "ssh: takes nothing behind the colon";
        return ERR_MALFORMED;
    }
    *why = err_text(ERR_NO_MEMORY);
    ssh = calloc(1, sizeof(*ssh));
    if (!ssh)
        return ERR_NO_MEMORY;
    ssh->transport.ops = &transport_ssh_ops;
    err = sshmember_join(shared, connector, &ssh->member);
    if (err) {
        free(ssh);
        return err;
    }
    *transport = &ssh->transport;
    return ERR_OK;
}

static void
start_dial(struct transport *transport, struct dial *dial)
{
    sshmember_dial_start(member_of(transport), dial);
}

static void
cancel_dial(struct transport *transport, struct dial *dial)
{
    sshmember_dial_cancel(member_of(transport), dial);
}

static struct worker *
home(struct transport *transport, const struct dial *dial)
{
    return sshmember_home(member_of(transport), dial->target);
}

static void
drain(struct transport *transport)
{
    (void)transport;
}

const struct transport_ops transport_ssh_ops = {
    .abi = TRANSPORT_ABI,
    .scheme = "ssh",
    .create = create,
    .dial_start = start_dial,
    .dial_cancel = cancel_dial,
    .home = home,
    .drain = drain,
    .stop = stop,
    .destroy = destroy,
};
