/* Lines of known_hosts: read, matched against a server's name, and made.
 * The format is in sshd(8). Pure: no files here. */
#ifndef CULVERT_TRANSPORT_SSH_SSHKNOWN_H
#define CULVERT_TRANSPORT_SSH_SSHKNOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SSHKNOWN_SALT_BYTES 20

/* Room for a name: "[", a host name, "]:65535", NUL. */
#define SSHKNOWN_NAME_MAX 1040

/* Room for "|1|SALT|HASH" with its NUL. */
#define SSHKNOWN_HASHED_MAX 64

enum sshknown_mark {
    SSHKNOWN_PLAIN,
    SSHKNOWN_CA,      /* @cert-authority */
    SSHKNOWN_REVOKED, /* @revoked */
    SSHKNOWN_STRANGE, /* a marker that is not known: stands for nothing */
};

struct sshknown_text {
    const char *at;
    size_t len;
};

/* One line, pointing into the text that it was read from. */
struct sshknown_line {
    enum sshknown_mark mark;
    struct sshknown_text hosts;
    struct sshknown_text type; /* "ssh-ed25519" */
    struct sshknown_text key;  /* base64 */
};

/* Reads a line, without its line break. Returns false for one that says
 * nothing: empty, a comment, or malformed. */
bool sshknown_read(const char *text, size_t len, struct sshknown_line *line);

/* The same for a file of public keys (RevokedHostKeys): no marker and no
 * hosts. */
bool sshknown_read_key(const char *text, size_t len,
                       struct sshknown_line *line);

/* Whether the line is about the server that is known by this name, which
 * sshknown_name has made: patterns, negated ones, and hashed names. */
bool sshknown_matches(const struct sshknown_line *line, const char *name);

bool sshknown_has_type(const struct sshknown_line *line, const char *type);
bool sshknown_has_key(const struct sshknown_line *line, const char *type,
                      const char *key);

/* The name that a server's keys are kept under: in lower case, and
 * "[host]:port" unless the port is 22. Returns false when it doesn't fit into
 * SSHKNOWN_NAME_MAX; buf is untouched then. */
bool sshknown_name(char *buf, const char *host, unsigned port);

/* The name so that it doesn't tell itself, "|1|SALT|HASH", to buf, which has
 * room for SSHKNOWN_HASHED_MAX. */
void sshknown_hash(char *buf, const char *name,
                   const uint8_t salt[SSHKNOWN_SALT_BYTES]);

#endif
