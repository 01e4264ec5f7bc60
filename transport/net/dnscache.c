#include "transport/net/dnscache.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

/* One family's part of an entry. */
struct part {
    struct dns_result result;
    double expires;
};

struct entry {
    UT_hash_handle hh;
    struct entry *prev; /* by use, the latest first */
    struct entry *next;
    struct part parts[2]; /* A, AAAA */
    char name[];
};

struct dnscache {
    size_t max;
    struct entry *table;
    struct entry *used;
};

static struct part *
part_of(struct entry *entry, int family)
{
    return &entry->parts[family == AF_INET6];
}

struct dnscache *
dnscache_create(size_t max)
{
    struct dnscache *cache = calloc(1, sizeof(*cache));

    if (cache)
        cache->max = max;
    return cache;
}

static void
forget(struct dnscache *cache, struct entry *entry)
{
    HASH_DEL(cache->table, entry);
    DL_DELETE(cache->used, entry);
    dns_drop(entry->parts[0].result);
    dns_drop(entry->parts[1].result);
    free(entry);
}

void
dnscache_clear(struct dnscache *cache)
{
    while (cache->used)
        forget(cache, cache->used);
}

void
dnscache_destroy(struct dnscache *cache)
{
    if (!cache)
        return;
    dnscache_clear(cache);
    free(cache);
}

size_t
dnscache_count(const struct dnscache *cache)
{
    return HASH_COUNT(cache->table);
}

/* The entry of a name, made when there is none; NULL when memory is short. */
static struct entry *
entry_of(struct dnscache *cache, const char *name)
{
    size_t len = strlen(name);
    struct entry *entry;

    HASH_FIND(hh, cache->table, name, len, entry);
    if (entry)
        return entry;
    if (dnscache_count(cache) >= cache->max)
        forget(cache, cache->used->prev); /* utlist: the last one */
    entry = calloc(1, sizeof(*entry) + len + 1);
    if (!entry)
        return NULL;
    memcpy(entry->name, name, len + 1);
    HASH_ADD_KEYPTR(hh, cache->table, entry->name, len, entry);
    if (!entry->hh.tbl) {
        free(entry);
        return NULL;
    }
    DL_PREPEND(cache->used, entry);
    return entry;
}

void
dnscache_put(struct dnscache *cache, const char *name, int family,
             struct dns_result result, uint32_t ttl_s, double now)
{
    struct entry *entry;
    struct part *part;

    if (result.status == DNS_NO_DATA || result.status == DNS_NO_NAME)
        ttl_s = DNSCACHE_NEGATIVE_TTL_S;
    else if (result.status != DNS_ADDRS)
        return;
    if (ttl_s == 0 || cache->max == 0)
        return;
    if (ttl_s > DNSCACHE_TTL_MAX_S)
        ttl_s = DNSCACHE_TTL_MAX_S;
    entry = entry_of(cache, name);
    if (!entry)
        return;
    part = part_of(entry, family);
    dns_drop(part->result);
    part->result = dns_hold(result);
    part->expires = now + ttl_s;
}

struct dns_result
dnscache_find(struct dnscache *cache, const char *name, int family, double now)
{
    struct dns_result none = {DNS_NONE, NULL};
    struct entry *entry;
    struct part *part;

    HASH_FIND(hh, cache->table, name, strlen(name), entry);
    if (!entry)
        return none;
    part = part_of(entry, family);
    if (part->result.status == DNS_NONE || part->expires <= now)
        return none;
    if (cache->used != entry) {
        DL_DELETE(cache->used, entry);
        DL_PREPEND(cache->used, entry);
    }
    return part->result;
}
