#include "proxy/limits.h"

#include <criterion/criterion.h>
#include <string.h>

static union addr
addr_of(const char *text)
{
    union addr addr = {.sa.sa_family = AF_UNSPEC};

    if (*text)
        cr_assert(addr_parse(&addr, text, strlen(text), 1080));
    return addr;
}

static enum err
enter(struct limits *limits, const char *text)
{
    union addr addr = addr_of(text);

    return limits_enter(limits, &addr);
}

static void
leave(struct limits *limits, const char *text, enum err entered)
{
    union addr addr = addr_of(text);

    limits_leave(limits, &addr, entered);
}

Test(limits, without_any_all_may_come)
{
    struct limits limits;

    limits_init(&limits, 0, 0, 1000000, 0);
    for (int i = 0; i < 10000; i++)
        cr_assert_eq(enter(&limits, "192.0.2.1"), ERR_OK);
    for (int i = 0; i < 10000; i++)
        leave(&limits, "192.0.2.1", ERR_OK);
    cr_assert_eq(atomic_load(&limits.open), 0);
    limits_destroy(&limits);
}

Test(limits, max_sessions_counts_all_sources)
{
    struct limits limits;

    limits_init(&limits, 2, 0, 1000, 0);
    cr_assert_eq(enter(&limits, "192.0.2.1"), ERR_OK);
    cr_assert_eq(enter(&limits, "192.0.2.2"), ERR_OK);
    cr_assert_eq(enter(&limits, "192.0.2.3"), ERR_LIMIT);
    leave(&limits, "192.0.2.3", ERR_LIMIT);
    cr_assert_eq(enter(&limits, "192.0.2.3"), ERR_LIMIT, "nothing was freed");
    leave(&limits, "192.0.2.3", ERR_LIMIT);
    leave(&limits, "192.0.2.1", ERR_OK);
    cr_assert_eq(enter(&limits, "192.0.2.3"), ERR_OK);
    limits_destroy(&limits);
}

Test(limits, max_per_source_counts_each_source)
{
    struct limits limits;

    limits_init(&limits, 0, 2, 1000, 0);
    cr_assert_eq(enter(&limits, "192.0.2.1"), ERR_OK);
    cr_assert_eq(enter(&limits, "192.0.2.1"), ERR_OK);
    cr_assert_eq(enter(&limits, "192.0.2.1"), ERR_LIMIT);
    cr_assert_eq(enter(&limits, "192.0.2.2"), ERR_OK, "another source");
    leave(&limits, "192.0.2.1", ERR_LIMIT);
    leave(&limits, "192.0.2.1", ERR_OK);
    cr_assert_eq(enter(&limits, "192.0.2.1"), ERR_OK);
    cr_assert_eq(enter(&limits, "192.0.2.1"), ERR_LIMIT);
    limits_destroy(&limits);
}

Test(limits, the_port_is_no_part_of_a_source)
{
    union addr addr = addr_of("192.0.2.1");
    struct limits limits;

    limits_init(&limits, 0, 1, 1000, 0);
    cr_assert_eq(limits_enter(&limits, &addr), ERR_OK);
    addr_set_port(&addr, 2);
    cr_assert_eq(limits_enter(&limits, &addr), ERR_LIMIT);
    limits_destroy(&limits);
}

Test(limits, an_ipv6_host_is_a_64)
{
    struct limits limits;

    limits_init(&limits, 0, 1, 1000, 0);
    cr_assert_eq(enter(&limits, "2001:db8:1:2::1"), ERR_OK);
    cr_assert_eq(enter(&limits, "2001:db8:1:2:ffff::2"), ERR_LIMIT);
    cr_assert_eq(enter(&limits, "2001:db8:1:3::1"), ERR_OK);
    leave(&limits, "2001:db8:1:2:ffff::2", ERR_LIMIT);
    leave(&limits, "2001:db8:1:2::3", ERR_OK);
    cr_assert_eq(enter(&limits, "2001:db8:1:2:1::"), ERR_OK);
    limits_destroy(&limits);
}

/* A client on a Unix socket has no address; one on ::1 has. */
Test(limits, kinds_of_sources_are_kept_apart)
{
    struct limits limits;

    limits_init(&limits, 0, 1, 1000, 0);
    cr_assert_eq(enter(&limits, ""), ERR_OK);
    cr_assert_eq(enter(&limits, "127.0.0.1"), ERR_OK);
    cr_assert_eq(enter(&limits, "::1"), ERR_OK);
    limits_destroy(&limits);
}

/* A source that is over its limit takes nothing from the others' share. */
Test(limits, one_refused_for_its_source_does_not_count_for_all)
{
    struct limits limits;

    limits_init(&limits, 3, 1, 1000, 0);
    cr_assert_eq(enter(&limits, "192.0.2.1"), ERR_OK);
    for (int i = 0; i < 10; i++)
        cr_assert_eq(enter(&limits, "192.0.2.1"), ERR_LIMIT);
    cr_assert_eq(enter(&limits, "192.0.2.2"), ERR_OK);
    cr_assert_eq(enter(&limits, "192.0.2.3"), ERR_OK);
    cr_assert_eq(enter(&limits, "192.0.2.4"), ERR_LIMIT);
    for (int i = 0; i < 10; i++)
        leave(&limits, "192.0.2.1", ERR_LIMIT);
    leave(&limits, "192.0.2.4", ERR_LIMIT);
    leave(&limits, "192.0.2.1", ERR_OK);
    leave(&limits, "192.0.2.2", ERR_OK);
    leave(&limits, "192.0.2.3", ERR_OK);
    cr_assert_eq(atomic_load(&limits.open), 0);
    cr_assert_eq(atomic_load(&limits.counted), 0);
    cr_assert_null(limits.sources, "no memory for those that left");
    limits_destroy(&limits);
}

Test(limits, room_is_for_two_descriptors_each_and_at_least_one_session)
{
    struct limits limits;

    limits_init(&limits, 0, 0, 64, 54);
    for (int i = 0; i < 5; i++) {
        cr_assert(limits_have_room(&limits), "session %d", i);
        cr_assert_eq(enter(&limits, "192.0.2.1"), ERR_OK);
    }
    cr_assert_not(limits_have_room(&limits));
    leave(&limits, "192.0.2.1", ERR_OK);
    cr_assert(limits_have_room(&limits));
    limits_destroy(&limits);

    limits_init(&limits, 0, 0, 10, 20);
    cr_assert(limits_have_room(&limits));
    limits_destroy(&limits);
}

/* They hold a descriptor until they have read why. */
Test(limits, refused_ones_take_room)
{
    struct limits limits;

    limits_init(&limits, 1, 0, 4, 0);
    cr_assert_eq(enter(&limits, "192.0.2.1"), ERR_OK);
    cr_assert_eq(enter(&limits, "192.0.2.1"), ERR_LIMIT);
    cr_assert_not(limits_have_room(&limits));
    limits_destroy(&limits);
}

Test(limits, what_stands_for_long_takes_from_the_room)
{
    struct limits limits;
    union addr nobody = {.sa.sa_family = AF_UNSPEC};

    limits_init(&limits, 0, 0, 110, 100);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(limits_enter(&limits, &nobody), ERR_OK);
    cr_assert(limits_have_room(&limits));
    limits_take(&limits, 2);
    cr_assert(!limits_have_room(&limits));
    limits_take(&limits, -2);
    cr_assert(limits_have_room(&limits));
    limits_destroy(&limits);
}

Test(limits, there_is_room_for_one_at_least)
{
    struct limits limits;
    union addr nobody = {.sa.sa_family = AF_UNSPEC};

    limits_init(&limits, 0, 0, 110, 100);
    limits_take(&limits, 1000);
    cr_assert(limits_have_room(&limits));
    cr_assert_eq(limits_enter(&limits, &nobody), ERR_OK);
    cr_assert(!limits_have_room(&limits));
    limits_leave(&limits, &nobody, ERR_OK);
    cr_assert(limits_have_room(&limits));
    limits_destroy(&limits);
}

Test(limits, a_session_without_a_descriptor_of_its_way_out_takes_one)
{
    struct limits limits;

    limits_init(&limits, 0, 0, 10, 4);
    limits.per_session = 1;
    for (int i = 0; i < 6; i++) {
        cr_assert(limits_have_room(&limits), "session %d", i);
        cr_assert_eq(enter(&limits, "192.0.2.1"), ERR_OK);
    }
    cr_assert_not(limits_have_room(&limits));
    limits_destroy(&limits);
}

Test(limits, a_share_is_kept_from_logins_and_ports)
{
    struct limits limits;

    limits_init(&limits, 0, 0, 120, 10);
    limits_take(&limits, 10);
    limits_settle(&limits);
    cr_expect(limits_may_take(&limits, LIMITS_PORTS, 50));
    cr_expect_not(limits_may_take(&limits, LIMITS_PORTS, 51));
    cr_expect(limits_may_take(&limits, LIMITS_LOGINS, 75));
    cr_expect_not(limits_may_take(&limits, LIMITS_LOGINS, 76));
    limits_take(&limits, 50);
    cr_expect_not(limits_may_take(&limits, LIMITS_PORTS, 1));
    cr_expect(limits_may_take(&limits, LIMITS_LOGINS, 25));
    limits_take(&limits, -1);
    cr_expect(limits_may_take(&limits, LIMITS_PORTS, 1));
    limits_destroy(&limits);
}
