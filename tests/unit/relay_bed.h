/* A relay between two peers that the test plays, on streams of any kind.
 *
 *     client peer <-> near[RELAY_UP] = relay = near[RELAY_DOWN] <-> target
 *
 * What the peers send is a pattern that depends on the place, so that a byte
 * lost, doubled or moved is seen where it is. */
#ifndef CULVERT_TESTS_UNIT_RELAY_BED_H
#define CULVERT_TESTS_UNIT_RELAY_BED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/relay.h"
#include "tests/unit/stream_fake.h"

enum bed_kind {
    BED_FAKE,
    BED_TCP,
    BED_UNIX,
};

/* Index 0 is the client, 1 the target, of peers as of near streams. */
struct bed_peer {
    struct bed *bed;
    struct stream *stream; /* NULL once closed */
    size_t to_send;        /* up to here, counted from the first byte */
    size_t sent;
    size_t received;
    bool finishes; /* when all is sent */
    bool waits;    /* sends nothing before it has read the end */
    bool stalls;   /* reads nothing */
    bool finished;
    enum err end;    /* what reading ended with, or ERR_OK */
    enum err failed; /* what writing ended with, or ERR_OK */
};

struct bed {
    struct worker *worker;
    struct fake_hub hub;
    struct pipe_budget budget;
    struct relay_pool pool;
    struct relay relay;
    struct stream *near[2];
    struct bed_peer peers[2];
    bool in_start;
    unsigned moved;
    unsigned half_closed;
    unsigned done; /* how often it was called */
    enum err err;  /* and with what */
    bool had_pipe; /* a way was seen with one */
    size_t most_kept;
};

/* seed, window and piece are for fakes; pipes is the budget. */
void bed_init(struct bed *bed, enum bed_kind kind, unsigned pipes,
              uint64_t seed, size_t window, size_t piece);

/* Starts the relay. The first bytes, up and down, are the beginnings of what
 * client and target send; they stand behind `gap` other bytes in their block.
 * client_ended: the client sends nothing more, and its end is read before. */
void bed_start(struct bed *bed, size_t up, size_t down, size_t gap,
               bool client_ended);

/* Peers of which neither sends anything yet want to be told again. */
void bed_peers_want(struct bed *bed);

/* Closes a peer's stream. */
void bed_leave(struct bed *bed, int index, enum stream_close how);

/* Runs the loop until the relay is done, or a peer has received so much. */
void bed_await_done(struct bed *bed);
void bed_await_received(struct bed *bed, int index, size_t count);

/* Runs it until a peer has read its end, too. */
void bed_await_ends(struct bed *bed);

/* Runs the loop until nothing has moved for a while. */
void bed_settle(struct bed *bed);

/* The bytes a way keeps, on the heap and in its pipe. */
size_t bed_kept(const struct bed *bed, enum relay_direction direction);

void bed_end(struct bed *bed);

#endif
