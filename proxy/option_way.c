#include "proxy/option_way.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "auth/grant.h"
#include "proxy/option_gateway.h"
#include "proxy/option_value.h"
#include "proxy/route.h"
#include "proxy/usage.h"

static const char no_memory[] = "out of memory";

enum way_kind {
    WAY_TCP,
    WAY_DESTINATION,
    WAY_SERVER,
    WAY_AGENT,
};

/* What an option asked for. Their numbers are what the routes have until all is
 * settled. */
struct option_way {
    enum way_kind kind;
    struct option_dest dest;         /* WAY_SERVER */
    char agent[GRANT_AGENT_MAX + 1]; /* WAY_AGENT */
    char *where;                     /* "--route *=ssh:" */
    unsigned way;                    /* of the settings, once settled */
    struct option_way *next;
};

/* Returns NULL, or what is wrong (static text). */
static const char *
parse(const char *text, struct option_way *way)
{
    if (strcasecmp(text, "tcp:") == 0) {
        way->kind = WAY_TCP;
        return NULL;
    }
    if (strcasecmp(text, "ssh:") == 0) {
        way->kind = WAY_DESTINATION;
        return NULL;
    }
    if (strncasecmp(text, "ssh://", 6) == 0) {
        way->kind = WAY_SERVER;
        return option_dest_parse(text, &way->dest);
    }
    if (strncasecmp(text, "reverse:", 8) == 0) {
        const char *why = option_value_agent(text + 8);

        way->kind = WAY_AGENT;
        if (!why)
            strcpy(way->agent, text + 8);
        return why;
    }
    return "not a way out; there are tcp:, ssh:, ssh://host and reverse:NAME";
}

/* Puts one to the end. Returns as all of option_apply, with its *number. */
static bool
add(struct option_state *state, const char *text, unsigned *number)
{
    struct option_way *made = calloc(1, sizeof(*made));
    struct option_way **at = &state->ways;
    const char *why = made ? parse(text, made) : no_memory;

    if (!why &&
        asprintf(&made->where, "%s %s", state->option, state->value) < 0) {
        made->where = NULL;
        why = no_memory;
    }
    if (why) {
        free(made);
        return option_state_fail(state, why);
    }
    for (*number = 0; *at; at = &(*at)->next)
        ++*number;
    *at = made;
    return true;
}

bool
option_way_via(struct option_state *state, const char *text)
{
    if (state->via_given)
        return option_state_fail(state, "there can be only one --via");
    state->via_given = true;
    return add(state, text, &state->via);
}

bool
option_way_route(struct option_state *state, const char *value)
{
    const char *equals = strchr(value, '=');
    char why[ROUTE_WHY_MAX];
    unsigned number = 0;
    enum err err;

    if (!equals || equals == value)
        return option_state_fail(state, "must be PATTERNS=TRANSPORT");
    if (!add(state, equals + 1, &number))
        return false;
    err = routes_add(state->settings->routes, value, (size_t)(equals - value),
                     number, why);
    if (err == ERR_OK)
        return true;
    return option_state_fail(state, err == ERR_MALFORMED ? why : no_memory);
}

bool
option_way_has_server(const struct option_state *state)
{
    for (const struct option_way *way = state->ways; way; way = way->next) {
        if (way->kind == WAY_SERVER)
            return true;
    }
    return false;
}

static bool
is_same(const struct sshdest *a, const struct sshdest *b)
{
    return strcmp(a->given, b->given) == 0 && strcmp(a->host, b->host) == 0 &&
           strcmp(a->user, b->user) == 0 && a->port == b->port;
}

/* Adds a server's way, unless it is there. Takes ssh. */
static bool
add_server(struct settings *settings, struct sshdest *ssh,
           struct option_way *way)
{
    const struct sshconf_place place = {.option = way->where};
    char word[SETTINGS_WORD_MAX] = "ssh://";

    for (unsigned i = 0; i < settings->way_count; i++) {
        const struct sshdest *there = settings->ways[i].ssh;

        if (there && is_same(there, ssh)) {
            sshdest_destroy(ssh);
            way->way = i;
            return true;
        }
    }
    sshdest_format(ssh, word + strlen(word), sizeof(word) - strlen(word));
    return !settings_add_way(settings, ssh, word, &way->way) ||
           sshconf_fail(&place, NULL, no_memory);
}

/* Adds an agent's way, unless it is there. */
static bool
add_agent(struct option_state *state, struct option_way *way)
{
    const struct sshconf_place place = {.option = way->where};
    struct settings *settings = state->settings;

    if (!option_gateway_of(state))
        return sshconf_fail(&place, NULL, USAGE_NEEDS_GATEWAY);
    for (unsigned i = 0; i < settings->way_count; i++) {
        const char *there = settings->ways[i].agent;

        if (there && strcasecmp(there, way->agent) == 0) {
            way->way = i;
            return true;
        }
    }
    return !settings_add_reverse(settings, way->agent, &way->way) ||
           sshconf_fail(&place, NULL, no_memory);
}

static bool
settle_one(struct option_state *state, const struct sshconf_ask *ask,
           unsigned destination, struct option_way *way)
{
    const struct sshconf_place place = {.option = way->where};
    struct settings *settings = state->settings;
    struct sshdest *ssh;

    switch (way->kind) {
    case WAY_TCP:
        way->way = SETTINGS_WAY_TCP;
        return true;
    case WAY_DESTINATION:
        way->way = destination;
        return settings->ssh || sshconf_fail(&place, NULL, USAGE_NEEDS_SERVER);
    case WAY_SERVER:
        ssh = sshconf_dest_of(&way->dest, NULL, way->where, ask);
        return ssh && add_server(settings, ssh, way);
    case WAY_AGENT:
        return add_agent(state, way);
    }
    return false;
}

static bool
renumber(struct option_state *state, unsigned count)
{
    struct settings *settings = state->settings;
    unsigned *to = calloc(count + 1, sizeof(*to));
    unsigned i = 0;

    if (!to) {
        fprintf(stderr, "culvert: %s\n", no_memory);
        return false;
    }
    for (const struct option_way *way = state->ways; way; way = way->next)
        to[i++] = way->way;
    routes_renumber(settings->routes, to);
    if (state->via_given) {
        unsigned via = to[state->via];

        settings->local_way = settings->remote_way = via;
        /* What one agent asks for is not to leave through another because
         * clients of -D do. */
        if (!settings->ways[via].agent)
            settings->agent_way = via;
    }
    free(to);
    return true;
}

bool
option_way_settle(struct option_state *state, const struct sshconf_ask *ask)
{
    struct settings *settings = state->settings;
    unsigned destination = SETTINGS_WAY_TCP;
    unsigned count = 0;

    if (settings->control_word && !state->print_only) /* it goes nowhere */
        return true;
    if (settings->ssh) {
        if (settings_add_way(settings, settings->ssh, "ssh", &destination)) {
            fprintf(stderr, "culvert: %s\n", no_memory);
            return false;
        }
        settings->local_way = destination;
    }
    if (option_gateway_of(state) &&
        settings_add_reverse(settings, "", &settings->reverse_way)) {
        fprintf(stderr, "culvert: %s\n", no_memory);
        return false;
    }
    for (struct option_way *way = state->ways; way; way = way->next) {
        if (!settle_one(state, ask, destination, way))
            return false;
        count++;
    }
    return renumber(state, count);
}

void
option_way_clear(struct option_state *state)
{
    while (state->ways) {
        struct option_way *way = state->ways;

        state->ways = way->next;
        free(way->where);
        free(way);
    }
}
