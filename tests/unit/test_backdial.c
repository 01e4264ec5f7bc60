/* Dials by agents, up to where a channel would be opened: who waits, who is
 * sent to another worker, and who is told at once that it is of no use. The
 * agents have no links, and are all on other workers than the dials. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/unit/agent_bed.h"
#include "transport/base/clock.h"
#include "transport/reverse/reverse.h"

struct ask {
    struct dial dial;
    struct target target;
    unsigned outcomes;
    enum err err;
};

static void
on_done(struct dial *dial)
{
    struct ask *ask = dial->owner;

    ask->outcomes++;
    ask->err = dial->err;
    cr_expect_null(dial->stream);
}

static void
prepare(struct ask *ask)
{
    memset(ask, 0, sizeof(*ask));
    target_set_host(&ask->target, "db", 2, 80);
    ask->dial.target = &ask->target;
    ask->dial.done = on_done;
    ask->dial.owner = ask;
}

/* A dial by "home" on worker 0. */
static void
begin(struct agent_bed *bed, struct ask *ask)
{
    backdial_start(bed->members[0], "home", &ask->dial);
    cr_expect_eq(ask->outcomes, 0); /* not from inside the call */
}

static void
expect(struct agent_bed *bed, const struct ask *ask, enum err err)
{
    agent_bed_settle(bed);
    cr_expect_eq(ask->outcomes, 1);
    cr_expect_eq(ask->err, err, "%s", err_word(ask->err));
    cr_expect_null(bed->members[0]->waiting);
}

static void
expect_wait(struct agent_bed *bed, const struct ask *ask)
{
    agent_bed_settle(bed);
    cr_expect_eq(ask->outcomes, 0, "%s", err_word(ask->err));
    cr_expect(bed->members[0]->waiting);
    cr_expect_eq(ask->dial.late, ERR_TRANSPORT_DOWN);
}

/* What is behind its ports has turned out not to be SOCKS. */
static void
make_deaf(struct agent *agent)
{
    agent->claims->nature = CLAIM_FIXED;
    agent->claims->judged_until = clock_seconds() + 30;
}

Test(backdial, goes_to_the_worker_of_the_agent)
{
    struct agent_bed bed;
    struct ask ask;

    agent_bed_start(&bed, REGISTRY_BIND_LOOPBACK);
    agent_bed_claim(agent_bed_add(&bed, "home", 1), "localhost");
    prepare(&ask);
    begin(&bed, &ask);
    expect(&bed, &ask, ERR_AGAIN);
    agent_bed_end(&bed);
}

Test(backdial, waits_until_an_agent_has_a_port)
{
    struct agent_bed bed;
    struct agent *agent;
    struct ask ask;

    agent_bed_start(&bed, REGISTRY_BIND_LOOPBACK);
    prepare(&ask);
    begin(&bed, &ask);
    expect_wait(&bed, &ask);
    agent = agent_bed_add(&bed, "HOME", 2);
    registry_nudge(bed.registry);
    expect_wait(&bed, &ask);
    agent_bed_claim(agent, "localhost");
    expect(&bed, &ask, ERR_AGAIN);
    agent_bed_end(&bed);
}

Test(backdial, of_another_name_is_none)
{
    struct agent_bed bed;
    struct ask ask;

    agent_bed_start(&bed, REGISTRY_BIND_LOOPBACK);
    prepare(&ask);
    begin(&bed, &ask);
    agent_bed_claim(agent_bed_add(&bed, "work", 1), "localhost");
    expect_wait(&bed, &ask);
    backdial_cancel(bed.members[0], &ask.dial);
    cr_expect_null(bed.members[0]->waiting);
    agent_bed_end(&bed);
}

/* Cancelled while it waits, and when its outcome is on its way. */
Test(backdial, says_nothing_after_a_cancel)
{
    struct agent_bed bed;
    struct ask ask;

    agent_bed_start(&bed, REGISTRY_BIND_LOOPBACK);
    prepare(&ask);
    begin(&bed, &ask);
    backdial_cancel(bed.members[0], &ask.dial);
    agent_bed_claim(agent_bed_add(&bed, "home", 1), "localhost");
    begin(&bed, &ask);
    backdial_settle(bed.members[0]);
    cr_expect_null(bed.members[0]->waiting);
    backdial_cancel(bed.members[0], &ask.dial);
    agent_bed_settle(&bed);
    cr_expect_eq(ask.outcomes, 0);
    agent_bed_end(&bed);
}

Test(backdial, an_agent_that_was_kicked_is_none)
{
    struct agent_bed bed;
    struct agent *agent;
    struct ask ask;

    agent_bed_start(&bed, REGISTRY_BIND_LOOPBACK);
    agent = agent_bed_add(&bed, "home", 1);
    agent_bed_claim(agent, "localhost");
    agent_bed_settle(&bed);
    agent->is_kicked = true;
    prepare(&ask);
    begin(&bed, &ask);
    expect_wait(&bed, &ask);
    backdial_cancel(bed.members[0], &ask.dial);
    agent->is_kicked = false;
    agent_bed_end(&bed);
}

Test(backdial, is_of_no_use_where_nothing_speaks_socks)
{
    struct agent_bed bed;
    struct agent *agent;
    struct ask ask;

    agent_bed_start(&bed, REGISTRY_BIND_LOOPBACK);
    agent = agent_bed_add(&bed, "home", 1);
    agent_bed_claim(agent, "localhost");
    make_deaf(agent);
    prepare(&ask);
    begin(&bed, &ask);
    expect(&bed, &ask, ERR_TRANSPORT_DOWN);
    agent_bed_end(&bed);
}

/* A dial of the agent's own worker was quicker, and has found out. */
Test(backdial, is_of_no_use_any_more_by_when_it_is_looked_at)
{
    struct agent_bed bed;
    struct agent *agent;
    struct ask ask;

    agent_bed_start(&bed, REGISTRY_BIND_LOOPBACK);
    prepare(&ask);
    begin(&bed, &ask);
    expect_wait(&bed, &ask);
    agent = agent_bed_add(&bed, "home", 1);
    agent_bed_claim(agent, "localhost");
    make_deaf(agent);
    expect(&bed, &ask, ERR_TRANSPORT_DOWN);
    agent_bed_end(&bed);
}

/* One that had an agent, which was lost, waits for that to come again. */
Test(backdial, that_was_lost_waits_beside_what_speaks_no_socks)
{
    struct agent_bed bed;
    struct agent *agent;
    struct ask ask;

    agent_bed_start(&bed, REGISTRY_BIND_LOOPBACK);
    prepare(&ask);
    ask.dial.lost_ = 1;
    begin(&bed, &ask);
    agent = agent_bed_add(&bed, "home", 1);
    agent_bed_claim(agent, "localhost");
    make_deaf(agent);
    expect_wait(&bed, &ask);
    backdial_cancel(bed.members[0], &ask.dial);
    agent_bed_end(&bed);
}

/* Whatever it speaks: it is its clients' matter. */
Test(backdial, to_a_port_goes_to_who_has_that)
{
    struct agent_bed bed;
    struct agent *agent;
    struct ask ask;

    agent_bed_start(&bed, REGISTRY_BIND_LOOPBACK);
    agent = agent_bed_add(&bed, "home", 1);
    agent_bed_claim(agent, "localhost");
    make_deaf(agent);
    prepare(&ask);
    ask.dial.listened = "localhost";
    ask.dial.listened_port = bed.port;
    begin(&bed, &ask);
    expect(&bed, &ask, ERR_AGAIN);
    prepare(&ask);
    ask.dial.listened = "localhost";
    ask.dial.listened_port = bed.port + 1;
    begin(&bed, &ask);
    expect_wait(&bed, &ask);
    backdial_cancel(bed.members[0], &ask.dial);
    agent_bed_end(&bed);
}

/* Its client was accepted by one that has left since. */
Test(backdial, to_a_port_goes_to_who_has_that_by_another_word)
{
    struct agent_bed bed;
    struct ask ask;

    agent_bed_start(&bed, REGISTRY_BIND_LOOPBACK);
    agent_bed_claim(agent_bed_add(&bed, "home", 1), "");
    prepare(&ask);
    ask.dial.listened = "localhost";
    ask.dial.listened_port = bed.port;
    begin(&bed, &ask);
    expect(&bed, &ask, ERR_AGAIN);
    prepare(&ask);
    ask.dial.listened = "127.0.0.1";
    ask.dial.listened_port = bed.port;
    begin(&bed, &ask);
    expect_wait(&bed, &ask);
    backdial_cancel(bed.members[0], &ask.dial);
    agent_bed_end(&bed);
}

Test(backdial, to_a_path_is_refused)
{
    struct agent_bed bed;
    struct ask ask;

    agent_bed_start(&bed, REGISTRY_BIND_LOOPBACK);
    prepare(&ask);
    ask.target.kind = TARGET_UNIX;
    begin(&bed, &ask);
    expect(&bed, &ask, ERR_BAD_ADDRESS_TYPE);
    agent_bed_end(&bed);
}

/* --- the transport -------------------------------------------------------- */

Test(reverse, is_at_home_where_the_agent_is)
{
    struct agent_bed bed;
    struct connector connector = {0};
    struct transport *via = NULL;
    const char *why = NULL;
    struct ask ask;

    agent_bed_start(&bed, REGISTRY_BIND_LOOPBACK);
    connector.worker = bed.workers[0];
    cr_assert_eq(transport_reverse_ops.create("home", &connector, bed.registry,
                                              &via, &why),
                 ERR_OK);
    prepare(&ask);
    cr_expect_null(via->ops->home(via, &ask.dial));
    agent_bed_claim(agent_bed_add(&bed, "home", 2), "localhost");
    cr_expect_eq(via->ops->home(via, &ask.dial), bed.workers[2]);
    ask.dial.agent = "work";
    cr_expect_null(via->ops->home(via, &ask.dial));
    dial_start(via, &ask.dial);
    expect_wait(&bed, &ask);
    dial_cancel(&ask.dial);
    via->ops->destroy(via);
    agent_bed_end(&bed);
}

Test(reverse, a_name_that_is_too_long_is_refused)
{
    struct agent_bed bed;
    struct connector connector = {0};
    struct transport *via = NULL;
    const char *why = NULL;
    char name[REGISTRY_NAME_MAX + 2];

    agent_bed_start(&bed, REGISTRY_BIND_LOOPBACK);
    connector.worker = bed.workers[0];
    memset(name, 'a', sizeof(name) - 1);
    name[sizeof(name) - 1] = 0;
    cr_expect_eq(transport_reverse_ops.create(name, &connector, bed.registry,
                                              &via, &why),
                 ERR_MALFORMED);
    cr_expect(why && strstr(why, "255"));
    agent_bed_end(&bed);
}
