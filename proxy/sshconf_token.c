#include "proxy/sshconf_token.h"

#include <nettle/sha1.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* No value that is expanded is longer: paths and command lines. */
#define TEXT_MAX 65536

#define HASH_TEXT_SIZE (2 * SHA1_DIGEST_SIZE + 1)

static const char no_memory[] = "out of memory";

bool
sshconf_local_read(struct sshconf_local *local, const char **why)
{
    struct passwd *entry = getpwuid(getuid());

    *local = (struct sshconf_local){.user = NULL};
    if (!entry) {
        *why = "this user is not in the passwd file";
        return false;
    }
    local->user = strdup(entry->pw_name);
    local->home = strdup(entry->pw_dir);
    snprintf(local->uid, sizeof(local->uid), "%u", (unsigned)getuid());
    if (gethostname(local->machine, sizeof(local->machine) - 1) != 0)
        local->machine[0] = 0;
    local->machine[sizeof(local->machine) - 1] = 0;
    memcpy(local->label, local->machine, sizeof(local->label));
    local->label[strcspn(local->label, ".")] = 0;
    if (local->user && local->home)
        return true;
    sshconf_local_clear(local);
    *why = no_memory;
    return false;
}

void
sshconf_local_clear(struct sshconf_local *local)
{
    free(local->user);
    free(local->home);
    *local = (struct sshconf_local){.user = NULL};
}

/* A text that grows. out is NULL once memory was short or it got too long. */
struct text {
    char *out;
    size_t len;
    size_t room;
};

static void
append(struct text *text, const char *from, size_t len)
{
    if (text->out && len >= text->room - text->len) {
        size_t room = 2 * (text->len + len + 1);
        char *grown = room <= TEXT_MAX ? realloc(text->out, room) : NULL;

        if (!grown) {
            free(text->out);
            text->out = NULL;
        } else {
            text->out = grown;
            text->room = room;
        }
    }
    if (!text->out)
        return;
    memcpy(text->out + text->len, from, len);
    text->len += len;
    text->out[text->len] = 0;
}

/* %C: what names a connection, short enough for a socket's path. */
static void
hash_connection(const struct sshconf_tokens *tokens, char hex[HASH_TEXT_SIZE])
{
    char port[16];
    const char *parts[] = {tokens->local->machine, tokens->host, port,
                           tokens->user, tokens->jump};
    uint8_t digest[SHA1_DIGEST_SIZE];
    struct sha1_ctx sha1;

    snprintf(port, sizeof(port), "%u", tokens->port);
    sha1_init(&sha1);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (parts[i])
            sha1_update(&sha1, strlen(parts[i]), (const uint8_t *)parts[i]);
    }
    sha1_digest(&sha1, sizeof(digest), digest);
    for (size_t i = 0; i < sizeof(digest); i++)
        sprintf(hex + 2 * i, "%02x", digest[i]);
}

/* What one token stands for, for which buf may be used. */
static const char *
token_value(const struct sshconf_tokens *tokens, char token,
            char buf[HASH_TEXT_SIZE])
{
    const struct sshconf_local *local = tokens->local;

    switch (token) {
    case 'C':
        hash_connection(tokens, buf);
        return buf;
    case 'd':
        return local->home;
    case 'h':
        return tokens->host;
    case 'i':
        return local->uid;
    case 'j':
        return tokens->jump ? tokens->jump : "";
    case 'k':
        return tokens->alias ? tokens->alias : tokens->given;
    case 'L':
        return local->label;
    case 'l':
        return local->machine;
    case 'n':
        return tokens->given;
    case 'p':
        snprintf(buf, HASH_TEXT_SIZE, "%u", tokens->port);
        return buf;
    case 'r':
        return tokens->user;
    case 'u':
        return local->user;
    default:
        return NULL;
    }
}

/* Appends what "%X" stands for. Returns what is wrong, or NULL. */
static const char *
append_token(const struct sshconf_tokens *tokens, char token,
             const char *allowed, struct text *text)
{
    char buf[HASH_TEXT_SIZE];
    const char *value = NULL;

    if (token == '%')
        value = "%";
    else if (token && strchr(allowed, token))
        value = token_value(tokens, token, buf);
    if (!value)
        return "has a % with a letter that is no token here; %% is a %";
    append(text, value, strlen(value));
    return NULL;
}

/* Appends what "${NAME}" stands for, and moves *at behind it. */
static const char *
append_env(const char **at, struct text *text)
{
    const char *name = *at + 2;
    size_t len = strcspn(name, "}");
    char copy[256];
    const char *value;

    if (!name[len] || len == 0 || len >= sizeof(copy))
        return "has a ${ that is not closed";
    memcpy(copy, name, len);
    copy[len] = 0;
    value = getenv(copy);
    if (!value)
        return "names an environment variable that is not set";
    append(text, value, strlen(value));
    *at = name + len + 1;
    return NULL;
}

/* Appends the home that "~" or "~user" stands for, and moves *at behind. */
static const char *
append_home(const struct sshconf_local *local, const char **at,
            struct text *text)
{
    size_t len = strcspn(*at + 1, "/");
    char user[256];
    struct passwd *entry;

    if (len == 0) {
        append(text, local->home, strlen(local->home));
        *at += 1;
        return NULL;
    }
    if (len >= sizeof(user))
        return "names a user that is not there";
    memcpy(user, *at + 1, len);
    user[len] = 0;
    entry = getpwnam(user);
    if (!entry)
        return "names a user that is not there";
    append(text, entry->pw_dir, strlen(entry->pw_dir));
    *at += 1 + len;
    return NULL;
}

char *
sshconf_expand(const struct sshconf_tokens *tokens, const char *text,
               const char *allowed, unsigned expansion, const char **why)
{
    struct text to = {.out = malloc(64), .room = 64};
    const char *bad = NULL;

    if (to.out)
        to.out[0] = 0;
    if ((expansion & SSHCONF_EXPAND_TILDE) && *text == '~')
        bad = append_home(tokens->local, &text, &to);
    while (*text && !bad) {
        size_t plain = strcspn(text, "%$");

        append(&to, text, plain);
        text += plain;
        if (*text == '%' && (expansion & SSHCONF_EXPAND_TOKENS)) {
            bad = append_token(tokens, text[1], allowed, &to);
            text += text[1] ? 2 : 1;
        } else if (*text == '$' && text[1] == '{' &&
                   (expansion & SSHCONF_EXPAND_ENV)) {
            bad = append_env(&text, &to);
        } else if (*text) {
            append(&to, text++, 1);
        }
    }
    if (!bad && to.out)
        return to.out;
    *why = bad ? bad : "is too long, or memory is short";
    free(to.out);
    return NULL;
}

char *
sshconf_expand_tilde(const struct sshconf_local *local, const char *text,
                     const char **why)
{
    struct sshconf_tokens tokens = {.local = local};

    return sshconf_expand(&tokens, text, "", SSHCONF_EXPAND_TILDE, why);
}
