#include "transport/reverse/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utlist.h>

#include "transport/base/clock.h"
#include "transport/reverse/registry_parts.h"

/* One who logged in, on the way to its worker. */
struct arrival {
    struct mail mail;
    struct registry *registry;
    unsigned worker;
    struct sshserver_login *login;
    char name[REGISTRY_NAME_MAX + 1];
};

enum err
registry_create(const struct registry_config *config,
                struct registry **registry)
{
    struct registry *made = calloc(1, sizeof(*made));

    if (!made)
        return ERR_NO_MEMORY;
    made->config = *config;
    made->members = calloc(config->workers, sizeof(struct member *));
    made->arriving = calloc(config->workers, sizeof(*made->arriving));
    pthread_mutex_init(&made->lock, NULL);
    if (!made->members || !made->arriving) {
        registry_destroy(made);
        return ERR_NO_MEMORY;
    }
    *registry = made;
    return ERR_OK;
}

void
registry_destroy(struct registry *registry)
{
    if (!registry)
        return;
    pthread_mutex_destroy(&registry->lock);
    free(registry->members);
    free(registry->arriving);
    free(registry);
}

/* --- arriving ------------------------------------------------------------- */

static void
drop(struct registry *registry, struct sshserver_login *login)
{
    registry->config.ops->release(registry->config.arg, login->grant);
    sshserver_login_drop(login);
}

static void
arrive(struct mail *mail)
{
    struct arrival *arrival = (struct arrival *)mail;
    struct registry *registry = arrival->registry;
    struct member *member;

    registry_lock(registry);
    registry->arriving[arrival->worker]--;
    member = registry->members[arrival->worker];
    registry_unlock(registry);
    if (member && !member->stopped && !member->drains)
        agent_start(member, arrival->login, arrival->name);
    else
        drop(registry, arrival->login);
    free(arrival);
}

/* The worker with the fewest agents. Under the lock. */
static struct member *
find_place(struct registry *registry)
{
    struct member *best = NULL;
    unsigned fewest = 0;

    for (unsigned i = 0; i < registry->config.workers; i++) {
        unsigned count = registry->arriving[i];
        struct agent *each;

        if (!registry->members[i])
            continue;
        DL_FOREACH (registry->agents, each)
            count += each->member->index == i;
        if (!best || count < fewest) {
            best = registry->members[i];
            fewest = count;
        }
    }
    return best;
}

void
registry_add(struct registry *registry, struct sshserver_login *login,
             const char *name)
{
    struct arrival *arrival = malloc(sizeof(*arrival));
    struct member *member;

    if (!arrival) {
        drop(registry, login);
        return;
    }
    arrival->mail.run = arrive;
    arrival->registry = registry;
    arrival->login = login;
    snprintf(arrival->name, sizeof(arrival->name), "%s", name);
    registry_lock(registry);
    member = find_place(registry);
    if (member) {
        arrival->worker = member->index;
        registry->arriving[member->index]++;
        /* Under the lock, so that it cannot leave before. */
        worker_post(member->worker, &arrival->mail);
    }
    registry_unlock(registry);
    if (!member) {
        drop(registry, login);
        free(arrival);
    }
}

/* --- choosing ------------------------------------------------------------- */

/* How good a port is to ask for SOCKS. What was found out of one is forgotten
 * after a while: what is behind it may have been down. */
enum rank {
    RANK_NONE,   /* it is something else */
    RANK_SILENT, /* it has said nothing: the last choice */
    RANK_OPEN,
    RANK_KNOWN, /* to speak it */
};

static enum rank
rank_of(const struct claim *claim)
{
    if (claim->nature == CLAIM_SOCKS)
        return RANK_KNOWN;
    if (claim->nature == CLAIM_UNKNOWN ||
        clock_seconds() >= claim->judged_until)
        return RANK_OPEN;
    return claim->nature == CLAIM_SILENT ? RANK_SILENT : RANK_NONE;
}

/* Others may have asked for the same port by another word: "" and "localhost"
 * can lead to the same sockets. */
static bool
is_listened(const struct claim *claim, const struct registry_ask *ask)
{
    enum registry_bind bind = claim->agent->registry->config.bind;
    struct agentport place = {.number = ask->port};

    if (claim->port->number != ask->port)
        return false;
    if (strcmp(claim->address, ask->listened) == 0)
        return true;
    agentbind_find(&place, bind, ask->listened);
    return agentbind_is_same(claim->port, &place);
}

static bool
is_asked_for(const struct claim *claim, const struct registry_ask *ask)
{
    if (claim->is_over)
        return false;
    return ask->listened ? is_listened(claim, ask) : rank_of(claim) > RANK_NONE;
}

/* The best of the agent's ports that the asker could use, or NULL. */
static struct claim *
find_claim(const struct agent *agent, const struct registry_ask *ask)
{
    struct claim *found = NULL;
    struct claim *claim;

    LL_FOREACH (agent->claims, claim) {
        if (is_asked_for(claim, ask) &&
            (!found || rank_of(claim) > rank_of(found)))
            found = claim;
    }
    return found;
}

/* The rank of the best port of a name's agents but one. *any: whether there is
 * one. Under the lock. */
static enum rank
best_rank(const struct registry *registry, const char *name,
          const struct claim *but, bool *any)
{
    const struct agent *agent;
    const struct claim *claim;
    enum rank best = RANK_NONE;

    *any = false;
    DL_FOREACH (registry->agents, agent) {
        if (agent->is_kicked || strcasecmp(agent->name, name) != 0)
            continue;
        LL_FOREACH (agent->claims, claim) {
            if (claim == but || claim->is_over)
                continue;
            *any = true;
            if (rank_of(claim) > best)
                best = rank_of(claim);
        }
    }
    return best;
}

bool
registry_has_other(struct registry *registry, const char *name,
                   const struct claim *claim)
{
    enum rank best;
    bool any;

    registry_lock(registry);
    best = best_rank(registry, name, claim, &any);
    registry_unlock(registry);
    return best > RANK_SILENT;
}

bool
registry_is_deaf(struct registry *registry, const char *name)
{
    enum rank best;
    bool any;

    registry_lock(registry);
    best = best_rank(registry, name, NULL, &any);
    registry_unlock(registry);
    return any && best == RANK_NONE;
}

static unsigned
load_of(const struct agent *agent)
{
    return atomic_load_explicit(&agent->load.channels, memory_order_relaxed) +
           atomic_load_explicit(&agent->load.opening, memory_order_relaxed);
}

/* Whether a port was asked for by one after the other. */
static bool
is_newer(const struct claim *one, const struct claim *other)
{
    while (one && one != other)
        one = one->port_next;
    return one != NULL;
}

/* Whether one is the better choice; the agent that came in last comes first,
 * and stays where they are alike: an older one may be a dead one. A port's
 * clients go to the one that asked for it last. */
static bool
is_better(const struct claim *one, const struct claim *other,
          const struct registry_ask *ask)
{
    bool one_owes = atomic_load(&one->agent->is_suspect);
    bool other_owes = atomic_load(&other->agent->is_suspect);
    bool one_silent = rank_of(one) == RANK_SILENT;

    if (one_owes != other_owes)
        return other_owes;
    if (ask->listened)
        return is_newer(one, other);
    if (one_silent != (rank_of(other) == RANK_SILENT))
        return !one_silent;
    return load_of(one->agent) < load_of(other->agent);
}

struct agent *
registry_pick(struct registry *registry, const struct registry_ask *ask,
              struct claim **claim)
{
    struct agent *best = NULL;
    struct agent *each;

    DL_FOREACH (registry->agents, each) {
        struct claim *found;
        if (each->is_kicked || strcasecmp(each->name, ask->name) != 0)
            continue;
        found = find_claim(each, ask);
        if (!found || (best && !is_better(found, *claim, ask)))
            continue;
        best = each;
        *claim = found;
    }
    return best;
}

/* --- for all workers ------------------------------------------------------ */

void
registry_nudge(struct registry *registry)
{
    registry_lock(registry);
    for (unsigned i = 0; i < registry->config.workers; i++) {
        struct member *member = registry->members[i];

        if (member && !atomic_exchange(&member->nudged, true))
            worker_post(member->worker, &member->nudge);
    }
    registry_unlock(registry);
}

unsigned
registry_kick(struct registry *registry, const char *name)
{
    struct agent *each;
    unsigned count = 0;

    registry_lock(registry);
    DL_FOREACH (registry->agents, each) {
        if (strcasecmp(each->name, name) != 0 || each->is_kicked)
            continue;
        each->is_kicked = true;
        count++;
    }
    registry_unlock(registry);
    if (count > 0)
        registry_nudge(registry);
    return count;
}

/* --- rows ----------------------------------------------------------------- */

/* "localhost:1080,*:8080", as far as it goes. */
static void
write_ports(const struct agent *agent, char buf[REGISTRY_PORTS_MAX])
{
    const struct claim *claim;
    size_t len = 0;

    *buf = 0;
    LL_FOREACH (agent->claims, claim) {
        const char *address = *claim->address ? claim->address : "*";
        bool bracket = strchr(address, ':') != NULL;
        int n;

        if (claim->is_over)
            continue;
        n = snprintf(buf + len, REGISTRY_PORTS_MAX - len, "%s%s%s%s:%u",
                     len > 0 ? "," : "", bracket ? "[" : "", address,
                     bracket ? "]" : "", claim->port->number);

        if (n < 0 || (size_t)n >= REGISTRY_PORTS_MAX - len) {
            buf[len] = 0;
            return;
        }
        len += (size_t)n;
    }
}

static void
write_row(const struct agent *agent, struct registry_row *row)
{
    const struct sshlink_load *load = &agent->load;

    memcpy(row->name, agent->name, sizeof(row->name));
    memcpy(row->user, agent->user, sizeof(row->user));
    memcpy(row->print, agent->print, sizeof(row->print));
    memcpy(row->software, agent->software, sizeof(row->software));
    write_ports(agent, row->ports);
    row->peer = agent->peer;
    row->is_culvert = atomic_load(&agent->is_culvert);
    row->worker = agent->member->index;
    row->streams = load_of(agent);
    row->in = atomic_load_explicit(&load->in, memory_order_relaxed);
    row->out = atomic_load_explicit(&load->out, memory_order_relaxed);
    row->rtt_us = atomic_load_explicit(&load->rtt_us, memory_order_relaxed);
    row->since = agent->since;
}

unsigned
registry_rows(struct registry *registry, struct registry_row **rows)
{
    const struct agent *each;
    unsigned count = 0;
    unsigned at = 0;

    registry_lock(registry);
    DL_FOREACH (registry->agents, each)
        count++;
    *rows = calloc(count + 1, sizeof(**rows));
    if (*rows) {
        DL_FOREACH (registry->agents, each)
            write_row(each, &(*rows)[at++]);
    }
    registry_unlock(registry);
    return at;
}
