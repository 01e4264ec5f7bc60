#include "tests/unit/agent_peer.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* A greeting and a request for a name of two letters. */
#define ASKED_BYTES 13

/* --- the client's side ---------------------------------------------------- */

void
agent_peer_wait(struct agent_peer *peer)
{
    peer->is_ready = true;
    while (!peer->go_on)
        poll(NULL, 0, 1);
}

void
agent_peer_stay(struct agent_peer *peer)
{
    struct pollfd news = {.fd = ssh_get_fd(peer->session), .events = POLLIN};

    peer->is_ready = true;
    while (ssh_is_connected(peer->session)) {
        poll(&news, 1, 5);
        ssh_channel_open_forward_port(peer->session, 0, NULL, NULL, NULL);
    }
}

void
agent_peer_listen(struct agent_peer *peer)
{
    int port = (int)peer->bed->agents.port;

    if (ssh_channel_listen_forward(peer->session, "localhost", port, NULL) !=
        SSH_OK)
        abort();
}

ssh_channel
agent_peer_take_up(struct agent_peer *peer)
{
    char asked[ASKED_BYTES];
    ssh_channel channel = NULL;
    int len = 0;
    int got = 1;

    while (!channel)
        channel =
            ssh_channel_open_forward_port(peer->session, 50, NULL, NULL, NULL);
    while (len < ASKED_BYTES && got > 0) {
        got = ssh_channel_read(channel, asked + len,
                               (uint32_t)(ASKED_BYTES - len), 0);
        len += got > 0 ? got : 0;
    }
    return channel;
}

void
agent_peer_answer(struct agent_peer *peer, ssh_channel channel)
{
    ssh_channel_write(channel, peer->answer, (uint32_t)peer->answer_len);
}

static void *
run_peer(void *arg)
{
    struct agent_peer *peer = arg;

    peer->session = sshserver_bed_connect(&peer->bed->server, 1);
    if (!peer->session ||
        ssh_userauth_password(peer->session, NULL, SSHSERVER_BED_PASSWORD) !=
            SSH_AUTH_SUCCESS)
        abort();
    peer->script(peer);
    ssh_free(peer->session); /* with its descriptor */
    peer->is_over = true;
    return NULL;
}

/* --- ours ----------------------------------------------------------------- */

void
agent_peer_bed_start(struct agent_peer_bed *bed)
{
    agent_bed_start(&bed->agents, REGISTRY_BIND_LOOPBACK);
    sshserver_bed_start(&bed->server, 1, NULL);
}

void
agent_peer_bed_end(struct agent_peer_bed *bed)
{
    bed->server.released += bed->agents.released;
    sshserver_bed_end(&bed->server);
    agent_bed_end(&bed->agents);
}

struct sshserver_login *
agent_peer_start(struct agent_peer_bed *bed, struct agent_peer *peer,
                 void (*script)(struct agent_peer *peer))
{
    struct sshserver_login *login;

    memset(peer, 0, sizeof(*peer));
    peer->bed = bed;
    peer->script = script;
    cr_assert_eq(pthread_create(&peer->thread, NULL, run_peer, peer), 0);
    login = sshserver_bed_wait(&bed->server);
    cr_assert(login);
    return login;
}

void
agent_peer_part(struct agent_peer *peer)
{
    peer->go_on = true;
    AGENT_PEER_UNTIL(peer->bed, peer->is_over);
    pthread_join(peer->thread, NULL);
}

unsigned
agent_peer_count(struct agent_peer_bed *bed)
{
    struct registry_row *rows = NULL;
    unsigned count = registry_rows(bed->agents.registry, &rows);

    free(rows);
    return count;
}
