/* SOCKS4 and SOCKS4a (Lee's memos): bytes to structs and back, both sides.
 * Pure: no I/O, no memory. */
#ifndef CULVERT_TRANSPORT_WIRE_SOCKS4_H
#define CULVERT_TRANSPORT_WIRE_SOCKS4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/base/addr.h"
#include "transport/base/err.h"
#include "transport/base/target.h"
#include "transport/wire/wire.h"

#define SOCKS4_VERSION 4

enum socks4_command {
    SOCKS4_CONNECT = 1,
    SOCKS4_BIND = 2,
};

enum socks4_code {
    SOCKS4_GRANTED = 0x5a,
    SOCKS4_REJECTED = 0x5b,
    SOCKS4_NO_IDENTD = 0x5c,
    SOCKS4_USER_MISMATCH = 0x5d,
};

/* The memo sets no bound: what is longer is refused (S4-3). */
#define SOCKS4_USER_MAX    1024
#define SOCKS4_REQUEST_MAX (8 + SOCKS4_USER_MAX + 1 + TARGET_NAME_MAX + 1)
#define SOCKS4_REPLY_BYTES 8

/* command is the byte as it came. is_4a: the client sent a name. err is
 * ERR_OK, or ERR_MALFORMED for a name that cannot be or a CONNECT to port 0
 * (target not set). user is what the client claims, cut to 255 bytes, never an
 * identity (S4-6). */
struct socks4_request {
    uint8_t command;
    bool is_4a;
    enum err err;
    uint8_t user_len;
    uint8_t user[WIRE_USER_MAX];
    struct target target;
};

/* WIRE_BAD: not version 4, a user id over SOCKS4_USER_MAX or a name over
 * TARGET_NAME_MAX bytes without its end. */
enum wire_status socks4_parse_request(const void *bytes, size_t len,
                                      struct socks4_request *out, size_t *used);

/* Writes a reply (VN is 00, S4-1). bound: NULL, or an IPv4 address; any other
 * is written as 0.0.0.0:0. Returns SOCKS4_REPLY_BYTES. */
size_t socks4_write_reply(uint8_t out[SOCKS4_REPLY_BYTES],
                          enum socks4_code code, const union addr *bound);

/* Client's side: user may be NULL and is cut to SOCKS4_USER_MAX bytes; a name,
 * an IPv6 address and 0.0.0.x (which would be taken for 4a's mark) become 4a.
 * Returns the length, or 0 for a path, which has no form here. */
size_t socks4_write_request(uint8_t out[SOCKS4_REQUEST_MAX],
                            enum socks4_command command,
                            const struct target *target, const char *user);
/* VN other than 0 is tolerated when it is 4. */
enum wire_status socks4_parse_reply(const void *bytes, size_t len,
                                    uint8_t *code, union addr *bound,
                                    size_t *used);

/* The reply code for an outcome (codes.h), and back: a code that says nothing
 * more is ERR_REMOTE_FAILED. */
enum socks4_code socks4_code_from_err(enum err err);
enum err socks4_err_from_code(uint8_t code);

#endif
