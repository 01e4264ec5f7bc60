/* The two owners of connected streams, for the contract's tests: they note
 * what they are told, and make sure that no call is answered from inside. */
#ifndef CULVERT_TESTS_UNIT_STREAM_SIDE_H
#define CULVERT_TESTS_UNIT_STREAM_SIDE_H

#include <stdbool.h>
#include <stddef.h>

#include "tests/unit/stream_contract.h"

/* A stream's owner: it notes what it is told, and does what the test says. */
struct side {
    struct stream *stream; /* NULL once closed */
    struct side *other;
    unsigned called;
    unsigned events; /* all that were told */
    bool closes_own;
    bool closes_other;
};

struct side_pair {
    const struct stream_maker *maker;
    struct worker *worker;
    struct side sides[2];
    bool in_call; /* a call of a stream's is under way */
};

/* A worker, and then two streams on it; a pair stays where it is from then on.
 */
struct side_pair side_pair_make(const struct stream_maker *maker);
void side_pair_connect(struct side_pair *pair);

/* Closes what is open, and the worker. */
void side_pair_end(struct side_pair *pair);

/* The calls of a stream. */
void side_want(struct side *side, unsigned events);
enum err side_write(struct side *side, const void *bytes, size_t len,
                    size_t *put);
enum err side_read(struct side *side, void *bytes, size_t size, size_t *got);
void side_finish(struct side *side);
void side_close(struct side *side, enum stream_close how);

/* Whether a side, its argument, was told anything, or five times; for
 * loop_until. */
bool side_is_told(void *side);
bool side_is_told_often(void *side);

/* Waits for an event of one side. */
void side_await(struct side *side, unsigned events);

/* Reads, waiting for it. */
enum err side_read_soon(struct side *side, void *bytes, size_t size,
                        size_t *got);

/* Writes a pattern until nothing goes any more: a socket's bytes move on for a
 * while. Returns how many bytes. */
size_t side_fill(struct side *side);

/* Reads count bytes that must be the pattern's, from `at` on. */
void side_drain(struct side *side, size_t at, size_t count);

/* Writes a short text. */
void side_say(struct side *side, const char *text);

/* Reads what must be the end. */
void side_assert_end(struct side *side, enum err end);

/* One byte, which fits into every stream. */
void side_assert_passes(struct side *from, struct side *to, const char *byte);

#define BEGIN(maker)                              \
    struct side_pair f = side_pair_make((maker)); \
    struct side *a = &f.sides[0];                 \
    struct side *b = &f.sides[1];                 \
    (void)a;                                      \
    (void)b;                                      \
    side_pair_connect(&f)

#endif
