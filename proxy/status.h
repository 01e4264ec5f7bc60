/* What a running program tells of itself: -O status, and SIGUSR1. */
#ifndef CULVERT_PROXY_STATUS_H
#define CULVERT_PROXY_STATUS_H

#include <stdbool.h>
#include <stddef.h>

#include "proxy/engine.h"
#include "proxy/forwards.h"

/* Writes into buf who runs, what listens, the links to the server: a line each,
 * or a line with one object of JSON. What does not fit is left out; in JSON
 * "left_out" says how many rows that are. Returns the length; there is a NUL
 * behind. Thread: the control worker's. */
size_t status_write(struct shared *shared, const struct forwards *forwards,
                    bool json, char *buf, size_t size);

/* Logs the links to the server, a line each; nothing where there is none. */
void status_log_links(struct shared *shared);

#endif
