/* An engine on a worker of its own, with real sockets around it: the test is
 * the client and the target, both blocking. */
#ifndef CULVERT_TESTS_UNIT_SESSION_BED_H
#define CULVERT_TESTS_UNIT_SESSION_BED_H

#include <stdbool.h>
#include <stddef.h>

#include "proxy/engine.h"
#include "proxy/session.h"

struct session_bed {
    struct settings *settings; /* to be changed before session_bed_start */
    struct shared shared;
    struct worker *worker;
    struct engine *engine;
    struct forward socks; /* clients come in by this */
    struct forward fixed; /* or by this; its target is set by the test */
    /* Makes a client's stream another (takes); NULL: it is a TCP one. */
    struct stream *(*wrap)(struct stream *stream);
    int gone;             /* an eventfd: sessions that went */
    unsigned descriptors; /* before anything was opened */

    int listening; /* the target's */
    union addr target;
    int plugs[16]; /* what fills the target's queue */
    unsigned plug_count;
};

/* Settings and a target that listens. */
void session_bed_init(struct session_bed *bed);

/* Requires passwords: fred's is "secret". */
void session_bed_need_password(struct session_bed *bed);

/* Starts the engine, of so many, as the one with this index. */
void session_bed_start(struct session_bed *bed, unsigned index);

/* Ends sessions, engine and worker. The counters in bed->engine->counters were
 * written to *counters before. */
void session_bed_stop(struct session_bed *bed, struct counters *counters);

/* Frees the rest, and asserts that no descriptor is left open. */
void session_bed_end(struct session_bed *bed);

/* A client that has just come in by a forward, as a blocking socket. */
int session_bed_client(struct session_bed *bed, const struct forward *forward);

/* The target's end of a connection. */
int session_bed_accept(struct session_bed *bed);

/* Makes the target's queue so full that a dial stays pending, and lets it go
 * on. */
void session_bed_plug(struct session_bed *bed);
void session_bed_unplug(struct session_bed *bed);

/* Waits until so many sessions have gone. */
void session_bed_await_gone(struct session_bed *bed, unsigned count);

/* A SOCKS5 greeting and a request for addr, in one. Returns the length. */
size_t session_bed_request(char out[64], const union addr *addr);

/* What a SOCKS5 client without a password reads, when rep is the answer. */
#define SESSION_FAILURE(rep) \
    "\x05\x00\x05" rep "\x00\x01\x00\x00\x00\x00\x00\x00"

/* Sends them. */
void session_bed_ask(int client, const union addr *addr);

/* An address where nothing listens. */
union addr session_bed_closed_port(void);

/* Whether something can be read, or accepted, within a time. */
bool session_bed_has_news(int fd, int ms);

/* Asserts that so much comes and then an orderly end; or that a reset does. */
void session_bed_assert_rest(int fd, const char *expected, size_t len);
void session_bed_assert_reset(int fd);

/* Stops and ends, and asserts how many sessions ended for a reason. */
void session_bed_finish(struct session_bed *bed, enum err expected,
                        unsigned count);

/* Lets a client connect to the target, and reads the replies. */
int session_bed_connect(struct session_bed *bed, int *target);

#endif
