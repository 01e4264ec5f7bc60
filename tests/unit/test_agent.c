/* Agents with real links: how they come, and in which ways they go. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/agent_peer.h"

static struct agent_peer_bed bed;

static void
listen_and_stay(struct agent_peer *peer)
{
    agent_peer_listen(peer);
    agent_peer_stay(peer);
}

Test(agent, comes_and_leaves)
{
    struct sshserver_login *login;
    struct registry_row *rows;
    struct agent_peer peer;

    agent_peer_bed_start(&bed);
    login = agent_peer_start(&bed, &peer, agent_peer_wait);
    agent_start(bed.agents.members[1], login, "home");
    cr_expect_eq(bed.agents.taken, 1);
    cr_assert_eq(registry_rows(bed.agents.registry, &rows), 1);
    cr_expect_str_eq(rows->name, "home");
    cr_expect_str_eq(rows->user, "me");
    cr_expect_eq(strncmp(rows->software, "SSH-2.0-libssh", 14), 0);
    cr_expect_eq(rows->worker, 1);
    free(rows);
    agent_peer_part(&peer);
    AGENT_PEER_UNTIL(&bed, agent_peer_count(&bed) == 0);
    cr_expect_eq(bed.agents.ended, 1);
    cr_expect_eq(bed.agents.released, 1);
    cr_expect_eq(bed.agents.taken, 0);
    agent_peer_bed_end(&bed);
}

/* Those of its name alone, on whatever worker they are. */
Test(agent, is_kicked)
{
    struct agent_peer peers[3];

    agent_peer_bed_start(&bed);
    agent_start(bed.agents.members[0],
                agent_peer_start(&bed, &peers[0], agent_peer_stay), "home");
    agent_start(bed.agents.members[2],
                agent_peer_start(&bed, &peers[1], listen_and_stay), "home");
    agent_start(bed.agents.members[2],
                agent_peer_start(&bed, &peers[2], agent_peer_stay), "work");
    AGENT_PEER_UNTIL(&bed, peers[1].is_ready);
    cr_expect_eq(registry_kick(bed.agents.registry, "HOME"), 2);
    cr_expect_eq(registry_kick(bed.agents.registry, "home"), 0);
    AGENT_PEER_UNTIL(&bed, peers[0].is_over && peers[1].is_over);
    cr_expect_eq(agent_peer_count(&bed), 1);
    cr_expect_eq(bed.agents.ended, 2);
    cr_expect_eq(agent_bed_knock(&bed.agents, "127.0.0.1"), -1);
    cr_expect_not(peers[2].is_over);
    cr_expect_eq(registry_kick(bed.agents.registry, "work"), 1);
    for (int i = 0; i < 3; i++)
        agent_peer_part(&peers[i]);
    agent_peer_bed_end(&bed);
}

/* Before the first has arrived, the second goes elsewhere. */
Test(agent, goes_where_the_fewest_are)
{
    struct registry_row *rows;
    struct agent_peer peers[4];
    unsigned on[AGENT_BED_WORKERS] = {0};

    agent_peer_bed_start(&bed);
    agent_start(bed.agents.members[0],
                agent_peer_start(&bed, &peers[0], agent_peer_stay), "home");
    for (int i = 1; i < 4; i++)
        registry_add(bed.agents.registry,
                     agent_peer_start(&bed, &peers[i], agent_peer_stay),
                     "home");
    agent_bed_settle(&bed.agents);
    cr_assert_eq(registry_rows(bed.agents.registry, &rows), 4);
    for (int i = 0; i < 4; i++)
        on[rows[i].worker]++;
    free(rows);
    cr_expect(on[0] <= 2 && on[1] >= 1 && on[2] >= 1);
    for (unsigned i = 0; i < AGENT_BED_WORKERS; i++)
        cr_expect_eq(bed.agents.registry->arriving[i], 0);
    registry_kick(bed.agents.registry, "home");
    for (int i = 0; i < 4; i++)
        agent_peer_part(&peers[i]);
    agent_peer_bed_end(&bed);
}

/* While it is on its way there, its worker begins to drain, or stops. */
Test(agent, that_comes_too_late_is_dropped)
{
    struct agent_peer peers[2];

    agent_peer_bed_start(&bed);
    registry_add(bed.agents.registry,
                 agent_peer_start(&bed, &peers[0], agent_peer_stay), "home");
    for (unsigned i = 0; i < AGENT_BED_WORKERS; i++)
        member_drain(bed.agents.members[i]);
    agent_bed_settle(&bed.agents);
    cr_expect_eq(bed.agents.released, 1);
    agent_peer_part(&peers[0]);
    for (unsigned i = 0; i < AGENT_BED_WORKERS; i++)
        member_stop(bed.agents.members[i]);
    registry_add(bed.agents.registry,
                 agent_peer_start(&bed, &peers[1], agent_peer_stay), "home");
    cr_expect_eq(bed.agents.released, 2);
    agent_peer_part(&peers[1]);
    cr_expect_eq(bed.agents.ended, 0);
    cr_expect_eq(agent_peer_count(&bed), 0);
    agent_peer_bed_end(&bed);
}

Test(agent, is_ended_with_its_worker)
{
    struct agent_peer peer;

    agent_peer_bed_start(&bed);
    agent_start(bed.agents.members[1],
                agent_peer_start(&bed, &peer, listen_and_stay), "home");
    AGENT_PEER_UNTIL(&bed, peer.is_ready);
    member_stop(bed.agents.members[1]);
    cr_expect_eq(bed.agents.ended, 1);
    cr_expect_eq(bed.agents.released, 1);
    cr_expect_eq(bed.agents.taken, 0);
    agent_peer_part(&peer);
    agent_peer_bed_end(&bed);
}
