#include "proxy/start.h"

#include <criterion/criterion.h>

#include "tests/unit/options_run.h"

/* Descriptors of a session, with so many workers. */
static unsigned
per_session(const char *const args[], unsigned workers, bool has_remote)
{
    struct settings *s = options_accept(args);
    struct forward remote = {.is_remote = true, .next = s->forwards};
    unsigned count;

    s->workers = workers;
    if (has_remote)
        s->forwards = &remote;
    count = start_count_per_session(s);
    s->forwards = remote.next;
    settings_destroy(s);
    return count;
}

Test(start, from_a_socket_to_a_socket)
{
    cr_assert_eq(per_session(ARGS("-D1"), 1, false), 2);
    cr_assert_eq(
        per_session(ARGS("-Fnone", "-D1", "--via=tcp:", "gw"), 1, false), 2);
    cr_assert_eq(
        per_session(ARGS("-Fnone", "-D1", "--route=a=tcp:", "gw"), 1, false),
        2);
}

Test(start, a_channel_at_either_end_is_none)
{
    cr_assert_eq(per_session(ARGS("-Fnone", "-D1", "gw"), 4, false), 1);
    cr_assert_eq(per_session(ARGS("-Fnone", "-D1", "gw"), 4, true), 1);
    cr_assert_eq(
        per_session(ARGS("-Fnone", "-D1", "--via=ssh://a", "gw"), 4, false), 1);
}

/* A pair of sockets is between channels of two workers. */
Test(start, from_a_channel_to_one_of_another_worker)
{
    const char *const *beside = ARGS("-Fnone", "--via=ssh://a", "gw");
    const char *const *route = ARGS("-Fnone", "--route=a=ssh:", "gw");

    cr_assert_eq(per_session(beside, 4, true), 2);
    cr_assert_eq(per_session(beside, 1, true), 1);
    cr_assert_eq(per_session(route, 4, true), 2);
    cr_assert_eq(per_session(route, 4, false), 1);
    cr_assert_eq(
        per_session(ARGS("-Fnone", "-M", "-S/tmp/x", "--via=ssh://a", "gw"), 4,
                    false),
        2, "one may be asked for");
}

/* Each server has as many links, as has each that it is reached through. */
Test(start, links_of_all_servers_are_reserved)
{
    static struct shared shared;
    struct settings *s =
        options_accept(ARGS("-Fnone", "--connections=3", "-D1", "-Ja,b", "gw"));
    size_t one;
    unsigned way;

    shared.settings = s;
    pipe_budget_init(&shared.pipe_budget, 1000);
    one = start_count_reserved(&shared, 2);
    cr_assert_eq(settings_add_way(s, sshdest_create(), "x", &way), ERR_OK);
    cr_assert_eq(start_count_reserved(&shared, 2) - one, 3 * 4);
    settings_destroy(s);
}
