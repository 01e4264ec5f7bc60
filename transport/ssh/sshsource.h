/* Where logins come from: how many are under way, of each source, and which
 * sources are kept out for a while.
 *
 * A source is an IPv4 address, or an IPv6 /64: whoever has one of those
 * addresses mostly has them all. Not thread-safe, knows no clock and no socket:
 * times are clock_seconds(), given by who calls. */
#ifndef CULVERT_TRANSPORT_SSH_SSHSOURCE_H
#define CULVERT_TRANSPORT_SSH_SSHSOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/base/addr.h"

/* As OpenSSH's PerSourcePenalties: what a login that ended badly costs its
 * source. Nothing is done until so much has gathered. */
#define SSHSOURCE_FAILED_SECONDS 5.0
#define SSHSOURCE_LEFT_SECONDS   1.0
#define SSHSOURCE_SLOW_SECONDS   10.0
#define SSHSOURCE_GATHER_SECONDS 15.0
#define SSHSOURCE_MOST_SECONDS   600.0

/* At most so many logins under way, of all sources and of one. */
#define SSHSOURCE_LOGINS_MAX 128u
#define SSHSOURCE_EACH_MAX   32u

/* A login that has had so long is put out for a new one when there are as many
 * as there may be. Those that are younger are left to get on with it: a site
 * whose clients all come back at once would undo its own logins for ever. */
#define SSHSOURCE_SPARED_SECONDS 2.0

/* Then new ones wait, at most so many, of all sources and of one. */
#define SSHSOURCE_WAITING_MAX      256u
#define SSHSOURCE_WAITING_EACH_MAX 128u

/* Sources that are remembered. */
#define SSHSOURCE_KNOWN_MAX 8192u

struct sshsource;

/* One login. Embedded in its owner; zero is outside. */
struct sshsource_guest {
    struct sshsource *source; /* NULL: outside */
    bool waits;               /* for its turn */
    double since;             /* under way since then */
    struct sshsource_guest *prev;
    struct sshsource_guest *next;
};

/* Zero is empty. */
struct sshsources {
    struct sshsource *known;   /* by address */
    struct sshsource *present; /* those with logins under way */
    unsigned known_count;
    unsigned guests;
    unsigned waiting;
    double swept; /* when what was over has been forgotten */
};

enum sshsource_answer {
    SSHSOURCE_IN,        /* under way from now on */
    SSHSOURCE_WAIT,      /* to be asked for again, until in or left */
    SSHSOURCE_BARRED,    /* its source is kept out */
    SSHSOURCE_CROWDED,   /* too many wait already */
    SSHSOURCE_NO_MEMORY, /* not known, and can't be */
};

/* Lets a login in, or not; for one that waits: asks again. *victim is another
 * that has to go for it, which has left already; or NULL.
 * Keeps a borrow of guest until sshsource_leave, or until it is a victim. */
enum sshsource_answer sshsource_enter(struct sshsources *sources,
                                      struct sshsource_guest *guest,
                                      const union addr *peer, double now,
                                      struct sshsource_guest **victim);

/* Nothing happens to one that is outside. */
void sshsource_leave(struct sshsources *sources, struct sshsource_guest *guest,
                     double now);

/* A login of this source went wrong. Returns true when it is kept out for that
 * from now on, and was not before. */
bool sshsource_blame(struct sshsources *sources, const union addr *peer,
                     double seconds, double now);

/* A login of this source went well. */
void sshsource_forgive(struct sshsources *sources, const union addr *peer,
                       double now);

/* For how many more seconds it is kept out; 0: it is not. */
double sshsource_barred(const struct sshsources *sources,
                        const union addr *peer, double now);

/* Forgets all; no login may be in it. */
void sshsource_clear(struct sshsources *sources);

#endif
