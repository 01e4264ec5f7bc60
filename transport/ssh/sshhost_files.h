/* What the known_hosts files say about a server. */
#ifndef CULVERT_TRANSPORT_SSH_SSHHOST_FILES_H
#define CULVERT_TRANSPORT_SSH_SSHHOST_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "transport/ssh/sshdest.h"

/* Later ones outweigh those before them. */
enum sshhost_state {
    SSHHOST_NEW,     /* nothing, or keys of other types alone */
    SSHHOST_CHANGED, /* another key of its type is there, not this one */
    SSHHOST_SAME,    /* the key is there, whatever other lines say */
    SSHHOST_REVOKED, /* the key is there as revoked, wherever else it is */
};

/* The key that a server has shown. */
struct sshhost_key {
    const char *name;   /* what its keys are kept under (sshknown_name) */
    const char *type;   /* "ssh-ed25519" */
    const char *base64; /* the key */
};

struct sshhost_found {
    enum sshhost_state state;
    const char *file;   /* of the line that decided, or that is of another
                         * type; lent by the destination; or NULL */
    unsigned line;      /* its number, from 1 */
    bool has_authority; /* a @cert-authority line is about this server */
    bool has_other;     /* so is a key of another type */
    const char *unread; /* with an error: the file that it is about */
    int error;          /* a file could not be read for now (descriptors,
                         * memory, disk), so nothing of this counts; or 0 */
};

/* Looks a key up in the user's files, then in the system's; missing files say
 * nothing. Reads files: it may block. */
struct sshhost_found sshhost_find(const struct sshdest *dest,
                                  const struct sshhost_key *key);

/* A comma-separated list of host key algorithms, dest's or the usual ones,
 * those first for which there are keys of this server, so that one with several
 * keys isn't taken for a changed one. Returns buf; cut at a whole name. */
char *sshhost_algorithms(const struct sshdest *dest, const char *name,
                         char *buf, size_t size);

enum sshhost_revocation {
    SSHHOST_NOT_REVOKED,
    SSHHOST_IS_REVOKED,
    SSHHOST_UNREADABLE, /* a list that can't be read: then no key is trusted */
};

/* Looks the key up in RevokedHostKeys; *file is the one that decided, lent by
 * the destination. */
enum sshhost_revocation sshhost_revoked(const struct sshdest *dest,
                                        const struct sshhost_key *key,
                                        const char **file);

#endif
