#include "transport/ssh/sshpace.h"

#include <criterion/criterion.h>

#define WINDOW (2u * 1024 * 1024)

/* A server that answers once so much of its window is used, and us: sends what
 * there is room for, as many times as said. Returns the most that was under
 * way after the first answer. */
static uint32_t
talk(struct sshpace *pace, struct sshpace_server *server, uint32_t grain,
     unsigned times)
{
    uint32_t used = 0;
    uint32_t most = 0;
    unsigned idle = 0;

    for (unsigned i = 0; i < times; i++) {
        uint32_t room = sshpace_room(pace, server, WINDOW - used, true);

        idle = room == 0 ? idle + 1 : 0;
        if (idle > 0 && idle % 50 == 0)
            sshpace_look(pace, WINDOW - used);
        if (room > 32758)
            room = 32758;
        used += room;
        sshpace_sent(pace, room);
        if (server->grain > 0 && used > most)
            most = used;
        if (used >= grain && i % 16 == 15) /* it takes its time */
            used -= grain;
    }
    return most;
}

Test(sshpace, all_of_a_window_is_used_until_the_server_is_known)
{
    struct sshpace_server server = {0};
    struct sshpace pace = {0};

    cr_assert_eq(sshpace_room(&pace, &server, WINDOW, true), WINDOW);
    sshpace_sent(&pace, WINDOW);
    cr_assert_eq(sshpace_room(&pace, &server, 0, true), 0);
}

Test(sshpace, all_of_a_window_is_used_on_a_far_path)
{
    struct sshpace_server server = {.grain = 1000};
    struct sshpace pace = {0};

    cr_assert_eq(sshpace_room(&pace, &server, WINDOW, true), 256 * 1024);
    cr_assert_eq(sshpace_room(&pace, &server, WINDOW, false), WINDOW);
    sshpace_sent(&pace, WINDOW - 1);
    cr_assert_eq(sshpace_room(&pace, &server, 1, false), 1);
}

Test(sshpace, small_adjustments_mean_little_under_way)
{
    struct sshpace_server server = {0};
    struct sshpace pace = {0};

    talk(&pace, &server, 98304, 40);
    cr_assert_eq(server.grain, 98304);
    cr_assert_leq(talk(&(struct sshpace){0}, &server, 98304, 4000),
                  2 * 98304 + 64 * 1024 + 32758);
    cr_assert_eq(pace.loose, 0);
}

Test(sshpace, large_adjustments_are_awaited)
{
    struct sshpace_server server = {0};
    struct sshpace pace = {0};

    cr_assert_gt(talk(&pace, &server, WINDOW / 2, 4000), WINDOW / 2);
    cr_assert_eq(server.grain, WINDOW / 2);
    cr_assert_eq(pace.loose, 0);
}

/* It has sent small ones before, and needs more now. */
Test(sshpace, a_server_that_waits_for_more_gets_more)
{
    struct sshpace_server server = {.grain = 1000};
    struct sshpace pace = {0};

    cr_assert_geq(talk(&pace, &server, WINDOW / 2, 400), WINDOW / 2);
    cr_assert_gt(pace.loose, 0);
}

Test(sshpace, what_was_loosened_is_tightened_when_it_moves_again)
{
    struct sshpace_server server = {.grain = 98304};
    struct sshpace pace = {0};
    uint32_t window = WINDOW - 256 * 1024;

    cr_assert_eq(sshpace_room(&pace, &server, WINDOW, true), 262144);
    sshpace_sent(&pace, 256 * 1024);
    cr_assert_eq(sshpace_room(&pace, &server, window, true), 0);
    for (int i = 0; i < 3; i++)
        sshpace_look(&pace, window);
    cr_assert_eq(pace.loose, 2);
    cr_assert_gt(sshpace_room(&pace, &server, window, true), 0);
    for (int i = 0; i < 3; i++) {
        sshpace_sent(&pace, 1);
        sshpace_look(&pace, window);
    }
    cr_assert_eq(pace.loose, 0);
    cr_assert_eq(sshpace_room(&pace, &server, window, true), 0);
}

/* Bulk meets its bound at the same window at every look. */
Test(sshpace, what_moves_is_not_loosened)
{
    struct sshpace_server server = {.grain = 98304};
    struct sshpace pace = {0};
    uint32_t window = WINDOW - 256 * 1024;

    sshpace_room(&pace, &server, WINDOW, true);
    for (int i = 0; i < 10; i++) {
        sshpace_sent(&pace, 256 * 1024);
        cr_assert_eq(sshpace_room(&pace, &server, window, true), 0);
        sshpace_look(&pace, window);
        sshpace_room(&pace, &server, WINDOW, true);
    }
    cr_assert_eq(pace.loose, 0);
}

Test(sshpace, a_window_of_nothing_is_the_servers_own_doing)
{
    struct sshpace pace = {0};

    for (int i = 0; i < 5; i++)
        sshpace_look(&pace, 0);
    cr_assert_eq(pace.loose, 0);
}
