#include "proxy/pipes.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* 32 MiB of pipes in all: half of what an ordinary user may have. */
#define BUDGET_MAX 64

/* Spare pipes of a worker: empty ones hold no pages, but two descriptors. */
#define SPARE_MAX 8

void
pipe_budget_init(struct pipe_budget *budget, size_t descriptors)
{
    size_t count = descriptors / 16;

    if (count > BUDGET_MAX)
        count = BUDGET_MAX;
    atomic_init(&budget->left, (int)count);
}

void
pipe_pool_init(struct pipe_pool *pool, struct pipe_budget *budget)
{
    *pool = (struct pipe_pool){.budget = budget};
}

static void
close_pipe(struct pipe_pool *pool, struct pipe *pipe)
{
    close(pipe->read_fd);
    close(pipe->write_fd);
    free(pipe);
    atomic_fetch_add(&pool->budget->left, 1);
}

void
pipe_pool_destroy(struct pipe_pool *pool)
{
    while (pool->spare) {
        struct pipe *pipe = pool->spare;

        pool->spare = pipe->next;
        close_pipe(pool, pipe);
    }
    pool->spare_count = 0;
}

static struct pipe *
open_pipe(void)
{
    struct pipe *made = calloc(1, sizeof(*made));
    int fds[2];
    int size;

    if (!made)
        return NULL;
    if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) < 0) {
        free(made);
        return NULL;
    }
    /* Where the kernel refuses (the user's share of pages is used up), the
     * pipe stays as small as it is. */
    if (fcntl(fds[1], F_SETPIPE_SZ, PIPE_BYTES) < 0)
        size = fcntl(fds[1], F_GETPIPE_SZ);
    else
        size = PIPE_BYTES;
    made->read_fd = fds[0];
    made->write_fd = fds[1];
    made->capacity = size > 0 ? (size_t)size : 4096;
    return made;
}

struct pipe *
pipe_take(struct pipe_pool *pool)
{
    struct pipe *pipe = pool->spare;

    if (pipe) {
        pool->spare = pipe->next;
        pool->spare_count--;
        return pipe;
    }
    if (atomic_fetch_sub(&pool->budget->left, 1) > 0) {
        pipe = open_pipe();
        if (pipe)
            return pipe;
    }
    atomic_fetch_add(&pool->budget->left, 1);
    return NULL;
}

void
pipe_give_back(struct pipe_pool *pool, struct pipe *pipe)
{
    if (pipe->held > 0 || pool->spare_count >= SPARE_MAX) {
        close_pipe(pool, pipe);
        return;
    }
    pipe->next = pool->spare;
    pool->spare = pipe;
    pool->spare_count++;
}
