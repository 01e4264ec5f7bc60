/* A handshake that is fed in pieces, and what came of it. */
#ifndef CULVERT_TESTS_UNIT_HANDSHAKE_TALK_H
#define CULVERT_TESTS_UNIT_HANDSHAKE_TALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/handshake.h"

/* The user and password that a talk takes for good. */
#define TALK_USER     "fred"
#define TALK_PASSWORD "secret"

struct talk {
    struct handshake *hs;
    enum handshake_step step; /* how it ended, or HANDSHAKE_MORE */
    unsigned verified;        /* how often it asked */
    enum err full;            /* what handshake_room said, or ERR_OK */
};

/* A new talk. */
struct talk talk_create(bool need_password);

/* Feeds bytes as a stream would give them, at most `piece` at a time, and
 * steps after each; credentials are verified at once. Bytes behind the end of
 * the talk are fed and not looked at. */
void talk_feed(struct talk *talk, const void *bytes, size_t len, size_t piece);

/* What it has left over for the target. */
const uint8_t *talk_early(const struct talk *talk, size_t *len);

void talk_destroy(struct talk *talk);

#endif
