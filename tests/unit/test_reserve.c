#include "transport/loop/worker.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* ASan needs terabytes of address space for itself. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

#define WATCHERS 20000

static void
on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)timer;
    (void)events;
    ev_break(loop, EVBREAK_ALL);
}

static void
limit_memory(rlim_t bytes)
{
    struct rlimit limit;

    getrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_AS, &limit);
}

/* Leaves the process without a byte of heap to give. */
static void
use_up_memory(void)
{
    volatile char stack[512 * 1024]; /* which could not grow any more, either */
    void *volatile block;

    for (size_t i = 0; i < sizeof(stack); i += 1024)
        stack[i] = 1;
    limit_memory(1);
    for (size_t size = 1 << 20; size >= 16; size /= 2) {
        do
            block = malloc(size);
        while (block);
    }
}

Test(reserve, a_loop_grows_where_there_is_no_memory)
{
    static ev_timer timers[WATCHERS];
    struct worker *worker = worker_create(0);
    struct ev_loop *loop = worker_loop(worker);

    if (!SANITIZED)
        use_up_memory();
    for (int i = 0; i < WATCHERS; i++) {
        ev_timer_init(&timers[i], on_timer, i == WATCHERS / 2 ? 0. : 3600., 0.);
        ev_timer_start(loop, &timers[i]);
    }
    worker_run(worker);
    limit_memory(RLIM_INFINITY); /* Criterion's assertions want some */
    cr_assert(!ev_is_active(&timers[WATCHERS / 2]));
    cr_assert(ev_is_active(&timers[0]));
    worker_destroy(worker);
}
