/* Which code for which failure: the one table from the program's errors to
 * what each protocol says of them. */
#ifndef CULVERT_TRANSPORT_WIRE_CODES_H
#define CULVERT_TRANSPORT_WIRE_CODES_H

#include <stdint.h>

#include "transport/base/err.h"

/* One row: the SOCKS5 REP (RFC 1928 6), the SOCKS4 CD, the HTTP status. */
struct codes {
    uint8_t socks5;
    uint8_t socks4;
    uint16_t http;
};

/* The row of an error. A value that is none has the row of ERR_IO. Lends: for
 * ever. */
const struct codes *codes_of(enum err err);

#endif
