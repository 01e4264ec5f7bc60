/* The DNS as resolv.conf describes it: servers that change, answers that are
 * remembered, and equal queries asked once. */
#ifndef CULVERT_TRANSPORT_NET_DNSPOOL_H
#define CULVERT_TRANSPORT_NET_DNSPOOL_H

#include <stddef.h>

#include "transport/base/err.h"
#include "transport/loop/worker.h"
#include "transport/net/dns.h"
#include "transport/net/resolvconf.h"

/* A resolv.conf's path, what it led to, and a cache. */
struct dnspool;

/* What one state of resolv.conf led to: settings, and servers that are asked.
 * Lives as long as it is the newest, or somebody holds it, or queries to it
 * are under way. */
struct dnsset;

/* One who waits for one query. Embedded in its owner, which sets answered;
 * zero elsewhere. */
struct dnswaiter {
    /* Called once, on the loop, unless dnswaiter_stop comes first; result is
     * lent. It may do anything but destroy the pool. */
    void (*answered)(struct dnswaiter *waiter, struct dns_result result);
    struct query *query_;
    struct dnswaiter *prev_;
    struct dnswaiter *next_;
};

/* Returns ERR_OK and gives *pool (dnspool_destroy), or ERR_NO_MEMORY. path is
 * borrowed until then. */
enum err dnspool_create(struct worker *worker, const char *path,
                        size_t cache_entries, struct dnspool **pool);

/* No set may be held and nobody may wait. */
void dnspool_destroy(struct dnspool *pool);

/* Looks whether resolv.conf changed: then a new set becomes the newest, and
 * the cache is emptied. Returns ERR_NO_MEMORY when that was not possible; the
 * old set then serves on, and the next call tries again. */
enum err dnspool_check(struct dnspool *pool);

/* Empties the cache, and has the next check read the file in any case. */
void dnspool_forget(struct dnspool *pool);

/* The newest set, with a hold on it; give it back with dnsset_drop (NULL does
 * nothing). */
struct dnsset *dnspool_hold(struct dnspool *pool);
void dnsset_drop(struct dnsset *set);

/* Lends its settings. */
const struct resolvconf *dnsset_conf(const struct dnsset *set);

/* Asks for the addresses of one family (AF_INET, AF_INET6) of a whole name, at
 * most SEARCH_NAME_MAX bytes in lower case.
 * Returns what the cache knows, with a hold (dns_drop), or DNS_NO_MEMORY, or
 * DNS_NONE: then the waiter waits for a query, its own or one under way. */
struct dns_result dnsset_ask(struct dnsset *set, const char *name, int family,
                             struct dnswaiter *waiter);

/* No longer waits. Nothing happens if it does not. */
void dnswaiter_stop(struct dnswaiter *waiter);

#endif
