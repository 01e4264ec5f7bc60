#include "transport/net/resolve.h"

#include <criterion/criterion.h>
#include <unistd.h>

#include "tests/unit/net_bed.h"

static const struct fake_rule rules[] = {
    {.name = "both.test",
     .addrs = {"192.0.2.1", "192.0.2.2", "2001:db8::1"},
     .ttl_s = 60},
    {.name = "slow.test",
     .addrs = {"192.0.2.7", "2001:db8::7"},
     .ttl_s = 60,
     .delay_ms = 150},
    {.name = NULL},
};

Test(resolve_files, hosts_file_comes_before_the_dns)
{
    struct net_bed bed;
    struct net_ask ask = {.answers = 0};

    net_bed_open(&bed, rules, NULL,
                 "192.0.2.50 both.test two\n2001:db8::50 two\n");
    net_ask_wait(&bed, &ask, "Both.Test.");
    net_ask_check_errs(&ask, ERR_OK, ERR_NAME_NOT_FOUND);
    cr_assert_str_eq(ask.first[RESOLVE_V4], "192.0.2.50");
    net_ask_wait(&bed, &ask, "two");
    net_ask_check(&ask, "192.0.2.50", "2001:db8::50");
    cr_assert_eq(fake_dns_asked(bed.dns, NULL, 0), 0u);
    net_bed_close(&bed);
}

Test(resolve_files, notices_a_changed_hosts_file)
{
    struct net_bed bed;
    struct net_ask ask = {.answers = 0};

    net_bed_open(&bed, rules, NULL, "192.0.2.50 here\n");
    net_ask_wait(&bed, &ask, "here");
    net_bed_replace(bed.hosts, "192.0.2.51 here\n");
    net_bed_run_ms(&bed, 1100);
    net_ask_wait(&bed, &ask, "here");
    cr_assert_str_eq(ask.first[RESOLVE_V4], "192.0.2.51");
    unlink(bed.hosts);
    net_bed_run_ms(&bed, 1100);
    net_ask_wait(&bed, &ask, "here");
    net_ask_check_errs(&ask, ERR_NAME_NOT_FOUND, ERR_NAME_NOT_FOUND);
    net_bed_close(&bed);
}

Test(resolve_files, reload_takes_up_files_at_once)
{
    struct net_bed bed;
    struct net_ask ask = {.answers = 0};

    net_bed_open(&bed, rules, NULL, "192.0.2.50 here\n");
    net_ask_wait(&bed, &ask, "both.test");
    net_bed_replace(bed.hosts, "192.0.2.52 here\n");
    resolver_reload(bed.resolver);
    net_ask_wait(&bed, &ask, "here");
    cr_assert_str_eq(ask.first[RESOLVE_V4], "192.0.2.52");
    net_ask_wait(&bed, &ask, "both.test"); /* the cache is gone too */
    cr_assert_eq(fake_dns_asked(bed.dns, "both.test", 0), 4u);
    net_bed_close(&bed);
}

Test(resolve_files, takes_up_a_changed_resolv_conf_while_the_old_drains)
{
    static const struct fake_rule others[] = {
        {.name = "slow.test", .addrs = {"198.51.100.1", "2001:db8:1::1"}},
        {.name = NULL},
    };
    struct fake_dns *other = fake_dns_start(others);
    struct net_bed bed;
    struct net_ask old = {.answers = 0};
    struct net_ask new = {.answers = 0};

    net_bed_open(&bed, rules, NULL, NULL);
    net_bed_run_ms(&bed, 1100);
    net_ask_start(&bed, &old, "slow.test");
    net_bed_run_ms(&bed, 10);
    net_bed_replace(bed.resolv_conf, net_bed_conf(other, NULL));
    resolver_reload(bed.resolver);
    net_ask_wait(&bed, &new, "slow.test");
    net_ask_check(&new, "198.51.100.1", "2001:db8:1::1");
    cr_assert_eq(old.answers, 0u);
    net_bed_wait(&bed, 2);
    net_ask_check(&old, "192.0.2.7", "2001:db8::7");
    /* What the old servers said is not remembered. */
    net_ask_wait(&bed, &new, "slow.test");
    net_ask_check(&new, "198.51.100.1", "2001:db8:1::1");
    net_bed_close(&bed);
    fake_dns_stop(other);
}

Test(resolve_files, notices_a_changed_resolv_conf)
{
    static const struct fake_rule others[] = {
        {.name = "both.test", .addrs = {"198.51.100.1", "2001:db8:1::1"}},
        {.name = NULL},
    };
    struct fake_dns *other = fake_dns_start(others);
    struct net_bed bed;
    struct net_ask ask = {.answers = 0};

    net_bed_open(&bed, rules, NULL, NULL);
    net_ask_wait(&bed, &ask, "both.test");
    net_bed_replace(bed.resolv_conf, net_bed_conf(other, NULL));
    net_ask_wait(&bed, &ask, "both.test");
    net_ask_check(&ask, "192.0.2.1", "2001:db8::1");
    net_bed_run_ms(&bed, 1100);
    net_ask_wait(&bed, &ask, "both.test");
    net_ask_check(&ask, "198.51.100.1", "2001:db8:1::1");
    net_bed_close(&bed);
    fake_dns_stop(other);
}

Test(resolve_files, works_without_its_files)
{
    struct net_bed bed;
    struct net_ask ask = {.answers = 0};

    net_bed_open(&bed, rules, NULL, NULL);
    unlink(bed.hosts);
    unlink(bed.resolv_conf);
    resolver_reload(bed.resolver);
    net_ask_wait(&bed, &ask, "localhost");
    net_ask_check(&ask, "127.0.0.1", "::1");
    net_bed_close(&bed);
}
