#include "proxy/pipes.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <unistd.h>

#include "tests/unit/loop_help.h"

Test(pipes, budget_is_a_sixteenth_of_the_descriptors_up_to_64)
{
    static const struct {
        size_t descriptors;
        int pipes;
    } cases[] = {{0, 0}, {15, 0}, {16, 1}, {64, 4}, {1024, 64}, {1000000, 64}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct pipe_budget budget;

        pipe_budget_init(&budget, cases[i].descriptors);
        cr_assert_eq(atomic_load(&budget.left), cases[i].pipes);
    }
}

Test(pipes, a_pipe_is_empty_and_does_not_block)
{
    struct pipe_budget budget = {4};
    struct pipe_pool pool;
    struct pipe *pipe;
    char byte = 'x';

    pipe_pool_init(&pool, &budget);
    pipe = pipe_take(&pool);
    cr_assert(pipe);
    cr_assert_eq(pipe->held, 0);
    cr_assert_geq(pipe->capacity, 4096);
    cr_assert_leq(pipe->capacity, PIPE_BYTES);
    cr_assert_eq(fcntl(pipe->write_fd, F_GETPIPE_SZ), (int)pipe->capacity);
    cr_assert_eq(read(pipe->read_fd, &byte, 1), -1);
    cr_assert(fcntl(pipe->read_fd, F_GETFD) & FD_CLOEXEC);
    cr_assert(fcntl(pipe->write_fd, F_GETFD) & FD_CLOEXEC);
    pipe_give_back(&pool, pipe);
    pipe_pool_destroy(&pool);
}

Test(pipes, no_more_are_lent_than_the_budget_has)
{
    struct pipe_budget budget = {3};
    unsigned before = sockets_open_count();
    struct pipe_pool pools[2];
    struct pipe *pipes[3];

    pipe_pool_init(&pools[0], &budget);
    pipe_pool_init(&pools[1], &budget);
    pipes[0] = pipe_take(&pools[0]);
    pipes[1] = pipe_take(&pools[1]);
    pipes[2] = pipe_take(&pools[1]);
    cr_assert(pipes[0] && pipes[1] && pipes[2]);
    cr_assert_null(pipe_take(&pools[0]), "the pools share the budget");
    cr_assert_null(pipe_take(&pools[1]));
    cr_assert_eq(atomic_load(&budget.left), 0);
    cr_assert_eq(sockets_open_count(), before + 6);
    pipe_give_back(&pools[0], pipes[0]);
    cr_assert_eq(pipe_take(&pools[0]), pipes[0], "a spare one, not a new one");
    pipe_give_back(&pools[0], pipes[0]);
    pipe_give_back(&pools[1], pipes[1]);
    pipe_give_back(&pools[1], pipes[2]);
    pipe_pool_destroy(&pools[0]);
    pipe_pool_destroy(&pools[1]);
    cr_assert_eq(atomic_load(&budget.left), 3);
    cr_assert_eq(sockets_open_count(), before);
}

Test(pipes, one_that_holds_bytes_is_closed)
{
    struct pipe_budget budget = {1};
    unsigned before = sockets_open_count();
    struct pipe_pool pool;
    struct pipe *pipe;

    pipe_pool_init(&pool, &budget);
    pipe = pipe_take(&pool);
    cr_assert_eq(write(pipe->write_fd, "x", 1), 1);
    pipe->held = 1;
    pipe_give_back(&pool, pipe);
    cr_assert_eq(sockets_open_count(), before);
    cr_assert_eq(atomic_load(&budget.left), 1);
    pipe_pool_destroy(&pool);
}

/* Spare pipes are two descriptors each that others may need. */
Test(pipes, few_are_kept_spare)
{
    struct pipe_budget budget = {40};
    unsigned before = sockets_open_count();
    struct pipe_pool pool;
    struct pipe *pipes[40];

    pipe_pool_init(&pool, &budget);
    for (int i = 0; i < 40; i++)
        pipes[i] = pipe_take(&pool);
    for (int i = 0; i < 40; i++)
        pipe_give_back(&pool, pipes[i]);
    cr_assert_leq(sockets_open_count(), before + 2 * 8);
    cr_assert_eq(atomic_load(&budget.left) + (int)pool.spare_count, 40);
    pipe_pool_destroy(&pool);
    cr_assert_eq(atomic_load(&budget.left), 40);
    cr_assert_eq(sockets_open_count(), before);
}

Test(pipes, none_without_descriptors_and_the_budget_stays)
{
    struct pipe_budget budget = {4};
    struct pipe_pool pool;

    pipe_pool_init(&pool, &budget);
    sockets_limit(1);
    cr_assert_null(pipe_take(&pool));
    cr_assert_null(pipe_take(&pool));
    cr_assert_eq(atomic_load(&budget.left), 4);
    pipe_pool_destroy(&pool);
}
