/* Who may log in to an SSH server of ours, and as what: asked by the transport,
 * answered by the program, which knows of keys and passwords. */
#ifndef CULVERT_TRANSPORT_BASE_ADMIT_H
#define CULVERT_TRANSPORT_BASE_ADMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/base/addr.h"
#include "transport/base/err.h"

struct worker;

/* One question. Embedded in who asks, who sets the first part and leaves it
 * alone until answered or cancel. */
struct admit_ask {
    struct worker *worker;  /* where answered is called; it asks from there */
    const char *user;       /* as the peer says it; borrowed */
    const union addr *peer; /* borrowed */
    const uint8_t *key; /* a public key's blob (RFC 4253 6.6), borrowed; NULL:
                         * it is a password that is to be judged */
    size_t key_len;
    const char *password; /* borrowed; wiped by who asks */
    void (*answered)(struct admit_ask *ask);
    void *owner;

    /* The answer. ERR_OK: this key or password would do, with what it allows;
     * that a key is the peer's is the transport's to see. ERR_AUTH_FAILED,
     * ERR_DENIED: not; ERR_LIMIT, ERR_NO_MEMORY: it could not be judged. */
    enum err err;
    void *grant;     /* given when err is ERR_OK: admit_ops.release */
    const char *why; /* for the log, static text; "" when there is nothing to
                      * say */

    void *state_; /* of who answers */
};

struct admit_ops {
    /* answered runs exactly once, later, on the worker's loop; never from
     * inside this call, and never after cancel. Returns false, and never
     * answers, when out of memory. Thread: the ask's worker. */
    bool (*start)(void *arg, struct admit_ask *ask);
    void (*cancel)(void *arg, struct admit_ask *ask);
    /* Takes a grant. Thread: any. */
    void (*release)(void *arg, void *grant);
    /* Which methods there are. Thread: any. */
    bool (*has_keys)(void *arg);
    bool (*has_passwords)(void *arg);
};

#endif
