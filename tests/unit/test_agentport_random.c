/* A port of agents that ask for it, cancel, leave and come again, in any order
 * with the mail between their workers: whenever that has come to rest, the
 * newest accepts, and he alone; and each client is told of once. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>
#include <utlist.h>

#include "tests/unit/agent_bed.h"

#define AGENTS 5
#define ROUNDS 500
#define STEPS  80

struct random_run {
    struct agent_bed bed;
    unsigned seed;
    struct agent *agents[AGENTS];
    unsigned wishes[AGENTS]; /* when each asked for it; 0: it has not */
    const char *words[AGENTS];
    struct agent *stranger; /* of another name */
    unsigned step;
    unsigned knocks; /* that were let in */
};

static unsigned
pick(struct random_run *run, unsigned count)
{
    return (unsigned)rand_r(&run->seed) / 7 % count;
}

/* --- what may happen ------------------------------------------------------ */

static void
ask(struct random_run *run, unsigned i)
{
    /* All lead to the loopbacks. */
    static const char *const words[] = {"localhost", "", "*"};
    const char *word = words[pick(run, 3)];
    enum err err = agent_bed_claim(run->agents[i], word);

    cr_assert_eq(err, run->wishes[i] ? ERR_ADDR_IN_USE : ERR_OK);
    if (err)
        return;
    run->wishes[i] = run->step;
    run->words[i] = word;
}

static void
cancel(struct random_run *run, unsigned i)
{
    if (!run->wishes[i])
        return;
    cr_assert_eq(agent_bed_cancel(run->agents[i], run->words[i]), ERR_OK);
    run->wishes[i] = 0;
}

static void
come_again(struct random_run *run, unsigned i)
{
    agent_bed_remove(run->agents[i]);
    run->agents[i] =
        agent_bed_add(&run->bed, "home", pick(run, AGENT_BED_WORKERS));
    run->wishes[i] = 0;
}

static void
knock(struct random_run *run)
{
    int fd = agent_bed_knock(&run->bed, "127.0.0.1");

    if (fd < 0)
        return;
    run->knocks++;
    close(fd);
}

/* --- what is to be so ----------------------------------------------------- */

static struct agent *
newest(const struct random_run *run)
{
    struct agent *found = NULL;
    unsigned when = 0;

    for (unsigned i = 0; i < AGENTS; i++) {
        if (run->wishes[i] > when) {
            when = run->wishes[i];
            found = run->agents[i];
        }
    }
    return found;
}

/* At every moment: only who is said to accept may do so. */
static void
check_acceptors(const struct random_run *run)
{
    const struct agentport *port = run->bed.registry->ports;
    const struct claim *claim;

    if (!port)
        return;
    LL_FOREACH2(port->claims, claim, port_next)
    {
        bool accepts = claim->acceptors[0].worker_ != NULL;

        cr_assert_eq(accepts, claim == port->holder);
        cr_assert(!accepts ||
                  claim->acceptors[0].worker_ == claim->agent->member->worker);
    }
}

static void
check_rest(struct random_run *run)
{
    const struct agentport *port;
    struct agent *first = newest(run);

    agent_bed_settle(&run->bed);
    port = run->bed.registry->ports;
    check_acceptors(run);
    cr_assert_eq(port != NULL, first != NULL);
    cr_assert_eq(run->bed.taken, port ? 2 * port->sockets : 0);
    if (!port) {
        cr_assert_eq(agent_bed_claim(run->stranger, "localhost"), ERR_OK);
        cr_assert_eq(agent_bed_cancel(run->stranger, "localhost"), ERR_OK);
        agent_bed_settle(&run->bed);
        return;
    }
    cr_assert_not(port->is_settling);
    cr_assert(port->holder);
    cr_assert_eq(port->holder->agent, first);
    cr_assert_eq(agent_bed_claim(run->stranger, "localhost"), ERR_ADDR_IN_USE);
    agent_bed_turn(&run->bed);
    cr_assert_eq(run->bed.client_count, run->knocks);
}

/* Those who wait while nobody accepts are sent away when the last leaves who
 * could have; and nobody else ever is. */
static void
check_queue(struct random_run *run, bool was_held)
{
    if (run->bed.registry->ports)
        return;
    if (was_held)
        cr_assert_eq(run->bed.client_count, run->knocks);
    run->knocks = run->bed.client_count;
}

static void
take_step(struct random_run *run)
{
    const struct agentport *port = run->bed.registry->ports;
    bool was_held = port && port->holder;
    unsigned i = pick(run, AGENTS);

    switch (pick(run, 10)) {
    case 0:
    case 1:
    case 2:
        ask(run, i);
        break;
    case 3:
    case 4:
        cancel(run, i);
        break;
    case 5:
        come_again(run, i);
        break;
    case 6:
        knock(run);
        break;
    case 7:
        check_rest(run);
        break;
    default:
        worker_settle(run->bed.workers[pick(run, AGENT_BED_WORKERS)]);
        break;
    }
    check_acceptors(run);
    check_queue(run, was_held);
}

static void
run_round(struct random_run *run)
{
    for (unsigned i = 0; i < AGENTS; i++) {
        run->agents[i] =
            agent_bed_add(&run->bed, "home", i % AGENT_BED_WORKERS);
        run->wishes[i] = 0;
    }
    for (run->step = 1; run->step <= STEPS; run->step++)
        take_step(run);
    check_rest(run);
    for (unsigned i = 0; i < AGENTS; i++)
        agent_bed_remove(run->agents[i]);
    agent_bed_settle(&run->bed);
    cr_assert_eq(run->bed.client_count, run->knocks);
}

Test(agentport, any_order_of_things_comes_to_rest_with_the_newest,
     .timeout = 120)
{
    const struct log_options quiet = {.level = LOG_QUIET};
    static struct random_run run;

    log_open(&quiet);
    agent_bed_start(&run.bed, REGISTRY_BIND_LOOPBACK);
    run.stranger = agent_bed_add(&run.bed, "work", 0);
    for (unsigned round = 1; round <= ROUNDS; round++) {
        run.seed = round;
        run_round(&run);
    }
    cr_expect_gt(run.knocks, ROUNDS);
    agent_bed_end(&run.bed);
}
