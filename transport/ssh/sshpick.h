/* Which link of a pool a dial goes to, and when there should be another: the
 * policy alone, pure. */
#ifndef CULVERT_TRANSPORT_SSH_SSHPICK_H
#define CULVERT_TRANSPORT_SSH_SSHPICK_H

#include <stdbool.h>
#include <stddef.h>

/* A name that takes sshd longer than this holds up all of its link. */
#define SSHPICK_STALLED_SECONDS 0.3

/* A link's place, as it is at the moment. */
struct sshpick_row {
    bool taken; /* there is a link, or one is being made */
    bool up;
    unsigned worker;
    unsigned channels;
    unsigned opening;
    unsigned unsent; /* bytes */
    unsigned rate;   /* bytes a second */
    unsigned scouts; /* of those opening, to names that may take long */
    double stalled;  /* seconds for which opens have waited and nothing at all
                      * was heard: its server may be resolving a slow name */
};

struct sshpick_question {
    const struct sshpick_row *rows;
    unsigned count;
    unsigned asker;   /* the worker that has the session */
    unsigned workers; /* how many there are */
    unsigned limit;   /* links there may be */
    bool may_add;     /* no failure of late forbids it */
    bool asker_only;  /* only its own links will do */
    bool is_scout;    /* to a name that may take long */
};

struct sshpick_answer {
    int use;            /* the row, or -1: none is up */
    int add;            /* the row to make one more link in, or -1 */
    unsigned on_worker; /* where */
    bool hold;          /* a scout, which had better wait for a link that is
                         * being made than stop all there are */
};

struct sshpick_answer sshpick(const struct sshpick_question *question);

/* How long to wait after so many failures in a row (0: the link was lost just
 * now) to make the last link anew. spread is a random number in [0, 1):
 * clients that lost one server together don't come back together. */
double sshpick_retry_seconds(unsigned failures, bool hopeless, double spread);

/* The same for links beside others that are up. A server that refuses logins
 * (MaxStartups, a ban) is not to be pressed. */
double sshpick_extra_seconds(unsigned failures, bool hopeless, double spread);

#endif
