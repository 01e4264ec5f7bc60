/* A link to a real sshd, for tests of what stands on one.
 *
 * The server is run as inetd would run it, on one end of a connection of its
 * own, with keys made for the test; it dials the bed's listening socket. */
#ifndef CULVERT_TESTS_UNIT_SSH_BED_H
#define CULVERT_TESTS_UNIT_SSH_BED_H

#include <libssh/libssh.h>
#include <stdbool.h>
#include <sys/types.h>

#include "transport/base/addr.h"
#include "transport/base/target.h"
#include "transport/loop/worker.h"
#include "transport/ssh/sshlink.h"

struct ssh_bed {
    char dir[64];    /* keys and configuration */
    pid_t server;    /* 0 once it was waited for */
    int listener;    /* what channels are opened to */
    union addr addr; /* and where that is */
    struct target target;
    ssh_session session; /* NULL once it is a link's */
    struct sshdest *dest;
    struct worker *worker;
    struct sshlink *link; /* NULL once it is destroyed */
    struct sshlink_load load;
    unsigned downs; /* how often it was said to be down */
    enum err down_err;
    char down_text[256];
    unsigned offers;      /* how many channels the server has offered */
    struct stream *offer; /* the last, which is the test's to close; set to
                           * NULL to wait for the next */
    unsigned offer_port;
    union addr offer_peer;
};

/* Starts a server and logs in. config: further lines for sshd_config, or "". */
void ssh_bed_start(struct ssh_bed *bed, const char *config);

/* Makes the link. */
void ssh_bed_link(struct ssh_bed *bed, struct worker *worker);

/* Opens a channel to a target, and waits for the outcome. */
enum err ssh_bed_open(struct ssh_bed *bed, const struct target *target,
                      struct stream **stream);

/* Opens a channel to the bed's listening socket, and accepts it there: a
 * stream of the link, and a non-blocking descriptor. */
struct stream *ssh_bed_connect(struct ssh_bed *bed, int *fd);

/* Asks the server to listen on a port of an address, or, with ends, to stop;
 * waits for the outcome. bound: where it listens, or NULL. */
enum err ssh_bed_listen(struct ssh_bed *bed, const char *address, unsigned port,
                        bool ends, unsigned *bound);

/* Connects to a port of this machine's loopback, where the server is to listen
 * for us, and waits for the offer. Returns the socket, which blocks. */
int ssh_bed_call(struct ssh_bed *bed, unsigned port);

/* Ends all, also where a part is not there. */
void ssh_bed_end(struct ssh_bed *bed);

#endif
