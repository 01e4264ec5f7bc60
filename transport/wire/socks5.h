/* SOCKS5 (RFC 1928) and its user/password sub-negotiation (RFC 1929): bytes to
 * structs and back, both sides of the protocol. Pure: no I/O, no memory. */
#ifndef CULVERT_TRANSPORT_WIRE_SOCKS5_H
#define CULVERT_TRANSPORT_WIRE_SOCKS5_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/base/addr.h"
#include "transport/base/err.h"
#include "transport/base/target.h"
#include "transport/wire/wire.h"

#define SOCKS5_VERSION 5

enum socks5_method {
    SOCKS5_NO_AUTH = 0x00,
    SOCKS5_GSSAPI = 0x01,
    SOCKS5_PASSWORD = 0x02,
    SOCKS5_CULVERT = 0xc1, /* private (RFC 1928 3): as NO_AUTH, but chosen by
                            * our own server alone, before any other. So a
                            * gateway knows an agent whose replies are true */
    SOCKS5_NO_METHOD = 0xff,
};

enum socks5_command {
    SOCKS5_CONNECT = 0x01,
    SOCKS5_BIND = 0x02,
    SOCKS5_UDP_ASSOCIATE = 0x03,
};

enum socks5_rep {
    SOCKS5_SUCCEEDED = 0x00,
    SOCKS5_GENERAL_FAILURE = 0x01,
    SOCKS5_NOT_ALLOWED = 0x02,
    SOCKS5_NET_UNREACHABLE = 0x03,
    SOCKS5_HOST_UNREACHABLE = 0x04,
    SOCKS5_REFUSED = 0x05,
    SOCKS5_TTL_EXPIRED = 0x06,
    SOCKS5_BAD_COMMAND = 0x07,
    SOCKS5_BAD_ADDRESS_TYPE = 0x08,
};

/* RFC 1928 3: version, count, methods. */
struct socks5_greeting {
    uint8_t count;
    uint8_t methods[255];
};

/* RFC 1928 4. command is the byte as it came (parsers let unknown ones
 * through, the caller answers 07). err is ERR_OK; ERR_BAD_ADDRESS_TYPE for an
 * unknown ATYP (target not set, and where the message ends is unknown);
 * ERR_MALFORMED for a name that cannot be or a CONNECT to port 0 (target not
 * set). */
struct socks5_request {
    uint8_t command;
    enum err err;
    struct target target;
};

/* RFC 1928 6. */
struct socks5_reply {
    uint8_t rep;
    /* BND.ADDR and BND.PORT. A name is accepted; one that cannot be is a
     * TARGET_ADDR of AF_UNSPEC, as is an unknown ATYP after a failure. */
    struct target bound;
};

/* Room for the longest of each message. */
#define SOCKS5_GREETING_MAX (2 + 255)
#define SOCKS5_PASSWORD_MAX (3 + 255 + 255)
#define SOCKS5_REQUEST_MAX  (4 + 1 + 255 + 2)
#define SOCKS5_REPLY_MAX    (4 + 16 + 2)

/* Server's side. WIRE_BAD: not version 5. A count of 0 is a whole greeting. */
enum wire_status socks5_parse_greeting(const void *bytes, size_t len,
                                       struct socks5_greeting *out,
                                       size_t *used);

/* Whether the greeting offers a method. */
bool socks5_offers(const struct socks5_greeting *greeting,
                   enum socks5_method method);

/* RFC 1929 2: WIRE_BAD unless VER is 1. A user name or password of no bytes
 * is parsed like any other (UP-1): the caller judges it. */
enum wire_status socks5_parse_password(const void *bytes, size_t len,
                                       struct wire_credentials *out,
                                       size_t *used);

/* WIRE_BAD: not version 5. RSV is not looked at (S5-3). */
enum wire_status socks5_parse_request(const void *bytes, size_t len,
                                      struct socks5_request *out, size_t *used);

/* Each writes one message to out and returns its length. */
size_t socks5_write_method(uint8_t out[2], enum socks5_method method);
size_t socks5_write_password_result(uint8_t out[2], bool success);

/* bound NULL or family AF_UNSPEC: 0.0.0.0:0 (S5-8). Always complete, 10 or 22
 * bytes (S5-7). */
size_t socks5_write_reply(uint8_t out[SOCKS5_REPLY_MAX], enum socks5_rep rep,
                          const union addr *bound);

/* Client's side. */
size_t socks5_write_greeting(uint8_t out[SOCKS5_GREETING_MAX],
                             const struct socks5_greeting *greeting);
size_t socks5_write_password(uint8_t out[SOCKS5_PASSWORD_MAX],
                             const struct wire_credentials *credentials);

/* The target is a name or an address. Returns 0 for a path, which has no form
 * here. */
size_t socks5_write_request(uint8_t out[SOCKS5_REQUEST_MAX],
                            enum socks5_command command,
                            const struct target *target);
enum wire_status socks5_parse_method(const void *bytes, size_t len,
                                     uint8_t *method, size_t *used);

/* VER 1, and 5 as some servers send it (UP-2). */
enum wire_status socks5_parse_password_result(const void *bytes, size_t len,
                                              bool *success, size_t *used);

/* WIRE_BAD: not version 5, or a success with an unknown ATYP, since then the
 * target's bytes begin nobody knows where. */
enum wire_status socks5_parse_reply(const void *bytes, size_t len,
                                    struct socks5_reply *out, size_t *used);

/* The reply code for an outcome (codes.h), and back: a code that says nothing
 * more is ERR_REMOTE_FAILED. */
enum socks5_rep socks5_rep_from_err(enum err err);
enum err socks5_err_from_rep(uint8_t rep);

#endif
