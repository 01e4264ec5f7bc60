#include "transport/net/addrsort.h"

#include <criterion/criterion.h>
#include <string.h>

#define ITEMS_MAX 8

/* A destination and its source as text; no source is "". */
struct pair {
    const char *dest;
    const char *source;
};

static size_t
fill(struct addrsort_item items[ITEMS_MAX], const struct pair *pairs)
{
    size_t count = 0;

    memset(items, 0, ITEMS_MAX * sizeof(items[0]));
    for (; pairs[count].dest; count++) {
        const struct pair *pair = &pairs[count];

        cr_assert(
            addr_parse(&items[count].dest, pair->dest, strlen(pair->dest), 0));
        if (*pair->source)
            cr_assert(addr_parse(&items[count].source, pair->source,
                                 strlen(pair->source), 0));
    }
    return count;
}

static void
check_order(const struct addrsort_item *items, size_t count,
            const char *const *order)
{
    char text[ADDR_TEXT_MAX];

    for (size_t i = 0; i < count; i++)
        cr_assert_str_eq(addr_format_host(&items[i].dest, text), order[i],
                         "place %zu has %s instead of %s", i, text, order[i]);
}

static void
check_sorted(const struct pair *pairs, const char *const *order)
{
    struct addrsort_item items[ITEMS_MAX];
    size_t count = fill(items, pairs);

    addrsort_order(items, count);
    check_order(items, count, order);
}

/* The examples of RFC 6724 10.2 with its default table. */

Test(addrsort, rfc6724_prefers_ipv6_when_scopes_match)
{
    check_sorted((struct pair[]){{"198.51.100.121", "198.51.100.117"},
                                 {"2001:db8:1::1", "2001:db8:1::2"},
                                 {NULL, NULL}},
                 (const char *[]){"2001:db8:1::1", "198.51.100.121"});
}

Test(addrsort, rfc6724_prefers_matching_scope)
{
    check_sorted((struct pair[]){{"2001:db8:1::1", "fe80::1"},
                                 {"198.51.100.121", "198.51.100.117"},
                                 {NULL, NULL}},
                 (const char *[]){"198.51.100.121", "2001:db8:1::1"});
    check_sorted((struct pair[]){{"198.51.100.121", "169.254.13.78"},
                                 {"2001:db8:1::1", "2001:db8:1::2"},
                                 {NULL, NULL}},
                 (const char *[]){"2001:db8:1::1", "198.51.100.121"});
}

Test(addrsort, rfc6724_prefers_matching_label)
{
    check_sorted((struct pair[]){{"2001:db8:1::1", "2002:c633:6401::2"},
                                 {"2002:c633:6401::1", "2002:c633:6401::2"},
                                 {NULL, NULL}},
                 (const char *[]){"2002:c633:6401::1", "2001:db8:1::1"});
}

Test(addrsort, rfc6724_prefers_higher_precedence)
{
    check_sorted((struct pair[]){{"2002:c633:6401::1", "2002:c633:6401::2"},
                                 {"2001:db8:1::1", "2001:db8:1::2"},
                                 {NULL, NULL}},
                 (const char *[]){"2001:db8:1::1", "2002:c633:6401::1"});
}

Test(addrsort, rfc6724_prefers_smaller_scope)
{
    check_sorted((struct pair[]){{"2001:db8:1::1", "2001:db8:1::2"},
                                 {"fe80::1", "fe80::2"},
                                 {NULL, NULL}},
                 (const char *[]){"fe80::1", "2001:db8:1::1"});
}

Test(addrsort, rfc6724_prefers_longest_prefix_of_ipv6)
{
    check_sorted((struct pair[]){{"2001:db8:3ffe::1", "2001:db8:3f44::2"},
                                 {"2001:db8:1::1", "2001:db8:1::2"},
                                 {NULL, NULL}},
                 (const char *[]){"2001:db8:1::1", "2001:db8:3ffe::1"});
}

Test(addrsort, prefix_ends_with_the_network)
{
    check_sorted((struct pair[]){{"2001:db8:1::8000", "2001:db8:1::1"},
                                 {"2001:db8:1::3", "2001:db8:1::1"},
                                 {NULL, NULL}},
                 (const char *[]){"2001:db8:1::8000", "2001:db8:1::3"});
}

Test(addrsort, keeps_the_order_of_ipv4)
{
    check_sorted((struct pair[]){{"203.0.113.9", "192.0.2.1"},
                                 {"192.0.2.9", "192.0.2.1"},
                                 {"198.51.100.9", "192.0.2.1"},
                                 {NULL, NULL}},
                 (const char *[]){"203.0.113.9", "192.0.2.9", "198.51.100.9"});
}

Test(addrsort, what_cannot_be_reached_is_last)
{
    check_sorted((struct pair[]){{"2001:db8::1", ""},
                                 {"2001:db8::2", ""},
                                 {"192.0.2.9", "192.0.2.1"},
                                 {NULL, NULL}},
                 (const char *[]){"192.0.2.9", "2001:db8::1", "2001:db8::2"});
}

Test(addrsort, ula_source_does_not_serve_the_internet)
{
    check_sorted((struct pair[]){{"2001:db8::1", "fd00::5"},
                                 {"192.0.2.9", "10.0.0.1"},
                                 {NULL, NULL}},
                 (const char *[]){"192.0.2.9", "2001:db8::1"});
}

Test(addrsort, loopbacks_start_with_ipv6)
{
    check_sorted((struct pair[]){{"127.0.0.1", "127.0.0.1"},
                                 {"::1", "::1"},
                                 {NULL, NULL}},
                 (const char *[]){"::1", "127.0.0.1"});
}

/* HE-2 */
Test(addrsort, he_2_families_alternate)
{
    static const struct pair pairs[] = {
        {"2001:db8::1", ""}, {"2001:db8::2", ""}, {"2001:db8::3", ""},
        {"192.0.2.1", ""},   {"192.0.2.2", ""},   {NULL, NULL}};
    struct addrsort_item items[ITEMS_MAX];
    size_t count = fill(items, pairs);

    addrsort_interleave(items, count, AF_UNSPEC);
    check_order(items, count,
                (const char *[]){"2001:db8::1", "192.0.2.1", "2001:db8::2",
                                 "192.0.2.2", "2001:db8::3"});
}

Test(addrsort, he_2_first_family_stays_first)
{
    static const struct pair pairs[] = {{"192.0.2.1", ""},
                                        {"192.0.2.2", ""},
                                        {"2001:db8::1", ""},
                                        {NULL, NULL}};
    struct addrsort_item items[ITEMS_MAX];
    size_t count = fill(items, pairs);

    addrsort_interleave(items, count, AF_UNSPEC);
    check_order(items, count,
                (const char *[]){"192.0.2.1", "2001:db8::1", "192.0.2.2"});
}

Test(addrsort, he_4_late_ones_alternate_with_what_was_tried)
{
    static const struct pair pairs[] = {{"192.0.2.1", ""},
                                        {"192.0.2.2", ""},
                                        {"2001:db8::1", ""},
                                        {NULL, NULL}};
    struct addrsort_item items[ITEMS_MAX];
    size_t count = fill(items, pairs);

    addrsort_interleave(items, count, AF_INET);
    check_order(items, count,
                (const char *[]){"2001:db8::1", "192.0.2.1", "192.0.2.2"});
}

Test(addrsort, finds_the_sources_of_this_machine)
{
    static const struct pair pairs[] = {
        {"127.0.0.9", ""}, {"127.0.0.1", ""}, {NULL, NULL}};
    struct addrsort_item items[ITEMS_MAX];
    size_t count = fill(items, pairs);
    const union addr none = {.sa = {.sa_family = AF_UNSPEC}};
    union addr bound;

    addrsort_find_sources(items, count, &none, &none);
    cr_assert(addr_is_loopback(&items[0].source));
    cr_assert(addr_is_loopback(&items[1].source));
    cr_assert(addr_parse(&bound, "127.0.0.77", 10, 0));
    addrsort_find_sources(items, count, &bound, &none);
    cr_assert(addr_same_host(&items[0].source, &bound));
}
