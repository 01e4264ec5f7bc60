/* A remote forward: a port that the server is to listen on for us, for as long
 * as it is wanted. Each is on one link of the pool; several are spread over
 * links, and links over workers. When a link is lost, its forwards are asked
 * for again by another, or by itself once it is back; when the server refuses,
 * which it also does while it holds the port for a session that is dead, they
 * are asked for again with a back-off, without end. */
#ifndef CULVERT_TRANSPORT_SSH_SSHREMOTE_H
#define CULVERT_TRANSPORT_SSH_SSHREMOTE_H

#include <stdbool.h>

#include "transport/base/addr.h"
#include "transport/base/err.h"
#include "transport/ssh/sshpool.h"
#include "transport/stream.h"

struct sshremote;

enum sshremote_phase {
    SSHREMOTE_ASKING,  /* no answer yet, or no link to ask by */
    SSHREMOTE_STANDS,  /* the server listens */
    SSHREMOTE_REFUSED, /* it is asked for again in a while */
    SSHREMOTE_CLOSED,  /* after sshremote_close: nothing is called any more */
};

struct sshremote_state {
    enum sshremote_phase phase;
    enum err err;   /* of the last refusal (struct sshlink_listen), or ERR_OK */
    unsigned port;  /* what is listened on, or asked for */
    unsigned stood; /* how often it came to stand */
};

struct sshremote_config {
    const char *address; /* as the protocol has it (sshlink.h); borrowed until
                          * it is freed */
    unsigned port;       /* 0: the server picks one, which is kept */
    /* Somebody connected there: a stream (given, not yet accepted), and from
     * where, if the server said. Thread: the worker with this index. */
    void (*on_stream)(void *arg, unsigned worker, struct stream *stream,
                      const union addr *peer);
    /* Its state is another: called with the pool's lock held, from any thread,
     * so that it may do no more than send mail. */
    void (*on_change)(void *arg);
    void *arg;
};

/* Asks for it from now on. The pool's first link is up, or was. Returns ERR_OK
 * and gives *remote (sshremote_free), or ERR_NO_MEMORY. Thread: any, as for
 * all below. */
enum err sshremote_open(struct sshpool *pool,
                        const struct sshremote_config *config,
                        struct sshremote **remote);

void sshremote_look(struct sshremote *remote, struct sshremote_state *state);

/* Has the server stop to listen; SSHREMOTE_CLOSED when it has, or when the link
 * has gone. Streams go on. */
void sshremote_close(struct sshremote *remote);

/* It is closed, or the workers have ended. NULL does nothing. */
void sshremote_free(struct sshremote *remote);

#endif
