/* How many sessions there may be: of the process and of one source. Shared by
 * the workers. */
#ifndef CULVERT_PROXY_LIMITS_H
#define CULVERT_PROXY_LIMITS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "transport/base/addr.h"
#include "transport/base/err.h"

struct source_count;

struct limits {
    unsigned max_sessions;   /* 0: no limit */
    unsigned max_per_source; /* 0: no limit */
    unsigned per_session;    /* descriptors of one: 2 from limits_init on; to
                              * be set before any session where it is 1 */
    long long all;           /* descriptors there were for sessions when the
                              * program stood, */
    atomic_llong free;       /* and there are now */
    atomic_uint open;        /* sessions there are, refused ones too */
    atomic_uint counted;     /* sessions that count for max_sessions */
    atomic_llong short_at;   /* second of the last shortage; 0: never */
    pthread_mutex_t lock;    /* for sources */
    struct source_count *sources;
};

/* descriptors: RLIMIT_NOFILE; reserved: those in use by other things. */
void limits_init(struct limits *limits, unsigned max_sessions,
                 unsigned max_per_source, size_t descriptors, size_t reserved);
void limits_destroy(struct limits *limits);

/* Takes descriptors from those for sessions, for something that stands for
 * long; negative: gives them back. Thread: any. */
void limits_take(struct limits *limits, long long descriptors);

/* All that stands for long from the start has been taken. Before any session.
 */
void limits_settle(struct limits *limits);

/* What peers can ask for without end, and what of all descriptors is kept from
 * it: a quarter from logins, so that clients are served; half from ports, so
 * that others log in. */
enum limits_share {
    LIMITS_LOGINS = 1,
    LIMITS_PORTS = 2,
};

/* Whether so many may be taken. Thread: any. */
bool limits_may_take(const struct limits *limits, enum limits_share share,
                     long long descriptors);

/* Counts a session that came in. Returns ERR_OK, or ERR_LIMIT (ERR_NO_MEMORY)
 * when it is to be refused. Either way limits_leave is due, with what this
 * returned. Thread: any. */
enum err limits_enter(struct limits *limits, const union addr *source);
void limits_leave(struct limits *limits, const union addr *source,
                  enum err entered);

/* A session that was let in has ended, and its place is free; its descriptors
 * are not yet: limits_leave is still due, with ERR_LIMIT. */
void limits_uncount(struct limits *limits, const union addr *source);

/* Notes that new clients have to wait. A shortage comes and goes with every
 * client: returns whether this is news, the first one for a minute. Thread:
 * any. */
bool limits_note_shortage(struct limits *limits);

/* Whether there are descriptors for one more session. Clients that would only
 * get an error wait in the listener's queue instead. */
bool limits_have_room(struct limits *limits);

#endif
