/* Streams in memory whose windows, pieces and order of readiness are chosen by
 * the test: what the network does rarely, they do all the time. They hold
 * whoever uses them to what transport/stream.h demands. */
#ifndef CULVERT_TESTS_UNIT_STREAM_FAKE_H
#define CULVERT_TESTS_UNIT_STREAM_FAKE_H

#include <stddef.h>
#include <stdint.h>

#include "transport/loop/worker.h"
#include "transport/stream.h"

struct fake_end;

/* Where fakes of one worker are: it picks which of those that are ready is
 * told next. Outlives its streams. */
struct fake_hub {
    struct worker *worker;
    uint64_t seed;
    size_t window; /* bytes that may be under way in one direction, >= 1 */
    size_t piece;  /* most bytes that one read or write moves, >= 1 */
    struct task task;
    struct fake_end *ends;
};

/* A number below `below`, the same for every run with the same seed. */
size_t fake_random(uint64_t *seed, size_t below);

void fake_hub_init(struct fake_hub *hub, struct worker *worker, uint64_t seed,
                   size_t window, size_t piece);

/* Gives two connected streams. */
void fake_pair(struct fake_hub *hub, struct stream *ends[2]);

/* How many bytes wait to be read from a stream. */
size_t fake_waiting(const struct stream *stream);

#endif
