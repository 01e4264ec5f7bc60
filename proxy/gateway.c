/* A stand-in, to be replaced as a whole by the gateway itself: it has no
 * agents, and nobody makes one yet. */
#include "proxy/gateway.h"

enum err
gateway_kick(struct gateway *gateway, const char *name, unsigned *sessions)
{
    (void)gateway;
    (void)name;
    (void)sessions;
    return ERR_NAME_NOT_FOUND;
}
