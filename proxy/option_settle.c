#include "proxy/option_settle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <utlist.h>

#include "proxy/option_gateway.h"
#include "proxy/option_way.h"
#include "proxy/sshconf_dest.h"
#include "proxy/sshconf_print.h"
#include "proxy/usage.h"

static const char no_memory[] = "out of memory";

static bool
has_stdio(const struct sshconf *conf)
{
    for (const struct forward *f = conf->forwards; f; f = f->next) {
        if (f->kind == FORWARD_STDIO)
            return true;
    }
    return false;
}

/* Applies what -W implies, unless the command line or a file says
 * otherwise. */
static bool
settle_stdio(struct option_state *state)
{
    static const struct sshconf_place place = {.option = "-W"};
    struct sshconf *conf = &state->conf;

    if (!has_stdio(conf))
        return true;
    if (state->settings->control_word)
        return sshconf_fail(&place, NULL, "cannot go with -O");
    return sshconf_offer(conf, SSHCONF_CLEAR_ALL_FORWARDINGS, "yes", &place) &&
           sshconf_offer(conf, SSHCONF_EXIT_ON_FORWARD_FAILURE, "yes", &place);
}

/* Only a server listens for -R. With -O that is the master's to say. */
static bool
check_no_remote(const struct option_state *state)
{
    const struct forward *forward = state->conf.forwards;

    for (; forward; forward = forward->next) {
        if (!forward->is_remote || state->settings->control_word)
            continue;
        return sshconf_fail(
            &(struct sshconf_place){.option = "-R", .value = forward->text},
            NULL, USAGE_NEEDS_SERVER);
    }
    return true;
}

/* Without a destination: what says where connections go is an error, what says
 * how to log in is one when an option said it, and without effect when -o
 * did. */
static bool
settle_without_server(struct option_state *state)
{
    if (!check_no_remote(state))
        return false;
    /* A further server is found by -F, too, and has as many links. */
    if (state->server_nodelay)
        state->needs_server = "--server-nodelay";
    else if (option_way_has_server(state))
        state->needs_server = NULL;
    if (state->needs_server)
        return sshconf_fail(
            &(struct sshconf_place){.option = state->needs_server}, NULL,
            USAGE_NEEDS_SERVER);
    for (size_t id = 0; id < SSHCONF_IDS; id++) {
        const struct sshconf_entry *entry =
            sshconf_table_id((enum sshconf_id)id);
        const struct sshconf_value *value = &state->conf.values[id];
        const char *text = sshconf_text(&state->conf, entry->id);
        bool by_keyword = value->where && strncmp(value->where, "-o", 2) == 0;
        bool is_none = text && strcasecmp(text, "none") == 0;

        if (!value->set ||
            (entry->effect != SSHCONF_WAY && entry->effect != SSHCONF_SERVER))
            continue;
        if (entry->effect == SSHCONF_WAY && is_none)
            continue;
        if (id == SSHCONF_COMPRESSION && !by_keyword) {
            if (!option_state_idle(state, "-C"))
                return false;
        } else if (entry->effect == SSHCONF_SERVER && by_keyword) {
            if (!option_state_idle(state, entry->name))
                return false;
        } else {
            return sshconf_fail_value(value, USAGE_NEEDS_SERVER);
        }
    }
    return true;
}

/* What the files or the command line ask for that would be missed. */
static bool
check_server(const struct option_state *state)
{
    const struct sshconf *conf = &state->conf;
    const char *refuse = sshconf_text(conf, SSHCONF_REFUSE_CONNECTION);

    if (state->print_only)
        return true;
    if (refuse && strcasecmp(refuse, "none") != 0 &&
        !state->settings->control_word) {
        fprintf(stderr, "culvert: %s: %s\n",
                conf->values[SSHCONF_REFUSE_CONNECTION].where, refuse);
        return false;
    }
    return true;
}

/* Reads the files, and drops forwards of theirs where -O asks for its own. */
static bool
resolve(struct option_state *state, const struct sshconf_ask *ask)
{
    struct sshconf *conf = &state->conf;
    struct forward *given = conf->forwards;
    bool good;

    if (!state->settings->control_word)
        return sshconf_resolve(conf, ask);
    conf->forwards = NULL;
    good = sshconf_resolve(conf, ask);
    while (conf->forwards) {
        struct forward *forward = conf->forwards;

        LL_DELETE(conf->forwards, forward);
        free(forward);
    }
    conf->forwards = given;
    return good;
}

/* A user from the command line may be a stranger's words, and goes into
 * commands (ProxyCommand, Match exec); what a file says is its owner's. */
static bool
check_user(const struct sshconf *conf)
{
    const char *user = sshconf_text(conf, SSHCONF_USER);

    return !user || option_dest_user_is_safe(user) ||
           sshconf_fail_value(&conf->values[SSHCONF_USER],
                              "user has a character that is not allowed there");
}

static bool
settle_server(struct option_state *state, const struct sshconf_ask *ask)
{
    struct settings *settings = state->settings;

    if (!check_user(&state->conf) || !resolve(state, ask) ||
        !settle_stdio(state) || !check_server(state) ||
        !sshconf_expand_forwards(&state->conf, ask))
        return false;
    if (settings->control_word && !state->print_only)
        return true;
    settings->ssh = sshconf_dest_make(&state->conf, ask);
    if (!settings->ssh)
        return false;
    settings->ssh->server_nodelay = state->server_nodelay;
    return option_way_settle(state, ask);
}

/* The control socket's path, expanded; without a destination there is nothing
 * that a host's tokens could stand for. */
static bool
settle_control(struct option_state *state, const struct sshconf_ask *ask)
{
    const struct sshconf_value *master =
        &state->conf.values[SSHCONF_CONTROL_MASTER];
    const struct sshconf_value *value =
        &state->conf.values[SSHCONF_CONTROL_PATH];
    const char *path = sshconf_text(&state->conf, SSHCONF_CONTROL_PATH);
    struct sshconf_tokens tokens = sshconf_tokens(&state->conf, ask);
    struct settings *settings = state->settings;
    const char *why;

    if (master->number == SSHCONF_MASTER_ASK ||
        master->number == SSHCONF_MASTER_AUTO_ASK)
        return sshconf_fail_value(
            master, "asking before each connection is not supported");
    settings->control_master = master->number != SSHCONF_MASTER_NO;
    if (settings->control_master && !path)
        fprintf(stderr,
                "culvert: warning: %s: no control socket without its "
                "path (-S)\n",
                master->where);
    if (path && strcasecmp(path, "none") != 0) {
        settings->control_path = sshconf_expand(
            &tokens, path,
            state->dest_given ? SSHCONF_TOKENS_MOST : SSHCONF_TOKENS_NO_DEST,
            SSHCONF_EXPAND_TOKENS | SSHCONF_EXPAND_ENV | SSHCONF_EXPAND_TILDE,
            &why);
        if (!settings->control_path)
            return sshconf_fail_value(value, why);
        if (strlen(settings->control_path) >=
            sizeof(((struct sockaddr_un *)0)->sun_path))
            return sshconf_fail_value(value,
                                      "a socket's path has at most 107 bytes");
    }
    if (settings->control_word && !settings->control_path) {
        fprintf(stderr,
                "culvert: -O %s: no control socket was named: -S path\n",
                settings->control_word);
        return false;
    }
    return true;
}

/* Copies a text to the settings; NULL stays NULL. */
static bool
set_text(const struct option_state *state, enum sshconf_id id, char **to)
{
    const char *text = sshconf_text(&state->conf, id);

    if (!text)
        return true;
    *to = strdup(text);
    return *to || sshconf_fail_value(&state->conf.values[id], no_memory);
}

/* What clients of -R may ask for; the words have been read once already. */
static bool
settle_opens(struct option_state *state)
{
    const struct sshconf_value *value =
        &state->conf.values[SSHCONF_PERMIT_REMOTE_OPEN];
    struct settings *settings = state->settings;
    const char *why = no_memory;
    enum err err = ERR_OK;

    if (!value->set)
        return true;
    settings->remote_open = permitopen_create();
    if (!settings->remote_open)
        err = ERR_NO_MEMORY;
    for (size_t i = 0; i < value->texts.count && !err; i++)
        err = permitopen_add(settings->remote_open, value->texts.item[i], &why);
    return !err || sshconf_fail_value(value, why);
}

/* What acts with and without a destination. */
static bool
settle_values(struct option_state *state)
{
    const struct sshconf *conf = &state->conf;
    struct settings *settings = state->settings;
    double timeout = sshconf_number(conf, SSHCONF_CONNECT_TIMEOUT, 0);

    settings->log.level =
        (enum log_level)sshconf_number(conf, SSHCONF_LOG_LEVEL, LOG_INFO);
    settings->family =
        (int)sshconf_number(conf, SSHCONF_ADDRESS_FAMILY, AF_UNSPEC);
    settings->exit_on_forward_failure =
        sshconf_flag(conf, SSHCONF_EXIT_ON_FORWARD_FAILURE, false);
    settings->background =
        sshconf_flag(conf, SSHCONF_FORK_AFTER_AUTHENTICATION, false);
    settings->unlink_socket =
        sshconf_flag(conf, SSHCONF_STREAM_LOCAL_BIND_UNLINK, false);
    settings->socket_mask = (mode_t)sshconf_number(
        conf, SSHCONF_STREAM_LOCAL_BIND_MASK, settings->socket_mask);
    /* With a server the others say how to reach it. */
    if (state->dest_given)
        return settle_opens(state);
    if (conf->values[SSHCONF_CONNECT_TIMEOUT].set &&
        !state->connect_timeout_given)
        settings->connect_timeout = timeout < 0 ? 0 : timeout;
    return set_text(state, SSHCONF_BIND_ADDRESS, &settings->bind_host) &&
           set_text(state, SSHCONF_BIND_INTERFACE, &settings->bind_device);
}

/* Applies ClearAllForwardings and what -g means for each forward; then the
 * settings have them, and the servers are ones that they lead to. */
static void
settle_forwards(struct option_state *state)
{
    struct sshconf *conf = &state->conf;
    struct settings *settings = state->settings;
    struct forward **at = &conf->forwards;
    bool clear = sshconf_flag(conf, SSHCONF_CLEAR_ALL_FORWARDINGS, false) &&
                 !settings->control_word;
    bool listens = false;

    while (*at) {
        struct forward *forward = *at;
        bool stdio = forward->kind == FORWARD_STDIO;

        if (clear && !stdio && forward->kind != FORWARD_GATEWAY) {
            *at = forward->next;
            free(forward);
            continue;
        }
        /* At the server that is its own sshd's to say. */
        if (settings->gateway_ports && !forward->bind_given && !stdio &&
            !forward->is_remote)
            forward->where = LISTEN_ANY;
        listens = listens || !stdio;
        at = &forward->next;
    }
    for (unsigned i = 0; listens && i < settings->way_count; i++) {
        if (settings->ways[i].ssh)
            settings->ways[i].ssh->listens = true;
    }
    settings->forwards = conf->forwards;
    settings->texts = conf->texts;
    conf->forwards = NULL;
    conf->texts = (struct sshdest_list){.count = 0};
}

bool
option_settle(struct option_state *state)
{
    struct sshconf_local local;
    /* -v and LogLevel of the command line; the files are not read yet. */
    double level = sshconf_number(&state->conf, SSHCONF_LOG_LEVEL, LOG_INFO);
    struct sshconf_ask ask = {
        .given = state->dest.host,
        .path = state->config_path,
        .local = &local,
        .says_files = level >= LOG_VERBOSE,
        .says_dropped = level >= LOG_DEBUG,
    };
    const char *why;
    bool good;

    if (!sshconf_local_read(&local, &why)) {
        fprintf(stderr, "culvert: %s\n", why);
        return false;
    }
    if (state->print_only && !state->dest_given)
        good = sshconf_fail(&(struct sshconf_place){.option = "-G"}, NULL,
                            USAGE_NEEDS_SERVER);
    else if (state->dest_given)
        good = settle_server(state, &ask);
    else
        good = settle_without_server(state) && settle_stdio(state) &&
               option_way_settle(state, &ask);
    good = good && settle_values(state) && option_gateway_settle(state) &&
           settle_control(state, &ask);
    if (good)
        settle_forwards(state);
    if (good && state->print_only)
        sshconf_print(&state->conf, state->settings, local.home, stdout);
    sshconf_local_clear(&local);
    return good;
}
