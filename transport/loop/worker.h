/* A worker: one thread, one libev loop, and all that they own.
 *
 * Everything reachable from a worker is touched by its thread only. The one
 * door between threads is worker_post(). */
#ifndef CULVERT_TRANSPORT_LOOP_WORKER_H
#define CULVERT_TRANSPORT_LOOP_WORKER_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/base/err.h"

struct worker;

/* Work put off until the call that asked for it has returned to the loop:
 * how memory is freed, and how a callback is kept out of the call that
 * started it. Embedded in its owner; zero is idle. */
struct task {
    void (*run)(struct task *task);
    struct task **list_; /* where it waits, or NULL */
    struct task *prev;
    struct task *next;
};

/* A message to another thread. Embedded in its owner. */
struct mail {
    void (*run)(struct mail *mail);
    struct mail *next;
};

/* Creates a worker with its loop, not yet running.
 * Returns NULL when memory or descriptors are short.
 * Owner: the caller, worker_destroy. */
struct worker *worker_create(unsigned index);

/* Starts the thread, which calls start(arg) and then runs the loop until
 * worker_stop; stop(arg) is called on the thread after that. Either may be
 * NULL. Returns ERR_NO_RESOURCES when no thread could be made. */
enum err worker_start(struct worker *worker, void (*start)(void *arg),
                      void (*stop)(void *arg), void *arg);

/* Runs the loop on the calling thread until worker_stop, for tests and for
 * the thread's own use. */
void worker_run(struct worker *worker);

/* Makes the loop return once the tasks that are due have run.
 * Thread: the worker's own; from another by worker_post. */
void worker_stop(struct worker *worker);

/* Waits for the thread to end. Thread: the one that started it. */
void worker_join(struct worker *worker);

/* Runs the tasks and the mail of a worker that does not run. Of several that
 * send mail to each other, each is settled until none has any: Returns whether
 * there was something. */
bool worker_settle(struct worker *worker);

/* Frees a worker that does not run: pending tasks and mail are run first, as
 * they free what they belong to. */
void worker_destroy(struct worker *worker);

struct ev_loop *worker_loop(struct worker *worker);
unsigned worker_index(const struct worker *worker);

/* Takes a descriptor that stays open, and that no watcher of this loop has any
 * more, out of what the loop waits for: libev leaves that to close(), and would
 * wake for it here while another thread has it.
 * Thread: the worker's own. */
void worker_forget_fd(struct worker *worker, int fd);

/* Lends WORKER_SCRATCH_BYTES of memory shared by all on this worker; its
 * content is lost when the call returns to the loop. */
void *worker_scratch(struct worker *worker);
#define WORKER_SCRATCH_BYTES (256u * 1024)

/* Calls task->run(task) once, before the loop waits again. A task that is
 * already due stays where it is.
 * Thread: the worker's own. */
void worker_defer(struct worker *worker, struct task *task);

/* Takes a task back: it will not run. Nothing happens if it was not due. */
void worker_undefer(struct worker *worker, struct task *task);

/* Calls mail->run(mail) once on the worker's thread. Mail from one thread
 * arrives in the order it was sent.
 * Owner: mail is the worker's until it runs. Thread: any. */
void worker_post(struct worker *worker, struct mail *mail);

/* In debug builds: ends the program unless called on the worker's thread. */
void worker_assert_here(const struct worker *worker);

#endif
