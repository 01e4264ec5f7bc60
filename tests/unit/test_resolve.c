#include "transport/net/resolve.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/net_bed.h"

#define MANY 40

static const struct fake_rule rules[] = {
    {.name = "both.test",
     .addrs = {"192.0.2.1", "192.0.2.2", "2001:db8::1"},
     .ttl_s = 60},
    {.name = "brief.test", .addrs = {"192.0.2.3", "2001:db8::3"}, .ttl_s = 1},
    {.name = "never.test", .addrs = {"192.0.2.4", "2001:db8::4"}},
    {.name = "only4.test", .addrs = {"192.0.2.5"}, .ttl_s = 60},
    {.name = "alias.test",
     .addrs = {"192.0.2.6", "2001:db8::6"},
     .ttl_s = 60,
     .cname = "real.test",
     .cname_ttl_s = 1},
    {.name = "dangling.test", .cname = "gone.test", .cname_ttl_s = 60},
    {.name = "slow.test",
     .addrs = {"192.0.2.7", "2001:db8::7"},
     .ttl_s = 60,
     .delay_ms = 150},
    {.name = "servfail.test", .what = FAKE_SERVFAIL},
    {.name = "refused.test", .what = FAKE_REFUSED},
    {.name = "drop.test", .what = FAKE_DROP},
    {.name = "garbage.test", .what = FAKE_GARBAGE},
    {.name = "half.test", .type = 'A', .addrs = {"192.0.2.8"}, .ttl_s = 60},
    {.name = "half.test", .type = '6', .what = FAKE_SERVFAIL},
    {.name = "long.test",
     .what = FAKE_TRUNCATE,
     .addrs = {"192.0.2.9", "2001:db8::9"},
     .ttl_s = 60},
    {.name = "db.corp.test", .addrs = {"192.0.2.10"}, .ttl_s = 60},
    {.name = "both.test.corp.test", .addrs = {"192.0.2.66"}, .ttl_s = 60},
    {.name = "only4.test.corp.test", .addrs = {"2001:db8::66"}, .ttl_s = 60},
    {.name = "a.b.corp.test", .addrs = {"192.0.2.11"}, .ttl_s = 60},
    {.name = "a.b", .addrs = {"192.0.2.12"}, .ttl_s = 60},
    {.name = "late.sales.test", .addrs = {"192.0.2.13"}, .ttl_s = 60},
    {.name = "ill.corp.test", .what = FAKE_SERVFAIL},
    {.name = "ill.sales.test", .addrs = {"192.0.2.14"}, .ttl_s = 60},
    {.name = NULL},
};

Test(resolve, asks_each_family_once)
{
    struct net_bed bed;
    struct net_ask ask = {.answers = 0};

    net_bed_open(&bed, rules, NULL, NULL);
    net_ask_wait(&bed, &ask, "both.test");
    net_ask_check(&ask, "192.0.2.1", "2001:db8::1");
    cr_assert_eq(ask.count[RESOLVE_V4], 2u);
    cr_assert_eq(fake_dns_asked(bed.dns, "both.test", 'A'), 1u);
    cr_assert_eq(fake_dns_asked(bed.dns, "both.test", '6'), 1u);
    cr_assert_eq(fake_dns_asked(bed.dns, NULL, 0), 2u);
    net_bed_close(&bed);
}

Test(resolve, asks_only_the_family_wanted)
{
    struct net_bed bed;
    struct net_ask ask = {.answers = 0};

    net_bed_open(&bed, rules, NULL, NULL);
    net_ask_start(&bed, &ask, "both.test");
    resolve_cancel(&ask.resolve);
    ask.resolve.want_v4 = false;
    resolve_start(bed.resolver, &ask.resolve, "both.test");
    net_bed_wait(&bed, 1);
    cr_assert_eq(ask.answers, 1u);
    cr_assert_str_eq(ask.first[RESOLVE_V6], "2001:db8::1");
    cr_assert_eq(fake_dns_asked(bed.dns, NULL, 'A'), 0u);
    net_bed_close(&bed);
}

Test(resolve, answers_from_the_cache_until_the_ttl_is_over)
{
    struct net_bed bed;
    struct net_ask ask = {.answers = 0};

    net_bed_open(&bed, rules, NULL, NULL);
    net_ask_wait(&bed, &ask, "brief.test");
    net_ask_wait(&bed, &ask, "BRIEF.test");
    net_ask_check(&ask, "192.0.2.3", "2001:db8::3");
    cr_assert_eq(fake_dns_asked(bed.dns, NULL, 0), 2u);
    net_bed_run_ms(&bed, 1100);
    net_ask_wait(&bed, &ask, "brief.test");
    net_ask_check(&ask, "192.0.2.3", "2001:db8::3");
    cr_assert_eq(fake_dns_asked(bed.dns, NULL, 0), 4u);
    net_bed_close(&bed);
}

Test(resolve, does_not_keep_a_ttl_of_0)
{
    struct net_bed bed;
    struct net_ask ask = {.answers = 0};

    net_bed_open(&bed, rules, NULL, NULL);
    net_ask_wait(&bed, &ask, "never.test");
    net_ask_wait(&bed, &ask, "never.test");
    net_ask_check(&ask, "192.0.2.4", "2001:db8::4");
    cr_assert_eq(fake_dns_asked(bed.dns, NULL, 0), 4u);
    net_bed_close(&bed);
}

Test(resolve, follows_an_alias_and_its_ttl)
{
    struct net_bed bed;
    struct net_ask ask = {.answers = 0};

    net_bed_open(&bed, rules, NULL, NULL);
    net_ask_wait(&bed, &ask, "alias.test");
    net_ask_check(&ask, "192.0.2.6", "2001:db8::6");
    net_bed_run_ms(&bed, 1100);
    net_ask_wait(&bed, &ask, "alias.test");
    net_ask_check(&ask, "192.0.2.6", "2001:db8::6");
    cr_assert_eq(fake_dns_asked(bed.dns, NULL, 0), 4u);
    net_ask_wait(&bed, &ask, "dangling.test");
    net_ask_check_errs(&ask, ERR_NAME_NOT_FOUND, ERR_NAME_NOT_FOUND);
    net_bed_close(&bed);
}

Test(resolve, shares_a_query_among_equal_look_ups)
{
    struct net_bed bed;
    struct net_ask asks[MANY];

    memset(asks, 0, sizeof(asks));
    net_bed_open(&bed, rules, NULL, NULL);
    for (int i = 0; i < MANY; i++)
        net_ask_start(&bed, &asks[i], i % 2 ? "slow.test" : "Slow.Test.");
    resolve_cancel(&asks[0].resolve);
    resolve_cancel(&asks[7].resolve);
    net_bed_wait(&bed, 2 * (MANY - 2));
    for (int i = 0; i < MANY; i++) {
        if (i == 0 || i == 7)
            cr_assert_eq(asks[i].answers, 0u);
        else
            net_ask_check(&asks[i], "192.0.2.7", "2001:db8::7");
    }
    cr_assert_eq(fake_dns_asked(bed.dns, NULL, 0), 2u);
    net_bed_close(&bed);
}

Test(resolve, tells_the_failures_apart)
{
    struct net_bed bed;
    struct net_ask ask = {.answers = 0};

    net_bed_open(&bed, rules, "search .\noptions timeout:1 attempts:1", NULL);
    net_ask_wait(&bed, &ask, "nowhere.test");
    net_ask_check_errs(&ask, ERR_NAME_NOT_FOUND, ERR_NAME_NOT_FOUND);
    net_ask_wait(&bed, &ask, "only4.test");
    net_ask_check_errs(&ask, ERR_OK, ERR_NAME_NOT_FOUND);
    net_ask_wait(&bed, &ask, "servfail.test");
    net_ask_check_errs(&ask, ERR_NAME_FAILED, ERR_NAME_FAILED);
    net_ask_wait(&bed, &ask, "refused.test");
    net_ask_check_errs(&ask, ERR_NAME_FAILED, ERR_NAME_FAILED);
    net_ask_wait(&bed, &ask, "garbage.test");
    net_ask_check_errs(&ask, ERR_NAME_FAILED, ERR_NAME_FAILED);
    net_ask_wait(&bed, &ask, "half.test");
    net_ask_check_errs(&ask, ERR_OK, ERR_NAME_FAILED);
    net_ask_wait(&bed, &ask, "drop.test");
    net_ask_check_errs(&ask, ERR_NAME_TIMED_OUT, ERR_NAME_TIMED_OUT);
    net_bed_close(&bed);
}

Test(resolve, fails_where_no_server_listens)
{
    struct net_bed bed;
    struct net_ask ask = {.answers = 0};

    net_bed_open(&bed, rules, NULL, NULL);
    /* Port 1 of an address of the loopback's where nothing is. */
    net_bed_replace(bed.resolv_conf, "nameserver 127.9.9.9:1\nsearch .\n");
    resolver_reload(bed.resolver);
    net_ask_wait(&bed, &ask, "both.test");
    net_ask_check_errs(&ask, ERR_NAME_FAILED, ERR_NAME_FAILED);
    net_bed_close(&bed);
}

Test(resolve, goes_on_to_the_next_server)
{
    struct net_bed bed;
    struct net_ask ask = {.answers = 0};
    char text[128];

    net_bed_open(&bed, rules, NULL, NULL);
    snprintf(text, sizeof(text),
             "nameserver 127.9.9.9:1\nnameserver 127.0.0.1:%u\nsearch .\n",
             fake_dns_port(bed.dns));
    net_bed_replace(bed.resolv_conf, text);
    resolver_reload(bed.resolver);
    net_ask_wait(&bed, &ask, "both.test");
    net_ask_check(&ask, "192.0.2.1", "2001:db8::1");
    net_bed_close(&bed);
}

Test(resolve, remembers_that_there_is_none_but_no_failure)
{
    struct net_bed bed;
    struct net_ask ask = {.answers = 0};
    unsigned asked;

    net_bed_open(&bed, rules, "search .\noptions attempts:1", NULL);
    net_ask_wait(&bed, &ask, "nowhere.test");
    net_ask_wait(&bed, &ask, "nowhere.test");
    net_ask_check_errs(&ask, ERR_NAME_NOT_FOUND, ERR_NAME_NOT_FOUND);
    cr_assert_eq(fake_dns_asked(bed.dns, "nowhere.test", 0), 2u);
    net_ask_wait(&bed, &ask, "servfail.test");
    asked = fake_dns_asked(bed.dns, "servfail.test", 0);
    net_ask_wait(&bed, &ask, "servfail.test");
    net_ask_check_errs(&ask, ERR_NAME_FAILED, ERR_NAME_FAILED);
    cr_assert_gt(fake_dns_asked(bed.dns, "servfail.test", 0), asked);
    net_bed_close(&bed);
}

Test(resolve, asks_again_over_tcp_when_truncated)
{
    struct net_bed bed;
    struct net_ask ask = {.answers = 0};

    net_bed_open(&bed, rules, NULL, NULL);
    net_ask_wait(&bed, &ask, "long.test");
    net_ask_check(&ask, "192.0.2.9", "2001:db8::9");
    net_bed_close(&bed);
}

Test(resolve, localhost_is_both_loopbacks_without_asking)
{
    static const char *const names[] = {"localhost", "LocalHost.",
                                        "a.b.localhost", "x.LOCALHOST."};
    struct net_bed bed;
    struct net_ask ask = {.answers = 0};

    net_bed_open(&bed, rules, "search corp.test", "192.0.2.99 localhost\n");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        net_ask_wait(&bed, &ask, names[i]);
        net_ask_check(&ask, "127.0.0.1", "::1");
        cr_assert_eq(ask.order[0], RESOLVE_V6);
        cr_assert(ask.followed[0]);
        cr_assert_not(ask.followed[1]);
    }
    cr_assert_eq(fake_dns_asked(bed.dns, NULL, 0), 0u);
    net_bed_close(&bed);
}

Test(resolve, refuses_what_is_no_host_name_without_asking)
{
    char long_label[80];
    char long_name[260];
    const char *const names[] = {
        ".",      "..",       "a..b",    ".a",        "a b",
        "a\\.b",  "\xc3\xa4", "a/b",     "*.test",    "x\x01y",
        "a\xffz", long_label, long_name, "a.invalid", "b.onion.",
        "onion",  "[::1]",    "a%b",     "a:b",       "..localhost",
    };
    struct net_bed bed;
    struct net_ask ask = {.answers = 0};

    memset(long_label, 'a', 64);
    strcpy(long_label + 64, ".test");
    for (size_t i = 0; i < 254; i++)
        long_name[i] = i % 2 ? '.' : 'a';
    strcpy(long_name + 254, "b");
    net_bed_open(&bed, rules, NULL, NULL);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        net_ask_wait(&bed, &ask, names[i]);
        net_ask_check_errs(&ask, ERR_NAME_NOT_FOUND, ERR_NAME_NOT_FOUND);
    }
    cr_assert_eq(fake_dns_asked(bed.dns, NULL, 0), 0u);
    net_bed_close(&bed);
}

Test(resolve, searches_the_domains_in_order)
{
    struct net_bed bed;
    struct net_ask ask = {.answers = 0};

    net_bed_open(&bed, rules, "search corp.test sales.test", NULL);
    net_ask_wait(&bed, &ask, "db");
    net_ask_check_errs(&ask, ERR_OK, ERR_NAME_NOT_FOUND);
    cr_assert_str_eq(ask.first[RESOLVE_V4], "192.0.2.10");
    cr_assert_eq(fake_dns_asked(bed.dns, "db", 0), 0u);
    net_ask_wait(&bed, &ask, "late");
    cr_assert_str_eq(ask.first[RESOLVE_V4], "192.0.2.13");
    cr_assert_eq(fake_dns_asked(bed.dns, "late.corp.test", 0), 2u);
    net_ask_wait(&bed, &ask, "nobody");
    net_ask_check_errs(&ask, ERR_NAME_NOT_FOUND, ERR_NAME_NOT_FOUND);
    cr_assert_eq(fake_dns_asked(bed.dns, "nobody", 0), 2u);
    net_bed_close(&bed);
}

Test(resolve, ndots_says_what_is_tried_first)
{
    struct net_bed bed;
    struct net_ask ask = {.answers = 0};

    net_bed_open(&bed, rules, "search corp.test\noptions ndots:2", NULL);
    net_ask_wait(&bed, &ask, "a.b");
    cr_assert_str_eq(ask.first[RESOLVE_V4], "192.0.2.11");
    net_bed_replace(bed.resolv_conf, net_bed_conf(bed.dns, "search corp.test"));
    resolver_reload(bed.resolver);
    net_ask_wait(&bed, &ask, "a.b");
    cr_assert_str_eq(ask.first[RESOLVE_V4], "192.0.2.12");
    net_bed_close(&bed);
}

Test(resolve, dot_at_the_end_means_no_search)
{
    struct net_bed bed;
    struct net_ask ask = {.answers = 0};

    net_bed_open(&bed, rules, "search corp.test", NULL);
    net_ask_wait(&bed, &ask, "db.");
    net_ask_check_errs(&ask, ERR_NAME_NOT_FOUND, ERR_NAME_NOT_FOUND);
    cr_assert_eq(fake_dns_asked(bed.dns, NULL, 0), 2u);
    net_bed_close(&bed);
}

Test(resolve, families_search_together)
{
    struct net_bed bed;
    struct net_ask ask = {.answers = 0};

    net_bed_open(&bed, rules, "search corp.test", NULL);
    net_ask_wait(&bed, &ask, "only4.test");
    net_ask_check_errs(&ask, ERR_OK, ERR_NAME_NOT_FOUND);
    cr_assert_eq(fake_dns_asked(bed.dns, "only4.test.corp.test", 0), 0u);
    net_bed_close(&bed);
}

Test(resolve, failure_does_not_lead_to_another_domain)
{
    struct net_bed bed;
    struct net_ask ask = {.answers = 0};

    net_bed_open(&bed, rules, "search corp.test sales.test", NULL);
    net_ask_wait(&bed, &ask, "ill");
    net_ask_check_errs(&ask, ERR_NAME_FAILED, ERR_NAME_FAILED);
    cr_assert_eq(fake_dns_asked(bed.dns, "ill.sales.test", 0), 0u);
    net_bed_close(&bed);
}

Test(resolve, says_nothing_after_cancel)
{
    struct net_bed bed;
    struct net_ask ask = {.answers = 0};

    net_bed_open(&bed, rules, NULL, NULL);
    net_ask_start(&bed, &ask, "slow.test"); /* before it began */
    resolve_cancel(&ask.resolve);
    resolve_cancel(&ask.resolve);
    net_bed_run_ms(&bed, 10);
    net_ask_start(&bed, &ask, "slow.test"); /* under way */
    net_bed_run_ms(&bed, 30);
    resolve_cancel(&ask.resolve);
    memset(&ask.resolve, 0xee, sizeof(ask.resolve));
    net_bed_run_ms(&bed, 300);
    cr_assert_eq(ask.answers, 0u);
    /* The answer came all the same, and is kept. */
    net_ask_wait(&bed, &ask, "slow.test");
    net_ask_check(&ask, "192.0.2.7", "2001:db8::7");
    cr_assert_eq(fake_dns_asked(bed.dns, NULL, 0), 2u);
    net_bed_close(&bed);
}

Test(resolve, may_be_cancelled_from_its_answer)
{
    static const char *const names[] = {"both.test", "localhost", "here",
                                        "both.test", "a..b"};
    struct net_bed bed;
    struct net_ask ask = {.cancel_in_answer = true};

    net_bed_open(&bed, rules, NULL, "192.0.2.1 here\n::1 here\n");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        net_ask_start(&bed, &ask, names[i]);
        net_bed_wait(&bed, 1);
        net_bed_run_ms(&bed, 20);
        cr_assert_eq(ask.answers, 1u);
    }
    net_bed_close(&bed);
}

Test(resolve, may_be_destroyed_with_a_query_under_way)
{
    struct net_bed bed;
    struct net_ask ask = {.answers = 0};

    net_bed_open(&bed, rules, NULL, NULL);
    net_ask_start(&bed, &ask, "drop.test");
    net_bed_run_ms(&bed, 20);
    resolve_cancel(&ask.resolve);
    net_bed_close(&bed);
    cr_assert_eq(ask.answers, 0u);
}
