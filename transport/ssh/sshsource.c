#include "transport/ssh/sshsource.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

/* What is over is forgotten every so often. */
#define SWEEP_SECONDS 60.0

/* What tells one source from another: the family, and an IPv4 address or the
 * first half of an IPv6 one. */
struct key {
    uint8_t bytes[9];
};

struct sshsource {
    struct key key;
    struct sshsource_guest *guests; /* the oldest first */
    unsigned count;                 /* under way */
    unsigned waiting;
    double until;   /* what has gathered is over then */
    bool is_barred; /* as it was enough, until then */
    struct sshsource *prev;
    struct sshsource *next;
    UT_hash_handle hh;
};

static struct key
key_of(const union addr *peer)
{
    union addr addr = *peer;
    struct key key = {{0}};

    addr_unmap(&addr);
    if (addr.sa.sa_family == AF_INET) {
        key.bytes[0] = 4;
        memcpy(key.bytes + 1, &addr.v4.sin_addr, 4);
    } else if (addr.sa.sa_family == AF_INET6) {
        key.bytes[0] = 6;
        memcpy(key.bytes + 1, &addr.v6.sin6_addr, 8);
    }
    return key;
}

static struct sshsource *
find(const struct sshsources *sources, const union addr *peer)
{
    struct key key = key_of(peer);
    struct sshsource *source;

    HASH_FIND(hh, sources->known, &key, sizeof(key), source);
    return source;
}

static void
forget(struct sshsources *sources, struct sshsource *source)
{
    HASH_DEL(sources->known, source);
    sources->known_count--;
    free(source);
}

static bool
is_idle(const struct sshsource *source)
{
    return source->count == 0 && source->waiting == 0;
}

static void
forget_if_over(struct sshsources *sources, struct sshsource *source, double now)
{
    if (is_idle(source) && source->until <= now)
        forget(sources, source);
}

static void
sweep(struct sshsources *sources, double now)
{
    struct sshsource *each;
    struct sshsource *next;

    sources->swept = now;
    HASH_ITER (hh, sources->known, each, next)
        forget_if_over(sources, each, now);
}

/* Makes room for one more: who has least to come is let off. */
static void
forget_one(struct sshsources *sources)
{
    struct sshsource *least = NULL;
    struct sshsource *each;
    struct sshsource *next;

    HASH_ITER (hh, sources->known, each, next)
        if (is_idle(each) && (!least || each->until < least->until))
            least = each;
    if (least)
        forget(sources, least);
}

static struct sshsource *
find_or_add(struct sshsources *sources, const union addr *peer, double now)
{
    struct sshsource *source = find(sources, peer);

    if (source)
        return source;
    if (now - sources->swept >= SWEEP_SECONDS)
        sweep(sources, now);
    if (sources->known_count >= SSHSOURCE_KNOWN_MAX)
        forget_one(sources);
    source = calloc(1, sizeof(*source));
    if (!source)
        return NULL;
    source->key = key_of(peer);
    HASH_ADD(hh, sources->known, key, sizeof(source->key), source);
    if (!source->hh.tbl) { /* the table could not grow */
        free(source);
        return NULL;
    }
    sources->known_count++;
    return source;
}

/* --- logins --------------------------------------------------------------- */

static void
take_out(struct sshsources *sources, struct sshsource_guest *guest)
{
    struct sshsource *source = guest->source;

    guest->source = NULL;
    if (guest->waits) {
        guest->waits = false;
        source->waiting--;
        sources->waiting--;
        return;
    }
    DL_DELETE(source->guests, guest);
    sources->guests--;
    if (--source->count == 0)
        DL_DELETE(sources->present, source);
}

static void
take_in(struct sshsources *sources, struct sshsource *source,
        struct sshsource_guest *guest, double now)
{
    guest->source = source;
    guest->since = now;
    DL_APPEND(source->guests, guest);
    sources->guests++;
    if (source->count++ == 0)
        DL_APPEND(sources->present, source);
}

static enum sshsource_answer
put_off(struct sshsources *sources, struct sshsource *source,
        struct sshsource_guest *guest)
{
    if (guest->waits)
        return SSHSOURCE_WAIT;
    if (sources->waiting >= SSHSOURCE_WAITING_MAX ||
        source->waiting >= SSHSOURCE_WAITING_EACH_MAX)
        return SSHSOURCE_CROWDED;
    guest->source = source;
    guest->waits = true;
    source->waiting++;
    sources->waiting++;
    return SSHSOURCE_WAIT;
}

/* Whose login has to go for one of this source; NULL: nobody's. */
static struct sshsource *
find_crowd(struct sshsources *sources, struct sshsource *source)
{
    struct sshsource *most = NULL;
    struct sshsource *each;

    if (source->count >= SSHSOURCE_EACH_MAX)
        return source;
    if (sources->guests < SSHSOURCE_LOGINS_MAX)
        return NULL;
    DL_FOREACH (sources->present, each)
        if (!most || each->count > most->count)
            most = each;
    return most;
}

static double
seconds_left(const struct sshsource *source, double now)
{
    return source && source->is_barred && source->until > now
               ? source->until - now
               : 0;
}

enum sshsource_answer
sshsource_enter(struct sshsources *sources, struct sshsource_guest *guest,
                const union addr *peer, double now,
                struct sshsource_guest **victim)
{
    struct sshsource *source = find_or_add(sources, peer, now);
    struct sshsource *crowd;

    *victim = NULL;
    if (!source)
        return SSHSOURCE_NO_MEMORY;
    if (seconds_left(source, now) > 0)
        return SSHSOURCE_BARRED;
    crowd = find_crowd(sources, source);
    if (crowd && now - crowd->guests->since < SSHSOURCE_SPARED_SECONDS)
        return put_off(sources, source, guest);
    if (guest->waits)
        take_out(sources, guest);
    take_in(sources, source, guest, now);
    if (crowd) {
        *victim = crowd->guests;
        take_out(sources, *victim);
        forget_if_over(sources, crowd, now);
    }
    return SSHSOURCE_IN;
}

void
sshsource_leave(struct sshsources *sources, struct sshsource_guest *guest,
                double now)
{
    struct sshsource *source = guest->source;

    if (!source)
        return;
    take_out(sources, guest);
    forget_if_over(sources, source, now);
}

/* --- penalties ------------------------------------------------------------ */

bool
sshsource_blame(struct sshsources *sources, const union addr *peer,
                double seconds, double now)
{
    struct sshsource *source = find_or_add(sources, peer, now);
    bool was_barred;

    if (!source)
        return false;
    was_barred = seconds_left(source, now) > 0;
    if (source->until < now) {
        source->until = now;
        source->is_barred = false;
    }
    source->until += seconds;
    if (source->until > now + SSHSOURCE_MOST_SECONDS)
        source->until = now + SSHSOURCE_MOST_SECONDS;
    if (source->until - now >= SSHSOURCE_GATHER_SECONDS)
        source->is_barred = true;
    return source->is_barred && !was_barred;
}

void
sshsource_forgive(struct sshsources *sources, const union addr *peer,
                  double now)
{
    struct sshsource *source = find(sources, peer);

    if (!source)
        return;
    source->until = 0;
    source->is_barred = false;
    forget_if_over(sources, source, now);
}

double
sshsource_barred(const struct sshsources *sources, const union addr *peer,
                 double now)
{
    return seconds_left(find(sources, peer), now);
}

void
sshsource_clear(struct sshsources *sources)
{
    struct sshsource *each;
    struct sshsource *next;

    HASH_ITER (hh, sources->known, each, next)
        forget(sources, each);
    *sources = (struct sshsources){0};
}
