/* Reaching an SSH server over TCP, as its destination says: source address,
 * interface, family, and a time limit. */
#ifndef CULVERT_TRANSPORT_SSH_SSHREACH_H
#define CULVERT_TRANSPORT_SSH_SSHREACH_H

#include "transport/base/addr.h"
#include "transport/base/err.h"
#include "transport/net/connect.h"
#include "transport/ssh/sshdest.h"

struct sshreach;

struct sshreach_request {
    const struct sshdest *dest;        /* borrowed until done or cancel */
    const struct connector *connector; /* borrowed during the call: for its
                                        * worker and resolver */
    double timeout;                    /* seconds; 0: the system's */
    /* ERR_OK with a connected non-blocking descriptor (given), or why not with
     * a text for a person (lent): which server, what failed. remote is the
     * address it reached, or AF_UNSPEC. */
    void (*done)(void *arg, enum err err, int fd, const union addr *remote,
                 const char *text);
    void *arg;
};

/* Starts. Returns ERR_OK and *reach (valid until done or cancel), or
 * ERR_NO_MEMORY; then done is never called.
 * Callback: done, once, from the loop, never from inside this call. */
enum err sshreach_start(const struct sshreach_request *request,
                        struct sshreach **reach);

/* Ends it: done is never called. NULL does nothing. */
void sshreach_cancel(struct sshreach *reach);

#endif
