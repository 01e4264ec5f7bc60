#include "transport/ssh/sshauth.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "transport/ssh/sshlogin_kex.h"

/* A server may wait for a person's telephone, or for its own directory
 * service: sshd gives a login 120 seconds by itself (LoginGraceTime). */
#define STEP_SECONDS 150.

static enum ssh_auth_e
try_file(struct sshlogin_run *run, const char *path)
{
    ssh_key key = NULL;
    enum ssh_auth_e rc = SSH_AUTH_DENIED;

    if (access(path, R_OK) == 0 &&
        ssh_pki_import_privkey_file(path, NULL, NULL, NULL, &key) == SSH_OK)
        rc = (enum ssh_auth_e)ssh_userauth_publickey(run->session, NULL, key);
    ssh_key_free(key);
    return rc;
}

enum err
sshauth_log_in(struct sshlogin_run *run)
{
    const struct sshdest *dest = run->dest;
    enum ssh_auth_e rc;

    sshlogin_set_patience(run, STEP_SECONDS);
    rc = (enum ssh_auth_e)ssh_userauth_none(run->session, NULL);
    if (rc == SSH_AUTH_DENIED && dest->identity_agent && dest->pubkey_auth &&
        !dest->identities_only &&
        ssh_options_set(run->session, SSH_OPTIONS_IDENTITY_AGENT,
                        dest->identity_agent) == SSH_OK)
        rc = (enum ssh_auth_e)ssh_userauth_agent(run->session, NULL);
    for (size_t i = 0; i < dest->identities.count && dest->pubkey_auth; i++)
        if (rc == SSH_AUTH_DENIED)
            rc = try_file(run, dest->identities.item[i]);
    if (rc == SSH_AUTH_SUCCESS)
        return ERR_OK;
    if (rc == SSH_AUTH_ERROR)
        return sshlogin_fail_session(run, "authentication");
    return sshlogin_fail(run, ERR_AUTH_FAILED, "permission denied");
}
