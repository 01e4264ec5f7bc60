#include "transport/net/resolve.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "transport/net/dnspool.h"
#include "transport/net/hosts.h"
#include "transport/net/search.h"
#include "transport/net/sysfile.h"

#define CACHE_ENTRIES   4096
#define CHECK_FILES_MS  1000
#define HOSTS_PATH      "/etc/hosts"
#define RESOLVCONF_PATH "/etc/resolv.conf"

struct resolver {
    struct worker *worker;
    const char *hosts_path;
    struct sysfile hosts_seen;
    struct hosts *hosts; /* NULL: none */
    struct dnspool *pool;
    uint64_t checked_ms;
};

/* One asker's way through the candidates of a name. Both families go through
 * them together: a host with an A record alone must not get the AAAA record of
 * another name further down the search list. */
struct lookup {
    struct resolve *resolve;
    struct dnsset *set; /* NULL until it started */
    unsigned index;     /* the next candidate */
    bool settled;       /* this candidate's results are the answer */
    struct dns_result results[2];
    struct dnswaiter waiters[2];
    char name[];
};

static int
af_of(enum resolve_family family)
{
    return family == RESOLVE_V4 ? AF_INET : AF_INET6;
}

/* --- the files ------------------------------------------------------------ */

static enum err
take_hosts(struct resolver *resolver)
{
    struct hosts *hosts = NULL;
    char *text;
    size_t len;
    enum err err = sysfile_read(resolver->hosts_path, &text, &len);

    if (err == ERR_OK)
        err = hosts_parse(text, len, &hosts);
    if (err == ERR_NO_MEMORY)
        return err;
    hosts_destroy(resolver->hosts);
    resolver->hosts = hosts;
    return ERR_OK;
}

/* Takes up files that changed. What cannot be for want of memory is tried
 * again a second later, with the old state until then. */
static enum err
check_files(struct resolver *resolver)
{
    struct timespec now;
    uint64_t now_ms;
    enum err err = ERR_OK;
    enum err pool_err;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    if (resolver->checked_ms && now_ms - resolver->checked_ms < CHECK_FILES_MS)
        return ERR_OK;
    resolver->checked_ms = now_ms;
    if (sysfile_changed(&resolver->hosts_seen, resolver->hosts_path))
        err = take_hosts(resolver);
    if (err != ERR_OK)
        sysfile_forget(&resolver->hosts_seen);
    pool_err = dnspool_check(resolver->pool);
    return err == ERR_OK ? pool_err : err;
}

/* --- look-ups ------------------------------------------------------------ */

static bool
wants(const struct lookup *lookup, enum resolve_family family)
{
    return family == RESOLVE_V4 ? lookup->resolve->want_v4
                                : lookup->resolve->want_v6;
}

static bool
has_status(const struct lookup *lookup, enum dns_status status)
{
    return (wants(lookup, RESOLVE_V4) &&
            lookup->results[RESOLVE_V4].status == status) ||
           (wants(lookup, RESOLVE_V6) &&
            lookup->results[RESOLVE_V6].status == status);
}

static void
drop_results(struct lookup *lookup)
{
    for (int i = 0; i < 2; i++) {
        dns_drop(lookup->results[i]);
        lookup->results[i] = (struct dns_result){DNS_NONE, NULL};
    }
}

static void
lookup_free(struct lookup *lookup)
{
    dnswaiter_stop(&lookup->waiters[RESOLVE_V4]);
    dnswaiter_stop(&lookup->waiters[RESOLVE_V6]);
    drop_results(lookup);
    dnsset_drop(lookup->set);
    free(lookup);
}

/* Whether the results say that this candidate is not meant: it has no
 * address, as far as is known. A failure beside NXDOMAIN still means that the
 * name is not there; beside an empty answer it may hide the addresses. */
static bool
should_search_on(const struct lookup *lookup)
{
    if (has_status(lookup, DNS_NO_MEMORY))
        return false;
    if (has_status(lookup, DNS_NO_NAME))
        return true;
    return !has_status(lookup, DNS_TIMED_OUT) &&
           !has_status(lookup, DNS_FAILED);
}

/* Asks for the next candidate. Returns false after the last. */
static bool
try_next(struct lookup *lookup)
{
    char candidate[SEARCH_NAME_MAX + 1];

    if (!search_next(dnsset_conf(lookup->set), lookup->name, &lookup->index,
                     candidate))
        return false;
    drop_results(lookup);
    for (int i = 0; i < 2; i++) {
        enum resolve_family family = i ? RESOLVE_V4 : RESOLVE_V6;

        if (wants(lookup, family))
            lookup->results[family] =
                dnsset_ask(lookup->set, candidate, af_of(family),
                           &lookup->waiters[family]);
    }
    return true;
}

/* Looks at what the candidate gave so far: it is the one, or what is next. */
static void
judge(struct lookup *lookup)
{
    while (!lookup->settled && !has_status(lookup, DNS_ADDRS)) {
        if (has_status(lookup, DNS_NONE))
            return; /* for an answer */
        if (!should_search_on(lookup) || !try_next(lookup))
            break;
    }
    lookup->settled = true;
    worker_defer(lookup->resolve->resolver_->worker, &lookup->resolve->task_);
}

static void
take_result(struct lookup *lookup, enum resolve_family family,
            struct dns_result result)
{
    lookup->results[family] = dns_hold(result);
    judge(lookup);
}

static void
on_answered_v4(struct dnswaiter *waiter, struct dns_result result)
{
    size_t at = offsetof(struct lookup, waiters[RESOLVE_V4]);

    take_result((struct lookup *)(void *)((char *)waiter - at), RESOLVE_V4,
                result);
}

static void
on_answered_v6(struct dnswaiter *waiter, struct dns_result result)
{
    size_t at = offsetof(struct lookup, waiters[RESOLVE_V6]);

    take_result((struct lookup *)(void *)((char *)waiter - at), RESOLVE_V6,
                result);
}

static struct dns_result
loopback_of(enum resolve_family family)
{
    static const uint8_t v4[4] = {127, 0, 0, 1};
    static const uint8_t v6[16] = {[15] = 1};
    struct dns_result result = dns_result_of(1);

    if (result.addrs && family == RESOLVE_V4)
        addr_from_v4(&result.addrs->addrs[0], v4, 0);
    else if (result.addrs)
        addr_from_v6(&result.addrs->addrs[0], v6, 0);
    return result;
}

static struct dns_result
from_hosts(const struct resolver *resolver, const char *name,
           enum resolve_family family)
{
    struct dns_result result = {DNS_NO_DATA, NULL};
    union addr addrs[HOSTS_ADDRS_MAX];
    size_t count = hosts_find(resolver->hosts, name, af_of(family), addrs);

    if (count == 0)
        return result;
    result = dns_result_of(count);
    if (result.addrs)
        memcpy(result.addrs->addrs, addrs, count * sizeof(addrs[0]));
    return result;
}

/* What is known without the DNS. Returns false where that has to be asked. */
static bool
answer_locally(struct lookup *lookup)
{
    const struct resolver *resolver = lookup->resolve->resolver_;
    bool legal = search_is_host_name(lookup->name);
    bool local = legal && search_is_under(lookup->name, "localhost");
    bool listed = !local && hosts_has(resolver->hosts, lookup->name);
    bool known = local || listed || !legal ||
                 search_is_under(lookup->name, "invalid") ||
                 search_is_under(lookup->name, "onion");

    for (int i = 0; known && i < 2; i++) {
        enum resolve_family family = i ? RESOLVE_V6 : RESOLVE_V4;

        if (!wants(lookup, family))
            continue;
        if (local)
            lookup->results[i] = loopback_of(family);
        else if (listed)
            lookup->results[i] = from_hosts(resolver, lookup->name, family);
        else
            lookup->results[i].status = DNS_NO_NAME;
    }
    return known;
}

/* --- telling ------------------------------------------------------------- */

static enum err
err_of(enum dns_status status)
{
    switch (status) {
    case DNS_ADDRS:
        return ERR_OK;
    case DNS_TIMED_OUT:
        return ERR_NAME_TIMED_OUT;
    case DNS_FAILED:
        return ERR_NAME_FAILED;
    case DNS_NO_MEMORY:
        return ERR_NO_MEMORY;
    case DNS_NONE:
    case DNS_NO_DATA:
    case DNS_NO_NAME:
        break;
    }
    return ERR_NAME_NOT_FOUND;
}

/* Whether this family's result is there and was not told. */
static bool
is_tellable(const struct resolve *resolve, enum resolve_family family)
{
    const struct lookup *lookup = resolve->lookup_;

    if (!(resolve->due_ & 1u << family))
        return false;
    return !lookup || lookup->results[family].status != DNS_NONE;
}

/* Tells one family's answer, the one for IPv6 first. The callback may free
 * resolve: what is left to do after it is prepared before it. */
static void
tell(struct resolve *resolve)
{
    struct lookup *lookup = resolve->lookup_;
    enum resolve_family family =
        is_tellable(resolve, RESOLVE_V6) ? RESOLVE_V6 : RESOLVE_V4;
    struct dns_result result = {DNS_NO_MEMORY, NULL};
    struct resolve_answer answer = {.family = family};

    if (!is_tellable(resolve, family))
        return;
    if (lookup)
        result = dns_hold(lookup->results[family]);
    resolve->due_ &= ~(1u << family);
    if (resolve->due_ == 0 && lookup) {
        resolve->lookup_ = NULL;
        lookup_free(lookup);
    } else if (is_tellable(resolve, RESOLVE_V4)) {
        answer.followed = true;
        worker_defer(resolve->resolver_->worker, &resolve->task_);
    }
    answer.err = err_of(result.status);
    if (result.addrs) {
        answer.addrs = result.addrs->addrs;
        answer.count = result.addrs->count;
    }
    resolve->on_answer(resolve, &answer);
    dns_drop(result);
}

static void
on_resolve_task(struct task *task)
{
    struct resolve *resolve =
        (struct resolve *)(void *)((char *)task -
                                   offsetof(struct resolve, task_));
    struct lookup *lookup = resolve->lookup_;

    if (!lookup || lookup->settled) {
        tell(resolve);
        return;
    }
    check_files(resolve->resolver_);
    if (answer_locally(lookup)) {
        lookup->settled = true;
        tell(resolve);
        return;
    }
    lookup->set = dnspool_hold(resolve->resolver_->pool);
    lookup->waiters[RESOLVE_V4].answered = on_answered_v4;
    lookup->waiters[RESOLVE_V6].answered = on_answered_v6;
    try_next(lookup); /* a legal name has one candidate, itself */
    judge(lookup);
}

/* --- the interface ------------------------------------------------------- */

enum err
resolver_create(struct worker *worker, const struct resolver_config *config,
                struct resolver **out)
{
    struct resolver *resolver = calloc(1, sizeof(*resolver));

    if (!resolver)
        return ERR_NO_MEMORY;
    resolver->worker = worker;
    resolver->hosts_path = config->hosts ? config->hosts : HOSTS_PATH;
    if (dnspool_create(
            worker, config->resolv_conf ? config->resolv_conf : RESOLVCONF_PATH,
            config->cache_entries ? config->cache_entries : CACHE_ENTRIES,
            &resolver->pool) != ERR_OK ||
        check_files(resolver) != ERR_OK) {
        resolver_destroy(resolver);
        return ERR_NO_MEMORY;
    }
    *out = resolver;
    return ERR_OK;
}

void
resolver_destroy(struct resolver *resolver)
{
    if (!resolver)
        return;
    dnspool_destroy(resolver->pool);
    hosts_destroy(resolver->hosts);
    free(resolver);
}

void
resolve_start(struct resolver *resolver, struct resolve *resolve,
              const char *name)
{
    size_t len = strlen(name);
    struct lookup *lookup = calloc(1, sizeof(*lookup) + len + 1);

    worker_assert_here(resolver->worker);
    resolve->resolver_ = resolver;
    resolve->lookup_ = lookup;
    resolve->due_ = (resolve->want_v4 ? 1u << RESOLVE_V4 : 0) |
                    (resolve->want_v6 ? 1u << RESOLVE_V6 : 0);
    resolve->task_ = (struct task){.run = on_resolve_task};
    if (lookup) {
        lookup->resolve = resolve;
        memcpy(lookup->name, name, len + 1);
    }
    worker_defer(resolver->worker, &resolve->task_);
}

void
resolve_cancel(struct resolve *resolve)
{
    if (!resolve->resolver_)
        return;
    worker_undefer(resolve->resolver_->worker, &resolve->task_);
    if (resolve->lookup_)
        lookup_free(resolve->lookup_);
    resolve->lookup_ = NULL;
    resolve->due_ = 0;
}

void
resolver_reload(struct resolver *resolver)
{
    dnspool_forget(resolver->pool);
    sysfile_forget(&resolver->hosts_seen);
    resolver->checked_ms = 0;
    check_files(resolver);
}
