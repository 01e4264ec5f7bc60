/* Bytes that tell where in a stream they are, so that a hole, a repetition or
 * a byte from elsewhere is seen: what the origin sends and load checks. */
#ifndef CULVERT_BENCH_PATTERN_H
#define CULVERT_BENCH_PATTERN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { PATTERN_BYTES = 300 * 1000 * 1000 };

/* The eight bytes of a stream that begin at 8 * index: a counter, scrambled
 * by splitmix64. */
static inline uint64_t
pattern_word(uint64_t index)
{
    uint64_t word = (index + 1) * 0x9e3779b97f4a7c15U;

    word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9U;
    word = (word ^ (word >> 27)) * 0x94d049bb133111ebU;
    return word ^ (word >> 31);
}

/* Writes the len bytes of the stream that begin at offset. */
static inline void
pattern_fill(uint64_t offset, char *out, size_t len)
{
    while (len > 0) {
        uint64_t word = pattern_word(offset / 8);
        size_t skip = offset % 8, part = 8 - skip < len ? 8 - skip : len;

        memcpy(out, (const char *)&word + skip, part);
        offset += part;
        out += part;
        len -= part;
    }
}

#endif
