/* A member of a pool: one worker's part of it, with the dials it has and the
 * links that are on it. */
#ifndef CULVERT_TRANSPORT_SSH_SSHMEMBER_H
#define CULVERT_TRANSPORT_SSH_SSHMEMBER_H

#include "transport/ssh/sshpool.h"
#include "transport/transport.h"

struct sshmember;

/* Joins a pool, for the connector's worker, whose index is below the pool's
 * number of workers. Both are borrowed until sshmember_leave.
 * Returns ERR_OK and gives *member, or an error. */
enum err sshmember_join(struct sshpool *pool, struct connector *connector,
                        struct sshmember **member);

/* Ends its links, each of which belongs to the worker's thread; the others of
 * the pool go on. No dial is under way. Thread: the worker's. */
void sshmember_stop(struct sshmember *member);

/* Frees it. What was posted to its worker has run. NULL does nothing. */
void sshmember_leave(struct sshmember *member);

/* As struct transport_ops has them. Thread: the worker's. */
struct worker *sshmember_home(struct sshmember *member,
                              const struct target *target);
void sshmember_dial_start(struct sshmember *member, struct dial *dial);
void sshmember_dial_cancel(struct sshmember *member, struct dial *dial);

#endif
