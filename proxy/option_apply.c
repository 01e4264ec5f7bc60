#include "proxy/option_apply.h"

#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <utlist.h>

#include "proxy/option_forward.h"
#include "proxy/option_value.h"
#include "proxy/usage.h"

/* More threads than any machine has processors were a slip. */
#define WORKERS_MAX 1024

static const char no_memory[] = "out of memory";

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
    LL_APPEND(state->settings->forwards, forward);
    return true;
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
option_apply_local_words(struct option_state *state, const char *value)
{
    return add_forward(state, OPTION_FORWARD_LOCAL_WORDS, value);
}

bool
option_apply_stdio(struct option_state *state, const char *value)
{
    const struct forward *forward = state->settings->forwards;

    for (; forward; forward = forward->next) {
        if (forward->kind == FORWARD_STDIO)
            return option_state_fail(state, "there can be only one -W");
    }
    return add_forward(state, OPTION_FORWARD_STDIO, value);
}

/* Reads yes or no into *flag if the subject is to be had. */
static bool
set_flag(struct option_state *state, enum option_subject subject,
         const char *value, bool *flag)
{
    bool read;
    const char *why = option_value_flag(value, &read);

    if (why)
        return option_state_fail(state, why);
    if (option_state_claim(state, subject))
        *flag = read;
    return true;
}

bool
option_apply_clear_forwards(struct option_state *state, const char *value)
{
    return set_flag(state, OPTION_SUBJECT_CLEAR_FORWARDS, value,
                    &state->clear_forwards);
}

bool
option_apply_gateway_ports(struct option_state *state, const char *value)
{
    return set_flag(state, OPTION_SUBJECT_GATEWAY_PORTS, value,
                    &state->settings->gateway_ports);
}

bool
option_apply_exit_on_failure(struct option_state *state, const char *value)
{
    return set_flag(state, OPTION_SUBJECT_EXIT_ON_FAILURE, value,
                    &state->settings->exit_on_forward_failure);
}

bool
option_apply_unlink(struct option_state *state, const char *value)
{
    return set_flag(state, OPTION_SUBJECT_UNLINK, value,
                    &state->settings->unlink_socket);
}

bool
option_apply_background(struct option_state *state, const char *value)
{
    return set_flag(state, OPTION_SUBJECT_BACKGROUND, value,
                    &state->settings->background);
}

bool
option_apply_mask(struct option_state *state, const char *value)
{
    mode_t mask;
    const char *why = option_value_mask(value, &mask);

    if (why)
        return option_state_fail(state, why);
    if (option_state_claim(state, OPTION_SUBJECT_MASK))
        state->settings->socket_mask = mask;
    return true;
}

bool
option_apply_via(struct option_state *state, const char *value)
{
    if (strcmp(value, "tcp:") == 0)
        return true;
    if (strncasecmp(value, "ssh://", 6) == 0)
        return option_apply_dest(state, value);
    if (strncasecmp(value, "reverse:", 8) == 0)
        return option_state_fail(state, USAGE_NEEDS_SSH);
    return option_state_fail(state,
                             "not a way out; this version has tcp: and ssh://");
}

bool
option_apply_dest(struct option_state *state, const char *value)
{
    const char *why;

    if (state->dest_given)
        return option_state_fail(state, "there is a destination already; a "
                                        "command cannot be run on it");
    why = option_dest_parse(value, &state->dest);
    if (why)
        return option_state_fail(state, why);
    state->dest_given = true;
    return true;
}

bool
option_apply_port(struct option_state *state, const char *value)
{
    const char *why = option_value_port(value, 1, &state->port);

    return !why || option_state_fail(state, why);
}

bool
option_apply_user(struct option_state *state, const char *value)
{
    state->user = value;
    return *value ? true : option_state_fail(state, "is empty");
}

bool
option_apply_identity(struct option_state *state, const char *value)
{
    if (!sshdest_list_add(&state->identities, value))
        return option_state_fail(state, no_memory);
    return true;
}

bool
option_apply_jump(struct option_state *state, const char *value)
{
    state->jump = value;
    return true;
}

bool
option_apply_config_path(struct option_state *state, const char *value)
{
    (void)value;
    return *value ? true : option_state_fail(state, "is empty");
}

bool
option_apply_family(struct option_state *state, const char *value)
{
    int family;
    const char *why = option_value_family(value, &family);

    if (why)
        return option_state_fail(state, why);
    if (option_state_claim(state, OPTION_SUBJECT_FAMILY))
        state->settings->family = family;
    return true;
}

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

bool
option_apply_bind_host(struct option_state *state, const char *value)
{
    if (strlen(value) > TARGET_NAME_MAX)
        return option_state_fail(state, "too long for a name or address");
    if (!option_state_claim(state, OPTION_SUBJECT_BIND_HOST))
        return true;
    return set_text(state, value, &state->settings->bind_host);
}

bool
option_apply_bind_device(struct option_state *state, const char *value)
{
    if (strlen(value) >= IFNAMSIZ)
        return option_state_fail(state, "too long for an interface");
    if (!option_state_claim(state, OPTION_SUBJECT_BIND_DEVICE))
        return true;
    return set_text(state, value, &state->settings->bind_device);
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

bool
option_apply_log_level(struct option_state *state, const char *value)
{
    enum log_level level;
    const char *why = option_value_level(value, &level);

    if (why)
        return option_state_fail(state, why);
    if (option_state_claim(state, OPTION_SUBJECT_LOG_LEVEL))
        state->settings->log.level = level;
    return true;
}

bool
option_apply_verbose(struct option_state *state, const char *value)
{
    struct log_options *log = &state->settings->log;

    (void)value;
    option_state_claim(state, OPTION_SUBJECT_LOG_LEVEL);
    if (log->level < LOG_INFO)
        log->level = LOG_INFO;
    if (log->level < LOG_DEBUG)
        log->level++;
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
option_apply_ignore_unknown(struct option_state *state, const char *value)
{
    size_t len = strlen(value);

    if (len >= sizeof(state->ignore_unknown))
        return option_state_fail(state, "too long a list");
    if (option_state_claim(state, OPTION_SUBJECT_IGNORE_UNKNOWN))
        memcpy(state->ignore_unknown, value, len + 1);
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
    double seconds;

    if (!set_span(state, value, &seconds))
        return false;
    if (option_state_claim(state, OPTION_SUBJECT_CONNECT_TIMEOUT))
        state->settings->connect_timeout = seconds;
    return true;
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
