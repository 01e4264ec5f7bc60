/* A pool: the links to one SSH server, over all workers.
 *
 * It starts with one. When those there are are busy (a bulk transfer, many
 * opens at once), another is added on the worker that has the fewest, up to a
 * limit; one that idles long is closed, but the last. A dial goes to the least
 * busy. Where the login took a person's one-time answer, the limit is one. A
 * server that refuses more logins is left alone for a while, and those there
 * are go on. When the last is lost, it is made anew without end, with a
 * back-off and jitter; dials wait meanwhile.
 *
 * Each worker has a member of the pool, which owns the links on it; what
 * the pool itself knows is under one lock, held for a few steps at a time. */
#ifndef CULVERT_TRANSPORT_SSH_SSHPOOL_H
#define CULVERT_TRANSPORT_SSH_SSHPOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "transport/base/err.h"
#include "transport/ssh/sshcred.h"
#include "transport/ssh/sshdest.h"

struct sshpool;

/* More links than this to one server serve nobody. */
#define SSHPOOL_CONNECTIONS_MAX 64

struct sshpool_config {
    const struct sshdest *dest; /* borrowed until destroy */
    struct sshcred *cred;       /* borrowed until destroy */
    unsigned connections;       /* at most so many links: at least 1; more than
                                 * SSHPOOL_CONNECTIONS_MAX are as many */
    unsigned workers;           /* how many members will join */
    unsigned first;             /* the worker that has the first link */
};

enum err sshpool_create(const struct sshpool_config *config,
                        struct sshpool **pool);

/* Every member has left. NULL does nothing. */
void sshpool_destroy(struct sshpool *pool);

/* Opens the first link, on its worker, with dest's connection_attempts;
 * done is called once, on that worker's thread: ERR_OK, or what failed, with a
 * message for a person (lent). After a failure the pool does nothing more.
 * Until it is up no dial may start. Thread: any, once, after every member has
 * joined; the workers run or will. */
void sshpool_begin(struct sshpool *pool,
                   void (*done)(void *arg, enum err err, const char *text),
                   void *arg);

/* Makes every link anew, now: SIGUSR2, -O reconnect. Streams on the old links
 * end with an error. Thread: any. */
void sshpool_reconnect(struct sshpool *pool);

enum sshpool_state {
    SSHPOOL_CONNECTING,
    SSHPOOL_UP,
    SSHPOOL_WAITING, /* for the next try */
};

/* One link, as it was at the moment of asking. */
struct sshpool_row {
    enum sshpool_state state;
    unsigned worker;
    unsigned channels;
    unsigned opening;
    uint64_t in;  /* bytes of channels from the server */
    uint64_t out; /* and to it */
    unsigned rtt_us;
    double since; /* clock_seconds() of its last change of state */
};

/* Copies at most most rows. Returns how many there are. Thread: any. */
unsigned sshpool_rows(struct sshpool *pool, struct sshpool_row *rows,
                      unsigned most);

#endif
