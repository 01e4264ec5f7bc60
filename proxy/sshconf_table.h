/* Every keyword of ssh_config(5), as of OpenSSH 10, and those of before that
 * old files still have: what its value is and what it does here. */
#ifndef CULVERT_PROXY_SSHCONF_TABLE_H
#define CULVERT_PROXY_SSHCONF_TABLE_H

#include <stddef.h>

/* Keywords whose value is kept. */
enum sshconf_id {
    SSHCONF_ADDRESS_FAMILY,
    SSHCONF_BATCH_MODE,
    SSHCONF_BIND_ADDRESS,
    SSHCONF_BIND_INTERFACE,
    SSHCONF_CANONICALIZE_HOSTNAME,
    SSHCONF_CERTIFICATE_FILE,
    SSHCONF_CIPHERS,
    SSHCONF_CLEAR_ALL_FORWARDINGS,
    SSHCONF_COMPRESSION,
    SSHCONF_CONNECT_TIMEOUT,
    SSHCONF_CONNECTION_ATTEMPTS,
    SSHCONF_CONTROL_MASTER,
    SSHCONF_CONTROL_PATH,
    SSHCONF_DYNAMIC_FORWARD,
    SSHCONF_EXIT_ON_FORWARD_FAILURE,
    SSHCONF_FORK_AFTER_AUTHENTICATION,
    SSHCONF_GSSAPI_AUTHENTICATION,
    SSHCONF_GATEWAY_PORTS,
    SSHCONF_GLOBAL_KNOWN_HOSTS_FILE,
    SSHCONF_HASH_KNOWN_HOSTS,
    SSHCONF_HOST,
    SSHCONF_HOST_KEY_ALGORITHMS,
    SSHCONF_HOST_KEY_ALIAS,
    SSHCONF_HOST_NAME,
    SSHCONF_IDENTITIES_ONLY,
    SSHCONF_IDENTITY_AGENT,
    SSHCONF_IDENTITY_FILE,
    SSHCONF_IGNORE_UNKNOWN,
    SSHCONF_INCLUDE,
    SSHCONF_KBD_INTERACTIVE_AUTHENTICATION,
    SSHCONF_KEX_ALGORITHMS,
    SSHCONF_LOCAL_FORWARD,
    SSHCONF_LOG_LEVEL,
    SSHCONF_MACS,
    SSHCONF_MATCH,
    SSHCONF_NO_HOST_AUTHENTICATION_FOR_LOCALHOST,
    SSHCONF_NUMBER_OF_PASSWORD_PROMPTS,
    SSHCONF_PASSWORD_AUTHENTICATION,
    SSHCONF_PERMIT_REMOTE_OPEN,
    SSHCONF_PORT,
    SSHCONF_PREFERRED_AUTHENTICATIONS,
    SSHCONF_PROXY_COMMAND,
    SSHCONF_PROXY_JUMP,
    SSHCONF_PROXY_USE_FDPASS,
    SSHCONF_PUBKEY_ACCEPTED_ALGORITHMS,
    SSHCONF_PUBKEY_AUTHENTICATION,
    SSHCONF_REFUSE_CONNECTION,
    SSHCONF_REKEY_LIMIT,
    SSHCONF_REMOTE_FORWARD,
    SSHCONF_REQUIRED_RSA_SIZE,
    SSHCONF_REVOKED_HOST_KEYS,
    SSHCONF_SERVER_ALIVE_COUNT_MAX,
    SSHCONF_SERVER_ALIVE_INTERVAL,
    SSHCONF_STREAM_LOCAL_BIND_MASK,
    SSHCONF_STREAM_LOCAL_BIND_UNLINK,
    SSHCONF_STRICT_HOST_KEY_CHECKING,
    SSHCONF_TCP_KEEP_ALIVE,
    SSHCONF_TAG,
    SSHCONF_USER,
    SSHCONF_USER_KNOWN_HOSTS_FILE,
    SSHCONF_IDS,
    SSHCONF_NO_ID = SSHCONF_IDS,
};

/* How a value is written, and what is kept of it. */
enum sshconf_form {
    SSHCONF_FORM_FLAG,       /* yes or no: number 1 or 0 */
    SSHCONF_FORM_CHOICE,     /* one of the entry's choices: its number */
    SSHCONF_FORM_NUMBER,     /* number */
    SSHCONF_FORM_PORT,       /* number */
    SSHCONF_FORM_SPAN,       /* seconds: number; "none" is -1 */
    SSHCONF_FORM_MASK,       /* number */
    SSHCONF_FORM_REKEY,      /* bytes: number; seconds: second */
    SSHCONF_FORM_TEXT,       /* one word: a text */
    SSHCONF_FORM_REST,       /* what stands to the end of the line: a text */
    SSHCONF_FORM_WORDS,      /* some words: texts */
    SSHCONF_FORM_ADD,        /* one word; each line adds to the texts */
    SSHCONF_FORM_ALGORITHMS, /* one word with commas: a text */
    SSHCONF_FORM_FORWARD,    /* each line adds a forward */
    SSHCONF_FORM_BLOCK,      /* Host, Match and Include */
    SSHCONF_FORM_ANY,        /* words that nobody looks at */
};

enum sshconf_effect {
    SSHCONF_ACTS,
    SSHCONF_SERVER,  /* says how to log in: acts with a destination, and has
                      * no effect and no harm without one */
    SSHCONF_WAY,     /* says where connections go: acts with a destination,
                      * and is an error without one */
    SSHCONF_CONTROL, /* acts on the command line; in files it is for ssh */
    SSHCONF_IDLE,    /* has no effect, and no harm in that */
    SSHCONF_WARNED,  /* has none, which may be missed: a warning in files too
                      * unless it says no */
    SSHCONF_REFUSED, /* an error on the command line unless it says no; in
                      * files a warning */
    SSHCONF_REFUSED_HERE, /* an error on the command line unless it says no; in
                           * files it has no effect, as with ssh -N */
};

struct sshconf_choice {
    const char *name; /* NULL ends a list */
    int number;
};

struct sshconf_entry {
    const char *name;
    enum sshconf_form form;
    enum sshconf_effect effect;
    enum sshconf_id id;
    const struct sshconf_choice *choices; /* of SSHCONF_FORM_CHOICE: a number's
                                           * first name is the one printed */
};

/* GatewayPorts. */
enum sshconf_gateway {
    SSHCONF_GATEWAY_NO,
    SSHCONF_GATEWAY_YES,
    SSHCONF_GATEWAY_CLIENTSPECIFIED, /* by -o, with --gateway */
};

/* ControlMaster. */
enum sshconf_master {
    SSHCONF_MASTER_NO,
    SSHCONF_MASTER_YES,
    SSHCONF_MASTER_AUTO,
    SSHCONF_MASTER_ASK,
    SSHCONF_MASTER_AUTO_ASK,
};

/* Each lends an entry, or NULL when there is none. Names are known without
 * regard to case. */
const struct sshconf_entry *sshconf_table_name(const char *name);
const struct sshconf_entry *sshconf_table_id(enum sshconf_id id);

/* Lends the index-th entry; NULL behind the last. */
const struct sshconf_entry *sshconf_table_at(size_t index);

#endif
