#include "transport/ssh/sshwindow.h"

/* A round trip with no more than this is a near one: there libssh's own window
 * is enough, and asking for more costs packets. */
#define NEAR_SECONDS 0.002

/* "About one round trip": what is between the round trip's shortest time and
 * the time with a queue on the way. */
#define ABOUT 1.5

/* Topped up when this part of it has been used. */
#define PART 8

static void
measure_anew(struct sshwindow *window, double now)
{
    window->from = window->taken;
    window->since = now;
}

static uint32_t
larger(uint32_t size, uint64_t spare)
{
    uint32_t most = SSHWINDOW_MAX - size < size ? SSHWINDOW_MAX - size : size;

    return size + (uint32_t)(spare < most ? spare : most);
}

uint32_t
sshwindow_drained(struct sshwindow *window, uint32_t bytes, double rtt,
                  uint64_t spare, double (*now)(void))
{
    if (rtt <= NEAR_SECONDS)
        return 0;
    window->taken += bytes;
    if (window->size == 0) { /* the peer waits behind libssh's first window */
        window->size = SSHWINDOW_FLOOR;
        window->topped = window->taken;
        measure_anew(window, now());
        return window->size;
    }
    if (window->taken - window->from >= window->size) {
        double at = now();

        if (at - window->since < rtt * ABOUT)
            window->size = larger(window->size, spare);
        measure_anew(window, at);
    }
    if (window->taken - window->topped < window->size / PART)
        return 0;
    window->topped = window->taken;
    return window->size;
}

void
sshwindow_stalled(struct sshwindow *window)
{
    if (window->size > SSHWINDOW_FLOOR)
        window->size = SSHWINDOW_FLOOR;
}

uint64_t
sshwindow_extra(const struct sshwindow *window)
{
    return window->size > SSHWINDOW_FLOOR ? window->size - SSHWINDOW_FLOOR : 0;
}
