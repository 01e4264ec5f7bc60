/* What one who logged in by SSH may do: what the options of its key say.
 * Immutable, counted by reference; any thread may read it. */
#ifndef CULVERT_AUTH_GRANT_H
#define CULVERT_AUTH_GRANT_H

#include <stdbool.h>

#include "transport/base/target.h"

struct grant;

/* An agent's name: 1 to 63 of A-Z, a-z, 0-9, '_' and '-', known without regard
 * to case. */
#define GRANT_AGENT_MAX 63

bool grant_agent_is_legal(const char *name);

/* Returns one that allows all, for the agent of that name (copied; NULL: none
 * is said), as for who has a password; NULL when out of memory. */
struct grant *grant_create(const char *agent);
struct grant *grant_ref(struct grant *grant);

/* NULL does nothing. */
void grant_unref(struct grant *grant);

/* The name that its peer goes by (lent), or NULL: whatever it calls itself. */
const char *grant_agent(const struct grant *grant);

/* Whether a channel to the target may be opened (permitopen=,
 * no-port-forwarding). */
bool grant_may_open(const struct grant *grant, const struct target *target);

/* Whether it may have us listen (permitlisten=, no-port-forwarding): the
 * address as it was asked for (RFC 4254 7.1), the port 0 for any. As in sshd a
 * rule for a port does not allow 0. */
bool grant_may_listen(const struct grant *grant, const char *address,
                      unsigned port);

#endif
