/* Which transports are built in. */
#ifndef CULVERT_TRANSPORT_TABLE_H
#define CULVERT_TRANSPORT_TABLE_H

#include "transport/transport.h"

/* Makes an instance from a URI: "tcp:", or "ssh:" with its pool as shared
 * (transport.h). Returns ERR_OK and gives *transport
 * (its ops->destroy); or an error with *why (static text). */
enum err transport_create(const char *uri, struct connector *connector,
                          void *shared, struct transport **transport,
                          const char **why);

#endif
