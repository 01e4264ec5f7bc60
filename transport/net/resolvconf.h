/* resolv.conf(5): which servers are asked, and how. */
#ifndef CULVERT_TRANSPORT_NET_RESOLVCONF_H
#define CULVERT_TRANSPORT_NET_RESOLVCONF_H

#include <stdbool.h>
#include <stddef.h>

#include "transport/base/addr.h"
#include "transport/base/err.h"

/* More servers than the 3 of glibc would only make a dead network's errors
 * come later; glibc has had no limit for domains since 2.26, their names can
 * have no more than a name has. */
#define RESOLVCONF_SERVERS_MAX 8
#define RESOLVCONF_DOMAINS_MAX 32
#define RESOLVCONF_SEARCH_MAX  4096

struct resolvconf {
    union addr servers[RESOLVCONF_SERVERS_MAX];
    size_t server_count;
    unsigned short domains[RESOLVCONF_DOMAINS_MAX]; /* offsets in search */
    size_t domain_count;
    char search[RESOLVCONF_SEARCH_MAX]; /* the domains, a NUL after each */
    unsigned ndots;
    unsigned timeout_s;
    unsigned attempts;
    bool rotate;
    bool use_tcp;
};

/* Reads text (changed by it; a NUL at text[len]; NULL is a file that is
 * missing). As glibc: without a server 127.0.0.1 is asked, the last of several
 * search and domain lines counts, ndots is at most 15, timeout 30, attempts
 * 5; `domain` is the search list where the file names none (the machine's own
 * domain), or NULL. A server may have a port: "192.0.2.1:5353" or
 * "[2001:db8::1]:5353"; one with a zone is passed over, as c-ares 1.18.1 has
 * no place for it. */
void resolvconf_parse(struct resolvconf *conf, char *text, size_t len,
                      const char *domain);

/* A file as it is now, with the machine's domain and, on top of it, the
 * environment's LOCALDOMAIN and RES_OPTIONS.
 * Returns ERR_OK (a file that cannot be read is a missing one), or
 * ERR_NO_MEMORY, conf untouched. */
enum err resolvconf_read(struct resolvconf *conf, const char *path);

#endif
