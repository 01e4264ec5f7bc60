#include "proxy/limits.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "transport/base/clock.h"

/* One for the client and one for the way out. */
#define DESCRIPTORS_PER_SESSION 2

/* Without a shortage for this long, the next one is news. */
#define QUIET_SECONDS 60

/* An IPv6 host has a /64 to choose addresses from, so that is one source. */
struct source_key {
    sa_family_t family;
    uint8_t bytes[8];
};

struct source_count {
    struct source_key key;
    unsigned count;
    UT_hash_handle hh;
};

void
limits_init(struct limits *limits, unsigned max_sessions,
            unsigned max_per_source, size_t descriptors, size_t reserved)
{
    *limits = (struct limits){
        .max_sessions = max_sessions,
        .max_per_source = max_per_source,
        .per_session = DESCRIPTORS_PER_SESSION,
    };
    limits->all = (long long)descriptors - (long long)reserved;
    atomic_init(&limits->free, limits->all);
    pthread_mutex_init(&limits->lock, NULL);
}

void
limits_take(struct limits *limits, long long descriptors)
{
    atomic_fetch_sub(&limits->free, descriptors);
}

void
limits_settle(struct limits *limits)
{
    limits->all = atomic_load(&limits->free);
}

bool
limits_may_take(const struct limits *limits, enum limits_share share,
                long long descriptors)
{
    return atomic_load(&limits->free) - descriptors >=
           limits->all * (int)share / 4;
}

void
limits_destroy(struct limits *limits)
{
    struct source_count *each;
    struct source_count *next;

    HASH_ITER (hh, limits->sources, each, next) {
        HASH_DEL(limits->sources, each);
        free(each);
    }
    pthread_mutex_destroy(&limits->lock);
}

static void
key_of(const union addr *source, struct source_key *key)
{
    memset(key, 0, sizeof(*key));
    key->family = source->sa.sa_family;
    if (source->sa.sa_family == AF_INET6)
        memcpy(key->bytes, &source->v6.sin6_addr, sizeof(key->bytes));
    else
        memcpy(key->bytes, &source->v4.sin_addr, 4);
}

static enum err
count_source(struct limits *limits, const union addr *source)
{
    struct source_count *found = NULL;
    struct source_key key;
    enum err err = ERR_OK;

    key_of(source, &key);
    pthread_mutex_lock(&limits->lock);
    HASH_FIND(hh, limits->sources, &key, sizeof(key), found);
    if (!found) {
        found = calloc(1, sizeof(*found));
        if (found) {
            found->key = key;
            HASH_ADD(hh, limits->sources, key, sizeof(key), found);
        }
        if (found && !found->hh.tbl) { /* the table could not grow */
            free(found);
            found = NULL;
        }
    }
    if (!found)
        err = ERR_NO_MEMORY;
    else if (found->count >= limits->max_per_source)
        err = ERR_LIMIT;
    else
        found->count++;
    pthread_mutex_unlock(&limits->lock);
    return err;
}

static void
uncount_source(struct limits *limits, const union addr *source)
{
    struct source_count *found = NULL;
    struct source_key key;

    key_of(source, &key);
    pthread_mutex_lock(&limits->lock);
    HASH_FIND(hh, limits->sources, &key, sizeof(key), found);
    if (found && --found->count == 0) {
        HASH_DEL(limits->sources, found);
        free(found);
    }
    pthread_mutex_unlock(&limits->lock);
}

/* Clients of a Unix socket have none to be told apart by. */
static bool
has_address(const union addr *source)
{
    return source->sa.sa_family != AF_UNSPEC;
}

enum err
limits_enter(struct limits *limits, const union addr *source)
{
    enum err err = ERR_OK;

    atomic_fetch_add(&limits->open, 1);
    if (limits->max_sessions > 0 &&
        atomic_fetch_add(&limits->counted, 1) >= limits->max_sessions) {
        atomic_fetch_sub(&limits->counted, 1);
        return ERR_LIMIT;
    }
    if (limits->max_per_source > 0 && has_address(source))
        err = count_source(limits, source);
    if (err && limits->max_sessions > 0)
        atomic_fetch_sub(&limits->counted, 1);
    return err;
}

void
limits_uncount(struct limits *limits, const union addr *source)
{
    if (limits->max_sessions > 0)
        atomic_fetch_sub(&limits->counted, 1);
    if (limits->max_per_source > 0 && has_address(source))
        uncount_source(limits, source);
}

void
limits_leave(struct limits *limits, const union addr *source, enum err entered)
{
    atomic_fetch_sub(&limits->open, 1);
    if (!entered)
        limits_uncount(limits, source);
}

bool
limits_have_room(struct limits *limits)
{
    long long room = atomic_load(&limits->free) / limits->per_session;

    /* One at least, or nothing would ever work. */
    return atomic_load(&limits->open) < (room > 0 ? room : 1);
}

bool
limits_note_shortage(struct limits *limits)
{
    long long now = (long long)clock_seconds() + 1;
    long long before = atomic_exchange(&limits->short_at, now);

    return before == 0 || now - before > QUIET_SECONDS;
}
