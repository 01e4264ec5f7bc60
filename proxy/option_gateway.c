#include "proxy/option_gateway.h"

#include <string.h>

#include "proxy/usage.h"

const struct forward *
option_gateway_of(const struct option_state *state)
{
    const struct forward *forward = state->conf.forwards;

    while (forward && forward->kind != FORWARD_GATEWAY)
        forward = forward->next;
    return forward;
}

static bool
fail(const char *option, const char *value, const char *why)
{
    const struct sshconf_place place = {.option = option, .value = value};

    return sshconf_fail(&place, NULL, why);
}

static bool
has_stdio(const struct option_state *state)
{
    const struct forward *forward = state->conf.forwards;

    while (forward && forward->kind != FORWARD_STDIO)
        forward = forward->next;
    return forward != NULL;
}

/* What says how agents log in, with no gateway for them. */
static bool
check_without(const struct option_state *state)
{
    const struct settings *settings = state->settings;

    if (settings->host_keys.count > 0)
        return fail("--host-key", settings->host_keys.item[0],
                    USAGE_NEEDS_GATEWAY);
    if (settings->authorized_keys)
        return fail("--authorized-keys", settings->authorized_keys,
                    USAGE_NEEDS_GATEWAY);
    if (settings->agent_ports == GATEWAY_PORTS_CLIENTSPECIFIED)
        return sshconf_fail_value(&state->conf.values[SSHCONF_GATEWAY_PORTS],
                                  USAGE_NEEDS_GATEWAY);
    return true;
}

static bool
check(const struct option_state *state, const char *text)
{
    const struct settings *settings = state->settings;

    if (settings->host_keys.count == 0)
        return fail("--gateway", text,
                    "needs --host-key FILE; one that is not there is made");
    if (!settings->authorized_keys && !settings->users_path)
        return fail("--gateway", text,
                    "needs --authorized-keys FILE or --users FILE: nobody "
                    "could log in");
    if (has_stdio(state))
        return fail("--gateway", text, "cannot go with -W");
    return true;
}

/* The two that are about forwards: those who dial in stay the master's. */
static bool
check_request(const struct option_state *state, const char *text)
{
    const char *word = state->settings->control_word;

    return (strcmp(word, "forward") != 0 && strcmp(word, "cancel") != 0) ||
           fail("--gateway", text, "cannot go with -O forward or cancel");
}

static enum gateway_ports
ports_of(const struct sshconf *conf)
{
    switch ((enum sshconf_gateway)sshconf_number(conf, SSHCONF_GATEWAY_PORTS,
                                                 SSHCONF_GATEWAY_NO)) {
    case SSHCONF_GATEWAY_NO:
        return GATEWAY_PORTS_NO;
    case SSHCONF_GATEWAY_YES:
        return GATEWAY_PORTS_YES;
    case SSHCONF_GATEWAY_CLIENTSPECIFIED:
        return GATEWAY_PORTS_CLIENTSPECIFIED;
    }
    return GATEWAY_PORTS_NO;
}

bool
option_gateway_settle(struct option_state *state)
{
    const struct forward *gateway = option_gateway_of(state);
    struct settings *settings = state->settings;

    settings->agent_ports = ports_of(&state->conf);
    settings->gateway_ports = settings->agent_ports == GATEWAY_PORTS_YES;
    if (state->kicks && !settings->control_name)
        return fail("-O kick", NULL, "needs the NAME of an agent behind it");
    if (settings->control_word)
        return !gateway || check_request(state, gateway->text);
    return gateway ? check(state, gateway->text) : check_without(state);
}
