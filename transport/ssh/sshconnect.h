/* A connection to an SSH server, from its name to a logged-in session: dialled
 * by our own connector, run by a ProxyCommand, or carried by a channel of the
 * link to a jump host, which may be reached through another. */
#ifndef CULVERT_TRANSPORT_SSH_SSHCONNECT_H
#define CULVERT_TRANSPORT_SSH_SSHCONNECT_H

#include <libssh/libssh.h>
#include <stdbool.h>

#include "transport/base/err.h"
#include "transport/net/connect.h"
#include "transport/ssh/sshcred.h"
#include "transport/ssh/sshdest.h"

struct sshconnect;

/* What carries a session's bytes, beside its descriptor: the links to jump
 * hosts, or the process of a ProxyCommand. */
struct sshcarrier;

struct sshconnect_outcome {
    enum err err;
    ssh_session session;        /* given when err is ERR_OK */
    struct sshcarrier *carrier; /* given; NULL for a direct connection */
    bool hopeless; /* trying again the same way would fail: keys, passwords */
    bool person;   /* took an answer that can't be given again */
    const char *text; /* which server, which step, what to try; lent */
};

struct sshconnect_request {
    const struct sshdest *dest;  /* borrowed until the carrier's destroy */
    struct connector *connector; /* borrowed likewise: for its worker and
                                  * resolver; source address and family come
                                  * from dest */
    struct sshcred *cred;        /* borrowed likewise */
    double patience;             /* seconds for reaching a server whose
                                  * connect_timeout is 0; 0: the system's */
    void (*done)(void *arg, const struct sshconnect_outcome *outcome);
    void *arg;
};

/* Room for a text: a failure's names and steps, over some hops. */
#define SSHCONNECT_TEXT_MAX 1024

/* Starts. Gives up by itself after dest's connect_timeout for reaching and
 * exchanging keys; a person may take longer. Returns ERR_OK and *connect
 * (valid until done or cancel), or an error; then done is never called.
 * Callback: done, once, from the loop, never from inside this call.
 * Thread: the connector's worker, as all here. */
enum err sshconnect_start(const struct sshconnect_request *request,
                          struct sshconnect **connect);

/* Ends it: done is never called. NULL does nothing. */
void sshconnect_cancel(struct sshconnect *connect);

/* After the session has been freed. NULL does nothing. */
void sshcarrier_destroy(struct sshcarrier *carrier);

#endif
