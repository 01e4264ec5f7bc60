#include "auth/permitlisten.h"

#include <criterion/criterion.h>
#include <string.h>

static void
add(struct permitlisten *list, const char *text)
{
    const char *why = "";

    cr_assert_eq(permitlisten_add(list, text, &why), ERR_OK, "%s: %s", text,
                 why);
}

/* Whether a list of one entry allows it. */
static bool
allows(const char *entry, const char *address, unsigned port)
{
    struct permitlisten *list = permitlisten_create();
    bool allowed;

    add(list, entry);
    allowed = permitlisten_allows(list, address, port);
    permitlisten_destroy(list);
    return allowed;
}

static void
expect_refused(const char *text, const char *reason)
{
    struct permitlisten *list = permitlisten_create();
    const char *why = NULL;

    cr_expect_eq(permitlisten_add(list, text, &why), ERR_MALFORMED, "%s", text);
    cr_expect(why && strstr(why, reason), "%s: %s", text, why);
    permitlisten_destroy(list);
}

Test(permitlisten, nothing_added_allows_all)
{
    struct permitlisten *list = permitlisten_create();

    cr_expect(permitlisten_allows(list, "", 0));
    cr_expect(permitlisten_allows(list, "localhost", 22));
    cr_expect(permitlisten_allows(NULL, "localhost", 22));
    permitlisten_destroy(list);
    permitlisten_destroy(NULL);
}

Test(permitlisten, port_alone_is_for_every_host)
{
    cr_expect(allows("8080", "localhost", 8080));
    cr_expect(allows("8080", "", 8080));
    cr_expect(allows("8080", "*", 8080));
    cr_expect(allows("8080", "::1", 8080));
    cr_expect(!allows("8080", "localhost", 8081));
    cr_expect(allows("*", "localhost", 1));
}

Test(permitlisten, host_is_compared_as_it_was_asked_for)
{
    cr_expect(allows("localhost:8080", "localhost", 8080));
    cr_expect(allows("localhost:8080", "LocalHost", 8080));
    cr_expect(allows("LOCALHOST:8080", "localhost", 8080));
    cr_expect(!allows("localhost:8080", "localhost.", 8080));
    cr_expect(!allows("localhost:8080", "127.0.0.1", 8080));
    cr_expect(!allows("localhost:8080", "::1", 8080));
    cr_expect(!allows("localhost:8080", "", 8080));
    cr_expect(!allows("127.0.0.1:8080", "localhost", 8080));
    cr_expect(!allows("localhost:8080", "localhost", 8081));
}

Test(permitlisten, every_address_is_matched_by_a_star_and_by_nothing_alone)
{
    cr_expect(allows("*:8080", "", 8080));
    cr_expect(allows("*:8080", "0.0.0.0", 8080));
    cr_expect(allows(":8080", "", 8080));
    cr_expect(!allows(":8080", "localhost", 8080));
    cr_expect(!allows("0.0.0.0:8080", "", 8080));
    cr_expect(!allows("?*:8080", "", 8080));
}

Test(permitlisten, host_may_have_wildcards)
{
    cr_expect(allows("127.0.0.*:8080", "127.0.0.53", 8080));
    cr_expect(!allows("127.0.0.*:8080", "127.0.1.53", 8080));
    cr_expect(allows("127.0.0.?:8080", "127.0.0.5", 8080));
    cr_expect(!allows("127.0.0.?:8080", "127.0.0.53", 8080));
    cr_expect(allows("*.example:1", "a.b.example", 1));
    cr_expect(allows("[fe80::*]:1", "fe80::1", 1));
}

Test(permitlisten, brackets_are_for_ipv6)
{
    cr_expect(allows("[::1]:22000", "::1", 22000));
    cr_expect(!allows("[::1]:22000", "[::1]", 22000));
    cr_expect(!allows("[::1]:22000", "0:0::1", 22000));
    cr_expect(allows("[localhost]:1", "localhost", 1));
    expect_refused("::1:22000", "IPv6 address stands in brackets");
    expect_refused("[::1:22000", "not [host:]port");
    expect_refused("[::1]22000", "not [host:]port");
    expect_refused("[::1]", "not [host:]port");
}

Test(permitlisten, any_port_includes_the_server_picks_one)
{
    cr_expect(allows("localhost:*", "localhost", 0));
    cr_expect(allows("localhost:*", "localhost", 65535));
    cr_expect(!allows("localhost:8080", "localhost", 0));
    cr_expect(!allows("8080", "", 0));
}

Test(permitlisten, port_may_be_a_service)
{
    cr_expect(allows("localhost:https", "localhost", 443));
    expect_refused("localhost:no-such-service", "a service's name");
}

Test(permitlisten, bad_ones_are_refused)
{
    expect_refused("", "port must be");
    expect_refused("localhost", "port must be");
    expect_refused("localhost:", "port must be");
    expect_refused("0", "port must be");
    expect_refused("localhost:0", "port must be");
    expect_refused("65536", "port must be");
    expect_refused("-1", "port must be");
    expect_refused("80 ", "port must be");
    expect_refused("any", "port must be");
    expect_refused("none", "port must be");
    expect_refused("a b:80", "not a host name");
    expect_refused("10.0.0.0/8:80", "not a host name");
    expect_refused("a,b:80", "not a host name");
}

Test(permitlisten, length_is_bounded)
{
    char text[300];
    struct permitlisten *list = permitlisten_create();

    memset(text, 'a', sizeof(text));
    strcpy(text + 256, ":80");
    expect_refused(text, "not a host name");
    strcpy(text + 255, ":80");
    add(list, text);
    text[255] = 0;
    cr_expect(permitlisten_allows(list, text, 80));
    add(list, "*");
    text[255] = 'a';
    text[256] = 0;
    cr_expect(!permitlisten_allows(list, text, 80));
    permitlisten_destroy(list);
}

Test(permitlisten, several_entries_add_up)
{
    struct permitlisten *list = permitlisten_create();

    add(list, "localhost:8080");
    add(list, "9090");
    cr_expect(permitlisten_allows(list, "localhost", 8080));
    cr_expect(permitlisten_allows(list, "", 9090));
    cr_expect(!permitlisten_allows(list, "", 8080));
    permitlisten_destroy(list);
}
