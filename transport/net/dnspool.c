#include "transport/net/dnspool.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uthash.h>
#include <utlist.h>

#include "transport/net/dnscache.h"
#include "transport/net/search.h"
#include "transport/net/sysfile.h"

/* One query under way, or over with its waiters not told yet. */
struct query {
    UT_hash_handle hh; /* in its set's table, while under way */
    struct dns_query dns;
    struct dnsset *set;
    struct dnswaiter *waiters;
    struct dns_result result;
    int family;
    struct query *next; /* in the list of those over */
    char key[];         /* the family's digit, then the name */
};

struct dnsset {
    struct dnspool *pool;
    struct resolvconf conf;
    struct dns *dns;
    struct query *queries;
    unsigned holders;
    struct dnsset *prev;
    struct dnsset *next;
};

struct dnspool {
    struct worker *worker;
    const char *path;
    struct sysfile seen;
    struct dnscache *cache;
    struct dnsset *newest;
    struct dnsset *sets; /* with those that drain */
    struct query *over;
    struct task task; /* tells waiters, frees sets */
};

/* Not ev_now, which jumps when somebody sets the clock. */
static double
seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

struct dnsset *
dnspool_hold(struct dnspool *pool)
{
    pool->newest->holders++;
    return pool->newest;
}

void
dnsset_drop(struct dnsset *set)
{
    if (!set)
        return;
    set->holders--;
    /* Later, as this may be c-ares calling. */
    if (set->holders == 0 && set != set->pool->newest)
        worker_defer(set->pool->worker, &set->pool->task);
}

const struct resolvconf *
dnsset_conf(const struct dnsset *set)
{
    return &set->conf;
}

static void
free_drained(struct dnspool *pool)
{
    struct dnsset *next;

    for (struct dnsset *each = pool->sets; each; each = next) {
        next = each->next;
        if (each->holders > 0 || each == pool->newest)
            continue;
        DL_DELETE(pool->sets, each);
        dns_close(each->dns);
        free(each);
    }
}

/* Reads the file and, unless it says what it said before, takes it up. */
static enum err
take_file(struct dnspool *pool)
{
    struct dnsset *set = calloc(1, sizeof(*set));
    enum err err = ERR_NO_MEMORY;
    bool same = false;

    if (set)
        err = resolvconf_read(&set->conf, pool->path);
    if (err == ERR_OK && pool->newest)
        same = memcmp(&set->conf, &pool->newest->conf, sizeof(set->conf)) == 0;
    if (err == ERR_OK && !same)
        err = dns_open(pool->worker, &set->conf, &set->dns);
    if (err != ERR_OK || same) {
        free(set);
        return err;
    }
    set->pool = pool;
    DL_APPEND(pool->sets, set);
    pool->newest = set;
    /* Other servers may know other names: a VPN came up. */
    dnscache_clear(pool->cache);
    worker_defer(pool->worker, &pool->task);
    return ERR_OK;
}

enum err
dnspool_check(struct dnspool *pool)
{
    enum err err = ERR_OK;

    if (sysfile_changed(&pool->seen, pool->path) || !pool->newest)
        err = take_file(pool);
    if (err != ERR_OK)
        sysfile_forget(&pool->seen);
    return err;
}

void
dnspool_forget(struct dnspool *pool)
{
    dnscache_clear(pool->cache);
    sysfile_forget(&pool->seen);
}

/* From inside c-ares: records, and leaves the rest to the task. */
static void
on_query_done(struct dns_query *dns, struct dns_result result, uint32_t ttl_s)
{
    struct query *query =
        (struct query *)(void *)((char *)dns - offsetof(struct query, dns));
    struct dnspool *pool = query->set->pool;

    query->result = result;
    if (query->set == pool->newest)
        dnscache_put(pool->cache, query->key + 1, query->family, result, ttl_s,
                     seconds_now());
    HASH_DEL(query->set->queries, query);
    LL_APPEND(pool->over, query);
    worker_defer(pool->worker, &pool->task);
}

/* Starts a query for a key (the family's digit and the name). NULL: no
 * memory. */
static struct query *
start_query(struct dnsset *set, const char *key, int family)
{
    size_t len = strlen(key);
    struct query *query = calloc(1, sizeof(*query) + len + 1);

    if (!query)
        return NULL;
    memcpy(query->key, key, len + 1);
    HASH_ADD_KEYPTR(hh, set->queries, query->key, len, query);
    if (!query->hh.tbl) {
        free(query);
        return NULL;
    }
    query->family = family;
    query->set = set;
    set->holders++;
    query->dns.done = on_query_done;
    dns_ask(set->dns, &query->dns, query->key + 1, family);
    return query;
}

struct dns_result
dnsset_ask(struct dnsset *set, const char *name, int family,
           struct dnswaiter *waiter)
{
    struct dns_result result = {DNS_NONE, NULL};
    char key[SEARCH_NAME_MAX + 2];
    struct query *query;

    /* A set that drains neither fills nor reads the cache of the newest. */
    if (set == set->pool->newest)
        result = dnscache_find(set->pool->cache, name, family, seconds_now());
    if (result.status != DNS_NONE)
        return dns_hold(result);
    key[0] = family == AF_INET ? '4' : '6';
    strcpy(key + 1, name);
    HASH_FIND(hh, set->queries, key, strlen(key), query);
    if (!query)
        query = start_query(set, key, family);
    if (!query) {
        result.status = DNS_NO_MEMORY;
        return result;
    }
    waiter->query_ = query;
    DL_APPEND2(query->waiters, waiter, prev_, next_);
    return result;
}

void
dnswaiter_stop(struct dnswaiter *waiter)
{
    if (!waiter->query_)
        return;
    DL_DELETE2(waiter->query_->waiters, waiter, prev_, next_);
    waiter->query_ = NULL;
}

static void
on_task(struct task *task)
{
    struct dnspool *pool =
        (struct dnspool *)(void *)((char *)task -
                                   offsetof(struct dnspool, task));

    while (pool->over) {
        struct query *query = pool->over;

        LL_DELETE(pool->over, query);
        while (query->waiters) {
            struct dnswaiter *waiter = query->waiters;

            dnswaiter_stop(waiter);
            waiter->answered(waiter, query->result);
        }
        dns_drop(query->result);
        dnsset_drop(query->set);
        free(query);
    }
    free_drained(pool);
}

enum err
dnspool_create(struct worker *worker, const char *path, size_t cache_entries,
               struct dnspool **out)
{
    struct dnspool *pool = calloc(1, sizeof(*pool));

    if (!pool)
        return ERR_NO_MEMORY;
    pool->worker = worker;
    pool->path = path;
    pool->task.run = on_task;
    pool->cache = dnscache_create(cache_entries);
    if (!pool->cache || dnspool_check(pool) != ERR_OK) {
        dnspool_destroy(pool);
        return ERR_NO_MEMORY;
    }
    *out = pool;
    return ERR_OK;
}

void
dnspool_destroy(struct dnspool *pool)
{
    if (!pool)
        return;
    /* Queries for which nobody waits any more may be under way; this ends
     * them. */
    for (struct dnsset *each = pool->sets; each; each = each->next) {
        dns_close(each->dns);
        each->dns = NULL;
    }
    pool->newest = NULL;
    on_task(&pool->task);
    worker_undefer(pool->worker, &pool->task);
    dnscache_destroy(pool->cache);
    free(pool);
}
