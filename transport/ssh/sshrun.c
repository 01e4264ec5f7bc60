/* `true`, run once on the server, for --server-nodelay: sshd sets TCP_NODELAY
 * only when a session channel runs something. What comes of it is nobody's
 * concern; a server that refuses it is one without. */
#include "transport/ssh/sshlink_parts.h"

static void
forget(struct sshlink *link)
{
    ssh_channel_free(link->runner);
    link->runner = NULL;
}

void
sshrun_start(struct sshlink *link)
{
    link->runner = ssh_channel_new(link->session);
    if (!link->runner)
        return;
    if (ssh_channel_open_session(link->runner) == SSH_ERROR)
        forget(link);
    link->number++;
}

static enum sshrun_state
next_state(struct sshlink *link)
{
    int rc = SSH_OK;

    switch (link->running) {
    case SSHRUN_OPENING:
        rc = ssh_channel_open_session(link->runner);
        if (rc == SSH_ERROR) { /* refused: there is nothing to close */
            forget(link);
            return SSHRUN_ENDING;
        }
        return rc == SSH_OK ? SSHRUN_ASKING : SSHRUN_OPENING;
    case SSHRUN_ASKING:
        rc = ssh_channel_request_exec(link->runner, "true");
        return rc == SSH_AGAIN ? SSHRUN_ASKING : SSHRUN_ENDING;
    case SSHRUN_ENDING:
        break;
    }
    return SSHRUN_ENDING;
}

void
sshrun_look(struct sshlink *link)
{
    enum sshrun_state before;

    if (!link->runner)
        return;
    do {
        before = link->running;
        link->running = next_state(link);
    } while (link->runner && link->running != before);
    /* libssh frees it when the server has closed it, too. */
    if (link->runner && link->running == SSHRUN_ENDING &&
        ssh_channel_close(link->runner) == SSH_OK)
        forget(link);
}
