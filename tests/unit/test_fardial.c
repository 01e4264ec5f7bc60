/* Dials made on another worker. Both loops are run here, in turn, so that what
 * is under way is known at every step. */
#include "proxy/fardial.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/loop_help.h"
#include "tests/unit/stream_fake.h"

/* A way out whose dials do what the test says. */
struct scripted {
    struct transport transport;
    struct dial *dial; /* the one under way, or NULL */
    unsigned started;
    unsigned cancelled;
};

struct bed {
    struct settings *settings;
    struct shared shared;
    struct worker *workers[2];
    struct engine *engines[2];
    struct scripted way; /* of the second */
    struct fake_hub hub; /* there, too */
    unsigned descriptors;

    struct target target;
    struct dial dial;
    bool done;
};

static void
start_dial(struct transport *transport, struct dial *dial)
{
    struct scripted *way = (struct scripted *)transport;

    way->dial = dial;
    way->started++;
    dial->late = ERR_TIMED_OUT;
    dial->stream = NULL;
    dial->local.sa.sa_family = dial->remote.sa.sa_family = AF_UNSPEC;
}

static void
cancel_dial(struct transport *transport, struct dial *dial)
{
    struct scripted *way = (struct scripted *)transport;

    cr_assert_eq(way->dial, dial);
    way->dial = NULL;
    way->cancelled++;
}

static void
destroy(struct transport *transport)
{
    (void)transport;
}

static const struct transport_ops scripted_ops = {
    .abi = TRANSPORT_ABI,
    .scheme = "scripted",
    .dial_start = start_dial,
    .dial_cancel = cancel_dial,
    .destroy = destroy,
};

static void
bed_init(struct bed *bed)
{
    const struct log_options quiet = {.level = LOG_QUIET};
    const char *why;

    memset(bed, 0, sizeof(*bed));
    bed->descriptors = sockets_open_count();
    cr_assert_eq(log_open(&quiet), ERR_OK);
    bed->settings = settings_create();
    cr_assert(bed->settings);
    bed->settings->workers = 2;
    bed->shared.settings = bed->settings;
    bed->shared.engines = bed->engines;
    limits_init(&bed->shared.limits, 0, 0, 1000, 0);
    pipe_budget_init(&bed->shared.pipe_budget, 1000);
    for (unsigned i = 0; i < 2; i++) {
        bed->workers[i] = worker_create(i);
        cr_assert(bed->workers[i]);
        cr_assert_eq(engine_create(bed->workers[i], &bed->shared,
                                   &bed->engines[i], &why),
                     ERR_OK, "%s", why);
    }
    bed->engines[1]->ways[0].via->ops->destroy(bed->engines[1]->ways[0].via);
    bed->way.transport.ops = &scripted_ops;
    bed->engines[1]->ways[0].via = &bed->way.transport;
    fake_hub_init(&bed->hub, bed->workers[1], 7, 1000, 1000);
}

/* As the server does it. */
static void
settle(struct bed *bed)
{
    bool more;

    do {
        more = worker_settle(bed->workers[1]);
        more = worker_settle(bed->workers[0]) || more;
    } while (more);
}

static void
bed_end(struct bed *bed)
{
    for (unsigned i = 0; i < 2; i++)
        engine_end_sessions(bed->engines[i]);
    settle(bed);
    for (unsigned i = 0; i < 2; i++)
        engine_destroy(bed->engines[i]);
    for (unsigned i = 0; i < 2; i++)
        worker_destroy(bed->workers[i]);
    limits_destroy(&bed->shared.limits);
    settings_destroy(bed->settings);
    cr_assert_eq(sockets_open_count(), bed->descriptors);
}

static void
on_done(struct dial *dial)
{
    struct bed *bed = dial->owner;

    cr_assert_not(bed->done, "done twice");
    bed->done = true;
}

static struct fardial *
ask(struct bed *bed)
{
    struct fardial *far;

    cr_assert_eq(target_set_host(&bed->target, "db", 2, 80), ERR_OK);
    bed->dial = (struct dial){
        .target = &bed->target,
        .done = on_done,
        .owner = bed,
        .late = ERR_TRANSPORT_DOWN,
    };
    far = fardial_start(bed->engines[0], bed->engines[1], 0, &bed->dial);
    cr_assert(far);
    cr_assert_eq(fardial_late(far), ERR_TRANSPORT_DOWN);
    cr_assert_not(bed->done, "from inside of the call");
    return far;
}

static void
turn(struct bed *bed, unsigned which)
{
    loop_turns(bed->workers[which], 5);
}

/* The dial over there has this outcome. Gives the far end of its stream. */
static struct stream *
finish(struct bed *bed, enum err err)
{
    struct dial *dial = bed->way.dial;
    struct stream *ends[2] = {NULL, NULL};

    cr_assert(dial);
    bed->way.dial = NULL;
    if (!err)
        fake_pair(&bed->hub, ends);
    dial->err = err;
    dial->stream = ends[0];
    dial->done(dial);
    return ends[1];
}

static void
ignore(struct stream *stream, unsigned events)
{
    (void)events;
    stream_want(stream, 0);
}

Test(fardial, it_dials_there_and_gives_a_stream_here)
{
    struct bed bed;
    struct fardial *far;
    struct stream *end;
    char bytes[10];
    size_t n = 0;

    bed_init(&bed);
    far = ask(&bed);
    turn(&bed, 1);
    cr_assert_eq(bed.way.started, 1);
    cr_assert_neq(bed.way.dial->target, &bed.target);
    cr_assert_str_eq(bed.way.dial->target->name, "db");
    cr_assert_eq(fardial_late(far), ERR_TIMED_OUT);
    end = finish(&bed, ERR_OK);
    end->on_ready = ignore;
    turn(&bed, 0);
    cr_assert(bed.done);
    cr_assert_eq(bed.dial.err, ERR_OK);
    bed.dial.stream->on_ready = ignore;
    cr_assert_eq(stream_write(bed.dial.stream, "hello", 5, &n), ERR_OK);
    cr_assert_eq(n, 5);
    turn(&bed, 1);
    for (size_t len = 0; len < 5; len += n) /* in pieces, as a fake does */
        cr_assert_eq(stream_read(end, bytes + len, 5 - len, &n), ERR_OK);
    cr_assert_arr_eq(bytes, "hello", 5);
    cr_assert_eq(stream_finish(end), ERR_OK);
    turn(&bed, 1);
    cr_assert_eq(stream_read(bed.dial.stream, bytes, 1, &n), ERR_EOF);
    cr_assert(bed.engines[1]->farbridges);
    cr_assert_eq(stream_finish(bed.dial.stream), ERR_OK);
    turn(&bed, 1);
    cr_assert_null(bed.engines[1]->farbridges, "the bridge is left");
    stream_close(bed.dial.stream, STREAM_GRACEFUL);
    stream_close(end, STREAM_GRACEFUL);
    bed_end(&bed);
}

Test(fardial, a_failure_comes_with_its_reason)
{
    static const enum err errs[] = {ERR_REFUSED, ERR_AGAIN, ERR_NO_MEMORY,
                                    ERR_PROHIBITED};

    for (size_t i = 0; i < sizeof(errs) / sizeof(errs[0]); i++) {
        struct bed bed;

        bed_init(&bed);
        ask(&bed);
        turn(&bed, 1);
        bed.way.dial->lost_ = 1;
        finish(&bed, errs[i]);
        turn(&bed, 0);
        cr_assert(bed.done);
        cr_assert_eq(bed.dial.err, errs[i]);
        cr_assert_eq(bed.dial.lost_, 1);
        cr_assert_null(bed.dial.stream);
        bed_end(&bed);
    }
}

Test(fardial, what_breaks_over_there_is_a_reset_here)
{
    struct bed bed;
    struct stream *end;
    char byte;
    size_t n;

    bed_init(&bed);
    ask(&bed);
    turn(&bed, 1);
    end = finish(&bed, ERR_OK);
    turn(&bed, 0);
    stream_close(end, STREAM_ABORT);
    turn(&bed, 1);
    cr_assert_null(bed.engines[1]->farbridges);
    cr_assert_eq(stream_read(bed.dial.stream, &byte, 1, &n), ERR_RESET);
    stream_close(bed.dial.stream, STREAM_ABORT);
    bed_end(&bed);
}

Test(fardial, a_session_that_aborts_resets_the_target)
{
    struct bed bed;
    struct stream *end;
    char byte;
    size_t n;

    bed_init(&bed);
    ask(&bed);
    turn(&bed, 1);
    end = finish(&bed, ERR_OK);
    turn(&bed, 0);
    stream_close(bed.dial.stream, STREAM_ABORT);
    turn(&bed, 1);
    cr_assert_null(bed.engines[1]->farbridges);
    cr_assert_eq(stream_read(end, &byte, 1, &n), ERR_RESET);
    stream_close(end, STREAM_GRACEFUL);
    bed_end(&bed);
}

Test(fardial, cancelled_before_it_arrives)
{
    struct bed bed;

    bed_init(&bed);
    fardial_cancel(ask(&bed));
    turn(&bed, 1);
    cr_assert_eq(bed.way.started, bed.way.cancelled);
    turn(&bed, 0);
    cr_assert_not(bed.done);
    cr_assert_null(bed.engines[1]->fardials);
    bed_end(&bed);
}

Test(fardial, cancelled_while_it_is_under_way)
{
    struct bed bed;
    struct fardial *far;

    bed_init(&bed);
    far = ask(&bed);
    turn(&bed, 1);
    fardial_cancel(far);
    turn(&bed, 1);
    cr_assert_eq(bed.way.cancelled, 1);
    turn(&bed, 0);
    cr_assert_not(bed.done);
    bed_end(&bed);
}

/* The outcome is on its way when nobody wants it any more. */
static void
cancel_late(enum err err, bool answered)
{
    struct bed bed;
    struct fardial *far;
    struct stream *end;
    char byte;
    size_t n;

    bed_init(&bed);
    far = ask(&bed);
    turn(&bed, 1);
    end = finish(&bed, err);
    fardial_cancel(far);
    if (answered)
        turn(&bed, 1); /* the outcome and the answer arrive in one */
    turn(&bed, 0);
    turn(&bed, 1);
    turn(&bed, 0);
    turn(&bed, 1);
    cr_assert_not(bed.done);
    cr_assert_null(bed.engines[1]->farbridges, "the bridge is left");
    if (end) {
        cr_assert_eq(stream_read(end, &byte, 1, &n), ERR_RESET);
        stream_close(end, STREAM_GRACEFUL);
    }
    bed_end(&bed);
}

Test(fardial, cancelled_when_its_outcome_is_on_its_way)
{
    cancel_late(ERR_OK, false);
    cancel_late(ERR_OK, true);
    cancel_late(ERR_REFUSED, false);
    cancel_late(ERR_REFUSED, true);
}

Test(fardial, the_other_engine_ends_while_it_dials)
{
    struct bed bed;

    bed_init(&bed);
    ask(&bed);
    turn(&bed, 1);
    engine_end_sessions(bed.engines[1]);
    cr_assert_eq(bed.way.cancelled, 1);
    turn(&bed, 0);
    cr_assert(bed.done);
    cr_assert_eq(bed.dial.err, ERR_SHUTDOWN);
    bed_end(&bed);
}

Test(fardial, the_other_engine_has_ended_before)
{
    struct bed bed;

    bed_init(&bed);
    engine_end_sessions(bed.engines[1]);
    ask(&bed);
    settle(&bed); /* its thread has ended, too */
    cr_assert(bed.done);
    cr_assert_eq(bed.dial.err, ERR_SHUTDOWN);
    cr_assert_eq(bed.way.started, 0);
    bed_end(&bed);
}

Test(fardial, the_other_engine_ends_its_bridges)
{
    struct bed bed;
    struct stream *end;
    char byte;
    size_t n;

    bed_init(&bed);
    ask(&bed);
    turn(&bed, 1);
    end = finish(&bed, ERR_OK);
    turn(&bed, 0);
    engine_end_sessions(bed.engines[1]);
    cr_assert_null(bed.engines[1]->farbridges);
    cr_assert_eq(stream_read(bed.dial.stream, &byte, 1, &n), ERR_RESET);
    stream_close(bed.dial.stream, STREAM_GRACEFUL);
    stream_close(end, STREAM_GRACEFUL);
    bed_end(&bed);
}

/* Cancelled by a session's end, with both loops over: what is under way is
 * settled between them. */
Test(fardial, all_is_freed_at_the_end_whatever_is_under_way)
{
    for (unsigned step = 0; step < 5; step++) {
        struct bed bed;
        struct fardial *far;
        struct stream *end = NULL;

        bed_init(&bed);
        far = ask(&bed);
        if (step > 0)
            turn(&bed, 1);
        if (step > 1)
            end = finish(&bed, ERR_OK);
        if (step > 2)
            engine_end_sessions(bed.engines[1]);
        fardial_cancel(far);
        if (step > 3)
            turn(&bed, 1);
        for (unsigned i = 0; i < 2; i++)
            engine_end_sessions(bed.engines[i]);
        settle(&bed);
        cr_assert_not(bed.done);
        if (end)
            stream_close(end, STREAM_GRACEFUL);
        bed_end(&bed);
    }
}
