/* From what ssh's configuration says to a destination. */
#ifndef CULVERT_PROXY_SSHCONF_DEST_H
#define CULVERT_PROXY_SSHCONF_DEST_H

#include "proxy/option_dest.h"
#include "proxy/sshconf.h"
#include "proxy/sshconf_token.h"

/* What is asked about. All is borrowed. */
struct sshconf_ask {
    const char *given; /* the host as it was given */
    const char *path;  /* -F, or NULL */
    const struct sshconf_local *local;
    bool says_files;   /* name each file that is read */
    bool says_dropped; /* name algorithms that libssh does not know */
    unsigned depth;    /* of jumps; 0 for the destination itself */
    int (*run)(const char *command); /* as in struct sshconf_scope */
};

/* Reads the files into conf, which has what the command line said, and sets
 * HostName and User where nothing did.
 * Returns true, or false when something was wrong; every message has been
 * printed. */
bool sshconf_resolve(struct sshconf *conf, const struct sshconf_ask *ask);

/* What tokens stand for, of a conf that is resolved (which stays borrowed). */
struct sshconf_tokens sshconf_tokens(const struct sshconf *conf,
                                     const struct sshconf_ask *ask);

/* Makes the destination of a conf that is resolved, and those that it jumps
 * through, each resolved by itself with nothing of the command line but -F.
 * Returns it (sshdest_destroy), or NULL when something was wrong; a message
 * has been printed. */
struct sshdest *sshconf_dest_make(const struct sshconf *conf,
                                  const struct sshconf_ask *ask);

/* Makes the destination of a server that the command line names besides:
 * resolved by itself, with nothing of the command line but -F and what is in
 * `to`. jumps: the hops before it, as -J has them, or NULL; where: the option
 * that names it, for messages. Returns as sshconf_dest_make. */
struct sshdest *sshconf_dest_of(const struct option_dest *to, const char *jumps,
                                const char *where,
                                const struct sshconf_ask *ask);

/* Expands the paths of forwards' Unix sockets. Returns as sshconf_resolve. */
bool sshconf_expand_forwards(struct sshconf *conf,
                             const struct sshconf_ask *ask);

#endif
