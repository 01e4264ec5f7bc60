#include "proxy/option_dest.h"

#include <criterion/criterion.h>
#include <string.h>

static void
reads_as(const char *text, const char *user, const char *host, unsigned port)
{
    struct option_dest dest;
    const char *why = option_dest_parse(text, &dest);

    cr_assert_null(why, "%s: %s", text, why);
    cr_assert_str_eq(dest.user, user, "%s", text);
    cr_assert_str_eq(dest.host, host, "%s", text);
    cr_assert_eq(dest.port, port, "%s", text);
}

Test(option_dest, plain)
{
    reads_as("host", "", "host", 0);
    reads_as("user@host", "user", "host", 0);
    reads_as("host:2022", "", "host", 2022);
    reads_as("user@host:ssh", "user", "host", 22);
    reads_as("a@b@host", "a@b", "host", 0);
    reads_as("DOM\\user@host", "DOM\\user", "host", 0);
    reads_as("user:x@host", "user:x", "host", 0);
}

Test(option_dest, ipv6)
{
    reads_as("::1", "", "::1", 0);
    reads_as("u@fe80::1%lo", "u", "fe80::1%lo", 0);
    reads_as("[::1]", "", "::1", 0);
    reads_as("u@[::1]:22", "u", "::1", 22);
}

Test(option_dest, uri)
{
    reads_as("ssh://host", "", "host", 0);
    reads_as("SSH://user@host:22/", "user", "host", 22);
    reads_as("ssh://u%40x;fingerprint=a@[::1]:3", "u@x", "::1", 3);
    reads_as("ssh://::1", "", "::1", 0);
}

Test(option_dest, what_is_none_leaves_all_as_it_was)
{
    static const char *const table[] = {
        "",
        "@host",
        "user@",
        "host:",
        "host:0",
        "host:65536",
        "u@:22",
        "[::1",
        "[::1]22",
        "[]",
        "ssh://",
        "ssh://@host",
        "ssh://u%4@h",
        "ssh://u%00@h",
        "ssh://h/path",
        "-oFoo=x",
        "u@-x",
        "-u@host",
        "h st",
        "host;ls",
        "$(ls)",
        "`ls`",
        "a|b",
        "u'x@host",
        "u -oX@host",
        "u\\@host",
        "host\n",
        "a,b",
        "a/b",
        "ssh:///",
        "u\"@h",
        "ho\"st",
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct option_dest dest, before;

        memset(&dest, 0x5a, sizeof(dest));
        before = dest;
        cr_assert_not_null(option_dest_parse(table[i], &dest), "%s", table[i]);
        cr_assert_arr_eq(&dest, &before, sizeof(dest), "%s", table[i]);
    }
}

Test(option_dest, too_long)
{
    static char text[OPTION_DEST_MAX + 8];
    struct option_dest dest;

    memset(text, 'h', sizeof(text) - 1);
    cr_assert_not_null(option_dest_parse(text, &dest));
    text[OPTION_DEST_MAX - 1] = 0;
    cr_assert_null(option_dest_parse(text, &dest));
    cr_assert_eq(strlen(dest.host), OPTION_DEST_MAX - 1);
}
