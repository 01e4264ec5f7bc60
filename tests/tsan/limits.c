/* Sessions that come and go on many threads, of the same few sources: for
 * ThreadSanitizer. Exits 1 when a limit was passed or a count is wrong. */
#include "proxy/limits.h"

#include <pthread.h>
#include <stdio.h>

#define THREADS    8
#define ROUNDS     20000
#define SOURCES    5
#define MAX_ALL    6
#define MAX_SOURCE 2

struct program {
    struct limits limits;
    atomic_uint all;
    atomic_uint sources[SOURCES];
    atomic_bool wrong;
};

static void
enter_and_leave(struct program *program, uint8_t source)
{
    const uint8_t bytes[4] = {192, 0, 2, source};
    union addr addr;
    enum err entered;

    addr_from_v4(&addr, bytes, 1080);
    limits_have_room(&program->limits);
    entered = limits_enter(&program->limits, &addr);
    if (!entered) {
        if (atomic_fetch_add(&program->all, 1) >= MAX_ALL ||
            atomic_fetch_add(&program->sources[source], 1) >= MAX_SOURCE)
            atomic_store(&program->wrong, true);
        atomic_fetch_sub(&program->sources[source], 1);
        atomic_fetch_sub(&program->all, 1);
    }
    limits_leave(&program->limits, &addr, entered);
}

static void *
come_and_go(void *arg)
{
    for (unsigned i = 0; i < ROUNDS; i++)
        enter_and_leave(arg, (uint8_t)(i % SOURCES));
    return NULL;
}

int
main(void)
{
    static struct program program;
    pthread_t threads[THREADS];
    bool wrong;

    limits_init(&program.limits, MAX_ALL, MAX_SOURCE, 20, 0);
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, come_and_go, &program))
            return 1;
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    wrong = atomic_load(&program.wrong) ||
            atomic_load(&program.limits.open) != 0 ||
            atomic_load(&program.limits.counted) != 0 || program.limits.sources;
    limits_destroy(&program.limits);
    if (wrong)
        fprintf(stderr, "a limit was passed, or a count is wrong\n");
    return wrong;
}
