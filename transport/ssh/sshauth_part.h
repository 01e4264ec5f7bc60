/* What the methods of authentication have in common. */
#ifndef CULVERT_TRANSPORT_SSH_SSHAUTH_PART_H
#define CULVERT_TRANSPORT_SSH_SSHAUTH_PART_H

#include "transport/ssh/sshlogin_run.h"

/* How a try ended. */
enum sshauth_result {
    SSHAUTH_DONE,    /* logged in */
    SSHAUTH_PARTIAL, /* right, but the server wants another method too */
    SSHAUTH_DENIED,  /* the method has nothing more to give */
    SSHAUTH_BROKEN,  /* the session can't go on: run->text says why */
};

/* The wait for a server's answer: zero is a fresh one. */
struct sshauth_wait {
    double seconds; /* waited so far */
};

/* Whether libssh's call, which answered so, is to be made again: after
 * SSH_AUTH_AGAIN, once there is something to read. False too when the
 * connection is lost, the login cancelled, or the server silent for too long.
 *
 *     do
 *         answer = ssh_userauth_none(session, NULL);
 *     while (sshauth_again(run, &wait, answer));
 *
 * In its blocking mode libssh 0.10 doesn't see that the server has left, and
 * spins until its time is over. */
bool sshauth_again(struct sshlogin_run *run, struct sshauth_wait *wait,
                   int answer);

/* What the last answer means. A method that failed on our side alone (an
 * agent that would not sign) is SSHAUTH_DENIED. */
enum sshauth_result sshauth_result(struct sshlogin_run *run, int answer);

/* Adds to a list of texts with commas, as far as size goes. */
void sshauth_list_add(char *list, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
