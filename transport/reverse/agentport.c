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
#define CLAIMS_MAX 64

/* Below this a port is root's, as in sshd. */
#define PORT_PRIVILEGED 1024

static void on_settle(struct mail *mail);

/* --- which is which ------------------------------------------------------- */

/* Each has an acceptor, which takes a descriptor of its own. */
static long long
descriptors_of(const struct agentport *port)
{
    return 2ll * port->sockets;
}

/* The port that listens where this one would; or NULL. Under the lock. */
static struct agentport *
find_port(struct registry *registry, const struct agentport *wanted)
{
    struct agentport *each;

    DL_FOREACH (registry->ports, each)
        if (agentbind_is_same(each, wanted))
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
    struct log_word name;

    for (unsigned i = 0; i < port->sockets; i++) {
        claim->acceptors[i] = (struct acceptor){
            .on_client = on_client,
            .has_room = has_room,
            .owner = claim,
        };
        if (acceptor_start(&claim->acceptors[i], claim->agent->member->worker,
                           port->fds[i]))
            log_write(LOG_ERROR, "agent %s: port %u: %s",
                      log_word(&name, claim->agent->name), port->number,
                      err_text(ERR_NO_DESCRIPTORS));
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
    DL_DELETE(port->registry->ports, port);
    free(port);
}

/* Nobody is left to accept, or all drain: nobody new comes in. */
static void
close_port(struct agentport *port)
{
    const struct registry_config *config = &port->registry->config;

    agentbind_close(port, port->sockets);
    config->ops->take(config->arg, -descriptors_of(port));
    port->sockets = 0;
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
        close_port(port);
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
    struct log_word name;
    struct log_word address;

    log_limited(&agent->complaints, LOG_WARN,
                "agent %s: may not listen on %s:%u: %s",
                log_word(&name, agent->name),
                log_word(&address, *asked->address ? asked->address : "*"),
                asked->port, why);
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
    err = agentbind_open(found, wanted);
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

/* What is asked for is a word: it goes into the status, and back to the peer.
 */
static bool
is_word(const char *address)
{
    size_t len = strlen(address);

    for (size_t i = 0; i < len; i++)
        if (address[i] <= ' ' || address[i] > '~' || address[i] == ',')
            return false;
    return len <= CLAIM_ADDRESS_MAX;
}

/* Whether an agent may have what it asks for, wherever that leads. */
static enum err
judge(const struct agent *agent, const struct sshlink_asked *asked)
{
    const struct registry_config *config = &agent->registry->config;

    if (!is_word(asked->address))
        return ERR_MALFORMED;
    if (agent->member->drains)
        return ERR_SHUTDOWN; /* nobody would accept */
    if (!config->ops->may_listen(config->arg, agent->grant, asked->address,
                                 asked->port) ||
        (asked->port > 0 && asked->port < PORT_PRIVILEGED && geteuid() != 0))
        return ERR_DENIED;
    if (count_claims(agent) >= CLAIMS_MAX)
        return ERR_LIMIT;
    /* Before it is opened: others are to be let in still. */
    return config->ops->may_take(config->arg, 2ll * PORT_SOCKETS_MAX)
               ? ERR_OK
               : ERR_NO_DESCRIPTORS;
}

enum err
agentport_claim(struct agent *agent, struct sshlink_asked *asked)
{
    struct agentport wanted = {
        .registry = agent->registry,
        .number = asked->port,
        .settle.run = on_settle,
    };
    enum err err = judge(agent, asked);

    memcpy(wanted.name, agent->name, sizeof(wanted.name));
    if (!err)
        agentbind_find(&wanted, agent->registry->config.bind, asked->address);
    if (!err && wanted.asked_count == 0)
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
