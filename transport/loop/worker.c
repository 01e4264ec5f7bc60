#include "transport/loop/worker.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <utlist.h>

#include "transport/loop/reserve.h"

/* How often tasks made by tasks are run before the loop has a look at its
 * descriptors again. */
#define TASK_ROUNDS 8

struct worker {
    struct ev_loop *loop;
    int epoll_fd; /* the loop's, as far as one can tell; or -1 */
    unsigned index;
    void *scratch;

    ev_prepare prepare; /* runs tasks before the loop waits */
    ev_idle idle;       /* keeps it from waiting while some are left */
    struct task *tasks; /* what to run next time */
    struct task *due;   /* what is being run now */

    ev_async wake;
    _Atomic(struct mail *) mail; /* newest first */

    pthread_t thread;
    bool has_thread;
    void (*start)(void *arg);
    void (*stop)(void *arg);
    void *arg;
};

/* Which worker the calling thread runs; only for worker_assert_here. */
static _Thread_local const struct worker *here;

static void
run_tasks(struct worker *worker)
{
    for (int round = 0; worker->tasks && round < TASK_ROUNDS; round++) {
        struct task *each;

        DL_FOREACH (worker->tasks, each)
            each->list_ = &worker->due;
        worker->due = worker->tasks;
        worker->tasks = NULL;
        while (worker->due) {
            struct task *task = worker->due;

            worker_undefer(worker, task);
            task->run(task);
        }
    }
}

static void
on_prepare(struct ev_loop *loop, ev_prepare *watcher, int events)
{
    struct worker *worker = watcher->data;

    (void)events;
    run_tasks(worker);
    if (worker->tasks)
        ev_idle_start(loop, &worker->idle);
    else
        ev_idle_stop(loop, &worker->idle);
}

static void
on_idle(struct ev_loop *loop, ev_idle *watcher, int events)
{
    (void)loop;
    (void)watcher;
    (void)events;
}

static void
run_mail(struct worker *worker)
{
    struct mail *newest = atomic_exchange(&worker->mail, NULL);
    struct mail *oldest = NULL;

    while (newest) {
        struct mail *next = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        struct mail *mail = oldest;

        oldest = mail->next;
        mail->run(mail);
    }
}

static void
on_wake(struct ev_loop *loop, ev_async *watcher, int events)
{
    (void)loop;
    (void)events;
    run_mail(watcher->data);
}

/* libev does not tell its epoll descriptor; it is the first that it opens, and
 * so the lowest that is free. Should it be another one after all, or have been
 * replaced since, there is nothing in it that worker_forget_fd could hurt. */
static struct ev_loop *
create_loop(int *epoll_fd)
{
    *epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (*epoll_fd >= 0)
        close(*epoll_fd);
    return ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
}

struct worker *
worker_create(unsigned index)
{
    struct worker *worker = calloc(1, sizeof(*worker));

    if (!worker)
        return NULL;
    reserve_install();
    worker->index = index;
    worker->scratch = malloc(WORKER_SCRATCH_BYTES);
    worker->loop = create_loop(&worker->epoll_fd);
    if (!worker->scratch || !worker->loop) {
        worker_destroy(worker);
        return NULL;
    }
    ev_prepare_init(&worker->prepare, on_prepare);
    ev_idle_init(&worker->idle, on_idle);
    ev_async_init(&worker->wake, on_wake);
    worker->prepare.data = worker->wake.data = worker;
    ev_prepare_start(worker->loop, &worker->prepare);
    ev_async_start(worker->loop, &worker->wake);
    return worker;
}

void
worker_run(struct worker *worker)
{
    here = worker;
    if (worker->start)
        worker->start(worker->arg);
    ev_run(worker->loop, 0);
    run_tasks(worker);
    if (worker->stop)
        worker->stop(worker->arg);
    here = NULL;
}

static void *
thread_main(void *arg)
{
    worker_run(arg);
    return NULL;
}

enum err
worker_start(struct worker *worker, void (*start)(void *arg),
             void (*stop)(void *arg), void *arg)
{
    char name[16];

    worker->start = start;
    worker->stop = stop;
    worker->arg = arg;
    if (pthread_create(&worker->thread, NULL, thread_main, worker))
        return ERR_NO_RESOURCES;
    worker->has_thread = true;
    snprintf(name, sizeof(name), "worker-%u", worker->index % 100000);
    pthread_setname_np(worker->thread, name);
    return ERR_OK;
}

void
worker_stop(struct worker *worker)
{
    ev_break(worker->loop, EVBREAK_ALL);
}

void
worker_join(struct worker *worker)
{
    if (worker->has_thread)
        pthread_join(worker->thread, NULL);
    worker->has_thread = false;
}

bool
worker_settle(struct worker *worker)
{
    bool any = false;

    here = worker;
    while (worker->tasks || atomic_load(&worker->mail)) {
        any = true;
        run_mail(worker);
        run_tasks(worker);
    }
    here = NULL;
    return any;
}

void
worker_destroy(struct worker *worker)
{
    if (!worker)
        return;
    if (worker->loop) {
        worker_settle(worker);
        ev_loop_destroy(worker->loop);
    }
    free(worker->scratch);
    free(worker);
}

struct ev_loop *
worker_loop(struct worker *worker)
{
    return worker->loop;
}

unsigned
worker_index(const struct worker *worker)
{
    return worker->index;
}

void
worker_forget_fd(struct worker *worker, int fd)
{
    worker_assert_here(worker);
    epoll_ctl(worker->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

void *
worker_scratch(struct worker *worker)
{
    return worker->scratch;
}

void
worker_defer(struct worker *worker, struct task *task)
{
    worker_assert_here(worker);
    if (task->list_)
        return;
    DL_APPEND(worker->tasks, task);
    task->list_ = &worker->tasks;
}

void
worker_undefer(struct worker *worker, struct task *task)
{
    worker_assert_here(worker);
    if (!task->list_)
        return;
    DL_DELETE(*task->list_, task);
    task->list_ = NULL;
}

void
worker_post(struct worker *worker, struct mail *mail)
{
    struct mail *newest = atomic_load(&worker->mail);

    do
        mail->next = newest;
    while (!atomic_compare_exchange_weak(&worker->mail, &newest, mail));
    ev_async_send(worker->loop, &worker->wake);
}

void
worker_assert_here(const struct worker *worker)
{
#ifdef CULVERT_DEBUG
    /* Before it runs and after, whoever has the worker is its thread. */
    if (here && here != worker) {
        fprintf(stderr, "culvert: worker %u used by another thread\n",
                worker->index);
        abort();
    }
#else
    (void)worker;
#endif
}
