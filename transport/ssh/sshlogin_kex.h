/* The first half of a login: libssh's options, the version exchange and the
 * key exchange. */
#ifndef CULVERT_TRANSPORT_SSH_SSHLOGIN_KEX_H
#define CULVERT_TRANSPORT_SSH_SSHLOGIN_KEX_H

#include "transport/ssh/sshlogin_run.h"

/* Makes run->session on the connected descriptor, which is taken, and blocks
 * until keys are exchanged, for connect_timeout at most. Returns ERR_OK, or
 * what failed with run->text; run->session is the caller's to free in any
 * case. */
enum err sshlogin_kex(struct sshlogin_run *run, int fd);

/* Sends libssh's messages of this thread to the log (LOG_DEBUG), and to
 * run->heard what the server says before its version. The run must outlive
 * the thread's use of libssh; NULL: to nobody. */
void sshlogin_listen(struct sshlogin_run *run);

/* How long the server may be silent in one step from now on. */
void sshlogin_set_patience(struct sshlogin_run *run, double seconds);

#endif
