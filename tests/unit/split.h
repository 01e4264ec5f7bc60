/* Parsers against every split: what a message needs, whatever way it comes. */
#ifndef CULVERT_TESTS_UNIT_SPLIT_H
#define CULVERT_TESTS_UNIT_SPLIT_H

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "transport/wire/wire.h"

/* One parser, its result dropped. */
struct split_parser {
    enum wire_status (*parse)(const void *bytes, size_t len, size_t *used);
};

/* Parses a copy of exactly len bytes, so that reading past it is seen. */
static inline enum wire_status
split_parse(struct split_parser parser, const void *bytes, size_t len,
            size_t *used)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    enum wire_status status;

    memcpy(copy, bytes, len);
    status = parser.parse(copy, len, used);
    free(copy);
    return status;
}

/* Asserts that every beginning of a message asks for more, and that the whole
 * is taken to its end and not a byte further, whatever follows it. */
static inline void
split_check(struct split_parser parser, const void *message, size_t len)
{
    static const char next[] = "\x05\x01\x00GET \r\n\r\n\0\0\xff next message";
    uint8_t *both = malloc(len + sizeof(next));
    size_t used = 0;

    for (size_t n = 0; n < len; n++)
        cr_assert_eq(split_parse(parser, message, n, &used), WIRE_MORE,
                     "%zu of %zu bytes", n, len);
    memcpy(both, message, len);
    memcpy(both + len, next, sizeof(next));
    for (size_t n = len; n <= len + sizeof(next); n++) {
        used = 0;
        cr_assert_eq(split_parse(parser, both, n, &used), WIRE_DONE);
        cr_assert_eq(used, len);
    }
    free(both);
}

#endif
