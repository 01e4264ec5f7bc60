#include "transport/wire/socks4.h"

#include <string.h>

#include "transport/base/reader.h"
#include "transport/wire/codes.h"

/* Command, port and address stand before the user id. */
#define FIXED_BYTES 8

/* Reads up to a NUL and over it; the text has at most max bytes. Lends the
 * text, or NULL: *status is WIRE_MORE or WIRE_BAD. */
static const uint8_t *
read_text(struct reader *r, size_t max, size_t *len, enum wire_status *status)
{
    size_t left = (size_t)(r->end - r->at);
    const uint8_t *end = memchr(r->at, 0, left <= max ? left : max + 1);

    if (!end) {
        *status = left <= max ? WIRE_MORE : WIRE_BAD;
        return NULL;
    }
    *len = (size_t)(end - r->at);
    return reader_bytes(r, *len + 1);
}

/* S4-2: 0.0.0.x says that a name follows; 0.0.0.0 is an address. */
static bool
announces_name(const uint8_t ip[4])
{
    return ip[0] == 0 && ip[1] == 0 && ip[2] == 0 && ip[3] != 0;
}

enum wire_status
socks4_parse_request(const void *bytes, size_t len, struct socks4_request *out,
                     size_t *used)
{
    struct reader r = reader_over(bytes, len);
    uint8_t version = reader_u8(&r);
    uint8_t command = reader_u8(&r);
    uint16_t port = reader_u16(&r);
    const uint8_t *ip = reader_bytes(&r, 4);
    const uint8_t *user;
    const uint8_t *name = NULL;
    size_t user_len;
    size_t name_len = 0;
    enum wire_status status = WIRE_MORE;
    union addr addr;

    if (len > 0 && version != SOCKS4_VERSION)
        return WIRE_BAD;
    if (r.failed)
        return WIRE_MORE;
    user = read_text(&r, SOCKS4_USER_MAX, &user_len, &status);
    if (!user)
        return status;
    if (announces_name(ip)) {
        name = read_text(&r, TARGET_NAME_MAX, &name_len, &status);
        if (!name)
            return status;
    }
    memset(out, 0, sizeof(*out));
    out->command = command;
    out->is_4a = name != NULL;
    out->user_len =
        (uint8_t)(user_len < WIRE_USER_MAX ? user_len : WIRE_USER_MAX);
    memcpy(out->user, user, out->user_len);
    /* BIND may say 0 for any port. */
    if (port == 0 && command == SOCKS4_CONNECT) {
        out->err = ERR_MALFORMED;
    } else if (name) {
        out->err =
            target_set_host(&out->target, (const char *)name, name_len, port);
    } else {
        addr_from_v4(&addr, ip, port);
        target_set_addr(&out->target, &addr);
    }
    *used = (size_t)(r.at - (const uint8_t *)bytes);
    return WIRE_DONE;
}

/* Writes port and address. An address that is not IPv4: zeros. */
static void
put_v4(uint8_t out[6], const union addr *addr)
{
    memset(out, 0, 6);
    if (!addr || addr->sa.sa_family != AF_INET)
        return;
    memcpy(out, &addr->v4.sin_port, 2);
    memcpy(out + 2, &addr->v4.sin_addr, 4);
}

size_t
socks4_write_reply(uint8_t out[SOCKS4_REPLY_BYTES], enum socks4_code code,
                   const union addr *bound)
{
    out[0] = 0;
    out[1] = (uint8_t)code;
    put_v4(out + 2, bound);
    return SOCKS4_REPLY_BYTES;
}

/* Whether plain SOCKS4 has a form for an address: IPv4, unless it would be
 * taken for 4a's mark. */
static bool
is_plain_v4(const union addr *addr)
{
    uint8_t ip[4];

    if (addr->sa.sa_family != AF_INET)
        return false;
    memcpy(ip, &addr->v4.sin_addr, sizeof(ip));
    return !announces_name(ip);
}

size_t
socks4_write_request(uint8_t out[SOCKS4_REQUEST_MAX],
                     enum socks4_command command, const struct target *target,
                     const char *user)
{
    static const uint8_t mark[4] = {0, 0, 0, 1};
    char text[ADDR_TEXT_MAX];
    const char *name = NULL;
    size_t len = FIXED_BYTES;
    size_t user_len = user ? strnlen(user, SOCKS4_USER_MAX) : 0;

    out[0] = SOCKS4_VERSION;
    out[1] = (uint8_t)command;
    switch (target->kind) {
    case TARGET_UNIX:
        return 0;
    case TARGET_NAME:
        name = target->name;
        break;
    case TARGET_ADDR:
        if (is_plain_v4(&target->addr))
            put_v4(out + 2, &target->addr);
        else
            name = addr_format_host(&target->addr, text);
        break;
    }
    if (name) {
        out[2] = (uint8_t)(target->port >> 8);
        out[3] = (uint8_t)target->port;
        memcpy(out + 4, mark, sizeof(mark));
    }
    if (user_len > 0)
        memcpy(out + len, user, user_len);
    len += user_len;
    out[len++] = 0;
    if (name) {
        strcpy((char *)out + len, name);
        len += strlen(name) + 1;
    }
    return len;
}

enum wire_status
socks4_parse_reply(const void *bytes, size_t len, uint8_t *code,
                   union addr *bound, size_t *used)
{
    struct reader r = reader_over(bytes, len);
    uint8_t version = reader_u8(&r);
    uint8_t cd = reader_u8(&r);
    uint16_t port = reader_u16(&r);
    const uint8_t *ip = reader_bytes(&r, 4);

    if (version != 0 && version != SOCKS4_VERSION)
        return WIRE_BAD;
    if (!ip)
        return WIRE_MORE;
    *code = cd;
    addr_from_v4(bound, ip, port);
    *used = SOCKS4_REPLY_BYTES;
    return WIRE_DONE;
}

enum socks4_code
socks4_code_from_err(enum err err)
{
    return (enum socks4_code)codes_of(err)->socks4;
}

enum err
socks4_err_from_code(uint8_t code)
{
    static const enum err errs[] = {
        [SOCKS4_GRANTED - SOCKS4_GRANTED] = ERR_OK,
        [SOCKS4_REJECTED - SOCKS4_GRANTED] = ERR_REMOTE_FAILED,
        [SOCKS4_NO_IDENTD - SOCKS4_GRANTED] = ERR_AUTH_FAILED,
        [SOCKS4_USER_MISMATCH - SOCKS4_GRANTED] = ERR_AUTH_FAILED,
    };
    size_t i = (size_t)(code - SOCKS4_GRANTED);

    return code >= SOCKS4_GRANTED && i < sizeof(errs) / sizeof(errs[0])
               ? errs[i]
               : ERR_REMOTE_FAILED;
}
