/* Dials made for one worker on another, cancelled at any moment and used: for
 * ThreadSanitizer. Exits 1 when an outcome was lost or came after a cancel. */
#include "proxy/fardial.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport/base/log.h"
#include "transport/stream_tcp.h"

#define DIALS   3000
#define ABREAST 20

/* A way out that answers after some turns of the loop: with one end of a socket
 * pair, or a failure. */
struct slow {
    struct transport transport;
    struct worker *worker;
};

struct program {
    struct settings *settings;
    struct shared shared;
    struct worker *workers[2];
    struct engine *engines[2];
    struct slow slow;
    unsigned started;
    unsigned over;
    bool wrong;
};

/* One dial, at home. */
struct one {
    struct program *program;
    struct fardial *far;
    struct target target;
    struct dial dial;
    struct stream *stream;
    unsigned turns; /* until it is cancelled, or its stream is closed */
    struct task task;
};

static void
on_turn(struct task *task)
{
    struct dial *dial =
        (struct dial *)((char *)task - offsetof(struct dial, task_));
    struct slow *slow = (struct slow *)dial->via_;
    int ends[2];

    if (dial->lost_++ < dial->target->port % 7) {
        worker_defer(slow->worker, &dial->task_);
        return;
    }
    dial->err = ERR_REFUSED;
    if (dial->target->port % 3 &&
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0) {
        close(ends[1]);
        dial->stream = stream_tcp_create(slow->worker, ends[0]);
        dial->err = dial->stream ? ERR_OK : ERR_NO_MEMORY;
    }
    dial->done(dial);
}

static void
start_dial(struct transport *transport, struct dial *dial)
{
    struct slow *slow = (struct slow *)transport;

    dial->late = ERR_TIMED_OUT;
    dial->task_ = (struct task){.run = on_turn};
    worker_defer(slow->worker, &dial->task_);
}

static void
cancel_dial(struct transport *transport, struct dial *dial)
{
    worker_undefer(((struct slow *)transport)->worker, &dial->task_);
}

static void
destroy(struct transport *transport)
{
    (void)transport;
}

static const struct transport_ops slow_ops = {
    .abi = TRANSPORT_ABI,
    .scheme = "slow",
    .dial_start = start_dial,
    .dial_cancel = cancel_dial,
    .destroy = destroy,
};

static void start_one(struct program *program);

static void
end_one(struct one *one)
{
    struct program *program = one->program;

    free(one);
    program->over++;
    if (program->started < DIALS)
        start_one(program);
    else if (program->over == DIALS)
        worker_stop(program->workers[0]);
}

static void
on_home_turn(struct task *task)
{
    struct one *one = (struct one *)((char *)task - offsetof(struct one, task));

    if (one->turns-- > 0) {
        if (one->far && fardial_late(one->far) == ERR_OK)
            one->program->wrong = true;
        worker_defer(one->program->workers[0], &one->task);
        return;
    }
    fardial_cancel(one->far);
    if (one->stream)
        stream_close(one->stream, STREAM_GRACEFUL);
    end_one(one);
}

static void
on_done(struct dial *dial)
{
    struct one *one = dial->owner;

    if (!one->far || (dial->err != ERR_OK && dial->err != ERR_REFUSED))
        one->program->wrong = true;
    one->far = NULL;
    one->stream = dial->stream;
}

static void
start_one(struct program *program)
{
    struct one *one = calloc(1, sizeof(*one));
    unsigned number = program->started++;

    if (!one)
        abort();
    one->program = program;
    one->turns = number % 40;
    one->task.run = on_home_turn;
    target_set_host(&one->target, "db", 2, (uint16_t)(1 + number % 1000));
    one->dial.target = &one->target;
    one->dial.done = on_done;
    one->dial.owner = one;
    one->far =
        fardial_start(program->engines[0], program->engines[1], 0, &one->dial);
    worker_defer(program->workers[0], &one->task);
}

static void
begin(void *arg)
{
    for (unsigned i = 0; i < ABREAST; i++)
        start_one(arg);
}

static void
end_there(void *arg)
{
    engine_end_sessions(((struct program *)arg)->engines[1]);
}

struct stopping {
    struct mail mail;
    struct worker *worker;
};

static void
on_stopping(struct mail *mail)
{
    worker_stop(((struct stopping *)mail)->worker);
}

static void
make(struct program *program)
{
    const struct log_options quiet = {.level = LOG_QUIET};
    const char *why;

    log_open(&quiet);
    program->settings = settings_create();
    program->settings->workers = 2;
    program->shared.settings = program->settings;
    limits_init(&program->shared.limits, 0, 0, 1000, 0);
    pipe_budget_init(&program->shared.pipe_budget, 1000);
    for (unsigned i = 0; i < 2; i++) {
        program->workers[i] = worker_create(i);
        if (engine_create(program->workers[i], &program->shared,
                          &program->engines[i], &why))
            abort();
    }
    program->slow = (struct slow){{.ops = &slow_ops}, program->workers[1]};
    program->engines[1]->ways[0].via->ops->destroy(
        program->engines[1]->ways[0].via);
    program->engines[1]->ways[0].via = &program->slow.transport;
}

int
main(void)
{
    static struct program program;
    struct stopping stopping = {{.run = on_stopping}, NULL};
    bool more;

    make(&program);
    stopping.worker = program.workers[1];
    worker_start(program.workers[1], NULL, end_there, &program);
    worker_start(program.workers[0], begin, NULL, &program);
    worker_join(program.workers[0]);
    worker_post(program.workers[1], &stopping.mail);
    worker_join(program.workers[1]);
    do {
        more = worker_settle(program.workers[1]);
        more = worker_settle(program.workers[0]) || more;
    } while (more);
    for (unsigned i = 0; i < 2; i++)
        engine_destroy(program.engines[i]);
    for (unsigned i = 0; i < 2; i++)
        worker_destroy(program.workers[i]);
    limits_destroy(&program.shared.limits);
    settings_destroy(program.settings);
    if (program.wrong || program.over != DIALS)
        fprintf(stderr, "%u of %u dials; %s\n", program.over, DIALS,
                program.wrong ? "some came out wrong" : "none was wrong");
    return program.wrong || program.over != DIALS;
}
