/* What the fuzz targets share: a check that no build drops, and the promise
 * of every parser that how its input was cut makes no difference. */
#ifndef CULVERT_TESTS_FUZZ_FUZZ_H
#define CULVERT_TESTS_FUZZ_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport/base/target.h"
#include "transport/wire/wire.h"

/* As assert, which the release build leaves out. */
#define FUZZ_CHECK(what)                                               \
    do {                                                               \
        if (!(what)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what); \
            abort();                                                   \
        }                                                              \
    } while (0)

/* Beyond this, only some prefixes are tried: all of them are quadratic. */
#define FUZZ_ALL_PREFIXES 300

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* What a parser made of its input; the struct it filled as plain bytes. */
struct fuzz_outcome {
    enum wire_status status;
    size_t used;
    size_t len;
    uint8_t bytes[1200];
};

struct fuzz_parser {
    void (*parse)(const void *bytes, size_t len, struct fuzz_outcome *out);
};

static inline void
fuzz_put(struct fuzz_outcome *out, const void *bytes, size_t len)
{
    FUZZ_CHECK(len <= sizeof(out->bytes) - out->len);
    memcpy(out->bytes + out->len, bytes, len);
    out->len += len;
}

static inline void
fuzz_put_number(struct fuzz_outcome *out, unsigned number)
{
    fuzz_put(out, &number, sizeof(number));
}

static inline void
fuzz_put_target(struct fuzz_outcome *out, const struct target *target)
{
    char text[TARGET_TEXT_MAX];

    fuzz_put_number(out, target->kind);
    fuzz_put_number(out, target->port);
    target_format(target, text);
    fuzz_put(out, text, strlen(text) + 1);
}

static inline void
fuzz_put_credentials(struct fuzz_outcome *out,
                     const struct wire_credentials *credentials)
{
    fuzz_put_number(out, credentials->user_len);
    fuzz_put(out, credentials->user, credentials->user_len);
    fuzz_put_number(out, credentials->password_len);
    fuzz_put(out, credentials->password, credentials->password_len);
}

/* Parses a copy of exactly len bytes, so that a read past it is found. */
static inline void
fuzz_parse(struct fuzz_parser parser, const uint8_t *bytes, size_t len,
           struct fuzz_outcome *out)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);

    FUZZ_CHECK(copy);
    if (len > 0)
        memcpy(copy, bytes, len);
    memset(out, 0, sizeof(*out));
    parser.parse(copy, len, out);
    FUZZ_CHECK(out->used <= len);
    FUZZ_CHECK(out->status == WIRE_DONE || out->used == 0);
    free(copy);
}

static inline void
fuzz_check_same(const struct fuzz_outcome *a, const struct fuzz_outcome *b)
{
    FUZZ_CHECK(a->status == b->status);
    FUZZ_CHECK(a->used == b->used);
    FUZZ_CHECK(a->len == b->len);
    FUZZ_CHECK(memcmp(a->bytes, b->bytes, a->len) == 0);
}

/* Parses all of the input into out, and prefixes of it: what is done or bad
 * stays so whatever follows, and a message is done at its end, not before. */
static inline void
fuzz_check_prefixes(struct fuzz_parser parser, const uint8_t *bytes, size_t len,
                    struct fuzz_outcome *out)
{
    size_t step = len <= FUZZ_ALL_PREFIXES ? 1 : len / FUZZ_ALL_PREFIXES + 1;
    struct fuzz_outcome part;

    fuzz_parse(parser, bytes, len, out);
    for (size_t n = 0; n < len; n += step) {
        fuzz_parse(parser, bytes, n, &part);
        if (out->status == WIRE_DONE && n < out->used)
            FUZZ_CHECK(part.status == WIRE_MORE);
        else if (part.status != WIRE_MORE || out->status == WIRE_DONE)
            fuzz_check_same(&part, out);
    }
    if (out->status != WIRE_DONE)
        return;
    fuzz_parse(parser, bytes, out->used, &part);
    fuzz_check_same(&part, out);
    fuzz_parse(parser, bytes, out->used - 1, &part);
    FUZZ_CHECK(part.status == WIRE_MORE);
}

/* Parses a message that we wrote: it is whole, and says what out says. */
static inline void
fuzz_check_written(struct fuzz_parser parser, const void *bytes, size_t len,
                   const struct fuzz_outcome *out)
{
    struct fuzz_outcome again;

    fuzz_parse(parser, bytes, len, &again);
    FUZZ_CHECK(again.used == len);
    again.used = out->used; /* ours may be shorter: cut, or a literal */
    fuzz_check_same(&again, out);
}

#endif
