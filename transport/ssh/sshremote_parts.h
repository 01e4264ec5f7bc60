/* What the pool's parts have to do with its remote forwards; for them alone. */
#ifndef CULVERT_TRANSPORT_SSH_SSHREMOTE_PARTS_H
#define CULVERT_TRANSPORT_SSH_SSHREMOTE_PARTS_H

#include "transport/ssh/sshlink.h"
#include "transport/ssh/sshpool_parts.h"

/* Sets up a slot's part. */
void sshremote_init(struct pool_slot *slot);

/* A link is up: the same, and where it is the only one, they have the time to
 * wait for another from now on. Under the lock. */
void sshremote_on_up(struct sshpool *pool);

/* Finds links for those that have none. Under the lock. */
void sshremote_assign(struct sshpool *pool);

/* The slot's link is up, or something of its forwards has changed: does what is
 * due. Thread: the slot's worker. */
void sshremote_serve(struct pool_slot *slot);

/* The slot's link is about to go: its forwards have none now. Thread: as above.
 */
void sshremote_detach(struct pool_slot *slot);

/* As struct sshlink_config has it; arg is the slot. */
void sshremote_on_offered(void *arg, const struct sshlink_offer *offer);

#endif
