#include "transport/base/addr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

socklen_t
addr_len(const union addr *addr)
{
    if (addr->sa.sa_family == AF_INET)
        return sizeof(addr->v4);
    if (addr->sa.sa_family == AF_INET6)
        return sizeof(addr->v6);
    return 0;
}

uint16_t
addr_port(const union addr *addr)
{
    if (addr->sa.sa_family == AF_INET)
        return ntohs(addr->v4.sin_port);
    if (addr->sa.sa_family == AF_INET6)
        return ntohs(addr->v6.sin6_port);
    return 0;
}

void
addr_set_port(union addr *addr, uint16_t port)
{
    if (addr->sa.sa_family == AF_INET)
        addr->v4.sin_port = htons(port);
    else if (addr->sa.sa_family == AF_INET6)
        addr->v6.sin6_port = htons(port);
}

void
addr_from_v4(union addr *addr, const uint8_t bytes[4], uint16_t port)
{
    memset(addr, 0, sizeof(*addr));
    addr->v4.sin_family = AF_INET;
    addr->v4.sin_port = htons(port);
    memcpy(&addr->v4.sin_addr, bytes, 4);
}

void
addr_from_v6(union addr *addr, const uint8_t bytes[16], uint16_t port)
{
    memset(addr, 0, sizeof(*addr));
    addr->v6.sin6_family = AF_INET6;
    addr->v6.sin6_port = htons(port);
    memcpy(&addr->v6.sin6_addr, bytes, 16);
}

bool
addr_parse(union addr *addr, const char *text, size_t len, uint16_t port)
{
    char host[INET6_ADDRSTRLEN];
    uint8_t bytes[16];
    bool bracketed = len >= 2 && text[0] == '[' && text[len - 1] == ']';

    if (bracketed) {
        text++;
        len -= 2;
    }
    if (len == 0 || len >= sizeof(host) || memchr(text, 0, len))
        return false;
    memcpy(host, text, len);
    host[len] = 0;
    if (!bracketed && inet_pton(AF_INET, host, bytes) == 1) {
        addr_from_v4(addr, bytes, port);
        return true;
    }
    if (inet_pton(AF_INET6, host, bytes) == 1) {
        addr_from_v6(addr, bytes, port);
        return true;
    }
    return false;
}

char *
addr_format_host(const union addr *addr, char *buf)
{
    const void *host = NULL;

    if (addr->sa.sa_family == AF_INET)
        host = &addr->v4.sin_addr;
    else if (addr->sa.sa_family == AF_INET6)
        host = &addr->v6.sin6_addr;
    if (!host || !inet_ntop(addr->sa.sa_family, host, buf, ADDR_TEXT_MAX))
        strcpy(buf, "-");
    return buf;
}

char *
addr_format(const union addr *addr, char *buf)
{
    char host[ADDR_TEXT_MAX];

    addr_format_host(addr, host);
    if (addr->sa.sa_family == AF_INET6)
        snprintf(buf, ADDR_TEXT_MAX, "[%.45s]:%u", host, addr_port(addr));
    else if (addr->sa.sa_family == AF_INET)
        snprintf(buf, ADDR_TEXT_MAX, "%.45s:%u", host, addr_port(addr));
    else
        strcpy(buf, "-");
    return buf;
}

void
addr_unmap(union addr *addr)
{
    uint8_t bytes[4];

    if (addr->sa.sa_family != AF_INET6 ||
        !IN6_IS_ADDR_V4MAPPED(&addr->v6.sin6_addr))
        return;
    memcpy(bytes, addr->v6.sin6_addr.s6_addr + 12, 4);
    addr_from_v4(addr, bytes, addr_port(addr));
}

bool
addr_same_host(const union addr *a, const union addr *b)
{
    if (a->sa.sa_family != b->sa.sa_family)
        return false;
    if (a->sa.sa_family == AF_INET)
        return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
    if (a->sa.sa_family == AF_INET6)
        return IN6_ARE_ADDR_EQUAL(&a->v6.sin6_addr, &b->v6.sin6_addr) &&
               a->v6.sin6_scope_id == b->v6.sin6_scope_id;
    return true;
}

bool
addr_is_loopback(const union addr *addr)
{
    union addr plain = *addr;

    addr_unmap(&plain);
    if (plain.sa.sa_family == AF_INET)
        return ntohl(plain.v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    return plain.sa.sa_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&plain.v6.sin6_addr);
}

bool
addr_is_any(const union addr *addr)
{
    if (addr->sa.sa_family == AF_INET)
        return addr->v4.sin_addr.s_addr == htonl(INADDR_ANY);
    return addr->sa.sa_family == AF_INET6 &&
           IN6_IS_ADDR_UNSPECIFIED(&addr->v6.sin6_addr);
}
