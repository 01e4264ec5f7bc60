/* The name of an address to listen on, looked up off the loop: getaddrinfo(3)
 * blocks, and knows what our own resolver does not (an interface behind a %,
 * the system's other sources of names). */
#ifndef CULVERT_PROXY_BINDNAME_H
#define CULVERT_PROXY_BINDNAME_H

#include <stddef.h>

#include "transport/base/addr.h"
#include "transport/base/err.h"
#include "transport/loop/worker.h"

/* Addresses that one name may stand for. */
#define BINDNAME_ADDRS_MAX 16

struct bindname_answer {
    union addr addrs[BINDNAME_ADDRS_MAX]; /* port 0 */
    size_t count;
    const char *why; /* static text, where count is 0 */
};

/* Looks a host up here and now, blocking. family: AF_UNSPEC or the one. */
void bindname_find(const char *host, int family,
                   struct bindname_answer *answer);

struct bindname;

/* Looks a host up (copied) on a thread of its own. Returns ERR_OK and *name
 * (valid until done or cancel), or an error; then done is never called.
 * Callback: done, once, on the worker's loop; answer is lent. */
enum err bindname_start(struct worker *worker, const char *host, int family,
                        void (*done)(void *arg,
                                     const struct bindname_answer *answer),
                        void *arg, struct bindname **name);

/* done is not called any more; the thread ends by itself, and touches nothing
 * of the caller's. Before the worker goes. Thread: the worker's. NULL does
 * nothing. */
void bindname_cancel(struct bindname *name);

#endif
