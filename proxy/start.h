/* What is settled before anything runs: descriptors, addresses, users. */
#ifndef CULVERT_PROXY_START_H
#define CULVERT_PROXY_START_H

#include <stdbool.h>
#include <stddef.h>

#include "proxy/engine.h"
#include "proxy/settings.h"

/* Allows itself as many descriptors as it may. Returns how many. */
size_t start_raise_descriptors(void);

/* Descriptors that will be in use besides those of sessions and listeners,
 * with so many workers. */
size_t start_count_reserved(const struct shared *shared, unsigned workers);

/* How many descriptors a session has at most, the ways out and the forwards
 * being what they are: a channel of an SSH link has none. */
unsigned start_count_per_session(const struct settings *settings);

/* Sets the number of workers where it was left open: the processors', fewer
 * where descriptors are short. */
void start_choose_workers(struct settings *settings,
                          const struct shared *shared, size_t descriptors);

/* -b: an address or a name, one of each family at the most, into shared. What
 * fails is logged. Blocks for a name. */
bool start_find_bind_host(struct shared *shared);

/* --users: makes shared's verifier, if there is to be one. What fails is
 * logged. Starts a thread. */
bool start_load_users(struct shared *shared);

/* Reads the users file again; a bad one is logged, and the old users stay. */
void start_reload_users(struct shared *shared);

#endif
