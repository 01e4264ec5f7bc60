/* What the tests of connections share: targets that answer, refuse or stay
 * silent, and an asker that keeps what it is told. */
#ifndef CULVERT_TESTS_UNIT_CONNECT_BED_H
#define CULVERT_TESTS_UNIT_CONNECT_BED_H

#include <stdint.h>

#include "tests/unit/net_bed.h"
#include "transport/net/connect.h"

#define FILLERS 4

/* One connection being asked for, and how it ended. */
struct ask {
    struct net_bed *bed;
    struct connector connector;
    struct connect *connect;
    const char *denied; /* permit says no to it; "*": to all */
    unsigned permits;
    unsigned done;
    enum err err;
    int fd;
    union addr remote;
    double started;
    double seconds;
};

/* An address whose listener's queue is full: a SYN gets no answer. */
struct hole {
    int listener;
    int fillers[FILLERS];
};

/* A literal as an address. */
union addr connect_bed_addr(const char *text, uint16_t port);

/* Listens on an address; port 0 picks one. Returns the descriptor. */
int connect_bed_listen(const char *text, uint16_t *port, int backlog);

struct hole hole_open(const char *text, uint16_t *port);
void hole_close(struct hole *hole);

/* A port that nobody listens on, on any of the loopback's addresses. */
uint16_t connect_bed_free_port(void);

/* How many descriptors this process has open. */
unsigned connect_bed_descriptors(void);

/* An asker whose connector is the bed's. */
void ask_init(struct ask *ask, struct net_bed *bed);

/* Starts to connect; ask_host waits for the outcome too. */
void ask_start(struct ask *ask, const struct target *target);
void ask_start_host(struct ask *ask, const char *host, uint16_t port);
void ask_host(struct ask *ask, const char *host, uint16_t port);

/* The callback that ask_start asks for, for tests that ask by themselves. */
void ask_done(void *arg, enum err err, int fd, const union addr *remote);

/* It is connected to this peer; closes it. */
void ask_check_connected(struct ask *ask, const char *host, uint16_t port);
void ask_check_failed(const struct ask *ask, enum err err);

/* It took so long. */
void ask_check_seconds(const struct ask *ask, double least, double most);

#endif
