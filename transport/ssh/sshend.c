/* Why a link ends, in words. */
#include "transport/ssh/sshlink_parts.h"

#include <string.h>
#include <utlist.h>

/* What libssh calls a disconnect, with the server's own words behind it. */
static const char said[] = "Received SSH_MSG_DISCONNECT: ";

static bool
was_told(const char *text)
{
    return strncmp(text, said, sizeof(said) - 1) == 0;
}

bool
sshend_lacks_memory(const struct sshlink *link)
{
    const char *text;

    if (ssh_get_error_code(link->session) != SSH_FATAL)
        return false;
    text = ssh_get_error(link->session);
    return strstr(text, "Out of memory") && !was_told(text);
}

const char *
sshend_peer_word(const struct sshlink *link)
{
    return link->serves ? "peer" : "server";
}

bool
sshend_is_over(const struct sshlink *link)
{
    return !ssh_is_connected(link->session) ||
           (ssh_get_status(link->session) & SSH_CLOSED_ERROR);
}

void
sshend_by_libssh(struct sshlink *link)
{
    const char *text = ssh_get_error(link->session);

    if (was_told(text))
        sshlink_fail(link, ERR_RESET, "disconnected by the %s: %s",
                     sshend_peer_word(link), text + sizeof(said) - 1);
    else if (!*text)
        sshlink_fail(link, ERR_PROTOCOL,
                     "protocol error: the %s sent what can't be read",
                     sshend_peer_word(link));
    else
        sshlink_fail(link, ERR_PROTOCOL, "protocol error: %s", text);
}

/* Which channels lack something is not known: nothing more is read of any. */
void
sshend_by_memory(struct sshlink *link)
{
    struct sshchan *chan;

    DL_FOREACH (link->phases[SSHCHAN_OPEN], chan)
        chan->buffered = 0;
    sshlink_fail(link, ERR_NO_MEMORY, "out of memory");
}

void
sshend_by_socket(struct sshlink *link, enum err err)
{
    if (err == ERR_EOF)
        sshlink_fail(link, ERR_RESET, "connection closed by the %s",
                     sshend_peer_word(link));
    else
        sshlink_fail(link, err, "%s", err_text(err));
}
