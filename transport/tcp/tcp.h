/* The transport "tcp:": straight from this machine. */
#ifndef CULVERT_TRANSPORT_TCP_TCP_H
#define CULVERT_TRANSPORT_TCP_TCP_H

#include "transport/transport.h"

extern const struct transport_ops transport_tcp_ops;

#endif
