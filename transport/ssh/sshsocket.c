/* What a link's socket is told to do. */
#include <fcntl.h>
#include <limits.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "transport/ssh/sshlink_parts.h"

/* What the kernel may hold unsent: enough to keep the path busy, little enough
 * not to stand before a keystroke. */
#define NOTSENT_BYTES (256 * 1024)

/* sshd leaves Nagle's algorithm on: what it answers next would wait for our
 * delayed acknowledgement. The kernel forgets this at will, so it is said
 * after every read; but for bulk, which is acknowledged as it comes. */
static void
acknowledge_now(const struct sshlink *link)
{
    int on = 1;

    if (link->is_tcp)
        setsockopt(link->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

/* What the socket is to do for us; not every one is of TCP. */
void
sshsocket_set(struct sshlink *link)
{
    double most = sshalive_patience(link);
    unsigned bound = most < INT_MAX / 1000 ? (unsigned)(most * 1000) : 0;
    int notsent = NOTSENT_BYTES;
    int domain = 0;
    int on = 1;
    socklen_t len = sizeof(domain);

    fcntl(link->fd, F_SETFL, fcntl(link->fd, F_GETFL) | O_NONBLOCK);
    getsockopt(link->fd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
    link->is_tcp = domain == AF_INET || domain == AF_INET6;
    if (!link->is_tcp)
        return;
    setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(link->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &notsent,
               sizeof(notsent));
    if (bound > 0)
        setsockopt(link->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &bound,
                   sizeof(bound));
    acknowledge_now(link);
}

void
sshsocket_acknowledge(struct sshlink *link)
{
    if (link->owes_ack && (sshio_sent(link->io) == link->sent_before ||
                           sshio_unsent(link->io) > 0))
        acknowledge_now(link);
    link->owes_ack = false;
}
