/* What the command line says of the gateway: what goes together, and what is
 * missing. The files that it names are looked at when the server starts. */
#ifndef CULVERT_PROXY_OPTION_GATEWAY_H
#define CULVERT_PROXY_OPTION_GATEWAY_H

#include <stdbool.h>

#include "proxy/option_state.h"

/* Lends the first --gateway that was given, before the settings have the
 * forwards; or NULL. */
const struct forward *option_gateway_of(const struct option_state *state);

/* Checks the gateway's options, and fills in what GatewayPorts means for agents
 * and for the forwards. With -O only the forwards that it is about matter.
 * Returns true, or false when something was wrong; a message has been
 * printed. */
bool option_gateway_settle(struct option_state *state);

#endif
