/* Ports of agents: who has them, and how they are handed over from worker to
 * worker. The test runs the workers' loops, one after the other, and so decides
 * when mail arrives. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "tests/unit/agent_bed.h"
#include "tests/unit/log_sink.h"
#include "tests/unit/loop_help.h"

/* As agentport.c has it. */
#define CLAIMS_MAX 64

Test(agentport, the_newest_has_it_and_then_the_one_before)
{
    struct agent_bed bed;
    struct agent *first;
    struct agent *second;

    agent_bed_start(&bed, REGISTRY_BIND_LOOPBACK);
    cr_expect_eq(agent_bed_visit(&bed, "127.0.0.1"), -1);
    first = agent_bed_add(&bed, "home", 1);
    cr_assert_eq(agent_bed_claim(first, "localhost"), ERR_OK);
    cr_expect_eq(agent_bed_visit(&bed, "127.0.0.1"), 1);
    if (bed.has_v6)
        cr_expect_eq(agent_bed_visit(&bed, "::1"), 1);
    second = agent_bed_add(&bed, "HOME", 2);
    cr_assert_eq(agent_bed_claim(second, "localhost"), ERR_OK);
    agent_bed_settle(&bed);
    cr_expect_eq(agent_bed_visit(&bed, "127.0.0.1"), 2);
    agent_bed_remove(second);
    agent_bed_settle(&bed);
    cr_expect_eq(agent_bed_visit(&bed, "127.0.0.1"), 1);
    agent_bed_remove(first);
    cr_expect_eq(agent_bed_visit(&bed, "127.0.0.1"), -1);
    agent_bed_end(&bed);
}

Test(agentport, one_that_is_displaced_and_leaves_takes_nothing_along)
{
    struct agent_bed bed;
    struct agent *first;

    agent_bed_start(&bed, REGISTRY_BIND_LOOPBACK);
    first = agent_bed_add(&bed, "home", 0);
    agent_bed_claim(first, "localhost");
    agent_bed_settle(&bed);
    agent_bed_claim(agent_bed_add(&bed, "home", 1), "localhost");
    /* The mail to have the first stop is on its way. */
    agent_bed_remove(first);
    agent_bed_settle(&bed);
    cr_expect_eq(agent_bed_visit(&bed, "127.0.0.1"), 1);
    agent_bed_end(&bed);
}

Test(agentport, one_that_leaves_before_it_could_begin_is_passed_over)
{
    struct agent_bed bed;
    struct agent *second;

    agent_bed_start(&bed, REGISTRY_BIND_LOOPBACK);
    agent_bed_claim(agent_bed_add(&bed, "home", 0), "localhost");
    agent_bed_settle(&bed);
    second = agent_bed_add(&bed, "home", 1);
    agent_bed_claim(second, "localhost");
    worker_settle(bed.workers[0]); /* which has stopped now */
    agent_bed_remove(second);
    agent_bed_settle(&bed);
    cr_expect_eq(agent_bed_visit(&bed, "127.0.0.1"), 0);
    agent_bed_end(&bed);
}

/* Who is connected when the port changes hands is told of once. */
Test(agentport, what_is_in_the_queue_is_not_lost)
{
    struct agent_bed bed;
    struct agent *first;
    int queued[2];

    agent_bed_start(&bed, REGISTRY_BIND_LOOPBACK);
    first = agent_bed_add(&bed, "home", 0);
    agent_bed_claim(first, "localhost");
    worker_settle(bed.workers[0]);
    queued[0] = agent_bed_knock(&bed, "127.0.0.1");
    agent_bed_claim(agent_bed_add(&bed, "home", 1), "localhost");
    worker_settle(bed.workers[0]);
    cr_expect_eq(bed.client_count, 1);
    cr_expect_eq(bed.clients[0].worker, 0);
    cr_expect_str_eq(bed.clients[0].listened, "localhost");
    queued[1] = agent_bed_knock(&bed, "127.0.0.1"); /* nobody accepts now */
    agent_bed_turn(&bed);
    cr_expect_eq(bed.client_count, 2);
    cr_expect_eq(bed.clients[1].worker, 1);
    close(queued[0]);
    close(queued[1]);
    agent_bed_end(&bed);
}

Test(agentport, a_cancelled_one_takes_what_is_queued_and_closes)
{
    struct agent_bed bed;
    struct agent *agent;
    int queued;

    agent_bed_start(&bed, REGISTRY_BIND_LOOPBACK);
    agent = agent_bed_add(&bed, "home", 2);
    agent_bed_claim(agent, "localhost");
    cr_expect_eq(agent_bed_cancel(agent, "127.0.0.1"), ERR_NO_SUCH_PATH);
    agent_bed_settle(&bed);
    queued = agent_bed_knock(&bed, "127.0.0.1");
    cr_expect_eq(agent_bed_cancel(agent, "localhost"), ERR_OK);
    cr_expect_eq(agent_bed_cancel(agent, "localhost"), ERR_NO_SUCH_PATH);
    agent_bed_settle(&bed);
    cr_expect_eq(bed.client_count, 1);
    cr_expect_eq(agent_bed_knock(&bed, "127.0.0.1"), -1);
    cr_expect_null(agent->claims);
    close(queued);
    agent_bed_end(&bed);
}

/* Before the mail that closes it has come, the port is there still. */
Test(agentport, a_cancelled_one_is_had_again_at_once)
{
    struct agent_bed bed;
    struct agent *agent;

    agent_bed_start(&bed, REGISTRY_BIND_LOOPBACK);
    agent = agent_bed_add(&bed, "home", 2);
    agent_bed_claim(agent, "localhost");
    agent_bed_settle(&bed);
    cr_expect_eq(agent_bed_claim(agent, "localhost"), ERR_ADDR_IN_USE);
    cr_expect_eq(agent_bed_cancel(agent, "localhost"), ERR_OK);
    cr_expect_eq(agent_bed_claim(agent, "localhost"), ERR_OK);
    agent_bed_settle(&bed);
    cr_expect_eq(agent_bed_visit(&bed, "127.0.0.1"), 2);
    cr_expect_null(agent->claims->next);
    agent_bed_end(&bed);
}

Test(agentport, anothers_is_refused_until_that_has_left)
{
    struct agent_bed bed;
    struct agent *owner;
    struct agent *other;

    agent_bed_start(&bed, REGISTRY_BIND_LOOPBACK);
    owner = agent_bed_add(&bed, "home", 0);
    other = agent_bed_add(&bed, "work", 1);
    agent_bed_claim(owner, "localhost");
    cr_expect_eq(agent_bed_claim(other, ""), ERR_ADDR_IN_USE);
    cr_expect_eq(agent_bed_cancel(other, "localhost"), ERR_NO_SUCH_PATH);
    cr_expect_eq(agent_bed_visit(&bed, "127.0.0.1"), 0);
    agent_bed_remove(owner);
    agent_bed_settle(&bed);
    cr_expect_eq(agent_bed_claim(other, ""), ERR_OK);
    agent_bed_settle(&bed);
    cr_expect_eq(agent_bed_visit(&bed, "127.0.0.1"), 1);
    cr_expect_str_eq(bed.clients[1].name, "work");
    agent_bed_end(&bed);
}

Test(agentport, one_that_is_taken_in_one_family_leaves_nothing_open)
{
    struct agent_bed bed;

    agent_bed_start(&bed, REGISTRY_BIND_LOOPBACK);
    if (!bed.has_v6)
        cr_skip_test("no IPv6");
    cr_assert_eq(listen(bed.guards[1], 1), 0);
    cr_expect_eq(agent_bed_claim(agent_bed_add(&bed, "home", 0), "localhost"),
                 ERR_ADDR_IN_USE);
    cr_expect_eq(sockets_open_count(), bed.descriptors);
    cr_expect_eq(bed.taken, 0);
    cr_expect_eq(agent_bed_knock(&bed, "127.0.0.1"), -1);
    agent_bed_end(&bed);
}

Test(agentport, port_0_is_one_of_its_own_each_time)
{
    struct agent_bed bed;
    struct agent *agent;
    struct sshlink_asked asked = {.address = "localhost"};
    unsigned first;

    agent_bed_start(&bed, REGISTRY_BIND_LOOPBACK);
    agent = agent_bed_add(&bed, "home", 0);
    cr_assert_eq(agentport_claim(agent, &asked), ERR_OK);
    first = asked.bound;
    cr_expect_gt(first, 0);
    cr_assert_eq(agentport_claim(agent, &asked), ERR_OK);
    cr_expect_neq(asked.bound, first);
    for (struct claim *claim = agent->claims; claim; claim = claim->next)
        cr_expect_eq(claim->port->sockets, bed.has_v6 ? 2 : 1);
    agent_bed_end(&bed);
}

Test(agentport, refusals_take_nothing)
{
    struct agent_bed bed;
    struct agent *agent;
    char longest[CLAIM_ADDRESS_MAX + 2];

    agent_bed_start(&bed, REGISTRY_BIND_AS_ASKED);
    agent = agent_bed_add(&bed, "home", 0);
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = 0;
    cr_expect_eq(agent_bed_claim(agent, longest), ERR_MALFORMED);
    cr_expect_eq(agent_bed_claim(agent, "local host"), ERR_MALFORMED);
    cr_expect_eq(agent_bed_claim(agent, "a,b"), ERR_MALFORMED);
    cr_expect_eq(agent_bed_claim(agent, "a\x7f"), ERR_MALFORMED);
    cr_expect_eq(agent_bed_claim(agent, "some.name"), ERR_ADDR_NOT_AVAILABLE);
    cr_expect_eq(agent_bed_claim(agent, "192.0.2.1"), ERR_ADDR_NOT_AVAILABLE);
    bed.no_rule = true;
    cr_expect_eq(agent_bed_claim(agent, "localhost"), ERR_DENIED);
    bed.no_rule = false;
    bed.no_descriptors = true;
    cr_expect_eq(agent_bed_claim(agent, "localhost"), ERR_NO_DESCRIPTORS);
    cr_expect_null(agent->claims);
    cr_expect_null(bed.registry->ports);
    cr_expect_eq(sockets_open_count(), bed.descriptors);
    agent_bed_end(&bed);
}

Test(agentport, one_agent_has_only_so_many)
{
    struct agent_bed bed;
    struct agent *agent;
    struct sshlink_asked asked = {.address = "127.0.0.1"};

    agent_bed_start(&bed, REGISTRY_BIND_LOOPBACK);
    agent = agent_bed_add(&bed, "home", 0);
    for (int i = 0; i < CLAIMS_MAX; i++)
        cr_assert_eq(agentport_claim(agent, &asked), ERR_OK);
    cr_expect_eq(bed.taken, 2 * CLAIMS_MAX);
    cr_expect_eq(agentport_claim(agent, &asked), ERR_LIMIT);
    agent_bed_settle(&bed);
    cr_expect_eq(sockets_open_count(), bed.descriptors + 2 * CLAIMS_MAX);
    agent_bed_end(&bed);
}

/* --- the end of the program ----------------------------------------------- */

Test(agentport, one_that_drains_has_it_no_more)
{
    struct agent_bed bed;
    struct agent *first;
    struct agent *second;

    agent_bed_start(&bed, REGISTRY_BIND_LOOPBACK);
    first = agent_bed_add(&bed, "home", 0);
    second = agent_bed_add(&bed, "home", 1);
    agent_bed_claim(first, "localhost");
    agent_bed_claim(second, "localhost");
    agent_bed_settle(&bed);
    member_drain(bed.members[1]);
    agent_bed_settle(&bed);
    cr_expect_eq(agent_bed_visit(&bed, "127.0.0.1"), 0);
    member_drain(bed.members[0]);
    cr_expect_eq(agent_bed_visit(&bed, "127.0.0.1"), -1);
    cr_expect_eq(bed.taken, 0);
    cr_expect(first->claims && second->claims);
    agent_bed_end(&bed);
}

Test(agentport, one_that_drains_is_granted_none)
{
    struct agent_bed bed;
    struct agent *agent;

    agent_bed_start(&bed, REGISTRY_BIND_LOOPBACK);
    agent = agent_bed_add(&bed, "home", 0);
    member_drain(bed.members[0]);
    cr_expect_eq(agent_bed_claim(agent, "localhost"), ERR_SHUTDOWN);
    cr_expect_null(bed.registry->ports);
    agent_bed_end(&bed);
}

/* Members stop one after the other, with mail to each other still on its way
 * when the last has stopped. */
Test(agentport, one_that_is_on_its_way_at_the_end_is_closed)
{
    struct agent_bed bed;
    struct agent *agents[AGENT_BED_WORKERS];

    agent_bed_start(&bed, REGISTRY_BIND_LOOPBACK);
    for (unsigned i = 0; i < AGENT_BED_WORKERS; i++) {
        agents[i] = agent_bed_add(&bed, "home", i);
        agent_bed_claim(agents[i], "localhost");
    }
    worker_settle(bed.workers[0]);
    for (unsigned i = AGENT_BED_WORKERS; i-- > 0;)
        agent_bed_remove(agents[i]);
    agent_bed_settle(&bed);
    cr_expect_null(bed.registry->ports);
    cr_expect_eq(agent_bed_knock(&bed, "127.0.0.1"), -1);
    agent_bed_end(&bed);
}

Test(agentport, who_is_displaced_is_told_in_the_log)
{
    struct log_sink *sink = log_sink_new(LOG_INFO, LOG_TEXT);
    struct agent_bed bed;
    const char *text;

    agent_bed_start(&bed, REGISTRY_BIND_LOOPBACK);
    agent_bed_claim(agent_bed_add(&bed, "home", 0), "localhost");
    agent_bed_claim(agent_bed_add(&bed, "home", 1), "");
    agent_bed_end(&bed);
    text = log_sink_text(sink);
    cr_expect(strstr(text, "state=displaced"), "%s", text);
    cr_expect_null(strstr(strstr(text, "displaced") + 1, "displaced"));
}
