#include "transport/wire/basic.h"

#include <stdint.h>
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                             "abcdefghijklmnopqrstuvwxyz0123456789+/";

/* The six bits of a digit (RFC 4648 4), or -1. */
static int
digit_value(char c)
{
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* Decodes base64 into at most BASIC_TEXT_MAX bytes. Returns false for what is
 * not strictly so, or longer. */
static bool
base64_decode(const char *text, size_t len, uint8_t *out, size_t *out_len)
{
    size_t pad = 0;
    size_t bytes;
    size_t n = 0;
    uint32_t bits = 0;

    if (len == 0 || len % 4 != 0 || len >= BASIC_SIZE)
        return false;
    while (pad < 2 && text[len - 1 - pad] == '=')
        pad++;
    bytes = len / 4 * 3 - pad;
    if (bytes > BASIC_TEXT_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        int value = i < len - pad ? digit_value(text[i]) : 0;

        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        if (i % 4 != 3)
            continue;
        for (int shift = 16; shift >= 0 && n < bytes; shift -= 8)
            out[n++] = (uint8_t)(bits >> shift);
    }
    *out_len = bytes;
    /* The bits that padding cuts off must be zero. */
    return (bits & ((1u << 8 * pad) - 1)) == 0;
}

static size_t
base64_encode(const uint8_t *bytes, size_t len, char *out)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i += 3) {
        uint32_t bits = (uint32_t)bytes[i] << 16;

        if (i + 1 < len)
            bits |= (uint32_t)bytes[i + 1] << 8;
        if (i + 2 < len)
            bits |= bytes[i + 2];
        out[n++] = digits[bits >> 18];
        out[n++] = digits[bits >> 12 & 63];
        out[n++] = i + 1 < len ? digits[bits >> 6 & 63] : '=';
        out[n++] = i + 2 < len ? digits[bits & 63] : '=';
    }
    out[n] = 0;
    return n;
}

static bool
split(const uint8_t *text, size_t len, struct wire_credentials *out)
{
    const uint8_t *colon = memchr(text, ':', len);
    size_t user_len = colon ? (size_t)(colon - text) : 0;
    size_t password_len = len - user_len - 1;

    if (!colon || user_len > WIRE_USER_MAX || password_len > WIRE_USER_MAX)
        return false;
    out->user_len = (uint8_t)user_len;
    out->password_len = (uint8_t)password_len;
    memcpy(out->user, text, user_len);
    memcpy(out->password, colon + 1, password_len);
    return true;
}

bool
basic_decode(const char *text, size_t len, struct wire_credentials *out)
{
    uint8_t plain[BASIC_TEXT_MAX];
    size_t plain_len = 0;
    bool good = base64_decode(text, len, plain, &plain_len) &&
                split(plain, plain_len, out);

    explicit_bzero(plain, sizeof(plain));
    return good;
}

size_t
basic_encode(const struct wire_credentials *credentials, char out[BASIC_SIZE])
{
    uint8_t plain[BASIC_TEXT_MAX];
    size_t user_len = credentials->user_len;
    size_t len = user_len + 1 + credentials->password_len;

    if (memchr(credentials->user, ':', user_len))
        return 0;
    memcpy(plain, credentials->user, user_len);
    plain[user_len] = ':';
    memcpy(plain + user_len + 1, credentials->password,
           credentials->password_len);
    len = base64_encode(plain, len, out);
    explicit_bzero(plain, sizeof(plain));
    return len;
}
