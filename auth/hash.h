/* One password hash of crypt(3): whether it is one, and whether a password
 * makes it. */
#ifndef CULVERT_AUTH_HASH_H
#define CULVERT_AUTH_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Looks at a hash's form alone, which is cheap: its method must be known to
 * libcrypt, the weak old ones included, and its length must be that of the
 * method, so that a plain password or a hash cut short by a paste is told
 * apart. Thirteen letters and digits have the form of a DES hash.
 * Returns NULL when nothing is wrong, else what is (lent, static text; it never
 * holds a part of the hash). */
const char *hash_fault(const char *hash);

/* Hashes the password with hash's method, cost and salt, and compares in equal
 * time. A password with a NUL byte, or of more than HASH_PASSWORD_MAX bytes,
 * costs as much as another of its length and never matches: crypt(3) would
 * look at the beginning alone.
 * Thread: any, several at once; it takes milliseconds to seconds. */
bool hash_matches(const char *hash, const uint8_t *password,
                  size_t password_len);

/* crypt(3) takes no more; a SOCKS5 password has at most 255. */
#define HASH_PASSWORD_MAX 511

#endif
