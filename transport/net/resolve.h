/* Names to addresses, on the loop: c-ares, the hosts file, a cache.
 *
 * One resolver per worker. IP literals never come here. */
#ifndef CULVERT_TRANSPORT_NET_RESOLVE_H
#define CULVERT_TRANSPORT_NET_RESOLVE_H

#include <stdbool.h>
#include <stddef.h>

#include "transport/base/addr.h"
#include "transport/base/err.h"
#include "transport/loop/worker.h"

struct resolver;

struct resolver_config {
    const char *resolv_conf; /* NULL: /etc/resolv.conf; borrowed for ever */
    const char *hosts;       /* NULL: /etc/hosts; borrowed for ever */
    unsigned cache_entries;  /* most names remembered; 0: the default */
};

enum resolve_family {
    RESOLVE_V4,
    RESOLVE_V6,
};

/* One family's answer to one look-up: the addresses in the order in which
 * they came (port 0), or the reason for none. Lent during the callback. */
struct resolve_answer {
    enum resolve_family family;
    enum err err; /* ERR_OK, ERR_NAME_NOT_FOUND, _TIMED_OUT, _FAILED, or
                     ERR_NO_MEMORY */
    const union addr *addrs;
    size_t count;
    bool followed; /* the other family's is known too, and comes at once */
};

/* A look-up of one name by one asker: both families asked at once (or one of
 * them, want_v4/want_v6), and on_answer called once for each family asked, as
 * it comes. Embedded in its owner; the other members are the resolver's. */
struct resolve {
    void (*on_answer)(struct resolve *resolve,
                      const struct resolve_answer *answer);
    bool want_v4;
    bool want_v6;
    struct resolver *resolver_;
    struct lookup *lookup_;
    struct task task_;
    unsigned due_; /* families that were not told yet */
};

/* Returns ERR_OK and gives a resolver (resolver_destroy), or ERR_NO_MEMORY. */
enum err resolver_create(struct worker *worker,
                         const struct resolver_config *config,
                         struct resolver **resolver);

/* No look-up may be under way. */
void resolver_destroy(struct resolver *resolver);

/* Looks a name up (borrowed, at most TARGET_NAME_MAX bytes, NUL at the end; a
 * dot at the end means: no search domains). In this order: localhost and what
 * ends in .localhost are both loopbacks (RFC 6761 6.3); the hosts file, where
 * a name found in one family has none in the other; the cache; the DNS, with
 * equal queries under way shared. What can be no host name is not found, and
 * so are .invalid and .onion (RFC 6761 6.4, RFC 7686 2). Both files are looked
 * at again when a second has passed.
 * The search goes on to the next domain when no family asked for has the name,
 * and stops at a server's failure: that must not lead to another host.
 * Callback: on the worker's loop, never from inside this call, never after
 * resolve_cancel. */
void resolve_start(struct resolver *resolver, struct resolve *resolve,
                   const char *name);

/* Ends a look-up: no further callback. Nothing happens if it is over. May be
 * called from on_answer. */
void resolve_cancel(struct resolve *resolve);

/* Forgets the cache and reads the system's files again (SIGHUP). Look-ups
 * under way go on with the servers they asked, here and when resolv.conf
 * changed. */
void resolver_reload(struct resolver *resolver);

#endif
