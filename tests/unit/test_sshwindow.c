#include "transport/ssh/sshwindow.h"

#include <criterion/criterion.h>

#define RTT    0.05
#define PLENTY UINT64_MAX

/* The clock of the simulation; each test has its own process. */
static double at;

static double
now(void)
{
    return at;
}

/* A peer that sends as fast as its window and the path allow, drained at once,
 * for a time. Returns the window at the end. */
static uint32_t
run(struct sshwindow *window, double rate, double seconds, uint64_t spare)
{
    uint32_t piece = 64u * 1024;
    double end = at + seconds;

    while (at < end) {
        double by_path = piece / rate;
        double by_window = window->size ? piece * RTT / window->size : 0;

        at += by_path > by_window ? by_path : by_window;
        sshwindow_drained(window, piece, RTT, spare, now);
    }
    return window->size;
}

Test(sshwindow, a_near_path_is_left_to_libssh)
{
    struct sshwindow window = {0};

    cr_assert_eq(sshwindow_drained(&window, 100000000, 0.0001, PLENTY, now), 0);
    cr_assert_eq(sshwindow_drained(&window, 100000000, 0, PLENTY, now), 0);
    cr_assert_eq(sshwindow_extra(&window), 0);
}

Test(sshwindow, who_is_paced_is_told_often_on_a_near_path)
{
    struct sshwindow window = {.is_paced = true};
    unsigned asked = 0;

    for (unsigned i = 0; i < 100; i++)
        asked += sshwindow_drained(&window, 32 * 1024, 0.0001, PLENTY, now) ==
                 SSHWINDOW_FLOOR;
    cr_assert_eq(asked, 12);
    cr_assert_eq(sshwindow_extra(&window), 0);
}

Test(sshwindow, opens_at_once_on_a_far_path)
{
    struct sshwindow window = {0};

    cr_assert_eq(sshwindow_drained(&window, 0, RTT, PLENTY, now),
                 SSHWINDOW_FLOOR);
}

Test(sshwindow, grows_with_the_path_and_no_further)
{
    double rate = 125e6; /* 1 Gbit/s: 6.25 MB under way */
    struct sshwindow window = {0};
    uint32_t size = run(&window, rate, 3, PLENTY);

    cr_assert_geq(size, rate * RTT);
    cr_assert_leq(size, 3 * rate * RTT);
    cr_assert_eq(run(&window, rate, 5, PLENTY), size);
}

Test(sshwindow, grows_fast)
{
    struct sshwindow window = {0};

    cr_assert_geq(run(&window, 125e6, 0.5, PLENTY), 125e6 * RTT);
}

Test(sshwindow, has_a_cap)
{
    struct sshwindow window = {0};

    cr_assert_eq(run(&window, 1e12, 2, PLENTY), SSHWINDOW_MAX);
    cr_assert_eq(sshwindow_extra(&window), SSHWINDOW_MAX - SSHWINDOW_FLOOR);
}

Test(sshwindow, takes_no_more_than_is_spare)
{
    struct sshwindow window = {0};

    sshwindow_drained(&window, 0, RTT, 0, now);
    cr_assert_eq(run(&window, 1e12, 1, 0), SSHWINDOW_FLOOR);
    at += RTT / 4;
    for (int i = 0; i < 40 && window.size == SSHWINDOW_FLOOR; i++)
        sshwindow_drained(&window, 64 * 1024, RTT, 1000, now);
    cr_assert_eq(window.size, SSHWINDOW_FLOOR + 1000);
}

Test(sshwindow, a_slow_path_does_not_grow_it)
{
    struct sshwindow window = {0};

    cr_assert_eq(run(&window, 1e6, 10, PLENTY), SSHWINDOW_FLOOR);
}

Test(sshwindow, a_stall_gives_back_what_was_granted)
{
    struct sshwindow window = {0};

    run(&window, 1e12, 2, PLENTY);
    sshwindow_stalled(&window);
    cr_assert_eq(window.size, SSHWINDOW_FLOOR);
    cr_assert_eq(sshwindow_extra(&window), 0);
}

Test(sshwindow, is_topped_up_in_parts)
{
    struct sshwindow window = {0};
    unsigned asked = 0;

    sshwindow_drained(&window, 0, RTT, 0, now);
    for (unsigned i = 0; i < 1000; i++) {
        at += 0.01;
        asked += sshwindow_drained(&window, 16000, RTT, 0, now) > 0;
    }
    cr_assert_geq(asked, 1000 * 16000 / (SSHWINDOW_FLOOR / 4));
    cr_assert_leq(asked, 1000 * 16000 / (SSHWINDOW_FLOOR / 16));
}
