/* Authentication by what a person knows: password and keyboard-interactive. */
#ifndef CULVERT_TRANSPORT_SSH_SSHAUTH_ASK_H
#define CULVERT_TRANSPORT_SSH_SSHAUTH_ASK_H

#include "transport/ssh/sshauth_part.h"

/* Each asks as often as NumberOfPasswordPrompts allows, and is for one call a
 * login: SSHAUTH_DENIED when that was of no use, or nobody is there to ask. */
enum sshauth_result sshauth_password(struct sshlogin_run *run);

/* RFC 4256. A single hidden answer to what looks like a password's prompt is
 * kept and given again at the next login; any other sets run->person. */
enum sshauth_result sshauth_interactive(struct sshlogin_run *run);

#endif
