#include "proxy/route.h"

#include <criterion/criterion.h>
#include <string.h>

#define NONE 99

static struct routes *
make(const char *patterns, unsigned way)
{
    struct routes *routes = routes_create();
    char why[ROUTE_WHY_MAX];

    cr_assert(routes);
    cr_assert_eq(routes_add(routes, patterns, strlen(patterns), way, why),
                 ERR_OK, "%s", why);
    return routes;
}

static unsigned
find(const struct routes *routes, const char *host, uint16_t port)
{
    struct target target;

    cr_assert_eq(target_set_host(&target, host, strlen(host), port), ERR_OK);
    return routes_find(routes, &target, NONE);
}

static void
refuse(const char *patterns, const char *word)
{
    struct routes *routes = routes_create();
    char why[ROUTE_WHY_MAX] = "";

    cr_assert(routes);
    cr_assert_eq(routes_add(routes, patterns, strlen(patterns), 0, why),
                 ERR_MALFORMED);
    cr_assert(strstr(why, word), "%s: %s", patterns, why);
    routes_destroy(routes);
}

Test(route, none_matches_nothing)
{
    struct routes *routes = routes_create();

    cr_assert(routes);
    cr_assert_eq(find(routes, "a", 1), NONE);
    routes_destroy(routes);
}

Test(route, the_first_that_matches_wins)
{
    struct routes *routes = make("a.example", 1);
    char why[ROUTE_WHY_MAX];

    cr_assert_eq(routes_add(routes, "*.exampleXX", 9, 2, why), ERR_OK);
    cr_assert_eq(routes_add(routes, "*", 1, 3, why), ERR_OK);
    cr_assert_eq(find(routes, "A.example.", 1), 1);
    cr_assert_eq(find(routes, "b.example", 1), 2);
    cr_assert_eq(find(routes, "c", 1), 3);
    routes_destroy(routes);
}

Test(route, commas_part_patterns_and_ports)
{
    struct routes *routes = make("a:80,443,8000-8009,b,10.0.0.0/8,:25,26", 1);

    cr_assert_eq(find(routes, "a", 80), 1);
    cr_assert_eq(find(routes, "a", 443), 1);
    cr_assert_eq(find(routes, "a", 8005), 1);
    cr_assert_eq(find(routes, "a", 81), NONE);
    cr_assert_eq(find(routes, "b", 81), 1);
    cr_assert_eq(find(routes, "10.9.9.9", 81), 1);
    cr_assert_eq(find(routes, "c", 26), 1);
    routes_destroy(routes);
}

Test(route, a_network_matches_addresses_alone)
{
    struct routes *routes = make("127.0.0.0/8,[2001:db8::]/32:80,443", 1);

    cr_assert_eq(find(routes, "127.0.0.1", 1), 1);
    cr_assert_eq(find(routes, "localhost", 1), NONE);
    cr_assert_eq(find(routes, "2001:db8::1", 443), 1);
    cr_assert_eq(find(routes, "2001:db8::1", 81), NONE);
    routes_destroy(routes);
}

Test(route, a_unix_socket_is_matched_by_all_alone)
{
    struct routes *routes = make("a", 1);
    struct target target;
    char why[ROUTE_WHY_MAX];

    cr_assert_eq(target_set_unix(&target, "/a"), ERR_OK);
    cr_assert_eq(routes_find(routes, &target, NONE), NONE);
    cr_assert_eq(routes_add(routes, "*", 1, 2, why), ERR_OK);
    cr_assert_eq(routes_find(routes, &target, NONE), 2);
    routes_destroy(routes);
}

Test(route, ways_get_other_numbers)
{
    static const unsigned to[] = {7, 5};
    struct routes *routes = make("a", 1);
    unsigned way = 0;

    routes_renumber(routes, to);
    cr_assert(routes_at(routes, 0, &way));
    cr_assert_eq(way, 5);
    cr_assert_eq(find(routes, "a", 1), 5);
    cr_assert_not(routes_at(routes, 1, &way));
    routes_destroy(routes);
}

Test(route, what_is_wrong_is_named)
{
    refuse("", "pattern \"\": no host");
    refuse("a,", "pattern \"\": no host");
    refuse(",a", "pattern \"\": no host");
    refuse("a,80", "pattern \"a,80\": a byte");
    refuse("80", "pattern \"80\": ");
    refuse("a:0,b", "pattern \"a:0\": a port is");
    refuse("a:80,,b", "pattern \"\": ");
    refuse("b,10.0.0.1/8", "pattern \"10.0.0.1/8\": ");
}
