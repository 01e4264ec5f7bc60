#include "transport/ssh/sshpick.h"

#include <criterion/criterion.h>

#define ROWS 4
#define BULK (50u * 1024 * 1024)

struct fixture {
    struct sshpick_row rows[ROWS];
    struct sshpick_question question;
};

/* One link up on worker 0; two workers, and room for four links. */
static void
fixture_init(struct fixture *fixture)
{
    *fixture = (struct fixture){
        .rows = {{.taken = true, .up = true, .worker = 0}},
        .question = {.count = ROWS, .workers = 2, .limit = 4, .may_add = true},
    };
    fixture->question.rows = fixture->rows;
}

static void
set_up(struct fixture *fixture, unsigned row, unsigned worker)
{
    fixture->rows[row] =
        (struct sshpick_row){.taken = true, .up = true, .worker = worker};
}

Test(sshpick, none_is_used_when_none_is_up)
{
    struct fixture fixture;
    struct sshpick_answer answer;

    fixture_init(&fixture);
    fixture.rows[0].up = false;
    answer = sshpick(&fixture.question);
    cr_assert_eq(answer.use, -1);
    cr_assert_eq(answer.add, -1, "one is being made");
}

Test(sshpick, a_link_without_streams_is_enough)
{
    struct fixture fixture;
    struct sshpick_answer answer;

    fixture_init(&fixture);
    fixture.rows[0].opening = 3;
    answer = sshpick(&fixture.question);
    cr_assert_eq(answer.use, 0);
    cr_assert_eq(answer.add, -1);
}

Test(sshpick, a_second_link_is_made_for_the_second_stream)
{
    struct fixture fixture;
    struct sshpick_answer answer;

    fixture_init(&fixture);
    fixture.rows[0].channels = 1;
    answer = sshpick(&fixture.question);
    cr_assert_eq(answer.use, 0);
    cr_assert_eq(answer.add, 1);
    cr_assert_eq(answer.on_worker, 1);
    cr_assert_not(answer.hold, "nobody waits for it");
    fixture.question.workers = 1;
    answer = sshpick(&fixture.question);
    cr_assert_eq(answer.add, 1, "with one worker, too");
    cr_assert_eq(answer.on_worker, 0);
}

Test(sshpick, two_links_are_enough_for_idle_streams)
{
    struct fixture fixture;

    fixture_init(&fixture);
    set_up(&fixture, 1, 1);
    fixture.rows[0].channels = fixture.rows[1].channels = 500;
    cr_assert_eq(sshpick(&fixture.question).add, -1);
}

Test(sshpick, where_all_are_unused_the_own_worker_is_best)
{
    struct fixture fixture;

    fixture_init(&fixture);
    set_up(&fixture, 1, 1);
    fixture.question.asker = 1;
    fixture.rows[1].rate = 100000; /* of streams that have gone */
    cr_assert_eq(sshpick(&fixture.question).use, 1);
    fixture.question.asker = 0;
    cr_assert_eq(sshpick(&fixture.question).use, 0);
}

Test(sshpick, what_starts_together_shares_a_link)
{
    struct fixture fixture;

    fixture_init(&fixture);
    set_up(&fixture, 1, 1);
    fixture.question.asker = 1;
    fixture.rows[0].opening = 3;
    cr_assert_eq(sshpick(&fixture.question).use, 0);
    fixture.rows[0].opening = 0;
    fixture.rows[0].channels = 3;
    cr_assert_eq(sshpick(&fixture.question).use, 0);
    fixture.rows[0].opening = 20;
    cr_assert_eq(sshpick(&fixture.question).use, 1, "not a crowd");
}

Test(sshpick, what_may_be_bulk_keeps_off_a_link_in_use)
{
    struct fixture fixture;

    fixture_init(&fixture);
    set_up(&fixture, 1, 1);
    fixture.rows[0].rate = 1000;
    fixture.rows[0].channels = 1;
    cr_assert_eq(sshpick(&fixture.question).use, 1);
    fixture.rows[1].rate = 1000;
    fixture.rows[1].channels = 1;
    cr_assert_eq(sshpick(&fixture.question).use, 0, "both are");
}

Test(sshpick, bulk_asks_for_a_link_on_another_worker)
{
    struct fixture fixture;
    struct sshpick_answer answer;

    fixture_init(&fixture);
    fixture.rows[0].rate = BULK;
    answer = sshpick(&fixture.question);
    cr_assert_eq(answer.use, 0, "the best there is meanwhile");
    cr_assert_eq(answer.add, 1);
    cr_assert_eq(answer.on_worker, 1);
}

Test(sshpick, unsent_bytes_ask_for_a_link)
{
    struct fixture fixture;

    fixture_init(&fixture);
    fixture.rows[0].unsent = 128 * 1024;
    cr_assert_eq(sshpick(&fixture.question).add, 1);
}

Test(sshpick, many_opens_ask_for_a_link_on_a_worker_without_one)
{
    struct fixture fixture;

    fixture_init(&fixture);
    fixture.rows[0].opening = 8;
    cr_assert_eq(sshpick(&fixture.question).add, 1);
    set_up(&fixture, 1, 1);
    fixture.rows[1].opening = 8;
    cr_assert_eq(sshpick(&fixture.question).add, -1, "each worker has one");
}

Test(sshpick, opens_that_stall_ask_for_a_link_and_are_avoided)
{
    struct fixture fixture;

    fixture_init(&fixture);
    fixture.rows[0].opening = 1;
    fixture.rows[0].stalled = 0.5;
    cr_assert_eq(sshpick(&fixture.question).add, 1);
    set_up(&fixture, 1, 1);
    cr_assert_eq(sshpick(&fixture.question).use, 1);
}

Test(sshpick, small_requests_leave_the_bulk_link)
{
    struct fixture fixture;

    fixture_init(&fixture);
    set_up(&fixture, 1, 1);
    fixture.rows[0].rate = BULK;
    cr_assert_eq(sshpick(&fixture.question).use, 1);
    cr_assert_eq(sshpick(&fixture.question).add, -1, "the other is idle");
}

Test(sshpick, the_own_worker_is_preferred_to_one_slightly_less_busy)
{
    struct fixture fixture;

    fixture_init(&fixture);
    set_up(&fixture, 1, 1);
    fixture.question.asker = 1;
    fixture.rows[0].opening = fixture.rows[1].opening = 40;
    fixture.rows[1].opening -= 3;
    cr_assert_eq(sshpick(&fixture.question).use, 1);
    fixture.question.asker = 0;
    cr_assert_eq(sshpick(&fixture.question).use, 0);
}

/* --- names that may take long --------------------------------------------- */

Test(sshpick, a_scout_goes_where_the_fewest_streams_are)
{
    struct fixture fixture;

    fixture_init(&fixture);
    set_up(&fixture, 1, 1);
    fixture.question.is_scout = true;
    cr_assert_eq(sshpick(&fixture.question).use, 1, "the first has more to do");
    fixture.rows[1].channels = 9;
    fixture.rows[0].rate = BULK;
    cr_assert_eq(sshpick(&fixture.question).use, 0);
}

Test(sshpick, a_scout_waits_for_a_link_where_it_stops_nobody)
{
    struct fixture fixture;
    struct sshpick_answer answer;

    fixture_init(&fixture);
    fixture.question.is_scout = true;
    cr_assert_not(sshpick(&fixture.question).hold, "nobody is there");
    fixture.rows[0].channels = 1;
    answer = sshpick(&fixture.question);
    cr_assert(answer.hold);
    cr_assert_eq(answer.add, 1);
    fixture.rows[1] = (struct sshpick_row){.taken = true, .worker = 1};
    cr_assert(sshpick(&fixture.question).hold, "it is being made");
    fixture.rows[1].up = true;
    cr_assert_not(sshpick(&fixture.question).hold);
}

Test(sshpick, a_third_link_is_made_for_scouts_and_no_fourth)
{
    struct fixture fixture;

    fixture_init(&fixture);
    set_up(&fixture, 1, 1);
    fixture.question.is_scout = true;
    fixture.rows[0].channels = 2;
    fixture.rows[1].channels = 1;
    cr_assert(sshpick(&fixture.question).hold);
    cr_assert_eq(sshpick(&fixture.question).add, 2);
    set_up(&fixture, 2, 1);
    cr_assert_eq(sshpick(&fixture.question).use, 2);
    fixture.rows[2].channels = 1;
    cr_assert_not(sshpick(&fixture.question).hold);
    cr_assert_eq(sshpick(&fixture.question).add, -1);
}

Test(sshpick, a_scout_does_not_wait_for_what_will_not_come)
{
    struct fixture fixture;

    fixture_init(&fixture);
    fixture.question.is_scout = true;
    fixture.question.may_add = false;
    fixture.rows[0].channels = 1;
    cr_assert_not(sshpick(&fixture.question).hold);
    fixture.question.may_add = true;
    fixture.question.limit = 1;
    cr_assert_not(sshpick(&fixture.question).hold);
}

Test(sshpick, a_link_with_a_scout_is_avoided)
{
    struct fixture fixture;

    fixture_init(&fixture);
    set_up(&fixture, 1, 1);
    fixture.question.asker = 1;
    fixture.rows[0].rate = BULK;
    fixture.rows[0].channels = 3;
    fixture.rows[1].scouts = 1;
    cr_assert_eq(sshpick(&fixture.question).use, 0);
}

/* --- more links ----------------------------------------------------------- */

Test(sshpick, a_link_beside_bulk_on_the_same_worker_is_second_choice)
{
    struct fixture fixture;

    fixture_init(&fixture);
    set_up(&fixture, 1, 0);
    set_up(&fixture, 2, 1);
    fixture.rows[0].rate = BULK;
    cr_assert_eq(sshpick(&fixture.question).use, 2);
}

Test(sshpick, a_second_link_of_a_worker_comes_only_when_all_are_busy)
{
    struct fixture fixture;
    struct sshpick_answer answer;

    fixture_init(&fixture);
    set_up(&fixture, 1, 1);
    fixture.rows[0].rate = 2 * BULK;
    fixture.rows[1].rate = BULK;
    answer = sshpick(&fixture.question);
    cr_assert_eq(answer.use, 1);
    cr_assert_eq(answer.add, 2);
    cr_assert_eq(answer.on_worker, 1, "it has less to do");
}

Test(sshpick, the_limit_is_kept)
{
    struct fixture fixture;

    fixture_init(&fixture);
    fixture.rows[0].rate = BULK;
    fixture.question.limit = 1;
    cr_assert_eq(sshpick(&fixture.question).add, -1);
}

Test(sshpick, one_link_is_made_at_a_time)
{
    struct fixture fixture;

    fixture_init(&fixture);
    fixture.rows[0].rate = BULK;
    fixture.rows[1] = (struct sshpick_row){.taken = true, .worker = 1};
    cr_assert_eq(sshpick(&fixture.question).use, 0);
    cr_assert_eq(sshpick(&fixture.question).add, -1);
}

Test(sshpick, none_is_added_while_a_failure_forbids_it)
{
    struct fixture fixture;

    fixture_init(&fixture);
    fixture.rows[0].rate = BULK;
    fixture.question.may_add = false;
    cr_assert_eq(sshpick(&fixture.question).add, -1);
}

Test(sshpick, the_asker_alone_is_looked_at_when_it_has_to_be)
{
    struct fixture fixture;

    fixture_init(&fixture);
    fixture.question.asker = 1;
    fixture.question.asker_only = true;
    cr_assert_eq(sshpick(&fixture.question).use, -1);
    set_up(&fixture, 1, 1);
    fixture.rows[1].rate = BULK;
    cr_assert_eq(sshpick(&fixture.question).use, 1);
}

/* --- waiting -------------------------------------------------------------- */

Test(sshpick, a_link_just_lost_is_made_anew_at_once)
{
    cr_assert_lt(sshpick_retry_seconds(0, false, 0.999), 0.15);
}

Test(sshpick, retries_double_up_to_half_a_minute)
{
    static const double expected[] = {0.5, 1, 2, 4, 8, 16, 30, 30};

    for (unsigned i = 0; i < 8; i++)
        cr_assert_float_eq(sshpick_retry_seconds(i + 1, false, 0.5),
                           expected[i], 1e-9);
    cr_assert_float_eq(sshpick_retry_seconds(4000000000u, false, 0.5), 30,
                       1e-9);
}

Test(sshpick, retries_are_spread)
{
    cr_assert_float_eq(sshpick_retry_seconds(2, false, 0), 0.875, 1e-9);
    cr_assert_float_eq(sshpick_retry_seconds(2, false, 1), 1.125, 1e-9);
}

Test(sshpick, what_would_fail_the_same_is_tried_seldom)
{
    cr_assert_float_eq(sshpick_retry_seconds(1, true, 0.5), 60, 1e-9);
    cr_assert_float_eq(sshpick_retry_seconds(9, true, 0.5), 300, 1e-9);
}

Test(sshpick, a_server_that_refuses_more_links_is_left_alone)
{
    cr_assert_float_eq(sshpick_extra_seconds(1, false, 0.5), 15, 1e-9);
    cr_assert_float_eq(sshpick_extra_seconds(2, false, 0.5), 30, 1e-9);
    cr_assert_float_eq(sshpick_extra_seconds(20, false, 0.5), 600, 1e-9);
    cr_assert_float_eq(sshpick_extra_seconds(1, true, 0.5), 600, 1e-9);
}
