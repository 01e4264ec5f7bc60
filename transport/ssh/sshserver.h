/* An SSH server's door: from a listening socket to an authenticated session,
 * for peers that may forward and nothing else.
 *
 * Handshakes and authentication run on loops of their own (login loops), many
 * at a time on each, non-blocking and bounded in time: a key exchange takes
 * milliseconds of a processor, and peers that stand still would take up
 * threads. A session that is authenticated leaves for good to a worker of the
 * program. Sources that fail are kept out for a while, and peers that do
 * nothing never keep out those that do. */
#ifndef CULVERT_TRANSPORT_SSH_SSHSERVER_H
#define CULVERT_TRANSPORT_SSH_SSHSERVER_H

#include <libssh/libssh.h>
#include <stdbool.h>

#include "transport/base/addr.h"
#include "transport/base/admit.h"
#include "transport/base/err.h"
#include "transport/ssh/sshhostkey.h"

struct sshserver;

/* As long as a name of the users file. */
#define SSHSERVER_USER_MAX 255

/* Room for what a peer says of itself: a version line (RFC 4253 4.2). */
#define SSHSERVER_SOFTWARE_MAX 256

/* One who has logged in. */
struct sshserver_login {
    ssh_session session; /* non-blocking, on no event; its descriptor
                          * (ssh_get_fd) non-blocking, left open by
                          * ssh_disconnect as a client's is; what the peer has
                          * asked for meanwhile waits in it (ssh_message_get) */
    union addr peer;
    char user[SSHSERVER_USER_MAX + 1];
    char print[SSHHOSTKEY_PRINT_MAX]; /* of the key; "": by password */
    char
        software[SSHSERVER_SOFTWARE_MAX]; /* "SSH-2.0-OpenSSH_9.2p1", cleaned */
    void *grant;                          /* admit_ask's */
};

struct sshserver_config {
    const struct sshhostkeys *keys; /* borrowed until destroy */
    const struct admit_ops *admit;  /* likewise */
    void *admit_arg;
    unsigned loops; /* login loops, at least 1 */
    /* Takes the login (sshserver_login_drop, or its parts). Thread: a login
     * loop's. */
    void (*arrived)(void *arg, struct sshserver_login *login);
    /* Whether there are descriptors for one more, beside those of so many that
     * are under way or wait; asked before each accept. Thread: a login
     * loop's. */
    bool (*has_room)(void *arg, unsigned logins);
    void *arg;
};

/* Makes it and starts its loops, with no socket. Returns ERR_OK and *server
 * (sshserver_destroy), or an error. Thread: any, as for all below, one at a
 * time. */
enum err sshserver_create(const struct sshserver_config *config,
                          struct sshserver **server);

/* Has it accept from a listening, non-blocking socket (borrowed until stop). */
enum err sshserver_listen(struct sshserver *server, int fd);

/* It accepts no more; logins under way are ended, and its threads. Blocks until
 * then; arrived is not called any more. */
void sshserver_stop(struct sshserver *server);

/* After stop, or alone. NULL does nothing. */
void sshserver_destroy(struct sshserver *server);

/* Ends a login that nobody wants: the session with its descriptor, unless it is
 * NULL as it was taken, and the memory; the grant is the caller's to release.
 */
void sshserver_login_drop(struct sshserver_login *login);

#endif
