/* Part of sshconf_dest.h: until the conf is complete. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proxy/option_dest.h"
#include "proxy/sshconf_dest.h"
#include "proxy/sshconf_file.h"

static const char no_memory[] = "out of memory";

/* Replaces a keyword's text, and leaves where it was written. */
static bool
replace_text(struct sshconf *conf, enum sshconf_id id, const char *text)
{
    struct sshconf_value *value = &conf->values[id];

    sshdest_list_clear(&value->texts);
    value->set = true;
    return sshdest_list_add(&value->texts, text) ||
           sshconf_fail_value(value, no_memory);
}

/* Sets HostName to what is dialled: in lower case, as names are compared with
 * known_hosts; an address keeps its letters, of which a zone may have some. */
static bool
settle_host(struct sshconf *conf, const struct sshconf_ask *ask)
{
    const struct sshconf_value *value = &conf->values[SSHCONF_HOST_NAME];
    struct sshconf_tokens tokens = {.local = ask->local, .host = ask->given};
    const char *name = sshconf_text(conf, SSHCONF_HOST_NAME);
    const char *why;
    union addr addr;
    char *host;
    bool good;

    host =
        sshconf_expand(&tokens, name ? name : ask->given, SSHCONF_TOKENS_HOST,
                       name ? SSHCONF_EXPAND_TOKENS : 0, &why);
    if (!host)
        return sshconf_fail_value(value, why);
    if (!addr_parse(&addr, host, strcspn(host, "%"), 0)) {
        for (char *at = host; *at; at++)
            *at = (char)tolower((unsigned char)*at);
    }
    good = replace_text(conf, SSHCONF_HOST_NAME, host);
    free(host);
    return good;
}

/* Sets User: as this user is called, if nothing says otherwise. What a file
 * says may have tokens. */
static bool
settle_user(struct sshconf *conf, const struct sshconf_ask *ask)
{
    const struct sshconf_value *value = &conf->values[SSHCONF_USER];
    struct sshconf_tokens tokens = sshconf_tokens(conf, ask);
    const char *why;
    char *user;
    bool good;

    if (!value->set)
        return replace_text(conf, SSHCONF_USER, ask->local->user);
    if (!value->in_file)
        return true;
    user = sshconf_expand(&tokens, value->texts.item[0], SSHCONF_TOKENS_USER,
                          SSHCONF_EXPAND_TOKENS | SSHCONF_EXPAND_ENV, &why);
    if (!user)
        return sshconf_fail_value(value, why);
    good = replace_text(conf, SSHCONF_USER, user);
    free(user);
    return good;
}

/* Keeps the host that is jumped through last, for %j. */
static bool
settle_jump(struct sshconf *conf)
{
    const struct sshconf_value *value = &conf->values[SSHCONF_PROXY_JUMP];
    const char *jump = sshconf_text(conf, SSHCONF_PROXY_JUMP);
    const char *last = jump ? strrchr(jump, ',') : NULL;
    struct option_dest dest;
    const char *why;

    if (!jump || strcasecmp(jump, "none") == 0)
        return true;
    why = option_dest_parse(last ? last + 1 : jump, &dest);
    if (why)
        return sshconf_fail_value(value, why);
    conf->jump_host = strdup(dest.host);
    return conf->jump_host || sshconf_fail_value(value, no_memory);
}

bool
sshconf_resolve(struct sshconf *conf, const struct sshconf_ask *ask)
{
    struct sshconf_scope scope = {
        .conf = conf,
        .local = ask->local,
        .original = ask->given,
        .host = ask->given,
        .says_files = ask->says_files,
        .run = ask->run,
    };
    char *host;
    bool good;

    if (!sshconf_file_read(&scope, ask->path) || !settle_host(conf, ask))
        return false;
    if (!scope.wants_final)
        return settle_jump(conf) && settle_user(conf, ask);
    host = strdup(sshconf_text(conf, SSHCONF_HOST_NAME));
    if (!host)
        return sshconf_fail_value(&conf->values[SSHCONF_HOST_NAME], no_memory);
    scope.final = true;
    scope.host = host;
    good = sshconf_file_read(&scope, ask->path);
    free(host);
    return good && settle_jump(conf) && settle_user(conf, ask);
}

struct sshconf_tokens
sshconf_tokens(const struct sshconf *conf, const struct sshconf_ask *ask)
{
    const char *user = sshconf_text(conf, SSHCONF_USER);

    return (struct sshconf_tokens){
        .local = ask->local,
        .given = ask->given,
        .host = sshconf_text(conf, SSHCONF_HOST_NAME),
        .user = user ? user : ask->local->user,
        .alias = sshconf_text(conf, SSHCONF_HOST_KEY_ALIAS),
        .jump = conf->jump_host,
        .port = (unsigned)sshconf_number(conf, SSHCONF_PORT, 22),
    };
}
