/* How large a channel's receive window should be.
 *
 * A window is what a peer may send before it hears from us: too small, and a
 * long path stands idle; too large, and a reader that stalls makes us hold it
 * all. So it starts at what libssh gives anyway and doubles only while the
 * reader keeps up and the window proves to be the limit: when a whole one was
 * drained within about one round trip.
 *
 * On a near path libssh's own is enough. It tops that up when half has been
 * used, 640 KB. A sender of the same kind keeps two such halves under way
 * (sshpace.h), behind which all else on the link waits: that one is told
 * earlier. Pure. */
#ifndef CULVERT_TRANSPORT_SSH_SSHWINDOW_H
#define CULVERT_TRANSPORT_SSH_SSHWINDOW_H

#include <stdbool.h>
#include <stdint.h>

/* What libssh tops a window up to by itself. */
#define SSHWINDOW_FLOOR 1280000u

/* Above this more only fills queues on the way (measured: 64 MB halve the rate
 * at 100 ms and 1 Gbit/s). */
#define SSHWINDOW_MAX (16u * 1024 * 1024)

struct sshwindow {
    bool is_paced; /* set before: the peer sends on a near path no more than our
                      adjustments tell it to */
    uint32_t size; /* what is aimed at; 0: not looked at yet */
    uint64_t taken;  /* bytes drained so far */
    uint64_t topped; /* of these, when the window was last topped up */
    uint64_t from;   /* of these, when the measurement began */
    double since;    /* and the time */
};

/* Bytes have been drained: received, and taken by the reader. rtt: seconds; 0:
 * unknown. spare: how many bytes more may be granted. now: the time in seconds,
 * asked only where it matters. Returns the window to ask for now, with nothing
 * buffered; 0: leave it. */
uint32_t sshwindow_drained(struct sshwindow *window, uint32_t bytes, double rtt,
                           uint64_t spare, double (*now)(void));

/* The reader has stalled: what it is granted goes back to the floor. */
void sshwindow_stalled(struct sshwindow *window);

/* What is granted beyond the floor. */
uint64_t sshwindow_extra(const struct sshwindow *window);

#endif
