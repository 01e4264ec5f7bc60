/* Two engines on workers of their own, and between sessions and plain TCP a
 * transport that says on which of them it is at home. */
#ifndef CULVERT_TESTS_UNIT_TWO_BED_H
#define CULVERT_TESTS_UNIT_TWO_BED_H

#include <stdatomic.h>

#include "tests/unit/session_bed.h"

/* Plain TCP that is at home on one worker of two. */
struct homely {
    struct transport transport;
    struct transport *tcp;
    struct two *two;
};

struct two {
    struct session_bed bed; /* the first worker */
    struct worker *worker;  /* the second */
    struct engine *engine;
    struct engine *engines[2];
    struct homely homely[2];
    atomic_uint home;  /* which of them */
    atomic_int again;  /* so many dials are sent home again: elsewhere */
    atomic_uint dials; /* so many were made */
};

/* At home on the second worker. */
void two_init(struct two *two);

/* Starts both. */
void two_start(struct two *two);

/* Ends the second worker's loop, not its engine. Returns what it counted. */
struct counters two_stop_second(struct two *two);
void two_destroy_second(struct two *two);

/* Waits until the first worker has done what it was doing. */
void two_await_first(struct two *two);

#endif
