#include "transport/base/target.h"

#include <criterion/criterion.h>
#include <string.h>

static void
assert_format(const struct target *target, const char *text)
{
    char buf[TARGET_TEXT_MAX];

    cr_assert_eq(target_format(target, buf), buf);
    cr_assert_str_eq(buf, text);
}

static void
assert_refused(const char *host, size_t len)
{
    struct target target;
    struct target before;

    memset(&target, 0xa5, sizeof(target));
    before = target;
    cr_assert_eq(target_set_host(&target, host, len, 80), ERR_MALFORMED, "%s",
                 host);
    cr_assert_eq(memcmp(&target, &before, sizeof(target)), 0);
}

Test(target, name_is_kept_as_it_came)
{
    struct target target;

    cr_assert_eq(target_set_host(&target, "WWW.Example.org.xx", 16, 80),
                 ERR_OK);
    cr_assert_eq(target.kind, TARGET_NAME);
    cr_assert_eq(target.port, 80);
    cr_assert_str_eq(target.name, "WWW.Example.org.");
    assert_format(&target, "WWW.Example.org.:80");
}

Test(target, bytes_beyond_ascii_are_a_names)
{
    struct target target;

    cr_assert_eq(target_set_host(&target,
                                 "b\xc3\xbc"
                                 "cher.example",
                                 14, 1),
                 ERR_OK);
    cr_assert_eq(target.kind, TARGET_NAME);
}

Test(target, literal_is_an_address)
{
    struct target target;

    cr_assert_eq(target_set_host(&target, "192.0.2.1", 9, 80), ERR_OK);
    cr_assert_eq(target.kind, TARGET_ADDR);
    cr_assert_eq(target.port, 80);
    assert_format(&target, "192.0.2.1:80");
    cr_assert_eq(target_set_host(&target, "[2001:db8::1]", 13, 81), ERR_OK);
    cr_assert_eq(target.kind, TARGET_ADDR);
    cr_assert_eq(target.port, 81);
    cr_assert_eq(addr_port(&target.addr), 81);
    assert_format(&target, "[2001:db8::1]:81");
}

Test(target, mapped_literal_is_ipv4)
{
    struct target target;

    cr_assert_eq(target_set_host(&target, "::ffff:192.0.2.1", 16, 80), ERR_OK);
    cr_assert_eq(target.addr.sa.sa_family, AF_INET);
    assert_format(&target, "192.0.2.1:80");
}

Test(target, name_of_255_bytes_is_the_longest)
{
    char name[TARGET_NAME_MAX + 2];
    struct target target;
    char buf[TARGET_TEXT_MAX];

    memset(name, 'n', sizeof(name));
    name[TARGET_NAME_MAX + 1] = 0;
    assert_refused(name, TARGET_NAME_MAX + 1);
    cr_assert_eq(target_set_host(&target, name, TARGET_NAME_MAX, 65535),
                 ERR_OK);
    cr_assert_eq(strlen(target.name), TARGET_NAME_MAX);
    cr_assert_eq(strlen(target_format(&target, buf)), TARGET_NAME_MAX + 6);
}

Test(target, empty_name_is_malformed)
{
    assert_refused("", 0);
}

Test(target, nul_space_and_control_bytes_are_malformed)
{
    for (unsigned c = 0; c <= ' '; c++) {
        char name[] = {'a', (char)c, 'b', 0};

        assert_refused(name, 3);
        assert_refused(name + 1, 2);
        assert_refused(name, 2);
    }
    assert_refused("a\x7f"
                   "b",
                   3);
}

Test(target, what_was_meant_as_an_address_and_is_none_is_malformed)
{
    static const char *const hosts[] = {
        "[example.org]", "[192.0.2.1]", "[::1", "::1]",  "fe80::1%eth0",
        "[fe80::1%1]",   "example:80",  ":",    "1:2:3", "%",
    };

    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
        assert_refused(hosts[i], strlen(hosts[i]));
}

Test(target, address_is_taken_and_unmapped)
{
    struct target target;
    union addr addr;

    addr_parse(&addr, "::ffff:192.0.2.1", 16, 443);
    target_set_addr(&target, &addr);
    cr_assert_eq(target.kind, TARGET_ADDR);
    cr_assert_eq(target.port, 443);
    assert_format(&target, "192.0.2.1:443");
}

Test(target, path)
{
    struct target target;

    cr_assert_eq(target_set_unix(&target, "/run/x.sock"), ERR_OK);
    cr_assert_eq(target.kind, TARGET_UNIX);
    cr_assert_eq(target.port, 0);
    assert_format(&target, "/run/x.sock");
}

Test(target, path_of_107_bytes_is_the_longest)
{
    char path[109];
    struct target target;

    memset(path, 'p', sizeof(path));
    path[108] = 0;
    cr_assert_eq(target_set_unix(&target, path), ERR_MALFORMED);
    path[107] = 0;
    cr_assert_eq(target_set_unix(&target, path), ERR_OK);
    cr_assert_str_eq(target.name, path);
    cr_assert_eq(target_set_unix(&target, ""), ERR_MALFORMED);
}
