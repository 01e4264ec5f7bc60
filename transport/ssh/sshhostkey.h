/* The host keys of an SSH server of ours. */
#ifndef CULVERT_TRANSPORT_SSH_SSHHOSTKEY_H
#define CULVERT_TRANSPORT_SSH_SSHHOSTKEY_H

#include <libssh/libssh.h>
#include <stdbool.h>
#include <stddef.h>

#include "transport/base/err.h"

/* Room for a key's fingerprint, "SHA256:..." */
#define SSHHOSTKEY_PRINT_MAX 64

/* One of each kind is all that a server can have. */
#define SSHHOSTKEYS_MAX 3

struct sshhostkeys {
    ssh_key keys[SSHHOSTKEYS_MAX];
    unsigned count;
};

/* Reads a private key (ed25519, ecdsa or rsa of 2048 bits or more; not
 * encrypted, and for its owner's eyes alone) and adds it. A file that is not
 * there is made: ed25519, mode 0600, complete or not at all; *made says so, and
 * print gets its fingerprint.
 * Returns ERR_OK, or an error with "FILE: what is wrong" in message; a second
 * key of the same kind is one. Blocks. */
enum err sshhostkeys_load(struct sshhostkeys *keys, const char *path,
                          bool *made, char print[SSHHOSTKEY_PRINT_MAX],
                          char *message, size_t size);

/* Writes a key's fingerprint, as ssh-keygen -l has it. Returns false when out
 * of memory. */
bool sshhostkey_print(ssh_key key, char print[SSHHOSTKEY_PRINT_MAX]);

/* Zeroed memory does nothing. */
void sshhostkeys_clear(struct sshhostkeys *keys);

#endif
