/* Where a client wants to go, as it said it: a name, an address, or a path. */
#ifndef CULVERT_TRANSPORT_BASE_TARGET_H
#define CULVERT_TRANSPORT_BASE_TARGET_H

#include <stddef.h>
#include <stdint.h>

#include "transport/base/addr.h"
#include "transport/base/err.h"

enum target_kind {
    TARGET_NAME, /* name, port */
    TARGET_ADDR, /* addr, which has the port too */
    TARGET_UNIX, /* name is a path of a Unix socket, port is 0 */
};

/* A name is at most 255 bytes in SOCKS5 (RFC 1928 5) and in the DNS. */
#define TARGET_NAME_MAX 255

/* Room for target_format: a name in full, ":65535", NUL. */
#define TARGET_TEXT_MAX (TARGET_NAME_MAX + 8)

struct target {
    enum target_kind kind;
    uint16_t port; /* host byte order */
    union {
        union addr addr;
        char name[TARGET_NAME_MAX + 1];
    };
};

/* Sets a target from a host as a peer wrote it, len bytes with no NUL needed:
 * a literal address (IPv6 with or without brackets) becomes TARGET_ADDR, IPv4
 * mapped into IPv6 becomes IPv4, all else TARGET_NAME.
 * Returns ERR_MALFORMED, target untouched, for an empty or too long name, a
 * NUL, space or control byte, or a bracketed text that is no address
 *: such a name is cut short by others, and reaches a host
 * nobody asked for. */
enum err target_set_host(struct target *target, const char *host, size_t len,
                         uint16_t port);

/* Sets a target from an address; unmaps it. */
void target_set_addr(struct target *target, const union addr *addr);

/* Sets a target from a path. Returns ERR_MALFORMED when it is empty or longer
 * than a sockaddr_un holds (107 bytes). */
enum err target_set_unix(struct target *target, const char *path);

/* Writes "host:port", "[v6]:port" or the path. Returns buf, which has room
 * for TARGET_TEXT_MAX. */
char *target_format(const struct target *target, char *buf);

#endif
