/* The talk with a client until it is known where it wants to go: SOCKS4, 4a,
 * 5 and HTTP CONNECT, told apart by the first byte. Pure: it is fed bytes and
 * gives bytes; who reads, writes, verifies and dials is the session. */
#ifndef CULVERT_PROXY_HANDSHAKE_H
#define CULVERT_PROXY_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/grant.h"
#include "transport/base/addr.h"
#include "transport/base/err.h"
#include "transport/base/target.h"
#include "transport/wire/wire.h"

enum handshake_protocol {
    HANDSHAKE_UNKNOWN,
    HANDSHAKE_SOCKS4,
    HANDSHAKE_SOCKS4A,
    HANDSHAKE_SOCKS5,
    HANDSHAKE_HTTP,
    HANDSHAKE_NONE, /* a fixed forward: nothing is said */
};

enum handshake_step {
    HANDSHAKE_MORE,    /* it wants more bytes */
    HANDSHAKE_VERIFY,  /* credentials are to be checked, then answered */
    HANDSHAKE_REQUEST, /* target is set; an answer is due */
    HANDSHAKE_FAILED,  /* err is set; what is to be said of it is in out */
};

enum handshake_phase {
    HANDSHAKE_HELLO,
    HANDSHAKE_AUTH,
    HANDSHAKE_VERIFYING,
    HANDSHAKE_WAIT_REQUEST,
    HANDSHAKE_ASKED,
    HANDSHAKE_OVER,
};

/* Early bytes that a client may send before the answer; what is behind them
 * waits in the stream. Holds the longest HTTP head, too. */
#define HANDSHAKE_IN_MAX (16u * 1024)

/* Room for the answers of one handshake: all of SOCKS5's, or one of HTTP's. */
#define HANDSHAKE_OUT_MAX 1100

struct handshake {
    bool need_password; /* a user name and password are required */
    bool wants_agent;   /* a user name may name an agent: "user@AGENT"; it is
                         * asked for where it is offered. Set by the owner */
    enum handshake_protocol protocol;
    enum handshake_phase phase;

    uint8_t *in; /* bytes not yet parsed: [in_at, in_len) */
    size_t in_at;
    size_t in_len;
    size_t in_size;

    uint8_t out[HANDSHAKE_OUT_MAX]; /* bytes not yet sent: [out_at, out_len) */
    size_t out_at;
    size_t out_len;

    enum err err;
    struct target target;
    char agent[GRANT_AGENT_MAX + 1]; /* that it named; or "" */
    /* With HANDSHAKE_VERIFY, without "@AGENT"; wiped by handshake_verified. */
    struct wire_credentials credentials;
};

/* need_password: without good credentials there is no request. */
struct handshake *handshake_create(bool need_password);

/* Wipes and frees. NULL does nothing. */
void handshake_destroy(struct handshake *handshake);

/* For a fixed forward: no talk, what the client sends is for the target. */
void handshake_skip(struct handshake *handshake);

/* Lends *size bytes of room to read into, then handshake_fed tells how many
 * came. NULL when there is no room (*err is ERR_LIMIT) or no memory. */
uint8_t *handshake_room(struct handshake *handshake, size_t *size,
                        enum err *err);
void handshake_fed(struct handshake *handshake, size_t count);

/* Goes as far as the bytes allow. Not to be called in HANDSHAKE_VERIFYING or
 * later. */
enum handshake_step handshake_step(struct handshake *handshake);

/* The answer to HANDSHAKE_VERIFY: then step again, or, where it was bad, it
 * is over with ERR_AUTH_FAILED and the refusal in out. */
void handshake_verified(struct handshake *handshake, bool good);

/* The answer to HANDSHAKE_REQUEST: the outcome, and for ERR_OK the near end
 * of the connection (or NULL). Puts the reply into out. */
void handshake_answer(struct handshake *handshake, enum err err,
                      const union addr *bound);

/* "socks5", "http", ...; "-" for none. */
const char *handshake_protocol_word(enum handshake_protocol protocol);

#endif
