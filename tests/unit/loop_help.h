/* What the tests of the loop, the streams and what stands on them share:
 * sockets in pairs, and a loop that runs until something has happened. */
#ifndef CULVERT_TESTS_UNIT_LOOP_HELP_H
#define CULVERT_TESTS_UNIT_LOOP_HELP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/base/addr.h"
#include "transport/loop/worker.h"

/* Longer than anything here takes, also under valgrind: a test that waits for
 * this long has failed. */
#define LOOP_PATIENCE_SECONDS 20.0

/* Runs the worker's loop on this thread until met(arg) is true, asked after
 * every turn. Returns false when that took too long. */
bool loop_until(struct worker *worker, bool (*met)(void *arg), void *arg);

/* The same for `*flag`. */
bool loop_until_set(struct worker *worker, const bool *flag);

/* Runs the loop for so many turns without waiting for anything. */
void loop_turns(struct worker *worker, unsigned turns);

/* Runs the loop for a time, and returns how many turns it took: few when it
 * sleeps, many when it spins. */
unsigned loop_for(struct worker *worker, double seconds);

/* Two connected sockets, non-blocking: TCP over 127.0.0.1, or Unix. Asserts
 * that it worked. */
void sockets_tcp(int fds[2]);
void sockets_unix(int fds[2]);

/* A blocking listening socket on 127.0.0.1 with a port of its own, which is
 * written to addr. */
int sockets_listen(union addr *addr, int backlog);

/* A blocking socket connected to addr, whose reads and writes give up after
 * LOOP_PATIENCE_SECONDS. */
int sockets_connect(const union addr *addr);
void sockets_be_patient(int fd);

/* All there is to read until the end. Returns how many bytes; *reset says
 * whether the end was a reset. */
size_t sockets_read_end(int fd, void *bytes, size_t size, bool *reset);

/* Exactly len bytes, or an assertion fails. */
void sockets_read(int fd, void *bytes, size_t len);
void sockets_write(int fd, const void *bytes, size_t len);

/* How many descriptors this process has open. */
unsigned sockets_open_count(void);

/* Lets this process open so many descriptors more and no others: the soft
 * limit, so that it can be raised again. */
void sockets_limit(unsigned more);
void sockets_limit_no_more(void);

#endif
