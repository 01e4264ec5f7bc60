/* Where clients may come from: --allow-from. Immutable once built; any thread
 * may read it. */
#ifndef CULVERT_AUTH_SOURCES_H
#define CULVERT_AUTH_SOURCES_H

#include <stdbool.h>

#include "transport/base/addr.h"
#include "transport/base/err.h"

struct sources;

/* Returns an empty list, which allows all; NULL when out of memory. */
struct sources *sources_create(void);
void sources_destroy(struct sources *sources);

/* Adds an address, a CIDR, or "any". Returns ERR_OK; ERR_NO_MEMORY; or
 * ERR_MALFORMED with *why set (lent, static text): host bits set behind the
 * prefix are an error, as they mean that something else was meant. */
enum err sources_add(struct sources *sources, const char *text,
                     const char **why);

bool sources_empty(const struct sources *sources);

/* Whether a client at addr (unmapped by the callee; family AF_UNSPEC is a
 * client of a Unix socket, always allowed) may come in. */
bool sources_allow(const struct sources *sources, const union addr *addr);

/* Whether one may come in of whom it is not known where it is. */
bool sources_allow_unknown(const struct sources *sources);

#endif
