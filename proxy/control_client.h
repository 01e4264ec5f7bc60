/* -O: asks something of the program that listens on a control socket, culvert
 * or ssh, instead of running. */
#ifndef CULVERT_PROXY_CONTROL_CLIENT_H
#define CULVERT_PROXY_CONTROL_CLIENT_H

#include "proxy/settings.h"

/* Asks what settings' control_word says on its control_path: check, stop,
 * exit, forward and cancel (of the settings' forwards), status, reconnect. Says
 * what ssh says, where it says it. Returns the exit status, ssh's too. Blocks:
 * nothing else runs. */
int control_client_run(const struct settings *settings);

#endif
