#include "transport/ssh/sshwindow.h"

#include "transport/ssh/sshpace.h"

/* On a near path, who is paced is told each time that so much has been used: a
 * packet for eight of bulk's. Half of it would have small ones wait half as
 * long, and cost bulk a quarter of its rate (bench/RESULTS.md). */
#define NEAR_BYTES (256u * 1024)

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

static uint32_t
drained_near(struct sshwindow *window, uint32_t bytes)
{
    if (!window->is_paced)
        return 0;
    window->taken += bytes;
    if (window->taken - window->topped < NEAR_BYTES)
        return 0;
    window->topped = window->taken;
    return SSHWINDOW_FLOOR;
}

uint32_t
sshwindow_drained(struct sshwindow *window, uint32_t bytes, double rtt,
                  uint64_t spare, double (*now)(void))
{
    if (rtt < SSHPACE_NEAR_SECONDS)
        return drained_near(window, bytes);
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
