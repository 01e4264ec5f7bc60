/* A bridge between a channel of one link and the socket of the next: how a
 * jump host carries a session. */
#ifndef CULVERT_TRANSPORT_SSH_SSHBRIDGE_H
#define CULVERT_TRANSPORT_SSH_SSHBRIDGE_H

#include "transport/base/err.h"
#include "transport/loop/worker.h"
#include "transport/stream.h"

struct sshbridge;

/* Moves bytes between a stream (taken) and a socket pair of its own, of which
 * *fd (given, non-blocking) is the other end, both ways until both have ended
 * or one failed; each half closes by itself. At most one read's bytes are kept
 * each way: more isn't read before they have gone.
 * Returns ERR_OK and gives *bridge, or an error; the stream is closed then.
 * Thread: the worker's. */
enum err sshbridge_create(struct worker *worker, struct stream *stream, int *fd,
                          struct sshbridge **bridge);

/* Ends what there is of it. NULL does nothing. */
void sshbridge_destroy(struct sshbridge *bridge);

#endif
