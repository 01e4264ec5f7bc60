#include "transport/base/target.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

static bool
is_plain_name(const char *host, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)host[i];

        if (c <= ' ' || c == 0x7f)
            return false;
    }
    return true;
}

enum err
target_set_host(struct target *target, const char *host, size_t len,
                uint16_t port)
{
    union addr addr;

    if (len == 0 || len > TARGET_NAME_MAX || !is_plain_name(host, len))
        return ERR_MALFORMED;
    if (addr_parse(&addr, host, len, port)) {
        target_set_addr(target, &addr);
        return ERR_OK;
    }
    /* What is left with a bracket, colon or percent sign was meant as an
     * IPv6 address (perhaps with a zone) and is none; no name has them. */
    if (memchr(host, '[', len) || memchr(host, ':', len) ||
        memchr(host, '%', len))
        return ERR_MALFORMED;
    target->kind = TARGET_NAME;
    target->port = port;
    memcpy(target->name, host, len);
    target->name[len] = 0;
    return ERR_OK;
}

void
target_set_addr(struct target *target, const union addr *addr)
{
    target->kind = TARGET_ADDR;
    target->addr = *addr;
    addr_unmap(&target->addr);
    target->port = addr_port(addr);
}

enum err
target_set_unix(struct target *target, const char *path)
{
    size_t len = strlen(path);

    if (len == 0 || len >= sizeof(((struct sockaddr_un *)0)->sun_path))
        return ERR_MALFORMED;
    target->kind = TARGET_UNIX;
    target->port = 0;
    memcpy(target->name, path, len + 1);
    return ERR_OK;
}

char *
target_format(const struct target *target, char *buf)
{
    switch (target->kind) {
    case TARGET_ADDR:
        return addr_format(&target->addr, buf);
    case TARGET_UNIX:
        snprintf(buf, TARGET_TEXT_MAX, "%s", target->name);
        return buf;
    case TARGET_NAME:
        snprintf(buf, TARGET_TEXT_MAX, "%s:%u", target->name, target->port);
        return buf;
    }
    return buf;
}
