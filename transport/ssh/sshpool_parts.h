/* What the parts of a pool share; for them alone. */
#ifndef CULVERT_TRANSPORT_SSH_SSHPOOL_PARTS_H
#define CULVERT_TRANSPORT_SSH_SSHPOOL_PARTS_H

#include <ev.h>
#include <pthread.h>
#include <stdatomic.h>

#include "transport/base/log.h"
#include "transport/net/connect.h"
#include "transport/ssh/sshconnect.h"
#include "transport/ssh/sshlink.h"
#include "transport/ssh/sshnames.h"
#include "transport/ssh/sshpick.h"
#include "transport/ssh/sshpool.h"

struct pool_dial;
struct sshmember;
struct sshremote;

/* What another thread has a slot's worker do. */
enum slot_order {
    SLOT_NOTHING,
    SLOT_START,   /* the first connection of its link */
    SLOT_RESTART, /* away with what there is, and anew */
};

/* A place for one link. */
struct pool_slot {
    struct sshpool *pool;
    unsigned index;

    /* Under the pool's lock. A place that is not taken belongs to nobody. */
    bool taken;
    enum sshpool_state state;
    enum slot_order order;
    unsigned worker;
    double since;
    unsigned remotes;   /* forwards that are on its link, or are to be */
    bool sick;          /* its link refuses opens: it is about to go down */
    double marked;      /* when its bytes were looked at */
    uint64_t marked_at; /* and how many there were */
    double pace;        /* bytes a second, between the last two looks */
    uint64_t in_seen;   /* bytes that had come by the last look, */
    double heard;       /* and when there were more than at the one before */
    struct sshlink_load load;
    /* When opens began to wait for any outcome, in ms of the clock; 0: none
     * does. Written by the worker. */
    atomic_ullong waiting_ms;
    atomic_uint scouts; /* dials under way to names that may take long */

    /* The worker's, while it is taken. */
    struct sshmember *member;
    struct sshconnect *connect;
    struct sshlink *link;
    struct sshcarrier *carrier;
    struct log_limit strangers; /* of words about channels of no forward */
    ev_timer hold;              /* when forwards have waited for another link */
    struct pool_dial *dials;    /* being opened, the oldest first */
    ev_timer retry;
    unsigned failures; /* in a row */
    char last_failure[SSHCONNECT_TEXT_MAX];
    double idle_since; /* clock_seconds(); 0: it isn't idle */
    uint64_t opened;   /* dials so far */
    uint64_t opened_then;
};

struct sshpool {
    struct sshpool_config config;
    char name[300]; /* "user@host:port" */
    void (*begun)(void *arg, enum err err, const char *text);
    void *begun_arg;

    pthread_mutex_t lock;       /* for all below, and the slots' first part */
    struct sshmember **members; /* by worker; NULL: not there */
    bool over;                  /* the first connection failed */
    bool beginning;             /* it is under way */
    bool lost;                  /* the last link was, and is not back */
    unsigned attempts;          /* that it may take still */
    unsigned limit;             /* of links */
    unsigned extra_failures;    /* in a row */
    double extra_after;         /* no more links before */
    struct sshnames names;      /* that take no time */
    struct pool_slot *slots;    /* config.connections of them */
    struct sshremote *remotes;  /* that are wanted, or not closed yet */
};

/* A worker's part. */
struct sshmember {
    struct sshpool *pool;
    struct worker *worker;
    struct connector *connector;
    unsigned index;
    struct mail nudge; /* something has changed: look */
    atomic_bool nudged;
    struct task settle; /* looks at the dials that wait */
    struct pool_dial *waiting;
    bool stopped;
    ev_timer tidy; /* looks for links that idle */
    ev_timer look; /* looks at dials that are held, or stuck */
};

/* --- sshpool.c: under the lock -------------------------------------------- */

void sshpool_lock(struct sshpool *pool);
void sshpool_unlock(struct sshpool *pool);

/* Has a member look at what has changed; all of them. */
void sshpool_nudge(struct sshpool *pool, unsigned worker);
void sshpool_nudge_all(struct sshpool *pool);

void sshpool_set_state(struct pool_slot *slot, enum sshpool_state state);

/* The place is nobody's from now on. */
void sshpool_give_up(struct pool_slot *slot);

/* A place for a link that is about to be made, on the worker that has the
 * fewest. Returns whether there was one. */
bool sshpool_add(struct sshpool *pool);

bool sshpool_is_up(const struct pool_slot *slot);

/* How many links are up; how many places are taken besides this one. */
unsigned sshpool_count_up(const struct sshpool *pool);
bool sshpool_has_others(const struct pool_slot *slot);

/* Who wants a link. */
struct pool_ask {
    unsigned worker;
    bool own_only; /* one of its own links; adds none */
    bool is_scout; /* for a name that may take long */
};

/* Which slot a dial should go to; NULL: none. Adds a link where that is due.
 * *hold (or NULL) is set to whether it should rather wait for one that is
 * being made. */
struct pool_slot *sshpool_pick(struct sshpool *pool, const struct pool_ask *ask,
                               bool *hold);

/* Where dials go now, or wait: a worker's index; -1 when nowhere. */
int sshpool_home(struct sshpool *pool, const struct pool_ask *ask);

/* Whether it is to a name that may take long. */
bool sshpool_is_scout(struct sshpool *pool, const struct target *target);

/* Whether nothing is heard of a slot's link while a name is looked up, and
 * there is another that does better. */
bool sshpool_is_stuck(struct pool_slot *slot);

/* --- sshpool.c: without it ------------------------------------------------ */

/* A random number in [0, 1). */
double sshpool_spread(void);

/* --- sshslot.c: one link's life, on its worker ---------------------------- */

void sshslot_init(struct pool_slot *slot, struct sshpool *pool, unsigned index);

/* Does what was ordered. */
void sshslot_obey(struct pool_slot *slot);

/* Closes it if it has idled long and isn't the last. */
void sshslot_tidy(struct pool_slot *slot);

/* Ends all there is of it. Dials on it are done with ERR_AGAIN. */
void sshslot_clear(struct pool_slot *slot);

/* --- sshmember.c ---------------------------------------------------------- */

/* A dial: it waits, or is being opened on a slot's link. */
struct pool_dial {
    struct sshlink_open open;
    struct dial *dial;
    struct sshmember *member;
    struct pool_slot *slot; /* NULL: it waits */
    bool is_scout;
    double started; /* clock_seconds(): when it began to wait, or to open */
    struct pool_dial *prev;
    struct pool_dial *next;
};

/* Has all of a list be dialled again, from wherever is home then. */
void sshmember_dial_again(struct pool_dial **list);

/* Has a look at the dials that wait, soon. */
void sshmember_settle_soon(struct sshmember *member);

#endif
