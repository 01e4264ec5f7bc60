/* A jump: the link to a jump host, and the channel of it that carries the
 * session to the next server. */
#ifndef CULVERT_TRANSPORT_SSH_SSHJUMP_H
#define CULVERT_TRANSPORT_SSH_SSHJUMP_H

#include <stdbool.h>

#include "transport/base/err.h"
#include "transport/net/connect.h"
#include "transport/ssh/sshcred.h"
#include "transport/ssh/sshdest.h"

struct sshjump;

struct sshjump_outcome {
    enum err err;
    int fd;           /* given when err is ERR_OK: to the server behind */
    bool hopeless;    /* as in sshconnect_outcome */
    bool person;      /* likewise */
    const char *text; /* which host, which step; lent */
};

struct sshjump_request {
    const struct sshdest *dest; /* the server behind; dest->jump is the host.
                                 * All are borrowed until destroy */
    struct connector *connector;
    struct sshcred *cred;
    double patience; /* as in sshconnect_request */
    void (*done)(void *arg, const struct sshjump_outcome *outcome);
    void *arg;
};

/* Starts. Returns ERR_OK and gives *jump, or an error; then done is never
 * called.
 * Callback: done, once, from the loop, never from inside this call nor after
 * destroy; it may destroy.
 * Thread: the connector's worker, as all here. */
enum err sshjump_start(const struct sshjump_request *request,
                       struct sshjump **jump);

/* Ends what there is of it: what it carries reads an end. NULL does nothing. */
void sshjump_destroy(struct sshjump *jump);

#endif
