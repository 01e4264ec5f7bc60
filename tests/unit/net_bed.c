#include "tests/unit/net_bed.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define GUARD_S 60

double
net_bed_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void
on_guard(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)timer;
    (void)events;
    fprintf(stderr, "nothing came for %d seconds\n", GUARD_S);
    abort();
}

static void
on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)timer;
    (void)events;
    ev_break(loop, EVBREAK_ALL);
}

void
net_bed_replace(const char *path, const char *text)
{
    char fresh[128];
    FILE *file;

    snprintf(fresh, sizeof(fresh), "%s.new", path);
    file = fopen(fresh, "w");
    cr_assert(file);
    fputs(text, file);
    fclose(file);
    cr_assert_eq(rename(fresh, path), 0);
}

const char *
net_bed_conf(const struct fake_dns *dns, const char *options)
{
    static char text[1024];

    snprintf(text, sizeof(text), "nameserver 127.0.0.1:%u\n%s\n",
             fake_dns_port(dns), options ? options : "search .");
    return text;
}

void
net_bed_open(struct net_bed *bed, const struct fake_rule *rules,
             const char *options, const char *hosts)
{
    struct resolver_config config = {.resolv_conf = bed->resolv_conf,
                                     .hosts = bed->hosts};

    memset(bed, 0, sizeof(*bed));
    unsetenv("LOCALDOMAIN");
    unsetenv("RES_OPTIONS");
    strcpy(bed->dir, "/tmp/culvert-net-XXXXXX");
    cr_assert(mkdtemp(bed->dir));
    snprintf(bed->hosts, sizeof(bed->hosts), "%s/hosts", bed->dir);
    snprintf(bed->resolv_conf, sizeof(bed->resolv_conf), "%s/resolv.conf",
             bed->dir);
    bed->dns = fake_dns_start(rules);
    net_bed_replace(bed->hosts, hosts ? hosts : "");
    net_bed_replace(bed->resolv_conf, net_bed_conf(bed->dns, options));
    bed->worker = worker_create(0);
    cr_assert(bed->worker);
    cr_assert_eq(resolver_create(bed->worker, &config, &bed->resolver), ERR_OK);
    ev_timer_init(&bed->guard, on_guard, GUARD_S, 0);
    ev_timer_init(&bed->timer, on_timer, 0, 0);
}

void
net_bed_close(struct net_bed *bed)
{
    resolver_destroy(bed->resolver);
    worker_destroy(bed->worker);
    fake_dns_stop(bed->dns);
    unlink(bed->hosts);
    unlink(bed->resolv_conf);
    cr_assert_eq(rmdir(bed->dir), 0);
}

static void
run(struct net_bed *bed)
{
    struct ev_loop *loop = worker_loop(bed->worker);

    ev_now_update(loop);
    ev_timer_set(&bed->guard, GUARD_S, 0);
    ev_timer_start(loop, &bed->guard);
    worker_run(bed->worker);
    ev_timer_stop(loop, &bed->guard);
}

void
net_bed_wait(struct net_bed *bed, unsigned count)
{
    bed->awaited = count;
    run(bed);
}

void
net_bed_done(struct net_bed *bed)
{
    if (bed->awaited > 0 && --bed->awaited == 0)
        worker_stop(bed->worker);
}

void
net_bed_run_ms(struct net_bed *bed, unsigned ms)
{
    struct ev_loop *loop = worker_loop(bed->worker);

    ev_now_update(loop);
    ev_timer_set(&bed->timer, ms / 1000.0, 0);
    ev_timer_start(loop, &bed->timer);
    run(bed);
}

static void
on_answer(struct resolve *resolve, const struct resolve_answer *answer)
{
    struct net_ask *ask = (struct net_ask *)(void *)resolve;
    enum resolve_family family = answer->family;
    struct net_bed *bed = ask->bed;

    cr_assert_lt(ask->answers, 2u);
    ask->followed[ask->answers] = answer->followed;
    ask->order[ask->answers++] = family;
    ask->err[family] = answer->err;
    ask->count[family] = answer->count;
    if (answer->count > 0)
        addr_format_host(&answer->addrs[0], ask->first[family]);
    if (ask->cancel_in_answer) {
        resolve_cancel(resolve);
        memset(resolve, 0xee, sizeof(*resolve)); /* as if it were freed */
    }
    net_bed_done(bed);
}

void
net_ask_start(struct net_bed *bed, struct net_ask *ask, const char *name)
{
    bool cancel = ask->cancel_in_answer;

    memset(ask, 0, sizeof(*ask));
    ask->cancel_in_answer = cancel;
    ask->bed = bed;
    ask->err[0] = ask->err[1] = ERR_COUNT_;
    ask->resolve.on_answer = on_answer;
    ask->resolve.want_v4 = ask->resolve.want_v6 = true;
    resolve_start(bed->resolver, &ask->resolve, name);
    cr_assert_eq(ask->answers, 0u);
}

void
net_ask_wait(struct net_bed *bed, struct net_ask *ask, const char *name)
{
    net_ask_start(bed, ask, name);
    net_bed_wait(bed, 2);
}

void
net_ask_check(const struct net_ask *ask, const char *v4, const char *v6)
{
    cr_assert_eq(ask->answers, 2u);
    cr_assert_eq(ask->err[RESOLVE_V4], ERR_OK, "%s",
                 err_word(ask->err[RESOLVE_V4]));
    cr_assert_eq(ask->err[RESOLVE_V6], ERR_OK, "%s",
                 err_word(ask->err[RESOLVE_V6]));
    cr_assert_str_eq(ask->first[RESOLVE_V4], v4);
    cr_assert_str_eq(ask->first[RESOLVE_V6], v6);
}

void
net_ask_check_errs(const struct net_ask *ask, enum err v4, enum err v6)
{
    cr_assert_eq(ask->answers, 2u);
    cr_assert_eq(ask->err[RESOLVE_V4], v4, "%s",
                 err_word(ask->err[RESOLVE_V4]));
    cr_assert_eq(ask->err[RESOLVE_V6], v6, "%s",
                 err_word(ask->err[RESOLVE_V6]));
}
