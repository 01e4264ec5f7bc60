/* From what the command line and ssh's files said to the settings. */
#ifndef CULVERT_PROXY_OPTION_SETTLE_H
#define CULVERT_PROXY_OPTION_SETTLE_H

#include <stdbool.h>

#include "proxy/option_state.h"

/* Reads ssh's configuration if there is a destination, and fills in
 * state->settings, which gets the forwards. With -G, prints them.
 * Returns true, or false when something was wrong; a message has been
 * printed. */
bool option_settle(struct option_state *state);

#endif
