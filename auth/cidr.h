/* A network: an address with how many of its first bits count. */
#ifndef CULVERT_AUTH_CIDR_H
#define CULVERT_AUTH_CIDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "transport/base/addr.h"
#include "transport/base/err.h"

struct cidr {
    sa_family_t family;
    uint8_t bits;
    uint8_t bytes[16]; /* network order; 4 of them for AF_INET */
};

/* Reads "192.0.2.1", "10.0.0.0/8", "2001:db8::/32" or "[2001:db8::]/32"; len
 * bytes, no NUL needed. A network of IPv4-mapped addresses becomes the IPv4 one
 * that it stands for.
 * Returns ERR_OK, or ERR_MALFORMED with *why set (lent, static text): host bits
 * set behind the prefix are an error, as they mean that something else was
 * meant. */
enum err cidr_parse(struct cidr *cidr, const char *text, size_t len,
                    const char **why);

/* Whether addr, unmapped, is within; "none" is in no network. */
bool cidr_has(const struct cidr *cidr, const union addr *addr);

#endif
