/* Which whole names a name may stand for (resolv.conf(5): search, ndots), and
 * what can be a name at all. Pure. */
#ifndef CULVERT_TRANSPORT_NET_SEARCH_H
#define CULVERT_TRANSPORT_NET_SEARCH_H

#include <stdbool.h>
#include <stddef.h>

#include "transport/net/resolvconf.h"

/* RFC 1035 3.1: 255 bytes on the wire are 253 of text, without the dot. */
#define SEARCH_NAME_MAX  253
#define SEARCH_LABEL_MAX 63

/* Whether a text can be asked for as a host name: letters, digits, hyphens
 * and underscores in labels of a legal length; a dot at the end is allowed. */
bool search_is_host_name(const char *name);

/* Whether a name is the domain, or ends with it after a dot, whatever the
 * case; a dot at its end makes no difference. */
bool search_is_under(const char *name, const char *domain);

/* Writes the candidate number *index for a name, in lower case and without a
 * dot at its end, and moves *index on. A name with ndots dots or more is
 * tried as it is first, then in the domains; one with fewer the other way
 * round; one that ends with a dot only as it is. Candidates that would be no
 * host name are passed over. Returns false, out untouched, after the last. */
bool search_next(const struct resolvconf *conf, const char *name,
                 unsigned *index, char out[SEARCH_NAME_MAX + 1]);

#endif
