/* The grammar of destinations: what stands where ssh has its host, behind
 * --via, and between the commas of -J.
 *
 *   [user@]host[:port]         ssh://[user@]host[:port]
 *
 * An IPv6 address that is followed by a port stands in brackets; with two
 * colons or more and no brackets the whole is the address. ssh itself takes
 * "host:port" without ssh:// as a name with a colon in it, which no host has.
 * What stands before a ';' in a URI's user is the user (RFC 3986 3.2.1 as the
 * ssh URI scheme has it), percent-encoded. */
#ifndef CULVERT_PROXY_OPTION_DEST_H
#define CULVERT_PROXY_OPTION_DEST_H

#include <stdbool.h>

/* Longer than any name of the DNS (255) and any user's name. */
#define OPTION_DEST_MAX 1024

struct option_dest {
    char user[OPTION_DEST_MAX]; /* "": none was given */
    char host[OPTION_DEST_MAX];
    unsigned port; /* 0: none was given */
};

/* Reads a destination. Returns NULL when it was good; else what is wrong with
 * it (static text), dest untouched. */
const char *option_dest_parse(const char *text, struct option_dest *dest);

/* Whether a user or a host that came from the command line may go into a
 * shell's command line (ProxyCommand, Match exec) and to a server: no quotes,
 * control bytes or what a shell acts on, and no '-' at its start. */
bool option_dest_user_is_safe(const char *user);
bool option_dest_host_is_safe(const char *host);

#endif
