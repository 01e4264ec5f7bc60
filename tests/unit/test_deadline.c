#include "transport/loop/deadline.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "tests/unit/loop_help.h"
#include "transport/base/clock.h"

/* Short, as each test waits for some of them. */
#define SPAN 0.02

/* One that waits, and notes its letter when its time is over. */
struct waiter {
    struct deadline deadline;
    struct deadline_queue *restarts_in;
    unsigned restarts;
    struct waiter *stops;
    struct deadline_queue *ends;
    char letter;
};

static char noted[64];

static struct waiter *
waiter_of(struct deadline *deadline)
{
    return (struct waiter *)deadline;
}

static void
on_expired(struct deadline *deadline)
{
    struct waiter *waiter = waiter_of(deadline);
    size_t len = strlen(noted);

    cr_assert_null(deadline->queue, "it is stopped already");
    noted[len] = waiter->letter;
    noted[len + 1] = 0;
    if (waiter->stops)
        deadline_stop(&waiter->stops->deadline);
    if (waiter->restarts_in && waiter->restarts > 0) {
        waiter->restarts--;
        deadline_start(waiter->restarts_in, deadline);
    }
    if (waiter->ends)
        deadline_queue_stop(waiter->ends);
}

struct fixture {
    struct worker *worker;
    struct deadline_queue queue;
    struct waiter a;
    struct waiter b;
    struct waiter c;
};

static void
fixture_init(struct fixture *fixture, double span)
{
    memset(fixture, 0, sizeof(*fixture));
    noted[0] = 0;
    fixture->worker = worker_create(0);
    cr_assert(fixture->worker);
    deadline_queue_init(&fixture->queue, worker_loop(fixture->worker), span,
                        on_expired);
    fixture->a.letter = 'a';
    fixture->b.letter = 'b';
    fixture->c.letter = 'c';
}

static void
fixture_end(struct fixture *fixture)
{
    deadline_queue_stop(&fixture->queue);
    worker_destroy(fixture->worker);
}

static bool
has_noted(void *arg)
{
    return strlen(noted) >= strlen(arg);
}

/* Runs the loop until as many were noted as text has letters. */
static void
assert_noted(struct fixture *fixture, const char *text)
{
    cr_assert(loop_until(fixture->worker, has_noted, (void *)text));
    loop_turns(fixture->worker, 2);
    cr_assert_str_eq(noted, text);
}

Test(deadline, those_started_first_end_first)
{
    struct fixture f;
    double before;

    fixture_init(&f, SPAN);
    before = ev_now(worker_loop(f.worker));
    deadline_start(&f.queue, &f.b.deadline);
    deadline_start(&f.queue, &f.a.deadline);
    deadline_start(&f.queue, &f.c.deadline);
    loop_turns(f.worker, 1);
    assert_noted(&f, "bac");
    cr_assert_geq(ev_now(worker_loop(f.worker)) - before, SPAN);
    loop_for(f.worker, 2 * SPAN);
    cr_assert_str_eq(noted, "bac", "once for each start");
    fixture_end(&f);
}

Test(deadline, a_restarted_one_ends_last_and_later)
{
    struct fixture f;
    double restarted;

    fixture_init(&f, SPAN);
    deadline_start(&f.queue, &f.a.deadline);
    deadline_start(&f.queue, &f.b.deadline);
    loop_for(f.worker, SPAN / 2);
    restarted = ev_now(worker_loop(f.worker));
    deadline_start(&f.queue, &f.a.deadline);
    assert_noted(&f, "ba");
    cr_assert_geq(ev_now(worker_loop(f.worker)) - restarted, SPAN);
    fixture_end(&f);
}

Test(deadline, a_resumed_one_ends_at_its_time)
{
    struct fixture f;
    double now = clock_seconds();

    fixture_init(&f, 50 * SPAN);
    deadline_start(&f.queue, &f.a.deadline);
    deadline_resume(&f.queue, &f.b.deadline, now + 2 * SPAN);
    deadline_resume(&f.queue, &f.c.deadline, now + SPAN);
    assert_noted(&f, "cb");
    cr_assert_geq(clock_seconds() - now, 2 * SPAN);
    cr_assert_lt(clock_seconds() - now, 50 * SPAN);
    deadline_resume(&f.queue, &f.b.deadline, f.a.deadline.at + SPAN);
    deadline_resume(&f.queue, &f.c.deadline, 0);
    cr_assert_null(f.c.deadline.queue, "it had no time before");
    assert_noted(&f, "cba");
    assert_noted(&f, "cbab");
    fixture_end(&f);
}

Test(deadline, a_stopped_one_never_ends)
{
    struct fixture f;

    fixture_init(&f, SPAN);
    deadline_stop(&f.c.deadline);
    deadline_start(&f.queue, &f.a.deadline);
    deadline_start(&f.queue, &f.b.deadline);
    deadline_start(&f.queue, &f.c.deadline);
    deadline_stop(&f.a.deadline);
    deadline_stop(&f.b.deadline);
    deadline_stop(&f.b.deadline);
    assert_noted(&f, "c");
    loop_for(f.worker, 2 * SPAN);
    cr_assert_str_eq(noted, "c");
    fixture_end(&f);
}

Test(deadline, expired_may_stop_another_whose_time_is_over_too)
{
    struct fixture f;

    fixture_init(&f, SPAN);
    f.a.stops = &f.b;
    deadline_start(&f.queue, &f.a.deadline);
    deadline_start(&f.queue, &f.b.deadline);
    deadline_start(&f.queue, &f.c.deadline);
    assert_noted(&f, "ac");
    loop_for(f.worker, 2 * SPAN);
    cr_assert_str_eq(noted, "ac");
    fixture_end(&f);
}

Test(deadline, expired_may_start_its_own_again)
{
    struct fixture f;
    double before;

    fixture_init(&f, SPAN);
    f.a.restarts_in = &f.queue;
    f.a.restarts = 3;
    before = ev_now(worker_loop(f.worker));
    deadline_start(&f.queue, &f.a.deadline);
    deadline_start(&f.queue, &f.b.deadline);
    assert_noted(&f, "abaaa");
    cr_assert_geq(ev_now(worker_loop(f.worker)) - before, 4 * SPAN);
    fixture_end(&f);
}

Test(deadline, expired_may_stop_the_queue)
{
    struct fixture f;

    fixture_init(&f, SPAN);
    f.a.ends = &f.queue;
    deadline_start(&f.queue, &f.a.deadline);
    deadline_start(&f.queue, &f.b.deadline);
    assert_noted(&f, "a");
    cr_assert_null(f.b.deadline.queue);
    loop_for(f.worker, 2 * SPAN);
    cr_assert_str_eq(noted, "a");
    fixture_end(&f);
}

Test(deadline, an_entry_moves_between_queues)
{
    struct deadline_queue slow;
    struct fixture f;

    fixture_init(&f, SPAN);
    deadline_queue_init(&slow, worker_loop(f.worker), 3 * SPAN, on_expired);
    deadline_start(&f.queue, &f.a.deadline);
    deadline_start(&f.queue, &f.b.deadline);
    deadline_start(&slow, &f.a.deadline);
    assert_noted(&f, "ba");
    deadline_queue_stop(&slow);
    fixture_end(&f);
}

Test(deadline, a_span_of_0_never_ends_and_stops_what_ran)
{
    struct deadline_queue never;
    struct fixture f;

    fixture_init(&f, SPAN);
    deadline_queue_init(&never, worker_loop(f.worker), 0, on_expired);
    deadline_start(&f.queue, &f.a.deadline);
    deadline_start(&never, &f.a.deadline);
    deadline_start(&never, &f.b.deadline);
    loop_for(f.worker, 3 * SPAN);
    cr_assert_str_eq(noted, "");
    deadline_stop(&f.a.deadline);
    deadline_queue_stop(&never);
    fixture_end(&f);
}

Test(deadline, a_queue_that_is_stopped_forgets_all)
{
    struct deadline_queue zero = {0};
    struct fixture f;

    fixture_init(&f, SPAN);
    deadline_queue_stop(&zero);
    deadline_start(&f.queue, &f.a.deadline);
    deadline_start(&f.queue, &f.b.deadline);
    deadline_queue_stop(&f.queue);
    cr_assert_null(f.a.deadline.queue);
    cr_assert_null(f.b.deadline.queue);
    deadline_stop(&f.a.deadline);
    loop_for(f.worker, 2 * SPAN);
    cr_assert_str_eq(noted, "");
    fixture_end(&f);
}

Test(deadline, thousands_restarted_cost_few_wakes)
{
    static struct waiter many[5000];
    struct fixture f;
    unsigned turns;

    fixture_init(&f, 1);
    for (size_t i = 0; i < 5000; i++)
        deadline_start(&f.queue, &many[i].deadline);
    for (int i = 0; i < 10; i++)
        for (size_t k = 0; k < 5000; k++)
            deadline_start(&f.queue, &many[k].deadline);
    turns = loop_for(f.worker, 0.2);
    cr_assert_lt(turns, 10);
    for (size_t i = 0; i < 5000; i++)
        deadline_stop(&many[i].deadline);
    cr_assert_null(f.queue.head);
    fixture_end(&f);
}

/* --- a clock that is set -------------------------------------------------- */

/* How far the clock on the wall is off, for libev, which asks for it by this
 * function; no other test changes it. */
static time_t clock_off;

int
gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
    struct timespec now;

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    tv->tv_sec = now.tv_sec + clock_off;
    tv->tv_usec = now.tv_nsec / 1000;
    return 0;
}

/* libev compares the clocks twice a second at most. */
#define CLOCKS_COMPARED 1.2

Test(deadline, a_clock_set_forward_ends_nothing_early)
{
    struct fixture f;

    fixture_init(&f, 2 * CLOCKS_COMPARED);
    deadline_start(&f.queue, &f.a.deadline);
    clock_off = 3600;
    loop_for(f.worker, CLOCKS_COMPARED);
    deadline_start(&f.queue, &f.a.deadline);
    deadline_start(&f.queue, &f.b.deadline);
    clock_off = 7200;
    loop_for(f.worker, 1.5 * CLOCKS_COMPARED);
    cr_assert_str_eq(noted, "", "they have as much time left");
    assert_noted(&f, "ab");
    fixture_end(&f);
}

Test(deadline, a_clock_set_back_holds_nothing_up)
{
    struct fixture f;

    fixture_init(&f, CLOCKS_COMPARED);
    deadline_start(&f.queue, &f.a.deadline);
    loop_for(f.worker, CLOCKS_COMPARED / 2);
    clock_off = -3600;
    deadline_start(&f.queue, &f.b.deadline);
    assert_noted(&f, "ab");
    fixture_end(&f);
}
