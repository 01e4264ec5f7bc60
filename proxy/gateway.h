/* The gateway: the agents that have dialled in by SSH. */
#ifndef CULVERT_PROXY_GATEWAY_H
#define CULVERT_PROXY_GATEWAY_H

#include "transport/base/err.h"

struct gateway;

/* Ends all sessions of the agent of that name, known without regard to case
 * (-O kick). Returns ERR_OK with how many in *sessions, or ERR_NAME_NOT_FOUND
 * when none is connected. Thread: the control worker's. */
enum err gateway_kick(struct gateway *gateway, const char *name,
                      unsigned *sessions);

#endif
