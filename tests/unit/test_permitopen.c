#include "auth/permitopen.h"

#include <criterion/criterion.h>
#include <string.h>

static struct target
target_of(const char *host, uint16_t port)
{
    struct target target;

    cr_assert_eq(target_set_host(&target, host, strlen(host), port), ERR_OK,
                 "%s", host);
    return target;
}

static void
add(struct permitopen *list, const char *text)
{
    const char *why = "";

    cr_assert_eq(permitopen_add(list, text, &why), ERR_OK, "%s: %s", text, why);
}

/* Whether a list of one entry allows a target. */
static bool
allows(const char *entry, const char *host, uint16_t port)
{
    struct permitopen *list = permitopen_create();
    struct target target = target_of(host, port);
    bool allowed;

    add(list, entry);
    cr_assert(!permitopen_empty(list));
    allowed = permitopen_allows(list, &target);
    permitopen_destroy(list);
    return allowed;
}

static void
expect_refused(const char *text, const char *reason)
{
    struct permitopen *list = permitopen_create();
    const char *why = NULL;

    cr_expect_eq(permitopen_add(list, text, &why), ERR_MALFORMED, "%s", text);
    cr_expect(why && strstr(why, reason), "%s: %s", text, why);
    cr_expect(permitopen_empty(list), "%s", text);
    permitopen_destroy(list);
}

Test(permitopen, nothing_added_allows_all)
{
    struct permitopen *list = permitopen_create();
    struct target target = target_of("h", 1);
    struct target path;

    cr_assert_eq(target_set_unix(&path, "/run/s"), ERR_OK);
    cr_assert(permitopen_empty(list));
    cr_assert(permitopen_allows(list, &target));
    cr_assert(permitopen_allows(list, &path));
    cr_assert(permitopen_empty(NULL));
    cr_assert(permitopen_allows(NULL, &target));
    permitopen_destroy(list);
    permitopen_destroy(NULL);
}

Test(permitopen, host_and_port_are_compared)
{
    cr_assert(allows("h:80", "h", 80));
    cr_assert(!allows("h:80", "h", 81));
    cr_assert(!allows("h:80", "i", 80));
    cr_assert(!allows("h:80", "sub.h", 80));
    cr_assert(allows("h:65535", "h", 65535));
    cr_assert(allows("[h]:80", "h", 80));
}

Test(permitopen, any_host_and_any_port)
{
    cr_assert(allows("*:80", "h", 80));
    cr_assert(allows("*:80", "::1", 80));
    cr_assert(!allows("*:80", "h", 81));
    cr_assert(allows("h:*", "h", 81));
    cr_assert(!allows("h:*", "i", 81));
    cr_assert(allows("*:*", "h", 1));
    cr_assert(allows("any", "h", 1));
    cr_assert(allows("ANY", "h", 1));
}

Test(permitopen, names_without_case_and_dot)
{
    cr_assert(allows("Host.Example:80", "hOST.eXAMPLE", 80));
    cr_assert(allows("host.example.:80", "host.example", 80));
    cr_assert(allows("host.example:80", "HOST.example.", 80));
    cr_assert(!allows("host.example:80", "host.exampl", 80));
}

Test(permitopen, a_star_in_a_name_is_no_pattern)
{
    cr_assert(!allows("*.example:80", "a.example", 80));
    cr_assert(!allows("h?st:80", "host", 80));
}

Test(permitopen, addresses_as_addresses)
{
    cr_assert(allows("192.0.2.1:80", "192.0.2.1", 80));
    cr_assert(!allows("192.0.2.1:80", "192.0.2.2", 80));
    cr_assert(allows("[2001:db8::1]:80", "2001:DB8:0:0::1", 80));
    cr_assert(!allows("[2001:db8::1]:80", "2001:db8::2", 80));
    cr_assert(allows("[::ffff:192.0.2.1]:80", "192.0.2.1", 80));
    cr_assert(allows("192.0.2.1:80", "::ffff:192.0.2.1", 80));
    cr_assert(allows("[192.0.2.1]:80", "192.0.2.1", 80));
}

Test(permitopen, a_name_is_never_an_address)
{
    cr_assert(!allows("localhost:80", "127.0.0.1", 80));
    cr_assert(!allows("127.0.0.1:80", "localhost", 80));
    cr_assert(!allows("127.0.0.1:80", "0.0.0.0", 80));
}

Test(permitopen, services_have_names)
{
    cr_assert(allows("h:http", "h", 80));
    expect_refused("h:no-such-service", "port must be");
}

Test(permitopen, none_denies_all)
{
    struct target path;
    struct permitopen *list = permitopen_create();

    cr_assert(!allows("none", "h", 1));
    cr_assert(!allows("None", "::1", 1));
    cr_assert_eq(target_set_unix(&path, "/run/s"), ERR_OK);
    add(list, "none");
    cr_assert(!permitopen_allows(list, &path));
    permitopen_destroy(list);
}

Test(permitopen, several_add_up)
{
    struct permitopen *list = permitopen_create();
    struct target target;

    add(list, "a:1");
    add(list, "[::1]:2");
    add(list, "*:3");
    target = target_of("a", 1);
    cr_assert(permitopen_allows(list, &target));
    target = target_of("::1", 2);
    cr_assert(permitopen_allows(list, &target));
    target = target_of("b", 3);
    cr_assert(permitopen_allows(list, &target));
    target = target_of("a", 2);
    cr_assert(!permitopen_allows(list, &target));
    permitopen_destroy(list);
}

Test(permitopen, sockets_are_no_host)
{
    struct permitopen *list = permitopen_create();
    struct target path;

    cr_assert_eq(target_set_unix(&path, "/run/s"), ERR_OK);
    add(list, "*:*");
    cr_assert(!permitopen_allows(list, &path));
    add(list, "any");
    cr_assert(permitopen_allows(list, &path));
    permitopen_destroy(list);
}

Test(permitopen, malformed)
{
    expect_refused("", "not host:port");
    expect_refused("h", "not host:port");
    expect_refused("[::1]", "not host:port");
    expect_refused("[::1]80", "not host:port");
    expect_refused("[::1:80", "not host:port");
    expect_refused("2001:db8::1:80", "in brackets");
    expect_refused("::1:80", "in brackets");
    expect_refused("h:", "port must be");
    expect_refused("h:0", "port must be");
    expect_refused("h:65536", "port must be");
    expect_refused("h:99999999999999999999", "port must be");
    expect_refused("h:-1", "port must be");
    expect_refused("h:80x", "port must be");
    expect_refused("h:80 ", "port must be");
    expect_refused("h:80,81", "port must be");
    expect_refused(":80", "not a host");
    expect_refused(".:80", "not a host");
    expect_refused("[]:80", "not a host");
    expect_refused("[::x]:80", "not a host");
    expect_refused("[fe80::1%eth0]:80", "not a host");
    expect_refused("h h:80", "not a host");
    expect_refused("10.0.0.0/8:80", "not a host");
}
