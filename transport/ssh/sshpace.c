#include "transport/ssh/sshpace.h"

/* Two adjustments' worth is under way, so that one can be on its way back, and
 * this for what a loop does in one turn. */
#define TURN_BYTES (64u * 1024)

/* Never less: a turn writes 128 KiB. */
#define LEAST_BYTES (256u * 1024)

/* As a bound, the same as none. */
#define LOOSE_MAX 12

static uint64_t
bound(const struct sshpace *pace, const struct sshpace_server *server)
{
    uint64_t bytes = 2 * (uint64_t)server->grain + TURN_BYTES;

    return (bytes > LEAST_BYTES ? bytes : LEAST_BYTES) << pace->loose;
}

/* Takes note of the window as it is now. Two adjustments that came together
 * look like a large one: so the smallest is the server's. */
static void
note(struct sshpace *pace, struct sshpace_server *server, uint32_t window)
{
    uint32_t more = window > pace->last ? window - pace->last : 0;

    if (pace->high > 0 && more > 0 &&
        (server->grain == 0 || more < server->grain))
        server->grain = more;
    if (window > pace->high)
        pace->high = window;
    pace->last = window;
}

uint32_t
sshpace_room(struct sshpace *pace, struct sshpace_server *server,
             uint32_t window, bool is_near)
{
    uint32_t used;
    uint64_t left;

    note(pace, server, window);
    used = pace->high - window;
    if (!is_near || server->grain == 0)
        return window;
    if (used >= bound(pace, server))
        return 0;
    left = bound(pace, server) - used;
    return left < window ? (uint32_t)left : window;
}

void
sshpace_sent(struct sshpace *pace, uint32_t bytes)
{
    pace->moved = pace->moved || bytes > 0;
    pace->last -= bytes < pace->last ? bytes : pace->last;
}

void
sshpace_look(struct sshpace *pace, uint32_t window)
{
    bool stands = !pace->moved && window > 0;

    if (stands && pace->loose < LOOSE_MAX)
        pace->loose++;
    else if (!stands && pace->loose > 0)
        pace->loose--;
    pace->moved = false;
}
