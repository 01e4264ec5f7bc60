#include "proxy/sshconf_dest.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "proxy/option_dest.h"
#include "proxy/sshconf_algo.h"

/* A server that takes a connection and then says nothing would hold up
 * reconnecting for ever. */
#define CONNECT_TIMEOUT 30

/* As many as files may include each other; a configuration in which two
 * servers jump through each other has no end. */
#define JUMPS_MAX 16

#define EXPAND_MOST (SSHCONF_EXPAND_TOKENS | SSHCONF_EXPAND_ENV)
#define EXPAND_PATH (EXPAND_MOST | SSHCONF_EXPAND_TILDE)

/* A Unix socket's path, with its NUL. */
#define PATH_SIZE sizeof(((struct sockaddr_un *)0)->sun_path)

static const char no_memory[] = "out of memory";

/* A destination that is being made. */
struct making {
    const struct sshconf *conf;
    const struct sshconf_ask *ask;
    struct sshconf_tokens tokens;
    struct sshdest *dest;
};

static const struct sshconf_value *
value_of(const struct making *making, enum sshconf_id id)
{
    return &making->conf->values[id];
}

static bool
is_none(const char *text)
{
    return strcasecmp(text, "none") == 0;
}

/* Copies text, if there is one, to *to. */
static bool
copy(const struct making *making, enum sshconf_id id, const char *text,
     char **to)
{
    *to = text ? strdup(text) : NULL;
    return *to || !text || sshconf_fail_value(value_of(making, id), no_memory);
}

/* Copies a keyword's text with everything in it expanded. "none" is none. */
static bool
expand(const struct making *making, enum sshconf_id id, const char *allowed,
       unsigned expansion, char **to)
{
    const char *text = sshconf_text(making->conf, id);
    const char *why;

    if (!text || is_none(text))
        return true;
    *to = sshconf_expand(&making->tokens, text, allowed, expansion, &why);
    return *to || sshconf_fail_value(value_of(making, id), why);
}

/* The same for one text of a keyword's list. */
static bool
expand_item(const struct making *making, enum sshconf_id id, const char *text,
            unsigned expansion, struct sshdest_list *to)
{
    const char *why = no_memory;
    char *path;
    bool added;

    if (is_none(text))
        return true;
    path = sshconf_expand(&making->tokens, text, SSHCONF_TOKENS_MOST, expansion,
                          &why);
    added = path && sshdest_list_add(to, path);
    free(path);
    return added || sshconf_fail_value(value_of(making, id), why);
}

/* The same for each; usual, which ends with NULL, stands for them where
 * nothing sets the keyword. */
static bool
expand_list(const struct making *making, enum sshconf_id id,
            const char *const usual[], unsigned expansion,
            struct sshdest_list *to)
{
    const struct sshconf_value *value = value_of(making, id);
    bool good = true;

    for (size_t i = 0; good && i < value->texts.count; i++)
        good = expand_item(making, id, value->texts.item[i], expansion, to);
    for (size_t i = 0; good && !value->set && usual[i]; i++)
        good = expand_item(making, id, usual[i], expansion, to);
    return good;
}

static bool
set_algorithms(const struct making *making, enum sshconf_id id, char **to)
{
    const char *text = sshconf_text(making->conf, id);
    struct sshdest_list dropped = {.count = 0};
    const char *why = NULL;

    if (text)
        why = sshconf_algo_resolve(id, text, to, &dropped);
    for (size_t i = 0; making->ask->says_dropped && i < dropped.count; i++)
        fprintf(stderr, "culvert: %s: %s is not known to libssh\n",
                value_of(making, id)->where, dropped.item[i]);
    sshdest_list_clear(&dropped);
    return !why || sshconf_fail_value(value_of(making, id), why);
}

static bool
set_all_algorithms(const struct making *making)
{
    struct sshdest *dest = making->dest;
    const char *keys = sshconf_text(making->conf, SSHCONF_HOST_KEY_ALGORITHMS);

    dest->host_keys_by_known = keys && (*keys == '+' || *keys == '-');
    return set_algorithms(making, SSHCONF_CIPHERS, &dest->ciphers) &&
           set_algorithms(making, SSHCONF_MACS, &dest->macs) &&
           set_algorithms(making, SSHCONF_KEX_ALGORITHMS, &dest->kex) &&
           set_algorithms(making, SSHCONF_HOST_KEY_ALGORITHMS,
                          &dest->host_key_algorithms) &&
           set_algorithms(making, SSHCONF_PUBKEY_ACCEPTED_ALGORITHMS,
                          &dest->pubkey_algorithms);
}

/* Where the agent listens, if one is to be asked: a path, the name of an
 * environment variable that has it ("$NAME"), SSH_AUTH_SOCK or none. */
static bool
set_agent(const struct making *making)
{
    const char *text = sshconf_text(making->conf, SSHCONF_IDENTITY_AGENT);
    const char *path = NULL;

    if (!text || strcmp(text, "SSH_AUTH_SOCK") == 0)
        path = getenv("SSH_AUTH_SOCK");
    else if (text[0] == '$' && text[1] != '{')
        path = getenv(text + 1);
    else
        return expand(making, SSHCONF_IDENTITY_AGENT, SSHCONF_TOKENS_MOST,
                      EXPAND_PATH, &making->dest->identity_agent);
    return !path || !*path ||
           copy(making, SSHCONF_IDENTITY_AGENT, path,
                &making->dest->identity_agent);
}

static bool
set_files(const struct making *making)
{
    static const char *const keys[] = {
        "~/.ssh/id_rsa",     "~/.ssh/id_ecdsa",      "~/.ssh/id_ecdsa_sk",
        "~/.ssh/id_ed25519", "~/.ssh/id_ed25519_sk", NULL};
    static const char *const none[] = {NULL};
    static const char *const user[] = {"~/.ssh/known_hosts",
                                       "~/.ssh/known_hosts2", NULL};
    static const char *const global[] = {"/etc/ssh/ssh_known_hosts",
                                         "/etc/ssh/ssh_known_hosts2", NULL};
    struct sshdest *dest = making->dest;

    dest->identities_given = value_of(making, SSHCONF_IDENTITY_FILE)->set;
    return expand_list(making, SSHCONF_IDENTITY_FILE, keys, EXPAND_PATH,
                       &dest->identities) &&
           expand_list(making, SSHCONF_CERTIFICATE_FILE, none, EXPAND_PATH,
                       &dest->certificates) &&
           expand_list(making, SSHCONF_USER_KNOWN_HOSTS_FILE, user, EXPAND_PATH,
                       &dest->user_known_hosts) &&
           expand_list(making, SSHCONF_GLOBAL_KNOWN_HOSTS_FILE, global, 0,
                       &dest->global_known_hosts) &&
           expand_list(making, SSHCONF_REVOKED_HOST_KEYS, none, EXPAND_PATH,
                       &dest->revoked_host_keys) &&
           set_agent(making);
}

static bool
set_texts(const struct making *making)
{
    const struct sshconf_tokens *tokens = &making->tokens;
    const struct sshconf *conf = making->conf;
    struct sshdest *dest = making->dest;
    const char *alias = sshconf_text(conf, SSHCONF_HOST_KEY_ALIAS);
    const char *preferred =
        sshconf_text(conf, SSHCONF_PREFERRED_AUTHENTICATIONS);

    if (!copy(making, SSHCONF_HOST_NAME, tokens->given, &dest->given) ||
        !copy(making, SSHCONF_HOST_NAME, tokens->host, &dest->host) ||
        !copy(making, SSHCONF_USER, tokens->user, &dest->user) ||
        !copy(making, SSHCONF_BIND_ADDRESS,
              sshconf_text(conf, SSHCONF_BIND_ADDRESS), &dest->bind_host) ||
        !copy(making, SSHCONF_BIND_INTERFACE,
              sshconf_text(conf, SSHCONF_BIND_INTERFACE), &dest->bind_device) ||
        !copy(making, SSHCONF_HOST_KEY_ALIAS, alias, &dest->host_key_alias) ||
        !copy(making, SSHCONF_PREFERRED_AUTHENTICATIONS, preferred,
              &dest->preferred))
        return false;
    for (char *at = dest->host_key_alias; at && *at; at++)
        *at = (char)tolower((unsigned char)*at);
    return true;
}

/* A number that is no less than zero: "none" is zero. */
static double
number(const struct making *making, enum sshconf_id id, double otherwise)
{
    double value = sshconf_number(making->conf, id, otherwise);

    return value < 0 ? 0 : value;
}

static bool
flag(const struct making *making, enum sshconf_id id, bool otherwise)
{
    return sshconf_flag(making->conf, id, otherwise);
}

static void
set_numbers(const struct making *making)
{
    struct sshdest *dest = making->dest;

    dest->port = making->tokens.port;
    dest->family =
        (int)number(making, SSHCONF_ADDRESS_FAMILY, (double)dest->family);
    dest->connect_timeout =
        number(making, SSHCONF_CONNECT_TIMEOUT, CONNECT_TIMEOUT);
    dest->connection_attempts = (unsigned)number(
        making, SSHCONF_CONNECTION_ATTEMPTS, dest->connection_attempts);
    dest->rekey_bytes = (uint64_t)number(making, SSHCONF_REKEY_LIMIT, 0);
    dest->rekey_seconds =
        (unsigned)value_of(making, SSHCONF_REKEY_LIMIT)->second;
    dest->rsa_min_bits = (unsigned)number(making, SSHCONF_REQUIRED_RSA_SIZE, 0);
    dest->strict = (enum sshdest_strict)number(
        making, SSHCONF_STRICT_HOST_KEY_CHECKING, dest->strict);
    dest->password_prompts = (unsigned)number(
        making, SSHCONF_NUMBER_OF_PASSWORD_PROMPTS, dest->password_prompts);
    dest->alive_interval = (unsigned)number(
        making, SSHCONF_SERVER_ALIVE_INTERVAL, dest->alive_interval);
    dest->alive_count_max = (unsigned)number(
        making, SSHCONF_SERVER_ALIVE_COUNT_MAX, dest->alive_count_max);
}

static void
set_flags(const struct making *making)
{
    struct sshdest *dest = making->dest;

    dest->tcp_keepalive = flag(making, SSHCONF_TCP_KEEP_ALIVE, true);
    dest->compression = flag(making, SSHCONF_COMPRESSION, false);
    dest->hash_known_hosts = flag(making, SSHCONF_HASH_KNOWN_HOSTS, false);
    dest->no_host_check_for_localhost =
        flag(making, SSHCONF_NO_HOST_AUTHENTICATION_FOR_LOCALHOST, false);
    dest->batch_mode = flag(making, SSHCONF_BATCH_MODE, false);
    dest->pubkey_auth = flag(making, SSHCONF_PUBKEY_AUTHENTICATION, true);
    dest->password_auth = flag(making, SSHCONF_PASSWORD_AUTHENTICATION, true);
    dest->kbdint_auth =
        flag(making, SSHCONF_KBD_INTERACTIVE_AUTHENTICATION, true);
    dest->gssapi_auth = flag(making, SSHCONF_GSSAPI_AUTHENTICATION, false);
    dest->identities_only = flag(making, SSHCONF_IDENTITIES_ONLY, false);
}

static bool
check(const struct making *making)
{
    const char *command = sshconf_text(making->conf, SSHCONF_PROXY_COMMAND);

    if (making->dest->connection_attempts == 0)
        return sshconf_fail_value(value_of(making, SSHCONF_CONNECTION_ATTEMPTS),
                                  "must be at least 1");
    if (command && strcmp(command, "-") == 0)
        return sshconf_fail_value(
            value_of(making, SSHCONF_PROXY_COMMAND),
            "standard input and output cannot be the way to the server");
    if (making->dest->proxy_command &&
        flag(making, SSHCONF_PROXY_USE_FDPASS, false))
        return sshconf_fail_value(value_of(making, SSHCONF_PROXY_USE_FDPASS),
                                  "is not supported");
    return true;
}

/* RefuseConnection, of a server that is not the one on the command line. */
static bool
is_let(const struct sshconf *conf)
{
    const char *refuse = sshconf_text(conf, SSHCONF_REFUSE_CONNECTION);

    return !refuse || is_none(refuse) ||
           sshconf_fail_value(&conf->values[SSHCONF_REFUSE_CONNECTION], refuse);
}

/* Fills in the hop's conf what ssh would hand on to the ssh that it runs for a
 * jump: user, port, and the hops before. */
static bool
start_hop(struct sshconf *conf, const struct option_dest *to, const char *extra,
          const char *where)
{
    const struct sshconf_place place = {.option = where};
    char port[16];

    snprintf(port, sizeof(port), "%u", to->port);
    if (to->user[0] && !sshconf_put(conf, SSHCONF_USER, to->user, &place))
        return false;
    if (to->port && !sshconf_put(conf, SSHCONF_PORT, port, &place))
        return false;
    return !extra || sshconf_put(conf, SSHCONF_PROXY_JUMP, extra, &place);
}

struct sshdest *
sshconf_dest_of(const struct option_dest *to, const char *jumps,
                const char *where, const struct sshconf_ask *ask)
{
    struct sshconf_ask own = *ask;
    struct sshconf conf = {.forwards = NULL};
    struct sshdest *dest = NULL;

    own.given = to->host;
    if (start_hop(&conf, to, jumps, where) && sshconf_resolve(&conf, &own) &&
        is_let(&conf))
        dest = sshconf_dest_make(&conf, &own);
    sshconf_clear(&conf);
    return dest;
}

/* Makes the destination of the last of some hops, which jumps through those
 * before it. */
static struct sshdest *
make_hop(const struct making *making, char *hops, const char *where)
{
    char *comma = strrchr(hops, ',');
    struct sshconf_ask ask = *making->ask;
    struct option_dest to;
    const char *why;

    if (comma)
        *comma = 0;
    why = option_dest_parse(comma ? comma + 1 : hops, &to);
    if (!why && strcmp(to.host, making->tokens.given) == 0 &&
        (to.port ? to.port : 22) == making->tokens.port &&
        (!to.user[0] || strcmp(to.user, making->tokens.user) == 0))
        why = "would jump through the server itself";
    if (!why && ask.depth == JUMPS_MAX)
        why = "jumps through more than 16 servers";
    if (why) {
        sshconf_fail(&(struct sshconf_place){.option = where}, NULL, why);
        return NULL;
    }
    ask.depth++;
    return sshconf_dest_of(&to, comma ? hops : NULL, where, &ask);
}

static bool
set_way(const struct making *making)
{
    const struct sshconf_value *value = value_of(making, SSHCONF_PROXY_JUMP);
    struct sshdest *dest = making->dest;
    char *hops = NULL;
    bool good;

    if (!expand(making, SSHCONF_PROXY_COMMAND, SSHCONF_TOKENS_PROXY,
                SSHCONF_EXPAND_TOKENS, &dest->proxy_command) ||
        !expand(making, SSHCONF_PROXY_JUMP, SSHCONF_TOKENS_PROXY,
                SSHCONF_EXPAND_TOKENS, &hops))
        return false;
    if (hops)
        dest->jump = make_hop(making, hops, value->where);
    good = dest->jump || !hops;
    free(hops);
    return good;
}

struct sshdest *
sshconf_dest_make(const struct sshconf *conf, const struct sshconf_ask *ask)
{
    struct making making = {.conf = conf, .ask = ask};

    making.tokens = sshconf_tokens(conf, ask);
    making.dest = sshdest_create();
    if (!making.dest) {
        fprintf(stderr, "culvert: %s\n", no_memory);
        return NULL;
    }
    set_numbers(&making);
    set_flags(&making);
    if (set_texts(&making) && set_files(&making) &&
        set_all_algorithms(&making) && set_way(&making) && check(&making))
        return making.dest;
    sshdest_destroy(making.dest);
    return NULL;
}

/* Expands a Unix socket's path in its place. */
static bool
expand_path(const struct making *making, const struct forward *forward,
            char *path, size_t size)
{
    const struct sshconf_place place = {.option = forward->text};
    const char *why;
    char *expanded = sshconf_expand(&making->tokens, path, SSHCONF_TOKENS_MOST,
                                    EXPAND_MOST, &why);

    if (expanded && strlen(expanded) >= size) {
        free(expanded);
        expanded = NULL;
        why = "a socket's path has at most 107 bytes";
    }
    if (!expanded)
        return sshconf_fail(&place, NULL, why);
    strcpy(path, expanded);
    free(expanded);
    return true;
}

bool
sshconf_expand_forwards(struct sshconf *conf, const struct sshconf_ask *ask)
{
    struct making making = {.conf = conf, .ask = ask};
    struct forward *forward;

    making.tokens = sshconf_tokens(conf, ask);
    for (forward = conf->forwards; forward; forward = forward->next) {
        if (forward->where == LISTEN_UNIX &&
            !expand_path(&making, forward, forward->host, PATH_SIZE))
            return false;
        if (forward->target.kind == TARGET_UNIX &&
            !expand_path(&making, forward, forward->target.name, PATH_SIZE))
            return false;
    }
    return true;
}
