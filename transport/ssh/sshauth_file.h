/* A key in files: its public half, its private one, which may be encrypted,
 * and a certificate for it. */
#ifndef CULVERT_TRANSPORT_SSH_SSHAUTH_FILE_H
#define CULVERT_TRANSPORT_SSH_SSHAUTH_FILE_H

#include <libssh/libssh.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/ssh/sshlogin_run.h"

struct sshauth_file {
    const char *path;
    char *base64;        /* the public key, as far as it is known; or NULL */
    ssh_key public_key;  /* likewise */
    ssh_key private_key; /* once it was needed */
    bool is_there;       /* the file itself can be read */
    bool is_bad;         /* it holds no private key, or none for us */
};

/* Reads what tells the public half: PATH.pub, an OpenSSH key's own outer part,
 * a PEM key that isn't encrypted, or PATH itself if that is a public key.
 * path is borrowed until close. */
void sshauth_file_open(struct sshauth_file *file, const char *path);
void sshauth_file_close(struct sshauth_file *file);

/* Reads the private half. Asks for its passphrase if it is encrypted.
 * Returns ERR_OK; ERR_NOT_PERMITTED: others can read the file, which has been
 * said in the log; ERR_PEER_GONE: it is encrypted, and nobody is to be asked
 * or gave the right passphrase; ERR_NO_SUCH_PATH; ERR_MALFORMED. */
enum err sshauth_file_unlock(struct sshauth_file *file,
                             struct sshlogin_run *run);

/* A certificate from a file. */
struct sshauth_certificate {
    ssh_key key;
    uint8_t *blob;
    size_t len;
};

/* Returns false if the file isn't there or is no certificate. */
bool sshauth_certificate_open(struct sshauth_certificate *certificate,
                              const char *path);
void sshauth_certificate_close(struct sshauth_certificate *certificate);

/* Whether it is for the public key with this base64. */
bool sshauth_certificate_fits(const struct sshauth_certificate *certificate,
                              const char *base64);

#endif
