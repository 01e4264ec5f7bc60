/* Basic credentials (RFC 7617): a user name and a password as base64. */
#ifndef CULVERT_TRANSPORT_WIRE_BASIC_H
#define CULVERT_TRANSPORT_WIRE_BASIC_H

#include <stdbool.h>
#include <stddef.h>

#include "transport/wire/wire.h"

/* A user name, a colon, a password; and that as base64 with a NUL. */
#define BASIC_TEXT_MAX (WIRE_USER_MAX + 1 + WIRE_USER_MAX)
#define BASIC_SIZE     ((BASIC_TEXT_MAX + 2) / 3 * 4 + 1)

/* Reads what follows "Basic ", len bytes, strictly: padded, no other bytes
 * and no bits left over, so that one secret has one form. The first colon
 * ends the user name.
 * Returns false, out untouched, for all else and for a user name or password
 * over WIRE_USER_MAX. out is the caller's to wipe. */
bool basic_decode(const char *text, size_t len, struct wire_credentials *out);

/* Writes the same and a NUL, for the caller to wipe. Returns the length, or 0
 * for a user name with a colon: it has no form here. */
size_t basic_encode(const struct wire_credentials *credentials,
                    char out[BASIC_SIZE]);

#endif
