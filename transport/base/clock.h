/* The time that no one sets: for spans, not for dates. */
#ifndef CULVERT_TRANSPORT_BASE_CLOCK_H
#define CULVERT_TRANSPORT_BASE_CLOCK_H

#include <time.h>

/* Seconds since some moment of the past. libev's ev_now() is the wall clock,
 * which jumps when an administrator or NTP sets it. */
static inline double
clock_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

#endif
