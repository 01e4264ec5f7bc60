/* Which targets may be asked for: PermitRemoteOpen, and what a key's
 * permitopen= says. Immutable once built; any thread may read it.
 *
 * Not auth/rules.h: as in ssh there are no patterns, no networks and no
 * denials, and what a name leads to is not looked at. */
#ifndef CULVERT_AUTH_PERMITOPEN_H
#define CULVERT_AUTH_PERMITOPEN_H

#include <stdbool.h>

#include "transport/base/err.h"
#include "transport/base/target.h"

struct permitopen;

/* Returns an empty list, which allows all; NULL when out of memory. */
struct permitopen *permitopen_create(void);
void permitopen_destroy(struct permitopen *list);

/* Adds HOST:PORT; either may be "*" for any, IPv6 stands in brackets, and a
 * port may be the name of a service. Or "any", which allows all, or "none",
 * which adds nothing: what else is in the list is all that is allowed. These
 * two are known without regard to case; that they stand alone is the caller's
 * to see to.
 * Returns ERR_OK; ERR_NO_MEMORY; or ERR_MALFORMED with *why set to what is
 * wrong with it (lent, static text). */
enum err permitopen_add(struct permitopen *list, const char *text,
                        const char **why);

/* Whether nothing was added; so is NULL. */
bool permitopen_empty(const struct permitopen *list);

/* Whether a target may be asked for. Names are compared without case and
 * without a dot at the end, addresses as addresses, however they are written;
 * a name is never an address. A Unix socket is allowed where all is. NULL
 * allows all. */
bool permitopen_allows(const struct permitopen *list,
                       const struct target *target);

#endif
