/* The transport "reverse:NAME": connections leave through an agent of that
 * name, which has dialled in. "reverse:" alone leaves the name to each dial.
 *
 * The agent resolves names, so that dial->permit is not asked; neither the near
 * end of a connection nor the address that was reached is known. */
#ifndef CULVERT_TRANSPORT_REVERSE_REVERSE_H
#define CULVERT_TRANSPORT_REVERSE_REVERSE_H

#include "transport/transport.h"

/* Its instances share a struct registry. */
extern const struct transport_ops transport_reverse_ops;

#endif
