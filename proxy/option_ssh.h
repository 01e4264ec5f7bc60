/* From what the command line said about the SSH server to settings->ssh. */
#ifndef CULVERT_PROXY_OPTION_SSH_H
#define CULVERT_PROXY_OPTION_SSH_H

#include <stdbool.h>

#include "proxy/option_state.h"

/* Makes settings->ssh if there is a destination. Returns true, or false when
 * something was wrong and a message has been printed. */
bool option_ssh_settle(struct option_state *state);

#endif
