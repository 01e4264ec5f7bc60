/* What ssh_config calls tokens (%h, %p...), ${NAME} and ~, and what they stand
 * for. */
#ifndef CULVERT_PROXY_SSHCONF_TOKEN_H
#define CULVERT_PROXY_SSHCONF_TOKEN_H

#include <stdbool.h>

/* The tokens that most keywords take; HostName and ProxyCommand take fewer. */
#define SSHCONF_TOKENS_MOST    "CdhijkLlnpru"
#define SSHCONF_TOKENS_USER    "dhijkLlnpu"
#define SSHCONF_TOKENS_PROXY   "hknpr"
#define SSHCONF_TOKENS_HOST    "h"
#define SSHCONF_TOKENS_NO_DEST "dilLu" /* those that need no destination */

/* This user on this machine. */
struct sshconf_local {
    char *user;        /* %u */
    char *home;        /* %d, and ~ */
    char uid[16];      /* %i */
    char machine[256]; /* %l */
    char label[256];   /* %L: up to the first dot */
};

/* Returns true and gives what is in *local (sshconf_local_clear), or false and
 * *why (static text): this user is in no passwd file. */
bool sshconf_local_read(struct sshconf_local *local, const char **why);
void sshconf_local_clear(struct sshconf_local *local);

/* What tokens stand for. All is borrowed. */
struct sshconf_tokens {
    const struct sshconf_local *local;
    const char *given; /* %n: the host as it was given */
    const char *host;  /* %h */
    const char *user;  /* %r */
    const char *alias; /* %k; NULL: given */
    const char *jump;  /* %j; NULL: none */
    unsigned port;     /* %p */
};

enum sshconf_expansion {
    SSHCONF_EXPAND_TOKENS = 1,
    SSHCONF_EXPAND_ENV = 2,   /* ${NAME}, which must be set */
    SSHCONF_EXPAND_TILDE = 4, /* ~ and ~user at the start */
};

/* Expands text. allowed has the letters of the tokens; expansion is of enum
 * sshconf_expansion. Returns the outcome, for free(); NULL with *why set
 * (static text) when something has no value or memory is out. */
char *sshconf_expand(const struct sshconf_tokens *tokens, const char *text,
                     const char *allowed, unsigned expansion, const char **why);

/* Expands ~ alone. Returns as sshconf_expand. */
char *sshconf_expand_tilde(const struct sshconf_local *local, const char *text,
                           const char **why);

#endif
