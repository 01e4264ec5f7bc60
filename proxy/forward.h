/* Forwards as values: how they compare, and what they are called. */
#ifndef CULVERT_PROXY_FORWARD_H
#define CULVERT_PROXY_FORWARD_H

#include <jansson.h>
#include <stdbool.h>

#include "proxy/settings.h"

/* The option that a forward is written with: "-D", "-L", "-R", "-W" or
 * "--gateway" (static text). */
const char *forward_option(const struct forward *forward);

/* Whether two are the same, but for the port that they listen on. */
bool forward_is_alike(const struct forward *a, const struct forward *b);

/* Gives what a forward is called in messages (free), as it would be typed;
 * NULL when out of memory. Not for -W. */
char *forward_name(const struct forward *forward);

/* Fills in what a row of the JSON status says of a forward: "option", "kind"
 * (socks, fixed, gateway) and, of a fixed one, "target". */
void forward_fill_row(const struct forward *forward, json_t *row);

#endif
