/* Time-outs of one length, many at a time, for the price of one timer.
 *
 * Sessions wait by the thousand for the same few spans (handshake, connect,
 * idle, ...). As each queue has one span, an entry started last ends last: a
 * list in order of time, one ev_timer for its head, and starting, restarting
 * or stopping an entry costs no more than its links. */
#ifndef CULVERT_TRANSPORT_LOOP_DEADLINE_H
#define CULVERT_TRANSPORT_LOOP_DEADLINE_H

#include <ev.h>
#include <stdbool.h>

struct deadline_queue;

/* Embedded in what waits; zero is "not started". */
struct deadline {
    struct deadline_queue *queue; /* where it waits, or NULL */
    double at;                    /* clock_seconds() when it is over */
    struct deadline *prev;
    struct deadline *next;
};

struct deadline_queue {
    struct ev_loop *loop;
    ev_timer timer;
    struct deadline *head;
    double span;
    void (*expired)(struct deadline *deadline);
};

/* Sets up a queue of span seconds (0: entries never expire). expired is
 * called from the loop, once for each start, with the entry already stopped;
 * it may start and stop any entry. Thread: the loop's, as all below. */
void deadline_queue_init(struct deadline_queue *queue, struct ev_loop *loop,
                         double span, void (*expired)(struct deadline *));

/* Stops the timer; the entries that still wait are forgotten. */
void deadline_queue_stop(struct deadline_queue *queue);

/* Starts an entry, or starts it anew; it leaves whatever queue it was in. */
void deadline_start(struct deadline_queue *queue, struct deadline *deadline);

/* Starts one that is to be over at a time that was set before (0: never),
 * earlier than one started now; it costs a walk past those that are over
 * later. */
void deadline_resume(struct deadline_queue *queue, struct deadline *deadline,
                     double at);

void deadline_stop(struct deadline *deadline);

#endif
