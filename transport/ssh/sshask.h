/* How a person is asked: the program's part of a login.
 *
 * The library knows neither terminals nor SSH_ASKPASS; whoever makes links
 * hands it these calls. They block, and come from the threads that log in, at
 * most one at a time for the process (sshcred sees to that). */
#ifndef CULVERT_TRANSPORT_SSH_SSHASK_H
#define CULVERT_TRANSPORT_SSH_SSHASK_H

#include <stdbool.h>
#include <stddef.h>

#include "transport/base/err.h"

/* Room for any answer, with its NUL. */
#define SSHASK_ANSWER_MAX 1024

enum sshask_kind {
    SSHASK_SECRET,  /* a password or passphrase: not echoed */
    SSHASK_TEXT,    /* echoed: a user's answer to a server's question */
    SSHASK_CONFIRM, /* yes, no, or a fingerprint: echoed */
};

struct sshask {
    /* Puts prompt (UTF-8, no line break at its end, already cleaned of control
     * bytes) to a person. Returns ERR_OK and the answer with a NUL, without
     * its line break; ERR_PEER_GONE when there is nobody to ask (no terminal,
     * in the background) or he gave up. Thread: one that logs in. */
    enum err (*ask)(void *arg, enum sshask_kind kind, const char *prompt,
                    char *answer, size_t size);
    void *arg;
};

#endif
