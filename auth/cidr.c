#include "auth/cidr.h"

#include <string.h>

/* Reads up to three digits, without a sign or a leading zero. */
static bool
parse_bits(const char *text, size_t len, unsigned *bits)
{
    unsigned value = 0;

    if (len == 0 || len > 3 || (len > 1 && text[0] == '0'))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (unsigned)(text[i] - '0');
    }
    *bits = value;
    return true;
}

/* Whether a bit is set behind the first ones. */
static bool
has_host_bits(const uint8_t *bytes, unsigned size, unsigned bits)
{
    for (unsigned i = bits; i < size * 8; i++)
        if (bytes[i / 8] & (0x80u >> i % 8))
            return true;
    return false;
}

static void
set_network(struct cidr *cidr, const union addr *addr, unsigned bits)
{
    memset(cidr, 0, sizeof(*cidr));
    cidr->family = addr->sa.sa_family;
    cidr->bits = (uint8_t)bits;
    if (cidr->family == AF_INET)
        memcpy(cidr->bytes, &addr->v4.sin_addr, 4);
    else
        memcpy(cidr->bytes, &addr->v6.sin6_addr, 16);
}

enum err
cidr_parse(struct cidr *cidr, const char *text, size_t len, const char **why)
{
    const char *slash = memchr(text, '/', len);
    size_t host_len = slash ? (size_t)(slash - text) : len;
    struct cidr made;
    union addr addr;
    unsigned size;
    unsigned bits;

    if (!addr_parse(&addr, text, host_len, 0)) {
        *why = "not an IP address";
        return ERR_MALFORMED;
    }
    size = addr.sa.sa_family == AF_INET ? 4 : 16;
    bits = size * 8;
    if (slash && (!parse_bits(slash + 1, len - host_len - 1, &bits) ||
                  bits > size * 8)) {
        *why = size == 4 ? "a prefix of IPv4 is 0 to 32"
                         : "a prefix of IPv6 is 0 to 128";
        return ERR_MALFORMED;
    }
    if (size == 16 && bits >= 96) {
        addr_unmap(&addr);
        if (addr.sa.sa_family == AF_INET) {
            size = 4;
            bits -= 96;
        }
    }
    set_network(&made, &addr, bits);
    if (has_host_bits(made.bytes, size, bits)) {
        *why = "address bits are set behind the prefix";
        return ERR_MALFORMED;
    }
    *cidr = made;
    return ERR_OK;
}

bool
cidr_has(const struct cidr *cidr, const union addr *addr)
{
    union addr plain = *addr;
    const uint8_t *bytes;
    unsigned whole = cidr->bits / 8;
    unsigned rest = cidr->bits % 8;

    addr_unmap(&plain);
    if (plain.sa.sa_family != cidr->family)
        return false;
    if (cidr->family == AF_INET)
        bytes = (const uint8_t *)&plain.v4.sin_addr;
    else
        bytes = plain.v6.sin6_addr.s6_addr;
    if (memcmp(bytes, cidr->bytes, whole) != 0)
        return false;
    return rest == 0 || (bytes[whole] ^ cidr->bytes[whole]) >> (8 - rest) == 0;
}
