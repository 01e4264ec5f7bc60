/* Connects to a name: look-ups, order, and staggered attempts of RFC 8305. */
#ifndef CULVERT_TRANSPORT_NET_RACE_H
#define CULVERT_TRANSPORT_NET_RACE_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/net/addrsort.h"
#include "transport/net/attempt.h"
#include "transport/net/connect.h"
#include "transport/net/resolve.h"

/* Most addresses taken of one family's answer, and so tried in all: a name
 * that is a list of everything must not make us scan it. */
#define RACE_FAMILY_MAX 8
#define RACE_ADDRS_MAX  (2 * RACE_FAMILY_MAX)

/* RFC 8305 8: how long an answer for IPv4 waits for the one for IPv6, and an
 * attempt for the one before. */
#define RACE_RESOLUTION_DELAY_MS 50
#define RACE_ATTEMPT_DELAY_MS    250

/* Embedded in its owner, which sets the first group and zero elsewhere. */
struct race {
    const struct connector *connector;
    uint16_t port;
    bool want_v4;
    bool want_v6;
    bool (*permit)(void *arg, const union addr *addr); /* or NULL */
    void *permit_arg;
    /* Called once, on the loop, never from inside race_start; nothing is
     * touched after it, so it may free the race. fd is given. */
    void (*ended)(struct race *race, enum err err, int fd,
                  const union addr *remote);

    struct resolve resolve;
    enum err name_err[2]; /* by family, of those that gave no address */
    bool answered[2];
    bool started;   /* the resolution delay is over */
    ev_timer timer; /* the resolution delay, then the attempts' */
    double next_at; /* when another may start while one is under way */
    struct addrsort_item queue[RACE_ADDRS_MAX]; /* not tried, in order */
    size_t queued;
    struct attempt attempts[RACE_ADDRS_MAX];
    size_t tried;
    size_t under_way;
    enum err err; /* the most specific so far, and of which address */
    union addr err_addr;
};

/* Starts with the look-ups of the families wanted (at least one). */
void race_start(struct race *race, const char *name);

/* Ends it without a word. */
void race_stop(struct race *race);

#endif
