/* A login: from a connected descriptor to an authenticated libssh session.
 *
 * Version and key exchange, the host's key against known_hosts, then
 * authentication, as a thread of its own: libssh and what it asks (agents,
 * passphrases, hardware tokens, files) block in places even in its
 * non-blocking mode, and a loop must not. The session belongs to that thread
 * until done, then to the worker for ever. */
#ifndef CULVERT_TRANSPORT_SSH_SSHLOGIN_H
#define CULVERT_TRANSPORT_SSH_SSHLOGIN_H

#include <libssh/libssh.h>
#include <stdbool.h>

#include "transport/base/addr.h"
#include "transport/base/err.h"
#include "transport/loop/worker.h"
#include "transport/ssh/sshcred.h"
#include "transport/ssh/sshdest.h"

struct sshlogin;

struct sshlogin_outcome {
    /* ERR_OK; ERR_HOST_KEY and ERR_AUTH_FAILED: the same again would fail the
     * same; ERR_PROTOCOL, ERR_RESET, ERR_TIMED_OUT, ERR_NO_MEMORY...: later it
     * may be better. */
    enum err err;
    ssh_session session; /* given when err is ERR_OK: non-blocking, its
                          * descriptor (ssh_get_fd) O_NONBLOCK */
    bool person;         /* took an answer that can't be given again, or a
                          * touch */
    const char *text;    /* the step and what to try; lent. "" when ERR_OK */
};

struct sshlogin_request {
    const struct sshdest *dest; /* borrowed until done or cancel */
    int fd;                     /* taken: connected, to the server */
    union addr remote;          /* its far end, or AF_UNSPEC */
    struct sshcred *cred;       /* borrowed until done or cancel has returned */
    struct worker *worker;      /* where done is called */
    void (*done)(void *arg, const struct sshlogin_outcome *outcome);
    void *arg;
};

/* Starts a login. Returns ERR_OK and *login (valid until done or cancel), or
 * an error; then done is never called, and the descriptor is closed.
 * Callback: done, once, on the worker's loop, never from inside this call.
 * Thread: the worker's. */
enum err sshlogin_start(const struct sshlogin_request *request,
                        struct sshlogin **login);

/* Ends it: the socket is shut down, so that what blocks on it returns; a
 * thread that waits for a person is left to end by itself, and touches nothing
 * of the request any more. done is never called. NULL does nothing. */
void sshlogin_cancel(struct sshlogin *login);

/* Waits, for at most seconds, until no thread of a login is left: before what
 * they borrow goes, at the end of the program. Returns whether none is. */
bool sshlogin_wait_all(double seconds);

#endif
