#include "proxy/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A client that has said nothing for half a minute will not. */
#define HANDSHAKE_TIMEOUT 30.0

/* Less than the two minutes after which common clients give up by
 * themselves, so that they get our reason. */
#define CONNECT_TIMEOUT 20.0

/* One side has ended, and the other says nothing: most often a peer that
 * vanished. */
#define HALF_CLOSED_TIMEOUT 600.0

/* How long sessions may go on after SIGTERM. */
#define DRAIN_TIMEOUT 30.0

/* Most links to one SSH server. */
#define CONNECTIONS 4

/* ssh's: a socket for its owner alone. */
#define SOCKET_MASK 0177

struct settings *
settings_create(void)
{
    struct settings *settings = calloc(1, sizeof(*settings));

    if (!settings)
        return NULL;
    settings->family = AF_UNSPEC;
    settings->socket_mask = SOCKET_MASK;
    settings->connections = CONNECTIONS;
    settings->log.level = LOG_INFO;
    settings->handshake_timeout = HANDSHAKE_TIMEOUT;
    settings->connect_timeout = CONNECT_TIMEOUT;
    settings->half_closed_timeout = HALF_CLOSED_TIMEOUT;
    settings->drain_timeout = DRAIN_TIMEOUT;
    settings->sources = sources_create();
    settings->rules = rules_create();
    settings->routes = routes_create();
    if (!settings->sources || !settings->rules || !settings->routes ||
        settings_add_way(settings, NULL, "tcp", &settings->local_way)) {
        settings_destroy(settings);
        return NULL;
    }
    return settings;
}

static void
clear_ways(struct settings *settings)
{
    for (unsigned i = 0; i < settings->way_count; i++) {
        if (settings->ways[i].ssh != settings->ssh)
            sshdest_destroy(settings->ways[i].ssh);
        free(settings->ways[i].agent);
        free(settings->ways[i].word);
    }
    free(settings->ways);
}

void
settings_destroy(struct settings *settings)
{
    struct forward *forward;

    if (!settings)
        return;
    while ((forward = settings->forwards)) {
        settings->forwards = forward->next;
        free(forward);
    }
    sshdest_list_clear(&settings->texts);
    sources_destroy(settings->sources);
    rules_destroy(settings->rules);
    permitopen_destroy(settings->remote_open);
    routes_destroy(settings->routes);
    clear_ways(settings);
    sshdest_destroy(settings->ssh);
    sshdest_list_clear(&settings->host_keys);
    free(settings->authorized_keys);
    free(settings->control_path);
    free(settings->control_word);
    free(settings->control_name);
    free(settings->bind_host);
    free(settings->bind_device);
    free(settings->users_path);
    free(settings);
}

/* Adds a way that has all it needs, or is half made: then, and when there is
 * no memory, frees what it has. */
static enum err
add_way(struct settings *settings, struct settings_way *way, bool is_whole,
        unsigned *index)
{
    struct settings_way *ways =
        reallocarray(settings->ways, settings->way_count + 1, sizeof(*ways));

    if (ways)
        settings->ways = ways;
    if (!ways || !is_whole) {
        free(way->agent);
        free(way->word);
        if (way->ssh != settings->ssh)
            sshdest_destroy(way->ssh);
        return ERR_NO_MEMORY;
    }
    *index = settings->way_count++;
    ways[*index] = *way;
    return ERR_OK;
}

enum err
settings_add_way(struct settings *settings, struct sshdest *ssh,
                 const char *word, unsigned *index)
{
    struct settings_way way = {.ssh = ssh, .word = strdup(word)};

    return add_way(settings, &way, way.word != NULL, index);
}

enum err
settings_add_reverse(struct settings *settings, const char *agent,
                     unsigned *index)
{
    struct settings_way way = {.agent = strdup(agent)};

    if (asprintf(&way.word, "reverse%s%s", *agent ? ":" : "", agent) < 0)
        way.word = NULL;
    return add_way(settings, &way, way.agent && way.word, index);
}

bool
settings_has_gateway(const struct settings *settings)
{
    const struct forward *forward = settings->forwards;

    while (forward && forward->kind != FORWARD_GATEWAY)
        forward = forward->next;
    return forward != NULL;
}

unsigned
settings_way_of(const struct settings *settings, const struct forward *forward,
                const struct target *target)
{
    unsigned usual = forward->from_agent  ? settings->agent_way
                     : forward->is_remote ? settings->remote_way
                                          : settings->local_way;

    return target ? routes_find(settings->routes, target, usual) : usual;
}

static bool
is_by(const struct settings_way *way, bool by_ssh)
{
    return by_ssh ? way->ssh != NULL : !way->ssh && !way->agent;
}

bool
settings_has_way(const struct settings *settings, bool is_remote, bool by_ssh)
{
    unsigned usual = is_remote ? settings->remote_way : settings->local_way;
    unsigned way;

    if (is_by(&settings->ways[usual], by_ssh))
        return true;
    for (size_t i = 0; routes_at(settings->routes, i, &way); i++) {
        if (is_by(&settings->ways[way], by_ssh))
            return true;
    }
    return false;
}

/* Whether someone who is not on this machine can reach a listener of ours, and
 * no source rule keeps anyone out. */
static bool
is_reachable(const struct settings *settings, const struct forward *forward,
             const union addr *addr)
{
    return !forward->is_remote && forward->where != LISTEN_UNIX &&
           !addr_is_loopback(addr) && sources_empty(settings->sources);
}

bool
settings_open_proxy(const struct settings *settings,
                    const struct forward *forward, const union addr *addr)
{
    return forward->kind == FORWARD_SOCKS && !settings->users_path &&
           settings_has_way(settings, false, false) &&
           is_reachable(settings, forward, addr);
}

bool
settings_open_forward(const struct settings *settings,
                      const struct forward *forward, const union addr *addr)
{
    bool open = forward->kind == FORWARD_FIXED ||
                (forward->kind == FORWARD_SOCKS && !settings->users_path &&
                 !settings_has_way(settings, false, false));

    return open && is_reachable(settings, forward, addr);
}
