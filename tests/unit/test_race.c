#include "transport/net/race.h"

#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/connect_bed.h"

static const struct fake_rule race_rules[] = {
    {.name = "both.test", .addrs = {"127.0.0.1", "::1"}, .ttl_s = 60},
    {.name = "late6.test",
     .type = '6',
     .addrs = {"::1"},
     .ttl_s = 60,
     .delay_ms = 25},
    {.name = "late6.test", .addrs = {"127.0.0.1"}, .ttl_s = 60},
    {.name = "very-late6.test",
     .type = '6',
     .addrs = {"::1"},
     .ttl_s = 60,
     .delay_ms = 1500},
    {.name = "very-late6.test", .addrs = {"127.0.0.1"}, .ttl_s = 60},
    {.name = "late4.test", .type = '6', .addrs = {"::1"}, .ttl_s = 60},
    {.name = "late4.test",
     .addrs = {"127.0.0.1"},
     .ttl_s = 60,
     .delay_ms = 1500},
    {.name = "joins.test",
     .type = '6',
     .addrs = {"::1"},
     .ttl_s = 60,
     .delay_ms = 150},
    {.name = "joins.test", .addrs = {"127.0.0.2"}, .ttl_s = 60},
    {.name = "after-failure.test",
     .type = '6',
     .addrs = {"::1"},
     .ttl_s = 60,
     .delay_ms = 200},
    {.name = "after-failure.test", .addrs = {"127.0.0.4"}, .ttl_s = 60},
    {.name = "hole-first.test",
     .addrs = {"127.0.0.2", "127.0.0.1"},
     .ttl_s = 60},
    {.name = "refused-first.test",
     .addrs = {"127.0.0.4", "127.0.0.5", "127.0.0.1"},
     .ttl_s = 60},
    {.name = "refused.test", .type = 'A', .addrs = {"127.0.0.4"}},
    {.name = "refused.test", .type = '6', .what = FAKE_SERVFAIL},
    {.name = "ill6.test", .type = '6', .what = FAKE_SERVFAIL},
    {.name = "ill6.test", .what = FAKE_ANSWER},
    {.name = "silent4.test", .type = 'A', .what = FAKE_DROP},
    {.name = "silent4.test", .what = FAKE_NO_NAME},
    {.name = "many.test",
     .addrs = {"127.0.1.1", "127.0.1.2", "127.0.1.3", "127.0.1.4", "127.0.1.5",
               "127.0.1.6", "127.0.1.7", "127.0.1.8", "127.0.1.9", "127.0.1.10",
               "127.0.1.11", "127.0.1.12"}},
    {.name = "mapped.test", .type = '6', .addrs = {"::ffff:127.0.0.1"}},
    {.name = "mapped.test", .what = FAKE_ANSWER},
    {.name = "slow.test", .addrs = {"127.0.0.1"}, .delay_ms = 200},
    {.name = NULL},
};

Test(race, he_1_waits_a_moment_for_ipv6)
{
    struct net_bed bed;
    struct ask ask;
    uint16_t port = 0;
    int v4 = connect_bed_listen("127.0.0.1", &port, 8);
    int v6 = connect_bed_listen("::1", &port, 8);

    net_bed_open(&bed, race_rules, NULL, NULL);
    ask_init(&ask, &bed);
    ask_host(&ask, "late6.test", port);
    ask_check_connected(&ask, "::1", port);
    close(v4);
    close(v6);
    net_bed_close(&bed);
}

Test(race, he_1_does_not_wait_long_for_ipv6)
{
    struct net_bed bed;
    struct ask ask;
    uint16_t port = 0;
    int v4 = connect_bed_listen("127.0.0.1", &port, 8);

    net_bed_open(&bed, race_rules, NULL, NULL);
    ask_init(&ask, &bed);
    ask_host(&ask, "very-late6.test", port);
    ask_check_connected(&ask, "127.0.0.1", port);
    ask_check_seconds(&ask, 0.045, 1.0);
    close(v4);
    net_bed_close(&bed);
}

Test(race, he_1_does_not_wait_for_ipv4)
{
    struct net_bed bed;
    struct ask ask;
    uint16_t port = 0;
    int v6 = connect_bed_listen("::1", &port, 8);

    net_bed_open(&bed, race_rules, NULL, NULL);
    ask_init(&ask, &bed);
    ask_host(&ask, "late4.test", port);
    ask_check_connected(&ask, "::1", port);
    ask_check_seconds(&ask, 0, 1.0);
    close(v6);
    net_bed_close(&bed);
}

Test(race, he_2_starts_with_ipv6)
{
    struct net_bed bed;
    struct ask ask;
    uint16_t port = 0;
    int v4 = connect_bed_listen("127.0.0.1", &port, 8);
    int v6 = connect_bed_listen("::1", &port, 8);

    net_bed_open(&bed, race_rules, NULL, NULL);
    ask_init(&ask, &bed);
    ask_host(&ask, "both.test", port);
    ask_check_connected(&ask, "::1", port);
    ask_host(&ask, "localhost", port);
    ask_check_connected(&ask, "::1", port);
    close(v6);
    ask_host(&ask, "localhost", port);
    ask_check_connected(&ask, "127.0.0.1", port);
    cr_assert_eq(ask.permits, 2u);
    close(v4);
    net_bed_close(&bed);
}

/* From a global address ::1 is of another scope (RFC 6724 rule 2), so IPv4
 * goes first, though IPv6's answer came first. */
Test(race, he_2_orders_both_families_when_both_are_known)
{
    struct net_bed bed;
    struct ask ask;
    uint16_t port = 0;
    int v4 = connect_bed_listen("127.0.0.1", &port, 8);
    int v6 = connect_bed_listen("::1", &port, 8);

    net_bed_open(&bed, race_rules, NULL, NULL);
    ask_init(&ask, &bed);
    ask.connector.bind_v4 = connect_bed_addr("127.0.0.1", 0);
    ask.connector.bind_v6 = connect_bed_addr("2001:db8::1", 0);
    ask_host(&ask, "localhost", port);
    ask_check_connected(&ask, "127.0.0.1", port);
    cr_assert_eq(ask.permits, 1u);
    close(v4);
    close(v6);
    net_bed_close(&bed);
}

Test(race, he_3_next_attempt_after_250_ms)
{
    struct net_bed bed;
    struct ask ask;
    uint16_t port = 0;
    struct hole hole = hole_open("127.0.0.2", &port);
    int v4 = connect_bed_listen("127.0.0.1", &port, 8);
    unsigned before;

    net_bed_open(&bed, race_rules, NULL, NULL);
    ask_init(&ask, &bed);
    before = connect_bed_descriptors();
    ask_host(&ask, "hole-first.test", port);
    ask_check_connected(&ask, "127.0.0.1", port);
    ask_check_seconds(&ask, 0.24, 0.9);
    cr_assert_eq(connect_bed_descriptors(),
                 before); /* HE-4: the others closed */
    close(v4);
    hole_close(&hole);
    net_bed_close(&bed);
}

Test(race, he_3_next_attempt_at_once_after_a_failure)
{
    struct net_bed bed;
    struct ask ask;
    uint16_t port = 0;
    int v4 = connect_bed_listen("127.0.0.1", &port, 8);

    net_bed_open(&bed, race_rules, NULL, NULL);
    ask_init(&ask, &bed);
    ask_host(&ask, "refused-first.test", port);
    ask_check_connected(&ask, "127.0.0.1", port);
    ask_check_seconds(&ask, 0, 0.24);
    cr_assert_eq(ask.permits, 3u);
    close(v4);
    net_bed_close(&bed);
}

Test(race, he_4_late_answer_joins)
{
    struct net_bed bed;
    struct ask ask;
    uint16_t port = 0;
    struct hole hole = hole_open("127.0.0.2", &port);
    int v6 = connect_bed_listen("::1", &port, 8);

    net_bed_open(&bed, race_rules, NULL, NULL);
    ask_init(&ask, &bed);
    ask_host(&ask, "joins.test", port);
    ask_check_connected(&ask, "::1", port);
    /* 50 ms for the delay, 250 ms for the attempt on IPv4. */
    ask_check_seconds(&ask, 0.29, 1.0);
    hole_close(&hole);
    close(v6);
    net_bed_close(&bed);
}

Test(race, he_4_late_answer_is_waited_for_when_all_failed)
{
    struct net_bed bed;
    struct ask ask;
    uint16_t port = 0;
    int v6 = connect_bed_listen("::1", &port, 8);

    net_bed_open(&bed, race_rules, NULL, NULL);
    ask_init(&ask, &bed);
    ask_host(&ask, "after-failure.test", port);
    ask_check_connected(&ask, "::1", port);
    ask_check_seconds(&ask, 0.19, 1.0);
    close(v6);
    net_bed_close(&bed);
}

Test(race, he_5_one_failed_family_does_not_fail_it)
{
    struct net_bed bed;
    struct ask ask;
    uint16_t port = connect_bed_free_port();
    char text[ADDR_TEXT_MAX];

    net_bed_open(&bed, race_rules, "search .\noptions timeout:1 attempts:1",
                 NULL);
    ask_init(&ask, &bed);
    ask_host(&ask, "refused.test", port);
    ask_check_failed(&ask, ERR_REFUSED);
    cr_assert_str_eq(addr_format_host(&ask.remote, text), "127.0.0.4");
    ask_host(&ask, "ill6.test", port);
    ask_check_failed(&ask, ERR_NAME_FAILED);
    cr_assert_eq(ask.remote.sa.sa_family, AF_UNSPEC);
    ask_host(&ask, "nowhere.test", port);
    ask_check_failed(&ask, ERR_NAME_NOT_FOUND);
    ask_host(&ask, "silent4.test", port);
    ask_check_failed(&ask, ERR_NAME_TIMED_OUT);
    net_bed_close(&bed);
}

Test(race, he_5_most_specific_error_is_told)
{
    cr_assert_eq(attempt_worse(ERR_OK, ERR_TIMED_OUT), ERR_TIMED_OUT);
    cr_assert_eq(attempt_worse(ERR_TIMED_OUT, ERR_OK), ERR_TIMED_OUT);
    cr_assert_eq(attempt_worse(ERR_OK, ERR_OK), ERR_OK);
    cr_assert_eq(attempt_worse(ERR_NET_UNREACHABLE, ERR_REFUSED), ERR_REFUSED);
    cr_assert_eq(attempt_worse(ERR_HOST_UNREACHABLE, ERR_TIMED_OUT),
                 ERR_HOST_UNREACHABLE);
    cr_assert_eq(attempt_worse(ERR_NET_UNREACHABLE, ERR_TIMED_OUT),
                 ERR_TIMED_OUT);
    cr_assert_eq(attempt_worse(ERR_NO_DESCRIPTORS, ERR_NET_UNREACHABLE),
                 ERR_NO_DESCRIPTORS);
    cr_assert_eq(attempt_worse(ERR_DENIED, ERR_IO), ERR_IO);
    cr_assert_eq(attempt_worse(ERR_IO, ERR_DENIED), ERR_IO);
    cr_assert_eq(attempt_worse(ERR_DENIED, ERR_DENIED), ERR_DENIED);
}

Test(race, denied_addresses_of_a_name_are_passed_over)
{
    struct net_bed bed;
    struct ask ask;
    uint16_t port = 0;
    int v4 = connect_bed_listen("127.0.0.1", &port, 8);

    net_bed_open(&bed, race_rules, NULL, NULL);
    ask_init(&ask, &bed);
    ask.denied = "::1";
    ask_host(&ask, "both.test", port);
    ask_check_connected(&ask, "127.0.0.1", port);
    close(v4);
    ask_host(&ask, "both.test", port);
    ask_check_failed(&ask, ERR_REFUSED);
    ask.denied = "*";
    ask_host(&ask, "both.test", port);
    ask_check_failed(&ask, ERR_DENIED);
    net_bed_close(&bed);
}

Test(race, mapped_address_is_the_one_that_it_stands_for)
{
    struct net_bed bed;
    struct ask ask;
    uint16_t port = 0;
    int v4 = connect_bed_listen("127.0.0.1", &port, 8);

    net_bed_open(&bed, race_rules, NULL, NULL);
    ask_init(&ask, &bed);
    ask_host(&ask, "mapped.test", port);
    ask_check_connected(&ask, "127.0.0.1", port);
    ask.denied = "127.0.0.1";
    ask_host(&ask, "mapped.test", port);
    ask_check_failed(&ask, ERR_DENIED);
    ask.connector.family = AF_INET6;
    ask.denied = NULL;
    ask_host(&ask, "mapped.test", port);
    ask_check_failed(&ask, ERR_NAME_NOT_FOUND);
    close(v4);
    net_bed_close(&bed);
}

Test(race, name_with_many_addresses_is_not_tried_to_the_end)
{
    struct net_bed bed;
    struct ask ask;
    uint16_t port = connect_bed_free_port();

    net_bed_open(&bed, race_rules, NULL, NULL);
    ask_init(&ask, &bed);
    ask_host(&ask, "many.test", port);
    ask_check_failed(&ask, ERR_REFUSED);
    cr_assert_eq(ask.permits, (unsigned)RACE_FAMILY_MAX);
    net_bed_close(&bed);
}

Test(race, name_may_be_cancelled_at_any_stage)
{
    struct net_bed bed;
    struct ask ask;
    uint16_t port = 0;
    struct hole hole = hole_open("127.0.0.2", &port);
    unsigned before;

    net_bed_open(&bed, race_rules, NULL, NULL);
    ask_init(&ask, &bed);
    before = connect_bed_descriptors();
    ask_start_host(&ask, "localhost", port); /* before it began */
    connect_cancel(ask.connect);
    ask_start_host(&ask, "slow.test", port); /* looking up */
    net_bed_run_ms(&bed, 20);
    connect_cancel(ask.connect);
    ask_start_host(&ask, "very-late6.test", port); /* in the delay */
    net_bed_run_ms(&bed, 20);
    connect_cancel(ask.connect);
    cr_assert_eq(ask.permits, 0u);
    ask_start_host(&ask, "joins.test", port); /* an attempt, half a look-up */
    net_bed_run_ms(&bed, 100);
    cr_assert_eq(ask.permits, 1u);
    connect_cancel(ask.connect);
    net_bed_run_ms(&bed, 250);
    ask_start_host(&ask, "hole-first.test", port); /* the first attempt */
    net_bed_run_ms(&bed, 50);
    cr_assert_eq(ask.permits, 1u);
    connect_cancel(ask.connect);
    net_bed_run_ms(&bed, 300);
    cr_assert_eq(ask.done, 0u);
    /* very-late6.test may still have the socket to its server. */
    cr_assert_leq(connect_bed_descriptors(), before + 1);
    hole_close(&hole);
    net_bed_close(&bed);
}

/* Asks again from inside its answer. */
static void
done_again(void *arg, enum err err, int fd, const union addr *remote)
{
    struct ask *ask = arg;
    struct connect_request request = {.done = ask_done, .arg = ask};
    struct target target;

    (void)remote;
    cr_assert_eq(err, ERR_OK);
    close(fd);
    target_set_host(&target, "localhost", 9,
                    ask->connector.bind_v4.v4.sin_port);
    request.target = &target;
    cr_assert_eq(connect_start(&ask->connector, &request, &ask->connect),
                 ERR_OK);
    net_bed_done(ask->bed);
}

Test(race, answer_may_start_another)
{
    struct net_bed bed;
    struct ask ask;
    struct connect_request request = {.done = done_again, .arg = &ask};
    struct target target;
    uint16_t port = 0;
    int v4 = connect_bed_listen("127.0.0.1", &port, 8);

    net_bed_open(&bed, race_rules, NULL, NULL);
    ask_init(&ask, &bed);
    ask.connector.bind_v4.v4.sin_port = port; /* kept for done_again */
    target_set_host(&target, "127.0.0.1", 9, port);
    request.target = &target;
    cr_assert_eq(connect_start(&ask.connector, &request, &ask.connect), ERR_OK);
    net_bed_wait(&bed, 2);
    ask_check_connected(&ask, "127.0.0.1", port);
    close(v4);
    net_bed_close(&bed);
}
