/* The users file: lines "user:hash", with any hash of crypt(3) as mkpasswd and
 * `openssl passwd` print it, or "user:hash:agent=NAME": by which agent that
 * user leaves, and what an SSH login by that password is called. Immutable once
 * loaded, counted by reference; any thread may read it. */
#ifndef CULVERT_AUTH_USERS_H
#define CULVERT_AUTH_USERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/base/err.h"

struct users;

/* Reads a file: blank lines and lines that start with '#' are passed over, as
 * are a CR at the end of a line and a byte order mark before the first; a user
 * name is 1 to 255 bytes and may hold no colon.
 * Returns ERR_OK and gives *users (users_unref), else an error and writes
 * "FILE:LINE: what is wrong" (or "FILE: why") to message, of size bytes. A
 * hash is never written anywhere. A file that others can write to, a user named
 * twice, an unknown kind of hash, a name that no agent can have
 * (auth/grant.h), or a file with no user is an error. */
enum err users_load(const char *path, struct users **users, char *message,
                    size_t size);

/* The same over bytes in memory (borrowed); path is for the message alone. */
enum err users_parse(const char *text, size_t len, const char *path,
                     struct users **users, char *message, size_t size);

/* Neither a line nor a file needs more: a name of 255 bytes, a hash of at most
 * 384, an agent of 63, and a hundred thousand users. */
#define USERS_LINE_MAX 1024
#define USERS_FILE_MAX (16u * 1024 * 1024)

struct users *users_ref(struct users *users);

/* The last one wipes the memory and frees it. NULL does nothing. */
void users_unref(struct users *users);

size_t users_count(const struct users *users);

/* Whether there is a user of that name. */
bool users_has(const struct users *users, const uint8_t *user, size_t len);

/* Lends the name of a user's agent; NULL when none is said, or there is no such
 * user. */
const char *users_agent(const struct users *users, const uint8_t *user,
                        size_t len);

/* Checks a password with crypt(3): slow on purpose, so never on a loop. An
 * unknown user costs as much as the first one in the file, and a password with
 * a NUL byte as much as one without.
 * Thread: any, several at once. */
bool users_check(const struct users *users, const uint8_t *user,
                 size_t user_len, const uint8_t *password, size_t password_len);

#endif
