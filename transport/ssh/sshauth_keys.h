/* The keys that a login may use, in the order in which they are offered:
 * those of the agent that IdentityFile names, its others (unless
 * IdentitiesOnly), then those that are in files alone; before each its
 * certificates. */
#ifndef CULVERT_TRANSPORT_SSH_SSHAUTH_KEYS_H
#define CULVERT_TRANSPORT_SSH_SSHAUTH_KEYS_H

#include <stdbool.h>

#include "transport/ssh/sshauth_part.h"

struct sshauth_keys;

/* Gathers them: talks to the agent, reads files. The run is borrowed until
 * destroy. NULL when out of memory. */
struct sshauth_keys *sshauth_keys_create(struct sshlogin_run *run);
void sshauth_keys_destroy(struct sshauth_keys *keys);

/* Offers those that are left, one after another, until one is not denied. */
enum sshauth_result sshauth_keys_try(struct sshauth_keys *keys);

/* Lends what became of them, for a person: "tried key /a/b; key /c/d is
 * encrypted, and there is nobody to ask"; "" when there were none. */
const char *sshauth_keys_story(const struct sshauth_keys *keys);

/* Whether there is an agent that did not answer: what it has is not known. */
bool sshauth_keys_agent_silent(const struct sshauth_keys *keys);

#endif
