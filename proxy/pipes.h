/* Pipes for splice(2), lent while bulk flows.
 *
 * A pipe costs two descriptors and up to PIPE_BYTES of kernel memory, of which
 * an ordinary user gets about 64 MiB in all (pipe-user-pages-soft in
 * proc(5)). So a relay has one only while it moves much, the process has a
 * budget for them, and a relay that gets none copies. */
#ifndef CULVERT_PROXY_PIPES_H
#define CULVERT_PROXY_PIPES_H

#include <stdatomic.h>
#include <stddef.h>

/* Half of what F_SETPIPE_SZ gives an ordinary user at the most: measured as
 * fast as the whole (bench/RESULTS.md), and what a stalled reader can make us
 * keep stays well below a megabyte. */
#define PIPE_BYTES (512u * 1024)

struct pipe {
    int read_fd;
    int write_fd;
    size_t capacity; /* bytes */
    size_t held;     /* bytes inside; kept by the borrower */
    struct pipe *next;
};

/* How many pipes the process may still open; shared by the workers. */
struct pipe_budget {
    atomic_int left;
};

/* A worker's pool: pipes that were given back wait here for the next. */
struct pipe_pool {
    struct pipe_budget *budget;
    struct pipe *spare;
    unsigned spare_count;
};

/* Sets the budget from the limit of descriptors. */
void pipe_budget_init(struct pipe_budget *budget, size_t descriptors);

void pipe_pool_init(struct pipe_pool *pool, struct pipe_budget *budget);
void pipe_pool_destroy(struct pipe_pool *pool);

/* Lends an empty pipe (pipe_give_back), or NULL when the budget, descriptors
 * or memory are used up. Thread: the pool's worker, as for the next. */
struct pipe *pipe_take(struct pipe_pool *pool);

/* Takes a pipe back. One that still holds bytes is closed. */
void pipe_give_back(struct pipe_pool *pool, struct pipe *pipe);

#endif
