#include "proxy/sshconf_algo.h"

#include <libssh/libssh.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/sshconf_line.h"

/* No list is longer: every name of each kind together is not. */
#define LIST_MAX 4096

#define KEYS_MODERN                                        \
    "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384," \
    "ecdsa-sha2-nistp521,sk-ssh-ed25519@openssh.com,"      \
    "sk-ecdsa-sha2-nistp256@openssh.com,rsa-sha2-512,rsa-sha2-256"
#define KEYS_CERTIFIED                             \
    "ssh-ed25519-cert-v01@openssh.com,"            \
    "ecdsa-sha2-nistp256-cert-v01@openssh.com,"    \
    "ecdsa-sha2-nistp384-cert-v01@openssh.com,"    \
    "ecdsa-sha2-nistp521-cert-v01@openssh.com,"    \
    "sk-ssh-ed25519-cert-v01@openssh.com,"         \
    "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com," \
    "rsa-sha2-512-cert-v01@openssh.com,rsa-sha2-256-cert-v01@openssh.com"

/* What the prefixes start from, and what else patterns can find. libssh is
 * asked about each name: which it knows depends on its version. */
static const struct kind {
    enum sshconf_id id;
    enum ssh_options_e option;
    const char *usual;
    const char *others;
} kinds[] = {
    {SSHCONF_CIPHERS, SSH_OPTIONS_CIPHERS_C_S,
     "aes128-gcm@openssh.com,aes256-gcm@openssh.com,"
     "chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr",
     "aes128-cbc,aes192-cbc,aes256-cbc,3des-cbc"},
    {SSHCONF_MACS, SSH_OPTIONS_HMAC_C_S,
     "umac-64-etm@openssh.com,umac-128-etm@openssh.com,"
     "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,"
     "umac-64@openssh.com,umac-128@openssh.com,hmac-sha2-256,hmac-sha2-512",
     "hmac-sha1-etm@openssh.com,hmac-sha1,hmac-md5-etm@openssh.com,hmac-md5"},
    {SSHCONF_KEX_ALGORITHMS, SSH_OPTIONS_KEY_EXCHANGE,
     "mlkem768x25519-sha256,sntrup761x25519-sha512,"
     "sntrup761x25519-sha512@openssh.com,curve25519-sha256,"
     "curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,"
     "ecdh-sha2-nistp521,diffie-hellman-group18-sha512,"
     "diffie-hellman-group16-sha512,diffie-hellman-group-exchange-sha256,"
     "diffie-hellman-group14-sha256",
     "diffie-hellman-group14-sha1,diffie-hellman-group-exchange-sha1,"
     "diffie-hellman-group1-sha1"},
    {SSHCONF_HOST_KEY_ALGORITHMS, SSH_OPTIONS_HOSTKEYS, KEYS_MODERN, "ssh-rsa"},
    {SSHCONF_PUBKEY_ACCEPTED_ALGORITHMS, SSH_OPTIONS_PUBLICKEY_ACCEPTED_TYPES,
     KEYS_CERTIFIED "," KEYS_MODERN, "ssh-rsa-cert-v01@openssh.com,ssh-rsa"},
};

/* A list that is being made. */
struct making {
    const struct kind *kind;
    ssh_session session; /* never connected: it knows libssh's names */
    struct sshdest_list *dropped;
    char list[LIST_MAX];
};

/* libssh takes names of host certificates, and then cannot check one. */
static bool
is_known(const struct making *making, const char *name)
{
    if (making->kind->id == SSHCONF_HOST_KEY_ALGORITHMS &&
        strstr(name, "-cert-"))
        return false;
    return ssh_options_set(making->session, making->kind->option, name) == 0;
}

static void
add(struct making *making, const char *name)
{
    size_t len = strlen(making->list);

    if (sshconf_line_matches(making->list, name, false) ||
        len + strlen(name) + 2 > sizeof(making->list))
        return;
    if (len > 0)
        making->list[len++] = ',';
    strcpy(making->list + len, name);
}

/* Takes the next name out of a list. Returns false at its end. */
static bool
next_name(const char **list, char *name, size_t size)
{
    size_t len;

    *list += strspn(*list, ",");
    len = strcspn(*list, ",");
    if (len == 0)
        return false;
    if (len >= size)
        len = size - 1;
    memcpy(name, *list, len);
    name[len] = 0;
    *list += strcspn(*list, ",");
    return true;
}

/* Adds those names of a list that libssh knows and a pattern has, or with
 * without true those that it has not. */
static void
add_matching(struct making *making, const char *list, const char *pattern,
             bool without)
{
    char name[128];

    while (next_name(&list, name, sizeof(name))) {
        if (sshconf_line_matches(pattern, name, false) != without &&
            is_known(making, name))
            add(making, name);
    }
}

/* Adds what was written: names, and patterns of those that there are. */
static bool
add_written(struct making *making, const char *list)
{
    char name[128];

    while (next_name(&list, name, sizeof(name))) {
        if (strpbrk(name, "*?")) {
            add_matching(making, making->kind->usual, name, false);
            add_matching(making, making->kind->others, name, false);
        } else if (is_known(making, name)) {
            add(making, name);
        } else if (!sshdest_list_add(making->dropped, name)) {
            return false;
        }
    }
    return true;
}

static bool
make(struct making *making, const char *text)
{
    const char *usual = making->kind->usual;
    bool good = true;

    switch (*text) {
    case '-':
        add_matching(making, usual, text + 1, true);
        break;
    case '+':
        add_matching(making, usual, "*", false);
        good = add_written(making, text + 1);
        break;
    case '^':
        good = add_written(making, text + 1);
        add_matching(making, usual, "*", false);
        break;
    default:
        good = add_written(making, text);
        break;
    }
    return good;
}

const char *
sshconf_algo_resolve(enum sshconf_id id, const char *text, char **list,
                     struct sshdest_list *dropped)
{
    struct making making = {.session = ssh_new(), .dropped = dropped};
    const char *why = "out of memory";
    char *copy = NULL;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (kinds[i].id == id)
            making.kind = &kinds[i];
    }
    if (making.session && make(&making, text)) {
        why = "names no algorithm that libssh knows";
        if (making.list[0]) {
            copy = strdup(making.list);
            why = copy ? NULL : "out of memory";
        }
    }
    ssh_free(making.session);
    if (!why)
        *list = copy;
    return why;
}
