/* Agents with real links: clients of libssh's on threads of their own, which
 * have logged in to a real server; the test runs the loops of the workers that
 * they are on. */
#ifndef CULVERT_TESTS_UNIT_AGENT_PEER_H
#define CULVERT_TESTS_UNIT_AGENT_PEER_H

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include "tests/unit/agent_bed.h"
#include "tests/unit/loop_help.h"
#include "tests/unit/sshserver_bed.h"
#include "transport/base/clock.h"

struct agent_peer_bed {
    struct agent_bed agents;
    struct sshserver_bed server;
};

struct agent_peer {
    struct agent_peer_bed *bed;
    pthread_t thread;
    void (*script)(struct agent_peer *peer); /* on its thread, logged in */
    const char *answer; /* for the script: what to say on a channel */
    size_t answer_len;
    ssh_session session;
    atomic_bool is_ready; /* the script has come to where it waits, */
    atomic_bool go_on;    /* and may go on */
    atomic_bool is_over;
};

void agent_peer_bed_start(struct agent_peer_bed *bed);

/* All peers have left. */
void agent_peer_bed_end(struct agent_peer_bed *bed);

/* Starts one, and gives its login when that is there. */
struct sshserver_login *
agent_peer_start(struct agent_peer_bed *bed, struct agent_peer *peer,
                 void (*script)(struct agent_peer *peer));

/* Lets it go on, and runs the loops until it is over. */
void agent_peer_part(struct agent_peer *peer);

/* How many agents the registry has. */
unsigned agent_peer_count(struct agent_peer_bed *bed);

/* Runs the workers' loops until something is so. */
#define AGENT_PEER_UNTIL(bed, condition)                       \
    do {                                                       \
        double until_ = clock_seconds();                       \
        until_ += LOOP_PATIENCE_SECONDS;                       \
        while (!(condition)) {                                 \
            cr_assert_lt(clock_seconds(), until_, #condition); \
            agent_bed_turn(&(bed)->agents);                    \
            poll(NULL, 0, 1);                                  \
        }                                                      \
    } while (0)

/* --- parts of scripts ----------------------------------------------------- */

/* Says that it is ready, and waits until it may go on. */
void agent_peer_wait(struct agent_peer *peer);

/* The same until the server ends it. */
void agent_peer_stay(struct agent_peer *peer);

/* Asks for the bed's port, by localhost. */
void agent_peer_listen(struct agent_peer *peer);

/* Takes up a channel, and reads what it is asked there for a name of two
 * letters. */
ssh_channel agent_peer_take_up(struct agent_peer *peer);

/* Says what it has to. */
void agent_peer_answer(struct agent_peer *peer, ssh_channel channel);

#endif
