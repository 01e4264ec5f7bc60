/* One login under way, as its parts share it. All of it belongs to the thread
 * that logs in. */
#ifndef CULVERT_TRANSPORT_SSH_SSHLOGIN_RUN_H
#define CULVERT_TRANSPORT_SSH_SSHLOGIN_RUN_H

#include <libssh/libssh.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "transport/base/addr.h"
#include "transport/base/err.h"
#include "transport/ssh/sshcred.h"
#include "transport/ssh/sshdest.h"

/* Room for what an outcome says. */
#define SSHLOGIN_TEXT_MAX 768

/* Room for a server's name in messages: user, host and port. */
#define SSHLOGIN_WHO_MAX 600

/* Room for a host key's fingerprint, "SHA256:..." */
#define SSHLOGIN_PRINT_MAX 64

/* Room for what a secret for a server is kept under. */
#define SSHLOGIN_KEY_MAX (SSHLOGIN_WHO_MAX + SSHLOGIN_PRINT_MAX + 16)

struct sshlogin_run {
    const struct sshdest *dest;
    struct sshcred *cred;
    union addr remote;
    ssh_session session;
    atomic_bool *cancelled; /* nobody waits for the outcome any more */

    bool person;     /* took an answer that can't be given again */
    bool no_secrets; /* the host's key is wrong: it gets no password */

    int fd;               /* the socket, to be shut down at need */
    unsigned heard_lines; /* before the server's version */

    char who[SSHLOGIN_WHO_MAX];          /* "alice@gw:2222" */
    char host_print[SSHLOGIN_PRINT_MAX]; /* of the server's key */
    char heard[128];              /* what the server said before its version */
    char text[SSHLOGIN_TEXT_MAX]; /* what failed, for a person */
};

/* Notes what failed, as printf does, after "WHO: ". Returns err. */
enum err sshlogin_fail(struct sshlogin_run *run, enum err err,
                       const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with what libssh last said about the session at its end; a lost
 * connection, a disconnect message and silence get words of their own. step is
 * what was being done: "authentication". */
enum err sshlogin_fail_session(struct sshlogin_run *run, const char *step);

/* Copies text so that it can be shown: control characters and what is no UTF-8
 * become '?', a tab and a line break a blank. out may be text. Returns out, cut
 * to size. */
char *sshlogin_clean(const char *text, char *out, size_t size);

#endif
