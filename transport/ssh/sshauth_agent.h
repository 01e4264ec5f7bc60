/* The user's agent, so that it shows libssh the keys that are to be tried.
 *
 * libssh offers every key of an agent, in the agent's order: a server that
 * allows six tries would refuse the login before the right one came, and
 * IdentitiesOnly could not be kept. So libssh talks to a thread of ours, which
 * shows it those that it should see, and passes on what is to be signed. */
#ifndef CULVERT_TRANSPORT_SSH_SSHAUTH_AGENT_H
#define CULVERT_TRANSPORT_SSH_SSHAUTH_AGENT_H

#include <libssh/libssh.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/base/err.h"

struct sshauth_agent;

struct sshauth_agent_key {
    const uint8_t *blob; /* the public key as it goes over the wire */
    size_t len;
    char *base64;  /* the same as text */
    char *comment; /* cleaned of control bytes */
};

/* Connects to the agent's socket and asks for its keys. Returns ERR_OK, and
 * *agent (sshauth_agent_destroy); ERR_NO_SUCH_PATH, ERR_REFUSED... when there
 * is none; ERR_PROTOCOL, for one that is silent for long, too. Blocks. */
enum err sshauth_agent_create(const char *path, struct sshauth_agent **agent);

/* Takes it out of the session too, which must still be there if it was
 * shown to one. NULL does nothing. */
void sshauth_agent_destroy(struct sshauth_agent *agent);

size_t sshauth_agent_count(const struct sshauth_agent *agent);

/* Lends the key of that index. */
const struct sshauth_agent_key *
sshauth_agent_key(const struct sshauth_agent *agent, size_t index);

/* One key to be shown; as a certificate, if the blob of one for it is given. */
struct sshauth_agent_offer {
    size_t index;
    const uint8_t *certificate; /* or NULL */
    size_t len;
};

/* From now on ssh_userauth_agent on this session sees these, in this order.
 * They are borrowed until the next call, or destroy. Each call after the first
 * costs a few bytes until the session's end: libssh 0.10 forgets to free what
 * it was shown before. */
enum err sshauth_agent_show(struct sshauth_agent *agent, ssh_session session,
                            const struct sshauth_agent_offer *offers,
                            size_t count);

/* How many of those shown come before and with the one that was last to sign
 * something; 0 when none was. */
size_t sshauth_agent_signed(struct sshauth_agent *agent);

#endif
