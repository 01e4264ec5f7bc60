/* Names with wildcards.
 *
 * fnmatch(3) is not used: what it matches depends on the locale, and it has
 * bracket expressions and backslashes, which no host name needs. */
#ifndef CULVERT_AUTH_GLOB_H
#define CULVERT_AUTH_GLOB_H

#include <stdbool.h>
#include <stddef.h>

/* Whether a pattern matches the whole of a name: '*' is any number of bytes,
 * '?' is one, every other byte is itself. Costs at most the product of the
 * lengths. */
bool glob_matches(const char *glob, size_t glob_len, const char *name,
                  size_t name_len);

/* Copies len bytes in lower case, by ASCII alone (RFC 4343), and puts a NUL
 * behind them. */
void glob_copy_lower(char *to, const char *from, size_t len);

#endif
