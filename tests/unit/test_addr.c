#include "transport/base/addr.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <string.h>

/* Reads a literal that must be one. */
static union addr
addr_of(const char *text, uint16_t port)
{
    union addr addr;

    cr_assert(addr_parse(&addr, text, strlen(text), port), "%s", text);
    return addr;
}

static void
assert_format(const union addr *addr, const char *text)
{
    char buf[ADDR_TEXT_MAX];

    cr_assert_eq(addr_format(addr, buf), buf);
    cr_assert_str_eq(buf, text);
}

static void
assert_host(const char *literal, const char *text)
{
    union addr addr = addr_of(literal, 80);
    char buf[ADDR_TEXT_MAX];

    cr_assert_eq(addr_format_host(&addr, buf), buf);
    cr_assert_str_eq(buf, text);
}

Test(addr, fits_in_28_bytes)
{
    cr_assert_eq(sizeof(union addr), 28);
}

Test(addr, none_has_no_length_and_no_port)
{
    union addr none;

    memset(&none, 0, sizeof(none));
    addr_set_port(&none, 80);
    cr_assert_eq(addr_len(&none), 0);
    cr_assert_eq(addr_port(&none), 0);
    assert_format(&none, "-");
    cr_assert_not(addr_is_any(&none));
    cr_assert_not(addr_is_loopback(&none));
}

Test(addr, length_is_the_sockaddrs)
{
    union addr v4 = addr_of("192.0.2.1", 80);
    union addr v6 = addr_of("::1", 80);

    cr_assert_eq(addr_len(&v4), sizeof(struct sockaddr_in));
    cr_assert_eq(addr_len(&v6), sizeof(struct sockaddr_in6));
}

Test(addr, ipv4_from_bytes)
{
    union addr addr;

    addr_from_v4(&addr, (const uint8_t[]){192, 0, 2, 1}, 0x1234);
    cr_assert_eq(addr.v4.sin_family, AF_INET);
    cr_assert_eq(addr.v4.sin_port, htons(0x1234));
    assert_format(&addr, "192.0.2.1:4660");
}

Test(addr, ipv6_from_bytes)
{
    const uint8_t bytes[16] = {0x20, 1, 0x0d, 0xb8, [15] = 1};
    union addr addr;

    addr_from_v6(&addr, bytes, 443);
    cr_assert_eq(addr.v6.sin6_family, AF_INET6);
    cr_assert_eq(addr.v6.sin6_scope_id, 0);
    assert_format(&addr, "[2001:db8::1]:443");
}

Test(addr, port_is_set_and_read_in_host_order)
{
    union addr v4 = addr_of("192.0.2.1", 1);
    union addr v6 = addr_of("::1", 1);

    addr_set_port(&v4, 65535);
    addr_set_port(&v6, 0x1234);
    cr_assert_eq(addr_port(&v4), 65535);
    cr_assert_eq(addr_port(&v6), 0x1234);
    cr_assert_eq(v6.v6.sin6_port, htons(0x1234));
}

Test(addr, literals_are_read)
{
    assert_host("192.0.2.1", "192.0.2.1");
    assert_host("0.0.0.0", "0.0.0.0");
    assert_host("2001:DB8::1", "2001:db8::1");
    assert_host("[2001:db8::1]", "2001:db8::1");
    assert_host("::", "::");
    assert_host("::ffff:192.0.2.1", "::ffff:192.0.2.1");
    assert_host("2001:db8:1111:2222:3333:4444:255.255.255.255",
                "2001:db8:1111:2222:3333:4444:ffff:ffff");
}

Test(addr, literal_needs_no_nul)
{
    union addr addr;

    cr_assert(addr_parse(&addr, "192.0.2.123", 9, 80));
    assert_format(&addr, "192.0.2.1:80");
}

Test(addr, what_is_no_literal_is_refused_and_nothing_is_touched)
{
    static const char *const texts[] = {
        "",
        "[",
        "[]",
        "]",
        "localhost",
        "192.0.2",
        "1",
        "192.0.2.256",
        "0x7f.1",
        "1.2.3.4.5",
        "192.0.2.1 ",
        "[192.0.2.1]",
        "[::1",
        "::1]",
        "[[::1]]",
        "fe80::1%lo",
        "[::1%lo]",
        "::1::",
        "12345::",
        "192.0.2.1:80",
        "[::1]:80",
        " ::1",
        "2001:db8:1:2:3:4:5:6:7",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        union addr addr;
        union addr before;

        memset(&addr, 0xa5, sizeof(addr));
        before = addr;
        cr_assert_not(addr_parse(&addr, texts[i], strlen(texts[i]), 80), "%s",
                      texts[i]);
        cr_assert_eq(memcmp(&addr, &before, sizeof(addr)), 0);
    }
}

Test(addr, literal_with_a_nul_is_refused)
{
    union addr addr;

    cr_assert_not(addr_parse(&addr, "192.0.2.1\0x", 11, 80));
    cr_assert_not(addr_parse(&addr, "::1\0", 4, 80));
}

Test(addr, longest_text_fits)
{
    union addr addr = addr_of("1111:2222:3333:4444:5555:6666:7777:8888", 65535);

    assert_format(&addr, "[1111:2222:3333:4444:5555:6666:7777:8888]:65535");
    addr = addr_of("::ffff:255.255.255.255", 65535);
    assert_format(&addr, "[::ffff:255.255.255.255]:65535");
}

Test(addr, mapped_ipv4_becomes_ipv4_with_its_port)
{
    union addr addr = addr_of("::ffff:192.0.2.1", 443);

    addr_unmap(&addr);
    assert_format(&addr, "192.0.2.1:443");
}

Test(addr, others_are_not_unmapped)
{
    union addr v6 = addr_of("::192.0.2.1", 1);
    union addr v4 = addr_of("192.0.2.1", 1);

    addr_unmap(&v6);
    addr_unmap(&v4);
    cr_assert_eq(v6.sa.sa_family, AF_INET6);
    assert_format(&v4, "192.0.2.1:1");
}

Test(addr, same_host_whatever_the_port)
{
    union addr a = addr_of("192.0.2.1", 1);
    union addr b = addr_of("192.0.2.1", 2);
    union addr c = addr_of("192.0.2.2", 1);
    union addr d = addr_of("2001:db8::1", 1);
    union addr e = addr_of("2001:db8::1", 2);
    union addr f = addr_of("2001:db8::2", 1);

    cr_assert(addr_same_host(&a, &b));
    cr_assert_not(addr_same_host(&a, &c));
    cr_assert(addr_same_host(&d, &e));
    cr_assert_not(addr_same_host(&d, &f));
    cr_assert_not(addr_same_host(&a, &d));
}

Test(addr, link_local_hosts_of_two_links_differ)
{
    union addr a = addr_of("fe80::1", 1);
    union addr b = a;

    b.v6.sin6_scope_id = 2;
    cr_assert_not(addr_same_host(&a, &b));
}

Test(addr, loopback)
{
    static const struct {
        const char *text;
        bool loopback;
    } rows[] = {
        {"127.0.0.1", true},
        {"127.255.255.254", true},
        {"::1", true},
        {"::ffff:127.0.0.1", true},
        {"126.255.255.255", false},
        {"128.0.0.0", false},
        {"0.0.0.0", false},
        {"::", false},
        {"::ffff:192.0.2.1", false},
        {"::127.0.0.1", false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        union addr addr = addr_of(rows[i].text, 80);

        cr_assert_eq(addr_is_loopback(&addr), rows[i].loopback, "%s",
                     rows[i].text);
    }
}

Test(addr, any)
{
    union addr v4 = addr_of("0.0.0.0", 80);
    union addr v6 = addr_of("::", 80);
    union addr other = addr_of("0.0.0.1", 80);

    cr_assert(addr_is_any(&v4));
    cr_assert(addr_is_any(&v6));
    cr_assert_not(addr_is_any(&other));
}
