/* Agents' names in what clients say: "user@AGENT" as a user, and
 * "HOST.AGENT.culvert" as a target. Pure. */
#ifndef CULVERT_PROXY_AGENTNAME_H
#define CULVERT_PROXY_AGENTNAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/grant.h"
#include "transport/base/target.h"

/* Takes a name below ".culvert" apart: the agent, and the target that it is to
 * be asked for, with the same port; the agent's own machine where there is
 * nothing before its name. Returns false, with nothing set, for all else. */
bool agentname_cut_target(const struct target *target, struct target *rest,
                          char agent[GRANT_AGENT_MAX + 1]);

/* The way back, however the agent was named: gives "HOST.AGENT.culvert", which
 * is a name even where HOST is an address. Returns false, with nothing set,
 * where that is longer than a name can be. */
bool agentname_join_target(const struct target *target, const char *agent,
                           struct target *whole);

/* Looks for "@AGENT" at the end of a user's name, of len bytes. Returns the
 * length of what is before it, with agent set; or len. */
size_t agentname_cut_user(const uint8_t *user, size_t len,
                          char agent[GRANT_AGENT_MAX + 1]);

#endif
