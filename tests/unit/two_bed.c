#include "tests/unit/two_bed.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static struct homely *
homely_of(struct transport *transport)
{
    return (struct homely *)transport;
}

static struct worker *
get_home(struct transport *transport, const struct dial *dial)
{
    (void)dial;
    struct two *two = homely_of(transport)->two;

    return two->engines[atomic_load(&two->home)]->worker;
}

static void
send_away(struct task *task)
{
    struct dial *dial =
        (struct dial *)((char *)task - offsetof(struct dial, task_));

    dial->err = ERR_AGAIN;
    dial->done(dial);
}

static void
start_dial(struct transport *transport, struct dial *dial)
{
    struct homely *homely = homely_of(transport);
    struct two *two = homely->two;
    unsigned here = homely == &two->homely[1];

    atomic_fetch_add(&two->dials, 1);
    if (atomic_fetch_sub(&two->again, 1) > 0) {
        atomic_store(&two->home, !here);
        dial->late = ERR_TRANSPORT_DOWN;
        dial->task_ = (struct task){.run = send_away};
        worker_defer(two->engines[here]->worker, &dial->task_);
        return;
    }
    dial_start(homely->tcp, dial);
}

static void
cancel_dial(struct transport *transport, struct dial *dial)
{
    struct homely *homely = homely_of(transport);
    struct two *two = homely->two;

    worker_undefer(two->engines[homely == &two->homely[1]]->worker,
                   &dial->task_);
}

static void
destroy(struct transport *transport)
{
    struct homely *homely = homely_of(transport);

    homely->tcp->ops->destroy(homely->tcp);
}

static const struct transport_ops homely_ops = {
    .abi = TRANSPORT_ABI,
    .scheme = "homely",
    .dial_start = start_dial,
    .dial_cancel = cancel_dial,
    .home = get_home,
    .destroy = destroy,
};

static void
on_gone(struct engine *engine)
{
    const struct two *two = engine->owner;

    cr_assert_eq(eventfd_write(two->bed.gone, 1), 0);
}

void
two_start(struct two *two)
{
    const char *why;

    two->bed.shared.engines = two->engines;
    two->bed.settings->workers = 2;
    session_bed_start(&two->bed, 0);
    two->worker = worker_create(1);
    cr_assert(two->worker);
    cr_assert_eq(
        engine_create(two->worker, &two->bed.shared, &two->engine, &why),
        ERR_OK, "%s", why);
    two->engine->on_gone = on_gone;
    two->engine->owner = two;
    for (int i = 0; i < 2; i++) {
        two->homely[i] = (struct homely){
            {.ops = &homely_ops}, two->engines[i]->ways[0].via, two};
        two->engines[i]->ways[0].via = &two->homely[i].transport;
    }
    cr_assert_eq(worker_start(two->worker, NULL, NULL, NULL), ERR_OK);
}

void
two_init(struct two *two)
{
    memset(two, 0, sizeof(*two));
    session_bed_init(&two->bed);
    atomic_store(&two->home, 1);
}

struct ending {
    struct mail mail;
    struct two *two;
    struct counters counters;
};

static void
on_ending(struct mail *mail)
{
    struct ending *ending = (struct ending *)mail;

    engine_end_sessions(ending->two->engine);
    ending->counters = ending->two->engine->counters;
    worker_stop(ending->two->worker);
}

struct counters
two_stop_second(struct two *two)
{
    struct ending ending = {.mail.run = on_ending, .two = two};

    worker_post(two->worker, &ending.mail);
    worker_join(two->worker);
    return ending.counters;
}

void
two_destroy_second(struct two *two)
{
    engine_destroy(two->engine);
    worker_destroy(two->worker);
}

struct ping {
    struct mail mail;
    int fd;
};

static void
on_ping(struct mail *mail)
{
    cr_assert_eq(eventfd_write(((struct ping *)mail)->fd, 1), 0);
}

void
two_await_first(struct two *two)
{
    struct ping ping = {{.run = on_ping}, eventfd(0, EFD_CLOEXEC)};
    eventfd_t one;

    worker_post(two->bed.worker, &ping.mail);
    cr_assert_eq(eventfd_read(ping.fd, &one), 0);
    close(ping.fd);
}
