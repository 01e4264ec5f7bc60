/* An SSH server's door with an admission of its own, and clients of libssh's in
 * threads. */
#ifndef CULVERT_TESTS_UNIT_SSHSERVER_BED_H
#define CULVERT_TESTS_UNIT_SSHSERVER_BED_H

#include <libssh/libssh.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "transport/base/addr.h"
#include "transport/ssh/sshserver_parts.h"

#define SSHSERVER_BED_PASSWORD "open sesame"

/* Logins that a bed keeps. */
#define SSHSERVER_BED_MAX 256

struct sshserver_bed {
    struct sshserver *server;
    struct sshhostkeys keys;
    char dir[64];
    int listener;
    union addr addr;
    ssh_key good; /* the one that is let in */
    uint8_t *blob;
    size_t blob_len;

    atomic_uint asked;
    atomic_uint cancelled;
    atomic_uint granted;
    atomic_uint released;
    atomic_bool mute;         /* questions are not answered */
    atomic_bool lacks_memory; /* nor even taken */
    atomic_bool full;         /* no descriptors */

    pthread_mutex_t lock;
    pthread_cond_t news;
    struct sshserver_login *logins[SSHSERVER_BED_MAX]; /* under it */
    unsigned count;
};

/* Made by hand before the start where it matters: times, loops. */
void sshserver_bed_start(struct sshserver_bed *bed, unsigned loops,
                         const struct sshserver_times *times);
/* Stops and destroys all, and checks that no grant is left. */
void sshserver_bed_end(struct sshserver_bed *bed);

/* Waits for the next login, which is the test's to drop with
 * sshserver_bed_drop; NULL when none came. */
struct sshserver_login *sshserver_bed_wait(struct sshserver_bed *bed);
void sshserver_bed_drop(struct sshserver_bed *bed,
                        struct sshserver_login *login);

/* How many logins are under way, or wait. */
unsigned sshserver_bed_guests(struct sshserver_bed *bed);
/* Waits until there are so many. */
bool sshserver_bed_settle(struct sshserver_bed *bed, unsigned guests);

/* A client of libssh's that has exchanged keys, from 127.0.0.from; NULL when
 * that failed. Any thread. */
ssh_session sshserver_bed_connect(struct sshserver_bed *bed, unsigned from);
void sshserver_bed_hang_up(ssh_session session);

/* A plain socket, connected; reads give up after a while. */
int sshserver_bed_dial(struct sshserver_bed *bed, unsigned from);

#endif
