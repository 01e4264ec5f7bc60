#include "proxy/control_forward.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#define PATH_BYTES sizeof(((struct sockaddr_un *)0)->sun_path)

/* ssh's word for what it can make nothing of. */
static const char invalid[] = "Invalid forwarding request";

/* ssh's target of a forward whose clients say where to; it compares it, when
 * the forward is cancelled. */
static const char socks[] = "socks";

static bool
has_space(const char *host)
{
    for (; *host; host++)
        if ((unsigned char)*host <= ' ' || *host == 0x7f)
            return true;
    return false;
}

/* forward->is_remote is set. */
static bool
read_listen(const struct mux_forward *request, bool gateway_ports,
            struct forward *forward)
{
    const char *host = request->listen_host;
    size_t len = strlen(host);

    forward->port = request->listen_port;
    forward->bind_given = len > 0;
    if (request->listen_port == MUX_PORT_UNIX) {
        forward->port = 0;
        forward->where = LISTEN_UNIX;
        if (len == 0 || len >= PATH_BYTES)
            return false;
    } else if (len == 0) {
        forward->where =
            gateway_ports && !forward->is_remote ? LISTEN_ANY : LISTEN_LOOPBACK;
    } else if (strcmp(host, "*") == 0) {
        forward->where = LISTEN_ANY;
        return true;
    } else if (strcasecmp(host, "localhost") == 0) {
        forward->where = LISTEN_LOOPBACK;
        return true;
    } else {
        forward->where = LISTEN_HOST;
        if (has_space(host))
            return false;
    }
    memcpy(forward->host, host, len + 1);
    return true;
}

static bool
read_target(const struct mux_forward *request, struct target *target)
{
    const char *host = request->connect_host;

    if (request->connect_port == MUX_PORT_UNIX)
        return target_set_unix(target, host) == ERR_OK;
    return request->connect_port > 0 &&
           target_set_host(target, host, strlen(host),
                           (uint16_t)request->connect_port) == ERR_OK;
}

/* A target, or none with ssh's word in its place: the client says where to. */
static const char *
read_remote(const struct mux_forward *request, struct forward *forward)
{
    if (request->listen_port == MUX_PORT_UNIX)
        return "the server can be asked for a port, not for a Unix socket";
    forward->is_remote = true;
    forward->kind = FORWARD_SOCKS;
    if (request->connect_port == 0)
        return strcmp(request->connect_host, socks) == 0 ? NULL : invalid;
    forward->kind = FORWARD_FIXED;
    return read_target(request, &forward->target) ? NULL : invalid;
}

const char *
control_forward_read(const struct mux_forward *request, bool gateway_ports,
                     struct forward *forward)
{
    struct forward read = {0};
    const char *why = NULL;

    switch (request->kind) {
    case MUX_FORWARD_LOCAL:
        read.kind = FORWARD_FIXED;
        if (!read_target(request, &read.target))
            return invalid;
        break;
    case MUX_FORWARD_DYNAMIC:
        read.kind = FORWARD_SOCKS;
        break;
    case MUX_FORWARD_REMOTE:
        why = read_remote(request, &read);
        if (why)
            return why;
        break;
    default:
        return invalid;
    }
    if (!read_listen(request, gateway_ports, &read))
        return invalid;
    *forward = read;
    return NULL;
}

static void
write_listen(const struct forward *forward, struct mux_forward *request)
{
    const char *host = "";

    request->listen_port = forward->port;
    switch (forward->where) {
    case LISTEN_LOOPBACK:
        host = forward->bind_given ? "localhost" : "";
        break;
    case LISTEN_ANY:
        /* By our own -g it would be the master's to say. */
        host = forward->bind_given ? "*" : "";
        break;
    case LISTEN_UNIX:
        request->listen_port = MUX_PORT_UNIX;
        host = forward->host;
        break;
    case LISTEN_HOST:
        host = forward->host;
        break;
    }
    snprintf(request->listen_host, sizeof(request->listen_host), "%s", host);
}

void
control_forward_write(const struct forward *forward,
                      struct mux_forward *request)
{
    const struct target *target = &forward->target;

    memset(request, 0, sizeof(*request));
    write_listen(forward, request);
    if (forward->is_remote)
        request->kind = MUX_FORWARD_REMOTE;
    else if (forward->kind == FORWARD_SOCKS)
        request->kind = MUX_FORWARD_DYNAMIC;
    else
        request->kind = MUX_FORWARD_LOCAL;
    if (forward->kind == FORWARD_SOCKS) {
        strcpy(request->connect_host, socks);
        return;
    }
    request->connect_port = target->port;
    if (target->kind == TARGET_ADDR)
        addr_format_host(&target->addr, request->connect_host);
    else
        strcpy(request->connect_host, target->name);
    if (target->kind == TARGET_UNIX)
        request->connect_port = MUX_PORT_UNIX;
}
