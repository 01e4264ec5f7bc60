/* Where a key may be used from: what from= says. Immutable once built; any
 * thread may read it.
 *
 * Not auth/sources.h: there are wildcards and negations, as in ssh. No host
 * names, though: whoever asks for the name of an address is answered by who has
 * the address. */
#ifndef CULVERT_AUTH_KEYFROM_H
#define CULVERT_AUTH_KEYFROM_H

#include <stdbool.h>

#include "transport/base/addr.h"
#include "transport/base/err.h"

struct keyfrom;

/* Reads patterns with commas between them: an address, a CIDR, or an address
 * with wildcards ("10.0.*", "2001:db8:*"), each with '!' before it for a
 * negation.
 * Returns ERR_OK and gives *from (keyfrom_destroy); ERR_NO_MEMORY; or
 * ERR_MALFORMED with *why set to what is wrong (lent, static text). */
enum err keyfrom_parse(const char *text, struct keyfrom **from,
                       const char **why);

/* NULL does nothing. */
void keyfrom_destroy(struct keyfrom *from);

/* Whether one at addr (unmapped by the callee) may come in: some pattern
 * matches, and no negated one does. NULL allows all; "none" matches nothing. */
bool keyfrom_allows(const struct keyfrom *from, const union addr *addr);

#endif
