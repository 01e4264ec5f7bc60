/* Routes: which way out a target takes. Immutable once built; any thread may
 * read them. */
#ifndef CULVERT_PROXY_ROUTE_H
#define CULVERT_PROXY_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "transport/base/err.h"
#include "transport/base/target.h"

struct routes;

/* Room for a pattern that is named in a message. */
#define ROUTE_WHY_MAX 400

/* Returns an empty list; NULL when out of memory. */
struct routes *routes_create(void);
void routes_destroy(struct routes *routes);

/* Adds patterns (auth/rules.h), len bytes with commas between, behind those
 * there are; way is the number of a way out. A comma that ports follow belongs
 * to the pattern before: "a:80,443,b" is two.
 * Returns ERR_OK; ERR_NO_MEMORY; or ERR_MALFORMED, with which pattern is wrong,
 * and how, written to why. Of a text that is wrong patterns may have been
 * added. */
enum err routes_add(struct routes *routes, const char *patterns, size_t len,
                    unsigned way, char why[ROUTE_WHY_MAX]);

/* Puts another number in the place of each way's: to[way]. */
void routes_renumber(struct routes *routes, const unsigned *to);

/* The way of the first pattern that matches, or otherwise. A network matches
 * addresses that were asked for: names are not looked up here, as the way out
 * may be what looks them up, and may find others. */
unsigned routes_find(const struct routes *routes, const struct target *target,
                     unsigned otherwise);

/* Sets *way to that of the index-th pattern. Returns false behind the last. */
bool routes_at(const struct routes *routes, size_t index, unsigned *way);

#endif
