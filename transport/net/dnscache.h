/* What the DNS said, for as long as it may be believed. */
#ifndef CULVERT_TRANSPORT_NET_DNSCACHE_H
#define CULVERT_TRANSPORT_NET_DNSCACHE_H

#include <stddef.h>
#include <stdint.h>

#include "transport/net/dns.h"

/* No answer is believed for longer than a day, whatever it says, and that
 * there is none for 5 seconds: a name that was just made should work. */
#define DNSCACHE_TTL_MAX_S      (24u * 60 * 60)
#define DNSCACHE_NEGATIVE_TTL_S 5

struct dnscache;

/* A cache of at most max names; the least recently used make room. Returns
 * NULL when memory is short. Owner: the caller, dnscache_destroy. */
struct dnscache *dnscache_create(size_t max);
void dnscache_destroy(struct dnscache *cache);
void dnscache_clear(struct dnscache *cache);

/* How many names are remembered. */
size_t dnscache_count(const struct dnscache *cache);

/* Remembers a result, of which it takes a hold of its own, for a name in
 * lower case. Not when it is a failure (they are no answer), when its ttl is
 * 0, or when memory is short. now: seconds, of any clock. */
void dnscache_put(struct dnscache *cache, const char *name, int family,
                  struct dns_result result, uint32_t ttl_s, double now);

/* Lends what is known (dns_hold to keep it); DNS_NONE: nothing. */
struct dns_result dnscache_find(struct dnscache *cache, const char *name,
                                int family, double now);

#endif
