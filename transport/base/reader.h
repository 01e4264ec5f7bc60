/* A bounded reader over bytes that a peer sent.
 *
 * It never reads past the end: once something is missing, `failed` is set and
 * stays set, every later read gives zero, and the caller looks once, at the
 * end. */
#ifndef CULVERT_TRANSPORT_BASE_READER_H
#define CULVERT_TRANSPORT_BASE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed; /* something was missing */
};

/* A reader over len bytes. Valid until the bytes go. */
static inline struct reader
reader_over(const void *bytes, size_t len)
{
    const uint8_t *at = bytes;

    return (struct reader){.at = at, .end = at + len, .failed = false};
}

/* Lends the next len bytes, or NULL (and fails) when there are fewer. */
static inline const uint8_t *
reader_bytes(struct reader *r, size_t len)
{
    const uint8_t *at = r->at;

    if (r->failed || (size_t)(r->end - at) < len) {
        r->failed = true;
        return NULL;
    }
    r->at = at + len;
    return at;
}

static inline uint8_t
reader_u8(struct reader *r)
{
    const uint8_t *p = reader_bytes(r, 1);

    return p ? p[0] : 0;
}

/* The next two bytes in network order. */
static inline uint16_t
reader_u16(struct reader *r)
{
    const uint8_t *p = reader_bytes(r, 2);

    return p ? (uint16_t)(p[0] << 8 | p[1]) : 0;
}

/* The next four bytes in network order. */
static inline uint32_t
reader_u32(struct reader *r)
{
    const uint8_t *p = reader_bytes(r, 4);

    return p ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
                   (uint32_t)p[2] << 8 | p[3]
             : 0;
}

#endif
