#include "proxy/option_apply.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "proxy/option_forward.h"
#include "proxy/option_value.h"
#include "proxy/option_way.h"
#include "proxy/sshconf_file.h"
#include "proxy/usage.h"
#include "transport/reverse/registry.h"
/* More threads than any machine has processors were a slip. */
#define WORKERS_MAX 1024

/* More links to one server than any sshd lets log in at once. */
#define CONNECTIONS_MAX 256

static const char no_memory[] = "out of memory";

/* Puts a copy of value in the place of *text. */
static bool
set_text(struct option_state *state, const char *value, char **text)
{
    char *copy;

    if (!*value)
        return option_state_fail(state, "is empty");
    copy = strdup(value);
    if (!copy)
        return option_state_fail(state, no_memory);
    free(*text);
    *text = copy;
    return true;
}

static bool
add_forward(struct option_state *state, enum option_forward_form form,
            const char *value)
{
    struct forward *forward = calloc(1, sizeof(*forward));
    const char *why;

    if (!forward)
        return option_state_fail(state, no_memory);
    why = option_forward_parse(form, value, forward);
    if (why) {
        free(forward);
        return option_state_fail(state, why);
    }
    /* The same port of the server twice would be refused. */
    return sshconf_add_forward(&state->conf, forward, forward->is_remote) ||
           option_state_fail(state, no_memory);
}

bool
option_apply_dynamic(struct option_state *state, const char *value)
{
    return add_forward(state, OPTION_FORWARD_DYNAMIC, value);
}

bool
option_apply_local(struct option_state *state, const char *value)
{
    return add_forward(state, OPTION_FORWARD_LOCAL, value);
}

bool
option_apply_remote(struct option_state *state, const char *value)
{
    return add_forward(state, OPTION_FORWARD_REMOTE, value);
}

bool
option_apply_stdio(struct option_state *state, const char *value)
{
    const struct forward *forward = state->conf.forwards;

    for (; forward; forward = forward->next) {
        if (forward->kind == FORWARD_STDIO)
            return option_state_fail(state, "there can be only one -W");
    }
    return add_forward(state, OPTION_FORWARD_STDIO, value);
}

bool
option_apply_gateway(struct option_state *state, const char *value)
{
    return add_forward(state, OPTION_FORWARD_GATEWAY, value);
}

bool
option_apply_host_key(struct option_state *state, const char *value)
{
    if (!*value)
        return option_state_fail(state, "is empty");
    return sshdest_list_add(&state->settings->host_keys, value) ||
           option_state_fail(state, no_memory);
}

bool
option_apply_authorized_keys(struct option_state *state, const char *value)
{
    /* The second would silently lock out those of the first. */
    if (state->settings->authorized_keys)
        return option_state_fail(state,
                                 "there can be only one --authorized-keys");
    return set_text(state, value, &state->settings->authorized_keys);
}

/* Without a destination it names it; beside one it is another way out. */
bool
option_apply_via(struct option_state *state, const char *value)
{
    if (strncasecmp(value, "ssh://", 6) == 0 && !state->dest_comes)
        return option_apply_dest(state, value);
    return option_way_via(state, value);
}

bool
option_apply_route(struct option_state *state, const char *value)
{
    return option_way_route(state, value);
}

bool
option_apply_dest(struct option_state *state, const char *value)
{
    struct sshconf_place place = option_state_place(state);
    struct option_dest *dest = &state->dest;
    const char *why;
    char port[16];

    if (state->dest_given)
        return option_state_fail(
            state, "there is a destination already, and no command can be run "
                   "on it");
    why = option_dest_parse(value, dest);
    if (why)
        return option_state_fail(state, why);
    state->dest_given = true;
    snprintf(port, sizeof(port), "%u", dest->port);
    return (!dest->user[0] ||
            sshconf_offer(&state->conf, SSHCONF_USER, dest->user, &place)) &&
           (!dest->port ||
            sshconf_offer(&state->conf, SSHCONF_PORT, port, &place));
}

/* Keeps the first option that only a destination gives a meaning. */
static void
note_server(struct option_state *state)
{
    static const char *const names[] = {"-F", "--connections",
                                        "--server-nodelay"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!state->needs_server && strcmp(state->option, names[i]) == 0)
            state->needs_server = names[i];
    }
}

/* As in ssh, a key that is not there is worth a word and no more; it is looked
 * for before tokens are expanded. */
bool
option_apply_identity(struct option_state *state, const char *value)
{
    struct sshconf_place place = option_state_place(state);
    struct sshconf_local local;
    const char *why;
    char *path;

    if (!*value)
        return option_state_fail(state, "is empty");
    if (!sshconf_local_read(&local, &why))
        return option_state_fail(state, why);
    path = sshconf_expand_tilde(&local, value, &why);
    sshconf_local_clear(&local);
    if (!path)
        return option_state_fail(state, why);
    if (access(path, F_OK) != 0) {
        fprintf(stderr, "culvert: warning: -i %s: %s\n", value,
                strerror(errno));
        free(path);
        return true;
    }
    free(path);
    return sshconf_put(&state->conf, SSHCONF_IDENTITY_FILE, value, &place);
}

bool
option_apply_jump(struct option_state *state, const char *value)
{
    struct sshconf_place place = option_state_place(state);

    if (state->conf.values[SSHCONF_PROXY_JUMP].set)
        return option_state_fail(state, "there can be only one -J; hops are "
                                        "parted by commas");
    if (state->conf.values[SSHCONF_PROXY_COMMAND].set)
        return option_state_fail(state, "cannot go with ProxyCommand");
    return sshconf_put(&state->conf, SSHCONF_PROXY_JUMP, value, &place);
}

bool
option_apply_config_path(struct option_state *state, const char *value)
{
    note_server(state);
    state->config_path = value;
    return *value ? true : option_state_fail(state, "is empty");
}

bool
option_apply_server_nodelay(struct option_state *state, const char *value)
{
    (void)value;
    note_server(state);
    state->server_nodelay = true;
    return true;
}

bool
option_apply_keyword(struct option_state *state, const char *value)
{
    struct sshconf_place place = option_state_place(state);

    return sshconf_file_line(&state->conf, value, &place);
}

bool
option_apply_master(struct option_state *state, const char *value)
{
    struct sshconf_place place = option_state_place(state);

    return sshconf_put(&state->conf, SSHCONF_CONTROL_MASTER, value, &place);
}

bool
option_apply_control_word(struct option_state *state, const char *value)
{
    static const char *const words[] = {"check",     "stop",   "exit",
                                        "forward",   "cancel", "status",
                                        "reconnect", "kick"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(value, words[i]) == 0)
            return set_text(state, value, &state->settings->control_word);
    }
    return option_state_fail(state, "must be check, stop, exit, forward, "
                                    "cancel, status, reconnect or kick");
}

bool
option_apply_control_name(struct option_state *state, const char *value)
{ /* Any user's name is one: what agents may be called is not ours to say. */
    if (!*value || strlen(value) > REGISTRY_NAME_MAX)
        return option_state_fail(state, "a name has 1 to 255 bytes");
    if (state->settings->control_name)
        return option_state_fail(state, "there is a name already");
    return set_text(state, value, &state->settings->control_name);
}

static bool
set_limit(struct option_state *state, const char *value, unsigned most,
          unsigned *limit)
{
    const char *why = option_value_limit(value, most, limit);

    return !why || option_state_fail(state, why);
}

bool
option_apply_workers(struct option_state *state, const char *value)
{
    return set_limit(state, value, WORKERS_MAX, &state->settings->workers);
}

bool
option_apply_connections(struct option_state *state, const char *value)
{
    unsigned number;

    note_server(state);
    if (!set_limit(state, value, CONNECTIONS_MAX, &number))
        return false;
    if (number == 0)
        return option_state_fail(state, "must be at least 1");
    state->settings->connections = number;
    return true;
}

bool
option_apply_max_sessions(struct option_state *state, const char *value)
{
    return set_limit(state, value, INT_MAX, &state->settings->max_sessions);
}

bool
option_apply_max_per_source(struct option_state *state, const char *value)
{
    return set_limit(state, value, INT_MAX, &state->settings->max_per_source);
}

bool
option_apply_log_path(struct option_state *state, const char *value)
{
    if (!*value)
        return option_state_fail(state, "is empty");
    state->settings->log.path = value;
    return true;
}

bool
option_apply_log_format(struct option_state *state, const char *value)
{
    const char *why = option_value_format(value, &state->settings->log.format);

    return !why || option_state_fail(state, why);
}

/* Each -v is a step from what is set. */
bool
option_apply_verbose(struct option_state *state, const char *value)
{
    struct sshconf_place place = option_state_place(state);
    double level = sshconf_number(&state->conf, SSHCONF_LOG_LEVEL, LOG_INFO);

    (void)value;
    return sshconf_put(&state->conf, SSHCONF_LOG_LEVEL,
                       level < LOG_VERBOSE ? "VERBOSE" : "DEBUG", &place);
}

bool
option_apply_print(struct option_state *state, const char *value)
{
    (void)value;
    state->print_only = true;
    return true;
}

bool
option_apply_check(struct option_state *state, const char *value)
{
    (void)value;
    state->check_only = true;
    return true;
}

bool
option_apply_help(struct option_state *state, const char *value)
{
    (void)value;
    usage_help(stdout);
    state->finished = true;
    return true;
}

bool
option_apply_version(struct option_state *state, const char *value)
{
    (void)value;
    usage_version(stdout);
    state->finished = true;
    return true;
}

bool
option_apply_users(struct option_state *state, const char *value)
{
    return set_text(state, value, &state->settings->users_path);
}

/* Ends what added a pattern; why is only set for ERR_MALFORMED. */
static bool
accept_pattern(const struct option_state *state, enum err err, const char *why)
{
    if (err == ERR_OK)
        return true;
    return option_state_fail(state, err == ERR_MALFORMED ? why : no_memory);
}

bool
option_apply_allow_from(struct option_state *state, const char *value)
{
    const char *why = NULL;
    enum err err = sources_add(state->settings->sources, value, &why);

    return accept_pattern(state, err, why);
}

static bool
add_rule(struct option_state *state, enum rule_action action, const char *value)
{
    const char *why = NULL;
    enum err err = rules_add(state->settings->rules, action, value, &why);

    return accept_pattern(state, err, why);
}

bool
option_apply_permit(struct option_state *state, const char *value)
{
    return add_rule(state, RULE_PERMIT, value);
}

bool
option_apply_deny(struct option_state *state, const char *value)
{
    return add_rule(state, RULE_DENY, value);
}

static bool
set_span(struct option_state *state, const char *value, double *seconds)
{
    const char *why = option_value_span(value, seconds);

    return !why || option_state_fail(state, why);
}

bool
option_apply_handshake_timeout(struct option_state *state, const char *value)
{
    return set_span(state, value, &state->settings->handshake_timeout);
}

bool
option_apply_connect_timeout(struct option_state *state, const char *value)
{
    state->connect_timeout_given = true;
    return set_span(state, value, &state->settings->connect_timeout);
}

bool
option_apply_idle_timeout(struct option_state *state, const char *value)
{
    return set_span(state, value, &state->settings->idle_timeout);
}

bool
option_apply_half_closed_timeout(struct option_state *state, const char *value)
{
    return set_span(state, value, &state->settings->half_closed_timeout);
}

bool
option_apply_drain_timeout(struct option_state *state, const char *value)
{
    return set_span(state, value, &state->settings->drain_timeout);
}
