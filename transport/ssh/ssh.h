/* The transport "ssh:": through an SSH server, as direct-tcpip channels.
 * Each instance is a member of a pool, which `shared` of transport_create
 * names. */
#ifndef CULVERT_TRANSPORT_SSH_SSH_H
#define CULVERT_TRANSPORT_SSH_SSH_H

#include "transport/transport.h"

extern const struct transport_ops transport_ssh_ops;

#endif
