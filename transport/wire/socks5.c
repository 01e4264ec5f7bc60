#include "transport/wire/socks5.h"

#include <string.h>

#include "transport/base/reader.h"
#include "transport/wire/codes.h"

/* RFC 1929's version is its own, not SOCKS'. */
#define PASSWORD_VERSION 1

/* RFC 1928 5. */
enum address_type {
    ADDRESS_V4 = 0x01,
    ADDRESS_NAME = 0x03,
    ADDRESS_V6 = 0x04,
};

/* ATYP, address and port as they came; host borrows from the message. */
struct address {
    uint8_t type;
    const uint8_t *host;
    uint8_t host_len;
    uint16_t port;
};

static size_t
bytes_read(const struct reader *r, const void *bytes)
{
    return (size_t)(r->at - (const uint8_t *)bytes);
}

/* Returns false for an unknown type: how long the rest is cannot be known, and
 * nothing after the type is read. */
static bool
read_address(struct reader *r, struct address *out)
{
    memset(out, 0, sizeof(*out));
    out->type = reader_u8(r);
    if (out->type == ADDRESS_V4)
        out->host_len = 4;
    else if (out->type == ADDRESS_V6)
        out->host_len = 16;
    else if (out->type == ADDRESS_NAME)
        out->host_len = reader_u8(r);
    else
        return false;
    out->host = reader_bytes(r, out->host_len);
    out->port = reader_u16(r);
    return true;
}

static enum err
address_to_target(const struct address *address, struct target *target)
{
    union addr addr;

    if (address->type == ADDRESS_NAME)
        return target_set_host(target, (const char *)address->host,
                               address->host_len, address->port);
    if (address->type == ADDRESS_V4)
        addr_from_v4(&addr, address->host, address->port);
    else
        addr_from_v6(&addr, address->host, address->port);
    target_set_addr(target, &addr);
    return ERR_OK;
}

enum wire_status
socks5_parse_greeting(const void *bytes, size_t len,
                      struct socks5_greeting *out, size_t *used)
{
    struct reader r = reader_over(bytes, len);
    uint8_t version = reader_u8(&r);
    uint8_t count = reader_u8(&r);
    const uint8_t *methods = reader_bytes(&r, count);

    if (len > 0 && version != SOCKS5_VERSION)
        return WIRE_BAD;
    if (r.failed)
        return WIRE_MORE;
    out->count = count;
    memcpy(out->methods, methods, count);
    *used = bytes_read(&r, bytes);
    return WIRE_DONE;
}

bool
socks5_offers(const struct socks5_greeting *greeting, enum socks5_method method)
{
    return memchr(greeting->methods, (int)method, greeting->count) != NULL;
}

enum wire_status
socks5_parse_password(const void *bytes, size_t len,
                      struct wire_credentials *out, size_t *used)
{
    struct reader r = reader_over(bytes, len);
    uint8_t version = reader_u8(&r);
    uint8_t user_len = reader_u8(&r);
    const uint8_t *user = reader_bytes(&r, user_len);
    uint8_t password_len = reader_u8(&r);
    const uint8_t *password = reader_bytes(&r, password_len);

    if (len > 0 && version != PASSWORD_VERSION)
        return WIRE_BAD;
    if (r.failed)
        return WIRE_MORE;
    out->user_len = user_len;
    out->password_len = password_len;
    memcpy(out->user, user, user_len);
    memcpy(out->password, password, password_len);
    *used = bytes_read(&r, bytes);
    return WIRE_DONE;
}

enum wire_status
socks5_parse_request(const void *bytes, size_t len, struct socks5_request *out,
                     size_t *used)
{
    struct reader r = reader_over(bytes, len);
    uint8_t version = reader_u8(&r);
    uint8_t command = reader_u8(&r);
    struct address address;
    bool known;

    reader_u8(&r); /* RSV */
    known = read_address(&r, &address);
    if (len > 0 && version != SOCKS5_VERSION)
        return WIRE_BAD;
    if (r.failed)
        return WIRE_MORE;
    memset(out, 0, sizeof(*out));
    out->command = command;
    /* Port 0 has a meaning in BIND (any) and UDP ASSOCIATE (not known yet). */
    if (!known)
        out->err = ERR_BAD_ADDRESS_TYPE;
    else if (address.port == 0 && command == SOCKS5_CONNECT)
        out->err = ERR_MALFORMED;
    else
        out->err = address_to_target(&address, &out->target);
    *used = bytes_read(&r, bytes);
    return WIRE_DONE;
}

size_t
socks5_write_method(uint8_t out[2], enum socks5_method method)
{
    out[0] = SOCKS5_VERSION;
    out[1] = (uint8_t)method;
    return 2;
}

size_t
socks5_write_password_result(uint8_t out[2], bool success)
{
    out[0] = PASSWORD_VERSION;
    out[1] = success ? 0 : 1;
    return 2;
}

/* Writes ATYP, address and port; 0.0.0.0:0 for NULL and "none". */
static size_t
put_addr(uint8_t *out, const union addr *addr)
{
    if (addr && addr->sa.sa_family == AF_INET6) {
        out[0] = ADDRESS_V6;
        memcpy(out + 1, &addr->v6.sin6_addr, 16);
        memcpy(out + 17, &addr->v6.sin6_port, 2);
        return 1 + 16 + 2;
    }
    memset(out, 0, 1 + 4 + 2);
    out[0] = ADDRESS_V4;
    if (addr && addr->sa.sa_family == AF_INET) {
        memcpy(out + 1, &addr->v4.sin_addr, 4);
        memcpy(out + 5, &addr->v4.sin_port, 2);
    }
    return 1 + 4 + 2;
}

/* Writes a byte for the length, then the bytes. */
static size_t
put_text(uint8_t *out, const void *text, uint8_t len)
{
    out[0] = len;
    memcpy(out + 1, text, len);
    return 1 + (size_t)len;
}

size_t
socks5_write_reply(uint8_t out[SOCKS5_REPLY_MAX], enum socks5_rep rep,
                   const union addr *bound)
{
    out[0] = SOCKS5_VERSION;
    out[1] = (uint8_t)rep;
    out[2] = 0;
    return 3 + put_addr(out + 3, bound);
}

size_t
socks5_write_greeting(uint8_t out[SOCKS5_GREETING_MAX],
                      const struct socks5_greeting *greeting)
{
    out[0] = SOCKS5_VERSION;
    return 1 + put_text(out + 1, greeting->methods, greeting->count);
}

size_t
socks5_write_password(uint8_t out[SOCKS5_PASSWORD_MAX],
                      const struct wire_credentials *credentials)
{
    size_t len = 1;

    out[0] = PASSWORD_VERSION;
    len += put_text(out + len, credentials->user, credentials->user_len);
    len +=
        put_text(out + len, credentials->password, credentials->password_len);
    return len;
}

size_t
socks5_write_request(uint8_t out[SOCKS5_REQUEST_MAX],
                     enum socks5_command command, const struct target *target)
{
    size_t len = 4;

    out[0] = SOCKS5_VERSION;
    out[1] = (uint8_t)command;
    out[2] = 0;
    switch (target->kind) {
    case TARGET_ADDR:
        return 3 + put_addr(out + 3, &target->addr);
    case TARGET_NAME:
        out[3] = ADDRESS_NAME;
        len += put_text(out + len, target->name, (uint8_t)strlen(target->name));
        out[len++] = (uint8_t)(target->port >> 8);
        out[len++] = (uint8_t)target->port;
        return len;
    case TARGET_UNIX:
        break;
    }
    return 0;
}

enum wire_status
socks5_parse_method(const void *bytes, size_t len, uint8_t *method,
                    size_t *used)
{
    struct reader r = reader_over(bytes, len);
    uint8_t version = reader_u8(&r);
    uint8_t chosen = reader_u8(&r);

    if (len > 0 && version != SOCKS5_VERSION)
        return WIRE_BAD;
    if (r.failed)
        return WIRE_MORE;
    *method = chosen;
    *used = bytes_read(&r, bytes);
    return WIRE_DONE;
}

enum wire_status
socks5_parse_password_result(const void *bytes, size_t len, bool *success,
                             size_t *used)
{
    struct reader r = reader_over(bytes, len);
    uint8_t version = reader_u8(&r);
    uint8_t status = reader_u8(&r);

    if (len > 0 && version != PASSWORD_VERSION && version != SOCKS5_VERSION)
        return WIRE_BAD;
    if (r.failed)
        return WIRE_MORE;
    *success = status == 0;
    *used = bytes_read(&r, bytes);
    return WIRE_DONE;
}

enum wire_status
socks5_parse_reply(const void *bytes, size_t len, struct socks5_reply *out,
                   size_t *used)
{
    struct reader r = reader_over(bytes, len);
    uint8_t version = reader_u8(&r);
    uint8_t rep = reader_u8(&r);
    struct address address;
    bool known;

    reader_u8(&r); /* RSV */
    known = read_address(&r, &address);
    if (len > 0 && version != SOCKS5_VERSION)
        return WIRE_BAD;
    if (r.failed)
        return WIRE_MORE;
    /* After a success the target's bytes follow, so the end must be known;
     * after a failure nothing does. */
    if (!known && rep == SOCKS5_SUCCEEDED)
        return WIRE_BAD;
    memset(out, 0, sizeof(*out));
    out->rep = rep;
    if (!known || address_to_target(&address, &out->bound) != ERR_OK)
        out->bound.kind = TARGET_ADDR; /* AF_UNSPEC: none */
    *used = bytes_read(&r, bytes);
    return WIRE_DONE;
}

enum socks5_rep
socks5_rep_from_err(enum err err)
{
    return (enum socks5_rep)codes_of(err)->socks5;
}

enum err
socks5_err_from_rep(uint8_t rep)
{
    static const enum err errs[] = {
        [SOCKS5_SUCCEEDED] = ERR_OK,
        [SOCKS5_GENERAL_FAILURE] = ERR_REMOTE_FAILED,
        [SOCKS5_NOT_ALLOWED] = ERR_PROHIBITED,
        [SOCKS5_NET_UNREACHABLE] = ERR_NET_UNREACHABLE,
        [SOCKS5_HOST_UNREACHABLE] = ERR_HOST_UNREACHABLE,
        [SOCKS5_REFUSED] = ERR_REFUSED,
        [SOCKS5_TTL_EXPIRED] = ERR_TIMED_OUT,
        [SOCKS5_BAD_COMMAND] = ERR_BAD_COMMAND,
        [SOCKS5_BAD_ADDRESS_TYPE] = ERR_BAD_ADDRESS_TYPE,
    };

    return rep < sizeof(errs) / sizeof(errs[0]) ? errs[rep] : ERR_REMOTE_FAILED;
}
