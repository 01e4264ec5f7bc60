/* What the tests of names and connections stand on: a worker without a thread
 * of its own, a resolver with files of its own, and a fake DNS server. */
#ifndef CULVERT_TESTS_UNIT_NET_BED_H
#define CULVERT_TESTS_UNIT_NET_BED_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>

#include "tests/unit/fake_dns.h"
#include "transport/loop/worker.h"
#include "transport/net/resolve.h"

struct net_bed {
    struct worker *worker;
    struct resolver *resolver;
    struct fake_dns *dns;
    char dir[64];
    char hosts[96];
    char resolv_conf[96];
    ev_timer guard;
    ev_timer timer;
    unsigned awaited; /* the loop runs until as many net_bed_done came */
};

/* options: lines for resolv.conf beside the server's, or NULL, which stands
 * for "search ."; hosts: the hosts file's text or NULL. */
void net_bed_open(struct net_bed *bed, const struct fake_rule *rules,
                  const char *options, const char *hosts);
void net_bed_close(struct net_bed *bed);

/* Runs the loop until count calls of net_bed_done; fails after a minute. */
void net_bed_wait(struct net_bed *bed, unsigned count);
void net_bed_done(struct net_bed *bed);

/* Runs the loop for so long. */
void net_bed_run_ms(struct net_bed *bed, unsigned ms);

/* Puts a new file in the place of one of the two. */
void net_bed_replace(const char *path, const char *text);

/* resolv.conf's text for a server and some options; static memory. */
const char *net_bed_conf(const struct fake_dns *dns, const char *options);

/* Seconds of a clock that only goes on. */
double net_bed_now(void);

/* A look-up that keeps what it is told. */
struct net_ask {
    struct resolve resolve;
    struct net_bed *bed;
    unsigned answers;
    enum err err[2];
    size_t count[2];
    char first[2][ADDR_TEXT_MAX]; /* each family's first address */
    enum resolve_family order[2];
    bool followed[2]; /* by order */
    bool cancel_in_answer;
};

/* Starts one for both families. */
void net_ask_start(struct net_bed *bed, struct net_ask *ask, const char *name);

/* Starts one and waits for both answers. */
void net_ask_wait(struct net_bed *bed, struct net_ask *ask, const char *name);

/* Both families answered, with these first addresses, or with these errors
 * (ERR_OK: with any). */
void net_ask_check(const struct net_ask *ask, const char *v4, const char *v6);
void net_ask_check_errs(const struct net_ask *ask, enum err v4, enum err v6);

#endif
