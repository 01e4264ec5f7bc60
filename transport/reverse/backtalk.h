/* The talk with an agent's SOCKS server, on a channel: greeting and request in
 * one write, then its two answers, read to the byte, as the target's own bytes
 * are behind them. Pure: it says how many bytes it wants and is fed them. */
#ifndef CULVERT_TRANSPORT_REVERSE_BACKTALK_H
#define CULVERT_TRANSPORT_REVERSE_BACKTALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/base/err.h"
#include "transport/base/target.h"
#include "transport/wire/socks5.h"

/* A reply that names a name is the longest. */
#define BACKTALK_IN_MAX (4 + 1 + 255 + 2)

#define BACKTALK_OUT_MAX (SOCKS5_GREETING_MAX + SOCKS5_REQUEST_MAX)

enum backtalk_stage {
    BACKTALK_METHOD, /* the answer to the greeting, */
    BACKTALK_HEAD,   /* the beginning of that to the request, */
    BACKTALK_TAIL,   /* and its rest */
    BACKTALK_OVER,
};

struct backtalk {
    enum backtalk_stage stage;
    bool is_socks;   /* it has answered as SOCKS5 does */
    bool is_culvert; /* and as only ours do */
    enum err err;    /* BACKTALK_OVER: what became of it; ERR_PROTOCOL also
                      * for what is no SOCKS5 */
    uint8_t in[BACKTALK_IN_MAX];
    size_t in_len;
};

/* Begins one; writes what is to be said. The target is a name or an address.
 * Returns the length. */
size_t backtalk_begin(struct backtalk *talk, const struct target *target,
                      uint8_t out[BACKTALK_OUT_MAX]);

/* Lends room for so many bytes, of which some or all may be read; never 0 while
 * it is not over. */
uint8_t *backtalk_room(struct backtalk *talk, size_t *size);

/* So many have been. Returns whether it is over. */
bool backtalk_fed(struct backtalk *talk, size_t count);

#endif
