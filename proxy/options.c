/* Not getopt_long: it keeps file-scope state, reorders argv, takes any
 * unambiguous beginning of a long option (so that each new option breaks
 * someone's script), and prints messages that do not name the value. */
#include "proxy/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/users.h"
#include "proxy/option_settle.h"
#include "proxy/option_table.h"
#include "proxy/option_way.h"
#include "proxy/usage.h"

/* The command line, and where it is read. */
struct scan {
    int argc;
    char **argv;
    int at; /* the next argument */
    struct option_state state;
};

static bool
act(struct scan *scan, const struct option_entry *entry)
{
    struct option_state *state = &scan->state;
    const char *value = state->value ? state->value : entry->fixed;
    struct sshconf_place place = option_state_place(state);

    switch (entry->kind) {
    case OPTION_KIND_ACTS:
        return entry->apply(state, value);
    case OPTION_KIND_SETS:
        return sshconf_put(&state->conf, entry->id, value, &place);
    case OPTION_KIND_OFFERS:
        return sshconf_offer(&state->conf, entry->id, value, &place);
    case OPTION_KIND_SILENT:
        return true;
    case OPTION_KIND_IDLE:
        return option_state_idle(state, state->option);
    case OPTION_KIND_LATER:
        return option_state_fail(state, USAGE_LATER);
    case OPTION_KIND_NEVER:
        return option_state_fail(state, "is not supported");
    }
    return false;
}

/* Takes the next argument as the value. */
static bool
take_value(struct scan *scan)
{
    if (scan->at >= scan->argc)
        return option_state_fail(&scan->state, "has no value behind it");
    scan->state.value = scan->argv[scan->at++];
    return true;
}

/* One argument of letters, "-fvD1080": the first that takes a value has the
 * rest of it, or the next argument. */
static bool
scan_letters(struct scan *scan, const char *letters)
{
    char option[3] = {'-', 0, 0};

    for (; *letters && !scan->state.finished; letters++) {
        const struct option_entry *entry = option_table_letter(*letters);

        option[1] = *letters;
        scan->state.option = option;
        scan->state.value = NULL;
        if (!entry)
            return option_state_fail(&scan->state, "no such option");
        if (entry->takes_value && letters[1])
            scan->state.value = letters + 1;
        else if (entry->takes_value && !take_value(scan))
            return false;
        if (!act(scan, entry))
            return false;
        if (entry->takes_value)
            return true;
    }
    return true;
}

/* One argument "--name" or "--name=value". */
static bool
scan_name(struct scan *scan, const char *arg)
{
    size_t len = strcspn(arg + 2, "=");
    const char *given = arg[2 + len] ? arg + 2 + len + 1 : NULL;
    const struct option_entry *entry = option_table_name(arg + 2, len);
    char option[32];

    /* What is too long for this buffer is no option of ours. */
    snprintf(option, sizeof(option), "--%.*s", (int)len, arg + 2);
    scan->state.option = entry ? option : arg;
    scan->state.value = given;
    if (!entry) {
        scan->state.value = NULL;
        return option_state_fail(&scan->state, "no such option");
    }
    if (given && !entry->takes_value)
        return option_state_fail(&scan->state, "takes no value");
    if (entry->takes_value && !given && !take_value(scan))
        return false;
    return act(scan, entry);
}

/* Passes over the arguments of an option. Returns how many there are; sets
 * *kicks where it is -O. */
static int
pass_over(char **args, bool has_next, bool *kicks)
{
    const char *arg = args[0] + 1;
    const struct option_entry *entry = NULL;
    const char *value;

    if (*arg == '-') {
        size_t len = strcspn(++arg, "=");

        entry = option_table_name(arg, len);
        return 1 + (entry && entry->takes_value && !arg[len]);
    }
    for (; *arg; arg++) {
        entry = option_table_letter(*arg);
        if (!entry || entry->takes_value)
            break;
    }
    if (!entry || !entry->takes_value) /* what is no option will be told */
        return 1;
    value = arg[1] ? arg + 1 : has_next ? args[1] : "";
    if (entry->letter == 'O')
        *kicks = strcmp(value, "kick") == 0;
    return arg[1] ? 1 : 2;
}

/* Looks for what has to be known before it comes: whether any argument is a
 * destination, which says what --via means, or an agent's name. */
static void
look_ahead(struct scan *scan)
{
    bool any = false;
    bool kicks = false;

    for (int at = 1; at < scan->argc;) {
        char **args = scan->argv + at;

        if (strcmp(args[0], "--") == 0) {
            any = any || at + 1 < scan->argc;
            break;
        }
        if (args[0][0] == '-' && args[0][1]) {
            at += pass_over(args, at + 1 < scan->argc, &kicks);
        } else {
            any = true;
            at++;
        }
    }
    scan->state.dest_comes = any && !kicks;
    scan->state.kicks = kicks;
}

/* An argument that belongs to no option. */
static bool
scan_word(struct scan *scan, const char *arg)
{
    struct option_state *state = &scan->state;

    state->option = state->kicks ? "-O kick" : "destination";
    state->value = arg;
    return state->kicks ? option_apply_control_name(state, arg)
                        : option_apply_dest(state, arg);
}

static bool
scan_all(struct scan *scan)
{
    bool options_end = false;

    while (scan->at < scan->argc && !scan->state.finished) {
        const char *arg = scan->argv[scan->at++];

        if (!options_end && strcmp(arg, "--") == 0) {
            options_end = true;
        } else if (options_end || arg[0] != '-' || !arg[1]) {
            if (!scan_word(scan, arg))
                return false;
        } else if (arg[1] == '-') {
            if (!scan_name(scan, arg))
                return false;
        } else if (!scan_letters(scan, arg + 1)) {
            return false;
        }
    }
    return true;
}

/* Sets addr to where a forward will listen here, as far as that is known
 * without looking a name up. */
static bool
listens_on(const struct forward *forward, union addr *addr)
{
    if (forward->is_remote)
        return false;
    switch (forward->where) {
    case LISTEN_ANY:
        return addr_parse(addr, "::", 2, (uint16_t)forward->port);
    case LISTEN_HOST:
        return addr_parse(addr, forward->host, strlen(forward->host),
                          (uint16_t)forward->port);
    case LISTEN_LOOPBACK:
    case LISTEN_UNIX:
        return false;
    }
    return false;
}

static bool
check_forwards(const struct option_state *state)
{
    const struct settings *settings = state->settings;
    const struct forward *forward;

    if (settings->control_word) /* the master checks */
        return true;
    if (!settings->forwards && !settings->ssh && !settings->control_master) {
        fprintf(stderr, "culvert: nothing to do: no -D, -L, -R, -W or "
                        "--gateway, and no destination\n");
        usage_short(stderr);
        return false;
    }
    for (forward = settings->forwards; forward; forward = forward->next) {
        union addr addr;

        if (listens_on(forward, &addr) &&
            settings_open_proxy(settings, forward, &addr)) {
            fprintf(stderr, "culvert: -D %s: %s\n", forward->text,
                    SETTINGS_OPEN_PROXY_TEXT);
            return false;
        }
        if (settings->background && forward->kind == FORWARD_STDIO) {
            fprintf(stderr,
                    "culvert: -W %s: cannot go to the background "
                    "(-f) with standard input and output\n",
                    forward->text);
            return false;
        }
    }
    return true;
}

/* The server reads the file again, for use: here it is too early to keep
 * users, but a fault is one of the command line's, and is to be told before
 * -f has forked. */
static bool
check_users(const struct settings *settings)
{
    struct users *users = NULL;
    char message[512];

    if (!settings->users_path)
        return true;
    if (users_load(settings->users_path, &users, message, sizeof(message)) !=
        ERR_OK) {
        fprintf(stderr, "culvert: --users %s\n", message);
        return false;
    }
    users_unref(users);
    return true;
}

static void
warn_of_idle(const struct option_state *state)
{
    const struct sshdest_list *idle = &state->conf.idle;

    if (idle->count == 0 || state->settings->log.level < LOG_WARN)
        return;
    fputs("culvert: warning: without effect here: ", stderr);
    for (size_t i = 0; i < idle->count; i++)
        fprintf(stderr, "%s%s", i > 0 ? ", " : "", idle->item[i]);
    fputc('\n', stderr);
}

/* What is left to do once every argument has been read. */
static enum options_result
conclude(struct option_state *state)
{
    if (state->finished)
        return OPTIONS_EXIT_OK;
    if (!option_settle(state))
        return OPTIONS_USAGE;
    if (state->print_only)
        return OPTIONS_EXIT_OK;
    if (!check_forwards(state) || !check_users(state->settings))
        return OPTIONS_USAGE;
    warn_of_idle(state);
    if (!state->check_only)
        return OPTIONS_RUN;
    puts("ok");
    return OPTIONS_EXIT_OK;
}

enum options_result
options_parse(int argc, char **argv, struct settings **settings)
{
    struct scan scan = {.argc = argc, .argv = argv, .at = 1};
    enum options_result result = OPTIONS_USAGE;

    if (argc < 2) {
        usage_short(stderr);
        return OPTIONS_USAGE;
    }
    scan.state.settings = settings_create();
    if (!scan.state.settings) {
        fprintf(stderr, "culvert: %s\n", err_text(ERR_NO_MEMORY));
        return OPTIONS_USAGE;
    }
    look_ahead(&scan);
    if (scan_all(&scan))
        result = conclude(&scan.state);
    if (result == OPTIONS_RUN)
        *settings = scan.state.settings;
    else
        settings_destroy(scan.state.settings);
    option_way_clear(&scan.state);
    sshconf_clear(&scan.state.conf);
    return result;
}
