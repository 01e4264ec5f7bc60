/* How much of a channel's send window is used at a time.
 *
 * A server grants a window for the longest path. On a near one a bulk upload
 * that uses all of it only builds a queue before the server, behind which every
 * keystroke of the link waits: 2 MB are 3 ms of the fastest server. So there we
 * keep no more under way than the server needs to go on, which the size of its
 * window adjustments tells: sshd sends one for each 96 KiB, others when half of
 * the window is used. Pure. */
#ifndef CULVERT_TRANSPORT_SSH_SSHPACE_H
#define CULVERT_TRANSPORT_SSH_SSHPACE_H

#include <stdbool.h>
#include <stdint.h>

/* A path with a shorter round trip is near. */
#define SSHPACE_NEAR_SECONDS 0.002

/* What is known of a server. Zero to begin with. */
struct sshpace_server {
    uint32_t grain; /* the smallest adjustment seen; 0: none yet */
};

/* And of a channel. Zero to begin with. */
struct sshpace {
    uint32_t high;  /* the largest window seen */
    uint32_t last;  /* what it is by our own count */
    bool moved;     /* something was sent since sshpace_look looked */
    unsigned loose; /* how often the bound is doubled, as nothing came */
};

/* How many bytes may be sent now, with this window. is_near: the path is short;
 * if not, all of the window is used. */
uint32_t sshpace_room(struct sshpace *pace, struct sshpace_server *server,
                      uint32_t window, bool is_near);

/* So many have been sent. */
void sshpace_sent(struct sshpace *pace, uint32_t bytes);

/* Called now and then while it waits for room, longer apart than an answer of
 * a near server takes: if nothing could be sent since, though the window is
 * open, the server may wait for more than we think. That the window is what it
 * was tells nothing: bulk waits at the same one again and again. */
void sshpace_look(struct sshpace *pace, uint32_t window);

#endif
