#include "transport/ssh/sshpace.h"

/* Two adjustments' worth is under way, so that one can be on its way back, and
 * this for what a loop does in one turn. */
#define TURN_BYTES (64u * 1024)

/* Never less: a turn writes 128 KiB. */
#define LEAST_BYTES (256u * 1024)

/* As a bound, the same as none. */
#define LOOSE_MAX 12

static uint64_t
bound(const struct sshpace *pace)
{
    uint64_t bytes = 2 * (uint64_t)pace->grain + TURN_BYTES;

    return (bytes > LEAST_BYTES ? bytes : LEAST_BYTES) << pace->loose;
}

uint32_t
sshpace_room(struct sshpace *pace, uint32_t window, bool is_near)
{
    uint32_t used;
    uint64_t left;

    if (pace->high > 0 && window > pace->last &&
        window - pace->last > pace->grain)
        pace->grain = window - pace->last;
    if (window > pace->high)
        pace->high = window;
    pace->last = window;
    used = pace->high - window;
    if (!is_near || pace->grain == 0)
        return window;
    if (used >= bound(pace))
        return 0;
    left = bound(pace) - used;
    return left < window ? (uint32_t)left : window;
}

void
sshpace_sent(struct sshpace *pace, uint32_t bytes)
{
    pace->last -= bytes < pace->last ? bytes : pace->last;
}

void
sshpace_look(struct sshpace *pace, uint32_t window)
{
    if (window > 0 && window == pace->seen && pace->loose < LOOSE_MAX)
        pace->loose++;
    pace->seen = window;
}
