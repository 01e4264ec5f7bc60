/* Good passwords remembered for a while, without keeping them.
 *
 * What is kept is an HMAC-SHA256 of user and password under a random key of
 * this process: to be taken for a remembered one by chance, or to aim at a
 * place in the table, one would have to forge an HMAC. */
#ifndef CULVERT_AUTH_RECALL_H
#define CULVERT_AUTH_RECALL_H

#include <nettle/hmac.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/base/err.h"

#define RECALL_KEY_BYTES 32

/* One user with one password. */
struct recall_key {
    uint8_t bytes[RECALL_KEY_BYTES];
};

/* A table of RECALL_SETS times RECALL_WAYS: where a set is full, its oldest
 * entry goes. 1,024 pairs within a minute are more than have users behind
 * them; with more, some cost a hash more often. */
#define RECALL_SETS 256
#define RECALL_WAYS 4

struct recall_entry {
    struct recall_key key;
    uint64_t until_ms; /* 0 is free */
};

struct recall {
    struct hmac_sha256_ctx keyed;
    uint64_t span_ms;
    struct recall_entry sets[RECALL_SETS][RECALL_WAYS];
};

/* Sets up an empty table that remembers for span_ms. Returns ERR_OK, or
 * ERR_NO_RESOURCES when the system has no random bytes to give.
 * Thread: as all below but recall_make_key, one at a time. */
enum err recall_init(struct recall *recall, uint64_t span_ms);

/* Wipes all, the key too. */
void recall_wipe(struct recall *recall);

/* Thread: any, as long as recall stands. */
void recall_make_key(const struct recall *recall, struct recall_key *key,
                     const uint8_t *user, size_t user_len,
                     const uint8_t *password, size_t password_len);

bool recall_same(const struct recall_key *a, const struct recall_key *b);

/* Remembers a key from now_ms on, a monotonic time. */
void recall_add(struct recall *recall, const struct recall_key *key,
                uint64_t now_ms);

bool recall_has(const struct recall *recall, const struct recall_key *key,
                uint64_t now_ms);

void recall_forget_all(struct recall *recall);

#endif
