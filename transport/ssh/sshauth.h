/* The second half of a login: who we are, by the methods that the server
 * takes, in the order of PreferredAuthentications. */
#ifndef CULVERT_TRANSPORT_SSH_SSHAUTH_H
#define CULVERT_TRANSPORT_SSH_SSHAUTH_H

#include "transport/ssh/sshlogin_run.h"

/* Authenticates a session whose host key has been judged. Blocks; may ask a
 * person. Returns ERR_OK; else what failed, with run->text. */
enum err sshauth_log_in(struct sshlogin_run *run);

#endif
