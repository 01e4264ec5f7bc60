#include "auth/sources.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "auth/cidr.h"

static union addr
addr_of(const char *text)
{
    union addr addr = {.sa.sa_family = AF_UNSPEC};

    cr_assert(addr_parse(&addr, text, strlen(text), 4711), "%s", text);
    return addr;
}

static bool
cidr_covers(const char *network, const char *host)
{
    struct cidr cidr;
    union addr addr = addr_of(host);
    const char *why = NULL;

    cr_assert_eq(cidr_parse(&cidr, network, strlen(network), &why), ERR_OK,
                 "%s: %s", network, why);
    return cidr_has(&cidr, &addr);
}

static void
expect_refused(const char *text, const char *reason)
{
    struct sources *sources = sources_create();
    const char *why = NULL;

    cr_expect_eq(sources_add(sources, text, &why), ERR_MALFORMED, "%s", text);
    cr_expect(why && strstr(why, reason), "%s: %s", text, why);
    cr_expect(sources_empty(sources), "%s", text);
    sources_destroy(sources);
}

/* Whether a list of one entry lets host in. */
static bool
allows(const char *entry, const char *host)
{
    struct sources *sources = sources_create();
    union addr addr = addr_of(host);
    const char *why = NULL;
    bool allowed;

    cr_assert_eq(sources_add(sources, entry, &why), ERR_OK, "%s: %s", entry,
                 why);
    cr_assert(!sources_empty(sources));
    allowed = sources_allow(sources, &addr);
    sources_destroy(sources);
    return allowed;
}

Test(sources, empty_list_allows_all)
{
    struct sources *sources = sources_create();
    union addr v4 = addr_of("192.0.2.1");
    union addr v6 = addr_of("2001:db8::1");

    cr_expect(sources_empty(sources));
    cr_expect(sources_allow(sources, &v4));
    cr_expect(sources_allow(sources, &v6));
    sources_destroy(sources);
}

Test(sources, destroy_of_nothing_does_nothing)
{
    sources_destroy(NULL);
}

Test(sources, address_allows_itself_alone)
{
    cr_expect(allows("192.0.2.1", "192.0.2.1"));
    cr_expect(!allows("192.0.2.1", "192.0.2.2"));
    cr_expect(allows("2001:db8::1", "2001:db8::1"));
    cr_expect(!allows("2001:db8::1", "2001:db8::2"));
    cr_expect(!allows("192.0.2.1", "2001:db8::1"));
}

Test(sources, network_allows_what_is_in_it)
{
    cr_expect(allows("10.0.0.0/8", "10.255.1.2"));
    cr_expect(!allows("10.0.0.0/8", "11.0.0.0"));
    cr_expect(allows("2001:db8::/32", "2001:db8:ffff::1"));
    cr_expect(!allows("2001:db8::/32", "2001:db9::"));
}

Test(sources, several_entries_each_allow)
{
    struct sources *sources = sources_create();
    union addr first = addr_of("10.1.2.3");
    union addr second = addr_of("fd00::1");
    union addr third = addr_of("192.0.2.1");
    const char *why;

    cr_assert_eq(sources_add(sources, "10.0.0.0/8", &why), ERR_OK);
    cr_assert_eq(sources_add(sources, "fd00::/8", &why), ERR_OK);
    cr_expect(sources_allow(sources, &first));
    cr_expect(sources_allow(sources, &second));
    cr_expect(!sources_allow(sources, &third));
    sources_destroy(sources);
}

Test(sources, any_allows_all_and_is_not_empty)
{
    cr_expect(allows("any", "192.0.2.1"));
    cr_expect(allows("any", "2001:db8::1"));
}

Test(sources, mapped_client_is_judged_as_ipv4)
{
    cr_expect(allows("10.0.0.0/8", "::ffff:10.1.2.3"));
    cr_expect(!allows("10.0.0.0/8", "::ffff:11.1.2.3"));
    cr_expect(!allows("::/0", "::ffff:10.1.2.3"));
    cr_expect(!allows("::/0", "10.1.2.3"));
}

Test(sources, unix_client_is_always_allowed)
{
    struct sources *sources = sources_create();
    union addr none = {.sa.sa_family = AF_UNSPEC};
    const char *why;

    cr_assert_eq(sources_add(sources, "10.0.0.0/8", &why), ERR_OK);
    cr_expect(sources_allow(sources, &none));
    sources_destroy(sources);
}

Test(sources, host_bits_behind_the_prefix_are_an_error)
{
    expect_refused("10.0.0.1/8", "behind the prefix");
    expect_refused("10.0.0.1/31", "behind the prefix");
    expect_refused("2001:db8::1/64", "behind the prefix");
    expect_refused("1.0.0.0/0", "behind the prefix");
}

Test(sources, malformed_text_is_refused)
{
    expect_refused("", "not an IP address");
    expect_refused("Any", "not an IP address");
    expect_refused("*", "not an IP address");
    expect_refused("host.example", "not an IP address");
    expect_refused("10.0.0", "not an IP address");
    expect_refused("10.0.0.0.0/8", "not an IP address");
    expect_refused("10.0.0.256", "not an IP address");
    expect_refused("/8", "not an IP address");
    expect_refused("fe80::1%lo", "not an IP address");
    expect_refused("10.0.0.0/33", "0 to 32");
    expect_refused("10.0.0.0/", "0 to 32");
    expect_refused("10.0.0.0/-1", "0 to 32");
    expect_refused("10.0.0.0/+8", "0 to 32");
    expect_refused("10.0.0.0/08", "0 to 32");
    expect_refused("10.0.0.0/8 ", "0 to 32");
    expect_refused("10.0.0.0/8/8", "0 to 32");
    expect_refused("10.0.0.0/255.0.0.0", "0 to 32");
    expect_refused("10.0.0.0/4294967304", "0 to 32");
    expect_refused("2001:db8::/129", "0 to 128");
}

Test(cidr, prefix_splits_at_every_bit)
{
    for (unsigned bits = 1; bits <= 32; bits++) {
        uint32_t network = bits == 32 ? 0xffffffff : ~(0xffffffffu >> bits);
        struct cidr cidr;
        union addr addr;
        uint8_t bytes[4];
        char text[32];
        const char *why;

        snprintf(text, sizeof(text), "%u.%u.%u.%u/%u", network >> 24,
                 network >> 16 & 255, network >> 8 & 255, network & 255, bits);
        cr_assert_eq(cidr_parse(&cidr, text, strlen(text), &why), ERR_OK, "%s",
                     text);
        for (unsigned flipped = 0; flipped < 32; flipped++) {
            uint32_t host = network ^ (0x80000000u >> flipped);

            for (int i = 0; i < 4; i++)
                bytes[i] = (uint8_t)(host >> (24 - 8 * i));
            addr_from_v4(&addr, bytes, 0);
            cr_expect_eq(cidr_has(&cidr, &addr), flipped >= bits, "%s bit %u",
                         text, flipped);
        }
    }
}

Test(cidr, ipv6_prefix_may_end_within_a_byte)
{
    cr_expect(cidr_covers("2001:db8:8000::/33", "2001:db8:ffff::1"));
    cr_expect(!cidr_covers("2001:db8:8000::/33", "2001:db8:7fff::1"));
    cr_expect(cidr_covers("fe80::/10", "febf::1"));
    cr_expect(!cidr_covers("fe80::/10", "fec0::1"));
    cr_expect(cidr_covers("::1/128", "::1"));
}

Test(cidr, zero_prefix_has_its_whole_family)
{
    cr_expect(cidr_covers("0.0.0.0/0", "255.255.255.255"));
    cr_expect(!cidr_covers("0.0.0.0/0", "::"));
    cr_expect(cidr_covers("::/0", "ffff::"));
    cr_expect(!cidr_covers("::/0", "1.2.3.4"));
}

Test(cidr, mapped_network_becomes_the_ipv4_one)
{
    cr_expect(cidr_covers("::ffff:10.0.0.0/104", "10.1.2.3"));
    cr_expect(!cidr_covers("::ffff:10.0.0.0/104", "11.1.2.3"));
    cr_expect(cidr_covers("::ffff:192.0.2.1", "192.0.2.1"));
    cr_expect(cidr_covers("::ffff:0:0/96", "192.0.2.1"));
}

Test(cidr, brackets_may_be_around_the_address)
{
    cr_expect(cidr_covers("[2001:db8::]/32", "2001:db8::5"));
    cr_expect(cidr_covers("[::1]", "::1"));
}

Test(cidr, failure_leaves_the_output_alone)
{
    struct cidr cidr;
    struct cidr before;
    const char *why;

    memset(&cidr, 0x5a, sizeof(cidr));
    before = cidr;
    cr_expect_eq(cidr_parse(&cidr, "10.0.0.1/8", 10, &why), ERR_MALFORMED);
    cr_expect_eq(memcmp(&cidr, &before, sizeof(cidr)), 0);
}

Test(sources, one_of_unknown_place_is_allowed_where_all_are)
{
    struct sources *sources = sources_create();
    const char *why;

    cr_assert(sources_allow_unknown(sources));
    cr_assert_eq(sources_add(sources, "10.0.0.0/8", &why), ERR_OK);
    cr_assert_not(sources_allow_unknown(sources));
    cr_assert_eq(sources_add(sources, "any", &why), ERR_OK);
    cr_assert(sources_allow_unknown(sources));
    sources_destroy(sources);
}
