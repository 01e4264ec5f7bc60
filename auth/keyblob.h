/* Public keys as a line of OpenSSH's has them: the type, and base64 of the
 * blob (RFC 4253 6.6). */
#ifndef CULVERT_AUTH_KEYBLOB_H
#define CULVERT_AUTH_KEYBLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/base/err.h"

/* As sshd: below this an RSA key is worth nothing. */
#define KEYBLOB_RSA_BITS_MIN 1024

/* Whether a word of len bytes is the name of a type that is known. */
bool keyblob_is_type(const char *word, size_t len);

/* Whether that is a type of FIDO keys. */
bool keyblob_is_fido(const char *word, size_t len);

/* Decodes base64 and looks at the form of the key: all of it must be there, be
 * of the type that was said, and have nothing behind it, so that a key cut
 * short by a paste is found when the file is read. Whether a point is on its
 * curve is for who verifies by it.
 * Returns ERR_OK and gives *blob of *blob_len bytes (free); ERR_NO_MEMORY; or
 * ERR_MALFORMED with *why set (lent, static text). */
enum err keyblob_decode(const char *type, size_t type_len, const char *base64,
                        size_t len, uint8_t **blob, size_t *blob_len,
                        const char **why);

#endif
