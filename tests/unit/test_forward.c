#include "proxy/forward.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "proxy/option_forward.h"

static struct forward
forward_of(enum option_forward_form form, const char *spec)
{
    struct forward forward;

    cr_assert_null(option_forward_parse(form, spec, &forward), "%s", spec);
    return forward;
}

static bool
alike(enum option_forward_form form, const char *a, const char *b)
{
    const struct forward one = forward_of(form, a);
    const struct forward two = forward_of(form, b);

    cr_assert_eq(forward_is_alike(&one, &two), forward_is_alike(&two, &one));
    return forward_is_alike(&one, &two);
}

Test(forward, alike_but_for_the_port_listened_on)
{
    const enum option_forward_form dynamic = OPTION_FORWARD_DYNAMIC;
    const enum option_forward_form local = OPTION_FORWARD_LOCAL;

    cr_assert(alike(dynamic, "1080", "1081"));
    cr_assert(alike(dynamic, "1080", "localhost:1080"));
    cr_assert(alike(dynamic, "*:1", ":2"));
    cr_assert(!alike(dynamic, "1080", "*:1080"));
    cr_assert(!alike(dynamic, "127.0.0.1:1080", "127.0.0.2:1080"));
    cr_assert(!alike(dynamic, "/a/b", "/a/c"));
    cr_assert(alike(local, "1:h:2", "3:h:2"));
    cr_assert(!alike(local, "1:h:2", "1:h:3"));
    cr_assert(!alike(local, "1:h:2", "1:i:2"));
    cr_assert(!alike(local, "1:/h", "1:/i"));
    cr_assert(alike(local, "1:[::1]:2", "2:[0:0::1]:2"));
}

Test(forward, kinds_are_not_alike)
{
    const struct forward socks = forward_of(OPTION_FORWARD_DYNAMIC, "1");
    const struct forward fixed = forward_of(OPTION_FORWARD_LOCAL, "1:h:2");

    cr_assert(!forward_is_alike(&socks, &fixed));
}

Test(forward, a_remote_one_is_like_no_other)
{
    const enum option_forward_form remote = OPTION_FORWARD_REMOTE;
    const struct forward socks = forward_of(OPTION_FORWARD_DYNAMIC, "1");
    const struct forward far_socks = forward_of(remote, "1");
    const struct forward fixed = forward_of(OPTION_FORWARD_LOCAL, "1:h:2");
    const struct forward far_fixed = forward_of(remote, "1:h:2");

    cr_assert(!forward_is_alike(&socks, &far_socks));
    cr_assert(!forward_is_alike(&fixed, &far_fixed));
    cr_assert(!forward_is_alike(&far_socks, &far_fixed));
    cr_assert(alike(remote, "1", "localhost:2"));
    cr_assert(alike(remote, "0:h:2", "localhost:3:h:2"));
    cr_assert(!alike(remote, "1", "*:1"));
    cr_assert(!alike(remote, "1:h:2", "1:h:3"));
}

static void
assert_name(enum option_forward_form form, const char *spec, const char *name)
{
    const struct forward forward = forward_of(form, spec);
    char *text = forward_name(&forward);

    cr_assert_str_eq(text, name);
    free(text);
}

Test(forward, is_called_what_would_be_typed)
{
    assert_name(OPTION_FORWARD_DYNAMIC, "1080", "1080");
    assert_name(OPTION_FORWARD_DYNAMIC, ":1080", "*:1080");
    assert_name(OPTION_FORWARD_DYNAMIC, "h:1080", "h:1080");
    assert_name(OPTION_FORWARD_DYNAMIC, "[::1]:1080", "[::1]:1080");
    assert_name(OPTION_FORWARD_DYNAMIC, "/a/b", "/a/b");
    assert_name(OPTION_FORWARD_LOCAL, "1:h:2", "1:h:2");
    assert_name(OPTION_FORWARD_LOCAL, "b:1:[::1]:2", "b:1:[::1]:2");
    assert_name(OPTION_FORWARD_LOCAL, "/a:/b", "/a:/b");
    assert_name(OPTION_FORWARD_REMOTE, "localhost:1080", "1080");
    assert_name(OPTION_FORWARD_REMOTE, ":0:h:2", "*:0:h:2");
    assert_name(OPTION_FORWARD_REMOTE, "[::1]:1:/b", "[::1]:1:/b");
}
