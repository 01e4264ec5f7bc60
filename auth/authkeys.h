/* An authorized_keys file, as sshd(8) has it. Immutable once loaded, counted by
 * reference; any thread may read it. */
#ifndef CULVERT_AUTH_AUTHKEYS_H
#define CULVERT_AUTH_AUTHKEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "auth/grant.h"
#include "transport/base/addr.h"
#include "transport/base/err.h"

struct authkeys;

/* Reads a file: a key a line, with options before it (restrict,
 * port-forwarding, no-port-forwarding, permitopen=, permitlisten=, from=,
 * expiry-time=, our agent=; those that take something from who has nothing, and
 * the like, are accepted). Returns ERR_OK and gives *keys (authkeys_unref);
 * else an error and "FILE:LINE: what is wrong" (or "FILE: why") in message, of
 * size bytes: an option that is unknown or that we can't keep to is one, as are
 * a FIDO key without no-touch-required, whose touch nobody looks at, and
 * a file that others may write to. One without a key is none. */
enum err authkeys_load(const char *path, struct authkeys **keys, char *message,
                       size_t size);

/* The same over bytes in memory (borrowed); path is for the message alone. */
enum err authkeys_parse(const char *text, size_t len, const char *path,
                        struct authkeys **keys, char *message, size_t size);

#define AUTHKEYS_LINE_MAX (16u * 1024)
#define AUTHKEYS_FILE_MAX (16u * 1024 * 1024)

struct authkeys *authkeys_ref(struct authkeys *keys);

/* NULL does nothing. */
void authkeys_unref(struct authkeys *keys);

size_t authkeys_count(const struct authkeys *keys);

/* Whether some key is the agent of that name (agent=). */
bool authkeys_names_agent(const struct authkeys *keys, const char *agent);

/* Looks a key up by its blob (RFC 4253 6.6) for a peer at addr, now. The first
 * line that has the key and whose from= and expiry-time= hold is the one.
 * Returns ERR_OK and gives *grant (grant_unref); ERR_AUTH_FAILED for a key that
 * is not there, ERR_DENIED for one that may not come from there or has expired;
 * both with *why (static text) for the log. */
enum err authkeys_find(const struct authkeys *keys, const uint8_t *blob,
                       size_t len, const union addr *addr, time_t now,
                       struct grant **grant, const char **why);

#endif
