/* The hosts file (hosts(5)), read into memory. */
#ifndef CULVERT_TRANSPORT_NET_HOSTS_H
#define CULVERT_TRANSPORT_NET_HOSTS_H

#include <stdbool.h>
#include <stddef.h>

#include "transport/base/addr.h"
#include "transport/base/err.h"

/* Most addresses given for one name and family. */
#define HOSTS_ADDRS_MAX 16

struct hosts;

/* Reads a hosts file's text, which is changed by it and kept: *hosts takes
 * text (from malloc, a NUL at text[len]), on failure too. A line that cannot
 * be understood is passed over, as is an IPv6 address with a zone.
 * Returns ERR_OK and gives *hosts (hosts_destroy), or ERR_NO_MEMORY. */
enum err hosts_parse(char *text, size_t len, struct hosts **hosts);

void hosts_destroy(struct hosts *hosts);

/* Whether a name is there, in any family; capitals and a dot at its end make
 * no difference. NULL hosts have no names. */
bool hosts_has(const struct hosts *hosts, const char *name);

/* Writes the addresses that one family (AF_INET, AF_INET6) has for a name, in
 * the order of the file, at most HOSTS_ADDRS_MAX. Returns how many. */
size_t hosts_find(const struct hosts *hosts, const char *name, int family,
                  union addr addrs[HOSTS_ADDRS_MAX]);

#endif
