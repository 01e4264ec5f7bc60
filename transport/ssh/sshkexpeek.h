/* A look at the first bytes of an SSH client, before libssh has them: does it
 * put chacha20 first by habit, while aes128-gcm would do?
 *
 * In SSH the client's list decides (RFC 4253 7.1), and most clients have one
 * fixed order in it, whatever their processor can do. A server that leaves out
 * what it does not want to be asked for decides after all. */
#ifndef CULVERT_TRANSPORT_SSH_SSHKEXPEEK_H
#define CULVERT_TRANSPORT_SSH_SSHKEXPEEK_H

#include <stddef.h>
#include <stdint.h>

enum sshkexpeek {
    SSHKEXPEEK_MORE, /* can't be said yet */
    SSHKEXPEEK_ANY,  /* the client's choice is to stand */
    SSHKEXPEEK_GCM,  /* it has aes128-gcm, and prefers chacha20 by habit */
};

/* No KEXINIT is so long; behind that, none is waited for. */
#define SSHKEXPEEK_BYTES_MAX (16u * 1024)

/* Judges what a client has sent so far: its version line (RFC 4253 4.2) and
 * its SSH_MSG_KEXINIT (7.1), which is not encrypted yet. */
enum sshkexpeek sshkexpeek_judge(const uint8_t *bytes, size_t len);

#endif
