#include "transport/net/dnscache.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct dns_result
result_of(uint8_t last)
{
    struct dns_result result = dns_result_of(1);

    addr_from_v4(&result.addrs->addrs[0], (uint8_t[]){192, 0, 2, last}, 0);
    return result;
}

static void
put(struct dnscache *cache, const char *name, uint8_t last, uint32_t ttl_s,
    double now)
{
    struct dns_result result = result_of(last);

    dnscache_put(cache, name, AF_INET, result, ttl_s, now);
    dns_drop(result);
}

static enum dns_status
find(struct dnscache *cache, const char *name, double now)
{
    return dnscache_find(cache, name, AF_INET, now).status;
}

Test(dnscache, keeps_until_the_ttl_is_over)
{
    struct dnscache *cache = dnscache_create(4);
    struct dns_result found;

    put(cache, "a", 1, 10, 100);
    found = dnscache_find(cache, "a", AF_INET, 109.9);
    cr_assert_eq(found.status, DNS_ADDRS);
    cr_assert_eq(found.addrs->count, 1u);
    cr_assert_eq(find(cache, "a", 110), DNS_NONE);
    cr_assert_eq(find(cache, "b", 100), DNS_NONE);
    cr_assert_eq(dnscache_find(cache, "a", AF_INET6, 100).status, DNS_NONE);
    dnscache_destroy(cache);
}

Test(dnscache, newer_answer_takes_the_place)
{
    struct dnscache *cache = dnscache_create(4);

    put(cache, "a", 1, 10, 100);
    put(cache, "a", 2, 10, 105);
    cr_assert_eq(find(cache, "a", 112), DNS_ADDRS);
    cr_assert_eq(dnscache_count(cache), 1u);
    dnscache_destroy(cache);
}

Test(dnscache, believes_nothing_for_more_than_a_day)
{
    struct dnscache *cache = dnscache_create(4);

    put(cache, "a", 1, 1u << 30, 100);
    cr_assert_eq(find(cache, "a", 100 + DNSCACHE_TTL_MAX_S - 1), DNS_ADDRS);
    cr_assert_eq(find(cache, "a", 100 + DNSCACHE_TTL_MAX_S), DNS_NONE);
    dnscache_destroy(cache);
}

Test(dnscache, keeps_that_there_is_none_for_5_seconds)
{
    struct dnscache *cache = dnscache_create(4);
    const struct dns_result none = {DNS_NO_NAME, NULL};

    dnscache_put(cache, "a", AF_INET, none, 0, 100);
    cr_assert_eq(find(cache, "a", 104), DNS_NO_NAME);
    cr_assert_eq(find(cache, "a", 105), DNS_NONE);
    dnscache_destroy(cache);
}

Test(dnscache, keeps_no_failure_and_no_ttl_of_0)
{
    struct dnscache *cache = dnscache_create(4);
    const struct dns_result failed = {DNS_FAILED, NULL};
    const struct dns_result silent = {DNS_TIMED_OUT, NULL};

    dnscache_put(cache, "a", AF_INET, failed, 60, 100);
    dnscache_put(cache, "b", AF_INET, silent, 60, 100);
    put(cache, "c", 1, 0, 100);
    cr_assert_eq(dnscache_count(cache), 0u);
    dnscache_destroy(cache);
}

Test(dnscache, least_recently_used_makes_room)
{
    struct dnscache *cache = dnscache_create(3);

    put(cache, "a", 1, 60, 100);
    put(cache, "b", 2, 60, 100);
    put(cache, "c", 3, 60, 100);
    cr_assert_eq(find(cache, "a", 101), DNS_ADDRS);
    put(cache, "d", 4, 60, 101);
    cr_assert_eq(dnscache_count(cache), 3u);
    cr_assert_eq(find(cache, "b", 101), DNS_NONE);
    cr_assert_eq(find(cache, "a", 101), DNS_ADDRS);
    cr_assert_eq(find(cache, "d", 101), DNS_ADDRS);
    dnscache_destroy(cache);
}

Test(dnscache, what_is_held_outlives_it)
{
    struct dnscache *cache = dnscache_create(3);
    struct dns_result held;

    put(cache, "a", 7, 60, 100);
    held = dns_hold(dnscache_find(cache, "a", AF_INET, 100));
    dnscache_clear(cache);
    cr_assert_eq(dnscache_count(cache), 0u);
    cr_assert_eq(held.addrs->count, 1u);
    cr_assert_eq(addr_len(&held.addrs->addrs[0]), sizeof(struct sockaddr_in));
    dns_drop(held);
    dnscache_destroy(cache);
    dnscache_destroy(NULL);
}

Test(dnscache, stays_small_under_many_names)
{
    struct dnscache *cache = dnscache_create(64);
    char name[16];

    for (int i = 0; i < 10000; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        put(cache, name, 1, 60, 100);
    }
    cr_assert_eq(dnscache_count(cache), 64u);
    dnscache_destroy(cache);
}
