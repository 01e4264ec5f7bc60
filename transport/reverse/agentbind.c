/* The sockets of a port that an agent asks for, bound as sshd binds them. */
#include <string.h>
#include <unistd.h>

#include "transport/reverse/registry_parts.h"

/* Tries for a port that is free in both families. */
#define PICKS_MAX 10

/* --- where to listen ------------------------------------------------------ */

static void
add_literal(struct agentport *port, const char *text)
{
    union addr *addr = &port->asked[port->asked_count];

    if (addr_parse(addr, text, strlen(text), (uint16_t)port->number))
        port->asked_count++;
}

/* The addresses that a request leads to (channel_fwd_bind_addr's rules, of
 * OpenSSH). None, where it is no address. */
void
agentbind_find(struct agentport *port, enum registry_bind bind,
               const char *asked)
{
    bool loopback4 = strcmp(asked, "127.0.0.1") == 0;
    bool loopback6 = strcmp(asked, "::1") == 0;
    bool any = *asked == 0 || strcmp(asked, "*") == 0;

    if (bind == REGISTRY_BIND_ANY || (bind == REGISTRY_BIND_AS_ASKED && any)) {
        add_literal(port, "0.0.0.0");
        add_literal(port, "::");
    } else if (loopback4 || loopback6) {
        add_literal(port, asked);
    } else if (bind == REGISTRY_BIND_LOOPBACK ||
               strcmp(asked, "localhost") == 0) {
        add_literal(port, "127.0.0.1");
        add_literal(port, "::1");
    } else {
        add_literal(port, asked);
    }
}

bool
agentbind_is_same(const struct agentport *a, const struct agentport *b)
{
    if (a->number != b->number || b->number == 0 ||
        a->asked_count != b->asked_count)
        return false;
    for (unsigned i = 0; i < a->asked_count; i++)
        if (!addr_same_host(&a->asked[i], &b->asked[i]))
            return false;
    return true;
}

/* --- sockets -------------------------------------------------------------- */

void
agentbind_close(struct agentport *port, unsigned count)
{
    while (count-- > 0)
        close(port->fds[count]);
}

/* Opens what there are addresses for; a machine may have no IPv6. */
static enum err
open_sockets(struct agentport *port)
{
    enum err first = ERR_ADDR_NOT_AVAILABLE;

    for (unsigned i = 0; i < port->asked_count; i++) {
        union addr addr = port->asked[i];
        enum err err;

        addr_set_port(&addr, (uint16_t)port->number);
        err = listen_open_tcp(&addr, &port->fds[port->sockets]);
        if (!err) {
            port->number = addr_port(&addr);
            port->sockets++;
        } else if (err != ERR_ADDR_NOT_AVAILABLE &&
                   err != ERR_NET_UNREACHABLE) {
            agentbind_close(port, port->sockets);
            return err;
        } else {
            first = err;
        }
    }
    return port->sockets > 0 ? ERR_OK : first;
}

/* A port that was picked for one family may be taken in the other. */
enum err
agentbind_open(struct agentport *port, const struct agentport *wanted)
{
    enum err err = ERR_ADDR_IN_USE;

    for (int i = 0; err == ERR_ADDR_IN_USE && i < PICKS_MAX; i++) {
        *port = *wanted;
        err = open_sockets(port);
        if (wanted->number > 0)
            break;
    }
    return err;
}
