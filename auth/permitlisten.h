/* Where a peer may have us listen: what a key's permitlisten= says. Immutable
 * once built; any thread may read it. */
#ifndef CULVERT_AUTH_PERMITLISTEN_H
#define CULVERT_AUTH_PERMITLISTEN_H

#include <stdbool.h>

#include "transport/base/err.h"

struct permitlisten;

/* Returns an empty list, which allows all; NULL when out of memory. */
struct permitlisten *permitlisten_create(void);
void permitlisten_destroy(struct permitlisten *list);

/* Adds PORT, for every host, or HOST:PORT: the host may have wildcards ("*",
 * "?"), IPv6 stands in brackets, the port is a number, the name of a service,
 * or "*" for any.
 * Returns ERR_OK; ERR_NO_MEMORY; or ERR_MALFORMED with *why set to what is
 * wrong with it (lent, static text). */
enum err permitlisten_add(struct permitlisten *list, const char *text,
                          const char **why);

/* Whether one may have us listen at the address as it was asked for (RFC 4254
 * 7.1), compared as text without regard to case, as sshd does: "localhost" (ssh
 * -R without an address) is not 127.0.0.1, and "" (every address) is matched by
 * "*" and by "" alone. Port 0 is allowed where any port is. NULL allows all. */
bool permitlisten_allows(const struct permitlisten *list, const char *address,
                         unsigned port);

#endif
