/* Forwards as the control socket's messages have them. */
#ifndef CULVERT_PROXY_CONTROL_FORWARD_H
#define CULVERT_PROXY_CONTROL_FORWARD_H

#include <stdbool.h>

#include "proxy/mux.h"
#include "proxy/settings.h"

/* Reads a request as the master that it was sent to: gateway_ports is the
 * master's own setting, for a forward without an address; at a server (-R) it
 * is not asked. forward has no text.
 * Returns NULL; else why it is refused (static text), forward untouched. */
const char *control_forward_read(const struct mux_forward *request,
                                 bool gateway_ports, struct forward *forward);

/* Writes a forward as ssh writes it, so that a master of either kind knows it
 * again when it is cancelled. Not for -W. */
void control_forward_write(const struct forward *forward,
                           struct mux_forward *request);

#endif
