/* Dials by an agent with a real link: what its answers come to, and what
 * becomes of them when it leaves. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/unit/agent_peer.h"

#define SUCCESS "\5\0\0\1\0\0\0\0\0\0"

static struct agent_peer_bed bed;

static void
answer(struct agent_peer *peer)
{
    agent_peer_listen(peer);
    agent_peer_answer(peer, agent_peer_take_up(peer));
    agent_peer_stay(peer);
}

/* When its port is no more. */
static void
answer_late(struct agent_peer *peer)
{
    int port = (int)peer->bed->agents.port;
    ssh_channel channel;

    agent_peer_listen(peer);
    channel = agent_peer_take_up(peer);
    agent_peer_wait(peer);
    ssh_channel_cancel_forward(peer->session, "localhost", port);
    agent_peer_answer(peer, channel);
    agent_peer_stay(peer);
}

/* Leaves while it owes an answer. */
static void
leave_asked(struct agent_peer *peer)
{
    agent_peer_listen(peer);
    agent_peer_take_up(peer);
    agent_peer_wait(peer);
}

/* Waits until a channel that it has taken up, the second, is closed. */
static void
see_close(struct agent_peer *peer)
{
    ssh_channel channel;
    char byte;

    agent_peer_listen(peer);
    agent_peer_take_up(peer);
    channel = agent_peer_take_up(peer);
    peer->is_ready = true;
    while (ssh_channel_read(channel, &byte, 1, 0) > 0)
        continue;
}

struct ask {
    struct dial dial;
    struct target target;
    unsigned outcomes;
};

static void
on_done(struct dial *dial)
{
    ((struct ask *)dial->owner)->outcomes++;
}

static void
begin(struct ask *ask, unsigned worker)
{
    memset(ask, 0, sizeof(*ask));
    target_set_host(&ask->target, "db", 2, 80);
    ask->dial.target = &ask->target;
    ask->dial.done = on_done;
    ask->dial.owner = ask;
    backdial_start(bed.agents.members[worker], "home", &ask->dial);
}

/* An agent on worker 1 that has a port and answers there. */
static struct agent *
start_answering(struct agent_peer *peer,
                void (*script)(struct agent_peer *peer), const char *bytes,
                size_t len)
{
    struct sshserver_login *login = agent_peer_start(&bed, peer, script);

    peer->answer = bytes;
    peer->answer_len = len;
    agent_start(bed.agents.members[1], login, "home");
    AGENT_PEER_UNTIL(&bed, bed.agents.registry->ports);
    return bed.agents.registry->agents;
}

static void
end_answering(struct agent_peer *peer, struct ask *ask)
{
    if (ask->dial.stream)
        stream_close(ask->dial.stream, STREAM_GRACEFUL);
    registry_kick(bed.agents.registry, "home");
    agent_peer_part(peer);
    agent_peer_bed_end(&bed);
}

/* The target's own bytes are left in the stream. */
Test(agent, dials_a_target)
{
    static const char answer_bytes[] = "\5\xc1" SUCCESS "hello";
    char bytes[16] = "";
    size_t got = 0;
    struct agent *agent;
    struct agent_peer peer;
    struct ask ask;

    agent_peer_bed_start(&bed);
    agent =
        start_answering(&peer, answer, answer_bytes, sizeof(answer_bytes) - 1);
    begin(&ask, 1);
    AGENT_PEER_UNTIL(&bed, ask.outcomes);
    cr_assert_eq(ask.dial.err, ERR_OK);
    AGENT_PEER_UNTIL(&bed, stream_read(ask.dial.stream, bytes, sizeof(bytes),
                                       &got) == ERR_OK);
    cr_expect_eq(got, 5);
    cr_expect_str_eq(bytes, "hello");
    cr_expect(agent->is_culvert);
    cr_expect_eq(agent->claims->nature, CLAIM_SOCKS);
    cr_expect_null(agent->dials);
    end_answering(&peer, &ask);
}

Test(agent, tells_why_it_could_not)
{
    static const char answer_bytes[] = "\5\0\5\5\0\1\0\0\0\0\0\0";
    struct agent_peer peer;
    struct ask ask;

    agent_peer_bed_start(&bed);
    start_answering(&peer, answer, answer_bytes, sizeof(answer_bytes) - 1);
    begin(&ask, 1);
    AGENT_PEER_UNTIL(&bed, ask.outcomes);
    cr_expect_eq(ask.dial.err, ERR_REFUSED);
    cr_expect_null(ask.dial.stream);
    end_answering(&peer, &ask);
}

Test(agent, with_something_else_behind_its_port_is_not_asked_again)
{
    struct agent *agent;
    struct agent_peer peer;
    struct ask ask;

    agent_peer_bed_start(&bed);
    agent = start_answering(&peer, answer, "HTTP/1.1 400", 12);
    begin(&ask, 1);
    AGENT_PEER_UNTIL(&bed, ask.outcomes);
    cr_expect_eq(ask.dial.err, ERR_TRANSPORT_DOWN);
    cr_expect_eq(agent->claims->nature, CLAIM_FIXED);
    begin(&ask, 1);
    AGENT_PEER_UNTIL(&bed, ask.outcomes);
    cr_expect_eq(ask.dial.err, ERR_TRANSPORT_DOWN);
    end_answering(&peer, &ask);
}

/* The dial goes on; what it finds out is of no port any more. */
Test(agent, answers_when_its_port_has_gone)
{
    static const char answer_bytes[] = "\5\0" SUCCESS;
    struct agent *agent;
    struct agent_peer peer;
    struct ask ask;

    agent_peer_bed_start(&bed);
    agent = start_answering(&peer, answer_late, answer_bytes,
                            sizeof(answer_bytes) - 1);
    begin(&ask, 1);
    AGENT_PEER_UNTIL(&bed, peer.is_ready);
    peer.go_on = true;
    AGENT_PEER_UNTIL(&bed, ask.outcomes);
    cr_expect_eq(ask.dial.err, ERR_OK);
    cr_expect_null(agent->claims);
    cr_expect_null(bed.agents.registry->ports);
    end_answering(&peer, &ask);
}

/* Its dial goes to another, of whatever worker. */
Test(agent, that_leaves_owing_an_answer_is_replaced)
{
    struct agent_peer peer;
    struct ask ask;

    agent_peer_bed_start(&bed);
    start_answering(&peer, leave_asked, NULL, 0);
    begin(&ask, 1);
    AGENT_PEER_UNTIL(&bed, peer.is_ready);
    cr_expect_eq(ask.dial.late, ERR_TIMED_OUT);
    agent_peer_part(&peer);
    AGENT_PEER_UNTIL(&bed, agent_peer_count(&bed) == 0);
    cr_expect_eq(ask.outcomes, 0);
    cr_expect_eq(ask.dial.late, ERR_TRANSPORT_DOWN);
    cr_expect(bed.agents.members[1]->waiting);
    agent_bed_claim(agent_bed_add(&bed.agents, "home", 2), "localhost");
    AGENT_PEER_UNTIL(&bed, ask.outcomes);
    cr_expect_eq(ask.dial.err, ERR_AGAIN);
    agent_peer_bed_end(&bed);
}

/* A dial does not lose one agent after the other for ever. */
Test(agent, that_is_lost_after_many_others_is_the_last)
{
    struct agent_peer peer;
    struct ask ask;

    agent_peer_bed_start(&bed);
    start_answering(&peer, leave_asked, NULL, 0);
    begin(&ask, 1);
    ask.dial.lost_ = 3;
    AGENT_PEER_UNTIL(&bed, peer.is_ready);
    agent_peer_part(&peer);
    AGENT_PEER_UNTIL(&bed, ask.outcomes);
    cr_expect_eq(ask.dial.err, ERR_TRANSPORT_DOWN);
    agent_peer_bed_end(&bed);
}

/* At each stage; the agent sees the channel close. */
Test(agent, whose_dial_is_cancelled_has_no_channel_left)
{
    struct agent *agent;
    struct agent_peer peer;
    struct ask ask;

    agent_peer_bed_start(&bed);
    agent = start_answering(&peer, see_close, NULL, 0);
    begin(&ask, 1);
    backdial_cancel(bed.agents.members[1], &ask.dial);
    cr_expect_null(agent->dials);
    begin(&ask, 1);
    AGENT_PEER_UNTIL(&bed, ask.dial.late == ERR_TIMED_OUT && peer.is_ready);
    cr_expect_eq(agent->dials->stage, BACKDIAL_TALKING);
    backdial_cancel(bed.agents.members[1], &ask.dial);
    cr_expect_null(agent->dials);
    agent_peer_part(&peer);
    AGENT_PEER_UNTIL(&bed, agent_peer_count(&bed) == 0);
    cr_expect_eq(ask.outcomes, 0);
    agent_peer_bed_end(&bed);
}
