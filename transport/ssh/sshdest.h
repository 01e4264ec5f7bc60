/* A destination: one SSH server, and all that is to be known to log in to it.
 *
 * Plain values, made by the program from the command line and ssh_config, with
 * tokens and ~ already expanded. Immutable once made, so that any thread may
 * read it. */
#ifndef CULVERT_TRANSPORT_SSH_SSHDEST_H
#define CULVERT_TRANSPORT_SSH_SSHDEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* StrictHostKeyChecking. */
enum sshdest_strict {
    SSHDEST_STRICT_ASK,        /* an unknown key is asked about */
    SSHDEST_STRICT_YES,        /* an unknown key is refused */
    SSHDEST_STRICT_ACCEPT_NEW, /* an unknown key is kept, a changed refused */
    SSHDEST_STRICT_NO,         /* as ACCEPT_NEW; a changed one warns only, but
                                * where the destination listens */
};

/* A list of texts; item is NULL when count is 0. */
struct sshdest_list {
    char **item;
    size_t count;
};

struct sshdest {
    char *given; /* as the user named it: Host of ssh_config, for messages */
    char *host;  /* what is dialled: HostName */
    unsigned port;
    char *user;

    /* How it is reached: through jump, by proxy_command, or directly. */
    struct sshdest *jump; /* the server before it (ProxyJump), owned; or NULL */
    char *proxy_command;  /* a command line for the shell, or NULL */
    int family;           /* AF_UNSPEC, AF_INET, AF_INET6 */
    char *bind_host;      /* BindAddress: address or name; or NULL */
    char *bind_device;    /* BindInterface, or NULL */
    double connect_timeout;       /* seconds: TCP, key exchange; 0: none */
    unsigned connection_attempts; /* of the first connection; at least 1 */
    bool tcp_keepalive;

    /* What is negotiated: lists with commas as libssh takes them, with + - ^
     * already resolved; NULL: our own default. */
    char *ciphers;
    char *macs;
    char *kex;
    char *host_key_algorithms;
    bool host_keys_by_known; /* of those, what known_hosts has goes first: a
                              * list that was written with + or - */
    char *pubkey_algorithms;
    bool compression;
    uint64_t rekey_bytes;   /* 0: the cipher's own limit */
    unsigned rekey_seconds; /* 0: none */
    unsigned rsa_min_bits;  /* 0: libssh's own */

    /* Who the server is. */
    enum sshdest_strict strict;
    char *host_key_alias; /* the name its keys are kept under, or NULL */
    struct sshdest_list user_known_hosts; /* files; the first is written to */
    struct sshdest_list global_known_hosts;
    struct sshdest_list revoked_host_keys; /* files */
    bool hash_known_hosts;
    bool no_host_check_for_localhost; /* NoHostAuthenticationForLocalhost */
    bool listens; /* others' connections go there: to a server whose key has
                   * changed none does, whatever strict is */

    /* Who we are. */
    bool batch_mode;
    bool pubkey_auth;
    bool password_auth;
    bool kbdint_auth;
    bool gssapi_auth;
    char *preferred;                  /* PreferredAuthentications, or NULL */
    struct sshdest_list identities;   /* IdentityFile, in order */
    struct sshdest_list certificates; /* CertificateFile */
    bool identities_given; /* by the user: a missing file is worth a warning */
    bool identities_only;
    char *identity_agent; /* path of the socket; NULL: none is used */
    unsigned password_prompts;

    /* Whether it still lives. */
    unsigned alive_interval; /* seconds; 0: never asked */
    unsigned alive_count_max;

    bool server_nodelay; /* run `true` once after login, so that sshd sets
                          * TCP_NODELAY: --server-nodelay */
};

/* Returns a destination with every default but no host, user or file; NULL
 * when out of memory. Owner: the caller, sshdest_destroy. */
struct sshdest *sshdest_create(void);

/* A copy of its own, but of those it jumps through. NULL when out of memory. */
struct sshdest *sshdest_copy(const struct sshdest *dest);

/* Frees it and those it jumps through. NULL does nothing. */
void sshdest_destroy(struct sshdest *dest);

/* Appends a copy of text. Returns false when out of memory. */
bool sshdest_list_add(struct sshdest_list *list, const char *text);
void sshdest_list_clear(struct sshdest_list *list);

/* Writes "user@host:port" ("[v6]:port"; the port only when it is not 22), cut
 * to size. Returns buf. */
char *sshdest_format(const struct sshdest *dest, char *buf, size_t size);

#endif
