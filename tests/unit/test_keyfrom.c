#include "auth/keyfrom.h"

#include <criterion/criterion.h>
#include <string.h>

static bool
allows(const char *patterns, const char *host)
{
    struct keyfrom *from = NULL;
    const char *why = "";
    union addr addr;
    bool allowed;

    cr_assert(addr_parse(&addr, host, strlen(host), 4711), "%s", host);
    cr_assert_eq(keyfrom_parse(patterns, &from, &why), ERR_OK, "%s: %s",
                 patterns, why);
    allowed = keyfrom_allows(from, &addr);
    keyfrom_destroy(from);
    return allowed;
}

static void
expect_refused(const char *patterns, const char *reason)
{
    struct keyfrom *from = NULL;
    const char *why = NULL;

    cr_expect_eq(keyfrom_parse(patterns, &from, &why), ERR_MALFORMED, "%s",
                 patterns);
    cr_expect(why && strstr(why, reason), "%s: %s", patterns, why);
    cr_expect_null(from);
}

Test(keyfrom, nothing_said_allows_all)
{
    union addr none = {.sa.sa_family = AF_UNSPEC};

    cr_expect(keyfrom_allows(NULL, &none));
    keyfrom_destroy(NULL);
}

Test(keyfrom, addresses_and_networks)
{
    cr_expect(allows("192.0.2.1", "192.0.2.1"));
    cr_expect(!allows("192.0.2.1", "192.0.2.10"));
    cr_expect(allows("10.0.0.0/8", "10.255.0.1"));
    cr_expect(!allows("10.0.0.0/8", "11.0.0.1"));
    cr_expect(allows("2001:db8::/32", "2001:db8:1::1"));
    cr_expect(!allows("2001:db8::/32", "2001:db9::1"));
    cr_expect(allows("2001:DB8:0::1", "2001:db8::1"));
    cr_expect(!allows("0.0.0.0/0", "2001:db8::1"));
    cr_expect(allows("::1,192.0.2.1", "192.0.2.1"));
}

Test(keyfrom, mapped_address_is_the_one_it_stands_for)
{
    cr_expect(allows("192.0.2.*", "::ffff:192.0.2.7"));
    cr_expect(allows("192.0.2.0/24", "::ffff:192.0.2.7"));
    cr_expect(allows("!192.0.2.8,*", "::ffff:192.0.2.7"));
    cr_expect(!allows("!192.0.2.7,*", "::ffff:192.0.2.7"));
}

Test(keyfrom, wildcards_match_the_text_of_an_address)
{
    cr_expect(allows("*", "192.0.2.1"));
    cr_expect(allows("*", "::1"));
    cr_expect(allows("192.0.?.1", "192.0.2.1"));
    cr_expect(!allows("192.0.?.1", "192.0.20.1"));
    cr_expect(!allows("192.0.*", "192.1.0.1"));
    cr_expect(allows("2001:DB8:*", "2001:db8::7"));
    cr_expect(!allows("2001:db8:*", "2001:db80::7"));
}

Test(keyfrom, negation_wins_whatever_the_order)
{
    cr_expect(allows("!10.0.0.1,10.0.0.0/8", "10.0.0.2"));
    cr_expect(!allows("!10.0.0.1,10.0.0.0/8", "10.0.0.1"));
    cr_expect(!allows("10.0.0.0/8,!10.0.0.1", "10.0.0.1"));
    cr_expect(!allows("*,!10.*", "10.0.0.1"));
    cr_expect(!allows("*,!2001:db8::/32", "2001:db8::1"));
}

Test(keyfrom, negations_alone_let_nobody_in)
{
    cr_expect(!allows("!10.0.0.1", "10.0.0.1"));
    cr_expect(!allows("!10.0.0.1", "10.0.0.2"));
}

Test(keyfrom, who_has_no_address_is_matched_by_nothing)
{
    struct keyfrom *from = NULL;
    const char *why;
    union addr none = {.sa.sa_family = AF_UNSPEC};

    cr_assert_eq(keyfrom_parse("*", &from, &why), ERR_OK);
    cr_expect(!keyfrom_allows(from, &none));
    keyfrom_destroy(from);
}

Test(keyfrom, host_names_are_refused)
{
    expect_refused("example.com", "a host name");
    expect_refused("*.example.com", "a host name");
    expect_refused("10.0.0.1,!bad.example", "a host name");
    expect_refused("localhost", "a host name");
    expect_refused("any", "a host name");
    /* Each could be the beginning of a name. */
    expect_refused("cafe*", "a host name");
    expect_refused("dead.beef", "a host name");
}

Test(keyfrom, bad_patterns_are_refused)
{
    expect_refused("", "an empty pattern");
    expect_refused("!", "an empty pattern");
    expect_refused("10.0.0.1,", "an empty pattern");
    expect_refused(",10.0.0.1", "an empty pattern");
    expect_refused("10.0.0.1, 10.0.0.2", "a host name");
    expect_refused("10.0.0.256", "not an IP address");
    expect_refused("10.0.0", "not an IP address");
    expect_refused("10.0.0.1/8", "behind the prefix");
    expect_refused("10.0.0.0/33", "0 to 32");
    expect_refused("::/129", "0 to 128");
    expect_refused("10.*/8", "a prefix behind wildcards");
    expect_refused("fe80::1%eth0", "not an IP address");
    expect_refused("!!10.0.0.1", "a host name");
}
