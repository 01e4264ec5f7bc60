/* The ports that agents have us listen on, bound as sshd binds them.
 *
 * A port's sockets are accepted from by one worker at a time: that of the
 * newest agent which asked for it, as the channels to that agent are there. Who
 * that is changes under the lock; the sockets follow by a mail, first to the
 * worker that is to stop, then to the one that is to begin. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <utlist.h>

#include "transport/reverse/registry_parts.h"

/* Ports of one agent: more than anybody asks for. */
#define CLAIMS_MAX 256

/* Tries for a port that is free in both families. */
#define PICKS_MAX 10

static void on_settle(struct mail *mail);

/* --- where to listen ------------------------------------------------------ */

static void
add_literal(struct agentport *port, const char *text)
{
    union addr *addr = &port->addrs[port->sockets];

    if (addr_parse(addr, text, strlen(text), (uint16_t)port->number))
        port->sockets++;
}

/* The addresses that a request leads to (channel_fwd_bind_addr's rules, of
 * OpenSSH). None, where it is no address. */
static void
find_addrs(struct agentport *port, enum registry_bind bind, const char *asked)
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

/* --- sockets -------------------------------------------------------------- */

/* Each has an acceptor, which takes a descriptor of its own. */
static long long
descriptors_of(const struct agentport *port)
{
    return 2ll * port->sockets;
}

static void
close_sockets(struct agentport *port, unsigned count)
{
    while (count-- > 0)
        close(port->fds[count]);
}

/* Opens what there are addresses for; a machine may have no IPv6. */
static enum err
open_sockets(struct agentport *port)
{
    unsigned opened = 0;
    enum err first = ERR_ADDR_NOT_AVAILABLE;

    for (unsigned i = 0; i < port->sockets; i++) {
        union addr addr = port->addrs[i];
        enum err err;

        addr_set_port(&addr, (uint16_t)port->number);
        err = listen_open_tcp(&addr, &port->fds[opened]);
        if (!err) {
            port->number = addr_port(&addr);
            port->addrs[opened++] = addr;
        } else if (err != ERR_ADDR_NOT_AVAILABLE &&
                   err != ERR_NET_UNREACHABLE) {
            close_sockets(port, opened);
            return err;
        } else {
            first = err;
        }
    }
    port->sockets = opened;
    return opened > 0 ? ERR_OK : first;
}

/* A port that was picked for one family may be taken in the other. */
static enum err
open_anew(struct agentport *port, const struct agentport *wanted)
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

static bool
is_same_place(const struct agentport *a, const struct agentport *b)
{
    if (a->number != b->number || b->number == 0)
        return false;
    for (unsigned i = 0; i < a->sockets; i++)
        for (unsigned j = 0; j < b->sockets; j++)
            if (addr_same_host(&a->addrs[i], &b->addrs[j]))
                return true;
    return false;
}

/* The port that listens where this one would; or NULL. Under the lock. */
static struct agentport *
find_port(struct registry *registry, const struct agentport *wanted)
{
    struct agentport *each;

    DL_FOREACH (registry->ports, each)
        if (is_same_place(each, wanted))
            return each;
    return NULL;
}

/* --- who accepts ---------------------------------------------------------- */

static void
on_client(struct acceptor *acceptor, int fd, union addr *peer)
{
    struct claim *claim = acceptor->owner;
    struct registry *registry = claim->agent->registry;
    const struct registry_client client = {
        .fd = fd,
        .peer = peer,
        .name = claim->agent->name,
        .listened = claim->address,
        .port = claim->port->number,
    };

    registry->config.ops->client(registry->config.arg,
                                 claim->agent->member->index, &client);
}

static bool
has_room(struct acceptor *acceptor)
{
    const struct claim *claim = acceptor->owner;
    const struct registry_config *config = &claim->agent->registry->config;

    return config->ops->has_room(config->arg);
}

static void
start_accepting(struct claim *claim)
{
    struct agentport *port = claim->port;

    for (unsigned i = 0; i < port->sockets; i++) {
        claim->acceptors[i] = (struct acceptor){
            .on_client = on_client,
            .has_room = has_room,
            .owner = claim,
        };
        if (acceptor_start(&claim->acceptors[i], claim->agent->member->worker,
                           port->fds[i]))
            log_write(LOG_ERROR, "agent %s: port %u: %s", claim->agent->name,
                      port->number, err_text(ERR_NO_DESCRIPTORS));
    }
}

/* Accepts what is queued first, for which agents are chosen: not under the
 * lock. */
static void
stop_accepting(struct claim *claim)
{
    for (unsigned i = 0; i < claim->port->sockets; i++)
        acceptor_stop(&claim->acceptors[i]);
}

/* Whose the clients should be. Under the lock. */
static struct claim *
first_claim(const struct agentport *port)
{
    struct claim *claim = port->claims;

    while (claim && (claim->is_over || claim->agent->member->drains))
        claim = claim->port_next;
    return claim;
}

static void
free_claim(struct claim *claim)
{
    LL_DELETE2(claim->port->claims, claim, port_next);
    LL_DELETE(claim->agent->claims, claim);
    free(claim);
}

static void
free_port(struct agentport *port)
{
    struct registry *registry = port->registry;

    DL_DELETE(registry->ports, port);
    close_sockets(port, port->sockets);
    registry->config.ops->take(registry->config.arg, -descriptors_of(port));
    free(port);
}

/* Sends the mail to where something is to be done next, unless it is on its way
 * or all is well. Under the lock. */
static void
settle_port(struct agentport *port)
{
    const struct claim *first = first_claim(port);
    const struct claim *at = port->holder ? port->holder : first;

    if (port->is_settling || (port->holder && port->holder == first))
        return;
    if (!at) {
        if (!port->claims)
            free_port(port);
        return;
    }
    port->is_settling = true;
    port->settles_at = at->agent->member->index;
    worker_post(at->agent->member->worker, &port->settle);
}

static void
on_settle(struct mail *mail)
{
    struct agentport *port =
        (struct agentport *)((char *)mail - offsetof(struct agentport, settle));
    struct registry *registry = port->registry;
    struct claim *holder;
    struct claim *first;

    registry_lock(registry);
    holder = port->holder;
    if (holder && holder != first_claim(port) &&
        holder->agent->member->index == port->settles_at) {
        registry_unlock(registry);
        stop_accepting(holder);
        registry_lock(registry);
        port->holder = NULL;
        if (holder->is_over)
            free_claim(holder);
    }
    first = first_claim(port);
    if (!port->holder && first &&
        first->agent->member->index == port->settles_at) {
        start_accepting(first);
        port->holder = first;
    }
    port->is_settling = false;
    settle_port(port);
    registry_unlock(registry);
}

/* --- what agents ask for -------------------------------------------------- */

static void
log_refusal(struct agent *agent, const struct sshlink_asked *asked,
            const char *why)
{
    log_limited(&agent->complaints, LOG_WARN,
                "agent %s: may not listen on %s:%u: %s", agent->name,
                *asked->address ? asked->address : "*", asked->port, why);
}

static void
log_displaced(const struct agentport *port, const struct agent *by)
{
    const struct claim *first = first_claim(port);
    char text[ADDR_TEXT_MAX];
    struct log_event event;

    if (!first || first->agent == by)
        return;
    log_begin(&event, LOG_INFO, "agent");
    log_string(&event, "name", first->agent->name);
    log_string(&event, "state", "displaced");
    log_string(&event, "addr", addr_format(&first->agent->peer, text));
    log_number(&event, "port", port->number);
    log_string(&event, "by", addr_format(&by->peer, text));
    log_send(&event);
}

static bool
has_claim(const struct agent *agent, const struct agentport *port)
{
    const struct claim *claim;

    LL_FOREACH (agent->claims, claim)
        if (claim->port == port && !claim->is_over)
            return true;
    return false;
}

/* Gives the port: one there is, or a new one. Under the lock. */
static enum err
find_or_open(struct agent *agent, const struct agentport *wanted,
             struct agentport **port)
{
    struct registry *registry = agent->registry;
    struct agentport *found = find_port(registry, wanted);
    enum err err;

    if (found) {
        *port = found;
        return strcasecmp(found->name, agent->name) == 0 &&
                       !has_claim(agent, found)
                   ? ERR_OK
                   : ERR_ADDR_IN_USE;
    }
    found = malloc(sizeof(*found));
    if (!found)
        return ERR_NO_MEMORY;
    err = open_anew(found, wanted);
    if (err) {
        free(found);
        return err;
    }
    DL_APPEND(registry->ports, found);
    registry->config.ops->take(registry->config.arg, descriptors_of(found));
    *port = found;
    return ERR_OK;
}

static unsigned
count_claims(const struct agent *agent)
{
    const struct claim *claim;
    unsigned count = 0;

    LL_COUNT(agent->claims, claim, count);
    return count;
}

static enum err
add_claim(struct agent *agent, const struct agentport *wanted,
          struct sshlink_asked *asked)
{
    struct claim *claim = calloc(1, sizeof(*claim));
    struct agentport *port = NULL;
    enum err err = ERR_NO_MEMORY;

    registry_lock(agent->registry);
    if (claim)
        err = find_or_open(agent, wanted, &port);
    if (!err) {
        log_displaced(port, agent);
        claim->agent = agent;
        claim->port = port;
        strcpy(claim->address, asked->address);
        LL_APPEND(agent->claims, claim);
        LL_PREPEND2(port->claims, claim, port_next);
        asked->bound = port->number;
        settle_port(port);
    }
    registry_unlock(agent->registry);
    if (err)
        free(claim);
    return err;
}

enum err
agentport_claim(struct agent *agent, struct sshlink_asked *asked)
{
    const struct registry_config *config = &agent->registry->config;
    struct agentport wanted = {
        .registry = agent->registry,
        .number = asked->port,
        .settle.run = on_settle,
    };
    enum err err = ERR_DENIED;

    memcpy(wanted.name, agent->name, sizeof(wanted.name));
    if (strlen(asked->address) <= CLAIM_ADDRESS_MAX &&
        count_claims(agent) < CLAIMS_MAX &&
        config->ops->may_listen(config->arg, agent->grant, asked->address,
                                asked->port))
        err = ERR_OK;
    if (!err)
        find_addrs(&wanted, config->bind, asked->address);
    if (!err && wanted.sockets == 0)
        err = ERR_ADDR_NOT_AVAILABLE;
    if (!err)
        err = add_claim(agent, &wanted, asked);
    if (err)
        log_refusal(agent, asked, err_text(err));
    else
        registry_nudge(agent->registry);
    return err;
}

enum err
agentport_cancel(struct agent *agent, const struct sshlink_asked *asked)
{
    enum err err = ERR_NO_SUCH_PATH;
    struct claim *claim;

    registry_lock(agent->registry);
    LL_FOREACH (agent->claims, claim)
        if (!claim->is_over && claim->port->number == asked->port &&
            strcmp(claim->address, asked->address) == 0)
            break;
    if (claim) {
        struct agentport *port = claim->port;

        backdial_forget(agent, claim);
        claim->is_over = true;
        if (port->holder != claim)
            free_claim(claim);
        settle_port(port);
        err = ERR_OK;
    }
    registry_unlock(agent->registry);
    return err;
}

/* It accepts no more; and is no more, or keeps its wish. */
static void
retire(struct claim *claim, bool is_over)
{
    struct registry *registry = claim->agent->registry;
    struct agentport *port = claim->port;
    bool held;

    registry_lock(registry);
    claim->is_over = claim->is_over || is_over;
    held = port->holder == claim;
    registry_unlock(registry);
    if (held)
        stop_accepting(claim);
    registry_lock(registry);
    if (held)
        port->holder = NULL;
    if (is_over) {
        backdial_forget(claim->agent, claim);
        free_claim(claim);
    }
    settle_port(port);
    registry_unlock(registry);
}

void
agentport_forget(struct agent *agent)
{
    while (agent->claims)
        retire(agent->claims, true);
}

void
agentport_drain(struct agent *agent)
{
    struct claim *claim;
    struct claim *next;

    LL_FOREACH_SAFE (agent->claims, claim, next)
        retire(claim, claim->is_over);
}
